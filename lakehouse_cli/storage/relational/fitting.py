"""Columns on their way into a database and out of it: exactly, or refused with row and value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.python_values import convert_values
from lakehouse_cli.arrow.conversion.refusal import InexactError, violation_of
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.errors import DataError, Location, Violation, did_you_mean
from lakehouse_cli.model import Column, ColumnType
from lakehouse_cli.storage.relational.session import Raw, Refused
from lakehouse_cli.text.counts import plural

_Raw: TypeAlias = pa.ChunkedArray | Sequence[Any] | Refused


class UnfitError(Exception):
    """Data that a database cannot hold; a violation for each column."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        super().__init__(violations[0].message)
        self.violations = tuple(violations)


def stored_as(data: pa.Table, types: Mapping[str, ColumnType], declared: Mapping[str, ColumnType]) -> pa.Table:
    """Convert data to the types a database has for them.

    Args:
        data: Of declarable types.
        types: What each column becomes.
        declared: Types of the columns that are declared, for messages.

    Raises:
        UnfitError: Values that these types do not hold.
    """
    columns, violations = [], []
    for name, column in zip(data.column_names, data.columns, strict=True):
        try:
            columns.append(convert(column, to_arrow(types[name])))
        except InexactError as refusal:
            violations.append(violation_of(refusal, name, declared.get(name), column))
    if violations:
        raise UnfitError(violations)
    return pa.table(columns, names=data.column_names)


def check_each(data: pa.Table, declared: Mapping[str, ColumnType], check: Callable[[pa.ChunkedArray], None]) -> None:
    """Hold every column to what a database has of its type.

    Args:
        data: As it would be stored.
        declared: Types of the columns that are declared, for messages.
        check: Raises `InexactError` for a column that holds what the database cannot.

    Raises:
        UnfitError: Some do; a violation for each column.
    """
    violations = []
    for name, column in zip(data.column_names, data.columns, strict=True):
        try:
            check(column)
        except InexactError as refusal:
            violations.append(violation_of(refusal, name, declared.get(name), column))
    if violations:
        raise UnfitError(violations)


def declarable(data: pa.Table) -> dict[str, ColumnType]:
    """The declared type of each column of what is published, which is of these types only."""
    found = {field.name: from_arrow(field.type) for field in data.schema}
    return {name: type_ for name, type_ in found.items() if type_ is not None}


def check_present(wanted: Sequence[Column], present: Sequence[str], shown: str) -> None:
    """Whether all declared columns are there.

    Raises:
        DataError: Some are not; with close matches.
    """
    violations = []
    for column in wanted:
        if column.name not in present:
            hint = did_you_mean(column.name, present)
            message = f"column `{column.name}` is not in {shown}{f'; {hint}' if hint else ''}"
            violations.append(Violation(column.name, "missing", 1, message, (), column.location))
    if violations:
        listed = ", ".join(f"`{violation.column}`" for violation in violations)
        message = f"{shown} lacks {'column' if len(violations) == 1 else 'columns'} {listed}"
        hint = f"its columns are {', '.join(f'`{name}`' for name in list(present)[:20])}" if present else None
        raise DataError(message, violations, hint=hint, location=violations[0].location)


def fitted(raw: Raw, columns: Sequence[Column] | None, shown: str, place: Location | None) -> pa.Table:
    """What was read, as it is declared.

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
        if len(violations) == 1:  # told by itself, with what the column is of
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
