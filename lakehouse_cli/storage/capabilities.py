"""What only some storages can do: a protocol each, and the function by which it is asked for.

A storage has a capability where it has the methods; nothing is declared. Callers use the functions, which ask
`AssetStorage.capability` and know what holds for a storage without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from lakehouse_cli.errors import LakehouseError, StorageError, UnclaimedError, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import OUTSIDE, Amendment, InputRecord, Manifest
from lakehouse_cli.model.unit import selected_alone
from lakehouse_cli.storage.base import AssetStorage, Provenance, Stray
from lakehouse_cli.storage.digest_capability import KeepsDigests
from lakehouse_cli.storage.partition_capability import Partitioned, RemembersContents, StoresAnew, StoresTogether

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.row_place import RowPlace
    from lakehouse_cli.storage.queries import Computed, DatabaseQuery, Origin


@runtime_checkable
class Prefetches(Protocol):
    """Looks at many tables at once."""

    def prefetch(self, tables: Iterable[Table]) -> None:
        """Batch lookups: called once per plan with every table it will inspect; errors wait for the table's turn."""


@runtime_checkable
class StaysOpen(Protocol):
    """Takes long to open, and may stay open, as long as other programs get at it all the same."""

    def in_use(self) -> AbstractContextManager[None]:
        """Entered for as long as tables are stored and read one after the other in this process."""


@runtime_checkable
class SyncsLater(Protocol):
    """Waits for the disk, and may do so once for several tables."""

    def syncing_later(self) -> AbstractContextManager[None]:
        """Entered for as long as tables are stored closely after one another; what others see is as without it."""


@runtime_checkable
class KeepsConnections(Protocol):
    """Keeps connections for the next who needs one."""

    def close_idle(self) -> None:
        """Close those that nobody uses; called at the end of whatever is done with a project."""


@runtime_checkable
class PublishesPieces(Protocol):
    """Stores tables that never are in memory as a whole."""

    def publish_pieces(self, table: Table, pieces: Iterator[pa.Table], origin: Callable[[], Provenance]) -> Manifest:
        """As `AssetStorage.publish`, of at least one piece; what they raise is passed on, and nothing was changed.

        What is known of their origin is asked for behind the last piece.
        """


class TableToPublish(NamedTuple):
    """A table that is stored together with others: it, its rows in at least one piece, and where they come from."""

    table: Table
    pieces: Iterator[pa.Table]
    origin: Callable[[], Provenance]


@runtime_checkable
class PublishesTogether(Protocol):
    """Stores several tables in one transaction."""

    def publish_together(self, tables: Sequence[TableToPublish]) -> Sequence[Manifest]:
        """As `publish_pieces`, of several tables: all of them are stored, or none."""


@runtime_checkable
class RehearsesWriting(Protocol):
    """Finds without storing anything what storing a table would fail at."""

    def rehearse(self, table: Table, pieces: Iterator[pa.Table]) -> str | None:
        """Raise what `publish` would of at least one piece: of their values, types and columns; changes nothing.

        Returns:
            The content hash that they would be stored with; None where only storing them shows it.
        """


@runtime_checkable
class RunsQueries(Protocol):
    """Runs queries over its own tables, where these are."""

    def engine_version(self) -> str:
        """Return the version of what runs them, as far as it decides their results; may connect to it."""

    def publish_query(self, table: Table, query: DatabaseQuery, origin: Origin) -> Computed:
        """Run a query, enforce the table's contract on its rows and publish them, all or nothing.

        Raises:
            QueryInputError: An input cannot be read, or is not as declared.
            QueryTimeoutError: It took longer than it may.
            ContractError: The result breaks the contract.
            TransformError: The query failed.
            StorageError: It could not be stored.
        """

    def compute_query(self, table: Table, query: DatabaseQuery) -> Computed:
        """Run a query as `publish_query`, return the rows that it would store, and change nothing."""


@runtime_checkable
class CountsRows(Protocol):
    """Counts rows much faster than by reading them."""

    def count_rows(self, table: Table) -> int | None:
        """Return how many rows are stored; None, or whatever is raised, where they are not known."""


@runtime_checkable
class KeepsChecks(Protocol):
    """Changes what a manifest says of checks, and nothing else."""

    def keep_checks(self, table: Table, manifest: Manifest, checks: Amendment) -> bool:
        """Record checks, or a recipe, in a manifest where it is still the one that was seen; returns whether it was."""


@runtime_checkable
class FindsLines(Protocol):
    """Keeps tables in files of lines."""

    def find_lines(self, table: Table, rows: Sequence[int]) -> Mapping[int, RowPlace]:
        """Return the lines on which rows begin, both counted from 1, of many files with theirs; without the unknown."""


