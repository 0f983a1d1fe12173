"""What storages share whose tables are bytes of a `Format`: which format, which ending, what their manifests say.

Where the bytes are, folders or objects under keys, is for subclasses.
"""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from msgspec import Struct

from lakehouse_cli.code.fingerprints.packages import find_package
from lakehouse_cli.errors import LakehouseError, MissingDataError, NewerVersionError, StorageError
from lakehouse_cli.formats import FORMATS, file_suffixes, form_of
from lakehouse_cli.formats.base import Format, NullSink, Opener, Sink
from lakehouse_cli.formats.summary import Summary
from lakehouse_cli.model import Column, ColumnTypeError, StorageSpec, Table, parse_column_type
from lakehouse_cli.model.manifest import InputRecord, Manifest, ManifestError, NewerManifestError, ObjectRecord
from lakehouse_cli.model.unit import as_selected, needs_manifest
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.storage.base import READINGS, AssetStorage, Pieces, Provenance, Scan
from lakehouse_cli.storage.capabilities import PublishesPieces, RehearsesWriting
from lakehouse_cli.storage.counted_pieces import CountedPieces
from lakehouse_cli.storage.errors import Cause, ChangedError, changed_while_read, not_replaced, translate_errors
from lakehouse_cli.storage.hashing import HashingSink
from lakehouse_cli.text.clock import now_text
from lakehouse_cli.text.yaml_text import quote_yaml
from lakehouse_cli.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.time_span import TimeSpan
    from lakehouse_cli.storage.files_reading import Part

#: Where manifests lie under the root of a storage.
MANIFESTS = ".lakehouse/manifests"
#: What follows the path of a table in the name of the index of its partitions, beside the manifests of other tables.
INDEX_SUFFIX = ".partitions.jsonl"
#: The packages that shape data on their way.
_SHAPING = ("numpy", "pandas", "polars", "pyarrow")
#: Before a table that changed is read again; twice as long each time, for a second in all.
_PAUSE_S = 0.001
_PUBLISHING = frozenset(("publish", "publish_pieces"))
_WITH_PUBLISH: Mapping[type, str] = {PublishesPieces: "publish_pieces", RehearsesWriting: "rehearse"}
_Result = TypeVar("_Result")
_Capability = TypeVar("_Capability")
#: While it is entered, bytes that are read are those that were seen, else ChangedError is raised: what opens them, and
#: whether a manifest is that of these very bytes.
Opened = Callable[[], AbstractContextManager[tuple[Opener, Callable[[Manifest], bool]]]]


class Listed(Struct, frozen=True):
    """A file that a listing found.

    Attributes:
        path: Under the root, `/`-separated, with its ending; of a folder that is a link, with a slash behind it.
        seen: What the listing says of its content; None where it says nothing.
        is_link: Whether it is a link, or a folder that is one.
    """

    path: str
    seen: Any = None
    is_link: bool = False


class SourceFile(Table, frozen=True):
    """One of the files of a source, as a source of its own.

    Attributes:
        suffix: What follows its path in its name.
    """

    suffix: str = ""


