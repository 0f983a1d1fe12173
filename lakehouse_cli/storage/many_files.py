"""Sources of many files: the files that a pattern, a folder or placeholders mean, read as one table in order of name.

Each file is a source of its own to the storage within, which knows no patterns.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

import xxhash
from msgspec.structs import asdict, replace

from lakehouse_cli.errors import MissingDataError, StorageError
from lakehouse_cli.formats import form_of
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.file_pattern import FilePattern, PatternError, reads_many_files
from lakehouse_cli.model.manifest import FileRecord, InputRecord
from lakehouse_cli.model.partition import FILE, Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.row_place import FileLine, RowPlace
from lakehouse_cli.storage.base import Scan, Stored, record_of
from lakehouse_cli.storage.capabilities import Prefetches, count_rows, find_lines, identities, prefetch
from lakehouse_cli.storage.errors import MisnamedFilesError, gone_while_read, not_replaced, translate_errors
from lakehouse_cli.storage.file_failures import REPORTED
from lakehouse_cli.storage.files_reading import FilesReading
from lakehouse_cli.storage.format_storage import FormatStorage, Listed, SourceFile, missing_data
from lakehouse_cli.storage.found_file import FoundFile, check_dimensions, is_unencodable, partition_value, planned_files
from lakehouse_cli.storage.local.stat_cache import kept_together
from lakehouse_cli.storage.wrapper import WrapperStorage
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.name_lists import any_of, first_named

#: What programs add to the names of files that they compress.
_COMPRESSED = r"\.(?:gz|bz2|zst|zstd|xz|zip|7z|lz4|br|snappy|z)"

_Capability = TypeVar("_Capability")
#: The files of each partition, by source: its name, path and dimensions.
_Listed = dict[tuple[str, str, tuple[str, ...]], dict[Partition, list["FoundFile"]]]


class ManyFilesStorage(WrapperStorage):
    """A storage some of whose sources are many files."""

    inner: FormatStorage

    def __init__(self, inner: FormatStorage) -> None:
        super().__init__(inner)
        # By source, as of the plan: where each of very many partitions is read by itself, all are listed once.
        self._by_partition: _Listed = {}

    def prefetch(self, tables: Iterable[Table]) -> None:
        """Look at all folders anew."""
        self._by_partition.clear()
        prefetch(self.inner, tables)

    def capability(self, protocol: type[_Capability]) -> _Capability | None:
        """As of the storage within; and what was listed is forgotten before each plan."""
        return cast("_Capability", self) if protocol is Prefetches else super().capability(protocol)

    def forward(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Do for a source of many files what the storage does for each of them."""
        table = arguments[0] if arguments else None
        if isinstance(table, Table) and reads_many_files(table):
            files = self._files(table)
            return getattr(files, method)(*arguments[1:], **keywords)
        return super().forward(method, *arguments, **keywords)

    def _files(self, table: Table) -> _ManyFiles:
        if table.partition is None and table.selected is None:
            return _ManyFiles(self.inner, table, FilePattern(table.path), self._by_partition)
        chosen = table.selected if table.partition is None else (table.partition,)
        return _SomeFiles(self.inner, table, FilePattern(table.path), self._by_partition, chosen or ())


