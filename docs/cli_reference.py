"""Write docs/cli.md from what the command line says of itself: `make reference`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from lakehouse_cli.cli.main import app

PAGE = Path(__file__).parent / "cli.md"
_HEAD = """# The command line

What `--help` says, of all commands. Each option can be set by a variable as well: `--dry-run` by `LAKEHOUSE_DRY_RUN`.
Written by `make reference`.
"""
_EVERYWHERE = ("project_dir", "module", "env", "output", "quiet", "verbose")


def reference() -> str:
    """The page."""
    group: Any = typer.main.get_command(app)
    first = next(iter(commands(group, "lakehouse")))[1]
    common = [each for each in first.params if each.name in _EVERYWHERE]
    parts = [_HEAD, "## Options of every command\n", options(common)]
    for path, command in commands(group, "lakehouse"):
        known = {(each.name, each.metavar) for each in common}
        own = [each for each in command.params if (each.name, each.metavar) not in known and each.name != "help"]
        arguments = [each for each in own if each.param_type_name == "argument"]
        usage = " ".join([path, *(argument(each) for each in arguments), "[OPTIONS]"])
        parts += [f"## {path}\n", f"`{usage}`\n", paragraphs(command.help or "")]
        parts += [options(own)] if own else []
        parts += list(blocks(command.epilog or ""))
    return "\n".join(parts)


def commands(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Each command with how it is called; of groups, themselves where they do something and what is below them."""
    for name in group.list_commands(typer.Context(group)):
        command = group.get_command(typer.Context(group), name)
        yield f"{path} {name}", command
        if hasattr(command, "list_commands"):
            yield from commands(command, f"{path} {name}")


def argument(each: Any) -> str:
    """An argument in a usage line."""
    name = each.metavar or each.name.upper()
    many = "…" if each.nargs == -1 else ""
    return f"{name}{many}" if each.required else f"[{name}{many}]"


def options(params: Iterable[Any]) -> str:
    """A table of arguments and options."""
    rows = ["| | |", "|---|---|"]
    for each in params:
        value = (
            "" if getattr(each, "is_flag", False) or each.param_type_name == "argument" else f" {each.metavar or ''}"
        )
        names = [each.metavar or each.name.upper()] if each.param_type_name == "argument" else each.opts
        shown = ", ".join(f"`{name}{value if name == names[-1] else ''}`".replace(" `", "`") for name in names)
        rows.append(f"| {shown.replace('|', chr(92) + '|')} | {escaped(each.help or '')} |")
    return "\n".join(rows) + "\n"


def paragraphs(text: str) -> str:
    """A help text, each paragraph in a line."""
    return "\n\n".join(escaped(" ".join(part.split())) for part in text.split("\n\n")) + "\n"


def escaped(text: str) -> str:
    """A text without markup but that of code."""
    parts = text.split("`")
    return "`".join(part if at % 2 else re.sub(r"[*_|<\\[\]]", r"\\\g<0>", part) for at, part in enumerate(parts))


def blocks(text: str) -> Iterator[str]:
    """What stands below the options: examples, exit codes."""
    for part in re.split(r"\n?\x08\n?|\n\n", text):
        title, _, lines = part.strip("\n").partition("\n")
        if title:
            yield f"{title}\n\n```text\n{lines}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), "utf-8")
