"""A table's declaration for people: its description, owner, tags and meta, and those of its columns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from lakehouse_cli.model import Column, Table
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.terminal import HANGING, Terminal, printable


def description_lines(terminal: Terminal, table: Table) -> list[str]:
    """Format what is declared of a table: its description, and its owner, tags and meta, a line each."""
    lines = [terminal.wrap(f"  {printable(line)}") for line in (table.description or "").splitlines() if line.strip()]
    facts = [("owner", table.owner or ""), ("tags", ", ".join(table.tags))]
    facts += [(f"meta {name}", _text(value)) for name, value in _json_value(table.meta).items()]
    cells = [[Cell(printable(name), "dim"), Cell(printable(text))] for name, text in facts if text]
    return [*lines, *columns(terminal, ("", ""), cells, indent=HANGING, fold=True)]


def description_json(table: Table) -> dict[str, Any]:
    """The members of the documents of `ls` and `show` that say what is declared of a table beside its data."""
    return {
        "description": table.description,
        "owner": table.owner,
        "tags": list(table.tags),
        "meta": _json_value(table.meta),
    }


def column_lines(terminal: Terminal, found: Iterable[tuple[str, str, bool, str | None]]) -> list[str]:
    """Format columns, each by name, type, whether it may be null, and description."""
    rows = [
        [
            Cell(printable(name)),
            Cell(kind, "cyan"),
            Cell("" if nullable else "not null"),
            Cell(printable(text or ""), "dim"),
        ]
        for name, kind, nullable, text in found
    ]
    return columns(terminal, ("column", "type", "", ""), rows, indent=HANGING, fold=True)


def declared_column(table: Table, column: Column) -> tuple[str, str, bool, str | None]:
    """A column as `column_lines` takes it."""
    return column.name, str(column.type), table.contract.may_be_null(column.name), column.description


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _json_value(value: Any) -> Any:
    """A value of `meta` as JSON has it; as text where JSON has none."""
    if isinstance(value, dict):
        return {str(key): _json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)
