"""Partitions of tables as files in a folder: one file each, all manifests of a table in one index."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from lakehouse_cli.errors import NewerVersionError, StorageError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.manifest import UNFINISHED, Amendment, InputRecord, Manifest, NewerManifestError
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of, unit_paths
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.errors import translate_errors
from lakehouse_cli.storage.format_storage import INDEX_SUFFIX, MANIFESTS, make_manifest
from lakehouse_cli.storage.local.folders import Folder
from lakehouse_cli.storage.local.hashes import FileHashes
from lakehouse_cli.storage.local.paths import FolderStorage, endings_there
from lakehouse_cli.storage.local.publishing import HashingFile, replacing, sync_all
from lakehouse_cli.storage.local.stat_cache import kept_together

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.storage.local.index_file import Appending, IndexFile
    from lakehouse_cli.storage.partition_index import PartitionIndex, PartitionRecord


class UnitFiles(FolderStorage):
    """What a folder of files does with partitions; a base, see `FileStorage`."""

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self._hashes = FileHashes(spec.folder)
        # Of what is in use, the files and folders that may not be on disk yet; None where each is waited for.
        self._unsynced: set[str] | None = None
        self._indexes: dict[str, IndexFile] = {}
        self._claimed: list[Table] = []

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Entered for a run; as `syncing_later`, and what was claimed is released."""
        try:
            with self.syncing_later():
                yield
        finally:
            self._release()

    @contextmanager
    def syncing_later(self) -> Iterator[None]:
        """Manifests, and which files are in its folders, are waited for once, at the end, and not after every table.

        Until then a power failure may take back tables, each whole, or leave a manifest that cannot be read: the next
        run makes these again. Of partitions that are new it may take back the data.
        """
        self._unsynced, self._kept_open = set(), {}
        try:
            yield
        finally:
            unsynced, self._unsynced, self._kept_open = self._unsynced, None, None
            sync_all(tuple(unsynced))
            self._hashes.flush()

    def _settle(self, paths: set[str]) -> None:
        unsynced = self._unsynced  # another thread may come to its end meanwhile
        if unsynced is None:
            sync_all(tuple(paths))
        else:
            unsynced |= paths

    def _manifest_file(self, table: Table) -> str:
        """The manifest, or the index that has it; no link is resolved."""
        if not table.is_partitioned:
            return super()._manifest_file(table)
        return f"{self.spec.root}/{MANIFESTS}/{table.base_path or table.path}{INDEX_SUFFIX}"

    def _index(self, table: Table) -> IndexFile:
        path = self._manifest_file(table)
        found = self._indexes.get(path)
        if found is None:
            from lakehouse_cli.storage.local.index_file import IndexFile  # not loaded where no table has partitions

            opened = partial(self._opened_index_folder, path, table)
            found = self._indexes.setdefault(path, IndexFile(opened, path))
        return found

    def _opened_index_folder(self, path: str, table: Table, make: bool) -> AbstractContextManager[Folder]:
        self._in_own_folder(path, table)
        return self._open_folder(path, table, make=make)

    @contextmanager
    def _reading_index(self, table: Table) -> Iterator[PartitionIndex]:
        with self._translated(table, "read"), self._index(table).reading() as index:
            yield index

    @contextmanager
    def _appending(self, table: Table, doing: str) -> Iterator[Appending]:
        with self._translated(table, doing), self._index(table).appending() as appending:
            yield appending
            path = self._manifest_file(table)
            self._settle({path, path.rpartition("/")[0]} if appending.is_new else {path})

    @contextmanager
    def _translated(self, table: Table, doing: str) -> Iterator[None]:
        try:
            with translate_errors(self, table, doing):
                yield
        except NewerManifestError as error:
            raise NewerVersionError(
                f"{self._shown_manifest(table)} cannot be used: {error}", hint="use that version"
            ) from error
        except NotADirectoryError as error:
            raise self._no_folder_of_manifests(table) from error
        except IsADirectoryError as error:
            raise self._manifest_is_a_folder(table) from error

    def known_contents(self, paths: Sequence[str]) -> Sequence[InputRecord | None]:
        """By the hashes that are kept for as long as `stat` shows that files are unchanged."""
        root, hash_of, found = self._real_root, self._hashes.known_now(), list[InputRecord | None]()
        for path in paths:
            record = None
            with suppress(OSError):
                status = os.lstat(real := f"{root}/{path}")
                if S_ISREG(status.st_mode) and (hash_ := hash_of(real, status)) is not None:
                    record = InputRecord(hash_, -1, status.st_size, status.st_mtime_ns)
            found.append(record)
        return found

    def partitions(self, table: Table) -> Mapping[Partition, PartitionRecord]:
        """What the index says of each partition, in order."""
        with self._reading_index(table) as index:
            return index.of(table.partitions)

    def contents(
        self, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
    ) -> Mapping[Partition, InputRecord]:
        """What is stored of the partitions that the index has; without those whose look fails."""
        del known
        found: dict[Partition, InputRecord] = {}
        suffix, root, hash_of = self._suffixes(table)[0], self._real_root, self._hashes.known_now()
        lstat = os.lstat
        records, unknown = self.partitions(table), list[Partition]()
        for (each, record), within in zip(records.items(), unit_paths(table.path, records), strict=True):
            path = f"{root}/{within}{suffix}"
            try:
                status = lstat(path)
            except OSError:  # looked at below
                status = None
            # Of this very file, whatever links are on the way to it now.
            if status is not None and S_ISREG(status.st_mode) and hash_of(path, status) == record.content_hash:
                rows = record.rows if record.shared.object is None else -1
                found[each] = InputRecord(record.content_hash, rows, status.st_size, status.st_mtime_ns)
                continue
            unknown.append(each)
        with kept_together(self.spec.folder):
            for each in unknown:
                with suppress(StorageError):
                    content = self.content(unit_of(table, each), (records[each].content,))
                    if content is not None:
                        found[each] = content
        return found

    def claim(self, units: Sequence[Table], run_id: str, started_at: str) -> None:
        """Say in the index that these are about to be ours, which is waited for once and not for each of them."""
        new = [each for each in units if not os.path.lexists(self._file(each))]
        for group in self._by_index(new):
            with self._appending(group[0], "written") as appending:
                there = filter(None, [each.partition for each in group])
                appending.append(appending.index.lines_claiming(there, run_id, started_at), durable=True)
        self._claimed += new

    def _release(self) -> None:
        """Take back what the index says of those that nothing was stored of."""
        claimed, self._claimed = self._claimed, []
        for group in self._by_index(claimed):
            with suppress(StorageError), self._appending(group[0], "written") as appending:
                records = appending.index.records
                left = [
                    each.partition
                    for each in group
                    if each.partition in records
                    and records[each.partition].content_hash == UNFINISHED
                    and not os.path.lexists(self._file(each))
                ]
                appending.append(appending.index.lines_without(filter(None, left)), durable=False)

    def _by_index(self, units: Sequence[Table]) -> Iterable[list[Table]]:
        found: dict[str, list[Table]] = {}
        for unit in units:
            found.setdefault(self._manifest_file(unit), []).append(unit)
        return found.values()

    def drop(self, units: Sequence[Table]) -> None:
        """Remove files, then what the index says of them, and folders in which nothing is left."""
        for unit in units:
            with translate_errors(self, unit, "removed"):
                self._remove_file(self._file(unit), unit)
        for group in self._by_index(units):
            with self._translated(group[0], "written"):
                self._index(group[0]).drop(filter(None, [each.partition for each in group]))
                self._settle({self._manifest_file(group[0]).rpartition("/")[0]})
            for unit in group:
                self._remove_empty(unit)

    def keep_digests(self, table: Table, name: str, content: bytes) -> None:
        """In a folder beside the index."""
        with self._translated(table, "written"):
            self._index(table).keep_digests(name, content)

    def kept_digests(self, table: Table, name: str) -> bytes | None:
        """From the folder beside the index."""
        with self._translated(table, "read"):
            return self._index(table).digests(name)

    def drop_digests(self, table: Table, names: Iterable[str]) -> None:
        """Remove them from the folder beside the index."""
        with self._translated(table, "written"):
            self._index(table).drop_digests(names)

    def _remove_file(self, path: str, table: Table) -> None:
        with suppress(FileNotFoundError), self._open_folder(path, table) as folder:
            os.unlink(os.path.basename(path), dir_fd=folder.descriptor)
            self._settle({folder.path})

    def _remove_empty(self, unit: Table) -> None:
        """Remove the folders of a partition in which nothing is left, up to what its table is stored in."""
        fixed = unit.base_path if "{" not in unit.base_path else unit.base_path.partition("{")[0].rpartition("/")[0]
        folder = unit.path.rpartition("/")[0]
        with suppress(OSError):
            while len(folder) > len(fixed) and self._real_folder(f"{self.spec.root}/{folder}").endswith(folder):
                os.rmdir(f"{self.spec.root}/{folder}")
                folder = folder.rpartition("/")[0]

    def _read_unit_manifest(self, table: Table) -> Manifest | None:
        if table.partition is None:
            return None
        with self._reading_index(table) as index:
            return index.manifest(table.partition, table.name)

    def _keep_unit_checks(self, table: Table, manifest: Manifest, checks: Amendment) -> bool:
        if table.partition is None:
            return False
        with self._appending(table, "written") as appending:
            now = appending.index.manifest(table.partition, table.name)
            changed = None if now is None else now.with_checks(checks, manifest)
            if changed is None:
                return False
            appending.append(appending.index.lines_for([(table.partition, changed)]), durable=False)
        return True

    def _interrupted(self, table: Table, content: InputRecord) -> str | None:
        """The run that was killed after it wrote a manifest and before its data; None where it was none."""
        with suppress(StorageError), self._reading_index(table) as index:
            manifest = index.manifest(table.partition, table.name) if table.partition else None
            if manifest is not None and content.content_hash in self._index(table).former_hashes(table.partition):
                return manifest.run_id
        return None

    def _publish_unit(
        self, table: Table, write: Callable[[Sink], tuple[pa.Table, int]], origin: Callable[[], Provenance]
    ) -> Manifest:
        """Write the file aside, then the manifest, then put the file in place.

        A run that is killed in between leaves a manifest that is not that of the data: these are ours, and are not
        believed. Where they were not claimed either, it is waited for until that is on disk.
        """
        from lakehouse_cli.storage.partition_digests import drop_former, keep_own  # not loaded where none is stored

        partition = table.partition
        assert partition is not None  # noqa: S101  # asked for by who calls this
        with translate_errors(self, table, "written"):
            file = self._file(table)
            target, mode = self._replaced(file, table)
            if mode is not None and S_ISDIR(mode):
                raise self._is_a_folder(table)
            is_new = mode is None
            with self._open_folder(file, table, make=True) as folder, ExitStack() as undo:
                durable = not is_new or self._unsynced is None
                with replacing(folder, target.rpartition("/")[2], mode=mode, durable=durable) as sink:
                    manifest, source = write_described(sink, table, write, origin)
                    sink.flush()
                    folder.refuse_moved()
                    with self._appending(table, "written") as appending:
                        before = appending.index.manifest(partition, table.name)
                        if source.keys is not None:
                            others, read = appending.index.records, partial(self.kept_digests, table)
                            manifest = source.keys.judged_anew(table, manifest, others, read)
                            keep_own(self, table, source.keys, manifest.content_hash)
                        lines = appending.index.lines_for([(partition, manifest)])
                        appending.append(lines, durable=before is None)
                    undo.callback(self._take_back, table, before)
                undo.pop_all()
                self._remove_former_unit(table, folder, before, is_new=is_new)
                drop_former(self, table, before, manifest)
            self._settle({folder.path, *folder.made, *(() if durable else (target,))})
            self._hashes.keep(target, sink.status, manifest.content_hash, flush=self._unsynced is None)
        return manifest

    def _take_back(self, table: Table, before: Manifest | None) -> None:
        """Have the index say again what it did before data that could not be put in place."""
        if before is None and os.path.lexists(self._file(table)):
            return  # interrupted when they were there already: without a record, nobody would know that they are ours
        with suppress(Exception), self._appending(table, "written") as appending:
            partition, index = table.partition, appending.index
            assert partition is not None  # noqa: S101  # as above
            lines = index.lines_without([partition]) if before is None else index.lines_for([(partition, before)])
            appending.append(lines, durable=False)

    def _remove_former_unit(self, table: Table, folder: Folder, before: Manifest | None, *, is_new: bool) -> None:
        """Remove the file of another ending that this partition was stored in until now."""
        if before is None or before.content_hash == UNFINISHED or not is_new:
            return
        from lakehouse_cli.storage.local.strays import remove_former  # seldom needed
        from lakehouse_cli.storage.strays import Endings

        stem, now = os.path.basename(table.path), self._suffix(table)
        there = endings_there(f"{folder.path}/{stem}")
        former = set(Endings.possible([table], self.spec).of(before, lambda: there)) - {now}
        remove_former(folder, [stem + suffix for suffix in former], before)


def write_described(
    sink: HashingFile, table: Table, write: Callable[[Sink], tuple[pa.Table, int]], origin: Callable[[], Provenance]
) -> tuple[Manifest, Provenance]:
    """Write a file of a table, or of a partition, aside, and return its manifest, and where its data come from.

    Args:
        sink: The file.
        table: What it is of.
        write: Writes the data; returns them, or a part of them, and how many rows there are.
        origin: Gives where they come from, asked once they are written.
    """
    data, rows = write(sink)
    sink.settle()
    source = origin()
    manifest: Manifest = make_manifest(
        table,
        data,
        source,
        rows=rows,
        size=sink.bytes,
        content_hash=sink.hexdigest(),
        modified_ns=sink.modified_ns,
    )
    return manifest, source
