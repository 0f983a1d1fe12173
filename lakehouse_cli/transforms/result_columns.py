"""The columns of a returned frame: each becomes Arrow, or a violation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.conversion.refusal import InexactError, index_level, violation_of
from lakehouse_cli.arrow.conversion.stand_in import stand_in
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import Violation
from lakehouse_cli.model import Column


class ResultColumns:
    """The columns of one result, in its order.

    Args:
        columns: The contract's, None where none are declared.
    """

    def __init__(self, columns: Sequence[Column] | None) -> None:
        self._declared = columns or ()
        self._arrays: list[pa.Array | pa.ChunkedArray] = []
        self._fields: list[pa.Field] = []

    def add(self, name: str, array: pa.Array | pa.ChunkedArray, *, level: bool = False) -> None:
        """Add a column that is Arrow already; `level` marks a level of the index."""
        field = pa.field(name, array.type)
        self._arrays.append(array)
        self._fields.append(index_level(field) if level else field)

    def add_values(self, name: str, values: Sequence[Any], *, nan_is_null: bool, level: bool = False) -> None:
        """Add a column of Python objects, as the type that the contract declares."""
        from lakehouse_cli.arrow.conversion.python_values import convert_values
        from lakehouse_cli.arrow.conversion.refusals import convert_or_refuse

        column = next((column for column in self._declared if column.name == name), None)
        target = to_arrow(column.type) if column else None
        array, refusals = convert_or_refuse(partial(convert_values, target=target, nan_is_null=nan_is_null), values)
        if array is not None:
            self.add(name, array, level=level)
            return
        declared = column.type if column else None
        if declared is None:
            del refusals[1:]  # what the others are taken for depends on those that are refused
        self._refuse(name, values, [(violation_of(each, name, declared, None), each) for each in refusals], nan_is_null)

    def refuse_type(self, name: str, quality: str, hint: str, values: Iterable[Any]) -> None:
        """Add a column whose values cannot become Arrow."""
        column = next((column for column in self._declared if column.name == name), None)
        subject = f"`{name}` holds" if column is None else f"`{name}` is declared {column.type} and holds"
        values = list(values)
        self.refuse(name, Violation(name, "type", len(values), f"{subject} {quality}; {hint}"), values)

    def refuse(self, name: str, violation: Violation, values: Iterable[Any]) -> None:
        """Add a column that cannot become Arrow, in whose place `violation` is reported."""
        self._refuse(name, list(values), [(violation, None)], nan_is_null=True)

    def _refuse(
        self,
        name: str,
        values: Sequence[Any],
        refused: Sequence[tuple[Violation, InexactError | None]],
        nan_is_null: bool,
    ) -> None:
        from lakehouse_cli.arrow.conversion.python_kinds import NULL, kinds_of

        known = list(values)
        for row in kinds_of(values, nan_is_null).get(NULL, ()):
            known[row] = None
        field, column = stand_in(name, known, refused)
        self._arrays.append(column)
        self._fields.append(field)

    def table(self) -> pa.Table:
        """All of them."""
        return pa.Table.from_arrays(self._arrays, schema=pa.schema(self._fields))
