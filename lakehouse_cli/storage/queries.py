"""Queries that run in the database in which their inputs and their result live, as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import PartitionColumns
from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.storage.base import AssetStorage, Provenance

if TYPE_CHECKING:
    import pyarrow as pa


class QueryInput(Struct, frozen=True):
    """A table that a query reads.

    Attributes:
        name: What it is called where it is to blame.
        table: The table, as it is declared where it is stored; or a partition of it, or some.
        storage: Where that is.
        known: What it was at other times, as of `AssetStorage.content`.
        data: Its rows, where they are stored nowhere; else None.
        span: Of which time rows are read; None for all.
    """

    name: str
    table: Table
    storage: AssetStorage
    known: tuple[InputRecord, ...] = ()
    data: pa.Table | None = None
    span: TimeSpan | None = None


class DatabaseQuery(Struct, frozen=True):
    """A query as a database runs it.

    Attributes:
        text: The query, without a semicolon.
        inputs: By name in the query.
        params: Values of `$name`.
        reproducible: Whether it must give the same rows each time.
        forced: Whether the user asked to replace whatever is there.
        now: When the run began.
        timeout: Seconds that it may take; None for no limit.
        dimensions: The values of the columns that are dimensions of a partition, in a row; None for a whole table.
        judge: Given the rows that would be stored, raises what keeps them from being; None for nothing.
        beside: Another partition, with whose columns those of the result must agree; None where they need not.
    """

    text: str
    inputs: Mapping[str, QueryInput]
    params: Mapping[str, Any]
    reproducible: bool
    forced: bool
    now: datetime
    timeout: float | None = None
    dimensions: pa.Table | None = None
    judge: Callable[[Iterator[pa.Table]], None] | None = None
    beside: PartitionColumns | None = None


#: Given the content of each input, by table, as the query saw it: what the manifest says of where its rows come from.
Origin = Callable[[Mapping[str, InputRecord]], Provenance]


class Computed(Struct, frozen=True):
    """What a query gave.

    Attributes:
        dropped: Columns that the contract does not name, where these are dropped.
        manifest: Of the stored table; None where it was not to be stored.
        data: Its rows, where it was not to be stored; else None.
    """

    dropped: tuple[str, ...]
    manifest: Manifest | None = None
    data: pa.Table | None = None


class QueryInputError(Exception):
    """An input of a query cannot be read, or is not as declared; `name` is the table to blame."""

    def __init__(self, name: str, error: LakehouseError) -> None:
        super().__init__(name, error)
        self.name = name
        self.error = error


class QueryTimeoutError(Exception):
    """A query took longer than it may, and was ended."""
