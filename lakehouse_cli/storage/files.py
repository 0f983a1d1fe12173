"""Tables as files in a local folder, one file each, in any `Format`."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import TYPE_CHECKING, Any

from lakehouse_cli.errors import ObstructedError, StorageError
from lakehouse_cli.model import Column, StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.regular_files import read_regular
from lakehouse_cli.storage.base import READINGS, ChangedError, Origin, Stored, Stray, changed_while_read
from lakehouse_cli.storage.file_hashes import FileHashes, open_unchanged
from lakehouse_cli.storage.formatted import (
    MANIFESTS,
    FormattedStorage,
    columns_of,
    make_manifest,
    needs_manifest,
    parse_manifest,
)
from lakehouse_cli.storage.publishing import make_folder, remove_leftovers, replacing, sync_all
from lakehouse_cli.storage.stat_cache import Stamp
from lakehouse_cli.storage.strays import Root, Seen, find_strays, left_aside, remove_former, remove_stray

if TYPE_CHECKING:
    import pyarrow as pa

# How often a whole file is read that is changed meanwhile, as one that grows by the second is each time.
_LONG_READINGS = 4
_ADVICE = {
    errno.ENOSPC: "make room on the disk and run again",
    errno.EDQUOT: "make room within the quota and run again",
    errno.EFBIG: "the limit on file sizes (`ulimit -f`) is too low for this table",
    errno.EROFS: "the storage is read-only; give it another `root:` in the project file",
    errno.EACCES: "check the permissions of the storage's folder",
    errno.EPERM: "check the permissions of the storage's folder",
    errno.ENAMETOOLONG: "give the table a shorter `path:`",
}


class FileStorage(FormattedStorage):
    """A local folder of files.

    Manifests are small JSON files under ``.lakehouse/manifests`` in the same folder, so that whoever has the data
    has them too.
    """

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self._hashes = FileHashes(spec.folder)
        self._real_folders: dict[str, str] = {}
        self._made_folders: set[str] = set()
        # Of what is in use, the manifests and folders that may not be on disk yet; None where each is waited for.
        self._unsynced: set[str] | None = None

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.spec.root)

    @cached_property
    def _inside_root(self) -> str:
        """What the path of whatever is inside the root starts with."""
        return self._real_root.rstrip(os.sep) + os.sep

    def uri(self, table: Table) -> str:
        """The file's path: under the root as the project file spells it; of one that is there twice, the first."""
        return self._shown(table, self._found_suffixes(table)[0])

    def _suffix(self, table: Table) -> str:
        """The ending of the stored file, or of the one that would be written where nothing is stored."""
        return self._one_of(self._found_suffixes(table), table)

    def _found_suffixes(self, table: Table) -> Sequence[str]:
        """The endings of what is there, of those that may be; the one that would be written where nothing is."""
        suffixes = self._suffixes(table)
        if len(suffixes) == 1:
            return suffixes
        base = f"{self.spec.root}/{table.path}"
        return [suffix for suffix in suffixes if os.path.lexists(base + suffix)] or suffixes[:1]

    def _path(self, table: Table) -> str:
        """The stored file as it is read; links resolved and inside the root."""
        return self._inside(f"{self.spec.root}/{table.path}{self._suffix(table)}", table)

    def _target(self, table: Table) -> str:
        """The name that is written: a link there is replaced, and what it leads to stays as it is."""
        path = f"{self.spec.root}/{table.path}{self._suffix(table)}"
        self._inside(path, table)
        return self._in_folder(path)

    def _is_link(self, table: Table) -> bool:
        return os.path.islink(self._in_folder(f"{self.spec.root}/{table.path}{self._suffix(table)}"))

    def _inside(self, path: str, table: Table) -> str:
        """The path with links resolved, refused where they lead out of the root."""
        real = self._in_folder(path)
        if os.path.islink(real):
            real = os.path.realpath(real)
        return self._held_inside(real, path, table)

    def _in_folder(self, path: str) -> str:
        """The path with the links of its folder resolved."""
        folder, _, name = path.rpartition("/")
        return f"{self._real_folder(folder)}/{name}"

    def _held_inside(self, real: str, path: str, table: Table) -> str:
        """A path with links resolved, refused where it is out of the root."""
        if not real.startswith(self._inside_root):
            shown = self._under_root(path.removeprefix(f"{self.spec.root}/"))
            raise ObstructedError(
                f"{shown} leads out of storage `{self.spec.name}` through a link",
                hint="put the data inside the storage's root, or declare a storage whose root is where they are",
                location=table.where("path", "storage"),
            )
        return real

    def _refuse_behind_link(self, table: Table) -> None:
        """Refuse to replace what links between the root and the table's folder lead to and no run stored."""
        folder = os.path.dirname(f"{self.spec.root}/{table.path}")
        if self._real_folder(folder) != f"{self._inside_root}{os.path.dirname(table.path)}".rstrip(os.sep):
            raise ObstructedError(
                f"{self.uri(table)} is behind a link, and not what a run stored",
                hint="move it away, or replace the link by a folder; what a link leads to is never written over",
                location=table.where("path", "storage"),
            )

    def _real_folder(self, folder: str) -> str:
        # Resolving costs a system call for every part of the path; a thousand tables share a few folders.
        if folder not in self._real_folders:
            self._real_folders[folder] = os.path.realpath(folder)
        return self._real_folders[folder]

    @contextmanager
    def _told(self, table: Table, doing: str) -> Iterator[None]:
        """Wrap an operating system's error, naming table and storage."""
        try:
            yield
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            if self._is_of_ours(error):
                shown = self._shown_manifest(table)
            else:
                shown = self._shown(table, self._suffixes(table)[0])
            raise StorageError(
                f"{shown} cannot be {doing}: {reason}",
                hint=_ADVICE.get(error.errno or 0, f"look at storage `{self.spec.name}`"),
                location=table.where("path", "storage"),
            ) from error

    def _is_of_ours(self, error: OSError) -> bool:
        """Whether it is manifests that could not be worked with, not data."""
        ours = f"{self._real_root}/{MANIFESTS.partition('/')[0]}"
        paths = [path for path in (error.filename, error.filename2) if isinstance(path, str)]
        return any(path == ours or path.startswith(f"{ours}/") for path in paths)

    def stat(self, table: Table) -> Stored | None:
        """Size and time of the stored file."""
        found = self._find(table)
        return None if found is None else Stored(found[1].size, found[1].modified_ns)

    def _find(self, table: Table) -> tuple[str, Stamp] | None:
        """The stored file, links resolved, and its stamp; None where nothing is stored."""
        with self._told(table, "looked at"):
            path = f"{self.spec.root}/{table.path}{self._suffix(table)}"
            real = self._held_inside(self._in_folder(path), path, table)
            try:
                status = os.lstat(real)
                if S_ISLNK(status.st_mode):
                    real = self._inside(path, table)
                    status = os.stat(real)
            except (FileNotFoundError, NotADirectoryError):
                return None
            if S_ISDIR(status.st_mode):
                raise self._is_a_folder(table)
            if not S_ISREG(status.st_mode):
                raise StorageError(
                    f"{self.uri(table)} is not a file",
                    hint="move it away, or give the table another `path:`",
                    location=table.where("path"),
                )
            return real, Stamp.of(status)

    def _found(self, table: Table) -> tuple[str, Stamp]:
        found = self._find(table)
        if found is None:
            raise self._missing(table)
        return found

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the hash of the file, which is kept for as long as `stat` shows that the file is unchanged."""
        known = tuple(known)
        for _ in range(READINGS):
            found = self._find(table)
            if found is None:
                return None
            try:
                with self._told(table, "read"):
                    hash_ = self._hashes.of(*found)
            except ChangedError:
                continue
            if table.kind == "computed" and self._is_link(table):
                # Not what a run left, whatever it leads to: that may be the file of a table that is about to change.
                return InputRecord(f"link {hash_}", -1, found[1].size)
            if table.kind == "computed" and not any(record.content_hash == hash_ for record in known):
                self._refuse_behind_link(table)
            return _record(hash_, found[1], known)
        raise changed_while_read(table, self.uri(table))

    def read(self, table: Table, columns: Sequence[Column] | None) -> pa.Table:
        """Read the declared columns; a computed table that declares none is read as its manifest tells."""
        for _ in range(READINGS):
            found = self._found(table)
            try:
                with self._told(table, "read"):
                    hash_ = self._hashes.of(*found) if needs_manifest(table, columns) else ""
                    return self._read(table, columns, found, hash_)
            except ChangedError:
                continue
        raise changed_while_read(table, self.uri(table))

    def read_with_content(
        self, table: Table, columns: Sequence[Column] | None, known: Iterable[InputRecord]
    ) -> tuple[pa.Table, InputRecord]:
        """Read the file, and again where it changed meanwhile."""
        known = tuple(known)
        for _ in range(_LONG_READINGS):
            found = self._found(table)
            try:
                with self._told(table, "read"), self._hashes.reading(*found) as hash_:
                    data = self._read(table, columns, found, hash_)
            except ChangedError:
                continue
            return data, _record(hash_, found[1], known)
        raise changed_while_read(table, self.uri(table))

    def _read(
        self, table: Table, columns: Sequence[Column] | None, found: tuple[str, Stamp], content_hash: str
    ) -> pa.Table:
        if needs_manifest(table, columns):
            columns = self._stored_columns(table, content_hash, columns)
        return self._format(table).read(partial(open_unchanged, *found), self.uri(table), columns, table.options)

    def count_rows(self, table: Table) -> int | None:
        """As the format tells."""
        path = self._path(table)
        return self._format(table).count_rows(lambda: open(path, "rb"), self.uri(table), table.options)

    def _stored_columns(
        self, table: Table, content_hash: str, declared: Sequence[Column] | None
    ) -> tuple[Column, ...] | Sequence[Column] | None:
        """The declared columns, and those beyond them as the manifest tells, if it is that of these very bytes."""
        manifest = self.read_manifest(table)
        if manifest is None or manifest.content_hash != content_hash:
            return declared
        return columns_of(manifest, declared, self._shown_manifest(table))

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Manifests, and which files are in its folders, are waited for once, at the end, and not after every table.

        Until then a power failure may take back tables, each whole, or leave a manifest that cannot be read: the next
        run makes these again.
        """
        self._unsynced = set()
        try:
            yield
        finally:
            unsynced, self._unsynced = self._unsynced, None
            sync_all(tuple(unsynced))

    def publish(self, table: Table, data: pa.Table, origin: Origin) -> Manifest:
        """Write the file aside, put it in place, then the manifest; where there is none yet, the manifest first.

        A run that is killed in between leaves no file of which nobody knows that it is ours.
        """
        with self._told(table, "written"):
            target = self._target(table)
            if os.path.isdir(target):
                raise self._is_a_folder(table)
            manifest_path = self._manifest_path(table)
            before = _mode_of(manifest_path)
            if before is not None and S_ISDIR(before):
                raise self._manifest_is_a_folder(table)
            made = self._make_folder(target) | self._make_folder(manifest_path)
            # The manifest is put in place after the data, but written before: what cannot be written replaces nothing.
            # It is not waited for here: one that a power failure spoils is ours all the same, and not believed.
            with ExitStack() as at_the_end:
                beside = at_the_end.enter_context(replacing(manifest_path, durable=False))
                with replacing(target) as sink:
                    self._format(table).write(data, sink, table.options)
                    sink.settle()
                    manifest = make_manifest(
                        table,
                        data,
                        origin,
                        size=sink.bytes,
                        content_hash=sink.hexdigest(),
                        modified_ns=sink.modified_ns,
                    )
                    beside.write(manifest.to_text().encode())
                    beside.flush()
                    if before is None:
                        at_the_end.close()
                if before is not None:
                    # Before the old manifest goes, without which nobody would know that the file is ours.
                    self._remove_former(table)
            self._settle({manifest_path, os.path.dirname(manifest_path), os.path.dirname(target), *made})
            self._hashes.keep(target, sink.status, manifest.content_hash)
        return manifest

    def _settle(self, paths: set[str]) -> None:
        unsynced = self._unsynced  # another thread may come to its end meanwhile
        if unsynced is None:
            sync_all(paths)
        else:
            unsynced |= paths

    def _remove_former(self, table: Table) -> None:
        """Remove the file of another format, or compression, that this table was stored in until now."""
        base, now = f"{self.spec.root}/{table.path}", self._suffix(table)
        others = [base + suffix for suffix in self._any_suffixes([table]) if suffix != now]
        found = [file for file in others if os.path.lexists(file)]
        with suppress(StorageError):  # a manifest that cannot be read tells of nothing
            before = self.read_manifest(table) if found else None
            if before is not None:
                remove_former([self._inside(file, table) for file in found if not os.path.islink(file)], before)

    def _make_folder(self, path: str) -> set[str]:
        folder = os.path.dirname(path)
        if folder in self._made_folders:
            return set()
        changed = make_folder(folder)
        self._made_folders.add(folder)
        self._real_folders.clear()
        return changed

    def _manifest_path(self, table: Table) -> str:
        """The name of the manifest; a link there is replaced as one in the place of data is."""
        path = f"{self.spec.root}/{MANIFESTS}/{table.path}.json"
        self._inside(path, table)
        return self._in_own_folder(path, table)

    def _in_own_folder(self, path: str, table: Table) -> str:
        """The path of a manifest, refused where a link on the way makes it perhaps that of another table."""
        real = self._held_inside(self._in_folder(path), path, table)
        if real != f"{self._inside_root}{MANIFESTS}/{table.path}.json":
            raise ObstructedError(
                f"{self._shown_manifest(table)} is behind a link",
                hint=f"replace the link by a folder: nothing in {self._under_root(MANIFESTS)} may be one",
                location=table.where("path", "storage"),
            )
        return real

    def _manifest_bytes(self, table: Table) -> bytes:
        path = f"{self.spec.root}/{MANIFESTS}/{table.path}.json"
        try:
            # Thousands are read for a plan: whether it is a link, the system tells as it opens it.
            real = self._in_own_folder(path, table)
            return read_regular(real, follow=False)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return read_regular(self._inside(path, table))

    def read_manifest(self, table: Table) -> Manifest | None:
        """The manifest beside the data."""
        try:
            text = self._manifest_bytes(table)
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise self._no_folder_of_manifests(table) from error
        except IsADirectoryError as error:
            raise self._manifest_is_a_folder(table) from error
        except OSError as error:
            raise StorageError(
                f"{self._shown_manifest(table)} cannot be read: {(error.strerror or 'unreadable').lower()}",
                hint=_ADVICE.get(error.errno or 0, f"look at storage `{self.spec.name}`"),
            ) from error
        return parse_manifest(text, self._shown_manifest(table))

    def altered_by(self, table: Table, content: InputRecord) -> str:
        """A run that was killed after it put the data in place leaves their manifest aside, whole."""
        if self._is_link(table):
            return "by a link that was put in its place"
        with suppress(OSError, StorageError):
            left = left_aside(self._manifest_path(table), content.content_hash)
            if left is not None:
                return f"by the interrupted run {left.run_id}"
        return super().altered_by(table, content)

    def _is_a_folder(self, table: Table) -> ObstructedError:
        return ObstructedError(
            f"{self.uri(table)} is a folder",
            hint="move it away, or give the table another `path:`",
            location=table.where("path"),
        )

    def _manifest_is_a_folder(self, table: Table) -> ObstructedError:
        return ObstructedError(
            f"{self._shown_manifest(table)} is a folder",
            hint=f"move it away; the manifest of `{table.name}` belongs there",
            location=table.where("path"),
        )

    def _no_folder_of_manifests(self, table: Table) -> ObstructedError:
        above = Path(MANIFESTS, f"{table.path}.json").parents
        files = (each.as_posix() for each in reversed(above) if Path(self.spec.root, each).is_file())
        shown = self._under_root(next(files, MANIFESTS)).removesuffix("/.")  # the root itself
        return ObstructedError(
            f"{shown} is a file",
            hint=f"move it away; the manifest of `{table.name}` belongs in a folder of that name",
            location=table.where("path", "storage"),
        )

    def delete(self, table: Table) -> None:
        """Remove the file and its manifest."""
        with self._told(table, "removed"):
            for path in (self._target(table), self._manifest_path(table)):
                Path(path).unlink(missing_ok=True)
                self._settle({os.path.dirname(path)})

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
        folders = set()
        for table in tables:
            # One that leads out of the root is told when its turn comes; there is nothing of ours behind it.
            with suppress(StorageError):
                folders |= {os.path.dirname(path) for path in (self._target(table), self._manifest_path(table))}
        for folder in folders:
            remove_leftovers(folder)

    def identities(self, table: Table) -> frozenset[Any]:
        """Device and inode of its file and of its manifest."""
        with self._told(table, "looked at"):
            seen = [Seen.of(path) for path in (self._path(table), self._manifest_path(table))]
            return frozenset(file.identity for file in seen if file is not None)

    def strays(self, declared: Iterable[Table], taken: frozenset[Any]) -> Sequence[Stray]:
        """Files aside that nobody holds, and tables that a manifest describes and the project does not declare."""
        tables = list(declared)
        root = Root(self.spec.name, self.spec.root_text, self._real_root, MANIFESTS, self._any_suffixes(tables))
        try:
            return list(find_strays(root, {table.path for table in tables}, taken))
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            raise StorageError(
                f"storage `{self.spec.name}` cannot be looked through: {reason}",
                hint=_ADVICE.get(error.errno or 0),
                location=self.spec.location,
            ) from error

    def remove_stray(self, stray: Stray) -> str | None:
        """Remove the very files that were listed."""
        return remove_stray(stray)


def _record(hash_: str, stamp: Stamp, known: Iterable[InputRecord]) -> InputRecord:
    rows = next((record.rows for record in known if record.content_hash == hash_), -1)
    return InputRecord(hash_, rows, stamp.size, stamp.modified_ns)


def _mode_of(path: str) -> int | None:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
