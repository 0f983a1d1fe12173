"""Whether the key of a table identifies each of its rows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, shorten
from lakehouse_cli.errors import Example, Location, Violation
from lakehouse_cli.text.counts import plural

_FEW = 1_000


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
