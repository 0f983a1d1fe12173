"""Arguments taken as they are, without the 0.2 s that typer's conversion of them takes to load.

Recent versions of typer convert every value through pydantic, which they import when a command runs. All of ours are
texts, flags, lists of texts and whole numbers. See ADR 0002.
"""

from __future__ import annotations

from typing import Any

import typer


class _Plain:
    """Stands in for typer's converter of one parameter."""

    def __init__(self, whole_number: bool) -> None:
        self._whole_number = whole_number

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        if isinstance(value, list | tuple):
            return list(value)
        if self._whole_number:
            try:
                return int(value)
            except ValueError:
                raise typer.BadParameter(f"`{value}` is not a whole number", ctx=ctx, param=param) from None
        return value


def without_pydantic(command: Any) -> None:
    """Give every parameter of a command and its subcommands the plain converter.

    A typer without the attribute replaced here (older, or changed again) works as it always does, only slower; a test
    holds what `lakehouse ls` loads.
    """
    for parameter in command.params:
        if hasattr(parameter, "_runtime_param"):
            annotation = parameter.type_descriptor.annotation
            if annotation in (str, int, list[str]):
                parameter._runtime_param = _Plain(annotation is int)
    for subcommand in getattr(command, "commands", {}).values():
        without_pydantic(subcommand)
