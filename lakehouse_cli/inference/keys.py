"""Whether the first column identifies the rows, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.contracts.findings import Findings
from lakehouse_cli.contracts.keys import PiecewiseKey
from lakehouse_cli.inference.evidence import ColumnEvidence

_NAME = "key"
# Most columns that are no key show it early.
_FEW = 10_000


class KeyEvidence:
    """Whether the values of a column are unique and never null, as far as they were seen; to be closed.

    Args:
        column: Its position; None where none is looked at.
    """

    def __init__(self, column: int | None) -> None:
        self.column = column
        self.is_unique = column is not None
        self._rows = 0
        self._key = PiecewiseKey(None, [_NAME])
        self._kind: pa.DataType | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._key.close()

    def values_of(self, batch: pa.Table, columns: Sequence[ColumnEvidence]) -> pa.Array | None:
        """Return the values of a block; None where they show that the column is no key."""
        if not self.is_unique or self.column is None or str(self.column) not in batch.column_names:
            return None
        values = batch.column(str(self.column))
        if values.null_count or pc.count_distinct(values[:_FEW]).as_py() < len(values[:_FEW]):
            return None
        supports = columns[self.column].supports
        if supports and any(each.type == "int64" and not each.options for each in supports):
            try:
                return values.cast(pa.int64())  # in their own order ids mostly increase
            except pa.ArrowInvalid:
                return None
        return values

    def add(self, values: pa.ChunkedArray | None) -> None:
        """Take in the values of a block, in the order of the file."""
        if not self.is_unique:
            return
        if values is None or (self._kind is not None and self._kind != values.type):
            self.is_unique = False
            return
        self._kind = values.type
        self._rows += len(values)
        self._key.judge(pa.table({_NAME: values}), [_NAME], Findings(), whole=False)

    def finish(self) -> None:
        """Judge the values of all blocks together."""
        if self.is_unique:
            found = Findings()
            self._key.finish(found)
            self.is_unique = self._rows > 1 and not found.violations
