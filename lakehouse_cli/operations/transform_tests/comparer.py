"""The rows that a test expects against those of a result: what is missing, what is too much, and what is another value.

Values are compared by their texts, which the types of this tool have one of: a value of the same type has the same text
and no other has it. NaN equals NaN, and 0.0 equals -0.0, as everywhere.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from operator import itemgetter
from typing import TypeAlias

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.config.transform_tests import EXACT, Tolerance
from lakehouse_cli.errors import HIDDEN
from lakehouse_cli.formats.csv.codec import encode
from lakehouse_cli.formats.csv.options import CsvOptions

#: A value by its text; None for null.
Cell: TypeAlias = "str | None"
#: The compared values of one row.
Row: TypeAlias = tuple[Cell, ...]

_PLAIN = CsvOptions()
# Rows that are left over are paired by how alike they are, unless they are too many for that.
_PAIRED = 300


class ChangedRow(Struct, frozen=True):
    """A row of which some values are others.

    Attributes:
        expected: The row.
        result: What came in its place.
        columns: Indices of those that differ.
        row: Its number from 1, where rows are compared in order; else None.
    """

    expected: Row
    result: Row
    columns: tuple[int, ...]
    row: int | None = None


class Difference(Struct, frozen=True):
    """How a result differs from what is expected.

    Attributes:
        columns: The compared columns.
        numeric: Names of those that hold numbers.
        missing: Rows that are expected, and are not in the result.
        unexpected: Rows of the result that are not expected.
        changed: Rows that are there with other values.
        moved: Whether all rows are there, in another order.
        expected_rows: How many are expected.
        result_rows: How many there are.
    """

    columns: tuple[str, ...] = ()
    numeric: frozenset[str] = frozenset()
    missing: tuple[Row, ...] = ()
    unexpected: tuple[Row, ...] = ()
    changed: tuple[ChangedRow, ...] = ()
    moved: bool = False
    expected_rows: int = 0
    result_rows: int = 0

    def without_values(self, hidden: Collection[str]) -> Difference:
        """The same without the values of some columns."""
        if not any(name in hidden for name in self.columns):
            return self

        def row(cells: Row) -> Row:
            pairs = zip(self.columns, cells, strict=True)
            return tuple(HIDDEN if name in hidden and cell is not None else cell for name, cell in pairs)

        return replace(
            self,
            missing=tuple(map(row, self.missing)),
            unexpected=tuple(map(row, self.unexpected)),
            changed=tuple(replace(e, expected=row(e.expected), result=row(e.result)) for e in self.changed),
        )


def compare_rows(
    expected: pa.Table,
    result: pa.Table,
    *,
    ordered: bool = False,
    tolerance: Tolerance = EXACT,
    key: Sequence[str] = (),
) -> Difference | None:
    """Compare the rows of two tables of the same columns and types, as multisets unless ordered.

    Args:
        expected: What is expected.
        result: What came.
        ordered: Whether the rows must come in the same order.
        tolerance: By how much floats and decimals may differ.
        key: Columns by which rows that differ are matched, where all of them are compared.

    Returns:
        The difference; None where there is none.
    """
    before, after = _rows(expected), _rows(result)
    equality = _Equality(expected.schema, tolerance)
    names = expected.schema.names
    by = tuple(names.index(name) for name in key) if key and set(key) <= set(names) else ()
    matching = _Matching(before, after, equality)
    missing, unexpected = matching.left_over()
    moved = ordered and not missing and not unexpected
    if ordered:
        if len(before) == len(after) and all(map(equality.rows, before, after)):
            return None
        if len(before) == len(after):
            pairs = enumerate(zip(before, after, strict=True), 1)
            changed = [_changed(a, b, equality, row) for row, (a, b) in pairs if not equality.rows(a, b)]
            missing = unexpected = []
        else:
            changed = _pairs(missing, unexpected, by, equality)
    elif not missing and not unexpected:
        return None
    else:
        changed = _pairs(missing, unexpected, by, equality)
    return Difference(
        tuple(names),
        frozenset(name for name in names if _is_number(expected.schema.field(name).type)),
        tuple(missing),
        tuple(unexpected),
        tuple(changed),
        moved,
        len(before),
        len(after),
    )


def _rows(table: pa.Table) -> list[Row]:
    columns = [_texts(column.combine_chunks()) for column in table.columns]
    return list(zip(*columns, strict=True)) if columns else [()] * table.num_rows


def _texts(values: pa.Array) -> list[Cell]:
    texts: list[Cell] = encode(values, _PLAIN).to_pylist()
    if pa.types.is_floating(values.type):
        return ["0.0" if text == "-0.0" else text for text in texts]
    return texts


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind)) or _is_tolerant(kind)


def _is_tolerant(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_decimal(kind))


class _Equality:
    """When two values are the same."""

    def __init__(self, schema: pa.Schema, tolerance: Tolerance) -> None:
        self._rel, self._abs = tolerance.rel, tolerance.abs
        is_exact = not tolerance.rel and not tolerance.abs
        self.near = () if is_exact else tuple(i for i, field in enumerate(schema) if _is_tolerant(field.type))
        self._near = frozenset(self.near)

    def exact_part(self, row: Row) -> Row:
        """The values of a row that have no tolerance."""
        return tuple(cell for index, cell in enumerate(row) if index not in self._near) if self._near else row

    def rows(self, expected: Row, result: Row) -> bool:
        """Whether all values of two rows are the same."""
        return expected == result or not self.differing(expected, result)

    def differing(self, expected: Row, result: Row) -> tuple[int, ...]:
        """Indices of the values that are not the same."""
        return tuple(
            index for index, (a, b) in enumerate(zip(expected, result, strict=True)) if not self._cells(index, a, b)
        )

    def _cells(self, index: int, expected: Cell, result: Cell) -> bool:
        if expected == result:
            return True
        if index not in self._near or expected is None or result is None:
            return False
        a, b = _number(expected), _number(result)
        return a is not None and b is not None and abs(b - a) <= self.bound(a)

    def bound(self, expected: Fraction) -> Fraction:
        """By how much a number may differ."""
        return max(self._rel * abs(expected), self._abs)


@lru_cache(maxsize=1 << 16)
def _number(text: str) -> Fraction | None:
    """A number exactly; None for NaN and the infinities, which equal themselves alone."""
    try:
        return Fraction(text)
    except ValueError:
        return None


class _Near:
    """Rows of a result, found by the value of their first column that has a tolerance.

    Args:
        rows: All of them.
        equality: With such a column.
    """

    def __init__(self, rows: Sequence[Row], equality: _Equality) -> None:
        self._equality = equality
        numbers: dict[Row, list[tuple[Fraction, int]]] = defaultdict(list)
        self._others: dict[Row, list[int]] = defaultdict(list)
        for index, row in enumerate(rows):
            group, number = self._place(row)
            if number is None:
                self._others[group].append(index)
            else:
                numbers[group].append((number, index))
        self._numbers = {group: sorted(found) for group, found in numbers.items()}

    def _place(self, row: Row) -> tuple[Row, Fraction | None]:
        text = row[self._equality.near[0]]
        return self._equality.exact_part(row), None if text is None else _number(text)

    def indices(self, expected: Row) -> Sequence[int]:
        """The rows that may equal an expected one; no others do."""
        group, number = self._place(expected)
        if number is None:
            return self._others.get(group, ())
        found, bound = self._numbers.get(group, []), self._equality.bound(number)
        first = bisect_left(found, number - bound, key=itemgetter(0))
        return [index for _, index in found[first : bisect_right(found, number + bound, key=itemgetter(0))]]


class _Matching:
    """Pairs as many rows as can be paired with equal ones (the augmenting paths of bipartite matching)."""

    def __init__(self, before: Sequence[Row], after: Sequence[Row], equality: _Equality) -> None:
        self._before, self._after, self._equality = before, after, equality
        self._of_before: dict[int, int] = {}
        self._of_after: dict[int, int] = {}

    def left_over(self) -> tuple[list[Row], list[Row]]:
        """The rows of either side that have no equal one."""
        free: dict[Row, list[int]] = defaultdict(list)
        for index in range(len(self._after) - 1, -1, -1):
            free[self._after[index]].append(index)
        for index, row in enumerate(self._before):
            if free.get(row):
                self._pair(index, free[row].pop())
        if self._equality.near:
            self._augment()
        missing = [row for index, row in enumerate(self._before) if index not in self._of_before]
        unexpected = [row for index, row in enumerate(self._after) if index not in self._of_after]
        return missing, unexpected

    def _pair(self, before: int, after: int) -> None:
        self._of_before[before] = after
        self._of_after[after] = before

    def _augment(self) -> None:
        near = _Near(self._after, self._equality)
        for index in range(len(self._before)):
            if index not in self._of_before:
                self._augment_from(index, near)

    def _augment_from(self, start: int, near: _Near) -> None:
        """Pair a row, if others can be paired otherwise for it: breadth first, each row of the result once."""
        came_from: dict[int, int] = {}
        waiting = [start]
        for before in waiting:
            row = self._before[before]
            for after in near.indices(row):
                if after in came_from or not self._equality.rows(row, self._after[after]):
                    continue
                came_from[after] = before
                if after in self._of_after:
                    waiting.append(self._of_after[after])
                    continue
                while True:  # back along the path
                    before = came_from[after]
                    freed = self._of_before.get(before)
                    self._pair(before, after)
                    if before == start or freed is None:
                        return
                    after = freed


def _changed(expected: Row, result: Row, equality: _Equality, row: int | None = None) -> ChangedRow:
    return ChangedRow(expected, result, equality.differing(expected, result), row)


def _pairs(missing: list[Row], unexpected: list[Row], by: tuple[int, ...], equality: _Equality) -> list[ChangedRow]:
    """Take the rows out of both that are the same ones with other values: by their key, else the most alike."""
    found = list(_paired_by_key(missing, unexpected, by) if by else _paired_by_likeness(missing, unexpected, equality))
    for expected, result in found:
        missing.remove(expected)
        unexpected.remove(result)
    return [_changed(expected, result, equality) for expected, result in found]


def _paired_by_key(missing: Sequence[Row], unexpected: Sequence[Row], by: tuple[int, ...]) -> Iterator[tuple[Row, Row]]:
    of_key = {tuple(row[index] for index in by): row for row in reversed(unexpected)}
    for row in missing:
        result = of_key.pop(tuple(row[index] for index in by), None)
        if result is not None:
            yield row, result


def _paired_by_likeness(
    missing: Sequence[Row], unexpected: Sequence[Row], equality: _Equality
) -> Iterator[tuple[Row, Row]]:
    """The most alike first; rows of which no value is the same are no pair, unless there is but one of each."""
    if len(missing) == len(unexpected) == 1:
        yield missing[0], unexpected[0]
        return
    if max(len(missing), len(unexpected)) > _PAIRED:
        return
    scored = sorted(
        (len(equality.differing(a, b)), i, j) for i, a in enumerate(missing) for j, b in enumerate(unexpected)
    )
    taken: tuple[set[int], set[int]] = set(), set()
    for count, i, j in scored:
        if count < len(missing[i]) and i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            yield missing[i], unexpected[j]
