"""A piece of a table under judgement: its columns, each made ready once for all checks that look at it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc

#: Rows of which it is seen whether a column has few values.
_SAMPLE = 4_096
# Of so many rows at most one may have a value of its own, for values to be judged in the place of rows.
_REPEATED = 8


class Piece:
    """Some rows of a table.

    Args:
        data: The rows.
        start: 0-based number of the first.
        masks: Verdicts of SQL on the rows, by its text: true, false, null.
        errored: Rows in which SQL raised, by its text.
        encoded: Columns of texts that are looked at so often, or so slowly, that telling their values apart pays.

    Attributes:
        data: As given.
        start: As given.
        rows: How many there are.
    """

    def __init__(
        self,
        data: pa.Table,
        start: int,
        masks: Mapping[str, pa.ChunkedArray] = {},
        errored: Mapping[str, pa.ChunkedArray] = {},
        encoded: Collection[str] = (),
    ) -> None:
        self.data = data
        self.start = start
        self.rows = data.num_rows
        self.masks = masks
        self.errored = errored
        self._wanted = encoded
        self._encoded: dict[str, pa.ChunkedArray] = {}

    def column(self, name: str) -> pa.ChunkedArray:
        """A column as it is."""
        return self.data.column(name)

    def by_value(self, name: str, judge: Callable[[pa.Array | pa.ChunkedArray], pa.ChunkedArray]) -> pa.ChunkedArray:
        """The verdicts on the values of a column, each value judged once where they repeat themselves much."""
        column = self._encoded_column(name)
        if not pa.types.is_dictionary(column.type):
            return judge(column)
        chunks = [_taken(judge(chunk.dictionary), chunk.indices) for chunk in column.chunks]
        return pa.chunked_array(chunks, pa.bool_())

    def _encoded_column(self, name: str) -> pa.ChunkedArray:
        if name not in self._encoded:
            column = self.column(name)
            if name in self._wanted and _is_text(column.type) and self.rows > _SAMPLE:
                sample = column.slice(0, _SAMPLE)
                if len(pc.unique(sample)) * _REPEATED <= len(sample):
                    column = pc.dictionary_encode(column)
            self._encoded[name] = column
        return self._encoded[name]


def _taken(verdicts: pa.Array | pa.ChunkedArray, indices: pa.Array) -> pa.Array:
    whole = verdicts.combine_chunks() if isinstance(verdicts, pa.ChunkedArray) else verdicts
    if not indices.null_count and whole.true_count == len(whole):
        return indices.is_valid()
    return whole.take(indices)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
