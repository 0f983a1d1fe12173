"""Transforms on `duckdb.DuckDBPyRelation` (optional), each on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse_cli.engines.duckdb_values import read, read_pieces
from lakehouse_cli.errors import Interrupted, TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import RELATION
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.queries.connection import private_connection, share_of
from lakehouse_cli.transforms.queries.inputs import Pieces, held_in_duckdb
from lakehouse_cli.transforms.queries.running import as_table, whole_numbers

_CAST_IN = "in the transform"
_current = threading.local()


class _Call:
    """A call of a transform: the connection of its relations, and the inputs that DuckDB reads piece by piece.

    Args:
        connection: The connection.
    """

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.count = 0
        self.pieces: list[Pieces] = []


def _current_call() -> _Call:
    call: _Call | None = getattr(_current, "call", None)
    if call is None:
        # Outside of a call, as in a test of the user's.
        call = _current.call = _Call(duckdb.connect(":memory:"))
    return call


class RelationFrame(FrameType):
    """Relations, which DuckDB computes as they are stored."""

    name = RELATION
    streams = True
    orders_rows = False

    @contextmanager
    def scope(self, workers: int = 1) -> Iterator[None]:
        """One connection for all relations of a call."""
        before = getattr(_current, "call", None)
        with private_connection(**share_of(workers)) as connection:
            _current.call = _Call(connection)
            try:
                yield
            finally:
                _current.call = before

    def from_arrow(self, table: pa.Table) -> Any:
        """The table as a relation."""
        return self._registered(held_in_duckdb("the input", table))

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """A relation that reads the table anew each time that it is computed."""
        pieces = Pieces("the input", schema, open_pieces)
        _current_call().pieces.append(pieces)
        return self._registered(pieces)

    def _registered(self, source: Any) -> Any:
        call = _current_call()
        call.count += 1
        name = f"input_{call.count}"
        call.connection.register(name, source)
        return call.connection.table(name)

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The relation, computed."""
        with _told():
            types = dict(zip(frame.columns, frame.types, strict=True))
            found = read(frame.project, types, hugeint=whole_numbers(columns), cast_in=_CAST_IN)
        return as_table(found, columns)

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """The relation, computed as its pieces are asked for."""
        with _told():
            types = dict(zip(frame.columns, frame.types, strict=True))
            has_any = False
            for found in read_pieces(frame.project, types, hugeint=whole_numbers(columns), cast_in=_CAST_IN):
                yield as_table(found, columns)
                has_any = True
            if not has_any:
                yield self.to_arrow(frame.limit(0), columns)

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is duckdb.DuckDBPyRelation."""
        del returned
        return issubclass(annotation, duckdb.DuckDBPyRelation)


@contextmanager
def _told() -> Iterator[None]:
    """Say what DuckDB raises as it computes."""
    try:
        yield
    except duckdb.InterruptException as error:  # what it makes of Ctrl-C
        raise Interrupted from error
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # the others come out of a reader
        if (own := next((each.error for each in _current_call().pieces if each.error is not None), None)) is not None:
            raise own from None
        hint = "return a relation of the connection that the inputs are on, or `.to_arrow_table()`"
        text = str(error).splitlines()[0]
        raise TransformError(
            f"DuckDB cannot compute the relation: {text}", hint=hint if "onnection" in text else None
        ) from error