@runtime_checkable
class KeepsVersions(Protocol):
    """Keeps older versions of tables."""

    def read_version(self, table: Table, version: int) -> pa.Table:
        """Read all columns of an older version; raises UsageError where there is no such version."""


@runtime_checkable
class ProtectsOthers(Protocol):
    """Knows by itself what must not be replaced."""

    def may_replace(self, table: Table, *, forced: bool) -> None:
        """As `check_replaceable`, in place of what that does by default."""


@runtime_checkable
class ExplainsChanges(Protocol):
    """Knows who may have modified its tables."""

    def altered_by(self, table: Table, content: InputRecord) -> str:
        """As the function `altered_by`, in place of what that does by default."""


@runtime_checkable
class ReplacesInPlace(Protocol):
    """Replaces tables in place, so that a reader, or a run that ends in the meantime, may find a part of one."""

    def replaces_in_place(self) -> str:
        """Say so, for a plan that would store tables in it."""


@runtime_checkable
class LeavesFiles(Protocol):
    """Writes aside, so that a killed run may leave something half-written."""

    def remove_leftovers(self, tables: Iterable[Table]) -> None:
        """Remove what killed runs left half-written beside these tables."""


@runtime_checkable
class IsLocal(Protocol):
    """Keeps tables in files of this machine."""

    def local_files(self, table: Table) -> Iterable[str]:
        """Return the files that a table may be read from, there or not."""


@runtime_checkable
class Cleans(Protocol):
    """Finds and removes what no declared table accounts for."""

    def identities(self, table: Table) -> frozenset[Any]:
        """Return what identifies the stored data and manifest of a table, by whatever name they go."""

    def strays(self, declared: Iterable[Table], taken: frozenset[Any]) -> Sequence[Stray]:
        """What no declared table accounts for; `taken` are the identities of all that does, of whatever storage."""

    def remove_stray(self, stray: Stray) -> str | None:
        """Remove what `strays` listed; returns why not where it is not removed, such as having changed since."""


#: All of them; a wrapper forwards the methods of each.
CAPABILITIES = (
    Prefetches,
    StaysOpen,
    SyncsLater,
    KeepsConnections,
    PublishesPieces,
    PublishesTogether,
    RehearsesWriting,
    RunsQueries,
    CountsRows,
    KeepsChecks,
    FindsLines,
    KeepsVersions,
    ProtectsOthers,
    ExplainsChanges,
    ReplacesInPlace,
    LeavesFiles,
    IsLocal,
    Cleans,
    Partitioned,
    RemembersContents,
    StoresTogether,
    StoresAnew,
    KeepsDigests,
)


def prefetch(storage: AssetStorage, tables: Iterable[Table]) -> None:
    """Announce, once per plan and before anything else is asked, every table that will be looked at."""
    found = storage.capability(Prefetches)
    if found is not None:
        found.prefetch(tables)


@contextmanager
def in_use(storages: Iterable[AssetStorage]) -> Iterator[None]:
    """Keep storages open for as long as tables are stored and read one after the other in this process."""
    with ExitStack() as stack:
        for storage in storages:
            found = storage.capability(StaysOpen)
            if found is not None:
                stack.enter_context(found.in_use())
        yield


def close_idle(storages: Iterable[AssetStorage]) -> None:
    """Close the connections that storages keep and nobody uses."""
    for storage in storages:
        found = storage.capability(KeepsConnections)
        if found is not None:
            found.close_idle()


def publish_pieces(
    storage: AssetStorage, table: Table, pieces: Iterator[pa.Table], origin: Callable[[], Provenance]
) -> Manifest:
    """Store a table that comes piece by piece, as a whole where a storage needs that; as `AssetStorage.publish`."""
    found = storage.capability(PublishesPieces)
    if found is not None:
        return found.publish_pieces(table, pieces, origin)
    import pyarrow as pa

    return storage.publish(table, pa.concat_tables(pieces), origin())


