"""Enforce the declared columns of a table: names, types, nulls and key, all judged before any error is raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.domains import check_domain, check_sound
from lakehouse_cli.arrow.conversion.refusal import (
    InexactError,
    examples_at,
    is_index_level,
    refusal_in,
    true_rows,
    violation_of,
)
from lakehouse_cli.arrow.maps import holds_map
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.contracts.keys import key_violation, repeated_rows
from lakehouse_cli.errors import ContractError, Location, Violation, did_you_mean
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.model.column_type import unnameable
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.invisible import visible

_SMALL_CHUNK = 65_536
_LARGE_COLUMN = 1 << 30


class Enforced(Struct, frozen=True):
    """A table that keeps its contract.

    Attributes:
        table: The declared columns in their order, then extras that are kept; types of
            `lakehouse_cli.arrow.types`, fields nullable, no metadata.
        dropped: Names of extra columns that were dropped.
    """

    table: pa.Table
    dropped: tuple[str, ...]


def enforce(
    result: pa.Table,
    columns: Sequence[Column] | None,
    *,
    key: Sequence[str] = (),
    extra_columns: str = "error",
) -> Enforced:
    """Convert a transform's result exactly to the declared columns, and judge it.

    Args:
        result: As it came from a frame, of any Arrow types.
        columns: The contract's; None where none are declared, and each column keeps the nearest declarable type.
        key: Columns that must be non-null and, together, unique.
        extra_columns: What becomes of columns that are not declared: ``error``, ``drop`` or ``keep``.

    Raises:
        ContractError: Carries every violation found in any column.
    """
    names = result.column_names
    if violations := _name_violations(names):
        raise _error(violations)
    found = Findings()
    places = {name: position for position, name in enumerate(names)}
    declared = {column.name for column in columns or ()}
    extras = [name for name in names if name not in declared]
    dropped: tuple[str, ...] = ()
    kept: dict[str, pa.ChunkedArray] = {}
    for column in columns or ():
        if column.name in places:
            _judge(result, places[column.name], column, kept, found)
        else:
            found.add(_missing(column, extras))
    if columns is not None and extra_columns == "drop":
        dropped, extras = tuple(extras), []
    elif columns is not None and extra_columns == "error":
        lacking = [column.name for column in columns if column.name not in places]
        for name in extras:
            found.add(_extra(result.schema.field(places[name]), lacking))
        extras = []
    for name in extras:
        _judge(result, places[name], None, kept, found)
    table = pa.Table.from_arrays(list(kept.values()), names=list(kept)) if kept else result.select([])
    if key:
        _judge_key(table, columns, key, names, found)
    if found.violations:
        error = _error(found.violations)
        for name, converted in kept.items():  # as they are declared: a day without its time
            result = result.set_column(places[name], name, converted)
        found.describe(error, result, key, {})
        raise error
    return Enforced(table, dropped)


def check(table: pa.Table, columns: Sequence[Column] | None, *, key: Sequence[str] = ()) -> Findings:
    """Judge nulls and key of a table whose columns already have their declared types.

    Args:
        table: With the declared columns.
        columns: The contract's; None where none are declared.
        key: Columns that must be non-null and, together, unique.
    """
    found = Findings()
    for column in columns or ():
        if column.nullable:
            continue
        array = table.column(column.name)
        if array.null_count:
            _add_nulls(array, column, found)
    if key:
        _judge_key(table, columns, key, table.column_names, found)
    return found


def _error(violations: Sequence[Violation]) -> ContractError:
    message = violations[0].message if len(violations) == 1 else plural(len(violations), "violation")
    return ContractError(message, violations, location=violations[0].location)


def _name_violations(names: Sequence[str]) -> list[Violation]:
    violations = []
    if len(set(names)) < len(names):
        violations = [
            Violation(
                name, "duplicate", count, f"{plural(count, 'column')} are called `{name}`; rename or drop all but one"
            )
            for name, count in Counter(names).items()
            if count > 1 and name
        ]
    if "" in names:
        positions = [str(position) for position, name in enumerate(names, start=1) if not name]
        where = f"column {positions[0]} has" if len(positions) == 1 else f"columns {', '.join(positions)} have"
        violations.append(Violation("", "duplicate", len(positions), f"{where} an empty name; name it"))
    return violations


def _missing(column: Column, extras: Sequence[str]) -> Violation:
    close = did_you_mean(column.name, extras)
    hint = f"; {close.replace('did you mean', 'is it').rstrip('?')}?" if close else ""
    return Violation(
        column.name, "missing", 1, f"column `{visible(column.name)}` is not in the result{hint}", (), column.location
    )


def _extra(field: pa.Field, lacking: Sequence[str]) -> Violation:
    refused = refusal_in(field)
    if refused is not None and refused.check == "extra":
        return refused
    close = did_you_mean(field.name, lacking)
    if is_index_level(field):
        message = f"index level `{visible(field.name)}` is not a declared column"
        hint = close or "drop it with `.reset_index(drop=True)`"
    else:
        message = f"column `{visible(field.name)}` is not declared"
        hint = close or "declare it, or set `extra_columns: drop`"
    return Violation(field.name, "extra", 1, f"{message}; {hint}")


def _judge(
    result: pa.Table, position: int, column: Column | None, kept: dict[str, pa.ChunkedArray], found: Findings
) -> None:
    """Judge one column, which is put among the kept ones as far as it can be converted.

    Args:
        result: As it came.
        position: Of the column.
        column: As declared; None for one that is kept without being declared.
        kept: Columns by name.
        found: Takes what is wrong.
    """
    field, array = result.schema.field(position), result.column(position)
    refused, rows = refusal_in(field), None
    if refused is None:
        try:
            array = _converted(array, to_arrow(column.type if column is not None else _declarable(field.type)))
        except InexactError as refusal:
            refused = violation_of(refusal, field.name, column.type if column is not None else None, array)
            rows = true_rows(array.is_valid()) if refusal.rows is None else refusal.rows
    if refused is not None:
        found.add(replace(refused, location=_place(column)), rows)
        return
    kept[field.name] = _combined(array)
    if column is not None and not column.nullable and array.null_count:
        _add_nulls(array, column, found)


def _declarable(stored: pa.DataType) -> ColumnType:
    """Return the nearest type that a project file can name."""
    found = from_arrow(stored)
    if found is None:
        raise InexactError(f"{stored}, which no column type holds", hint="convert or drop the column")
    unnamed = unnameable(found)
    if unnamed is not None:
        # Only its manifest would have the type, for readers of the table.
        raise InexactError(unnamed[0], hint=unnamed[1])
    return found


def _converted(array: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    check_sound(array)
    is_simple = not pa.types.is_dictionary(target) and not (pa.types.is_nested(target) and holds_map(target))
    if array.type == target and is_simple:
        check_domain(array)
        return array
    from lakehouse_cli.arrow.conversion.exact import convert

    return convert(array, target)


def _add_nulls(array: pa.ChunkedArray, column: Column, found: Findings) -> None:
    rows = true_rows(array.is_null())
    message = f"column `{column.name}` has {plural(len(rows), 'null')} but is declared `nullable: false`"
    examples = examples_at(array, rows[:5].to_pylist())
    found.add(Violation(column.name, "null", len(rows), message, examples, column.location), rows)


def _combined(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Many small chunks as one; a few large ones stay, for joining them would copy them."""
    chunks = array.num_chunks
    if chunks == 1 or (chunks and len(array) // chunks >= _SMALL_CHUNK) or array.nbytes > _LARGE_COLUMN:
        return array
    return pa.chunked_array([array.combine_chunks()], array.type)


def _judge_key(
    table: pa.Table, columns: Sequence[Column] | None, key: Sequence[str], names: Sequence[str], found: Findings
) -> None:
    by_name = {column.name: column for column in columns or ()}
    for name in key:
        column = by_name.get(name)
        if name not in table.column_names:
            if column is None and name not in names:
                message = f"key column `{name}` is missing from the result"
                found.add(Violation(name, "missing", 1, message))
            continue
        array = table.column(name)
        # A column that is itself declared not null has been judged.
        if array.null_count and (column is None or column.nullable):
            rows = true_rows(array.is_null())
            message = f"key column `{name}` has {plural(len(rows), 'null')}"
            examples = examples_at(array, rows[:5].to_pylist())
            found.add(Violation(name, "key", len(rows), message, examples, _place(column)), rows)
    if all(name in table.column_names for name in key):
        repeated = repeated_rows(table, key)
        if len(repeated):
            found.add(key_violation(table, key, repeated, _place(by_name.get(key[0]))), repeated)


def _place(column: Column | None) -> Location | None:
    return column.location if column is not None else None
