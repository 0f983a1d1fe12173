"""The `types` of a project: named column types, each a type with its checks and options."""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping

from lakehouse_cli.config.columns import read_column
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.source import PlacedMark
from lakehouse_cli.config.value_types import NAME_PATTERN, NAME_RULE
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.model import ColumnTypeError, parse_column_type

_NAME = re.compile(NAME_PATTERN)


def read_named_types(reader: Reader, node: Mapping) -> AnyMapping[str, Mapping | None]:
    """The keys of each named type, which stand at their own place in whichever file they are used; None of a wrong one.

    Args:
        reader: Of the project file.
        node: The value of `types`.
    """
    found: dict[str, Mapping | None] = {}
    for name, (key, value) in node.entries.items():
        found[name] = None
        whole = value
        if isinstance(value, Scalar) and not value.is_null:
            whole = Mapping({"type": (key, value)}, 1, value.start, value.end)
        if not _NAME.fullmatch(name):
            reader.report(key, f"{quoted(name)} is not a type's name", NAME_RULE)
        elif _is_type(name):
            reader.report(key, f"{quoted(name)} is a type of lakehouse's own", "give yours another name")
        elif not isinstance(whole, Mapping):
            reader.mismatch(value, f"type {quoted(name)}", "a map with `type`", "write `{type: string, matches: …}`")
        else:
            before = reader.problems.count
            read_column(reader, key, whole, "`types`")
            if reader.problems.count == before:
                placed = _placed(whole, reader)
                found[name] = placed if isinstance(placed, Mapping) else None
    return found


def _is_type(name: str) -> bool:
    try:
        parse_column_type(name)
    except ColumnTypeError:
        return False
    return True


def _placed(node: Node, reader: Reader) -> Node:
    """A node that knows its place, whoever reads it."""
    mark = node.start if isinstance(node.start, PlacedMark) else None
    mark = mark or PlacedMark(node.start.line, node.start.column, reader.at(node))
    if isinstance(node, Scalar):
        return Scalar(node.text, node.plain, mark, node.end, node.shown)
    if isinstance(node, Sequence):
        return Sequence([_placed(item, reader) for item in node.items], node.size, mark, node.end, node.height)
    if isinstance(node, Mapping):
        entries = {
            name: (
                Scalar(key.text, key.plain, PlacedMark(key.start.line, key.start.column, reader.at(key)), key.end),
                v,
            )
            for name, (key, value) in node.entries.items()
            for v in [_placed(value, reader)]
        }
        return Mapping(entries, node.size, mark, node.end, node.height)
    return Broken(mark, node.end)
