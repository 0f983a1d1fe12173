"""Columns on their way out of a database: exactly as declared, or refused with row and value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, violation_of
from lakehouse_cli.arrow.conversion.refused import Refused
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.errors import DataError, Location, Violation
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.storage.relational.session import Raw
from lakehouse_cli.text.counts import plural

_Raw: TypeAlias = pa.ChunkedArray | Sequence[Any] | Refused


def fitted(raw: Raw, columns: Sequence[Column] | None, shown: str, place: Location | None) -> pa.Table:
    """Return what was read, as it is declared.

    Args:
        raw: The columns as they came.
        columns: The declared ones; None where each keeps the nearest declarable type.
        shown: The relation as messages show it.
        place: Of the table's declaration, for columns that are not declared.

    Raises:
        DataError: Values that do not fit, or a type that cannot be declared.
    """
    arrays: dict[str, pa.ChunkedArray] = {}
    refused: dict[str, InexactError] = {}
    declared = {column.name: column for column in columns or ()}
    for name in [column.name for column in columns] if columns is not None else raw:
        column = declared.get(name)
        try:
            arrays[name] = _converted(raw[name], column.type if column else None)
        except InexactError as refusal:
            refused[name] = refusal
    if refused:
        violations = [_violation(refusal, raw[name], name, declared.get(name)) for name, refusal in refused.items()]
        if len(violations) == 1:  # shown by itself, with the table of the column
            violations = [replace(violations[0], message=f"{shown}: {violations[0].message}")]
        trouble = "are not as declared" if columns is not None else "cannot be read as they are"
        several = f"{plural(len(violations), 'column')} of {shown} {trouble}"
        message = violations[0].message if len(violations) == 1 else several
        wanted = "declare another type" if columns is not None else "declare the columns that are wanted"
        hint = f"correct the data, {wanted}, or select from a view that casts them"
        raise DataError(message, violations, hint=hint, location=violations[0].location or place)
    return pa.table(arrays)


def _violation(refusal: InexactError, raw: _Raw, name: str, column: Column | None) -> Violation:
    location = column.location if column is not None else None
    if isinstance(raw, Refused):
        return replace(violation_of(refusal, name, None, raw.column), location=location)
    source = raw if isinstance(raw, pa.ChunkedArray) else None
    refusal.hint = None  # it speaks of a transform, and what is read has none
    return replace(violation_of(refusal, name, column.type if column else None, source), location=location)


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
