"""Columns on their way out of a database: exactly as declared, or refused with row and value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, refusal_text, true_rows, violation_of
from lakehouse_cli.arrow.conversion.refused import Refused
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.errors import DataError, Location, Violation
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.storage.relational.session import Raw
from lakehouse_cli.text.counts import plural

_Raw: TypeAlias = pa.ChunkedArray | Sequence[Any] | Refused
# Forms of numbers in a database without types of columns: each value is converted by itself, whatever the others are.
_NUMBERS: set[Any] = {frozenset([int]), frozenset([float]), frozenset([int, float]), pa.float64()}


class FormsDifferError(Exception):
    """A column has other forms in some pieces than in others, and what its values are taken for depends on that."""


class Fitting:
    """Makes of the pieces of a relation, as they are read, what is declared.

    Args:
        columns: The declared ones; None where each keeps the nearest declarable type.
        shown: The relation as messages show it.
        place: Of the table's declaration, for columns that are not declared.
    """

    def __init__(self, columns: Sequence[Column] | None, shown: str, place: Location | None) -> None:
        self._columns = columns
        self._declared = {column.name: column for column in columns or ()}
        self._shown = shown
        self._place = place
        self._forms: dict[str, Any] = {}
        self._found = Findings()

    def check_forms(self, raw: Raw) -> None:
        """Compare the forms of a piece with those of the pieces before; raises FormsDifferError."""
        for name, values in raw.items():
            form, known = _form(values), self._forms.get(name)
            if form is not None and known is not None and form != known and not {form, known} <= _NUMBERS:
                raise FormsDifferError
            self._forms[name] = known if form is None else form

    def piece(self, raw: Raw) -> pa.Table | None:
        """Convert a piece; None once anything was refused, after which the others are only judged."""
        arrays: dict[str, pa.ChunkedArray] = {}
        for name in raw if self._columns is None else self._declared:
            column, values = self._declared.get(name), raw[name]
            try:
                arrays[name] = _converted(values, column.type if column else None)
            except InexactError as refusal:
                source = values.column if isinstance(values, Refused) else values
                rows = refusal.rows
                if rows is None and isinstance(source, pa.ChunkedArray):
                    rows = true_rows(source.is_valid())
                violation, type_ = _violation(refusal, values, name, column), _named_type(values, column)
                self._found.add(violation, rows, partial(refusal_text, refusal, name, type_))
        self._found.end_piece(_of_length(next(map(_length, raw.values()), 0)), ())
        return None if self._found.violations else pa.table(arrays)

    def finish(self) -> None:
        """Report what was refused in any piece.

        Raises:
            DataError: Values that do not fit, or a type that cannot be declared.
        """
        violations = self._found.violations
        if not violations:
            return
        if len(violations) == 1:  # shown by itself, with the table of the column
            violations = [replace(violations[0], message=f"{self._shown}: {violations[0].message}")]
        columns = len({each.column for each in violations})
        trouble = "are not as declared" if self._columns is not None else "cannot be read as they are"
        several = f"{plural(columns, 'column')} of {self._shown} {trouble}"
        message = violations[0].message if len(violations) == 1 else several
        wanted = "declare another type" if self._columns is not None else "declare the columns that are wanted"
        hint = f"correct the data, {wanted}, or select from a view that casts them"
        raise DataError(message, violations, hint=hint, location=violations[0].location or self._place)


def _form(values: _Raw) -> Any:
    """What values are by themselves; None where there are none, or where they are refused whatever is declared."""
    if isinstance(values, Refused):
        return None
    if isinstance(values, pa.ChunkedArray):
        return values.type
    return frozenset(map(type, values)) - {type(None)} or None


def _length(values: _Raw) -> int:
    return len(values.column if isinstance(values, Refused) else values)


def _of_length(rows: int) -> pa.Table:
    """A table of so many rows, for which their number is all that counts."""
    return pa.table({"row": pa.nulls(rows)}).select([])


def _named_type(raw: _Raw, column: Column | None) -> ColumnType | None:
    """The declared type, where messages name it."""
    return None if column is None or isinstance(raw, Refused) else column.type


def _violation(refusal: InexactError, raw: _Raw, name: str, column: Column | None) -> Violation:
    location = column.location if column is not None else None
    type_ = _named_type(raw, column)
    if isinstance(raw, Refused):
        return replace(violation_of(refusal, name, type_, raw.column), location=location)
    source = raw if isinstance(raw, pa.ChunkedArray) else None
    refusal.hint = None  # it speaks of a transform, and what is read has none
    return replace(violation_of(refusal, name, type_, source), location=location)


def _converted(raw: _Raw, declared: ColumnType | None) -> pa.ChunkedArray:
    if isinstance(raw, Refused):
        raise raw.refusal
    if not isinstance(raw, pa.ChunkedArray):
        values = convert_values(raw, to_arrow(declared) if declared else None, nan_is_null=False)
        return values if declared else _natural(values)
    return convert(raw, to_arrow(declared)) if declared else _natural(raw)


def _natural(column: pa.ChunkedArray) -> pa.ChunkedArray:
    nearest = from_arrow(column.type)
    if nearest is None:
        raise InexactError(f"{column.type}, which no column can be declared as")
    return convert(column, to_arrow(nearest))
