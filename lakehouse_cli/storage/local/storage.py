"""Tables as files in a local folder, one file each, in any `Format`."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, Any, NamedTuple

from lakehouse_cli.errors import ObstructedError, StorageError
from lakehouse_cli.formats.base import Opener, Sink
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.manifest import OUTSIDE, Amendment, InputRecord, Manifest
from lakehouse_cli.model.unit import needs_manifest
from lakehouse_cli.storage.base import Provenance, Scan, Stored, Stray, record_of
from lakehouse_cli.storage.errors import ChangedError, changed_while_read, translate_errors
from lakehouse_cli.storage.format_storage import (
    MANIFESTS,
    Listed,
    Opened,
    SourceFile,
    parse_manifest,
)
from lakehouse_cli.storage.local.folders import Folder
from lakehouse_cli.storage.local.hashes import open_unchanged
from lakehouse_cli.storage.local.paths import endings_there
from lakehouse_cli.storage.local.publishing import remove_leftovers, replacing
from lakehouse_cli.storage.local.stat_cache import Stamp
from lakehouse_cli.storage.local.unit_files import UnitFiles, write_described
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.regular_files import hash_of, read_regular

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.formats.native import NativeFile
    from lakehouse_cli.storage.files_reading import Part


class _Found(NamedTuple):
    """A stored file: its path, links resolved; its stamp; and whether a link stands in its place."""

    path: str
    stamp: Stamp
    linked: bool


class FileStorage(UnitFiles):
    """A local folder of files.

    Manifests are small JSON files under ``.lakehouse/manifests`` in the same folder, so that a copy of the data
    has them too.
    """

    # A file that grows by the second changes each time, however large it is.
    _long_readings = 4

    def stat(self, table: Table) -> Stored | None:
        """Size and time of the stored file."""
        found = self._find(table)
        if found is None:
            return None
        if table.kind == "computed":
            with translate_errors(self, table, "looked at"), self._open_folder(self._file(table), table):
                pass  # what is behind a link that was put there meanwhile is another's
        return Stored(found.stamp.size, found.stamp.modified_ns)

    def _find(self, table: Table) -> _Found | None:
        """The stored file; None where nothing is stored."""
        try:
            path = self._file(table)
            real = self._held_inside(self._in_folder(path), path, table)
            status = os.lstat(real)
            if linked := S_ISLNK(status.st_mode):
                real = self._inside(path, table)
                status = os.stat(real)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            with translate_errors(self, table, "looked at"):
                raise
        if S_ISREG(status.st_mode):
            return _Found(real, Stamp.of(status), linked)
        if S_ISDIR(status.st_mode):
            raise self._is_a_folder(table)
        raise ObstructedError(
            f"{self.uri(table)} is not a file",
            hint="move it away, or give the table another `path:`",
            location=table.where("path"),
        )

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the hash of the file, which is kept for as long as `stat` shows that the file is unchanged."""
        known = tuple(known)
        return self._until_unchanged(table, lambda: self._content(table, known))

    def content_of(
        self, listed: Listed, file: Callable[[], SourceFile], known: Callable[[], Iterable[InputRecord]]
    ) -> InputRecord | None:
        """By the hash that is kept, where `stat` shows that the file is unchanged."""
        real = self._in_folder(f"{self.spec.root}/{listed.path}")
        with suppress(OSError):
            status = os.lstat(real)
            if S_ISREG(status.st_mode) and real.startswith(self._inside_root):
                stamp = Stamp.of(status)
                if (hash_ := self._hashes.known(real, stamp)) is not None:
                    return InputRecord(hash_, -1, stamp.size, stamp.modified_ns)
        return self.content(file(), known())

    def _content(self, table: Table, known: tuple[InputRecord, ...]) -> InputRecord | None:
        found = self._find(table)
        if found is None:
            return None
        hash_ = self._hashes.known(found.path, found.stamp)
        if hash_ is None:
            with translate_errors(self, table, "read"):
                hash_ = self._hashes.of(found.path, found.stamp)
        if table.kind == "computed" and found.linked:
            # Not what a run left, whatever it leads to: that may be the file of a table that is about to change.
            return InputRecord(f"link {hash_}", -1, found.stamp.size)
        if table.kind == "computed" and hash_ not in [record.content_hash for record in known]:
            self._refuse_behind_link(table)
        return record_of(hash_, found.stamp.size, found.stamp.modified_ns, known)

    def _read_once(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        found = self._find(table)
        if found is None:
            raise self._missing(table)
        path, stamp, _ = found
        opener = partial(open_unchanged, path, stamp)
        with translate_errors(self, table, "read"):
            if known is None:
                hash_of = self._hashes.of
                return self._parsed(table, columns, opener, lambda m: m.content_hash == hash_of(path, stamp)), None
            with self._hashes.reading(path, stamp) as hash_:
                data = self._parsed(table, columns, opener, lambda manifest: manifest.content_hash == hash_)
        return data, record_of(hash_, stamp.size, stamp.modified_ns, known)

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """The file, whole, piece by piece, or as engines read it."""
        found = super().scan(table, columns)
        if table.format in ("parquet", "ipc"):
            found.native = partial(self._native, table, columns)
        return found

    def _native(self, table: Table, columns: Sequence[Column] | None, record: InputRecord) -> NativeFile | None:
        from lakehouse_cli.formats.native import native_ipc, native_parquet

        found = self._find(table)
        if found is None or needs_manifest(table, columns):
            return None
        reading = ExitStack()

        def check() -> None:
            try:
                with translate_errors(self, table, "read"):
                    reading.close()
            except ChangedError as error:
                raise changed_while_read(table, self.uri(table)) from error

        with translate_errors(self, table, "read"), suppress(ChangedError):
            reading.enter_context(self._hashes.reading(found.path, found.stamp))
            # Of the bytes as they are now: engines do not look at the checksums of pages.
            with open_unchanged(found.path, found.stamp) as file:
                if hash_of(file) != record.content_hash:
                    return None
            manifest = self.read_manifest(table) if table.kind == "computed" else None
            if table.kind == "computed" and (manifest is None or manifest.content_hash != record.content_hash):
                return None  # what others wrote, or what was damaged: engines believe values that Arrow refuses
            if table.format == "parquet":
                return native_parquet(found.path, columns, check, is_judged=table.kind == "computed")
            return None if manifest is None else native_ipc(found.path, columns, manifest.rows, check)
        return None

    def _opened(self, table: Table, known: tuple[InputRecord, ...]) -> tuple[Opened, InputRecord]:
        found = self._find(table)
        if found is None:
            raise self._missing(table)
        path, stamp, _ = found
        with translate_errors(self, table, "read"):
            hash_ = self._hashes.of(path, stamp)

        @contextmanager
        def opened() -> Iterator[tuple[Opener, Callable[[Manifest], bool]]]:
            with self._hashes.reading(path, stamp) as now:
                if now != hash_:
                    raise ChangedError(path)
                yield partial(open_unchanged, path, stamp), lambda manifest: manifest.content_hash == hash_

        return opened, record_of(hash_, stamp.size, stamp.modified_ns, known)

    def _read_into(self, view: memoryview, file: Part, content: InputRecord) -> None:
        real = self._in_folder(f"{self.spec.root}/{file.shown}")
        if not real.startswith(self._inside_root):
            raise ChangedError(real)
        self._hashes.read_into(view, real, content.content_hash)

    def count_rows(self, table: Table) -> int | None:
        """Count rows as the format does."""
        path = self._path(table)
        return self._format(table).count_rows(lambda: open(path, "rb"), self.uri(table), self._options(table))

    def find_lines(self, table: Table, rows: Sequence[int]) -> Mapping[int, int]:
        """As the format finds them."""
        path = self._path(table)
        return self._format(table).find_lines(lambda: open(path, "rb"), self.uri(table), rows, self._options(table))

    def _publish(
        self, table: Table, write: Callable[[Sink], tuple[pa.Table, int]], origin: Callable[[], Provenance]
    ) -> Manifest:
        """Write the file aside, put it in place, then the manifest; where there is none yet, the manifest first.

        A run that is killed in between leaves no file of which nobody knows that it is ours.
        """
        if table.partition is not None:
            return self._publish_unit(table, write, origin)
        with translate_errors(self, table, "written"):
            file, manifest_file = self._file(table), self._manifest_file(table)
            target, mode = self._replaced(file, table)
            if mode is not None and S_ISDIR(mode):
                raise self._is_a_folder(table)
            self._in_own_folder(manifest_file, table)
            manifest_path, before = self._replaced(manifest_file, table)
            if before is not None and S_ISDIR(before):
                raise self._manifest_is_a_folder(table)
            # The manifest is put in place after the data, but written before: what cannot be written replaces nothing.
            # It is not waited for here: one that a power failure spoils is ours all the same, and not believed.
            with (
                self._open_folder(file, table, make=True) as folder,
                self._open_folder(manifest_file, table, make=True) as manifests,
                ExitStack() as together,
                ExitStack() as at_the_end,
            ):
                beside = at_the_end.enter_context(
                    replacing(manifests, manifest_path.rpartition("/")[2], mode=before, durable=False)
                )
                with replacing(folder, target.rpartition("/")[2], mode=mode, together=together) as sink:
                    manifest, _ = write_described(sink, table, write, origin)
                    beside.write(manifest.to_text().encode())
                    beside.flush()
                    folder.refuse_moved()
                    manifests.refuse_moved()
                    if before is None:
                        at_the_end.close()
                if before is not None:
                    # Before the old manifest goes, without which nobody would know that the file is ours.
                    self._remove_former(table, folder, is_new=mode is None)
            self._settle(
                {
                    manifest_path,
                    *(each.rpartition("/")[0] for each in (manifest_path, target)),
                    *folder.made,
                    *manifests.made,
                }
            )
            self._hashes.keep(target, sink.status, manifest.content_hash, flush=self._unsynced is None)
        return manifest

    def _remove_former(self, table: Table, folder: Folder, *, is_new: bool) -> None:
        """Remove the file of another format, ending or compression, that this table was stored in until now.

        Args:
            table: The table.
            folder: Where its file is.
            is_new: Whether nothing was where it is stored now.
        """
        from lakehouse_cli.storage.local.strays import remove_former  # not loaded where all is new
        from lakehouse_cli.storage.strays import Endings

        name, now = os.path.basename(table.path), self._suffix(table)
        base, endings = f"{folder.path}/{name}", Endings.possible([table], self.spec)
        if not is_new and not any(os.path.lexists(base + each) for each in {*endings.tables, *endings.objects} - {now}):
            return
        with suppress(StorageError):  # a manifest that cannot be read says nothing
            before = self.read_manifest(table)
            if before is not None:
                # Only what is new may have been under any ending; a folder of many tables is listed for few of them.
                former = set(endings.of(before, lambda: endings_there(base) if is_new else ())) - {now}
                remove_former(folder, [name + suffix for suffix in former], before)

    def _manifest_bytes(self, table: Table) -> bytes:
        path = self._manifest_file(table)
        try:
            # Thousands are read for a plan: whether it is a link, the system says as it opens it.
            real = self._in_own_folder(path, table)
            return read_regular(real, follow=False)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return read_regular(self._inside(path, table))

    def read_manifest(self, table: Table) -> Manifest | None:
        """The manifest beside the data, or in the index of its table."""
        if table.is_partitioned:
            return self._read_unit_manifest(table)
        try:
            text = self._manifest_bytes(table)
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise self._no_folder_of_manifests(table) from error
        except IsADirectoryError as error:
            raise self._manifest_is_a_folder(table) from error
        except OSError:
            with translate_errors(self, table, "read"):
                raise
        return parse_manifest(text, self._shown_manifest(table))

    def keep_checks(self, table: Table, manifest: Manifest, checks: Amendment) -> bool:
        """Replace the manifest, and leave the data."""
        if table.is_partitioned:
            return self._keep_unit_checks(table, manifest, checks)
        with translate_errors(self, table, "written"):
            file = self._manifest_file(table)
            now = self.read_manifest(table)
            changed = None if now is None else now.with_checks(checks, manifest)
            if changed is None:
                return False
            self._in_own_folder(file, table)
            path, mode = self._replaced(file, table)
            with (
                self._open_folder(file, table) as folder,
                replacing(folder, path.rpartition("/")[2], mode=mode) as sink,
            ):
                sink.write(changed.to_text().encode())
            self._settle({path, path.rpartition("/")[0]})
        return True

    def altered_by(self, table: Table, content: InputRecord) -> str:
        """A run that was killed after it put the data in place leaves their manifest aside, whole."""
        if self._is_link(table):
            return "by a link that was put in its place"
        if table.is_partitioned:
            run = self._interrupted(table, content)
            return OUTSIDE if run is None else f"by the interrupted run {run}"
        from lakehouse_cli.storage.local.strays import left_aside  # seldom needed

        with suppress(OSError, StorageError):
            left = left_aside(self._manifest_path(table), content.content_hash)
            if left is not None:
                return f"by the interrupted run {left.run_id}"
        return OUTSIDE

    def delete(self, table: Table) -> None:
        """Remove the file and its manifest."""
        if table.is_partitioned:
            return self.drop([table])
        with translate_errors(self, table, "removed"):
            for path in (self._file(table), self._manifest_file(table)):
                self._remove_file(path, table)
        return None

    def list(self) -> Iterable[Manifest]:
        """Manifests under the root, by path."""
        folder = Path(self.spec.root, MANIFESTS)
        for path in sorted(folder.rglob("*.json")):
            yield parse_manifest(read_regular(path), self._under_root(path.relative_to(self.spec.root).as_posix()))

    def local_files(self, table: Table) -> Iterable[str]:
        """The file under each ending it may have."""
        return [f"{self.spec.root}/{table.path}{suffix}" for suffix in self._suffixes(table)]

    def remove_leftovers(self, tables: Iterable[Table]) -> None:
        """Remove half-written files beside these tables and their manifests."""
        seen = set()
        for table in tables:
            for path in (self._file(table), self._manifest_file(table)):
                if (above := path.rpartition("/")[0]) not in seen:
                    seen.add(above)
                    # One that leads astray is reported when its turn comes; there is nothing of ours behind it.
                    with suppress(OSError, StorageError), self._open_folder(path, table) as folder:
                        remove_leftovers(folder)

    def identities(self, table: Table) -> frozenset[Any]:
        """Device and inode of its file and of its manifest."""
        from lakehouse_cli.storage.local.strays import Seen  # for `clean` and `copy` alone

        with translate_errors(self, table, "looked at"):
            seen = [Seen.of(path) for path in (self._path(table), self._manifest_path(table))]
            return frozenset(file.identity for file in seen if file is not None)

    def strays(self, declared: Iterable[Table], taken: frozenset[Any]) -> Sequence[Stray]:
        """Files aside that nobody holds, and tables that a manifest describes and the project does not declare."""
        from lakehouse_cli.storage.local.strays import FilePlace  # for `clean` alone
        from lakehouse_cli.storage.strays import Endings, find_strays

        tables = list(declared)
        divided = {table.path: table.partitions for table in tables if table.is_partitioned}
        endings = Endings.possible(tables, self.spec)
        place = FilePlace(self.spec.name, self.spec.root_text, self._real_root, endings, divided)
        with translate_errors(self, None, "looked through"):
            return list(find_strays(place, {table.path for table in tables} - divided.keys(), taken))

    def remove_stray(self, stray: Stray) -> str | None:
        """Remove the very files that were listed."""
        from lakehouse_cli.storage.local.strays import FilePlace
        from lakehouse_cli.storage.strays import remove_stray

        try:
            return remove_stray(FilePlace(self.spec.name, self.spec.root_text, self._real_root), stray)
        except OSError as error:
            return system_reason(error)
