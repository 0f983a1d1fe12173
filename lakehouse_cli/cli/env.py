"""`lakehouse env`: the environments, or one as it resolves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_cli.cli import options
from lakehouse_cli.terminal import Cell, Terminal, columns, printable

if TYPE_CHECKING:
    from lakehouse_cli.model import EnvironmentSpec
    from lakehouse_cli.project import Project

EXAMPLES = """\b
Examples:
  lakehouse env                      the environments and where their storages are
  lakehouse env prod                 one, resolved: every key as it holds there
  lakehouse env prod -o json"""


@options.everywhere
def command(
    settings: options.Settings,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", show_default=False, help="An environment; none: all of them.")
    ] = None,
) -> None:
    """List the environments, or show one as it resolves.

    Values are shown as they are written: variables are not filled in, and passwords are hidden. Works without the
    variables that an environment needs, and names those that are not set.
    """
    project = settings.project(incomplete=True)
    if name is not None:
        _show(project, project.environment_spec(name), settings)
    elif settings.json:
        every = [_json(project, each) for each in project.environments.values()]
        options.write_json({"project": project.name, "environment": project.environment, "environments": every})
    else:
        for line in _list(project, settings.stdout):
            options.write(line)


def _list(project: Project, terminal: Terminal) -> list[str]:
    base = project.environments["default"].written
    rows = []
    for environment in project.environments.values():
        chosen = environment.name == project.environment
        head = [Cell("▸", "cyan") if chosen else Cell(""), Cell(environment.name, "bold" if chosen else None)]
        for storage, keys in environment.written.items():
            same = environment.name != "default" and keys == base.get(storage)
            style = "dim" if same else None
            where = printable(str(keys.get("root", "")))
            kind = str(keys.get("format", keys.get("type", "")))
            schema = printable(str((keys.get("options") or {}).get("schema", "")))
            rows.append([*head, *(Cell(text, style) for text in (storage, kind, schema, where))])
            head = [Cell(""), Cell("")]
    header = ["", "environment", "storage", "format", "schema", "root"]
    if not any(row[4].text for row in rows):
        header, rows = [*header[:4], "root"], [[*row[:4], row[5]] for row in rows]
    return columns(terminal, header, rows)


def _show(project: Project, environment: EnvironmentSpec, settings: options.Settings) -> None:
    if settings.json:
        options.write_json(_json(project, environment))
        return
    terminal = settings.stdout
    about = f" · {printable(environment.description)}" if environment.description else ""
    options.write(f"{terminal.style(project.name, 'bold')} · {environment.name}{about}")
    options.write()
    rows: list[list[Cell]] = []
    for storage, keys in environment.written.items():
        rows += _rows(storage, keys)
    rows += _rows("execution", environment.execution)
    for line in columns(terminal, ("storage", "key", "value"), rows, indent="  "):
        options.write(line)
    if environment.unset:
        options.write()
        names = ", ".join(f"`{name}`" for name in environment.unset)
        options.write(terminal.style(f"not set: {names}", "yellow"))


def _rows(owner: str, keys: Mapping[str, Any]) -> Iterator[list[Cell]]:
    for key, value in _flat(keys):
        yield [Cell(owner), Cell(printable(key), "dim"), Cell(_text(value))]
        owner = ""


def _flat(keys: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in keys.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _text(value: Any) -> str:
    """A value for people; what could be taken for something else in quotes."""
    plain = isinstance(value, str) and value.isprintable() and value == value.strip() != ""
    return value if plain else json.dumps(value, ensure_ascii=False)


def _json(project: Project, environment: EnvironmentSpec) -> dict[str, Any]:
    return {
        "name": environment.name,
        "chosen": environment.name == project.environment,
        "description": environment.description,
        "storages": environment.written,
        "execution": environment.execution,
        "unset_variables": list(environment.unset),
    }
