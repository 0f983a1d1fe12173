"""One transaction in a database, as a relational storage needs it: the seam behind which databases differ."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import xxhash
from msgspec import Struct

from lakehouse_cli.model.partition import Partition
from lakehouse_cli.storage.partition_index import PartitionIndex
from lakehouse_cli.storage_types.names import MANIFESTS, PARTITIONS
from lakehouse_cli.text.sql import literal, quote

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.arrow.conversion.refused_column import RefusedColumn
    from lakehouse_cli.model import ColumnType
    from lakehouse_cli.model.time_span import TimeSpan
    from lakehouse_cli.storage.spool import SpooledTable


#: The column of ours that says of which partition a row is.
UNIT_COLUMN = "lakehouse_partition"
#: The columns of the table of ours that holds what is recorded of partitions, and the kind of those that are of one.
RECORD_COLUMNS = ("schema_name", "table_name", "kind", "item", "line", "stamp", "signature")
UNIT = "partition"
#: The kind of those that are the digests of its keys, which nobody reads with the others.
DIGESTS = "digests"


class Relation(NamedTuple):
    """A table or view by its name; `schema` is empty in databases that have none."""

    schema: str
    name: str

    @property
    def quoted(self) -> str:
        """As SQL."""
        return f"{quote(self.schema)}.{quote(self.name)}" if self.schema else quote(self.name)

    def of_unit(self, partition: Partition) -> Relation:
        """The rows of a partition, as a relation of its own."""
        return Relation(self.schema, f"{self.name}\0{json.dumps([partition.dimensions, partition.values])}")

    @property
    def is_unit(self) -> bool:
        """Whether it is the rows of a partition."""
        return "\0" in self.name

    @property
    def base(self) -> Relation:
        """The table that it is the rows of, or is."""
        return Relation(self.schema, self.name.partition("\0")[0])

    @property
    def partition(self) -> Partition:
        """The partition that it is the rows of."""
        dimensions, values = json.loads(self.name.partition("\0")[2])
        return Partition(tuple(dimensions), tuple(values))

    @property
    def unit(self) -> str:
        """The path of its partition, by which its rows are known."""
        return self.partition.path


class Found(Struct, frozen=True):
    """What the catalog says of a relation.

    Attributes:
        kind: ``table`` for one that can be replaced; else what it is, for messages.
        columns: Name and SQL type of each column, in order.
        bytes: Size on disk, as far as the database knows it; else 0.
        where: The condition, as SQL, of the rows that are read; empty for all.
    """

    kind: Literal["table", "view", "materialized view", "foreign table", "partitioned table", "virtual table"]
    columns: tuple[tuple[str, str], ...]
    bytes: int = 0
    where: str = ""

    @property
    def signature(self) -> str:
        """Names and types of the columns, as text."""
        return json.dumps(self.columns)


class Kept(Struct, frozen=True):
    """A manifest as it is stored.

    Attributes:
        text: The manifest.
        stamp: By which the database shows that nobody touched the table since; empty where it cannot.
        signature: `Found.signature` of the table as it was published.
    """

    text: str
    stamp: str
    signature: str


class KeptUnits(Struct, frozen=True):
    """What is recorded of the partitions of one table.

    Attributes:
        index: Their manifests.
        stamps: By the path of the partition the stamp and the signature, as of `Kept`.
    """

    index: PartitionIndex
    stamps: dict[str, tuple[str, str]]


class Digest(Struct, frozen=True):
    """The content of a relation.

    Attributes:
        hash: Hexadecimal; the same for the same rows, column names and types.
        rows: How many.
        bytes: Size of what was hashed.
    """

    hash: str
    rows: int
    bytes: int

    @classmethod
    def of_sums(cls, signature: str, rows: int, low: object, high: object, size: int | None) -> Digest:
        """Of rows that a database hashed and added up, so that their order does not count.

        Args:
            signature: `Found.signature`.
            rows: How many there are.
            low: The sum of one half of the hashes; None where there are no rows.
            high: Of the other half.
            size: Bytes of their texts; None where there are no rows.
        """
        content = f"{signature}\n{rows}\n{low}\n{high}"
        return cls(xxhash.xxh3_128_hexdigest(content.encode()), int(rows), int(size or 0))


class InTheWayError(Exception):
    """A table cannot be replaced, for a reason that is not the driver's.

    Attributes:
        message: Why, as what follows a colon.
        hint: What to do about it; with ``{table}`` where the table is to be named as the project calls it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


