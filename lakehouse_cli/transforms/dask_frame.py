"""Transforms on `dask.dataframe.DataFrame` (optional): frames of pandas by partitions, computed as they are stored."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dask
import dask.dataframe as dd
import pyarrow as pa

from lakehouse_cli.arrow.maps import pairs_of
from lakehouse_cli.arrow.memory import copied
from lakehouse_cli.arrow.types import is_list, without_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import TransformError
from lakehouse_cli.executors.clusters.messages import spread
from lakehouse_cli.executors.threads import default_workers
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import DASK
from lakehouse_cli.runs.spilled_tables import SpilledTables
from lakehouse_cli.transforms.frames import FrameType, ReadRows
from lakehouse_cli.transforms.pandas_frame import PandasFrame, partition, refuse_nats

if TYPE_CHECKING:
    from lakehouse_cli.executors.dask_parts import DaskParts, KeptValue

# Bytes of a partition as Arrow.
_BYTES = 32 << 20
# Else dask makes texts of all objects: of decimals, bytes, lists.
_SETTINGS = {"dataframe.convert-string": False}


class DaskFrame(FrameType):
    """Frames of dask, whose partitions are those that `PandasFrame` would make of the rows.

    In a job of a Dask cluster, that is where they are computed.
    """

    name = DASK
    streams = True
    orders_rows = False

    def __init__(self) -> None:
        self._scopes = _Scopes()
        self._current = threading.local()
        # A process of a worker's has one call at a time.
        self._cluster: DaskParts | None = None

    @contextmanager
    def scope(self, workers: int = 1) -> Iterator[None]:
        """Dask keeps objects as they are, and calls share the cores, or are spread over their cluster."""
        before = self._threads
        with self._scopes, self._on_cluster():
            self._current.threads = max(1, default_workers() // workers)
            try:
                yield
            finally:
                self._current.threads = before

    @contextmanager
    def _on_cluster(self) -> Iterator[None]:
        found = spread()
        if found is None:
            yield
            return
        from lakehouse_cli.executors.dask_parts import DaskParts  # on clusters alone

        with DaskParts(found) as self._cluster:
            try:
                # To shuffle by files, as else, wants a disk that all see.
                with dask.config.set({"scheduler": self._cluster.get, "dataframe.shuffle.method": "tasks"}):
                    yield
            finally:
                self._cluster = None

    @property
    def _threads(self) -> int:
        return getattr(self._current, "threads", None) or default_workers()

    def from_arrow(self, table: pa.Table) -> Any:
        """The table in partitions, which are made as they are computed."""
        return self._frame(table.schema, _divided([table]), SpilledTables("the rows of an input", None))

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """As `from_arrow`; what does not fit into memory is in a temporary file, as dask asks for any part at any time.

        All is read here: whether a column of integers has nulls decides its dtype in all partitions.
        """
        if any(map(pa.types.is_dictionary, schema.types)):  # which must be the same everywhere
            return self.from_arrow(pa.concat_tables([without_rows(schema), *open_pieces()]).unify_dictionaries())
        return self._frame(schema, _divided(open_pieces()), SpilledTables("the rows of an input"))

    @property
    def reads_rows(self) -> bool:  # type: ignore[override]
        """Where workers of the cluster read them."""
        return self._cluster is not None

    def from_rows(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]], read_rows: ReadRows) -> Any:
        """As `from_pieces`; here is only seen how many rows partitions have, and where nulls are."""
        return self._frame(schema, _divided(open_pieces()), read_rows)

    def _frame(self, schema: pa.Schema, pieces: Iterator[pa.Table], where: SpilledTables | ReadRows) -> Any:
        rows = 0
        found: list[_Piece] = []
        with_nulls: set[str] = set()
        empty = without_rows(schema)
        for piece in pieces:
            refuse_nats(piece, rows_before=rows)
            with_nulls.update(name for name in schema.names if piece.column(name).null_count)
            found.append(self._piece(where, piece, rows))
            rows += piece.num_rows
            empty = piece.slice(0, 0)  # with its dictionaries
        found = found or [self._piece(SpilledTables("no rows"), empty, 0)]
        meta = partition(empty, 0, with_nulls)
        divisions = (*(piece.start for piece in found), rows - 1) if rows else None
        with self._scopes:
            return dd.from_map(_Partitions(with_nulls), found, meta=meta, divisions=divisions, label="input")

    def _piece(self, where: SpilledTables | ReadRows, piece: pa.Table, start: int) -> _Piece:
        if callable(where):
            return _Piece(partial(where, range(start, start + piece.num_rows)), start)
        if self._cluster is not None:
            return _Piece(self._cluster.keep(copied(piece)), start)
        return _Piece(_HeldTable(where, piece, start), start)

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The frame, computed."""
        return pa.concat_tables(self.to_pieces(frame, columns))

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """The partitions in order, once all are computed: those of a shuffle have all that is before it in common."""
        parts = [dask.delayed(_to_arrow)(part, columns) for part in frame.to_delayed()]
        if self._cluster is not None:  # which keeps each until it is asked for
            values = list(dask.compute(*parts, scheduler=self._cluster.kept))
            while values:
                yield values.pop(0).get()
            return
        tables = SpilledTables("the rows of the result")
        dask.compute(
            *(dask.delayed(tables.put)(number, part) for number, part in enumerate(parts)),
            scheduler="threads",
            num_workers=self._threads,
        )
        for number in range(len(parts)):
            yield tables.get(number)

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is dask.dataframe.DataFrame; of a result, also dask.dataframe.Series."""
        return issubclass(annotation, (dd.DataFrame, dd.Series) if returned else dd.DataFrame)


def _to_arrow(part: Any, columns: Sequence[Column] | None) -> pa.Table:
    return PandasFrame().to_arrow(part, columns)


def _divided(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of each partition, which are the same whatever the pieces: as many as it takes to have its bytes."""
    waiting: list[pa.Table] = []
    room = 8 * _BYTES
    for piece in pieces:
        left = piece
        while (size := _bits(left)) >= room and left.num_rows:
            end = 1 + bisect_left(range(left.num_rows), room, key=partial(_bits_to, left))
            yield pa.concat_tables([*waiting, left.slice(0, end)])
            waiting, room, left = [], 8 * _BYTES, left.slice(end)
        waiting += [left] if left.num_rows else []
        room -= size
    if waiting:
        yield pa.concat_tables(waiting)