class _ManyFiles:
    """The verbs of a storage for one source of many files.

    Args:
        storage: Where its files are.
        table: The source.
        pattern: Which files it is.
        listed: What was found of sources, by partition.
    """

    def __init__(self, storage: FormatStorage, table: Table, pattern: FilePattern, listed: _Listed) -> None:
        self._storage, self._table, self._pattern, self._listed = storage, table, pattern, listed

    def uri(self) -> str:
        """The pattern as it is written, with the ending of the format; a folder without."""
        ending = "" if self._pattern.is_folder else self._storage._suffixes(self._table)[0]
        return self._storage._under_root(f"{self._table.path}{ending}")

    def files(self, planned: Collection[str] | None = None) -> list[FoundFile]:
        """The files in order of name; of those that came since it was planned, none.

        Raises:
            StorageError: Names of files are not as the pattern says, or one is there with two endings.
        """
        found: dict[str, FoundFile] = {}
        wrong: list[tuple[str, PatternError]] = []
        template = SourceFile(**asdict(replace(self._table, partition=None, selected=None)), suffix="")
        endings, root = self._storage._suffixes(self._table), self._storage._under_root("")
        twice: list[str] = []
        placeholders = {each.name: each for each in self._pattern.placeholders}
        with translate_errors(self._storage, self._table, "looked at"):
            listing = sorted(self._storage.list_files(self._pattern.folder, self._pattern.depth), key=lambda e: e.path)
        if planned is not None:
            listing = [each for each in listing if each.path in planned]
        self._refuse_left_out(listing, endings)
        for each in listing:
            for ending in endings:
                if each.path.endswith(ending) and len(each.path) > len(ending):
                    break
            else:
                continue
            path = each.path[: len(each.path) - len(ending)]
            try:
                if (values := self._pattern.match(path)) is None:
                    continue
                check_dimensions(self._table, values, placeholders)
            except PatternError as error:
                wrong.append((each.path, error))
                continue
            if path in found:
                twice += [found[path].shown, each.path]
                continue
            self._refuse_odd(each)
            found[path] = FoundFile(each, root, values, template, ending)
        if wrong:
            raise self._misnamed(wrong)
        if twice:
            shown = " and ".join(map(self._storage._under_root, twice[:2]))
            raise StorageError(
                f"a file of source `{self._table.name}` is there twice: {shown}",
                hint="keep one of the two, and move the other away",
                location=self._table.where("path", "options"),
            )
        return [*found.values()]

    def _refuse_left_out(self, listing: Iterable[Listed], endings: Sequence[str]) -> None:
        """Refuse folders that are links, and files whose ending is almost one: rows would be missing without a word."""
        suffix = str(self._table.options.get("suffix", form_of(self._table).suffix))
        almost = re.compile(rf"(.+){re.escape(suffix)}(?:{_COMPRESSED})?", re.IGNORECASE | re.DOTALL)
        unread = []
        for each in listing:
            if each.path.endswith("/") and not (self._pattern.is_folder and "/_" in f"/{each.path}"):
                self._refuse_odd(each)
            found = None if each.path.endswith(tuple(endings)) or not suffix else almost.fullmatch(each.path)
            if found is not None and self._is_one(found[1]):
                unread.append(self._storage._under_root(each.path))
        if unread:
            what = f"{plural(len(unread), 'file')} of source `{self._table.name}`"
            raise MisnamedFilesError(
                f"{what} cannot be read, because of the ending: {first_named(unread, REPORTED)}",
                hint=f"rename or unpack them to {any_of([f'`{each}`' for each in endings])}, or move them away",
                location=self._table.where("path", "options"),
            )

    def _is_one(self, stem: str) -> bool:
        try:
            return self._pattern.match(stem) is not None
        except PatternError:
            return False

    def _refuse_odd(self, listed: Listed) -> None:
        """Refuse links, which may lead to what is read already or to what the project stores, and names in no UTF-8."""
        if not listed.is_link and not is_unencodable(listed.path):
            return
        shown, what = self._storage._under_root(listed.path), f"source `{self._table.name}`"
        hint = "rename the file"
        if listed.is_link:
            message = f"{shown} is a link, and files of {what} are read where they are"
            hint = "put the files in its place, or move it away and declare a source of its own for what it leads to"
        else:
            shown = shown.encode("utf-8", "backslashreplace").decode()
            message = f"the name of {shown}, a file of {what}, is not UTF-8"
        raise StorageError(message, hint=hint, location=self._table.where("path"))

    def _misnamed(self, wrong: Sequence[tuple[str, PatternError]]) -> StorageError:
        names = [f"{self._storage._under_root(path)} ({error})" for path, error in wrong]
        more = f", and {plural(len(wrong) - REPORTED, 'more file')}" if len(wrong) > REPORTED else ""
        counted = f"{plural(len(wrong), 'file')} of source `{self._table.name}` {'is' if len(wrong) == 1 else 'are'}"
        return MisnamedFilesError(
            f"{counted} not named as its path says: {', '.join(names[:REPORTED])}{more}",
            hint=wrong[0][1].hint,
            location=self._table.where("path"),
        )

    def by_partition(self) -> dict[Partition, list[FoundFile]]:
        """The files of each partition, in order, as they were when they were first asked for."""
        found = self._listed.get(self._key)
        if found is None:
            found = self._listed[self._key] = self._divided(_ManyFiles.files(self))
        return found

    @property
    def _key(self) -> tuple[str, str, tuple[str, ...]]:
        return self._table.name, self._table.path, self._table.partitions

    def _divided(self, files: Sequence[FoundFile]) -> dict[Partition, list[FoundFile]]:
        names = self._table.partitions or self._dimensions(files)
        placeholders = {each.name: each for each in self._pattern.placeholders}
        found: dict[Partition, list[FoundFile]] = {}
        for file in files:
            if names == (FILE,):
                found[Partition(names, (file.shown,))] = [file]
                continue
            values = tuple([partition_value(file.values.get(name), placeholders.get(name)) for name in names])
            found.setdefault(Partition(names, values), []).append(file)
        return dict(sorted(found.items()))

    def _dimensions(self, files: Sequence[FoundFile]) -> tuple[str, ...]:
        """Those of the placeholders; of a folder, those of all its files."""
        if not self._pattern.is_folder:
            return tuple(each.name for each in self._pattern.placeholders)
        first = dict.fromkeys(files[0].values) if files else {}
        return tuple(name for name in first if all(name in file.values for file in files))

    def contents(self, known: Mapping[Partition, tuple[InputRecord, ...]]) -> Mapping[Partition, InputRecord]:
        """Of each partition by the names and the contents of its files."""
        self._listed.pop(self._key, None)
        divided = self.by_partition()
        before = tuple([record for records in known.values() for record in records])
        files = [file for group in divided.values() for file in group]
        contents = iter(self._contents(files, before))
        return {
            each: self._record(group, list(islice(contents, len(group))), known.get(each, ()))
            for each, group in divided.items()
        }

    def missing(self) -> MissingDataError:
        """The error of no file at all."""
        error = missing_data(self._table, self.uri())
        error.message = f"no file matches {self.uri()}"
        if self._pattern.is_folder:
            error.message = f"{self.uri()} has no file whose name ends in `{self._storage._suffixes(self._table)[0]}`"
        there = self._storage.list_files(self._pattern.folder, self._pattern.depth)
        if names := sorted(self._storage._under_root(each.path) for each in islice(there, 1000)):
            how = ("; `[…]` is no pattern" if "[" in self._table.path else "") + not_replaced(self._table.path)
            error.hint = f"there are {first_named(names, 5)}: correct `path:`, or the table's `format:`{how}"
        return error

    def stat(self) -> Stored | None:
        """Their bytes together, and when the last of them was written."""
        found = [stored for file in self.files() if (stored := self._storage.stat(file.table)) is not None]
        if not found:
            return None
        return Stored(sum(each.bytes for each in found), max(each.modified_ns for each in found))

    def content(self, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the names of the files and the content of each."""
        known = tuple(known)
        files = self.files()
        return self._record(files, self._contents(files, known), known) if files else None

    def _contents(self, files: Sequence[FoundFile], known: tuple[InputRecord, ...]) -> list[InputRecord]:
        """The record of each file; all at once where each look waits for a server."""
        by_path: dict[str, list[FileRecord]] = {}
        for record in known:
            for each in record.files:
                by_path.setdefault(each.path, []).append(each)

        def records(file: FoundFile) -> list[InputRecord]:
            found = by_path.get(file.shown, ())
            return [InputRecord(each.content_hash, -1, each.bytes, each.modified_ns) for each in found]

        def content(file: FoundFile) -> InputRecord:
            found = self._storage.content_of(file.listed, lambda: file.table, lambda: records(file))
            if found is None:  # it was there a moment ago
                raise gone_while_read(self._table, self._storage._under_root(file.shown))
            return found

        found = list(self._storage.known_contents([file.shown for file in files]))
        unknown = [at for at, record in enumerate(found) if record is None]
        at_once = min(self._storage.concurrency, len(unknown))
        if at_once <= 1:
            with kept_together(self._storage.spec.folder):
                looked = [content(files[at]) for at in unknown]
        else:
            from concurrent.futures import ThreadPoolExecutor  # not loaded for files, which are at hand

            with ThreadPoolExecutor(at_once) as pool:
                looked = list(pool.map(content, [files[at] for at in unknown]))
        for at, record in zip(unknown, looked, strict=True):
            found[at] = record
        return [record for record in found if record is not None]

    def _record(
        self, files: Sequence[FoundFile], contents: Sequence[InputRecord], known: Iterable[InputRecord]
    ) -> InputRecord:
        records = tuple(
            [
                FileRecord(file.shown, found.content_hash, found.bytes, found.modified_ns)
                for file, found in zip(files, contents, strict=True)
            ]
        )
        lines = "".join([f"{each.path}\0{each.content_hash}\n" for each in records])
        hash_ = xxhash.xxh3_128_hexdigest(lines.encode("utf-8", "surrogateescape"))
        times = [each.modified_ns for each in records if each.modified_ns is not None]
        rows = next((record.rows for record in known if record.content_hash == hash_), -1)
        size, newest = sum([each.bytes for each in records]), max(times, default=None)
        return InputRecord(hash_, rows, size, newest, files=records)

    def scan(self, columns: Sequence[Column] | None) -> Scan:
        """Their rows, with the columns that their paths hold."""
        how = self._look, self.uri(), self._storage.read_together
        return FilesReading(self._storage, self._table, self._pattern, columns, *how).scan()

    def _look(self, known: tuple[InputRecord, ...]) -> tuple[Sequence[FoundFile], list[InputRecord], InputRecord]:
        planned = planned_files(known)
        files = self.files(planned)
        self._refuse_gone(files, planned)
        if not files:
            raise self.missing()
        contents = self._contents(files, known)
        return files, contents, self._record(files, contents, known)

    def _refuse_gone(self, files: Sequence[FoundFile], planned: Collection[str] | None) -> None:
        if planned is not None and len(files) < len(planned):
            gone = min(set(planned).difference(each.shown for each in files))
            raise gone_while_read(self._table, self._storage._under_root(gone))

    def count_rows(self) -> int | None:
        """Together; None where one cannot be counted."""
        total = 0
        for file in self.files():
            count = count_rows(self._storage, file.table)
            if count is None:
                return None
            total += count
        return total

    def find_lines(self, rows: Sequence[int]) -> Mapping[int, RowPlace]:
        """The file of each row, and its line there."""
        found: dict[int, RowPlace] = {}
        before, waiting = 0, sorted(rows)
        for file in self.files() if rows else ():
            count = count_rows(self._storage, file.table)
            if count is None:
                pieces, _ = self._storage.scan(file.table, None).pieces_with_content(())
                count = sum(piece.num_rows for piece in pieces())
            first, last = (bisect_right(waiting, each) for each in (before, before + count))
            here = [row - before for row in waiting[first:last]]
            lines = find_lines(self._storage, file.table, here)
            for row in here:
                line = lines.get(row)
                found[before + row] = FileLine(
                    self._storage._under_root(file.shown), line if isinstance(line, int) else None, row
                )
            before += count
        return found

    def local_files(self) -> Iterable[str]:
        """The files, and the folder in which more may appear."""
        root = self._storage.spec.root
        return [f"{root}/{self._pattern.folder}".rstrip("/"), *(f"{root}/{each.shown}" for each in self.files())]

    def identities(self) -> frozenset[Any]:
        """Those of every file."""
        return frozenset().union(*(identities(self._storage, each.table) for each in self.files()))

    def read_manifest(self) -> None:
        """None: nothing of ours stored them."""

    def __getattr__(self, method: str) -> Callable[..., Any]:
        """Refuse what is done to tables of one file alone."""

        def refuse(*_: Any, **__: Any) -> Any:
            done = _REFUSED.get(method, "so used")
            raise StorageError(
                f"source `{self._table.name}` is many files, {self.uri()}, which cannot be {done}",
                hint="declare a source for each file, or a computed table that returns their rows",
                location=self._table.where("path"),
            )

        return refuse


class _SomeFiles(_ManyFiles):
    """The verbs for some partitions of a source.

    Args:
        chosen: The partitions, in order.
    """

    def __init__(
        self,
        storage: FormatStorage,
        table: Table,
        pattern: FilePattern,
        listed: _Listed,
        chosen: tuple[Partition, ...],
    ) -> None:
        super().__init__(storage, table, pattern, listed)
        self._chosen = chosen

    def _groups(self) -> list[tuple[Partition, list[FoundFile]]]:
        if not self._chosen:
            return []
        dimensions, divided = self._chosen[0].dimensions, self.by_partition()
        if any(each not in divided for each in self._chosen):
            # Those of a table with fewer dimensions are several of the source.
            fewer: dict[Partition, list[FoundFile]] = {}
            for each, files in divided.items():
                if set(dimensions) <= set(each.dimensions):
                    fewer.setdefault(each.only(dimensions), []).extend(files)
            divided = {each: sorted(files, key=lambda file: file.shown) for each, files in fewer.items()}
        return [(each, divided.get(each, [])) for each in self._chosen]

    def files(self, planned: Collection[str] | None = None) -> list[FoundFile]:
        """Those of each partition in its turn."""
        files = [file for _, group in self._groups() for file in group]
        return files if planned is None else [each for each in files if each.shown in planned]

    def content(self, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the content of each partition; None where one of them has no file."""
        groups = self._groups()
        return self._looked(groups, tuple(known))[2] if all(files for _, files in groups) else None

    def _look(self, known: tuple[InputRecord, ...]) -> tuple[Sequence[FoundFile], list[InputRecord], InputRecord]:
        groups = self._groups()
        lacking = next((each for each, files in groups if not files), None)
        if lacking is not None:
            error = missing_data(self._table, self.uri())
            error.message = f"no file of {self.uri()} is of {lacking}"
            raise error
        planned = planned_files(known)
        if planned is not None:
            groups = [(each, [file for file in files if file.shown in planned]) for each, files in groups]
            self._refuse_gone([file for _, files in groups for file in files], planned)
        return self._looked(groups, known)

    def _looked(
        self, groups: Sequence[tuple[Partition, list[FoundFile]]], known: tuple[InputRecord, ...]
    ) -> tuple[list[FoundFile], list[InputRecord], InputRecord]:
        files = [file for _, group in groups for file in group]
        contents = self._contents(files, known)
        rest = iter(contents)
        records = [(each, self._record(group, list(islice(rest, len(group))), ())) for each, group in groups]
        whole = content_of_partitions(records)
        rows = record_of(whole.content_hash, whole.bytes, None, known).rows if groups else 0
        parts = tuple([file for _, record in records for file in record.files])
        return files, contents, whole._replace(rows=rows, files=parts)


_REFUSED = {"publish": "written", "publish_pieces": "written", "delete": "removed"}
