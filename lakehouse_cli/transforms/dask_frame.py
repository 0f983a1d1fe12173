"""Transforms on `dask.dataframe.DataFrame` (optional): frames of pandas by partitions, computed as they are stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import dask
import dask.dataframe as dd
import pyarrow as pa

from lakehouse_cli.arrow.types import without_rows
from lakehouse_cli.errors import TransformError
from lakehouse_cli.executors.threads import default_workers
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import DASK
from lakehouse_cli.runs.spilled_tables import SpilledTables, joined
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.pandas_frame import PandasFrame, partition, refuse_nats

# Bytes of a partition as Arrow.
_BYTES = 32 << 20
# Else dask makes texts of all objects: of decimals, bytes, lists.
_SETTINGS = {"dataframe.convert-string": False}


class DaskFrame(FrameType):
    """Frames of dask, whose partitions are those that `PandasFrame` would make of the rows."""

    name = DASK
    streams = True
    orders_rows = False

    def __init__(self) -> None:
        self._pandas = PandasFrame()
        self._scopes = _Scopes()
        self._current = threading.local()

    @contextmanager
    def scope(self, workers: int = 1) -> Iterator[None]:
        """Dask keeps objects as they are, and calls share the cores."""
        before = self._threads
        with self._scopes:
            self._current.threads = max(1, default_workers() // workers)
            try:
                yield
            finally:
                self._current.threads = before

    @property
    def _threads(self) -> int:
        return getattr(self._current, "threads", None) or default_workers()

    def from_arrow(self, table: pa.Table) -> Any:
        """The table in partitions, which are made as they are computed."""
        rows = max(1, _BYTES * table.num_rows // max(1, table.nbytes))
        pieces = (table.slice(start, rows) for start in range(0, table.num_rows, rows))
        return self._frame(table.schema, pieces, SpilledTables("the rows of an input", None))

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """As `from_arrow`; what does not fit into memory is in a temporary file, as dask asks for any part at any time.

        All is read here: whether a column of integers has nulls decides its dtype in all partitions.
        """
        if any(map(pa.types.is_dictionary, schema.types)):  # which must be the same everywhere
            return self.from_arrow(pa.concat_tables([without_rows(schema), *open_pieces()]).unify_dictionaries())
        return self._frame(schema, joined(open_pieces(), _BYTES), SpilledTables("the rows of an input"))

    def _frame(self, schema: pa.Schema, pieces: Iterator[pa.Table], tables: SpilledTables) -> Any:
        starts = [0]
        with_nulls: set[str] = set()
        empty = without_rows(schema)
        for number, piece in enumerate(pieces):
            refuse_nats(piece, rows_before=starts[-1])
            with_nulls.update(name for name in schema.names if piece.column(name).null_count)
            tables.put(number, piece)
            starts.append(starts[-1] + piece.num_rows)
            empty = piece.slice(0, 0)  # with its dictionaries
        if len(starts) == 1:
            tables.put(0, empty)
            starts.append(0)
        meta = partition(empty, 0, with_nulls)
        divisions = (*starts[:-1], starts[-1] - 1) if starts[-1] else None
        make = _Partitions(tables, starts, with_nulls)
        with self._scopes:
            return dd.from_map(make, range(len(starts) - 1), meta=meta, divisions=divisions, label="input")

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The frame, computed."""
        return pa.concat_tables(self.to_pieces(frame, columns))

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """The partitions in order, once all are computed: those of a shuffle have all that is before it in common."""
        tables = SpilledTables("the rows of the result")

        def put(number: int, part: Any) -> None:
            tables.put(number, self._pandas.to_arrow(part, columns))

        parts = frame.to_delayed()
        dask.compute(
            *(dask.delayed(put)(number, part) for number, part in enumerate(parts)),
            scheduler="threads",
            num_workers=self._threads,
        )
        for number in range(len(parts)):
            yield tables.get(number)

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is dask.dataframe.DataFrame; of a result, also dask.dataframe.Series."""
        return issubclass(annotation, (dd.DataFrame, dd.Series) if returned else dd.DataFrame)


class _Partitions:
    """Makes the partitions of an input, wherever dask asks for them."""

    def __init__(self, tables: SpilledTables, starts: Sequence[int], with_nulls: set[str]) -> None:
        self._tables = tables
        self._starts = starts
        self._with_nulls = with_nulls
        self._token = uuid4().hex

    def __call__(self, number: int, columns: Sequence[str] | None = None) -> Any:
        table = self._tables.get(number)
        table = table if columns is None else table.select(list(columns))
        return partition(table, self._starts[number], self._with_nulls)

    def __dask_tokenize__(self) -> str:
        """Known by itself: dask would go through all values."""
        return self._token

    def __reduce__(self) -> Any:
        """It stays where the rows are.

        Raises:
            TransformError: Always.
        """
        raise TransformError(
            "an input cannot be computed in other processes", hint='compute it with `scheduler="threads"`, the default'
        )


class _Scopes:
    """Sets dask, which has one setting for all threads, while any of them needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entered = 0
        self._settings: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._entered:
                self._settings = dask.config.set(_SETTINGS)
            self._entered += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._entered -= 1
            if not self._entered:
                self._settings.__exit__(None, None, None)
