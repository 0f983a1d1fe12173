"""Whether the key of a table identifies each of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, examples_at, shown_values, true_rows
from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.errors import KEPT_ROWS, DataError, Example, Location, Violation
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    from lakehouse_cli.contracts.spilled_keys import SpilledKeys
    from lakehouse_cli.runs.spilled_pieces import SpilledPieces

_DataError = TypeVar("_DataError", bound=DataError)
#: Says something of so many rows.
Say: TypeAlias = Callable[[int], str]
_FEW = 1_000
# Bytes of keys that are kept in memory.
_IN_MEMORY = 1 << 24
# Rows of which it is seen at once whether they increase.
_ROWS = 1 << 16


def at_key(error: _DataError, table: Table) -> _DataError:
    """The error with the place of the key for violations of that."""
    is_first = bool(error.violations) and error.location == error.violations[0].location
    error.violations = tuple(
        replace(each, location=table.where("key")) if each.check == "key" else each for each in error.violations
    )
    error.location = error.violations[0].location if is_first else error.location
    return error


def key_violation(shown: pa.Table, rows: Sequence[int], count: int, location: Location | None = None) -> Violation:
    """Make the violation of a key that more than one row has.

    Args:
        shown: Keys of the first rows that repeat an earlier one, the key's columns and no others.
        rows: Their 0-based numbers.
        count: How many rows repeat an earlier key, at least one.
        location: Of the key's first column.
    """
    key = shown.column_names
    values = zip(*(shown_values(column, range(len(rows[:EXAMPLES]))) for column in shown.columns), strict=True)
    examples = tuple(Example(row + 1, ", ".join(each)) for row, each in zip(rows[:EXAMPLES], values, strict=True))
    name = key[0] if len(key) == 1 else None
    return Violation(name, "key", count, repeated_keys_text(key, count), examples, location)


def repeated_keys_text(key: Sequence[str], count: int) -> str:
    """Say that so many rows have a key that an earlier row has."""
    names = ", ".join(f"`{name}`" for name in key)
    return f"key {names}: {plural(count, 'row')} {'repeats an earlier key' if count == 1 else 'repeat earlier keys'}"


def taken_keys_text(key: Sequence[str], count: int) -> str:
    """Say that so many rows have a key that another partition has."""
    names = ", ".join(f"`{name}`" for name in key)
    return f"key {names}: {plural(count, 'row')} {'has' if count == 1 else 'have'} a key of another partition"


def key_nulls_text(name: str, count: int) -> str:
    """Say that so many values of a column of the key are null."""
    return f"key column `{name}` has {plural(count, 'null')}"


def repeated_rows(table: pa.Table, key: Sequence[str]) -> pa.Array:
    """List the 0-based rows whose key an earlier row has; rows with a null in the key are not judged here."""
    columns = [table.column(name) for name in key]
    if table.num_rows <= _FEW:
        return _repeated_few(columns)
    if increases(table.select(key)):
        return av.array([], pa.int64())
    from lakehouse_cli.contracts.repeated_rows import repeated_many

    return repeated_many(columns)


def _repeated_few(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    seen: set[object] = set()
    rows = []
    for row, values in enumerate(zip(*map(_values, columns), strict=True)):
        if None in values:
            continue
        # NaN equals no NaN, and lists and dicts have no hash; their text does for both.
        plain = all(map(_is_plain, values))
        identity = values if plain else tuple(value if _is_plain(value) else repr(value) for value in values)
        if identity in seen:
            rows.append(row)
        seen.add(identity)
    return av.array(rows, pa.int64())


def _values(column: pa.ChunkedArray) -> list[object]:
    kind = column.type
    if not (pa.types.is_temporal(kind) or pa.types.is_nested(kind)):
        plain: list[object] = column.to_pylist()
        return plain
    from lakehouse_cli.arrow.row_hashes import exact_values

    return [value for chunk in column.chunks for value in exact_values(chunk)]


def _is_plain(value: object) -> bool:
    return not isinstance(value, (list, dict)) and value == value


class OtherPartitions(Protocol):
    """The stored partitions of the table that a result is a partition of."""

    def taken(self, name: str, columns: Sequence[pa.ChunkedArray]) -> tuple[Any, Sequence[Partition]]:
        """Which rows, 0-based and ascending, have values that another partition has, and which partition that is.

        Args:
            name: Of the check `unique`; empty for the key.
            columns: Of the rows.
        """


def add_taken(
    found: Findings, violation: Violation, rows: Any, shown: pa.Table, partitions: Sequence[Partition], say: Say
) -> None:
    """Add rows of which other partitions have the values.

    Args:
        found: Takes them.
        violation: Without examples.
        rows: 0-based positions in the piece, ascending.
        shown: The values of the first of them.
        partitions: That have them.
        say: The message for so many rows.
    """
    values = zip(*(shown_values(column, range(shown.num_rows)) for column in shown.columns), strict=True)
    examples = tuple(
        Example(int(row) + 1, f"{', '.join(each)} (also in {partition})")
        for row, each, partition in zip(rows, values, partitions, strict=False)
    )
    found.add(replace(violation, examples=examples), av.from_numpy(rows, pa.int64()), say, shown.column_names)


class PiecewiseKey:
    """Judges the key of the pieces of a table; to be closed.

    The keys of earlier pieces are kept until the end, beyond `_IN_MEMORY` bytes in a temporary file. Where each is
    greater than the one before, that is all; else they are compared part by part, those of one hash in one part.

    Args:
        columns: The contract's; None where none are declared.
        key: Names of the columns that together identify a row.
        others: Of one partition, the others.
    """

    def __init__(
        self, columns: Sequence[Column] | None, key: Sequence[str], others: OtherPartitions | None = None
    ) -> None:
        self._others = others
        self._declared = {column.name: column for column in columns or ()}
        self._key = list(key)
        self._pieces: list[pa.Table] = []
        self._bytes = 0
        self._increasing: SpilledPieces | None = None
        self._spilled: SpilledKeys | None = None
        self._stack = ExitStack()
        self._last: pa.Table | None = None
        self._increases = True
        self._is_whole = True

    def judge(self, table: pa.Table, names: Sequence[str], found: Findings, *, whole: bool) -> None:
        """Judge the nulls in the key of a piece, and of a whole table whether each key is there once.

        Args:
            table: The columns of the piece that could be converted.
            names: Of all its columns.
            found: Takes what is wrong.
            whole: Whether the piece is the whole table.
        """
        for name in self._key:
            column = self._declared.get(name)
            if name not in table.column_names:
                self._is_whole = False
                if column is None and name not in names:
                    message = f"key column `{name}` is missing from the result"
                    found.add(Violation(name, "missing", 1, message))
                continue
            array = table.column(name)
            # A column that is itself declared not null has been judged.
            if array.null_count and (column is None or column.nullable):
                _add_key_nulls(name, array, place_of(column), found)
        if not self._is_whole:
            return
        if self._others is not None:
            self._judge_by_others(self._others, table.select(self._key), found)
        if not whole:
            self._keep(table.select(self._key))
        elif len(repeated := repeated_rows(table, self._key)):
            shown = repeated[:EXAMPLES]
            found.add(self._violation(table.select(self._key).take(shown), shown.to_pylist(), len(repeated)), repeated)

    def _judge_by_others(self, others: OtherPartitions, keys: pa.Table, found: Findings) -> None:
        rows, partitions = others.taken("", keys.columns)
        if not len(rows):
            return
        say, place = partial(taken_keys_text, self._key), place_of(self._declared.get(self._key[0]))
        name = self._key[0] if len(self._key) == 1 else None
        shown = keys.take(av.from_numpy(rows[:EXAMPLES], pa.int64()))
        add_taken(found, Violation(name, "key", len(rows), say(len(rows)), (), place), rows, shown, partitions, say)

    def _violation(self, shown: pa.Table, rows: Sequence[int], count: int) -> Violation:
        return key_violation(shown, rows, count, place_of(self._declared.get(self._key[0])))

    def _keep(self, keys: pa.Table) -> None:
        if not keys.num_rows:
            return
        if self._last is not None and self._last.schema != keys.schema:  # reported as the piece is stored
            self._is_whole = False
            return
        self._increases = self._increases and increases(
            keys if self._last is None else pa.concat_tables([self._last, keys])
        )
        self._last = keys.slice(keys.num_rows - 1)
        self._pieces.append(keys)
        self._bytes += keys.nbytes
        if self._bytes > _IN_MEMORY:
            self._spill()

    def _spill(self) -> None:
        keys, self._pieces, self._bytes = pa.concat_tables(self._pieces), [], 0
        if self._increases:
            if self._increasing is None:
                from lakehouse_cli.runs.spilled_pieces import SpilledPieces

                pieces = SpilledPieces(keys.schema, "the keys of its rows")
                self._increasing = self._stack.enter_context(closing(pieces))
            self._increasing.add(keys)
            return
        if self._spilled is None:
            from lakehouse_cli.contracts.spilled_keys import SpilledKeys

            self._spilled = self._stack.enter_context(closing(SpilledKeys(keys.schema)))
            if self._increasing is not None:
                for piece in self._increasing.read():
                    self._spilled.add(piece)
                self._increasing.close()
        self._spilled.add(keys)

    def finish(self, found: Findings) -> None:
        """Judge whether each key of all pieces is there once."""
        if self._increases or not self._is_whole:
            return
        if self._pieces and (self._increasing is not None or self._spilled is not None):
            self._spill()
        every = found.late_rows()

        def take(numbers: Any, keys: pa.Table) -> None:
            if every is not None:
                every.add(numbers, lambda: keys.rename_columns(self._key))

        if self._spilled is not None:
            count, first = self._spilled.repeated(take)
            rows, shown = first.columns[-1].to_pylist(), first.select(range(len(self._key))).rename_columns(self._key)
        else:
            keys = pa.concat_tables(self._pieces)
            repeated = repeated_rows(keys, self._key)
            count, rows = len(repeated), repeated[:KEPT_ROWS].to_pylist()
            shown = keys.take(repeated[:KEPT_ROWS])
            if every is not None:
                take(av.to_numpy(repeated), keys.take(repeated))
        if count:
            found.add_of_all(self._violation(shown, rows, count), rows, shown, every=every)

    def close(self) -> None:
        """Remove what was spilled."""
        self._stack.close()


def increases(table: pa.Table) -> bool:
    """Whether each row is greater than the one before, column by column; False where that cannot be known."""
    if any(pa.types.is_nested(kind) or pa.types.is_dictionary(kind) for kind in table.schema.types):
        return False
    # Most that are not in order show it early.
    return all(_increases(table.slice(max(start - 1, 0), count)) for start, count in _stretches(table.num_rows))


def _stretches(rows: int) -> Iterator[tuple[int, int]]:
    start, count = 0, _FEW
    while start < rows:
        yield start, count + 1
        start, count = start + count, min(2 * count, _ROWS)


def _increases(table: pa.Table) -> bool:
    from lakehouse_cli.arrow.values import compute as pc

    rows, verdict = table.num_rows, None
    for column in reversed(table.columns):
        before, after = column.slice(0, rows - 1), column.slice(1)
        greater = pc.less(before, after)
        verdict = greater if verdict is None else pc.or_kleene(greater, pc.and_kleene(pc.equal(before, after), verdict))
    # Nulls, and NaN, are neither greater nor equal.
    return verdict is None or not len(verdict) or bool(pc.all(pc.fill_null(verdict, False)).as_py())


def _add_key_nulls(name: str, array: pa.ChunkedArray, place: Location | None, found: Findings) -> None:
    rows = true_rows(array.is_null())
    examples = examples_at(array, rows[:EXAMPLES].to_pylist())
    say = partial(key_nulls_text, name)
    found.add(Violation(name, "key", len(rows), say(len(rows)), examples, place), rows, say)


def place_of(column: Column | None) -> Location | None:
    """Where a column is declared."""
    return column.location if column is not None else None