def rehearsed(storage: AssetStorage, table: Table, pieces: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Return the pieces of a table that is not stored, once the storage found nothing that it could not store.

    Raises:
        StorageError: It could not be stored.
    """
    found = storage.capability(RehearsesWriting)
    if found is None:
        return pieces
    passed: list[pa.Table] = []

    def passing() -> Iterator[pa.Table]:
        for piece in pieces:
            passed.append(piece)
            yield piece

    found.rehearse(table, passing())
    return chain(passed, pieces)


def query_runner(storage: AssetStorage, table: Table) -> RunsQueries:
    """Return a storage as what runs the query of a table.

    Raises:
        StorageError: It is no database.
    """
    found = storage.capability(RunsQueries)
    if found is None:
        raise StorageError(
            f"storage `{table.storage}` runs no queries, as `engine: storage` of `{table.name}` asks for",
            hint="remove `engine: storage`, or store the table in PostgreSQL, DuckDB or SQLite",
            location=table.where("engine"),
        )
    return found


def count_rows(storage: AssetStorage, table: Table) -> int | None:
    """Return how many rows are stored of a table; None where that is not known without reading it."""
    found = storage.capability(CountsRows)
    return None if found is None else found.count_rows(table)


def keep_checks(storage: AssetStorage, table: Table, manifest: Manifest, checks: Amendment) -> bool:
    """Record checks that were judged on stored data in the table's manifest.

    Args:
        storage: Of the table.
        table: The table.
        manifest: Of the data, as it was seen; another one is left as it is.
        checks: What was found.

    Returns:
        Whether they are recorded; where they are not, the next run judges them again.
    """
    found = storage.capability(KeepsChecks)
    try:
        return found is not None and found.keep_checks(table, manifest, checks)
    except LakehouseError:  # such as of a folder that is read-only: the verdict counts all the same
        return False


def find_lines(storage: AssetStorage, table: Table, rows: Sequence[int]) -> Mapping[int, RowPlace]:
    """Return the lines of a table's file on which rows begin, as far as they are known; raises nothing."""
    found = storage.capability(FindsLines)
    try:
        return {} if found is None else found.find_lines(table, rows)
    except (LakehouseError, OSError):  # the file has gone since, or changed
        return {}


def read_version(storage: AssetStorage, table: Table, version: int) -> pa.Table:
    """Read all columns of an older version of a stored table.

    Raises:
        UsageError: There is no such version, or there are no versions here.
        StorageError: It cannot be read.
    """
    found = storage.capability(KeepsVersions)
    if found is None:
        raise UsageError(
            f"storage `{table.storage}` keeps no versions of `{table.name}`",
            hint="leave out --version; storages of type `delta` keep them",
        )
    return found.read_version(table, version)


def check_replaceable(storage: AssetStorage, table: Table, *, forced: bool) -> None:
    """Refuse, before anything is computed, to publish over what has no manifest of ours, unless it is forced.

    A plan asks it of tables that would run and have no manifest; `forced` is as in `Provenance`.

    Raises:
        StorageError: What is there is another's; the hint says how to replace it all the same.
    """
    found = storage.capability(ProtectsOthers)
    if found is not None:
        found.may_replace(table, forced=forced)
    elif not forced and storage.stat(table) is not None and not _is_described(storage, table):
        raise UnclaimedError(storage.uri(table), selected_alone(table), location=table.where("path"))


def _is_described(storage: AssetStorage, table: Table) -> bool:
    try:
        return storage.read_manifest(table) is not None
    except StorageError:  # one that cannot be read was ours all the same
        return True


def altered_by(storage: AssetStorage, table: Table, content: InputRecord) -> str:
    """Where or by what data were modified that are not as their manifest says, in words that follow "was modified".

    Asked for a plan, of tables whose content was found to be another, and of nothing else.
    """
    found = storage.capability(ExplainsChanges)
    return OUTSIDE if found is None else found.altered_by(table, content)


def replaces_in_place(storage: AssetStorage) -> str | None:
    """What a plan says of a storage that does not replace tables atomically; None of any other."""
    found = storage.capability(ReplacesInPlace)
    return None if found is None else found.replaces_in_place()


def remove_leftovers(storage: AssetStorage, tables: Iterable[Table]) -> None:
    """Remove what killed runs left half-written beside tables."""
    found = storage.capability(LeavesFiles)
    if found is not None:
        found.remove_leftovers(tables)


def local_files(storage: AssetStorage, table: Table) -> Iterable[str]:
    """Return the files of this machine a table may be read from, there or not; none where it lives elsewhere."""
    found = storage.capability(IsLocal)
    return () if found is None else found.local_files(table)


def identities(storage: AssetStorage, table: Table) -> frozenset[Any]:
    """Return what identifies the stored data and manifest of a table, by whatever name it goes.

    Raises:
        StorageError: It cannot be looked at.
    """
    found = storage.capability(Cleans)
    return frozenset() if found is None else found.identities(table)


def strays(storage: AssetStorage, declared: Iterable[Table], taken: frozenset[Any]) -> Sequence[Stray]:
    """Return what no declared table accounts for, as `Cleans.strays`; nothing where a storage cannot know."""
    found = storage.capability(Cleans)
    return () if found is None else found.strays(declared, taken)


def remove_stray(storage: AssetStorage, stray: Stray) -> str | None:
    """Remove what `strays` listed; returns why not where it is not removed."""
    found = storage.capability(Cleans)
    return "this storage removes nothing by itself" if found is None else found.remove_stray(stray)
