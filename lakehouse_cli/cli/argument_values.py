"""Arguments taken as they are, without the 0.2 s that typer's conversion of them takes to load.

Recent versions of typer convert every value through pydantic, which they import when a command runs. All of ours are
texts, flags, lists of texts and whole numbers. See ADR 0002.
"""

from __future__ import annotations

from typing import Any

import typer
import typer.core

_FLAGS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class _Plain:
    """Stands in for typer's converter of one parameter."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if isinstance(value, list | tuple):
            return list(value)
        if self._annotation is bool and isinstance(value, str):
            # Only an environment variable gives a flag as text.
            if value.strip().lower() not in _FLAGS:
                raise typer.BadParameter(f"`{value}` is neither true nor false", ctx=ctx, param=param)
            return _FLAGS[value.strip().lower()]
        if self._annotation is int:
            try:
                return int(value)
            except ValueError:
                raise typer.BadParameter(f"`{value}` is not a whole number", ctx=ctx, param=param) from None
        return value


def take_plainly() -> None:
    """Have typer convert texts, flags, lists of texts and whole numbers plainly, in this process.

    A typer without the function replaced here (older, or changed again) works as it always does, only slower; a test
    checks what `lakehouse ls` loads.
    """
    build = getattr(typer.core, "build_runtime_param", None)
    if build is None or build is _converter:
        return
    _Original.build = build
    typer.core.build_runtime_param = _converter  # type: ignore[attr-defined]  # not in every version


class _Original:
    build: Any = None


def _converter(descriptor: Any) -> Any:
    if descriptor.annotation in (str, int, bool, list[str]):
        return _Plain(descriptor.annotation)
    return _Original.build(descriptor)