class FormatStorage(AssetStorage):
    """Tables as bytes of a format, each with a manifest beside it; a base, see `KeyedStorage` and `FileStorage`.

    Attributes:
        spec: The declaration of the storage.
    """

    # How often a table is read whose whole reading must see the same.
    _long_readings: ClassVar[int] = READINGS

    def __init__(self, spec: StorageSpec) -> None:
        self.spec = spec
        self._formats: dict[str, Format[Any]] = {}

    def capability(self, protocol: type[_Capability]) -> _Capability | None:
        """As of any storage; what goes with `publish`, a class that has its own has only where it defines that too."""
        method, classes = _WITH_PUBLISH.get(protocol), type(self).__mro__
        if method is not None:
            own = next(at for at, each in enumerate(classes) if not _PUBLISHING.isdisjoint(vars(each)))
            if not any(method in vars(each) for each in classes[: own + 1]):
                return None
        return super().capability(protocol)

    @abstractmethod
    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """As of `storage.errors.Explaining`."""

    def _format(self, table: Table) -> Format[Any]:
        if table.serializer:
            from lakehouse_cli.formats.objects.stored import StoredBytes  # not loaded where all assets are tables

            return StoredBytes()
        if table.format not in self._formats:
            known = FORMATS[table.format]
            self._formats[table.format] = load(Entry(known.implementation, known.install))()
        return self._formats[table.format]

    def _options(self, table: Table) -> Any:
        return form_of(table).checked(table.options, table.contract.column_options)

    def _shown(self, table: Table, suffix: str) -> str:
        if table.is_many_units and "{" not in table.path:
            suffix = "/"  # the folder that they are in
        return self._under_root(f"{table.path}{'' if table.path.endswith('/') else suffix}")

    def _shown_manifest(self, table: Table) -> str:
        if table.is_partitioned:
            return self._under_root(f"{MANIFESTS}/{table.base_path or table.path}{INDEX_SUFFIX}")
        return self._under_root(f"{MANIFESTS}/{table.path}.json")

    def _under_root(self, path: str) -> str:
        return self.spec.shown(path)

    @abstractmethod
    def list_files(self, folder: str, depth: int | None) -> Iterable[Listed]:
        """Return the files below a folder, in any order; none where there is no such folder.

        What is hidden, by a dot at the beginning of a name, is left out, and so is what is there of this tool alone.

        Args:
            folder: Under the root, without a slash at its end; empty for the root.
            depth: How many folders below that they are in; None for any number.
        """

    def content_of(
        self, listed: Listed, file: Callable[[], SourceFile], known: Callable[[], Iterable[InputRecord]]
    ) -> InputRecord | None:
        """As `content`, of a file that was just listed; of a hundred thousand, most are known by that."""
        del listed
        return self.content(file(), known())

    def known_contents(self, paths: Sequence[str]) -> Sequence[InputRecord | None]:
        """Return what a look at each of some files, by their paths under the root, says of it; None if too little."""
        return (None,) * len(paths)

    def _suffixes(self, table: Table) -> tuple[str, ...]:
        if isinstance(table, SourceFile):
            return (table.suffix,)
        suffixes = file_suffixes(form_of(table), table.options)
        # What is computed is written in one place; only other people's files may come in any compression.
        return suffixes if table.kind == "source" else suffixes[:1]

    def _one_of(self, found: Sequence[str], table: Table) -> str:
        """Return the one ending that is there, of those that may be; the one that would be written where none is."""
        if len(found) > 1:
            names = " and ".join(self._shown(table, suffix) for suffix in found)
            raise StorageError(
                f"source `{table.name}` is there twice: {names}",
                hint="keep one, or set `compression` in the table's options",
                location=table.where("path", "options"),
            )
        return found[0] if found else self._suffixes(table)[0]

    def _missing(self, table: Table) -> MissingDataError:
        error = missing_data(table, self.uri(table))
        if table.kind != "source":
            return error
        from lakehouse_cli.storage.endings import other_ending  # of hints alone

        if hint := other_ending(table, self._endings_there(table)):
            error.hint = f"{self._under_root(table.path)}{hint}"
        elif near := self._near_path(table):
            error.hint = f"{self._under_root(near)}{self._suffixes(table)[0]} is there: set `path: {quote_yaml(near)}`"
        return error

    def _endings_there(self, table: Table) -> Iterable[str]:
        """Return what follows the table's path in the names of files that are there, whatever their endings."""
        del table
        return ()

    def _near_path(self, table: Table) -> str | None:
        """Return the path of a file that is there, of a name that differs in case, dashes and underscores alone."""
        del table
        return None

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """Return the declared columns; a computed table that declares none is read by its manifest."""
        found = Scan(self, table, partial(self._read, table, columns), partial(self._read_pieces, table, columns))
        found.read_within = partial(self._read_pieces, table, columns)
        found.reads_columns = table.format == "parquet" and not needs_manifest(table, columns)
        if found.reads_columns:
            found.read_rows = partial(self._read_pieces, table, columns)
            found.summary = partial(self._summary, table, columns or ())
        return found

    def _summary(self, table: Table, columns: Sequence[Column], record: InputRecord) -> Summary | None:
        try:
            opened, now = self._until_unchanged(table, lambda: self._opened(table, (record,)))
            if now.content_hash != record.content_hash:
                return None
            with translate_errors(self, table, "read"), opened() as (opener, _):
                return self._format(table).summary(opener, self.uri(table), columns)
        except (ChangedError, LakehouseError):  # said by who reads it
            return None

    def _read(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        times = READINGS if known is None else self._long_readings
        return self._until_unchanged(table, lambda: self._read_once(table, columns, known), times)

    @abstractmethod
    def _read_once(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        """Read as `Read` does; raises ChangedError where the table changed meanwhile."""

    def _read_pieces(
        self,
        table: Table,
        columns: Sequence[Column] | None,
        known: tuple[InputRecord, ...],
        some: TimeSpan | range | None = None,
    ) -> Pieces:
        """Read as `ReadPieces` does, or as `ReadWithin` or `ReadRows`."""
        opened, record = self._until_unchanged(table, lambda: self._opened(table, known))

        def pieces() -> Iterator[pa.Table]:
            try:
                with translate_errors(self, table, "read"), opened() as (opener, is_stored):
                    stored, form = self._stored_columns(table, columns, is_stored), self._format(table)
                    what = opener, self.uri(table), stored, self._options(table)
                    yield from form.read_pieces(*what) if some is None else form.read_some(*what, some)
            except ChangedError as error:
                raise changed_while_read(table, self.uri(table)) from error

        return pieces, record

    def read_together(
        self, files: Sequence[Part], contents: Sequence[InputRecord], columns: Sequence[Column]
    ) -> pa.Table | None:
        """Read the small files of a source as `Format.read_together` does; None where they have changed as well."""
        block, places, start = bytearray(b"\n") * sum(each.bytes + 1 for each in contents), list[slice](), 0
        table, view = files[0].table, memoryview(block)
        with suppress(LakehouseError, OSError):
            for file, content in zip(files, contents, strict=True):
                places.append(slice(start, start + content.bytes))
                self._read_into(view[places[-1]], file, content)
                start += content.bytes + 1
            named = [(place, file.uri) for place, file in zip(places, files, strict=True)]
            return self._format(table).read_together(block, named, columns, self._options(table))
        return None

    def _read_into(self, view: memoryview, file: Part, content: InputRecord) -> None:
        """Read a small file of a source as a whole; raises ChangedError where it is not as it was."""
        opened, now = self._opened(file.table, (content,))
        with opened() as (open_source, _), open_source() as source:
            read = b"".join(iter(partial(source.read, 1 << 20), b""))
        if now.content_hash != content.content_hash or len(read) != len(view):
            raise ChangedError(file.uri)
        view[:] = read

    @abstractmethod
    def _opened(self, table: Table, known: tuple[InputRecord, ...]) -> tuple[Opened, InputRecord]:
        """Look at what is stored, to be read afterwards; raises ChangedError where the table changed meanwhile."""

    def publish(self, table: Table, data: pa.Table, origin: Provenance) -> Manifest:
        """Write the data aside, put them in the place of what the plan saw, then the manifest."""

        def write(sink: Sink) -> tuple[pa.Table, int]:
            self._format(table).write(data, sink, self._options(table))
            return data, data.num_rows

        return self._publish(table, write, lambda: origin)

    def publish_pieces(self, table: Table, pieces: Iterator[pa.Table], origin: Callable[[], Provenance]) -> Manifest:
        """As `publish`; nothing is put in place before the last piece was written."""

        def write(sink: Sink) -> tuple[pa.Table, int]:
            counted = CountedPieces(pieces)
            self._format(table).write_pieces(counted, sink, self._options(table))
            return counted.first, counted.rows

        return self._publish(table, write, origin)

    def rehearse(self, table: Table, pieces: Iterator[pa.Table]) -> str | None:
        """Write what `publish_pieces` does, and keep nothing of it but its hash."""
        sink = HashingSink(NullSink())
        with translate_errors(self, table, "written"):
            self._format(table).write_pieces(pieces, sink, self._options(table))
        return sink.hexdigest()

    @abstractmethod
    def _publish(
        self, table: Table, write: Callable[[Sink], tuple[pa.Table, int]], origin: Callable[[], Provenance]
    ) -> Manifest:
        """Put in place what is written.

        Args:
            table: The table.
            write: Writes the data; returns them, or a part of them, and how many rows there are.
            origin: Gives what the manifest says of them besides; called once they are written.
        """

    def _until_unchanged(self, table: Table, look: Callable[[], _Result], times: int = READINGS) -> _Result:
        """Do what raises ChangedError where a table changes meanwhile, and again until it does not."""
        for attempt in range(times):
            try:
                return look()
            except ChangedError:
                time.sleep(_PAUSE_S * 2**attempt)  # who replaces it again and again may come to an end
        raise changed_while_read(table, self.uri(table))

    def _parsed(
        self,
        table: Table,
        columns: Sequence[Column] | None,
        opener: Opener,
        is_stored: Callable[[Manifest], bool],
    ) -> pa.Table:
        """Have the format read bytes: the declared columns, and those beyond them by the manifest.

        Args:
            table: The table.
            columns: The declared ones.
            opener: Opens the bytes.
            is_stored: Whether a manifest is that of these very bytes.
        """
        columns = self._stored_columns(table, columns, is_stored)
        return self._format(table).read(opener, self.uri(table), columns, self._options(table))

    def _stored_columns(
        self, table: Table, columns: Sequence[Column] | None, is_stored: Callable[[Manifest], bool]
    ) -> Sequence[Column] | None:
        """The declared columns, and those beyond them by the manifest."""
        if needs_manifest(table, columns):
            manifest = self.read_manifest(table)
            if manifest is not None and is_stored(manifest):
                return columns_of(manifest, columns, self._shown_manifest(table))
        return columns


def missing_data(table: Table, shown: str, advice: str = "put the file there") -> MissingDataError:
    """The error of a table of which nothing is stored at the place shown; `advice` is for the owner of a source."""
    if table.kind == "source":
        return MissingDataError(
            f"{shown} does not exist",
            hint=f"{advice}, or correct `path:` or the storage's `root:`{not_replaced(table.path)}",
            location=table.where("path"),
        )
    return MissingDataError(
        f"`{table.name}` was never materialized: {shown} does not exist",
        hint=f"`lakehouse run {as_selected(table)}` materializes it",
        location=table.location,
    )


def columns_of(manifest: Manifest, declared: Sequence[Column] | None, shown: str) -> tuple[Column, ...]:
    """Return the stored columns by a manifest, the declared ones as they are declared.

    Raises:
        StorageError: The manifest, which messages call `shown`, names a type that there is not.
    """
    known = {column.name: column for column in declared or ()}
    try:
        return tuple(known.get(name) or Column(name, parse_column_type(text)) for name, text in manifest.columns)
    except ColumnTypeError as error:
        hint = f"`lakehouse run --force {manifest.table}` replaces it"
        raise StorageError(f"{shown} cannot be used: {error}", hint=hint) from error


def make_manifest(
    table: Table,
    data: pa.Table,
    origin: Provenance,
    *,
    size: int,
    content_hash: str,
    modified_ns: int,
    rows: int | None = None,
) -> Manifest:
    """Return the manifest of data that were written: `size` bytes with a hash, at a time.

    Where `data` are only the first of them, `rows` says how many there are.
    """
    from lakehouse_cli.arrow.types import from_arrow
    from lakehouse_cli.formats.objects.stored import object_record

    columns = () if table.serializer else tuple((each.name, str(from_arrow(each.type))) for each in data.schema)
    return Manifest(
        table=table.name,
        project=origin.project,
        columns=columns,
        rows=0 if table.serializer else data.num_rows if rows is None else rows,
        object=(origin.object or object_record(data) or ObjectRecord("")) if table.serializer else None,
        bytes=size,
        content_hash=content_hash,
        modified_ns=modified_ns,
        run_id=origin.run_id,
        started_at=origin.started_at,
        finished_at=now_text(),
        tool_version=__version__,
        recipe=origin.recipe,
        inputs=origin.inputs,
        packages=_packages(tuple([name for name in _SHAPING if name in sys.modules])),
        memory_bytes=origin.memory_bytes,
        checks=origin.checks,
        keys={} if origin.keys is None else origin.keys.bounds,
    )


def parse_manifest(text: bytes, shown: str) -> Manifest:
    """Return a manifest as it is stored.

    Raises:
        NewerVersionError: A newer version of the tool wrote it.
        StorageError: It is none; messages call it `shown`.
    """
    try:
        return Manifest.from_text(text)
    except NewerManifestError as error:
        hint = "use that version, or replace the table with `--force`"
        raise NewerVersionError(f"{shown} cannot be used: {error}", hint=hint) from error
    except ManifestError as error:
        raise StorageError(f"{shown} cannot be used: {error}", hint="materializing the table replaces it") from error


@cache
def _packages(loaded: tuple[str, ...]) -> Mapping[str, str]:
    """Versions of Python and of packages that are loaded."""
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in loaded:
        # As installed: another thread may still be importing the module, which has no `__version__` until then.
        found = find_package(name, sys.path)
        if found is not None and found.version is not None:
            versions[name] = found.version
    return versions
