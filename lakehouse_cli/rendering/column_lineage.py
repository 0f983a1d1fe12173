"""The lineage of columns as text for terminals, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import to_builtins

from lakehouse_cli.model.column_lineage import BY, ColumnLineage, IndirectRef, TableLineage
from lakehouse_cli.text.terminal import Terminal, pad, printable, text_width

_KINDS = {"source": "source", "columns": "query", "table": "function", "unknown": "query"}
# Of the screen, for names of columns.
_NAMES = 3


def column_lineage_json(project: str, environment: str, tables: Sequence[TableLineage]) -> dict[str, Any]:
    """The document of `lakehouse graph --columns -o json`."""
    return {"project": project, "environment": environment, "tables": to_builtins(tables)}


def column_lineage_lines(terminal: Terminal, tables: Sequence[TableLineage]) -> Iterator[str]:
    """Each table with its columns below it, and what these come from."""
    for table in tables:
        yield f"{terminal.style(printable(table.name), 'bold')}  {terminal.style(_KINDS[table.level], 'dim')}"
        yield from (terminal.wrap(f"  {line}", "  ") for line in _said(table))
        if table.level == "columns":
            yield from _columns(terminal, table.columns or ())
            for part in _by(table.indirect):
                yield terminal.style(terminal.wrap(f"  rows by {part}", "  "), "dim")


def _said(table: TableLineage) -> Iterator[str]:
    """What there is to say of a table whose columns come from no others, or as far as is known from all."""
    if table.level == "source":
        names = None if table.columns is None else ", ".join(printable(column.name) for column in table.columns)
        yield names if names is not None else "declares no columns"
    if table.unknown is not None:
        yield f"unknown: {printable(table.unknown)}"
    if table.level in ("table", "unknown"):
        inputs = ", ".join(map(printable, table.inputs))
        yield f"every column may come from every column of {inputs}" if inputs else "computed from no table"


def _columns(terminal: Terminal, columns: Sequence[ColumnLineage]) -> Iterator[str]:
    widest = max((text_width(printable(column.name)) for column in columns), default=0)
    if terminal.width is not None:
        widest = min(widest, max(terminal.width // _NAMES, 12))
    for column in columns:
        name = terminal.cut(printable(column.name), widest)
        found = [_listed(f"{each.table}.{each.column}" for each in column.sources or ())]
        if not column.sources:
            found = ["no column" if column.sources is not None else "unknown"]
        found += _by(column.indirect)
        yield terminal.wrap(f"  {pad(name, widest)} ← {'; '.join(found)}", " " * (widest + 3))


def _by(refs: Sequence[IndirectRef]) -> list[str]:
    """Columns that decide something, by how they do."""
    found = {by: [f"{each.table}.{each.column}" for each in refs if each.by == by] for by in BY}
    return [f"{by}: {_listed(names)}" for by, names in found.items() if names]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(printable, names))
