"""Sources of many files: the files that a pattern, a folder or placeholders mean, read as one table in order of name.

Each file is a source of its own to the storage within, which knows no patterns.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import xxhash
from msgspec.structs import asdict, replace

from lakehouse_cli.errors import DataError, FileLine, LakehouseError, Location, MissingDataError, RowPlace, StorageError
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.file_pattern import FilePattern, PatternError, reads_many_files
from lakehouse_cli.model.manifest import FileRecord, InputRecord
from lakehouse_cli.storage.base import READINGS, Scan, Stored, record_of
from lakehouse_cli.storage.capabilities import count_rows, find_lines, identities
from lakehouse_cli.storage.errors import ChangedError, changed_while_read, translate_errors
from lakehouse_cli.storage.format_storage import FormatStorage, Listed, SourceFile, missing_data
from lakehouse_cli.storage.wrapper import WrapperStorage
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.name_lists import first_named

if TYPE_CHECKING:
    import pyarrow as pa

#: Files of up to so many bytes are read as a whole, several at once.
_SMALL = 16 << 20
#: So many files that are not as declared are reported one by one.
_REPORTED = 20


class ManyFilesStorage(WrapperStorage):
    """A storage some of whose sources are many files."""

    inner: FormatStorage

    def forward(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Do for a source of many files what the storage does for each of them."""
        table = arguments[0] if arguments else None
        if isinstance(table, Table) and reads_many_files(table):
            files = _ManyFiles(self.inner, table, FilePattern(table.path))
            return getattr(files, method)(*arguments[1:], **keywords)
        return super().forward(method, *arguments, **keywords)


