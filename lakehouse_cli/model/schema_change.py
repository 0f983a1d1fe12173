"""What a change of columns, and of what is promised of them, means to readers of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from lakehouse_cli.model.manifest import UNFINISHED, ColumnRecord, Manifest, Recipe
from lakehouse_cli.model.reason import short_names
from lakehouse_cli.text.name_lists import first_few

#: Whether what reads the table goes on as it is (``additive``: there is more; ``compatible``) or may fail.
SchemaChange = Literal["additive", "compatible", "breaking"]
_RANK = {"additive": 0, "compatible": 1, "breaking": 2}
# Types every value of which the second holds as well, for readers of the column.
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
# How many changes are listed: the columns of a table may be thousands.
_LISTED = 6


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
            change = "may be null now" if after.nullable else "may not be null any more"
            yield f"column `{name}` {change}", "breaking" if after.nullable else "compatible"
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
    """How the columns that are stored now differ from those stored before, in one line; None where they do not.

    A run that was ended while it stored a table leaves no word of what was there before.
    """
    if before is None or before.content_hash == UNFINISHED or before.columns == now.columns:
        return None
    changes = list(column_changes(stored_columns(before), stored_columns(now)))
    change = gravest(kind for _, kind in changes)
    if change is None:
        return None
    changes.sort(key=lambda each: -_RANK[each[1]])
    return f"{listed([message for message, _ in changes])} ({change})", change


def describe_contract_change(manifest: Manifest, now: Recipe) -> str:
    """How a table's contract differs from the one it was stored with, in one line; empty where it does not."""
    changes = list(_contract_changes(manifest, now))
    if len(changes) > _LISTED:
        changes.sort(key=lambda each: -_RANK.get(each[1] or "", 0))
    return listed([message if kind is None else f"{message} ({kind})" for message, kind in changes])


def schema_change(manifest: Manifest, now: Recipe) -> SchemaChange | None:
    """The gravest of a contract's changes; None where it did not change, or where it is not known what it will be.

    Where the contract does not name all columns, more may change than it; nothing is graver than what is breaking.
    """
    before = manifest.recipe
    # Nearly every table of a plan; what follows takes a contract apart.
    if before is not None and (before.contract, before.key, before.extra_columns) == (
        now.contract,
        now.key,
        now.extra_columns,
    ):
        return None
    known = gravest(kind for _, kind in _contract_changes(manifest, now))
    names_all = now.contract is not None and now.extra_columns != "keep"
    return known if names_all or known == "breaking" else None


def _contract_changes(manifest: Manifest, now: Recipe) -> Iterator[tuple[str, SchemaChange | None]]:
    """Each change of a contract, and what it means to readers of the table, as far as that is known."""
    before = manifest.recipe
    if before is None or (before.shape == now.shape and before.rules == now.rules):
        return
    stored = stored_columns(manifest)
    if now.contract is None and before.contract is not None:
        # Nobody knows, until it is computed, which columns the table will have; the run reports it.
        yield "no columns are declared any more", None
        for column in before.contract:
            if not column.nullable and column.name not in now.key:
                yield f"column `{column.name}` may be null now", "breaking"
    elif now.contract is not None and before.contract is None:
        yield "columns are declared now", "compatible"
        # Where none were declared, columns might be null; a promise now is no change of data.
        yield from column_changes(stored, (column._replace(nullable=True) for column in now.contract))
    elif now.contract is not None and before.contract is not None:
        yield from _declared_changes(before, now, now.contract, before.contract, stored)
    if before.key != now.key:
        yield (
            f"the key is now {', '.join(now.key)}" if now.key else "there is no key any more",
            _key_change(before, now),
        )
    if before.order_by != now.order_by:
        ordered = (
            f"rows are now ordered by {', '.join(now.order_by)}" if now.order_by else "rows have no order any more"
        )
        yield ordered, "compatible"
    if before.extra_columns != now.extra_columns:
        # Which columns will come besides is not known; those that were kept and go are named.
        kind: SchemaChange | None = None if now.extra_columns == "keep" else "compatible"
        yield f"extra_columns {before.extra_columns} → {now.extra_columns}", kind


def _declared_changes(
    before: Recipe,
    now: Recipe,
    new: Sequence[ColumnRecord],
    old: Sequence[ColumnRecord],
    stored: Iterable[ColumnRecord],
) -> Iterator[tuple[str, SchemaChange]]:
    """Each change from declared columns to others; columns that were kept besides were there for readers as well."""
    names = {column.name for column in new}
    if before.extra_columns == "keep":
        declared = {column.name for column in old}
        kept = [column for column in stored if column.name not in declared]
        for column in kept:
            if column.name in names:
                yield f"column `{column.name}` is declared now", "compatible"
        # Whether those that are still not declared are kept again is not known.
        old = [*old, *(column for column in kept if column.name in names or now.extra_columns != "keep")]
    not_null = {column.name for column in old if not column.nullable} & set(now.key)  # a key holds no null
    yield from column_changes(old, [each._replace(nullable=False) if each.name in not_null else each for each in new])


def _key_change(before: Recipe, now: Recipe) -> SchemaChange:
    """What another key is: it promises that no two rows have the same, and that its columns hold no null.

    Where there was none it promises more; fewer columns of the same do, if those that are left out still hold no null.
    """
    if not now.key:
        return "breaking"
    left_out = set(before.key) - set(now.key) - {c.name for c in now.contract or () if not c.nullable}
    return "breaking" if left_out or (before.key and not set(before.key) >= set(now.key)) else "compatible"


def listed(messages: Sequence[str]) -> str:
    """Changes in one line, as many as can be read there."""
    return short_names(first_few(messages, _LISTED, "more change"))
