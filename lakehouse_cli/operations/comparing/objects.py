"""Assets that are not tables compared: by their bytes, and JSON values by their keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lakehouse_cli.formats.objects.json_values import json_path, json_scalar, read_json
from lakehouse_cli.formats.objects.stored import bytes_of
from lakehouse_cli.model import Table
from lakehouse_cli.operations.comparing.results import ComparedTable
from lakehouse_cli.text.terminal import size_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    Opened = Callable[[], Iterator[pa.Table]]


def compare_objects(found: ComparedTable, table: Table, before: Opened, after: Opened, limit: int) -> ComparedTable:
    """Compare the bytes of two objects.

    Args:
        found: What is known already.
        table: What they are.
        before: Opens the bytes of one.
        after: Opens those of the other.
        limit: How many examples of each kind of difference to give.
    """
    old, new = bytes_of(before()), bytes_of(after())
    if old == new:
        return replace(found, status="equal", note=size_text(len(new)))
    note = (
        f"{size_text(len(old))} → {size_text(len(new))}"
        if len(old) != len(new)
        else f"other bytes, {size_text(len(new))}"
    )
    if table.serializer != "json":
        return replace(found, status="different", note=note)
    from lakehouse_cli.operations.comparing.rows import compare_rows

    try:
        values = _leaves(old), _leaves(new)
    except (ValueError, RecursionError):  # one was modified, and is no JSON, or nested more deeply than is stored
        return replace(found, status="different", note=note)
    difference = compare_rows(*values, ("key",), limit)
    return replace(found, status="different" if difference else "equal", note=note, difference=difference)


def _leaves(data: bytes) -> pa.Table:
    """A row for each value that holds no others, by the path that leads to it."""
    import pyarrow as pa

    rows = list(_paths(read_json(data), ()))
    return pa.table({"key": pa.array([path for path, _ in rows], pa.string()), "value": [text for _, text in rows]})


def _paths(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(item, (*path, key))
    else:
        yield json_path(path), "{}" if value == {} else "[]" if value == [] else json_scalar(value)
