"""What a change of columns is to whoever reads a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from lakehouse_cli.model.manifest import ColumnRecord, Manifest

#: Whether what reads the table goes on as it is (``additive``: there is more; ``compatible``) or may fail.
SchemaChange = Literal["additive", "compatible", "breaking"]
_RANK = {"additive": 0, "compatible": 1, "breaking": 2}
# Types every value of which the second holds as well, for whoever reads the column.
_WIDER = {
    "int8": {"int16", "int32", "int64", "float32", "float64"},
    "int16": {"int32", "int64", "float32", "float64"},
    "int32": {"int64", "float64"},
    "uint8": {"uint16", "uint32", "uint64", "int16", "int32", "int64", "float32", "float64"},
    "uint16": {"uint32", "uint64", "int32", "int64", "float32", "float64"},
    "uint32": {"uint64", "int64", "float64"},
    "float32": {"float64"},
    "dictionary<string>": {"string"},
    "string": {"dictionary<string>"},
}
# How many changes are told: the columns of a table may be thousands.
_TOLD = 6


def column_changes(before: Iterable[ColumnRecord], now: Iterable[ColumnRecord]) -> Iterator[tuple[str, SchemaChange]]:
    """Each change from some columns to others, in words, and what it is."""
    old = {column.name: column for column in before}
    new = {column.name: column for column in now}
    for name in new:
        if name not in old:
            yield f"column `{name}` added", "additive"
    for name, column in old.items():
        if name not in new:
            yield f"column `{name}` removed", "breaking"
            continue
        after = new[name]
        if column.type != after.type:
            wider = column.type == "null" or after.type in _WIDER.get(column.type, ())
            yield f"column `{name}` {column.type} → {after.type}", "compatible" if wider else "breaking"
        if column.nullable != after.nullable:
            told = "may be null now" if after.nullable else "may not be null any more"
            yield f"column `{name}` {told}", "breaking" if after.nullable else "compatible"
    kept = [name for name in old if name in new]
    if kept != [name for name in new if name in old]:
        yield "columns in another order", "compatible"


def gravest(changes: Iterable[SchemaChange | None]) -> SchemaChange | None:
    """The gravest of some changes; None where there is none, or none of which it is known what it is."""
    return max((change for change in changes if change is not None), key=_RANK.__getitem__, default=None)


def stored_columns(manifest: Manifest) -> tuple[ColumnRecord, ...]:
    """The columns of what is stored; of their data it is not known whether nulls may be among them."""
    return tuple(ColumnRecord(name, type_) for name, type_ in manifest.columns)


def stored_change(before: Manifest | None, now: Manifest) -> tuple[str, SchemaChange] | None:
    """How the columns that are stored now differ from those stored before, in one line; None where they do not."""
    if before is None or before.columns == now.columns:
        return None
    changes = list(column_changes(stored_columns(before), stored_columns(now)))
    change = gravest(kind for _, kind in changes)
    if change is None:
        return None
    changes.sort(key=lambda each: -_RANK[each[1]])
    return f"{listed([message for message, _ in changes])} ({change})", change


def listed(messages: Sequence[str]) -> str:
    """Changes in one line, as many as can be read there."""
    more = f" and {len(messages) - _TOLD} changes more" if len(messages) > _TOLD + 1 else ""
    return ", ".join(messages[:_TOLD] if more else messages) + more
