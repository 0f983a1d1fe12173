"""A table on its way into a database: in the types that this has, or refused with row and value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError, refusal_text, true_rows, violation_of
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.errors import Violation
from lakehouse_cli.model import ColumnType


class StoredForm:
    """Converts the pieces of a table to the types that a database has for them.

    Args:
        stored: The type in which each column is stored.
        declared: The types of the declared columns, for messages.
        check: Raises InexactError for values that the database would take and not give back.
    """

    def __init__(
        self,
        stored: Mapping[str, ColumnType],
        declared: Mapping[str, ColumnType],
        check: Callable[[pa.ChunkedArray], None],
    ) -> None:
        self._targets = {name: to_arrow(each) for name, each in stored.items()}
        self._declared = declared
        self._check = check
        self._found = Findings()

    def piece(self, data: pa.Table) -> pa.Table | None:
        """Convert a piece; None once anything was refused, after which the others are only judged."""
        columns: list[pa.ChunkedArray] = []
        for name, target in self._targets.items():
            column, declared = data[name], self._declared.get(name)
            try:
                columns.append(convert(column, target))
                self._check(columns[-1])
            except InexactError as refusal:
                rows = true_rows(column.is_valid()) if refusal.rows is None else refusal.rows
                violation = violation_of(refusal, name, declared, column)
                self._found.add(violation, rows, partial(refusal_text, refusal, name, declared))
        self._found.end_piece(data.select([]), ())
        return None if self._found.violations else pa.table(columns, names=list(self._targets))

    def refused(self) -> Violation | None:
        """The violation of the first column of which anything was refused; None where nothing was."""
        found = {each.column: each for each in reversed(self._found.violations)}
        return next((found[name] for name in self._targets if name in found), None)
