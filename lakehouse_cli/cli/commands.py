"""The commands by name, each loaded when it is asked for: what one of them takes costs the others no time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

#: As `--help` lists them. Each is a module here, with a `command` and `EXAMPLES`, or with an `app` of commands.
NAMES = (
    "init",
    "validate",
    "plan",
    "run",
    "check",
    "accept",
    "test",
    "ls",
    "show",
    "open",
    "sql",
    "diff",
    "copy",
    "graph",
    "env",
    "clean",
    "schema",
    "runs",
)


class Commands(Mapping[str, Any]):
    """The commands as typer makes them, by name."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in NAMES:
            raise KeyError(name)
        if name not in self._made:
            self._made[name] = typer.main.get_command(_app(name))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


def _app(name: str) -> typer.Typer:
    module = import_module(f"lakehouse_cli.cli.{name}")
    app: typer.Typer | None = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(rich_markup_mode=None, add_completion=False)
        app.command(name=name, epilog=module.EXAMPLES)(module.command)
    return app


class CommandGroup(TyperGroup):
    """`lakehouse` itself."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        commands: Any = Commands()
        self.commands = commands

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that arguments begin with.

        Raises:
            UsageError: There is none of that name.
        """
        if args[0] not in NAMES and not ctx.resilient_parsing:
            from lakehouse_cli.cli.other_tools import unknown_command  # of no use to a command that there is

            raise unknown_command(args[0], NAMES)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, without loading them."""
        del ctx
        return list(self.commands)