def _bits_to(table: pa.Table, row: int) -> int:
    return _bits(table.slice(0, row + 1))


def _bits(table: pa.Table) -> int:
    """What the values of a table take, wherever they are, as if no row was in memory beside the others."""
    return sum(_bits_of(chunk) for column in table.columns for chunk in column.chunks)


def _bits_of(values: pa.Array) -> int:
    kind, t = values.type, pa.types
    if isinstance(values, pa.ExtensionArray):
        return _bits_of(values.storage)
    if t.is_map(kind):
        return _bits_of(pairs_of(values))
    if t.is_struct(kind):
        return sum(map(_bits_of, values.flatten()))
    if is_list(kind):
        return 32 * len(values) + _bits_of(values.flatten())
    if t.is_string_view(kind) or t.is_binary_view(kind):
        values = values.cast(pa.large_binary())
    try:
        return len(values) * int(kind.bit_width)  # of a dictionary, of its indices
    except ValueError:  # texts and bytes; nulls
        lengths = 0 if t.is_null(kind) else pc.sum(pc.binary_length(values)).as_py() or 0
        return 32 * len(values) + 8 * int(lengths)


class _HeldTable:
    """The rows of a piece, which are here."""

    def __init__(self, tables: SpilledTables, rows: pa.Table, number: int) -> None:
        self._tables, self._number = tables, number
        tables.put(number, rows)

    def get(self) -> pa.Table:
        return self._tables.get(self._number)

    def __reduce__(self) -> Any:
        """It stays where the rows are.

        Raises:
            TransformError: Always.
        """
        raise TransformError(
            "an input cannot be computed in other processes", hint='compute it with `scheduler="threads"`, the default'
        )


class _Piece:
    """Some rows of an input, for one partition.

    Args:
        rows: Has them; in another process that a value of the cluster was brought to, that itself.
        start: The number of the first in the input.
    """

    def __init__(
        self, rows: _HeldTable | KeptValue | pa.Table | Callable[[Sequence[str] | None], pa.Table], start: int
    ) -> None:
        self._rows, self.start = rows, start
        self._token = uuid4().hex

    def table(self, columns: Sequence[str] | None) -> pa.Table:
        """The rows, of some columns or of all."""
        if callable(self._rows):
            return self._rows(columns)
        table = self._rows if isinstance(self._rows, pa.Table) else self._rows.get()
        return table if columns is None else table.select(list(columns))

    def __dask_tokenize__(self) -> str:
        """Known by itself: dask would go through all values."""
        return self._token


class _Partitions:
    """Makes the partitions of an input, wherever dask asks for them."""

    def __init__(self, with_nulls: set[str]) -> None:
        self._with_nulls = with_nulls

    def __call__(self, piece: _Piece, columns: Sequence[str] | None = None) -> Any:
        return partition(piece.table(columns), piece.start, self._with_nulls)


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
