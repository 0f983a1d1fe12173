"""Finding a transform's function: importing its module, as if its project were the only one."""

from __future__ import annotations

import importlib
import inspect
import linecache
import sys
import threading
import traceback
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from lakehouse_cli.errors import TransformError, did_you_mean
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.transforms.frames import FrameType, frame_type_of

_LOCK = threading.RLock()
_NOT_THE_USERS = tuple({str(Path(prefix)) for prefix in (sys.prefix, sys.base_prefix, sys.exec_prefix)})
_OWN = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True)
class Parameter:
    """One parameter of a transform.

    Attributes:
        name: Its name.
        kind: `inspect`'s: positional-only, keyword-only, …
        required: Whether it has no default.
        annotation: Resolved; its text where it could not be; None where there is none.
    """

    name: str
    kind: inspect._ParameterKind
    required: bool
    annotation: Any

    @property
    def frame_type(self) -> FrameType:
        """The in-memory type of the table it takes.

        Raises:
            TransformError: The annotation names no supported type.
        """
        try:
            return frame_type_of(self.annotation)
        except TransformError as error:
            raise TransformError(f"parameter `{self.name}`: {error.message}", hint=error.hint) from error


@dataclass(frozen=True)
class Transform:
    """A function that computes a table, and what it wants to be given.

    Attributes:
        ref: Where it was found.
        folder: The project's folder, which comes first on ``sys.path`` while it is called.
        fn: The function.
        parameters: In order, ``*args`` and ``**kwargs`` among them.
        returns: Annotation of the result, as `Parameter.annotation`.
    """

    ref: FunctionRef
    folder: Path
    fn: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any

    @property
    def name(self) -> str:
        """The function's name."""
        return self.ref.name

    @property
    def return_type(self) -> FrameType:
        """The in-memory type of the result, by its annotation.

        Raises:
            TransformError: The annotation names no supported type.
        """
        try:
            return frame_type_of(self.returns, returned=True)
        except TransformError as error:
            raise TransformError(f"result of `{self.name}`: {error.message}", hint=error.hint) from error

    def parameter(self, name: str) -> Parameter | None:
        """The parameter that takes the keyword `name`: of that name, or ``**kwargs``."""
        keywords = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        found = next((p for p in self.parameters if p.name == name and p.kind in keywords), None)
        return found or next((p for p in self.parameters if p.kind is inspect.Parameter.VAR_KEYWORD), None)

    def positional(self, position: int) -> Parameter | None:
        """The parameter that takes the positional argument of that 0-based position."""
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        plain = [p for p in self.parameters if p.kind in kinds]
        if position < len(plain):
            return plain[position]
        return next((p for p in self.parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)


def load_transform(ref: FunctionRef, folder: Path) -> Transform:
    """Import a transform's module and find its function.

    Modules of one project folder are kept apart from those of another, and are imported anew when one of their files
    has changed since.

    Args:
        ref: Module and name.
        folder: The project's folder; modules are looked for there before anywhere else.

    Raises:
        TransformError: The module cannot be found or raises, the function is not in it or is none.
    """
    folder = folder.resolve()
    with _LOCK:
        module = _import(ref, folder)
    fn = getattr(module, ref.name, None)
    if fn is None:
        functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        hint = did_you_mean(ref.name, functions) or "define it, or name another with `function`"
        raise TransformError(f"function `{ref.name}` is not in module `{ref.module}`", hint=hint, location=ref.location)
    if not callable(fn):
        raise TransformError(
            f"`{ref}` is {type(fn).__name__}, not a function", hint="a transform is a function", location=ref.location
        )
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError) as error:
        raise TransformError(f"the parameters of `{ref}` cannot be known", location=ref.location) from error
    hints = _hints(fn)
    parameters = tuple(
        Parameter(p.name, p.kind, p.default is p.empty, hints.get(p.name, _written(p.annotation)))
        for p in signature.parameters.values()
    )
    returns = hints.get("return", _written(signature.return_annotation))
    transform = Transform(ref, folder, fn, parameters, returns)
    _ = transform.return_type
    return transform


def _written(annotation: Any) -> Any:
    return None if annotation is inspect.Parameter.empty else annotation


def _hints(fn: Callable[..., Any]) -> dict[str, Any]:
    """Annotations evaluated one by one, so that one which cannot be does not spoil the others."""
    fn = inspect.unwrap(fn)
    holder = fn if isinstance(fn, types.FunctionType) else getattr(fn, "__func__", None) or getattr(fn, "func", None)
    if holder is None:
        holder = getattr(type(fn), "__call__", None)
    written = getattr(holder, "__annotations__", {})
    names = getattr(holder, "__globals__", {})
    found: dict[str, Any] = {}
    for name, annotation in written.items():
        if isinstance(annotation, str):
            try:
                annotation = typing.get_type_hints(_Annotated(name, annotation), globalns=names)[name]  # noqa: PLW2901
            except Exception:  # noqa: BLE001, S110 - evaluating the user's text may raise anything; its text will do
                pass
        found[name] = annotation
    return found


def _Annotated(name: str, annotation: str) -> Any:  # noqa: N802
    return types.SimpleNamespace(__annotations__={name: annotation})
