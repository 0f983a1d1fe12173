"""The rows of a source of many files, read from each of them in order of name."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import (
    KEPT_ROWS,
    DataError,
    FailedRow,
    FailedRows,
    LakehouseError,
    Location,
    MissingDataError,
    StorageError,
)
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.file_pattern import FilePattern
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.storage.base import READINGS, AssetStorage, Scan
from lakehouse_cli.storage.errors import ChangedError, changed_while_read
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    import pyarrow as pa

#: Files of up to so many bytes are read as a whole, several at once.
_SMALL = 16 << 20
#: So many files that are not as declared are reported one by one.
REPORTED = 20


class _FileChangedError(ChangedError):
    """One file changed while all were read; its text is where it is."""


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
    """

    def __init__(
        self,
        storage: AssetStorage,
        table: Table,
        pattern: FilePattern | None,
        columns: Sequence[Column] | None,
        look: Callable[[tuple[InputRecord, ...]], tuple[Sequence[Part], list[InputRecord], InputRecord]],
        uri: str,
    ) -> None:
        self._storage, self._table, self._pattern = storage, table, pattern
        self._columns, self._look, self._uri = columns, look, uri

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
            except _FileChangedError as error:
                raise changed_while_read(self._table, str(error)) from error
            except ChangedError as error:
                raise self._changed() from error

        return pieces, record

    def _changed(self) -> StorageError:
        return changed_while_read(self._table, self._uri)

    def _pieces(self, files: Sequence[Part], contents: Sequence[InputRecord]) -> Iterator[pa.Table]:
        """Read the files in order, those that are small several at once, and report all that are not as declared."""
        if not files:
            yield self._nothing()
            return
        failures: list[tuple[Part, LakehouseError]] = []
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
                            alike = self._alike(piece, schema, file, files[0])
                            if not failures:
                                yield alike
                    except (DataError, StorageError) as error:
                        if isinstance(error, MissingDataError):
                            raise _FileChangedError(file.uri) from error
                        failures.append((file, error))
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        if failures:
            raise self._failure(failures, len(files))

    def _file(self, file: Part, content: InputRecord) -> Iterator[pa.Table]:
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
        self, file: Part, content: InputRecord, columns: Sequence[Column] | None, lacking: Collection[str]
    ) -> Iterator[pa.Table]:
        import pyarrow as pa

        there = None if columns is None else tuple(each for each in columns if each.name not in lacking)
        pieces, found = self._scan(file.table, there or None).pieces_with_content((content,))
        if found.content_hash != content.content_hash:
            raise _FileChangedError(file.uri)
        wanted = self._columns
        for piece in pieces():
            if wanted is None or (self._pattern is None and self._table.extra_columns == "keep"):
                yield self._with_path(piece, file)
                continue
            arrays = [
                piece.column(each.name)
                if there is not None and each.name in piece.column_names and each in there
                else pa.chunked_array([self._constant(each, file, piece.num_rows)])
                for each in wanted
            ]
            yield pa.table(dict(zip([each.name for each in wanted], arrays, strict=True)))

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
        if column.name == file.table.file_column:
            return pa.array([file.shown], kind).take(_zeros(rows))
        text = file.values.get(column.name)
        if column.name not in file.values or text is None:
            return pa.nulls(rows, kind)
        assert self._pattern is not None  # noqa: S101  # whose paths say nothing have no values
        return path_value(column, text, self._pattern, file.uri).take(_zeros(rows))

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
                hint=f"declare `columns:` for `{self._table.name}`",
                location=Location(shown),
            )
        return piece.select(schema.names)

    def _failure(self, failures: Sequence[tuple[Part, LakehouseError]], total: int) -> LakehouseError:
        """One error of all files that are not as declared."""
        first = failures[0][1]
        if total > 1 and first.hint and "header: false" in first.hint:
            first.hint = "write the names of its columns in its first line, or move the file away"
        if len(failures) == 1:
            return first
        violations = []
        rows: list[FailedRow] = []
        count = 0
        for file, error in failures[:REPORTED]:
            shown = file.uri
            of_file = error.violations if isinstance(error, DataError) else ()
            violations += [replace(each, message=f"`{shown}`: {each.message}") for each in of_file]
            kept = error.failed or FailedRows.of_examples(of_file) if isinstance(error, DataError) else None
            if kept is not None:
                rows += [replace(each, file=shown) for each in kept.rows]
                count += kept.count
        found = DataError(
            f"{len(failures)} of {plural(total, 'file')} of `{self._table.name}` are not as declared: {first.message}",
            violations,
            hint=first.hint,
            location=first.location,
        )
        if rows:
            columns = dict.fromkeys(name for each in rows for name in each.values)
            found.failed = FailedRows(count, tuple(columns), tuple(rows[:KEPT_ROWS]))
        others = [error.message for _, error in failures[1:REPORTED] if not getattr(error, "violations", ())]
        if others:
            found.message += f"; {'; '.join(others)}"
        return found


def _workers() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _zeros(count: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    return pa.array(np.zeros(count, dtype=np.int8))
