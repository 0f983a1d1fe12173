"""Whether the key of a table identifies each of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, examples_at, shorten, true_rows
from lakehouse_cli.contracts.findings import Findings, Rows
from lakehouse_cli.errors import Example, Location, Violation
from lakehouse_cli.model import Column
from lakehouse_cli.runs.spilling import spill_folder
from lakehouse_cli.text.counts import plural

_FEW = 1_000
# Bytes of keys that are kept in memory.
_IN_MEMORY = 1 << 24


def key_violation(
    table: pa.Table, key: Sequence[str], rows: pa.Array | pa.ChunkedArray, location: Location | None = None
) -> Violation:
    """Make the violation of a key that more than one row has.

    Args:
        table: Holds the key's columns, no two of one name.
        key: Names of the columns that together identify a row.
        rows: From `repeated_rows`, at least one.
        location: Of the key's first column.
    """
    names = ", ".join(f"`{name}`" for name in key)
    verb = "repeats" if len(rows) == 1 else "repeat"
    first = rows[:EXAMPLES].to_pylist()
    shown = zip(*(table.column(name).take(first).to_pylist() for name in key), strict=True)
    examples = tuple(
        Example(row + 1, ", ".join(shorten(value) for value in values))
        for row, values in zip(first, shown, strict=True)
    )
    earlier = "an earlier key" if len(rows) == 1 else "earlier keys"
    message = f"key {names}: {plural(len(rows), 'row')} {verb} {earlier}"
    return Violation(key[0] if len(key) == 1 else None, "key", len(rows), message, examples, location)


def repeated_rows(table: pa.Table, key: Sequence[str]) -> pa.Array | pa.ChunkedArray:
    """List the 0-based rows whose key an earlier row has; rows with a null in the key are not judged here."""
    columns = [table.column(name) for name in key]
    if table.num_rows <= _FEW or any(pa.types.is_nested(column.type) for column in columns):
        return _repeated_few(columns)
    if len(columns) == 1 and len(columns[0].unique()) == table.num_rows:
        return av.array([], pa.int64())
    return _repeated_many(columns)


def _repeated_few(columns: Sequence[pa.ChunkedArray]) -> pa.Array:
    seen: set[object] = set()
    rows = []
    for row, values in enumerate(zip(*(column.to_pylist() for column in columns), strict=True)):
        if None in values:
            continue
        # NaN equals no NaN, and lists and dicts have no hash; their text does for both.
        identity = values if all(_is_plain(value) for value in values) else tuple(map(repr, values))
        if identity in seen:
            rows.append(row)
        seen.add(identity)
    return av.array(rows, pa.int64())


def _is_plain(value: object) -> bool:
    return not isinstance(value, (list, dict)) and value == value


def _repeated_many(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    from lakehouse_cli.arrow.values import compute as pc

    names = [f"k{position}" for position in range(len(columns))]
    # Row numbers, made without Python objects: of 10^7 rows those would take a second and most of a gigabyte.
    rows = pc.indices_nonzero(pc.or_kleene(columns[0].is_valid(), columns[0].is_null()))
    keyed = pa.table([*(_hashable(column) for column in columns), rows], names=[*names, "row"]).drop_null()
    first = keyed.group_by(names).aggregate([("row", "min")]).column("row_min")
    if len(first) == keyed.num_rows:
        return first[:0]
    repeated = pc.invert(pc.is_in(keyed.column("row"), value_set=first.combine_chunks()))
    return keyed.column("row").filter(repeated)


def _hashable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    from lakehouse_cli.arrow.values import compute as pc

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        # To Arrow -0.0 and 0.0 are two, and they are one key.
        return pc.add(column, av.scalar(0.0, column.type))
    return column


class PiecewiseKey:
    """Judges the key of the pieces of a table.

    The keys of earlier pieces are kept until the end, beyond `_IN_MEMORY` bytes on disk; where each is greater than the
    one before, that is all.

    Args:
        columns: The contract's; None where none are declared.
        key: Names of the columns that together identify a row.
    """

    def __init__(self, columns: Sequence[Column] | None, key: Sequence[str]) -> None:
        self._declared = {column.name: column for column in columns or ()}
        self._key = list(key)
        self._pieces: list[pa.Table] = []
        self._bytes = 0
        self._spill: SpilledTable | None = None
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
        if not whole:
            self._keep(table.select(self._key))
        elif len(repeated := repeated_rows(table, self._key)):
            found.add(self._violation(table, repeated), repeated)

    def _violation(self, table: pa.Table, repeated: Rows) -> Violation:
        return key_violation(table, self._key, repeated, place_of(self._declared.get(self._key[0])))

    def _keep(self, keys: pa.Table) -> None:
        if not keys.num_rows:
            return
        self._increases = self._increases and increases(
            keys if self._last is None else pa.concat_tables([self._last, keys])
        )
        self._last = keys.slice(keys.num_rows - 1)
        self._pieces.append(keys)
        self._bytes += keys.nbytes
        if self._bytes > _IN_MEMORY:
            self._spill = self._spill or SpilledTable(keys.schema)
            for each in self._pieces:
                self._spill.add(each)
            self._pieces, self._bytes = [], 0

    def finish(self, found: Findings) -> None:
        """Judge whether each key of all pieces is there once."""
        try:
            if self._increases or not self._is_whole:
                return
            spilled = [self._spill.table()] if self._spill is not None else []
            table = pa.concat_tables([*spilled, *self._pieces])
            repeated = repeated_rows(table, self._key)
            if len(repeated):
                found.add_of_all(self._violation(table, repeated), repeated, table)
        finally:
            if self._spill is not None:
                self._spill.remove()


def increases(table: pa.Table) -> bool:
    """Whether each row is greater than the one before, column by column; False where that cannot be known."""
    from lakehouse_cli.arrow.values import compute as pc

    if any(pa.types.is_nested(kind) or pa.types.is_dictionary(kind) for kind in table.schema.types):
        return False
    rows, verdict = table.num_rows, None
    for column in reversed(table.columns):
        before, after = column.slice(0, rows - 1), column.slice(1)
        greater = pc.less(before, after)
        verdict = greater if verdict is None else pc.or_kleene(greater, pc.and_kleene(pc.equal(before, after), verdict))
    # Nulls, and NaN, are neither greater nor equal.
    return verdict is None or not len(verdict) or bool(pc.all(pc.fill_null(verdict, False)).as_py())


class SpilledTable:
    """A table that is written to a temporary file piece by piece, and read from there.

    Args:
        schema: Of the pieces.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self._stack = ExitStack()
        self._path = f"{self._stack.enter_context(spill_folder())}/keys.arrow"
        self._writer = pa.ipc.new_stream(self._path, schema)

    def add(self, piece: pa.Table) -> None:
        """Write a piece."""
        self._writer.write_table(piece)

    def table(self) -> pa.Table:
        """All pieces, in memory only as far as they are looked at."""
        self._writer.close()
        return pa.ipc.open_stream(pa.memory_map(self._path)).read_all()

    def remove(self) -> None:
        """Remove the file."""
        self._stack.close()


def _add_key_nulls(name: str, array: pa.ChunkedArray, place: Location | None, found: Findings) -> None:
    def say(count: int) -> str:
        return f"key column `{name}` has {plural(count, 'null')}"

    rows = true_rows(array.is_null())
    examples = examples_at(array, rows[:EXAMPLES].to_pylist())
    found.add(Violation(name, "key", len(rows), say(len(rows)), examples, place), rows, say)


def place_of(column: Column | None) -> Location | None:
    """Where a column is declared."""
    return column.location if column is not None else None
