"""The rows of a source of many files, read from each of them in order of name."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from contextvars import copy_context
from copy import copy
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import (
    DataError,
    LakehouseError,
    Location,
    MissingDataError,
    StorageError,
)
from lakehouse_cli.executors.progress import Progress
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.file_pattern import FilePattern
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.storage.base import READINGS, AssetStorage, Pieces, Scan
from lakehouse_cli.storage.errors import ChangedError, changed_while_read, gone_while_read
from lakehouse_cli.storage.file_failures import REPORTED, FileFailures

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

    from lakehouse_cli.model.time_span import TimeSpan

#: Files of up to so many bytes are read as a whole, several at once.
_SMALL = 16 << 20
#: So many bytes, and files, are read by one thread before another takes its turn.
_TOGETHER, _MOST_TOGETHER = 1 << 20, 64

#: The place of a file among all, and a piece of it, or what is wrong with it.
_FileRead = tuple[int, "pa.Table | LakehouseError"]


class _FileChangedError(ChangedError):
    """One file changed while all were read; its text is where it is."""


class _FileGoneError(ChangedError):
    """One file was removed while all were read; its text is where it was."""


class Part(ABC):
    """One of the files, or what else is read as one.

    Attributes:
        shown: Its path under the root.
        values: What its path says, by dimension.
    """

    __slots__ = ("shown", "values")

    def __init__(self, shown: str, values: Mapping[str, str | None]) -> None:
        self.shown, self.values = shown, values

    @property
    @abstractmethod
    def uri(self) -> str:
        """Where it is, as messages show it."""

    @property
    @abstractmethod
    def table(self) -> Table:
        """It alone, as a table."""


class FilesReading:
    """One reading of a source of many files.

    Args:
        storage: Where its files are.
        table: The source.
        pattern: Which files it is; None where their paths say nothing.
        columns: The columns to read, by the names that they have in the files; None for all.
        look: Gives the files, the content of each and that of all, given what is known of them.
        uri: Where they are, as messages show it.
        together: Reads some of the files at once, given them, their contents and the columns; None where they must be
            read one by one.
    """

    def __init__(
        self,
        storage: AssetStorage,
        table: Table,
        pattern: FilePattern | None,
        columns: Sequence[Column] | None,
        look: Callable[[tuple[InputRecord, ...]], tuple[Sequence[Part], list[InputRecord], InputRecord]],
        uri: str,
        together: Callable[[Sequence[Part], Sequence[InputRecord], Sequence[Column]], pa.Table | None] | None = None,
    ) -> None:
        self._together = together
        self._storage, self._table, self._pattern = storage, table, pattern
        self._columns, self._look, self._uri = columns, look, uri
        self._span: TimeSpan | None = None

    def scan(self) -> Scan:
        """It, not begun yet."""
        found = Scan(self._storage, self._table, self.read, self.read_pieces)
        found.read_within = self.read_within
        return found

    def read(self, known: tuple[InputRecord, ...] | None) -> tuple[pa.Table, InputRecord | None]:
        """As `Read`."""
        import pyarrow as pa

        last: ChangedError | None = None
        for _ in range(READINGS):
            files, contents, record = self._look(known or ())
            try:
                pieces = list(self._pieces(files, contents))
            except ChangedError as error:
                last = error
                continue
            return pa.concat_tables(pieces), record
        raise self._changed(last) from last

    def read_pieces(self, known: tuple[InputRecord, ...]) -> Pieces:
        """As `ReadPieces`."""
        files, contents, record = self._look(known)

        def pieces() -> Iterator[pa.Table]:
            try:
                yield from self._pieces(files, contents)
            except ChangedError as error:
                raise self._changed(error) from error

        return pieces, record

    def read_within(self, known: tuple[InputRecord, ...], span: TimeSpan) -> Pieces:
        """As `ReadWithin`."""
        some = copy(self)
        some._span = span
        return some.read_pieces(known)

    def _changed(self, error: ChangedError | None) -> StorageError:
        if isinstance(error, _FileGoneError):
            return gone_while_read(self._table, str(error))
        return changed_while_read(self._table, str(error) if isinstance(error, _FileChangedError) else self._uri)

    def _pieces(self, files: Sequence[Part], contents: Sequence[InputRecord]) -> Iterator[pa.Table]:
        """Read the files in order, those that are small several at once, and report all that are not as declared."""
        from lakehouse_cli.arrow.types import without_rows

        if not files:
            yield self._nothing()
            return
        schema: pa.Schema | None = None
        progress = Progress(self._table.name)
        with closing(FileFailures(self._table)) as failures:
            for group, outcomes in self._read_ahead(files, contents):
                together: list[pa.Table] = []
                for at, outcome in outcomes:
                    if isinstance(outcome, LakehouseError):
                        failures.add(files[at].uri, outcome)
                        continue
                    failures.add_rows(files[at].uri, outcome.num_rows)
                    if schema is None:
                        schema = outcome.schema
                        yield without_rows(schema)
                    try:
                        alike = self._alike(outcome, schema, files[at], files[0])
                    except DataError as error:
                        failures.add(files[at].uri, error)
                        continue
                    if failures or not alike.num_rows:
                        continue
                    if contents[at].bytes > _SMALL:
                        yield alike
                    else:
                        together.append(alike)
                if together and not failures:
                    yield _as_one(together)
                progress.files(group.stop, len(files))
            if failures:
                raise failures.error(len(files))

    def _read_ahead(
        self, files: Sequence[Part], contents: Sequence[InputRecord]
    ) -> Iterator[tuple[range, Iterable[_FileRead]]]:
        """The files, group by group in their order, and what is read of each; some groups are read ahead."""
        from concurrent.futures import ThreadPoolExecutor  # a plan reads nothing

        workers = _workers()
        groups = _groups([each.bytes for each in contents])
        ahead: deque[tuple[range, Future[list[_FileRead]] | None]] = deque()
        with ThreadPoolExecutor(workers) as pool:
            try:
                while True:
                    for group in islice(groups, 2 * workers - len(ahead)):
                        small = contents[group.start].bytes <= _SMALL
                        read = partial(self._read_group, files, contents, group)
                        ahead.append((group, pool.submit(copy_context().run, read) if small else None))
                    if not ahead:
                        return
                    group, found = ahead.popleft()
                    yield group, self._read_files(files, contents, group) if found is None else found.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _read_group(self, files: Sequence[Part], contents: Sequence[InputRecord], group: range) -> list[_FileRead]:
        if self._together is not None and len(group) > 1 and self._span is None:
            some, names = files[group.start : group.stop], {each.source_name for each in self._columns or ()}
            of_path = {self._table.file_column}.union(*[each.values for each in some])
            if names and names.isdisjoint(of_path):
                table = self._together(some, contents[group.start : group.stop], self._columns or ())
                if table is not None:
                    return [(group.start, table)]
                self._together = None  # those that follow are as likely to differ
        return list(self._read_files(files, contents, group))

    def _read_files(self, files: Sequence[Part], contents: Sequence[InputRecord], group: range) -> Iterator[_FileRead]:
        """The pieces of each file of a group, and what is wrong with it, if anything, behind them."""
        for at in group:
            try:
                for piece in self._file(files[at], contents[at]):
                    yield at, piece
            except MissingDataError as error:
                raise _FileGoneError(files[at].uri) from error
            except _FileChangedError:
                raise
            except ChangedError as error:
                raise _FileChangedError(files[at].uri) from error
            except (DataError, StorageError) as error:
                yield at, error

    def _file(self, file: Part, content: InputRecord) -> Iterator[pa.Table]:
        """The rows of one file, with what its path says."""
        columns = self._columns
        if columns is not None:
            of_path = {*file.values, file.table.file_column}
            columns = [each for each in columns if each.source_name not in of_path]
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
                lacking = frozenset(name for name in optional if name in found - error.misnamed)
                if last or not lacking:
                    raise
                self._refuse_other_case((each for each in columns or () if each.name in lacking), file)
            else:
                return

    def _refuse_other_case(self, columns: Iterable[Column], file: Part) -> None:
        """Refuse to read a column as null whose values the path has under another name."""
        from lakehouse_cli.formats.missing_columns import other_case

        for column in columns:
            if (other := other_case(str(column.source_name), file.values)) is not None:
                shown = file.uri
                raise DataError(
                    f"`{shown}` lacks column `{column.source_name}`, and its path has `{other}`",
                    hint=f"declare it with `from: {other}`, or call both alike",
                    location=Location(shown),
                )

    def _filled(
        self, file: Part, content: InputRecord, columns: Sequence[Column] | None, lacking: Collection[str]
    ) -> Iterator[pa.Table]:
        import pyarrow as pa

        there = None if columns is None else tuple(each for each in columns if each.name not in lacking)
        scan = self._scan(file.table, there or None)
        is_there = self._span is not None and any(each.name == self._span.column for each in there or ())
        pieces, found = (
            scan.pieces_within((content,), self._span)
            if self._span is not None and is_there
            else scan.pieces_with_content((content,))
        )
        if found.content_hash != content.content_hash:
            raise _FileChangedError(file.uri)
        wanted = self._columns
        if wanted is None or (self._pattern is None and self._table.extra_columns == "keep"):
            yield from (self._with_path(piece, file) for piece in pieces())
            return
        names, read = [each.name for each in wanted], {each.name for each in there or ()}
        for piece in pieces():
            if len(read) == len(names):  # in the order in which they were asked for
                yield piece
                continue
            arrays = [
                piece.column(each.name) if each.name in read else self._constant(each, file, piece.num_rows)
                for each in wanted
            ]
            yield pa.table(dict(zip(names, arrays, strict=True)))

    def _scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        if columns is not None:
            table = replace(table, contract=replace(table.contract, columns=tuple(columns)))
        return self._storage.scan(table, columns)

    def _with_path(self, piece: pa.Table, file: Part) -> pa.Table:
        """All columns of a file, and as text what its path says besides."""
        import pyarrow as pa

        texts: dict[str, str | None] = dict(file.values)
        if file.table.file_column:
            texts[file.table.file_column] = file.shown
        for name, text in texts.items():
            if name in piece.column_names:
                shown = file.uri
                raise DataError(
                    f"`{shown}` has a column `{name}`, and so has its path",
                    hint=f"declare `columns:` for `{self._table.name}`, or give the one of the path another name",
                    location=Location(shown),
                )
            piece = piece.append_column(name, pa.array([text], pa.string()).take(_zeros(piece.num_rows)))
        return piece

    def _constant(self, column: Column, file: Part, rows: int) -> pa.Array:
        """The value of a column that no row of a file holds: of its path, or null for one that it lacks."""
        import pyarrow as pa

        from lakehouse_cli.arrow.types import to_arrow
        from lakehouse_cli.storage.path_values import path_value

        kind = to_arrow(column.type)
        if column.source_name == file.table.file_column:
            return pa.array([file.shown], kind).take(_zeros(rows))
        text = file.values.get(str(column.source_name))
        if text is None:
            return pa.nulls(rows, kind)
        assert self._pattern is not None  # noqa: S101  # whose paths say nothing have no values
        return path_value(column, text, self._pattern, file.uri, file.shown).take(_zeros(rows))

    def _nothing(self) -> pa.Table:
        import pyarrow as pa

        from lakehouse_cli.arrow.types import to_arrow

        return pa.table({each.name: pa.nulls(0, to_arrow(each.type)) for each in self._columns or ()})

    def _alike(self, piece: pa.Table, schema: pa.Schema, file: Part, first: Part) -> pa.Table:
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
            shown, other = file.uri, first.uri
            raise DataError(
                f"`{shown}` has other columns than `{other}`: {'; '.join(differences[:REPORTED])}",
                hint=self._columns_hint(),
                location=Location(shown),
            )
        return piece.select(schema.names)

    def _columns_hint(self) -> str:
        from lakehouse_cli.storage.table_scan import same_columns_hint  # which reads by this

        is_source = self._table.kind == "source"
        return f"declare `columns:` for `{self._table.name}`" if is_source else same_columns_hint(self._table)


def _groups(sizes: Sequence[int]) -> Iterator[range]:
    """Files that are read one after the other by one thread: a large one alone, small ones up to some bytes."""
    start = total = 0
    for at, size in enumerate(sizes):
        if at > start and (total + size > _TOGETHER or at - start == _MOST_TOGETHER):
            yield range(start, at)
            start, total = at, 0
        total += size
    if sizes:
        yield range(start, len(sizes))


def _as_one(pieces: list[pa.Table]) -> pa.Table:
    """Pieces of small files in one: what takes them has little to do for each."""
    import pyarrow as pa

    return pieces[0] if len(pieces) == 1 else pa.concat_tables(pieces).combine_chunks()


def _workers() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _zeros(count: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.zeros(count, dtype=np.int8))
