"""Transforms on `duckdb.DuckDBPyRelation` (optional), each on a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import duckdb
import pyarrow as pa

from lakehouse_cli.engines.duckdb_queries import without_settings
from lakehouse_cli.engines.duckdb_values import read, read_pieces
from lakehouse_cli.errors import Interrupted, TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import RELATION
from lakehouse_cli.storage_types.duckdb import same_to_duckdb
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.queries.connection import no_room, private_connection, share_of
from lakehouse_cli.transforms.queries.inputs import Pieces, held_in_duckdb
from lakehouse_cli.transforms.queries.results import as_table, whole_numbers

_CAST_IN = "in the transform"
# No two tables of a process have the same name, so that none is taken for one of another call.
_numbers = count(1)


class Call:
    """A call of a transform: the connection of its relations, and the inputs that DuckDB reads piece by piece.

    Args:
        connection: The connection.
        client: What else works on it.
    """

    def __init__(self, connection: Any, client: Any = None) -> None:
        self.connection = connection
        self.client = client
        self.pieces: list[Pieces] = []


class RelationFrame(FrameType):
    """Relations, which DuckDB computes as they are stored.

    Attributes:
        kind: What messages call one.
        as_arrow: What users write to have one computed at once.
    """

    name = RELATION
    kind = "relation"
    as_arrow = ".to_arrow_table()"
    streams = True
    orders_rows = False

    def __init__(self) -> None:
        self._current = threading.local()

    def client(self, connection: Any) -> Any:
        """Make what else works on the connection of a call, before its settings are locked; nothing does here."""
        del connection

    @property
    def call(self) -> Call:
        """That of this thread; outside of all calls, as in a test of the user's, one that does not end."""
        call: Call | None = getattr(self._current, "call", None)
        if call is None:
            connection = duckdb.connect(":memory:")
            call = self._current.call = Call(connection, self.client(connection))
        return call

    @contextmanager
    def scope(self, workers: int = 1) -> Iterator[None]:
        """One connection for all relations of a call."""
        before = getattr(self._current, "call", None)
        clients: list[Any] = []
        with private_connection(
            prepare=lambda connection: clients.append(self.client(connection)), **share_of(workers)
        ) as connection:
            self._current.call = Call(connection, clients[0])
            try:
                yield
            finally:
                self._current.call = before

    def from_arrow(self, table: pa.Table) -> Any:
        """The table as a relation."""
        return self.registered(held_in_duckdb("the input", table))

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """A relation that reads the table anew each time that it is computed."""
        pieces = Pieces("the input", schema, open_pieces)
        self.call.pieces.append(pieces)
        return self.registered(pieces)

    def registered(self, source: Any) -> Any:
        """The relation of Arrow data, under a name of its own."""
        return self.call.connection.table(self.register(source))

    def register(self, source: Any) -> str:
        """Give Arrow data a name on the connection; returns it."""
        name = f"input_{next(_numbers)}"
        self.call.connection.register(name, source)
        return name

    def relation(self, frame: Any, call: Call) -> Any:
        """The relation that a result of a call is: itself."""
        del call
        return frame

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The relation, computed."""
        with self._translated(self.call):
            relation = self.relation(frame, self.call)
            found = read(relation.project, self._types(relation), hugeint=whole_numbers(columns), cast_in=_CAST_IN)
        return as_table(found, columns)

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """The relation, computed as its pieces are asked for, in whatever thread."""
        return self._computed(frame, columns, self.call)

    def _computed(self, frame: Any, columns: Sequence[Column] | None, call: Call) -> Iterator[pa.Table]:
        with self._translated(call):
            relation = self.relation(frame, call)
            types = self._types(relation)
            for found in read_pieces(relation.project, types, hugeint=whole_numbers(columns), cast_in=_CAST_IN):
                yield as_table(found, columns)

    def _types(self, relation: Any) -> dict[str, Any]:
        """The columns of a relation, each with DuckDB's description of its type.

        Raises:
            TransformError: Two are one to DuckDB.
        """
        if (both := same_to_duckdb(relation.columns)) is not None:
            raise TransformError(f"the {self.kind} has {both}", hint="give one another name")
        return dict(zip(relation.columns, relation.types, strict=True))

    @contextmanager
    def _translated(self, call: Call) -> Iterator[None]:
        """Put into words what DuckDB raises as it computes."""
        try:
            yield
        except duckdb.InterruptException as error:  # what it makes of Ctrl-C
            raise Interrupted from error
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # the others come out of a reader
            if (own := next((each.error for each in call.pieces if each.error is not None), None)) is not None:
                raise own from None
            of_inputs = f"return a {self.kind} of the connection that the inputs are on, or `{self.as_arrow}`"
            text = without_settings(str(error).splitlines()[0])
            text, hint = no_room(text) or (text, of_inputs if "onnection" in text else None)
            raise TransformError(f"DuckDB cannot compute the {self.kind}: {text}", hint=hint) from error

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is duckdb.DuckDBPyRelation."""
        del returned
        return issubclass(annotation, duckdb.DuckDBPyRelation)
