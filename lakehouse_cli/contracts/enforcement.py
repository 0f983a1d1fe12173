"""Enforce the declared columns of a table: names, types, nulls and key, all judged before any error is raised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.domains import check_domain, check_sound
from lakehouse_cli.arrow.conversion.refusal import (
    EXAMPLES,
    InexactError,
    examples_at,
    is_index_level,
    refusal_text,
    true_rows,
    violation_of,
)
from lakehouse_cli.arrow.conversion.refusals import convert_or_refuse
from lakehouse_cli.arrow.conversion.stand_in import refusals_in, violations_in
from lakehouse_cli.arrow.maps import holds_map
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.contracts.keys import OtherPartitions, PiecewiseKey, place_of
from lakehouse_cli.errors import ContractError, Violation
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.column_type import unnameable
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.invisible import visible

_SMALL_CHUNK = 65_536
_LARGE_COLUMN = 1 << 30


class Enforced(Struct, frozen=True):
    """A table that keeps its contract.

    Attributes:
        table: The declared columns in their order, then extras that are kept; types of
            `lakehouse_cli.arrow.types`, fields nullable, no metadata.
        dropped: Names of extra columns that were dropped.
        checks: What the table's checks found, once they were judged.
    """

    table: pa.Table
    dropped: tuple[str, ...]
    checks: tuple[CheckRecord, ...] = ()


def enforce(
    result: pa.Table,
    columns: Sequence[Column] | None,
    *,
    key: Sequence[str] = (),
    extra_columns: str = "error",
    others: OtherPartitions | None = None,
) -> Enforced:
    """Convert a transform's result exactly to the declared columns, and judge it.

    Args:
        result: As it came from a frame, of any Arrow types.
        columns: The contract's; None where none are declared, and each column keeps the nearest declarable type.
        key: Columns that must be non-null and, together, unique.
        extra_columns: What becomes of columns that are not declared: ``error``, ``drop`` or ``keep``.
        others: Of one partition, the others, in which no key may be again.

    Raises:
        ContractError: Carries every violation found in any column.
    """
    enforcement = Enforcement(columns, key, extra_columns, others)
    table = enforcement.piece(result, whole=True)
    enforcement.finish()
    assert table is not None  # noqa: S101  # what is refused was raised
    return Enforced(table, enforcement.dropped)


class Enforcement:
    """Enforces a contract on the pieces of a table, as they come; to be closed.

    Args:
        columns: As of `enforce`.
        key: As of `enforce`.
        extra_columns: As of `enforce`.
        others: As of `enforce`.

    Attributes:
        dropped: Names of extra columns that were dropped.
        most_bytes: What the largest piece took in memory, of a table that comes in several.
    """

    def __init__(
        self,
        columns: Sequence[Column] | None,
        key: Sequence[str],
        extra_columns: str,
        others: OtherPartitions | None = None,
    ) -> None:
        self.dropped: tuple[str, ...] = ()
        self.most_bytes = 0
        self._columns = columns
        self._key = key
        self._extra_columns = extra_columns
        self._found = Findings(unwritten=_sensitive(columns))
        self._keys = PiecewiseKey(columns, key, others)
        self._rows_before = 0
        self._misplaced: dict[str, str] = {}

    def piece(self, result: pa.Table, *, whole: bool = False) -> pa.Table | None:
        """Convert a piece, and judge it; None once anything was found, after which the others are only judged.

        Raises:
            ContractError: Its columns cannot be told apart.
        """
        if not whole:
            self.most_bytes = max(self.most_bytes, result.nbytes)
        names, columns, found = result.schema.names, self._columns, self._found
        if violations := _name_violations(names):
            raise _error(violations)
        places = {name: position for position, name in enumerate(names)}
        declared = {column.name for column in columns or ()}
        extras = [name for name in names if name not in declared]
        kept: dict[str, pa.ChunkedArray] = {}
        for column in columns or ():
            if column.name in places:
                _judge(result, places[column.name], column, kept, found)
            else:
                found.add(_missing(column, extras, self._since(column.name)))
        if columns is not None and self._extra_columns == "drop":
            self.dropped, extras = tuple(extras), []
        elif columns is not None and self._extra_columns == "error":
            lacking = [column.name for column in columns if column.name not in places]
            for name in extras:
                found.add(_extra(result.schema.field(places[name]), lacking, self._since(name)))
            extras = []
        for name in extras:
            _judge(result, places[name], None, kept, found)
        table = pa.Table.from_arrays(list(kept.values()), names=list(kept)) if kept else result.select([])
        if self._key:
            self._keys.judge(table, names, found, whole=whole)
        for name, converted in () if found.is_piece_clean else kept.items():  # as declared: a day without its time
            result = result.set_column(places[name], name, converted)
        found.end_piece(result, self._key)
        self._rows_before += result.num_rows
        return None if found.violations else table

    def _since(self, name: str) -> str:
        """From which row on a column is missing, or there, that was there, or missing, before; empty for all rows."""
        row = f" from row {count_text(self._rows_before + 1)} on" if self._rows_before else ""
        return self._misplaced.setdefault(name, row)

    def finish(self) -> None:
        """Judge what only the whole table shows.

        Raises:
            ContractError: Carries every violation found in any column of any piece.
        """
        self._keys.finish(self._found)
        if self._found.violations:
            error = _error(self._found.violations)
            self._found.describe(error, {})
            raise error

    def close(self) -> None:
        """Remove what was spilled."""
        self._keys.close()


def check(table: pa.Table, columns: Sequence[Column] | None, *, key: Sequence[str] = ()) -> Findings:
    """Judge nulls and key of a table whose columns already have their declared types.

    Args:
        table: With the declared columns.
        columns: The contract's; None where none are declared.
        key: Columns that must be non-null and, together, unique.
    """
    checking = Check(columns, key)
    checking.piece(table, whole=True)
    return checking.finish()


class Check:
    """Judges nulls and key of the pieces of a table whose columns already have their declared types; to be closed.

    Args:
        columns: As of `check`.
        key: As of `check`.
        found: Takes what is wrong; its own by default.
        others: As of `enforce`.
    """

    def __init__(
        self,
        columns: Sequence[Column] | None,
        key: Sequence[str],
        found: Findings | None = None,
        others: OtherPartitions | None = None,
    ) -> None:
        self._columns = columns
        self._key = key
        self._keys = PiecewiseKey(columns, key, others)
        self._found = found or Findings(unwritten=_sensitive(columns))

    def piece(self, table: pa.Table, *, whole: bool = False) -> None:
        """Judge a piece, which may be the whole table."""
        self.judge(table, whole=whole)
        self._found.end_piece(table, self._key)

    def judge(self, table: pa.Table, *, whole: bool = False) -> None:
        """Judge a piece of which others judge more, and whose end they report."""
        for column in self._columns or ():
            if not column.nullable and (array := table.column(column.name)).null_count:
                _add_nulls(array, column, self._found)
        if self._key:
            self._keys.judge(table, table.column_names, self._found, whole=whole)

    def finish(self) -> Findings:
        """What was found in all pieces."""
        self._keys.finish(self._found)
        return self._found

    def close(self) -> None:
        """Remove what was spilled."""
        self._keys.close()


def _sensitive(columns: Sequence[Column] | None) -> list[str]:
    return [column.name for column in columns or () if column.sensitive]


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


def _missing(column: Column, extras: Sequence[str], since: str) -> Violation:
    close = did_you_mean(column.name, extras)
    hint = f"; {close.replace('did you mean', 'is it').rstrip('?')}?" if close else ""
    message = f"column `{visible(column.name)}` is not in the result{since}{hint}"
    return Violation(column.name, "missing", 1, message, (), column.location)


def _extra(field: pa.Field, lacking: Sequence[str], since: str) -> Violation:
    for refused in violations_in(field):
        if refused.check == "extra":
            return refused
    close = did_you_mean(field.name, lacking)
    if is_index_level(field):
        message = f"index level `{visible(field.name)}` is not a declared column"
        hint = close or "drop it with `.reset_index(drop=True)`"
    else:
        message = f"column `{visible(field.name)}`{since and f', which comes{since},'} is not declared"
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
    declared = column.type if column is not None else None
    if given := refusals_in(field, array, declared):
        for violation, rows, say in given:
            found.add(replace(violation, location=place_of(column)), rows, say)
    else:
        converted, refusals = convert_or_refuse(partial(_converted, column=column), array)
        if converted is not None:
            array = kept[field.name] = _combined(converted)
        for refusal in refusals:
            refused = replace(violation_of(refusal, field.name, declared, array), location=place_of(column))
            rows = true_rows(array.is_valid()) if refusal.rows is None else refusal.rows
            found.add(refused, rows, partial(refusal_text, refusal, field.name, declared))
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


def _converted(array: pa.ChunkedArray, *, column: Column | None) -> pa.ChunkedArray:
    target = to_arrow(column.type if column is not None else _declarable(array.type))
    check_sound(array)
    is_simple = not pa.types.is_dictionary(target) and not (pa.types.is_nested(target) and holds_map(target))
    if array.type == target and is_simple:
        check_domain(array)
        return array
    from lakehouse_cli.arrow.conversion.exact import convert

    return convert(array, target)


def nulls_text(name: str, count: int) -> str:
    """Say that so many values of a column are null that may not be."""
    return f"column `{name}` has {plural(count, 'null')} but is declared `nullable: false`"


def _add_nulls(array: pa.ChunkedArray, column: Column, found: Findings) -> None:
    say = partial(nulls_text, column.name)
    rows = true_rows(array.is_null())
    examples = examples_at(array, rows[:EXAMPLES].to_pylist())
    found.add(Violation(column.name, "null", len(rows), say(len(rows)), examples, column.location), rows, say)


def _combined(array: pa.ChunkedArray) -> pa.ChunkedArray:
    """Many small chunks as one; a few large ones stay, for joining them would copy them."""
    chunks = array.num_chunks
    if chunks == 1 or (chunks and len(array) // chunks >= _SMALL_CHUNK) or array.nbytes > _LARGE_COLUMN:
        return array
    return pa.chunked_array([array.combine_chunks()], array.type)
