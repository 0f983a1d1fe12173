"""A transform's function, and the frame types that its annotations name."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Generator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, ForwardRef, get_args, get_origin

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.code.failure import failure_of
from lakehouse_cli.code.importing import import_own
from lakehouse_cli.code.module_search import PUT_MODULE, in_the_way
from lakehouse_cli.errors import Interrupted, TransformError, UsageError
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.model.computation import Input
from lakehouse_cli.registry import install_command
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.transforms.frames import FrameType, frame_type_of

_OTHERS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class Parameter(Struct, frozen=True):
    """One parameter of a transform.

    Attributes:
        name: Its name.
        kind: `inspect`'s: positional-only, keyword-only, …
        annotation: Resolved; its text where it could not be; None where there is none.
    """

    name: str
    kind: inspect._ParameterKind
    annotation: Any

    @property
    def frame_type(self) -> FrameType:
        """The frame type of the table it takes.

        Raises:
            TransformError: The annotation names no supported type.
        """
        try:
            return frame_type_of(self.annotation)
        except TransformError as error:
            raise TransformError(f"parameter `{self.name}`: {error.message}", hint=error.hint) from error


class Transform(Struct, frozen=True):
    """A function that computes a table, and its signature.

    Attributes:
        ref: Where it was found.
        folder: The project's folder, which comes first on ``sys.path`` while it is called.
        fn: The function.
        parameters: In order, ``*args`` and ``**kwargs`` among them.
        returns: Annotation of the result, as `Parameter.annotation`.
        file: Of its module, None where it has none.
    """

    ref: FunctionRef
    folder: Path
    fn: Callable[..., Any]
    parameters: tuple[Parameter, ...]
    returns: Any
    file: str | None

    @property
    def name(self) -> str:
        """The function's name."""
        return self.ref.name

    @property
    def return_type(self) -> FrameType:
        """The frame type of the result, by its annotation.

        Raises:
            TransformError: The annotation names no supported type.
        """
        try:
            return frame_type_of(self.returns, returned=True)
        except TransformError as error:
            raise TransformError(f"result of `{self.name}`: {error.message}", hint=error.hint) from error

    def may_return_none(self, output: str = "") -> bool:
        """Whether its annotation says that None may be the result.

        Args:
            output: The name of the result, of a function with several: said by the field of that name, or anywhere.
        """
        annotation = self.returns
        if output and isinstance(annotation, type):
            annotation = getattr(annotation, "__annotations__", {}).get(output)  # of a NamedTuple or TypedDict
        return _allows_none(annotation, inside=bool(output))

    def keyword(self, name: str) -> Parameter | None:
        """Find the parameter that takes the keyword `name`: the one of that name, or ``**kwargs``."""
        for parameter in self.parameters:
            if parameter.name == name and parameter.kind in _BY_KEYWORD:
                return parameter
        return next((p for p in self.parameters if p.kind is inspect.Parameter.VAR_KEYWORD), None)

    def positional(self, position: int) -> Parameter | None:
        """Find the parameter that takes the positional argument of that 0-based position."""
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        plain = [p for p in self.parameters if p.kind in kinds]
        if position < len(plain):
            return plain[position]
        return next((p for p in self.parameters if p.kind is inspect.Parameter.VAR_POSITIONAL), None)

    def parameters_of(self, inputs: Sequence[Input]) -> list[Parameter | None]:
        """Match inputs to parameters: those by position in their order, the others by name; None for no parameter."""
        positions = count()
        return [
            self.positional(next(positions)) if each.positional else self.keyword(each.parameter or "")
            for each in inputs
        ]


def _allows_none(annotation: Any, *, inside: bool) -> bool:
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        return "None" in annotation or "Optional" in annotation
    parts = get_args(annotation)
    if get_origin(annotation) is Generator:
        parts = parts[:1]  # the others are of what is sent to it, and of its end
    if inside:
        return annotation is types.NoneType or any(_allows_none(part, inside=True) for part in parts)
    return types.NoneType in (annotation, *parts)


def load_transform(ref: FunctionRef, folder: Path, *, of_table: bool = True) -> Transform:
    """Import a transform's module and find its function.

    Modules of one project folder are kept apart from those of another, and are imported anew when one of their files
    has changed since.

    Args:
        ref: Module and name.
        folder: The project's, absolute and with links resolved; modules are looked for there before anywhere else.
        of_table: Whether what it computes is a table; else its result may be annotated with anything.

    Raises:
        TransformError: The module cannot be found or raises, the function is not in it or is none, its result is
            annotated with no supported type.
    """
    module = _imported(ref, folder)
    fn = getattr(module, ref.name, None)
    if not callable(fn):
        raise _no_function(ref, module, fn)
    place = (ref.module, ref.name, folder)
    known = _known.get(place)
    if known is None or known.fn is not fn:
        known = _known[place] = _described(ref, folder, module, fn)
    if of_table and known.returns is not None:
        _ = known.return_type
    return known if known.ref.location == ref.location else replace(known, ref=ref)


