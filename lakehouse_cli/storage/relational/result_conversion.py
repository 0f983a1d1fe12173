"""The conversion of columns that a database returns: exactly as declared, or refused with row and value."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, TypeAlias

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import (
    InexactError,
    printed,
    refusal_text,
    texts_at,
    true_rows,
    violation_of,
)
from lakehouse_cli.arrow.conversion.refusals import convert_or_refuse
from lakehouse_cli.arrow.conversion.refused_column import RefusedColumn
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.errors import DataError, Location
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.storage.relational.session import Raw
from lakehouse_cli.text.counts import plural

_Values: TypeAlias = pa.ChunkedArray | Sequence[Any]
_Raw: TypeAlias = _Values | RefusedColumn
# Forms of numbers in a database without types of columns: each value is converted by itself, whatever the others are.
_NUMBERS: set[Any] = {frozenset([int]), frozenset([float]), frozenset([int, float]), pa.float64()}


class FormsDifferError(Exception):
    """A column has several forms, in one piece or in all, and what its values are taken for depends on all of them."""


class ResultConversion:
    """Makes of the pieces of a relation, as they are read, what is declared; to be closed where it is not finished.

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
        self._refused: set[int] = set()  # 0-based rows of the piece at hand
        self._found = Findings(unwritten=[column.name for column in columns or () if column.sensitive])

    def check_forms(self, raw: Raw) -> None:
        """Compare the forms of a piece with each other and with those of earlier pieces; raises FormsDifferError."""
        for name, values in raw.items():
            form, known = _form(values), self._forms.get(name)
            if form is None:
                continue
            is_mixed = isinstance(form, frozenset) and len(form) > 1
            if (is_mixed or (known is not None and form != known)) and not {form, known or form} <= _NUMBERS:
                raise FormsDifferError
            self._forms[name] = form

    def piece(self, raw: Raw) -> pa.Table | None:
        """Convert a piece; None once anything was refused, after which the others are only judged."""
        arrays: dict[str, pa.ChunkedArray | None] = {}
        for name in raw if self._columns is None else self._declared:
            values: _Raw | None = raw[name]
            while isinstance(values, RefusedColumn):
                self._refuse(values.refusal, values.column, name, None)
                values = values.rest
            if values is not None:
                column = self._declared.get(name)
                arrays[name], refusals = convert_or_refuse(partial(_converted, column=column), values)
                for refusal in refusals:
                    refusal.hint = None  # it speaks of a transform, and what is read has none
                    self._refuse(refusal, values, name, column.type if column else None)
        if self._found.is_piece_clean:
            self._found.end_piece(_of_length(next(map(_length, raw.values()), 0)), ())
        else:
            self._found.end_piece(pa.table({name: _shown(values, self._refused) for name, values in raw.items()}), ())
            self._refused.clear()
        return None if self._found.violations else pa.table(arrays)

    def _refuse(self, refusal: InexactError, values: _Values, name: str, named: ColumnType | None) -> None:
        """Report some values of a column, whose declared type is named where that refuses them."""
        source = values if isinstance(values, pa.ChunkedArray) else None
        rows = true_rows(source.is_valid()) if refusal.rows is None and source is not None else refusal.rows
        self._refused.update(() if rows is None else rows.to_pylist())
        column = self._declared.get(name)
        violation = replace(
            violation_of(refusal, name, named, source), location=column.location if column is not None else None
        )
        self._found.add(violation, rows, partial(refusal_text, refusal, name, named))

    def finish(self) -> None:
        """Report what was refused in any piece.

        Raises:
            DataError: Values that do not fit, or a type that cannot be declared.
        """
        violations = self._found.violations
        if not violations:
            return
        columns = len({each.column for each in violations})
        are, they = ("is", "it is") if columns == 1 else ("are", "they are")
        trouble = f"{are} not as declared" if self._columns is not None else f"cannot be read as {they}"
        several = f"{plural(columns, 'column')} of {self._shown} {trouble}"
        message = f"{self._shown}: {violations[0].message}" if len(violations) == 1 else several
        wanted = "declare another type" if self._columns is not None else "declare the columns that are wanted"
        hint = f"correct the data, {wanted}, or select from a view that casts them"
        error = DataError(message, violations, hint=hint, location=violations[0].location or self._place)
        self._found.describe(error, {})
        raise error

    def close(self) -> None:
        """Remove the rows that were kept, where nobody took them."""
        self._found.close()


def _form(values: _Raw) -> Any:
    """What values are by themselves; None where there are none, or where they are refused whatever is declared."""
    if isinstance(values, RefusedColumn):
        return None
    if isinstance(values, pa.ChunkedArray):
        return values.type
    return frozenset(map(type, values)) - {type(None)} or None


def _length(values: _Raw) -> int:
    return len(values.column if isinstance(values, RefusedColumn) else values)


def _shown(values: _Raw, rows: Collection[int]) -> pa.ChunkedArray | pa.Array:
    """What some rows of a column show; of others it may be anything."""
    return values if isinstance(values, pa.ChunkedArray) else av.array(_texts(values, rows), pa.string())


def _texts(values: _Raw, rows: Collection[int]) -> list[str | None]:
    if isinstance(values, RefusedColumn):
        texts = _texts(values.column, rows)
        rest = texts if values.rest is None else _texts(values.rest, rows)
        return [other if text is None else text for text, other in zip(texts, rest, strict=True)]
    if isinstance(values, pa.ChunkedArray):
        shown = dict(zip(rows, texts_at(values, [*rows]), strict=True))
        return [shown.get(row) for row in range(len(values))]
    return [None if value is None or row not in rows else printed(value) for row, value in enumerate(values)]


def _of_length(rows: int) -> pa.Table:
    """A table of so many rows, for which their number is all that counts."""
    return pa.table({"row": pa.nulls(rows)}).select([])


def _converted(values: _Values, *, column: Column | None) -> pa.ChunkedArray:
    target = to_arrow(column.type) if column is not None else None
    if not isinstance(values, pa.ChunkedArray):
        converted = convert_values(values, target, nan_is_null=False)
        return converted if target is not None else _natural(converted)
    return convert(values, target) if target is not None else _natural(values)


def _natural(column: pa.ChunkedArray) -> pa.ChunkedArray:
    nearest = from_arrow(column.type)
    if nearest is None:
        raise InexactError(f"{column.type}, which no column can be declared as")
    return convert(column, to_arrow(nearest))
