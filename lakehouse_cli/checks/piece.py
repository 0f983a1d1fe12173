"""A piece of a table under judgement: its columns, each made ready once for all checks that look at it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc

#: Rows of which it is seen whether a column has few values.
_SAMPLE = 4_096
#: Values that are judged at once: what is made of them stays in the processor's cache.
AT_ONCE = 1 << 17
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
        map_all: Calls a function with each of some arguments, as `map` does, on several threads or on one.

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
        map_all: Callable[[Callable[[pa.Array], pa.Array], Iterable[pa.Array]], Iterable[pa.Array]] = map,
    ) -> None:
        self.data = data
        self.start = start
        self.rows = data.num_rows
        self.masks = masks
        self.errored = errored
        self._wanted = encoded
        self._map: Any = map_all
        self._encoded: dict[str, pa.ChunkedArray] = {}

    def column(self, name: str) -> pa.ChunkedArray:
        """A column as it is."""
        return self.data.column(name)

    def by_value(self, name: str, judge: Callable[[pa.Array], pa.Array]) -> pa.ChunkedArray:
        """The verdicts on the values of a column, each value judged once where they repeat themselves much."""
        column = self._encoded_column(name)

        def judged(values: pa.Array) -> pa.Array:
            if pa.types.is_dictionary(values.type):
                return _taken(judge(values.dictionary), values.indices)
            return judge(values)

        parts = [chunk.slice(start, AT_ONCE) for chunk in column.chunks for start in range(0, len(chunk), AT_ONCE)]
        return pa.chunked_array([*self._map(judged, parts)], pa.bool_())

    def _encoded_column(self, name: str) -> pa.ChunkedArray:
        if name not in self._encoded:
            column = self.column(name)
            if name in self._wanted and _is_text(column.type) and self.rows > _SAMPLE:
                sample = column.slice(0, _SAMPLE)
                if len(pc.unique(sample)) * _REPEATED <= len(sample):
                    column = pc.dictionary_encode(column)
            self._encoded[name] = column
        return self._encoded[name]


def _taken(verdicts: pa.Array, indices: pa.Array) -> pa.Array:
    if not indices.null_count and verdicts.true_count == len(verdicts):
        return indices.is_valid()
    return verdicts.take(indices)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
