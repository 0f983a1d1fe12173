"""Columns of a table, put into a project file, changed or taken out; all other lines stay, comments with them.

As of a test, the file is read again before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from lakehouse_cli.config.source import SourceFile
from lakehouse_cli.config.yaml_tree import Mapping as Entries
from lakehouse_cli.config.yaml_tree import Node, Scalar
from lakehouse_cli.model import ColumnTypeError, parse_column_type
from lakehouse_cli.operations.transform_tests.yaml_edit import (
    is_flow,
    joined,
    last_line,
    parsed_lines,
    root_of,
    table_of,
    values_of,
)
from lakehouse_cli.operations.transform_tests.yaml_rows import quoted_text

_BARE_TYPE = re.compile(r"[a-z][a-z0-9]*")
#: Lines and columns of a place in the text, from 0: where what is replaced begins, and where it ends.
_Place = tuple[int, int]
_Edit = tuple[_Place, _Place, str]


def with_columns(source: SourceFile, table: str, types: Mapping[str, str], removed: Collection[str]) -> str | None:
    """The text of a file in which a table declares other columns.

    Args:
        source: The file.
        table: The table.
        types: Of new columns, and of those whose type changes.
        removed: The columns that go.

    Returns:
        The text; None where the columns are not written in a way that can be edited.
    """
    node = table_of(source, table)
    if node is None:
        return None
    columns = node.get("columns")
    if columns is None:
        edits = _new_section(source, node, types)
    elif isinstance(columns, Entries):
        edits = _edits(source, columns, types, removed)
    else:
        return None
    if edits is None:
        return None
    text = _edited(source, edits)
    return text if _says(source, text, table, types, removed) else None


def _new_section(source: SourceFile, table: Entries, types: Mapping[str, str]) -> list[_Edit] | None:
    if is_flow(source, table) or not table.entries:
        return None
    indent = " " * min(key.start.column for key, _ in table.entries.values())
    lines = [f"{indent}columns:", *(f"{indent}  {_entry(name, kind)}" for name, kind in types.items())]
    at = last_line(table) + 1, 0
    return [(at, at, "".join(f"{line}\n" for line in lines))]


def _edits(
    source: SourceFile, columns: Entries, types: Mapping[str, str], removed: Collection[str]
) -> list[_Edit] | None:
    entries = columns.entries
    if not entries or {*removed} >= entries.keys():
        return None
    edits: list[_Edit] = []
    for name in types:
        if name in entries:
            place = _type_of(entries[name][1])
            if place is None:
                return None
            edits.append((_at(place.start), _at(place.end), _type_text(types[name])))
    new = [_entry(name, kind) for name, kind in types.items() if name not in entries]
    kept = [name for name in entries if name not in removed]
    if is_flow(source, columns):
        names = list(entries)
        for name in removed:
            at = names.index(name)
            if at + 1 < len(names):
                edits.append((_at(entries[name][0].start), _at(entries[names[at + 1]][0].start), ""))
            else:
                edits.append((_at(entries[kept[-1]][1].end), _at(entries[name][1].end), ""))
        end = _at(entries[kept[-1]][1].end)
        edits += [(end, end, "".join(f", {each}" for each in new))] if new else []
        return edits
    for name in removed:
        key, value = entries[name]
        edits.append(((key.start.line, 0), (last_line(value) + 1, 0), ""))
    indent = " " * min(key.start.column for key, _ in entries.values())
    end = last_line(columns) + 1, 0
    edits += [(end, end, "".join(f"{indent}{each}\n" for each in new))] if new else []
    return edits


def _type_of(node: Node) -> Scalar | None:
    """Where the type of a column stands; None of a named type, which has more to it."""
    found = node.get("type") if isinstance(node, Entries) else node
    try:
        return found if isinstance(found, Scalar) and parse_column_type(found.text) else None
    except ColumnTypeError:
        return None


def _at(mark: Any) -> _Place:
    return mark.line, mark.column


def _entry(name: str, kind: str) -> str:
    return f"{quoted_text(name)}: {_type_text(kind)}"


def _type_text(kind: str) -> str:
    return kind if _BARE_TYPE.fullmatch(kind) else f'"{kind}"'


def _edited(source: SourceFile, edits: list[_Edit]) -> str:
    text = "\n".join(source.lines) + "\n"
    starts = [0]
    for line in source.lines:
        starts.append(starts[-1] + len(line) + 1)

    def offset(place: _Place) -> int:
        return min(starts[min(place[0], len(starts) - 1)] + place[1], len(text))

    # From the end; what is put in at a place comes behind what is taken out before it.
    for begin, end, new in sorted(edits, key=lambda edit: (edit[0], edit[1]), reverse=True):
        text = text[: offset(begin)] + new + text[offset(end) :]
    return joined(source, text[:-1].split("\n"))


def _says(source: SourceFile, text: str, table: str, types: Mapping[str, str], removed: Collection[str]) -> bool:
    """Whether a text says what a file says, but for these columns."""
    before, after = values_of(root_of(source)), values_of(root_of(SourceFile(source.path, source.name, text)))
    if before is None or after is None:
        return False
    columns = before["tables"][table].setdefault("columns", {})
    for name, kind in types.items():
        written = values_of(parsed_lines([f"x: {_type_text(kind)}"]))["x"]
        if isinstance(columns.get(name), dict):
            columns[name]["type"] = written
        else:
            columns[name] = written
    for name in removed:
        del columns[name]
    return bool(before == after)