# A run asks for a function before anything is computed, and again at every attempt.
_known: dict[tuple[str, str, Path], Transform] = {}


def _described(ref: FunctionRef, folder: Path, module: types.ModuleType, fn: Callable[..., Any]) -> Transform:
    hints, file = annotations_of(fn), getattr(module, "__file__", None)
    code = fn.__code__ if type(fn) is types.FunctionType and not vars(fn) else None  # nothing stands in its place
    if code is not None and not (code.co_posonlyargcount or code.co_kwonlyargcount or code.co_flags & _OTHERS):
        # What `inspect.signature` finds, in less than a tenth of its time.
        kind, names = inspect.Parameter.POSITIONAL_OR_KEYWORD, code.co_varnames[: code.co_argcount]
        plain = tuple([Parameter(name, kind, hints.get(name)) for name in names])
        return Transform(ref, folder, fn, plain, hints.get("return"), file)
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError) as error:
        hint = "define it with `def`"
        raise TransformError(f"the parameters of `{ref}` cannot be known", hint=hint, location=ref.location) from error
    parameters = tuple(
        Parameter(p.name, p.kind, hints.get(p.name, _written(p.annotation))) for p in signature.parameters.values()
    )
    returns = hints.get("return", _written(signature.return_annotation))
    return Transform(ref, folder, fn, parameters, returns, file)


def _imported(ref: FunctionRef, folder: Path) -> types.ModuleType:
    try:
        return import_own(ref.module, folder)
    except Interrupted:
        raise
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and f"{ref.module}.".startswith(f"{error.name}."):
            beside = sorted(path.stem for path in folder.glob("*.py"))
            hint = (
                did_you_mean(ref.module, beside) or f"put `{ref.module.replace('.', '/')}.py` beside the project file"
            )
            message = f"module `{ref.module}` is neither in the project's folder nor installed"
            raise TransformError(message, hint=hint, location=ref.location) from error
        failure = failure_of(error, folder)
        if isinstance(error, UsageError):
            raise TransformError(error.message, hint=error.hint, location=failure.location) from error
        raise TransformError(
            f"module `{ref.module}` cannot be imported: {failure.headline}",
            exception=failure.exception,
            frames=failure.frames,
            traceback=failure.traceback,
            hint=_import_hint(error, failure.frames, folder),
            location=ref.location,
        ) from error


def _import_hint(error: BaseException, frames: tuple[tuple[str, int, str, str], ...], folder: Path) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        if (other := in_the_way(error.name, folder)) is not None:
            return f"{other} is not a regular file: {PUT_MODULE}"
        install = install_command(error.name) or f"install what `{error.name}` belongs to"
        return f"{install}, or correct the import"
    if isinstance(error, MemoryError):
        return "there was not enough memory; compute fewer tables at once (`--workers`), or give it more"
    if frames:
        return f"correct {frames[-1][0]}:{frames[-1][1]}"
    return "import it in Python to see more"


def _no_function(ref: FunctionRef, module: types.ModuleType, found: Any) -> TransformError:
    if found is not None:
        message = f"`{ref.name}` in module `{ref.module}` is {type(found).__name__}, not a function"
        return TransformError(
            message, hint="define it with `def`, or name another with `function`", location=ref.location
        )
    functions = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    hint = did_you_mean(ref.name, functions) or "define it, or name another with `function`"
    message = f"function `{ref.name}` is not in module `{ref.module}`"
    return TransformError(message, hint=hint, location=ref.location)


def _written(annotation: Any) -> Any:
    return None if annotation is inspect.Parameter.empty else annotation


def annotations_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """Evaluate a function's annotations one by one, so that one which fails does not spoil the others."""
    unwrapped: Any = inspect.unwrap(fn)
    while hasattr(unwrapped, "func") and not isinstance(unwrapped, types.FunctionType):
        unwrapped = inspect.unwrap(unwrapped.func)  # functools.partial
    holder = unwrapped if hasattr(unwrapped, "__globals__") else type(unwrapped).__call__
    names = getattr(holder, "__globals__", {})
    return {name: _evaluated(text, names) for name, text in getattr(holder, "__annotations__", {}).items()}


def _evaluated(annotation: Any, names: dict[str, Any]) -> Any:
    if annotation is None:
        return types.NoneType  # as where it is evaluated; None stands for no annotation
    if not isinstance(annotation, str):
        return annotation

    def holder() -> None: ...

    holder.__annotations__ = {"it": annotation}
    try:
        return typing.get_type_hints(holder, globalns=names, include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - evaluating the user's text may raise anything; its text will do
        return annotation
