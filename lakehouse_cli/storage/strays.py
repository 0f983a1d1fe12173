"""What lies in a storage though no declared table accounts for it, and removing it with care.

Two things are ours: what a killed run left half-written, and tables that a manifest of ours describes, byte for byte or
row for row. Nothing else is ever removed, and nothing that is not as it was when it was listed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct

from lakehouse_cli.formats import FORMATS, SERIALIZERS, file_suffixes, form_of
from lakehouse_cli.formats.spec import TEXT_COMPRESSIONS
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.option_hash import hash_of_option, option_hash
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_path
from lakehouse_cli.storage.base import Stray

if TYPE_CHECKING:
    from lakehouse_cli.storage.partition_index import PartitionIndex

CHANGED = "it changed since it was listed"


class Endings(NamedTuple):
    """The endings that files may have which runs stored.

    Attributes:
        tables: Of tables.
        objects: Of assets that are not tables.
    """

    tables: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @classmethod
    def possible(cls, tables: Iterable[Table], spec: StorageSpec) -> Endings:
        """All that the bytes of tables in a storage may have had: they may be of before the format was changed."""
        of_tables = [suffix for form in FORMATS.values() for suffix in file_suffixes(form, {})]
        of_objects = [suffix for form in SERIALIZERS.values() for suffix in file_suffixes(form, {})]
        for table in tables:
            (of_objects if table.serializer else of_tables).extend(file_suffixes(form_of(table), table.options))
        of_tables += file_suffixes(FORMATS[spec.format], spec.options)
        return cls(tuple(dict.fromkeys(of_tables)), tuple(dict.fromkeys(of_objects)))

    def of(self, manifest: Manifest, there: Callable[[], Iterable[str]] = tuple) -> tuple[str, ...]:
        """Those that what a manifest describes may have.

        Args:
            manifest: Has the hash of the option `suffix`, where that was set.
            there: Endings that are there, which are asked for only then.
        """
        known = self.tables if manifest.object is None else self.objects
        said = None if manifest.recipe is None else hash_of_option(manifest.recipe.storage, "suffix")
        if said is None or any(option_hash(ending) == said for ending in known):
            return known
        return (*known, *(each for each in there() if option_hash(_unpacked(each)) == said))


def _unpacked(ending: str) -> str:
    """An ending without that of a compression."""
    packed = next((each for each in TEXT_COMPRESSIONS.values() if ending.endswith(each)), "")
    return ending.removesuffix(packed)


class IndexedManifest(NamedTuple):
    """The manifest of a partition in the index of its table, as it was when it was listed.

    Attributes:
        path: Of the table.
        partition: Which.
        content_hash: That it gives.
    """

    path: str
    partition: Partition
    content_hash: str

    def is_in(self, index: PartitionIndex) -> bool:
        """Whether an index has it still."""
        record = index.records.get(self.partition)
        return record is not None and record.content_hash == self.content_hash


def undeclared_units(
    path: str, index: PartitionIndex, dimensions: tuple[str, ...] | None
) -> Iterator[tuple[str, IndexedManifest, str]]:
    """Return the partitions in an index that are of no declared table, by where they are stored.

    Args:
        path: Of the table that it is the index of.
        index: What it says.
        dimensions: By which a declared table of this path is stored; None where none is by partition.
    """
    name = (path.partition("{")[0].rstrip("/") or path).rpartition("/")[2]
    for partition, record in index.records.items():
        manifest = index.manifest(partition, f"{name}/{partition.path}")
        if partition.dimensions != dimensions and manifest is not None:
            unit = unit_path(path, partition)
            yield unit, IndexedManifest(path, partition, record.content_hash), manifest.to_text()


class Trace(Struct, frozen=True):
    """Data or a manifest, as they were when they were listed.

    Attributes:
        uri: Where they are, as messages show it.
        bytes: Their size.
        modified_ns: When they were last written, nanoseconds since 1970 in UTC.
        identity: What identifies them, as `Cleans.identities`.
        state: The storage's own, by which it knows whether they are unchanged.
        refusal: Why they cannot be what a run stored, if they cannot.
    """

    uri: str
    bytes: int
    modified_ns: int
    identity: Any
    state: Any
    refusal: str | None = None


class Place(ABC):
    """A storage as it is searched.

    Attributes:
        name: Of the storage.
    """

    name: str

    def unfinished(self) -> Iterable[Trace]:
        """Return what killed runs left half-written, and nobody is writing now."""
        return ()

    @abstractmethod
    def manifests(self, declared: Collection[Any]) -> Iterable[tuple[Any, Trace, str | bytes]]:
        """The manifests of tables that are not declared: what the place calls the table, and what the manifest says."""

    @abstractmethod
    def data(self, table: Any, trace: Trace, manifest: Manifest) -> Iterable[Trace]:
        """Return what is there of the data of a table: under every name that they may have had.

        Args:
            table: As `manifests` calls it.
            trace: Its manifest.
            manifest: The same, parsed.
        """

    @abstractmethod
    def is_described(self, manifest: Manifest, data: Trace) -> bool:
        """Return whether data are those that a manifest describes."""

    @abstractmethod
    def is_unchanged(self, state: Any) -> bool:
        """Return whether something is as it was when it was listed."""

    @abstractmethod
    def remove(self, state: Any) -> str | None:
        """Remove it; returns why not, if it must stay."""


def find_strays(place: Place, declared: Collection[Any], taken: Collection[Any]) -> Iterator[Stray]:
    """Find what no declared table accounts for.

    Args:
        place: Where to look.
        declared: The tables declared there, by what the place calls them, such as their paths.
        taken: Identities of declared tables, of whatever storage; left alone and not listed.
    """
    for trace in place.unfinished():
        yield Stray(
            "unfinished", place.name, None, trace.uri, trace.bytes, trace.modified_ns, trace.refusal, (trace.state,)
        )
    for table, trace, text in place.manifests(declared):
        if trace.identity not in taken:
            yield _undeclared(place, table, trace, text, taken)


def _undeclared(place: Place, table: Any, trace: Trace, text: str | bytes, taken: Collection[Any]) -> Stray:
    """Return a stored table that is not declared: its data and manifest, or why they stay."""
    manifest: Manifest | None = None

    def stray(data: Trace | None, keep: str | None) -> Stray:
        shown = data or trace
        name, project = (manifest.table, manifest.project) if manifest else (None, None)
        # The data come first: a manifest without data is found again, data without one would not be.
        handle = (trace.state,) if data is None or keep is not None else (data.state, trace.state)
        return Stray("undeclared", place.name, name, shown.uri, shown.bytes, shown.modified_ns, keep, handle, project)

    try:
        manifest = Manifest.from_text(text)
    except ValueError as error:
        return stray(None, f"its manifest cannot be read: {error}")
    kept: Stray | None = None
    for data in place.data(table, trace, manifest):
        if data.refusal is not None:
            kept = stray(data, data.refusal)
        elif data.identity in taken:
            kept = stray(None, f"{data.uri} belongs to a declared table now")
        elif not place.is_described(manifest, data):
            kept = stray(data, f"{data.uri} was altered after the run that stored it")
        else:
            return stray(data, None)
    return kept or stray(None, None)


def remove_stray(place: Place, stray: Stray) -> str | None:
    """Remove what was listed; returns why not where it was not: it changed since, or somebody works on it."""
    if stray.keep is not None:
        return stray.keep
    if not all(place.is_unchanged(state) for state in stray.handle):
        return CHANGED
    return next(filter(None, map(place.remove, stray.handle)), None)
