"""Tables as bytes under keys: all of a storage but the few lines that get and put them.

A key is a text such as ``folder/table.csv`` or ``.lakehouse/manifests/folder/table.json``.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from lakehouse_cli.formats.base import Opener, Sink
from lakehouse_cli.model import Column, StorageSpec, Table
from lakehouse_cli.model.manifest import OUTSIDE, UNFINISHED, Amendment, InputRecord, Manifest
from lakehouse_cli.model.stored_version import StoredVersion
from lakehouse_cli.storage.base import Provenance, Stored, Stray, record_of
from lakehouse_cli.storage.errors import Cause, ChangedError, overtaken, translate_errors
from lakehouse_cli.storage.format_storage import (
    MANIFESTS,
    Listed,
    Opened,
    SourceFile,
    make_manifest,
    parse_manifest,
)
from lakehouse_cli.storage.hashing import HashingSink
from lakehouse_cli.storage.keyed.head import Head
from lakehouse_cli.storage.keyed.keys import Keys
from lakehouse_cli.storage.keyed.unit_keys import UnitKeys
from lakehouse_cli.storage.strays import (
    Endings,
    IndexedManifest,
    Place,
    Trace,
    find_strays,
    remove_stray,
    undeclared_units,
)
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.regular_files import hash_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Tables larger than this many bytes wait for their upload on disk instead of in memory.
IN_MEMORY = 16 << 20


class KeyedStorage(UnitKeys):
    """A storage of bytes under keys, in any format; a subclass says how to look at, get, put, delete and list them.

    Any exception of a subclass's becomes the error of the table it was met at. A storage is made anew in each worker
    process.
    """

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self._found_suffixes: dict[str, str] = {}
        # What this storage itself put: a table is stored again where its manifest could not be.
        self._put: dict[str, Head] = {}

    def list_files(self, folder: str, depth: int | None) -> Iterable[Listed]:
        """One listing of all keys below the folder."""
        prefix = f"{folder}/" if folder else ""
        for key, head in self.heads(prefix):
            parts = key.removeprefix(prefix).split("/")
            hidden = any(part.startswith(".") for part in parts)
            if key.startswith(prefix) and not hidden and (depth is None or len(parts) == depth + 1):
                yield Listed(key, head)

    def content_of(
        self, listed: Listed, file: Callable[[], SourceFile], known: Callable[[], Iterable[InputRecord]]
    ) -> InputRecord | None:
        """By what the listing shows, without a request where that is known."""
        records = tuple(known())
        return (_known(listed.seen, records) if listed.seen else None) or self.content(file(), records)

    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """Explain why something could not be done; to override where more can be said than the exception does."""
        del table
        if isinstance(error, OSError) and error.strerror:
            return Cause(system_reason(error))
        first = str(error).partition("\n")[0]
        return Cause(f"{type(error).__name__}: {first}" if first else type(error).__name__)

    def uri(self, table: Table) -> str:
        """Return the key under the root as the project file spells it; of a source, by the ending last found."""
        return self._shown(table, self._found_suffixes.get(table.path) or self._suffixes(table)[0])

    def stat(self, table: Table) -> Stored | None:
        """Return the size and time as the storage reports them."""
        found = self._find(table, "looked at")[1]
        return None if found is None else Stored(found.bytes, found.stamp)

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the version where that is known, else by the hash of the bytes: a time may be set back."""
        known = tuple(known)
        return self._until_unchanged(table, lambda: self._content(table, known))

    def _content(self, table: Table, known: tuple[InputRecord, ...]) -> InputRecord | None:
        key, found = self._find(table, "looked at")
        if found is None:
            return None
        with translate_errors(self, table, "read"):
            return _known(found, known) or _record(found, self.hash_key(key, found), known)

    def _read_once(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        key, found = self._find(table, "read")
        if found is None:
            raise self._missing(table)
        with translate_errors(self, table, "read"):
            opener = self.opener(key, found)
            data = self._parsed(table, columns, opener, lambda manifest: self.is_described(manifest, key, found))
            record = None if known is None else _known(found, known)
            if known is not None and record is None:
                with opener() as file:
                    record = _record(found, hash_of(file), known)
            return data, record

    def _opened(self, table: Table, known: tuple[InputRecord, ...]) -> tuple[Opened, InputRecord]:
        key, found = self._find(table, "read")
        if found is None:
            raise self._missing(table)
        with translate_errors(self, table, "read"):
            record = _known(found, known) or _record(found, self.hash_key(key, found), known)

        @contextmanager
        def opened() -> Iterator[tuple[Opener, Callable[[Manifest], bool]]]:
            yield self.opener(key, found), lambda manifest: self.is_described(manifest, key, found)

        return opened, record

    def is_described(self, manifest: Manifest, key: str, found: Head) -> bool:
        """Return whether a manifest is that of the bytes under a key, by their version where there is one."""
        if manifest.bytes != found.bytes:
            return False
        if found.version is not None and manifest.modified_ns == found.stamp:
            return True
        return manifest.content_hash == self.hash_key(key, found)

    def count_rows(self, table: Table) -> int | None:
        """As the format counts them; of what is large, only where not all of it must be fetched for that."""
        key, found = self._find(table, "looked at")
        if found is None or (found.bytes > IN_MEMORY and not self._format(table).holds_count):
            return None
        return self._format(table).count_rows(self.opener(key, found), self.uri(table), self._options(table))

    def find_lines(self, table: Table, rows: Sequence[int]) -> Mapping[int, int]:
        """As the format finds them."""
        key, found = self._find(table, "looked at")
        if found is None:
            return {}
        return self._format(table).find_lines(self.opener(key, found), self.uri(table), rows, self._options(table))

    def _publish(
        self, table: Table, write: Callable[[Sink], tuple[pa.Table, int]], origin: Callable[[], Provenance]
    ) -> Manifest:
        """Put what is written.

        Where there is no manifest yet, one is put before the data as well: a run that is killed in between leaves no
        data of which nobody knows that they are ours.
        """
        key = self._key(table, self._suffixes(table)[0])
        with translate_errors(self, table, "written"), SpooledTemporaryFile(IN_MEMORY) as aside:
            file = cast(BinaryIO, aside)
            sink = HashingSink(file)
            data, rows = write(sink)
            source = origin()
            file.seek(0)
            hash_ = sink.hexdigest()
            described = partial(make_manifest, table, data, source, size=sink.bytes, content_hash=hash_, rows=rows)
            beside = self._unit_manifest(table, source.keys) or _ManifestKey(self, self._manifest_key(table))
            is_new, seen = beside.is_new, self.head_key(key)
            with beside.replacing(hash_):
                try:
                    once = source.expected is not None and source.expected.once
                    ours = seen is not None and seen == self._put.get(key) and not once
                    if source.expected is not None and not ours and not _is(seen, source.expected.content):
                        raise ChangedError(f"`{key}` is not what was planned")
                    if is_new:
                        beside.claim(described(modified_ns=0))
                    head = self.put_key(key, file, seen)
                except ChangedError as error:
                    head = self._same_there(key, hash_) or self._lost(table, error)
                self._put[key] = head
                manifest = described(modified_ns=head.stamp)
                if not is_new:
                    # Before the old manifest goes, without which nobody would know that the data are ours.
                    self._remove_former(table, key, seen, source.expected)
                try:
                    manifest = beside.put(manifest)
                except ChangedError as error:
                    self._lost(table, error)
        return manifest

    def _remove_former(self, table: Table, key: str, seen: Head | None, expected: StoredVersion | None) -> None:
        """Remove the data of another format, or compression, that this table was stored in until now.

        Args:
            table: The table.
            key: Where its data are now.
            seen: What was there before; where that is what the manifest describes, nothing is looked for.
            expected: The manifest, as far as it is known.
        """
        described = expected.manifest if expected is not None else None
        if seen and described and (described.bytes, described.modified_ns) == (seen.bytes, seen.stamp):
            return
        # What cannot be removed does no harm: no table is read from it.
        with suppress(Exception):
            manifest = self.read_manifest(table)
            there = partial(self._endings_there, table)
            is_stored = manifest is not None and manifest.content_hash != UNFINISHED
            endings = Endings.possible([table], self.spec).of(manifest, there) if manifest and is_stored else ()
            for other in (self._key(table, suffix) for suffix in endings):
                head = self.head_key(other) if other != key else None
                # Byte for byte, whatever the version: all else is not ours.
                if manifest and head and head.bytes == manifest.bytes and self._has(other, head, manifest.content_hash):
                    self.delete_key(other)

    def _same_there(self, key: str, hash_: str) -> Head | None:
        """Return what is under a key, if those are the bytes that were to be put there.

        A request may have been done though its answer was lost, and was repeated; and two runs may store the same.
        """
        found = self.head_key(key)
        return found if found is not None and self._has(key, found, hash_) else None

    def _has(self, key: str, found: Head, hash_: str) -> bool:
        with suppress(ChangedError):
            return self.hash_key(key, found) == hash_
        return False

    def _lost(self, table: Table, error: ChangedError) -> Head:
        raise overtaken(table, self.uri(table)) from error

    def read_manifest(self, table: Table) -> Manifest | None:
        """Return the manifest beside the data, or in the index of its table."""
        if table.is_partitioned:
            return self._read_unit_manifest(table)
        with translate_errors(self, table, "looked at"):
            text = self.get_key(self._manifest_key(table))
        if text is None:
            return None
        return parse_manifest(text, self._shown_manifest(table))

    def keep_checks(self, table: Table, manifest: Manifest, checks: Amendment) -> bool:
        """Replace the manifest, and leave the data."""
        if table.is_partitioned:
            return self._keep_unit_checks(table, manifest, checks)
        with translate_errors(self, table, "written"):
            beside = _ManifestKey(self, self._manifest_key(table))
            now = self.read_manifest(table)
            changed = None if now is None else now.with_checks(checks, manifest)
            if changed is None or beside.is_new:
                return False
            with suppress(ChangedError):
                beside.put(changed)
                return True
        return False

    def altered_by(self, table: Table, content: InputRecord) -> str:
        """Name both: a run that was killed after it put the data leaves no trace."""
        del table, content
        return f"{OUTSIDE} or by an interrupted run"

    def delete(self, table: Table) -> None:
        """Remove the data and their manifest."""
        if table.is_partitioned:
            return self.drop([table])
        with translate_errors(self, table, "removed"):
            for key in (self._find(table, "removed")[0], self._manifest_key(table)):
                self.delete_key(key)
        return None

    def list(self) -> Iterable[Manifest]:
        """Return manifests under the root, by path."""
        with translate_errors(self, None, "looked through"):
            keys = sorted(self.manifest_keys())
        for key in keys:
            with translate_errors(self, None, "read"):
                text = self.get_key(key)
            if text is not None:
                yield parse_manifest(text, self._under_root(key))

    def identities(self, table: Table) -> frozenset[Any]:
        """Return the keys of its data and of its manifest, under the root."""
        keys = [self._key(table, suffix) for suffix in self._suffixes(table)]
        return frozenset((self._place, key) for key in (*keys, self._manifest_key(table)))

    def strays(self, declared: Iterable[Table], taken: frozenset[Any]) -> Sequence[Stray]:
        """Return tables that a manifest describes and the project does not declare."""
        tables = list(declared)
        with translate_errors(self, None, "looked through"):
            divided = {table.path: table.partitions for table in tables if table.is_partitioned}
            place = _KeyedPlace(self, Endings.possible(tables, self.spec), divided)
            return list(find_strays(place, {table.path for table in tables} - divided.keys(), taken))

    def remove_stray(self, stray: Stray) -> str | None:
        """Remove the very keys that were listed."""
        with translate_errors(self, None, "cleaned"):
            return remove_stray(_KeyedPlace(self), stray)

    @property
    def _place(self) -> str:
        """What identifies this root."""
        return self.spec.root.rstrip("/")

    def manifest_keys(self) -> Iterable[str]:
        """Return the keys of all manifests."""
        return [key for key in self.keys(f"{MANIFESTS}/") if key.endswith(".json")]

    def _endings_there(self, table: Table) -> Iterable[str]:
        return self._endings_of(table.path)

    def _endings_of(self, path: str) -> Iterable[str]:
        with suppress(Exception):
            return sorted(key.removeprefix(path) for key in self.keys(f"{path}."))
        return ()

    def _key(self, table: Table, suffix: str) -> str:
        return f"{table.path}{suffix}"

    def _manifest_key(self, table: Table) -> str:
        if table.is_partitioned:
            return self._index(table).prefix
        return f"{MANIFESTS}/{table.path}.json"

    def _find(self, table: Table, doing: str) -> tuple[str, Head | None]:
        """Return the key of the stored data and their head; the key they would have where nothing is stored."""
        with translate_errors(self, table, doing):
            heads = {suffix: self.head_key(self._key(table, suffix)) for suffix in self._suffixes(table)}
        suffix = self._one_of([suffix for suffix, head in heads.items() if head is not None], table)
        self._found_suffixes[table.path] = suffix
        return self._key(table, suffix), heads[suffix]


class _ManifestKey:
    """The manifest of a table, under a key of its own.

    Attributes:
        is_new: Whether there was none when it was looked at.
    """

    def __init__(self, storage: Keys, key: str) -> None:
        self._storage, self._key = storage, key
        self._seen = storage.head_key(key)
        self.is_new = self._seen is None

    def replacing(self, content_hash: str) -> AbstractContextManager[None]:
        """Entered for as long as data and manifest are put."""
        del content_hash
        return nullcontext()

    def claim(self, manifest: Manifest) -> None:
        """Put it before there are data, whose time it lacks.

        That of another run will do as well: which of the two stores the table is decided by the data.
        """
        try:
            self.put(manifest)
        except ChangedError:
            self._seen = self._storage.head_key(self._key)

    def put(self, manifest: Manifest) -> Manifest:
        """Put it over what was seen, and return it as put; raises ChangedError where something else is there by now."""
        self._seen = self._storage.put_key(self._key, io.BytesIO(manifest.to_text().encode()), self._seen)
        return manifest


def _is(found: Head | None, content: InputRecord | None) -> bool:
    """Return whether what is under a key is the content that was seen there."""
    if found is None or content is None:
        return found is None and content is None
    return (found.bytes, found.stamp) == (content.bytes, content.modified_ns)


def _known(found: Head, known: Iterable[InputRecord]) -> InputRecord | None:
    """Return the record of what was found, if its version is known."""
    if found.version is None:
        return None
    return next((r for r in known if r.bytes == found.bytes and r.modified_ns == found.stamp), None)


def _record(found: Head, hash_: str, known: Iterable[InputRecord]) -> InputRecord:
    return record_of(hash_, found.bytes, found.stamp, known)


class _KeyedPlace(Place):
    """A storage of bytes under keys as it is searched for strays; root, key and head identify one."""

    def __init__(
        self,
        storage: KeyedStorage,
        endings: Endings | None = None,
        divided: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._divided = divided or {}
        self.name = storage.spec.name
        self._storage = storage
        self._endings = endings or Endings()

    def manifests(self, declared: Collection[str]) -> Iterator[tuple[str, Trace, str | bytes]]:
        """By the path of the table."""
        for path in self._storage.divided_paths():
            with self._storage.index_of(path).reading() as index:
                for unit, state, manifest in undeclared_units(path, index, self._divided.get(path)):
                    own = self._storage._place, state
                    yield unit, Trace(self._storage._under_root(f"{path}/"), len(manifest), 0, own, own), manifest
        for key in sorted(self._storage.manifest_keys()):
            table = key[len(MANIFESTS) + 1 : -len(".json")]
            trace = None if table in declared else self._trace(key)
            text = self._storage.get_key(key) if trace is not None else None
            if trace is not None and text is not None:
                yield table, trace, text

    def _trace(self, key: str) -> Trace | None:
        head = self._storage.head_key(key)
        if head is None:
            return None
        own = self._storage._place, key
        return Trace(self._storage._under_root(key), head.bytes, head.modified_ns, own, (*own, head))

    def data(self, table: str, trace: Trace, manifest: Manifest) -> Iterator[Trace]:
        """Return what is under the path with each ending."""
        del trace
        there = partial(self._storage._endings_of, table)
        yield from filter(None, (self._trace(table + suffix) for suffix in self._endings.of(manifest, there)))

    def is_described(self, manifest: Manifest, data: Trace) -> bool:
        """By the version, else by the hash."""
        return self._storage.is_described(manifest, *data.state[1:])

    def is_unchanged(self, state: Any) -> bool:
        """By its head."""
        if isinstance(state[1], IndexedManifest):
            with self._storage.index_of(state[1].path).reading() as index:
                return state[1].is_in(index)
        return bool(self._storage.head_key(state[1]) == state[2])

    def remove(self, state: Any) -> None:
        """Remove the key, or what an index says."""
        if isinstance(state[1], IndexedManifest):
            self._storage.index_of(state[1].path).drop([state[1].partition])
        else:
            self._storage.delete_key(state[1])
