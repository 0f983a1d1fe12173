"""The seams of storage: `AssetStorage`, where tables live, and `Format`, how their bytes read.

Whoever implements a storage writes no type logic; whoever implements a format writes no path logic and no
atomicity.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from msgspec import Struct, field

from lakehouse_cli.errors import Location, OvertakenError, StorageError, UnclaimedError, UnreachableError, UsageError
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.manifest import ANOTHER_HAND, InputRecord, Manifest, Recipe
from lakehouse_cli.model.stored_version import StoredVersion

if TYPE_CHECKING:
    import pyarrow as pa


#: How often a table is read again that is replaced while it is read.
READINGS = 10
#: What cannot be had: all that a storage holds, or one table.
OutOfReach = Literal["storage", "table"]


def not_done(
    what: str,
    doing: str,
    reason: str,
    out_of_reach: OutOfReach | None,
    *,
    hint: str | None,
    location: Location | None,
) -> StorageError:
    """The error of something that could not be done with a table or a storage.

    Args:
        what: The table or storage as messages show it.
        doing: What was to be done with it, such as ``read``.
        reason: Why it could not.
        out_of_reach: What of the storage cannot be had at all, so that nothing can be stored there either.
        hint: What to do next.
        location: Where it is declared.
    """
    message = f"{what} cannot be {doing}: {reason}"
    if out_of_reach is None:
        return StorageError(message, hint=hint, location=location)
    everywhere = out_of_reach == "storage"
    return UnreachableError(message, reason=reason, everywhere=everywhere, hint=hint, location=location)


def overtaken(table: Table, shown: str) -> OvertakenError:
    """The error of a table that another run stored while this one computed it; `shown` is where it is."""
    return OvertakenError(
        f"another run stored {shown} while this one computed it",
        hint="what it stored is left as it is; run again to look at it anew",
        location=table.where("path", "storage"),
    )


class ChangedError(StorageError):
    """Something else is stored by now than what was seen there."""


def changed_while_read(table: Table, shown: str) -> StorageError:
    """The error of a table that others changed whenever it was read; `shown` is where it is."""
    return StorageError(
        f"{shown} changed while it was read",
        hint="run again when no other program writes it",
        location=table.where("path", "storage"),
    )


class Stored(Struct, frozen=True):
    """What a storage tells about a stored table without reading it.

    Attributes:
        bytes: Size of the stored data.
        modified_ns: When it was last written, nanoseconds since 1970 in UTC; 0 where the storage cannot tell.
    """

    bytes: int
    modified_ns: int


class Stray(Struct, frozen=True):
    """Something of ours in a storage that no declared table accounts for.

    Attributes:
        kind: ``unfinished``: what a killed run left half-written; ``undeclared``: a stored table of no declaration.
        storage: Name of the storage.
        table: What its manifest calls the table; None where there is no manifest, or none that can be read.
        uri: Where it is, as messages show it.
        bytes: Its size.
        modified_ns: When it was last written, nanoseconds since 1970 in UTC.
        keep: Why it is not removed; None for what may be.
        handle: The storage's own, by which it removes what was listed and nothing else.
        project: The project that stored it, as its manifest tells; None where none does.
    """

    kind: Literal["unfinished", "undeclared"]
    storage: str
    table: str | None
    uri: str
    bytes: int
    modified_ns: int
    keep: str | None = None
    handle: tuple[Any, ...] = ()
    project: str | None = None


class Origin(Struct, frozen=True):
    """What a manifest says of where data come from; the rest it learns from the data and their storing.

    Attributes:
        run_id: The run that computed them.
        started_at: ISO 8601 in UTC.
        recipe: What they were made by.
        inputs: What they were made from.
        memory_bytes: What they and their inputs took in memory.
        project: Name of the project whose run it was.
        forced: Whether the user asked to replace whatever is there, also what is not of this tool's making.
        expected: What they replace, as the plan saw it; None where nobody looked, and whatever is there is replaced.
    """

    run_id: str
    started_at: str
    recipe: Recipe | None = None
    inputs: Mapping[str, InputRecord] = field(default_factory=dict)
    memory_bytes: int = 0
    project: str | None = None
    forced: bool = False
    expected: StoredVersion | None = None


class Sink(Protocol):
    """What data are written to."""

    def write(self, data: Any, /) -> int:
        """Take bytes, or what has their buffer; returns how many."""


class Format(ABC):
    """How a table is read from and written to bytes.

    Attributes:
        holds_count: Whether the bytes tell how many rows there are, so that few of them are read for it.
    """

    holds_count: bool = False

    @abstractmethod
    def read(
        self,
        open_source: Callable[[], BinaryIO],
        name: str,
        columns: Sequence[Column] | None,
        options: Mapping[str, Any],
    ) -> pa.Table:
        """Read the declared columns (all, with their own types, where None are declared).

        Args:
            open_source: Opens the bytes; may be called more than once.
            name: The file as messages show it.
            columns: What to read, in the order of the result.
            options: Of the format, validated.

        Raises:
            DataError: Values that do not fit, columns that are missing.
            StorageError: Bytes that are not of this format at all.
        """

    @abstractmethod
    def write(self, table: pa.Table, sink: Sink, options: Mapping[str, Any]) -> None:
        """Write a table, in bounded memory.

        Raises:
            StorageError: The format cannot hold it.
        """

    def count_rows(self, open_source: Callable[[], BinaryIO], name: str, options: Mapping[str, Any]) -> int | None:
        """How many rows `read` would find, in bounded memory and much faster; None, by default, where that cannot be.

        Args:
            open_source: Opens the bytes; may be called more than once.
            name: The file as messages show it.
            options: Of the format, validated.

        Raises:
            Exception: The bytes are not as they should be; whoever asks takes the number for not known.
        """
        del open_source, name, options
        return None


class AssetStorage(ABC):
    """Where tables live: reads them, publishes them all or nothing, and keeps their manifests.

    Attributes:
        concurrency: How many tables are looked at at once for a plan; 1 for what is at hand, more where each look waits
            for a server. The methods that look are called from that many threads.
        of_one_process: Whether another process that opens it finds nothing of what is stored here.
    """

    concurrency: int = 1
    of_one_process: bool = False

    @abstractmethod
    def uri(self, table: Table) -> str:
        """Where a table is, as messages and documents show it; secrets left out."""

    def prefetch(self, tables: Iterable[Table]) -> None:
        """Told, once for each plan and before anything else is asked, which tables will be looked at.

        For what can tell of many at once; nothing by default. Errors are told when a table is asked for.
        """
        del tables

    def in_use(self) -> AbstractContextManager[None]:
        """Entered for as long as tables are stored and read one after the other in this process.

        For what takes long to open and may stay open meanwhile; nothing by default. Other programs must get at it all
        the same.
        """
        return nullcontext()

    @abstractmethod
    def stat(self, table: Table) -> Stored | None:
        """What is stored of a table; None where nothing is.

        Raises:
            StorageError: It cannot be looked at.
        """

    @abstractmethod
    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """What is stored of a table, by its content; None where nothing is.

        Args:
            table: The table.
            known: What it was at other times. Where the storage tells by a version that it is one of these, it is taken
                to be that, unread. Rows are told where the content is that of one of these, else as -1.

        Raises:
            StorageError: It cannot be read.
        """

    @abstractmethod
    def read(self, table: Table, columns: Sequence[Column] | None) -> pa.Table:
        """Read the declared columns of a stored table.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: The data are not as declared.
            StorageError: They cannot be read.
        """

    def read_with_content(
        self, table: Table, columns: Sequence[Column] | None, known: Iterable[InputRecord]
    ) -> tuple[pa.Table, InputRecord]:
        """Read the declared columns of a stored table, and tell which content they were read from.

        By default the content is looked at before and after; override it where both can be had as one.

        Args:
            table: The table.
            columns: As of `read`.
            known: As of `content`.

        Raises:
            MissingDataError: Nothing is stored.
            DataError: The data are not as declared.
            StorageError: They cannot be read, or changed whenever they were read.
        """
        known = tuple(known)
        before = self.content(table, known)
        for _ in range(READINGS):
            data = self.read(table, columns)
            after = self.content(table, (*known, *filter(None, (before,))))
            if before is not None and after is not None and before.content_hash == after.content_hash:
                return data, after
            before = after
        raise changed_while_read(table, self.uri(table))

    def count_rows(self, table: Table) -> int | None:
        """How many rows are stored of a table, told much faster than by reading it; None where they are not known.

        Asked for a plan, of inputs whose content changed and of nothing else, to tell rows before and now. Whatever is
        raised here is taken for "not known", which is the default.
        """
        del table
        return None

    def read_version(self, table: Table, version: int) -> pa.Table:
        """Read all columns of an older version of a stored table; only storages that keep versions can.

        Raises:
            UsageError: There is no such version, or there are no versions here.
            StorageError: It cannot be read.
        """
        del version
        raise UsageError(
            f"storage `{table.storage}` keeps no versions of `{table.name}`",
            hint="leave out --version; storages of type `delta` keep them",
        )

    @abstractmethod
    def publish(self, table: Table, data: pa.Table, origin: Origin) -> Manifest:
        """Store data and then their manifest, so that readers see the old table or the new one, whole.

        Raises:
            StorageError: Nothing was changed.
        """

    def may_replace(self, table: Table, *, forced: bool) -> None:
        """Refuse, before anything is computed, to publish over what has no manifest of ours, unless it is forced.

        A plan asks it of tables that would run and have no manifest, so that it tells what the run would refuse.

        Args:
            table: What would be published.
            forced: Whether the user asked to replace whatever is there, as `Origin.forced`.

        Raises:
            StorageError: What is there is another's; the hint says how to replace it all the same.
        """
        if not forced and self.stat(table) is not None and not self._is_described(table):
            raise UnclaimedError(self.uri(table), table.name, location=table.where("path"))

    def _is_described(self, table: Table) -> bool:
        try:
            return self.read_manifest(table) is not None
        except StorageError:  # one that cannot be read was ours all the same
            return True

    @abstractmethod
    def read_manifest(self, table: Table) -> Manifest | None:
        """The manifest of a stored table; None where there is none.

        Raises:
            NewerVersionError: A newer version of the tool wrote it.
            StorageError: It cannot be read, or is no manifest.
        """

    def altered_by(self, table: Table, content: InputRecord) -> str:
        """Where or by what data were modified that are not as their manifest says, in words that follow "was modified".

        Asked for a plan, of tables found altered and of nothing else.

        Args:
            table: The table.
            content: What is stored of it.
        """
        del table, content
        return ANOTHER_HAND

    @abstractmethod
    def delete(self, table: Table) -> None:
        """Remove a stored table and its manifest, if there."""

    @abstractmethod
    def list(self) -> Iterable[Manifest]:
        """The manifests of all tables stored here."""

    @abstractmethod
    def remove_leftovers(self, tables: Iterable[Table]) -> None:
        """Remove what killed runs left half-written beside these tables."""

    def local_files(self, table: Table) -> Iterable[str]:
        """The files of this machine a table may be read from, there or not; none where it lives elsewhere."""
        del table
        return ()

    def identities(self, table: Table) -> frozenset[Any]:
        """What tells the stored data and manifest of a table from everything else, by whatever name it goes.

        Raises:
            StorageError: It cannot be looked at.
        """
        del table
        return frozenset()

    def strays(self, declared: Iterable[Table], taken: frozenset[Any]) -> Sequence[Stray]:
        """What no declared table accounts for; nothing where a storage cannot tell.

        Args:
            declared: The tables declared in this storage.
            taken: `identities` of all declared tables, of whatever storage.

        Raises:
            StorageError: It cannot be looked at.
        """
        del declared, taken
        return ()

    def remove_stray(self, stray: Stray) -> str | None:
        """Remove what `strays` listed; returns why not where it is not removed, such as having changed since."""
        return stray.keep or "this storage removes nothing by itself"


@contextmanager
def in_use(storages: Iterable[AssetStorage]) -> Iterator[None]:
    """All of some storages in use; see `AssetStorage.in_use`."""
    with ExitStack() as stack:
        for storage in storages:
            stack.enter_context(storage.in_use())
        yield
