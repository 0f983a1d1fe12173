"""`lakehouse env`: the environments, or one as it resolves."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.terminal import Terminal, printable

if TYPE_CHECKING:
    from lakehouse_cli.model import EnvironmentSpec
    from lakehouse_cli.project.facade import Project

EXAMPLES = """\b
Examples:
  lakehouse env                      the environments and where their storages are
  lakehouse env prod                 one, resolved: every key with its value there
  lakehouse env prod -o json"""
#: How many options distinguish environments in the list.
_SHOWN = 3


@options.everywhere
def command(
    settings: options.Settings,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            show_default=False,
            help="An environment; none: all of them.",
            autocompletion=options.ENVIRONMENTS,
        ),
    ] = None,
) -> None:
    """List the environments, or show one as it resolves: storages, execution, params.

    Values are shown as they are written: variables are not filled in, and passwords are hidden. Works without the
    variables that an environment needs, and names those that are not set.
    """
    from lakehouse_cli.project.loading import no_environment

    project = settings.project(incomplete=True)
    if name is not None:
        if name not in project.environments:
            raise no_environment(name, project.environments)
        _show(project, project.environments[name], settings)
    elif settings.json:
        every = [_json(project, each) for each in project.environments.values()]
        output.write_json({"project": project.name, "environment": project.environment, "environments": every})
    else:
        output.write_lines(_list(project, settings.stdout))
        if project.spec.params:
            output.write()
            output.write_lines(_params(project, settings.stdout))


def _list(project: Project, terminal: Terminal) -> list[str]:
    base = project.environments["default"].written
    apart = _differing_options(project.environments.values())
    header = ("", "environment", "storage", "format", "schema", "options", "root")
    rows = []
    for environment in project.environments.values():
        chosen = environment.name == project.environment
        head = [Cell("▸", "cyan") if chosen else Cell(""), Cell(environment.name, "bold" if chosen else None)]
        for storage, keys in environment.written.items():
            same = environment.name != "default" and keys == base.get(storage)
            style = "dim" if same else None
            kind, schema, root = _place(keys)
            texts = (storage, kind, schema, apart[environment.name, storage], root)
            rows.append([*head, *(Cell(text, style) for text in texts)])
            head = [Cell(""), Cell("")]
    shown = [
        i for i, name in enumerate(header) if name not in ("schema", "options") or any(row[i].text for row in rows)
    ]
    return columns(terminal, [header[i] for i in shown], [[row[i] for i in shown] for row in rows])


def _params(project: Project, terminal: Terminal) -> list[str]:
    """The params of each environment; where they are those at the top, dim."""
    base = project.environments["default"].written_params
    rows = []
    for environment in project.environments.values():
        chosen = environment.name == project.environment
        head = [Cell("▸", "cyan") if chosen else Cell(""), Cell(environment.name, "bold" if chosen else None)]
        for name, value in environment.written_params.items():
            style = "dim" if environment.name != "default" and value == base.get(name) else None
            rows.append([*head, Cell(name, style), Cell(printable(_text(value)), style)])
            head = [Cell(""), Cell("")]
    return columns(terminal, ("", "environment", "param", "value"), rows)


def _place(keys: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a storage is shown as: format or type, schema, root."""
    kind = str(keys.get("format", keys.get("type", "")))
    schema = str((keys.get("options") or {}).get("schema", ""))
    return kind, printable(schema), printable(str(keys.get("root", "")))


def _differing_options(environments: Iterable[EnvironmentSpec]) -> Mapping[tuple[str, str], str]:
    """By environment and storage: the first few options that differ where it would look the same in several."""
    alike: dict[tuple[str, ...], dict[tuple[str, str], dict[str, Any]]] = {}
    for environment in environments:
        for storage, keys in environment.written.items():
            options = dict(_flat(keys.get("options") or {}))
            alike.setdefault((storage, *_place(keys)), {})[environment.name, storage] = options
    found = {}
    for group in alike.values():
        names = dict.fromkeys(name for options in group.values() for name in options)
        differing = [name for name in names if len({_text(options.get(name)) for options in group.values()}) > 1]
        for key, options in group.items():
            texts = [f"{name}: {_text(options[name])}" for name in differing if name in options]
            found[key] = printable(", ".join([*texts[:_SHOWN], *(["…"] if len(texts) > _SHOWN else [])]))
    return found


def _show(project: Project, environment: EnvironmentSpec, settings: options.Settings) -> None:
    if settings.json:
        output.write_json(_json(project, environment))
        return
    terminal = settings.stdout
    about = f" · {printable(environment.description)}" if environment.description else ""
    output.write(f"{terminal.style(project.name, 'bold')} · {environment.name}{about}")
    output.write()
    rows: list[list[Cell]] = []
    for storage, keys in environment.written.items():
        rows += _rows(storage, keys)
    rows += _rows("execution", environment.execution)
    rows += _rows("params", environment.written_params)
    output.write_lines(columns(terminal, ("storage", "key", "value"), rows, indent="  "))
    if environment.unset:
        output.write()
        names = ", ".join(f"`{name}`" for name in environment.unset)
        output.write(terminal.style(f"not set: {names}", "yellow"))


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
        "params": environment.written_params,
        "unset_variables": list(environment.unset),
    }