#: Raw columns of a read, by name: Arrow's, or values of Python where the database has no types of columns.
Raw = Mapping[str, "pa.ChunkedArray | Sequence[Any] | RefusedColumn"]


class Session(ABC):
    """A transaction: what is done in it is seen by others all at once when it ends, or never.

    Whatever goes wrong is raised as the driver's own exception, which the storage puts into words.

    Args:
        connection: On which it was begun.
        schema: Where the manifests are; empty in databases that have no schemas.
    """

    #: What is read of the table of manifests: schema and name of the relation, manifest, stamp, signature.
    manifest_columns: ClassVar[str] = "schema_name, table_name, manifest, '', signature"

    def __init__(self, connection: Any, schema: str = "") -> None:
        self._connection = connection
        self.manifests = Relation(schema, MANIFESTS)
        self.records = Relation(schema, PARTITIONS)
        self._has_records = False

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        rows: list[tuple[Any, ...]] = self._connection.execute(statement).fetchall()
        return rows

    def some_rows(self, statement: str) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Return all rows of a query, some at a time; nothing else is asked meanwhile."""
        found = self._connection.execute(statement)
        return iter(lambda: found.fetchmany(1 << 12), [])

    def do(self, statement: str) -> None:
        """Run a statement that gives no rows."""
        self._connection.execute(statement)

    def sql(self, relation: Relation) -> str:
        """Return the name of a relation in statements."""
        return relation.quoted

    def source(self, relation: Relation, found: Found, alias: str = "source") -> str:
        """Return what rows are selected from: a relation, or some of its rows, with its columns alone."""
        where = self.is_row_of(relation) if relation.is_unit else found.where
        if not where:
            return f"{self.sql(relation)} AS {alias}"
        columns = ", ".join(quote(name) for name, _ in found.columns) or "1"
        return f"(SELECT {columns} FROM {self.sql(relation.base)} WHERE {where}) AS {alias}"

    def is_row_of(self, relation: Relation) -> str:
        """Return the condition, as SQL, that a row is of a partition."""
        return f"{UNIT_COLUMN} = {literal(relation.unit)}"

    #: Whether rows are surely stored as they are inserted: by no trigger, rule or type of column in another way.
    stores_as_given: ClassVar[bool] = False
    #: The type of texts, as SQL.
    text_type: ClassVar[str] = "TEXT"

    def stamp_of(self, base: Relation, unit: str) -> str:
        """Return the stamp of a partition that is stored in this transaction, as SQL; see `Kept`."""
        del base, unit
        return "''"

    def untouched_units(self, base: Relation, stamps: Mapping[str, str]) -> Collection[str]:
        """As `untouched`, of the partitions of a table by their paths."""
        del base, stamps
        return ()

    def units(self, base: Relation, only: Relation | None = None) -> KeptUnits:
        """What is recorded of the partitions of a table, or of one of them."""
        kept = KeptUnits(PartitionIndex(), {})
        if not self.has_records():
            return kept
        where = f"{is_relation(base)} AND kind <> '{DIGESTS}'"
        if only is not None:
            where += f" AND (kind <> '{UNIT}' OR item = {literal(only.unit)})"
        rows = self.rows(f"SELECT kind, item, line, stamp, signature FROM {self.sql(self.records)} WHERE {where}")
        # What partitions share first, which their lines name.
        rows.sort(key=lambda row: bool(row[0] == UNIT))
        kept.index.read("".join([f"{line}\n" for _, _, line, *_ in rows]).encode())
        kept.stamps.update((item, (stamp, sign)) for kind, item, _, stamp, sign in rows if kind == UNIT)
        return kept

    def divided(self) -> Sequence[Relation]:
        """The tables of whose partitions something is recorded."""
        if not self.has_records():
            return ()
        rows = self.rows(f"SELECT DISTINCT schema_name, table_name FROM {self.sql(self.records)}")
        return sorted(Relation(schema, name) for schema, name in rows)

    def has_records(self) -> bool:
        """Whether the table in which manifests of partitions are kept is there; that it is there is asked once."""
        self._has_records = self._has_records or self.find_one(self.records) is not None
        return self._has_records

    def one_unit(self, base: Relation, but: Relation | None = None) -> str | None:
        """The path of any partition of a table that is recorded, but for one; None where there is none."""
        if not self.has_records():
            return None
        where = f"{is_relation(base)} AND kind = '{UNIT}'"
        where += "" if but is None else f" AND item <> {literal(but.unit)}"
        found = self.rows(f"SELECT item FROM {self.sql(self.records)} WHERE {where} LIMIT 1")
        return str(found[0][0]) if found else None

    def expect_digests(self, units: Mapping[Relation, Found]) -> None:
        """Announce partitions that are hashed next, for a database that hashes many at once."""
        del units

    def make_records(self) -> None:
        """Make the table in which manifests of partitions are kept, unless it is there."""
        if not self.has_records():
            listed = ", ".join(f"{name} {self.text_type}" for name in RECORD_COLUMNS)
            self.do(f"CREATE TABLE IF NOT EXISTS {self.sql(self.records)} ({listed})")

    def index_units(self, base: Relation) -> None:
        """Make rows of partitions quick to find; nothing to do where a scan is as quick."""
        del base

    def text_of(self, expression: str) -> str:
        """Return what shows a value as text, as SQL."""
        return f"CAST({expression} AS VARCHAR)"

    def cancel(self) -> None:
        """End what another thread is waiting for on this connection; it raises then."""
        self._connection.interrupt()

    @abstractmethod
    def find(self, wanted: Collection[Relation]) -> Mapping[Relation, Found]:
        """Return those of the wanted relations that are there."""

    def find_one(self, relation: Relation) -> Found | None:
        """Return what is there of one relation; None where nothing is."""
        if relation.is_unit:
            base = self.find_one(relation.base)
            record = None if base is None else self.units(relation.base, relation).index.records.get(relation.partition)
            names = [name for name, _ in record.shared.columns] if record is not None else ()
            return unit_columns(base, names) if base is not None and record is not None else None
        return self.find([relation]).get(relation)

    @abstractmethod
    def has_manifests(self) -> bool:
        """Return whether the table of manifests is there; it is made with the first manifest."""

    def kept(self) -> Mapping[Relation, Kept]:
        """Return all manifests; empty where nothing was ever published."""
        return self._kept("")

    def kept_of(self, relation: Relation) -> Kept | None:
        """Return the manifest of one relation."""
        if relation.is_unit:
            kept = self.units(relation.base, relation)
            manifest = kept.index.manifest(relation.partition, relation.unit)
            return None if manifest is None else Kept(manifest.to_text(), *kept.stamps[relation.unit])
        return self._kept(f" WHERE {is_relation(relation)}").get(relation)

    def _kept(self, where: str) -> Mapping[Relation, Kept]:
        if not self.has_manifests():
            return {}
        rows = self.rows(f"SELECT {self.manifest_columns} FROM {self.sql(self.manifests)}{where}")
        return {Relation(schema, name): Kept(*kept) for schema, name, *kept in rows}

    def untouched(self, kept: Mapping[Relation, Kept]) -> Collection[Relation]:
        """Return those of published tables, all of them there, whose rows surely are as published; by default none."""
        del kept
        return ()

    @abstractmethod
    def digest(self, relation: Relation, found: Found) -> Digest:
        """Hash what is in a relation, wherever that is fastest; the order of columns counts."""

    def count(self, relation: Relation) -> int:
        """Count the rows of a relation."""
        where = f" WHERE {self.is_row_of(relation)}" if relation.is_unit else ""
        return int(self.rows(f"SELECT count(*) FROM {self.sql(relation.base)}{where}")[0][0])

    @abstractmethod
    def condition(self, span: TimeSpan, kind: str) -> str:
        """Return what is true of all rows in a span of time, by the SQL type of its column; empty for nothing."""

    @abstractmethod
    def read_pieces(
        self, relation: Relation, found: Found, names: Sequence[str], *, careful: bool = False
    ) -> Generator[Raw]:
        """Some columns of a relation, as exactly as the driver can give them: at least one piece.

        Args:
            relation: What to read.
            found: What the catalog says of it.
            names: Of the columns.
            careful: Whether a column has one form in all pieces also where that depends on all of its values.
        """

    def lock(self, relation: Relation) -> None:
        """Keep other writers of this relation out until the transaction ends; waits for one that is at it.

        Nothing to do where a database has one writer at a time, from the beginning of its transaction.
        """
        del relation

    @abstractmethod
    def write(self, relation: Relation, data: SpooledTable, types: Mapping[str, ColumnType]) -> Relation:
        """Store rows in a new table; returns what it is called until it is put in place.

        Args:
            relation: What it will be in the end.
            data: Of the types that the storage's `stored_type` gives.
            types: Declared type of each column.
        """

    def write_from(
        self, relation: Relation, empty: SpooledTable, types: Mapping[str, ColumnType], select: str
    ) -> Relation:
        """As `write`, of rows that are in the database.

        Args:
            relation: What it will be in the end.
            empty: A table without rows of the types that the storage's `stored_type` gives.
            types: Declared type of each column.
            select: The query that gives the columns, in their order.
        """
        aside = self.write(relation, empty, types)
        names = ", ".join(map(quote, types))
        if types:
            self.do(f"INSERT INTO {self.sql(aside)} ({names}) {select}")
        return aside

    def put_in_place(self, aside: Relation, relation: Relation, digest: Digest, *, forced: bool) -> None:
        """Let a new table take the place of what is there; nothing to do where `write` did.

        Args:
            aside: As `write` called it.
            relation: What it will be.
            digest: Of its rows.
            forced: Whether the user asked to replace whatever is there.

        Raises:
            InTheWayError: What hangs on the old table does not let it.
        """
        del aside, relation, digest, forced

    def make_again(self, hung: Iterable[tuple[str, str, str]]) -> None:
        """Make what went with a table that was dropped, on the one that took its place.

        Args:
            hung: Of each, what it is, its name, and the statement that made it.

        Raises:
            InTheWayError: One does not fit the new table.
        """
        for what, name, statement in hung:
            try:
                self.do(statement)
            except Exception as error:
                raise InTheWayError(
                    f"{what} `{name}` of the old table does not fit the new one: {str(error).splitlines()[0]}",
                    f"drop the {what}, run again, and make it anew",
                ) from error

    @abstractmethod
    def keep(self, relation: Relation, text: str, signature: str) -> None:
        """Store the manifest of a table that was published in this transaction."""

    def drop(self, relation: Relation, *, table: bool) -> None:
        """Remove a manifest, and the table where that is asked for."""
        if table:
            self.do(f"DROP TABLE IF EXISTS {self.sql(relation)}")
        if self.has_manifests():
            self.do(f"DELETE FROM {self.sql(self.manifests)} WHERE {is_relation(relation)}")


def unit_columns(base: Found, names: Iterable[str]) -> Found | None:
    """What is there of a partition with some columns in a table; None where these, or its rows, are not."""
    types = dict(base.columns)
    if base.kind != "table" or UNIT_COLUMN not in types or not types.keys() >= {*names}:
        return None
    return Found("table", tuple([(name, types[name]) for name in names]), base.bytes)


def is_relation(relation: Relation) -> str:
    """Return the condition, as SQL, that a manifest is that of a relation."""
    schema = f"schema_name = {literal(relation.schema)} AND " if relation.schema else ""
    return f"{schema}table_name = {literal(relation.name)}"
