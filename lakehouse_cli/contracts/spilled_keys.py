"""Keys of a table of any size, apart by their hashes, so that each part is compared by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.ordering import sort_rows
from lakehouse_cli.arrow.row_hashes import identity, row_hashes
from lakehouse_cli.arrow.types import plain_type, without_rows
from lakehouse_cli.contracts.repeated_rows import repeated_many
from lakehouse_cli.contracts.spilled_parts import SpilledParts
from lakehouse_cli.errors import KEPT_ROWS

#: The column of the parts that has the 0-based numbers of the rows, beside the key's own, which have their positions.
ROW = "row"
# Rows that are sorted into parts at once.
_AT_ONCE = 1 << 20
# Bytes of a part that are compared at once.
_COMPARED = 1 << 26


class SpilledKeys:
    """Keys that are written to a temporary file; equal ones are in one part.

    Args:
        schema: Of the key's columns.

    Raises:
        StorageError: The file cannot be made; of the methods, that it cannot be written or read.
    """

    def __init__(self, schema: pa.Schema) -> None:
        # Each batch of a table may have a dictionary of its own.
        fields = [pa.field(str(at), plain_type(kind)) for at, kind in enumerate(schema.types)]
        self._schema = pa.schema([*fields, pa.field(ROW, pa.int64())])
        self._rows = 0
        self._parts = SpilledParts(self._schema, "the keys of its rows")

    def add(self, keys: pa.Table) -> None:
        """Write keys of the rows that follow; those with a null are passed over.

        Args:
            keys: The key's columns.
        """
        for start in range(0, keys.num_rows, _AT_ONCE):
            self._add(keys.slice(start, _AT_ONCE))

    def _add(self, keys: pa.Table) -> None:
        rows = av.from_numpy(np.arange(self._rows, self._rows + keys.num_rows), pa.int64())
        self._rows += keys.num_rows
        columns = [column.cast(plain_type(column.type)) for column in keys.columns]
        keyed = pa.Table.from_arrays([*columns, pa.chunked_array([rows])], schema=self._schema).drop_null()
        self._parts.add(keyed, row_hashes(list(map(identity, keyed.columns[:-1]))))

    def repeated(self, take: Callable[[Any, pa.Table], None]) -> tuple[int, pa.Table]:
        """Count the rows whose key an earlier row has, and list the first of them; nothing can be added any more.

        Args:
            take: Takes the numbers of all of them, with their keys.

        Returns:
            How many, and their keys with the numbers of the rows, ascending, no more than `KEPT_ROWS`.
        """
        count, first = 0, without_rows(self._schema)
        for part in self._parts.parts:
            distinct = without_rows(self._schema)
            for batches in self._batches_of(part):
                keys = pa.concat_tables([distinct, pa.Table.from_batches(batches, self._schema)])
                rows = repeated_many(keys.columns[:-1])
                if len(rows):
                    count += len(rows)
                    repeated = keys.take(rows)
                    take(av.to_numpy(repeated[ROW]), repeated.drop_columns([ROW]))
                    first = sort_rows(pa.concat_tables([first, repeated.slice(0, KEPT_ROWS)]), [ROW])
                    first = first.slice(0, KEPT_ROWS)
                    is_first = np.ones(keys.num_rows, bool)
                    is_first[av.to_numpy(rows)] = False
                    keys = keys.take(av.from_numpy(np.flatnonzero(is_first), pa.int64()))
                distinct = keys
        return count, first

    def _batches_of(self, part: int) -> Iterator[list[pa.RecordBatch]]:
        """Read a part, so much at once as is compared at once."""
        batches: list[pa.RecordBatch] = []
        size = 0
        for batch in self._parts.batches(part):
            batches.append(batch)
            size += batch.nbytes
            if size > _COMPARED:
                yield batches
                batches, size = [], 0
        if batches:
            yield batches

    def close(self) -> None:
        """Remove the file."""
        self._parts.close()