class _ManyFiles:
    """The verbs of a storage for one source of many files.

    Args:
        storage: Where its files are.
        table: The source.
        pattern: Which files it is.
    """

    def __init__(self, storage: FormatStorage, table: Table, pattern: FilePattern) -> None:
        self._storage, self._table, self._pattern = storage, table, pattern

    def uri(self) -> str:
        """The pattern as it is written, with the ending of the format; a folder without."""
        ending = "" if self._pattern.is_folder else self._storage._suffixes(self._table)[0]
        return self._storage._under_root(f"{self._table.path}{ending}")

    def files(self) -> list[_File]:
        """The files in order of name.

        Raises:
            StorageError: Names of files are not as the pattern says, or one is there with two endings.
        """
        found: dict[str, _File] = {}
        wrong: list[tuple[str, PatternError]] = []
        template = SourceFile(**asdict(self._table), suffix="")
        endings = self._storage._suffixes(self._table)
        twice: list[str] = []
        with translate_errors(self._storage, self._table, "looked at"):
            listing = sorted(self._storage.list_files(self._pattern.folder, self._pattern.depth), key=lambda e: e.path)
        for each in listing:
            ending = next((e for e in endings if each.path.endswith(e) and len(each.path) > len(e)), None)
            if ending is None:
                continue
            path = each.path[: len(each.path) - len(ending)]
            try:
                values = self._pattern.match(path)
            except PatternError as error:
                wrong.append((each.path, error))
                continue
            if values is None:
                continue
            if path in found:
                twice += [found[path].shown, each.path]
                continue
            found[path] = _File(each, replace(template, path=path, suffix=ending), values)
        if wrong:
            raise self._misnamed(wrong)
        if twice:
            shown = " and ".join(map(self._storage._under_root, twice[:2]))
            raise StorageError(
                f"a file of source `{self._table.name}` is there twice: {shown}",
                hint="keep one, or set `compression` in the table's options",
                location=self._table.where("path", "options"),
            )
        return [found[path] for path in sorted(found, key=lambda path: found[path].shown)]

    def _misnamed(self, wrong: Sequence[tuple[str, PatternError]]) -> StorageError:
        names = [f"{self._storage._under_root(path)} ({error})" for path, error in wrong]
        more = f", and {plural(len(wrong) - _REPORTED, 'more file')}" if len(wrong) > _REPORTED else ""
        counted = f"{plural(len(wrong), 'file')} of source `{self._table.name}` {'is' if len(wrong) == 1 else 'are'}"
        return StorageError(
            f"{counted} not named as its path says: {', '.join(names[:_REPORTED])}{more}",
            hint=wrong[0][1].hint,
            location=self._table.where("path"),
        )

    def missing(self) -> MissingDataError:
        """The error of no file at all."""
        error = missing_data(self._table, self.uri())
        error.message = f"no file matches {self.uri()}"
        if self._pattern.is_folder:
            ending = self._storage._suffixes(self._table)[0]
            error.message = f"{self.uri()} has no file whose name ends in `{ending}`"
        there = islice(self._storage.list_files(self._pattern.folder, self._pattern.depth), 1000)
        if names := sorted(self._storage._under_root(each.path) for each in there):
            error.hint = f"there are {first_named(names, 5)}: correct `path:`, or the table's `format:`"
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

    def _contents(self, files: Sequence[_File], known: tuple[InputRecord, ...]) -> list[InputRecord]:
        """The record of each file; all at once where each look waits for a server."""
        by_path: dict[str, list[InputRecord]] = {}
        for record in known:
            for each in record.files:
                by_path.setdefault(each.path, []).append(
                    InputRecord(each.content_hash, -1, each.bytes, each.modified_ns)
                )

        def content(file: _File) -> InputRecord:
            found = self._storage.content_of(file.table, file.listed, by_path.get(file.shown, ()))
            if found is None:  # it was there a moment ago
                raise changed_while_read(self._table, self._storage._under_root(file.shown))
            return found

        at_once = min(self._storage.concurrency, len(files))
        if at_once <= 1:
            return [content(each) for each in files]
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(content, files))

    def _record(
        self, files: Sequence[_File], contents: Sequence[InputRecord], known: Iterable[InputRecord]
    ) -> InputRecord:
        records = tuple(
            FileRecord(file.shown, found.content_hash, found.bytes, found.modified_ns)
            for file, found in zip(files, contents, strict=True)
        )
        digest = xxhash.xxh3_128()
        for each in records:
            digest.update(f"{each.path}\0{each.content_hash}\n".encode("utf-8", "surrogateescape"))
        times = [each.modified_ns for each in records if each.modified_ns is not None]
        size = sum(each.bytes for each in records)
        return record_of(digest.hexdigest(), size, max(times, default=None), known)._replace(files=records)

    def scan(self, columns: Sequence[Column] | None) -> Scan:
        """All of their rows, with the columns that their paths hold."""
        reading = _Reading(self, columns)
        return Scan(reading.storage, self._table, reading.read, reading.read_pieces)

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
            here = [row - before for row in waiting if before < row <= before + count]
            lines = find_lines(self._storage, file.table, here)
            for row in here:
                line = lines.get(row)
                found[before + row] = FileLine(
                    self._storage._under_root(file.shown), line if isinstance(line, int) else None
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


_REFUSED = {"publish": "written", "publish_pieces": "written", "delete": "removed"}


class _File:
    """One of the files.

    Attributes:
        listed: What the listing says of it.
        table: It alone, as a source.
        values: What its path says, by dimension.
    """

    __slots__ = ("listed", "table", "values")

    def __init__(self, listed: Listed, table: SourceFile, values: Mapping[str, str | None]) -> None:
        self.listed, self.table, self.values = listed, table, values

    @property
    def shown(self) -> str:
        """Its path under the root."""
        return self.listed.path


class _Reading:
    """One reading of a source of many files.

    Args:
        source: The source.
        columns: The columns to read, by the names that they have in the files; None for all.
    """

    def __init__(self, source: _ManyFiles, columns: Sequence[Column] | None) -> None:
        self.storage, self._source, self._columns = source._storage, source, columns

    def read(self, known: tuple[InputRecord, ...] | None) -> tuple[pa.Table, InputRecord | None]:
        """As `Read`."""
        import pyarrow as pa

        for _ in range(READINGS):
            files, contents, record = self._look(known or ())
            try:
                pieces = list(self._pieces(files, contents))
            except ChangedError:
                continue
            return pa.concat_tables(pieces), record
        raise self._changed()

    def read_pieces(self, known: tuple[InputRecord, ...]) -> tuple[Callable[[], Iterator[pa.Table]], InputRecord]:
        """As `ReadPieces`."""
        files, contents, record = self._look(known)

        def pieces() -> Iterator[pa.Table]:
            try:
                yield from self._pieces(files, contents)
            except ChangedError as error:
                raise self._changed() from error

        return pieces, record

    def _changed(self) -> StorageError:
        return changed_while_read(self._source._table, self._source.uri())

    def _look(self, known: tuple[InputRecord, ...]) -> tuple[list[_File], list[InputRecord], InputRecord]:
        files = self._source.files()
        if not files:
            raise self._source.missing()
        contents = self._source._contents(files, known)
        return files, contents, self._source._record(files, contents, known)

    def _pieces(self, files: Sequence[_File], contents: Sequence[InputRecord]) -> Iterator[pa.Table]:
        """Read the files in order, those that are small several at once, and report all that are not as declared."""
        failures: list[tuple[_File, LakehouseError]] = []
        schema: pa.Schema | None = None
        workers = _workers()
        with ThreadPoolExecutor(workers) as pool:
            ahead: dict[int, Future[list[pa.Table]]] = {}
            try:
                for at, (file, content) in enumerate(zip(files, contents, strict=True)):
                    for near in range(at, min(at + 2 * workers, len(files))):
                        if near not in ahead and contents[near].bytes <= _SMALL:
                            ahead[near] = pool.submit(lambda n: list(self._file(files[n], contents[n])), near)
                    whole = ahead.pop(at, None)
                    try:
                        for piece in self._file(file, content) if whole is None else whole.result():
                            if schema is None:
                                schema = piece.schema
                            if failures:
                                continue
                            yield self._alike(piece, schema, file, files[0])
                    except (DataError, StorageError) as error:
                        if isinstance(error, MissingDataError):
                            raise ChangedError(file.shown) from error
                        failures.append((file, error))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        if failures:
            raise self._failure(failures, len(files))

    def _file(self, file: _File, content: InputRecord) -> Iterator[pa.Table]:
        """The rows of one file, with what its path says."""
        columns = self._columns
        if columns is not None:
            columns = [each for each in columns if each.name not in file.values and each.name != file.table.file_column]
        optional = [each.name for each in columns or () if each.optional]
        lacking: frozenset[str] = frozenset()
        done = 0
        for last in (not optional, True):
            try:
                # That a column is in no line of a file may show at its end.
                again = done
                for piece in self._filled(file, content, columns, lacking):
                    if again >= piece.num_rows > 0:
                        again -= piece.num_rows
                        continue
                    yield piece.slice(again)
                    done += piece.num_rows - again
                    again = 0
            except DataError as error:
                found = {each.column for each in error.violations if each.check == "missing"} & {*optional}
                if last or not found:
                    raise
                lacking = frozenset(name for name in optional if name in found)
            else:
                return

    def _filled(
        self, file: _File, content: InputRecord, columns: Sequence[Column] | None, lacking: Collection[str]
    ) -> Iterator[pa.Table]:
        import pyarrow as pa

        there = None if columns is None else tuple(each for each in columns if each.name not in lacking)
        pieces, found = self._scan(file.table, there or None).pieces_with_content((content,))
        if found.content_hash != content.content_hash:
            raise ChangedError(file.shown)
        wanted = self._columns
        for piece in pieces():
            if wanted is None:
                yield self._with_path(piece, file)
                continue
            arrays = [
                piece.column(each.name)
                if there is not None and each.name in piece.column_names and each in there
                else pa.chunked_array([self._constant(each, file, piece.num_rows)])
                for each in wanted
            ]
            yield pa.table(dict(zip([each.name for each in wanted], arrays, strict=True)))

    def _scan(self, table: SourceFile, columns: Sequence[Column] | None) -> Scan:
        if columns is not None:
            table = replace(table, contract=replace(table.contract, columns=tuple(columns)))
        return self.storage.scan(table, columns)

    def _with_path(self, piece: pa.Table, file: _File) -> pa.Table:
        """All columns of a file, and as text what its path says besides."""
        import pyarrow as pa

        texts: dict[str, str | None] = dict(file.values)
        if file.table.file_column:
            texts[file.table.file_column] = file.shown
        for name, text in texts.items():
            if name not in piece.column_names:
                piece = piece.append_column(name, pa.array([text], pa.string()).take(_zeros(piece.num_rows)))
        return piece

    def _constant(self, column: Column, file: _File, rows: int) -> pa.Array:
        """The value of a column that no row of a file holds: of its path, or null for one that it lacks."""
        import pyarrow as pa

        from lakehouse_cli.arrow.types import to_arrow
        from lakehouse_cli.storage.path_values import path_value

        kind = to_arrow(column.type)
        if column.name == file.table.file_column:
            return pa.array([file.shown], kind).take(_zeros(rows))
        text = file.values.get(column.name)
        if column.name not in file.values or text is None:
            return pa.nulls(rows, kind)
        shown = self.storage._under_root(file.shown)
        return path_value(column, text, self._source._pattern, shown).take(_zeros(rows))

    def _alike(self, piece: pa.Table, schema: pa.Schema, file: _File, first: _File) -> pa.Table:
        """A piece with the columns of the first file, in their order."""
        if piece.schema == schema:
            return piece
        differences = [
            f"`{name}` is {piece.schema.field(name).type}, not {schema.field(name).type}"
            for name in schema.names
            if name in piece.column_names and piece.schema.field(name).type != schema.field(name).type
        ]
        differences += [f"no column `{name}`" for name in schema.names if name not in piece.column_names]
        differences += [f"column `{name}` beyond them" for name in piece.column_names if name not in schema.names]
        if differences:
            shown, other = self.storage._under_root(file.shown), self.storage._under_root(first.shown)
            raise DataError(
                f"`{shown}` has other columns than `{other}`: {'; '.join(differences[:_REPORTED])}",
                hint=f"declare `columns:` for `{self._source._table.name}`",
                location=Location(shown),
            )
        return piece.select(schema.names)

    def _failure(self, failures: Sequence[tuple[_File, LakehouseError]], total: int) -> LakehouseError:
        """One error of all files that are not as declared."""
        first = failures[0][1]
        if len(failures) == 1:
            return first
        violations = []
        for file, error in failures[:_REPORTED]:
            shown = self.storage._under_root(file.shown)
            of_file = error.violations if isinstance(error, DataError) else ()
            violations += [replace(each, message=f"`{shown}`: {each.message}") for each in of_file]
        found = DataError(
            f"{len(failures)} of {plural(total, 'file')} of `{self._source._table.name}` are not as declared:"
            f" {first.message}",
            violations,
            hint=first.hint,
            location=first.location,
        )
        others = [error.message for _, error in failures[1:_REPORTED] if not isinstance(error, DataError)]
        if others:
            found.message += f"; {'; '.join(others)}"
        return found


def _workers() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _zeros(count: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.zeros(count, dtype=np.int8))
