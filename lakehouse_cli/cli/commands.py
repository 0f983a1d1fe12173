"""The commands by name, each loaded when it is asked for: what one of them takes costs the others no time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from msgspec import Struct
from typer.core import TyperGroup

#: As `--help` lists them, each with the first sentence of its own help. Each is a module here, with a `command` and
#: `EXAMPLES`, or with an `app` of commands.
NAMES: Mapping[str, str] = {
    "init": "Scaffold a project that runs as it stands.",
    "validate": "Find every problem that can be known without data.",
    "plan": "Show what a run would do, in order, and why.",
    "run": "Materialize tables, each validated against its contract.",
    "check": "Validate stored data, sources included: types, nulls, keys and checks.",
    "accept": "Record that stored tables stand under today's code, params and packages.",
    "test": "Call transforms on the rows that their tests give, and compare what comes.",
    "ls": "List the tables, with kind, storage and tags.",
    "show": "Show a stored table: columns, place, first rows; or an asset.",
    "open": "Open a stored asset in the desktop's program for it.",
    "sql": "Ask the stored tables by SQL; reads, and changes nothing.",
    "diff": "Compare tables: columns, counts and rows.",
    "copy": "Copy stored tables and their manifests to another environment.",
    "graph": "Show the lineage, coloured by what a run would do.",
    "env": "List the environments, or show one as it resolves: storages, execution, params.",
    "clean": "Remove leftovers of runs, and tables no longer declared.",
    "schema": "Print the JSON Schema of lakehouse.yaml.",
    "runs": "List past runs, or show one.",
}


class Completion(Struct):
    """A word that a shell may complete, as typer takes it."""

    value: str
    help: str
    type: str = "plain"


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

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands of `--help`, without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*NAMES.items()])

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete an option, or the name of a command, without loading any."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [Completion(name, text) for name, text in NAMES.items() if name.startswith(incomplete)]

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, without loading them."""
        del ctx
        return list(self.commands)
