"""The seam of storages: `AssetStorage`, where tables live, and the values that go in and out.

A storage needs no type logic. What only some storages can do is in `capabilities`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, cast

from msgspec import Struct, field

from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.manifest import InputRecord, Manifest, ObjectRecord, Recipe
from lakehouse_cli.model.stored_version import StoredVersion
from lakehouse_cli.storage.errors import changed_while_read

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.formats.native import NativeFile
    from lakehouse_cli.formats.summary import Summary
    from lakehouse_cli.model.time_span import TimeSpan
    from lakehouse_cli.storage.partition_digests import OwnKeys

#: How often a table is read again that is replaced while it is read.
READINGS = 10
_Capability = TypeVar("_Capability")


class Stored(Struct, frozen=True):
    """What a storage reports of a stored table without reading it.

    Attributes:
        bytes: Size of the stored data.
        modified_ns: When it was last written, nanoseconds since 1970 in UTC; 0 where the storage does not know.
    """

    bytes: int
    modified_ns: int


class Stray(Struct, frozen=True):
    """Something of ours in a storage that no declared table accounts for.

    Attributes:
        kind: ``unfinished``: what a killed run left half-written; ``undeclared``: a stored table of no declaration;
            ``partition``: one that is stored, and that the user asked to remove.
        storage: Name of the storage; None where it is in the project's own state.
        table: What its manifest calls the table; None where there is no manifest, or none that can be read.
        uri: Where it is, as messages show it.
        bytes: Its size.
        modified_ns: When it was last written, nanoseconds since 1970 in UTC.
        keep: Why it is not removed; None for what may be.
        handle: The storage's own, by which it removes what was listed and nothing else.
        project: The project that stored it, by its manifest; None where that is not known.
    """

    kind: Literal["unfinished", "undeclared", "partition"]
    storage: str | None
    table: str | None
    uri: str
    bytes: int
    modified_ns: int
    keep: str | None = None
    handle: tuple[Any, ...] = ()
    project: str | None = None


class Provenance(Struct, frozen=True):
    """What a manifest says of where data come from; the rest it learns from the data and their storing.

    Attributes:
        run_id: The run that computed them.
        started_at: ISO 8601 in UTC.
        recipe: What they were made by.
        inputs: What they were made from.
        memory_bytes: What they and their inputs took in memory.
        project: Name of the project whose run it was.
        forced: Whether the user asked to replace whatever is there, also what lakehouse did not create.
        expected: What they replace, as the plan saw it; None where nobody looked, and whatever is there is replaced.
        object: What is recorded of an asset that is no table, where its data do not say it.
        checks: What its checks found.
        keys: Of a partition, its keys that hold across partitions; None where there are none.
    """

    run_id: str
    started_at: str
    recipe: Recipe | None = None
    inputs: Mapping[str, InputRecord] = field(default_factory=dict)
    memory_bytes: int = 0
    project: str | None = None
    forced: bool = False
    expected: StoredVersion | None = None
    object: ObjectRecord | None = None
    checks: tuple[CheckRecord, ...] = ()
    keys: OwnKeys | None = None


#: Reads a table, and the record of the very content that was read. It is given what that was at other times; None where
#: the record is not asked for.
Read = Callable[["tuple[InputRecord, ...] | None"], "tuple[pa.Table, InputRecord | None]"]


#: What reads a table piece by piece, any number of times, and the record of its content.
Pieces: TypeAlias = "tuple[Callable[[], Iterator[pa.Table]], InputRecord]"


#: Begins to read a table piece by piece.
ReadPieces = Callable[["tuple[InputRecord, ...]"], Pieces]


#: As `ReadPieces`, without rows that lie outside of a span of time, as far as leaving them out saves reading them.
ReadWithin = Callable[["tuple[InputRecord, ...]", "TimeSpan"], Pieces]


#: As `ReadPieces`, of the rows with these numbers alone; at least one piece comes.
ReadRows = Callable[["tuple[InputRecord, ...]", range], Pieces]


#: Given the record of the content that is read, the file that engines may read by themselves; None for none.
FindNative = Callable[[InputRecord], "NativeFile | None"]

#: Given the record of the content, what is known of it unread; None for nothing, or where it is another by now.
FindSummary = Callable[[InputRecord], "Summary | None"]


class Scan:
    """A stored table that is about to be read; nothing is read before it is asked for.

    Args:
        storage: Where it is stored.
        table: The table.
        read: Reads it. Where it never gives a record, the content is looked at before and after reading.
        read_pieces: Reads it piece by piece; None where it is read as a whole.

    Attributes:
        native: Finds the file that it is; sets it who has files.
        summary: Finds what the file says of its columns without reading them; None where it says nothing.
        read_within: Reads rows of a span of time; None where all have to be read. Sets it who can leave out others.
        read_rows: Reads rows by their numbers; None where those before them have to be read. Sets it who finds them.
        reads_columns: Whether `read_columns` reads less than all; sets it who stores each column by itself.
    """

    def __init__(self, storage: AssetStorage, table: Table, read: Read, read_pieces: ReadPieces | None = None) -> None:
        self.read = read
        self.read_pieces = read_pieces
        self.native: FindNative = lambda _: None
        self.summary: FindSummary = lambda _: None
        self.read_within: ReadWithin | None = None
        self.read_rows: ReadRows | None = None
        self.reads_columns = False
        self._storage = storage
        self._table = table

    def table(self) -> pa.Table:
        """Read the data.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: The data are not as declared.
            StorageError: They cannot be read.
        """
        return self.read(None)[0]

    def pieces_with_content(self, known: Iterable[InputRecord]) -> Pieces:
        """Return what reads the data piece by piece, any number of times, and their content.

        At least one piece comes, which has the columns. Where the data change meanwhile, the last piece does not come.

        Args:
            known: As of `AssetStorage.content`.

        Raises:
            StorageError: It cannot be read. What is not as declared is raised as it is read.
        """
        if self.read_pieces is not None:
            return self.read_pieces(tuple(known))
        data, record = self.table_with_content(known)
        return lambda: iter([data]), record

    def pieces_within(self, known: Iterable[InputRecord], span: TimeSpan) -> Pieces:
        """As `pieces_with_content`, whose record is of all rows; some of those outside of a span of time are left out.

        Args:
            known: As of `AssetStorage.content`.
            span: Of a declared column, by its name in the storage.
        """
        if self.read_within is None:
            return self.pieces_with_content(known)
        return self.read_within(tuple(known), span)

    def pieces_of(self, known: Iterable[InputRecord], rows: range) -> Pieces:
        """As `pieces_with_content`, of rows with some numbers alone; where `read_rows` is there."""
        assert self.read_rows is not None  # noqa: S101  # who asks has seen that
        return self.read_rows(tuple(known), rows)

    def read_columns(self, record: InputRecord, names: Collection[str]) -> Iterator[pa.Table]:
        """Read some of the declared columns piece by piece.

        Args:
            record: Of the content that is to be read.
            names: Of the columns; at least one.

        Raises:
            StorageError: It cannot be read, or has another content by now.
        """
        columns = [column for column in self._table.columns or () if column.name in names]
        pieces, found = self._storage.scan(self._table, columns).pieces_with_content((record,))
        if found.content_hash != record.content_hash:
            raise changed_while_read(self._table, self._storage.uri(self._table))
        return pieces()

    def table_with_content(self, known: Iterable[InputRecord]) -> tuple[pa.Table, InputRecord]:
        """Read the data, and return the content they were read from as well.

        Args:
            known: As of `AssetStorage.content`.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: The data are not as declared.
            StorageError: They cannot be read, or changed whenever they were read.
        """
        known = tuple(known)
        before: InputRecord | None = None
        for _ in range(READINGS):
            data, record = self.read(known)
            if record is not None:
                return data, record
            after = self._storage.content(self._table, (*known, *filter(None, (before,))))
            if before is not None and after is not None and before.content_hash == after.content_hash:
                return data, after
            before = after
        raise changed_while_read(self._table, self._storage.uri(self._table))


def record_of(content_hash: str, size: int, modified_ns: int | None, known: Iterable[InputRecord]) -> InputRecord:
    """Return the record of stored data, with the rows of the known record of the same content."""
    for record in known:
        if record.content_hash == content_hash:
            return InputRecord(content_hash, record.rows, size, modified_ns)
    return InputRecord(content_hash, -1, size, modified_ns)


class AssetStorage(ABC):
    """Where tables live: reads them, publishes them all or nothing, and keeps their manifests.

    Attributes:
        concurrency: How many tables are looked at at once for a plan; 1 for what is at hand, more where each look waits
            for a server. The methods that look are called from that many threads.
        of_one_process: Whether another process that opens it finds nothing of what is stored here.
    """

    concurrency: int = 1
    of_one_process: bool = False

    def capability(self, protocol: type[_Capability]) -> _Capability | None:
        """This storage as one of the protocols of `capabilities`; None where it lacks the methods."""
        return cast("_Capability", self) if issubclass(type(self), protocol) else None

    @abstractmethod
    def uri(self, table: Table) -> str:
        """Return where a table is, as messages and documents show it; secrets left out."""

    @abstractmethod
    def stat(self, table: Table) -> Stored | None:
        """Return what is stored of a table; None where nothing is.

        Raises:
            StorageError: It cannot be looked at.
        """

    @abstractmethod
    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """Return what is stored of a table, by its content; None where nothing is.

        Args:
            table: The table.
            known: What it was at other times. Where a version shows that it is one of these, it is taken
                to be that, unread. Rows are those of a known record of the same content, else -1.

        Raises:
            StorageError: It cannot be read.
        """

    @abstractmethod
    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """A stored table to be read: its declared columns, or all with their own types where None are declared."""

    @abstractmethod
    def publish(self, table: Table, data: pa.Table, origin: Provenance) -> Manifest:
        """Store data and then their manifest, so that readers see the old table or the new one, whole.

        Raises:
            StorageError: Nothing was changed.
        """

    @abstractmethod
    def read_manifest(self, table: Table) -> Manifest | None:
        """Return the manifest of a stored table; None where there is none.

        Raises:
            NewerVersionError: A newer version of the tool wrote it.
            StorageError: It cannot be read, or is no manifest.
        """

    @abstractmethod
    def delete(self, table: Table) -> None:
        """Remove a stored table and its manifest, if there."""

    @abstractmethod
    def list(self) -> Iterable[Manifest]:
        """Return the manifests of all tables stored here."""
