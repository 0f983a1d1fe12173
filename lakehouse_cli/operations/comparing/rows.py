"""Two Arrow tables compared: columns, counts, rows.

Rows are matched by numbers, not by their values: each column of both tables together is dictionary-encoded, so that
equal values have one number (null equals null, NaN equals NaN, -0.0 equals 0.0), and the numbers of several columns are
combined into one. That is a hash join on integers: beside the tables, memory takes some arrays of eight bytes a row,
whatever the types, and values are compared one column at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.exact import convert, kind_of
from lakehouse_cli.arrow.conversion.refusal import InexactError
from lakehouse_cli.arrow.row_hashes import identity
from lakehouse_cli.arrow.types import from_arrow, plain_column
from lakehouse_cli.operations.comparing.results import ChangedRow, RowDifference, SchemaDifference
from lakehouse_cli.operations.preview import rows_of

_Numbers = np.ndarray[Any, np.dtype[np.int64]]
Notes = tuple[str, ...]
#: Said where rows are not matched by the key.
NOT_IDENTIFYING = ("the key does not identify rows here, so whole rows were compared",)


class Matched(NamedTuple):
    """The difference of rows, and which rows its examples are.

    Attributes:
        difference: Without a note on how they were matched.
        added: The 0-based number after of each added example, ascending.
        removed: Likewise before.
        changed: Likewise after.
    """

    difference: RowDifference
    added: _Numbers
    removed: _Numbers
    changed: _Numbers


def compare_schemas(before: pa.Schema, after: pa.Schema) -> SchemaDifference:
    """Compare the columns of two tables; their order does not count."""
    old = {field.name: _type_text(field.type) for field in before}
    new = {field.name: _type_text(field.type) for field in after}
    return SchemaDifference(
        tuple((name, type_) for name, type_ in new.items() if name not in old),
        tuple((name, type_) for name, type_ in old.items() if name not in new),
        tuple((name, old[name], type_) for name, type_ in new.items() if name in old and old[name] != type_),
    )


def compare_rows(before: pa.Table, after: pa.Table, key: Sequence[str], limit: int) -> RowDifference:
    """Compare the rows of two tables, in the columns that both have.

    Args:
        before: Arrow, any number of rows.
        after: Likewise.
        key: Columns that identify a row. If one of them is missing, or they do not identify rows in these data, whole
            rows are compared, and a note says so.
        limit: How many examples of each kind to give.
    """
    left, right, notes = _in_common(before, after)
    if not left.num_columns:
        # Without a column in common nothing is the same, and no row can be compared.
        return RowDifference(added=after.num_rows, removed=before.num_rows, notes=notes)
    known = set(before.column_names) & set(after.column_names)
    matching, note = matching_key(key, left.column_names, known)
    if (matched := match_rows(left, right, matching, limit)) is None:
        matched, note = match_whole(left, right, limit), NOT_IDENTIFYING
    return replace(matched.difference, notes=notes + note)


def matching_key(key: Sequence[str], compared: Sequence[str], known: Collection[str]) -> tuple[tuple[str, ...], Notes]:
    """The key that rows are matched by; none where a column of it is not compared, and a note on that.

    Args:
        key: Of the table.
        compared: The columns that are compared.
        known: The columns of both tables.
    """
    for name in key:
        if name not in compared:
            why = "cannot be matched" if name in known else "is not in both"
            return (), (f"key column `{name}` {why}, so whole rows were compared",)
    return tuple(key), ()


def match_rows(left: pa.Table, right: pa.Table, key: tuple[str, ...], limit: int) -> Matched | None:
    """Compare rows of the same columns by a key, or whole rows where that is empty; None where it is there twice."""
    if not key:
        return match_whole(left, right, limit)
    ids = _row_numbers(left.select(list(key)), right.select(list(key)))
    return _by_key(left, right, key, ids, limit) if _unique(ids[0]) and _unique(ids[1]) else None


def _type_text(type_: pa.DataType) -> str:
    return str(from_arrow(type_) or type_)


def _in_common(before: pa.Table, after: pa.Table) -> tuple[pa.Table, pa.Table, tuple[str, ...]]:
    """The columns of both, with one type each; notes on those that cannot be compared."""
    left: dict[str, pa.ChunkedArray] = {}
    right: dict[str, pa.ChunkedArray] = {}
    notes: list[str] = []
    for name in before.column_names:
        if name not in after.column_names:
            continue
        one, other = before.column(name), after.column(name)
        pair = _with_one_type(one, other)
        if pair is None:
            types = f"{_type_text(one.type)} and {_type_text(other.type)}"
            notes.append(f"values of `{name}` were not compared: it is {types}")
        else:
            left[name], right[name] = pair
    return pa.table(left), pa.table(right), tuple(notes)


def _with_one_type(one: pa.ChunkedArray, other: pa.ChunkedArray) -> tuple[pa.ChunkedArray, pa.ChunkedArray] | None:
    one, other = plain_column(one), plain_column(other)
    if one.type == other.type:
        return one, other
    if (kind_of(one.type) == "text") != (kind_of(other.type) == "text") and not _is_null(one) and not _is_null(other):
        # A text can be read as a number, and is another one than the number's own: 007 is not 7.
        return None
    for type_ in (one.type, other.type):
        # Only where nothing is lost: 1 is 1.0, and 1.5 is no integer.
        with suppress(InexactError, pa.ArrowInvalid, pa.ArrowNotImplementedError):
            return convert(one, type_), convert(other, type_)
    return None


def _numeric(table: pa.Table) -> frozenset[str]:
    return frozenset(field.name for field in table.schema if kind_of(field.type) in ("integer", "float", "decimal"))


def _is_null(column: pa.ChunkedArray) -> bool:
    return int(column.null_count) == len(column)


def _numbers(one: pa.ChunkedArray, other: pa.ChunkedArray) -> tuple[_Numbers, _Numbers]:
    """A number for each value of two columns of one type: the same for the same value."""
    both = pa.chunked_array([*one.chunks, *other.chunks], type=one.type)
    if pa.types.is_floating(both.type):
        both = pc.add(both.cast(pa.float32()) if pa.types.is_float16(both.type) else both, pa.scalar(0.0, pa.float32()))
    elif pa.types.is_nested(both.type):
        both = identity(both)  # Arrow does not encode these
    numbers = _encoded(both)
    return numbers[: len(one)], numbers[len(one) :]


def _encoded(values: pa.ChunkedArray) -> _Numbers:
    if not len(values):
        return np.empty(0, np.int64)
    encoded = values.dictionary_encode(null_encoding="encode")
    return np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]).astype(np.int64)


def _row_numbers(left: pa.Table, right: pa.Table) -> tuple[_Numbers, _Numbers]:
    """A number for each row of two tables with the same columns: the same for the same row."""
    numbers = np.zeros(left.num_rows + right.num_rows, np.int64)
    for name in left.column_names:
        of_column = np.concatenate(_numbers(left.column(name), right.column(name)))
        if len(of_column):
            # Both are below the number of rows, so that their product is far within 64 bits.
            combined = numbers * (of_column.max() + 1) + of_column
            numbers = _encoded(pa.chunked_array([pa.array(combined)]))
    return numbers[: left.num_rows], numbers[left.num_rows :]


def _unique(numbers: _Numbers) -> bool:
    return not len(numbers) or int(np.bincount(numbers).max()) <= 1


def _by_key(
    left: pa.Table,
    right: pa.Table,
    key: tuple[str, ...],
    ids: tuple[_Numbers, _Numbers],
    limit: int,
) -> Matched:
    at_left, at_right = _positions(*ids)
    added = np.sort(at_right[(at_left < 0) & (at_right >= 0)])
    removed = np.sort(at_left[(at_right < 0) & (at_left >= 0)])
    # In the order of the rows as they are now.
    in_both = ids[1][at_left[ids[1]] >= 0]
    one, other = at_left[in_both], at_right[in_both]
    changed = np.zeros(len(in_both), np.bool_)
    columns: dict[str, int] = {}
    for name in left.column_names:
        if name in key:
            continue
        differs = _differs(_taken(left.column(name), one), _taken(right.column(name), other))
        if count := int(differs.sum()):
            columns[name] = count
            changed |= differs
    first = np.flatnonzero(changed)[:limit]
    difference = RowDifference(
        key,
        len(added),
        len(removed),
        int(changed.sum()),
        columns,
        _examples(right, added[:limit]),
        _examples(left, removed[:limit]),
        _changes(left, right, key, list(columns), one[first], other[first]),
        _numeric(right),
    )
    return Matched(difference, added[:limit], removed[:limit], other[first])


def _positions(left: _Numbers, right: _Numbers) -> tuple[_Numbers, _Numbers]:
    """By number, at which row it is in each of two tables; -1 where it is not."""
    size = max((int(numbers.max()) + 1 for numbers in (left, right) if len(numbers)), default=0)
    found = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    for positions, numbers in zip(found, (left, right), strict=True):
        positions[numbers] = np.arange(len(numbers))
    return found


def _taken(column: pa.ChunkedArray, rows: _Numbers) -> pa.ChunkedArray:
    if len(rows) == len(column) and bool((rows == np.arange(len(rows))).all()):
        return column
    return column.take(pa.array(rows))


def _differs(one: pa.ChunkedArray, other: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    if one.equals(other):
        return np.zeros(len(one), np.bool_)
    old, new = _numbers(one, other)
    differs: np.ndarray[Any, np.dtype[np.bool_]] = old != new
    return differs


def _examples(table: pa.Table, rows: _Numbers) -> tuple[dict[str, Any], ...]:
    return rows_of(table.take(pa.array(rows, pa.int64())))


def _changes(
    left: pa.Table, right: pa.Table, key: tuple[str, ...], columns: list[str], one: _Numbers, other: _Numbers
) -> tuple[ChangedRow, ...]:
    before, after = left.take(pa.array(one, pa.int64())), right.take(pa.array(other, pa.int64()))
    differs = {name: _differs(before.column(name), after.column(name)) for name in columns}
    old, new = rows_of(before.select([*key, *columns])), rows_of(after.select([*key, *columns]))
    return tuple(
        ChangedRow(
            {name: now[name] for name in key},
            {name: (was[name], now[name]) for name in columns if differs[name][index]},
        )
        for index, (was, now) in enumerate(zip(old, new, strict=True))
    )


def match_whole(left: pa.Table, right: pa.Table, limit: int) -> Matched:
    """Compare rows as multisets: how often each is there."""
    old, new = _row_numbers(left, right)
    size = max((int(numbers.max()) + 1 for numbers in (old, new) if len(numbers)), default=0)
    more = np.bincount(new, minlength=size) - np.bincount(old, minlength=size)
    added, removed = _first_of(new, more, limit), _first_of(old, -more, limit)
    difference = RowDifference(
        added=int(more[more > 0].sum()),
        removed=int(-more[more < 0].sum()),
        examples_added=_examples(right, added),
        examples_removed=_examples(left, removed),
        numeric=_numeric(right),
    )
    return Matched(difference, added, removed, np.empty(0, np.int64))


def _first_of(numbers: _Numbers, excess: _Numbers, limit: int) -> _Numbers:
    """The first rows of those that are there more often than in the other table, each as often as that."""
    left: dict[int, int] = {}
    found: list[int] = []
    for row in map(int, np.flatnonzero(excess[numbers] > 0)):
        if len(found) == limit:
            break
        number = int(numbers[row])
        left.setdefault(number, int(excess[number]))
        if left[number]:
            left[number] -= 1
            found.append(row)
    return np.array(found, np.int64)
