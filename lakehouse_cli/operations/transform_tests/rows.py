"""The rows of a table in a test: written in the project file, or in a CSV file beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.transform_tests import Rows
from lakehouse_cli.contracts.hiding import hide_data, hide_sensitive
from lakehouse_cli.errors import DataError, LakehouseError, Location, Problem
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from lakehouse_cli.model import Column
from lakehouse_cli.operations.transform_tests.values import RowReader
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.name_lists import first_named


class RowSource(Protocol):
    """The rows of one table in a test; what is wrong with them is reported as it is found."""

    names: tuple[str, ...]
    count: int

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        """One of the columns as a type."""

    def inferred(self, name: str) -> pa.Array:
        """One of the columns, of no declared type."""

    def check_names(self, known: Sequence[str]) -> bool:
        """Whether all columns are known; the others are reported."""


def row_source(
    rows: Rows, reader: Reader, problems: Problems, folder: Path, what: str, hidden: Collection[str]
) -> RowSource | None:
    """The rows; None after a problem was reported of all of them.

    Args:
        rows: As they are written.
        reader: Of the file they stand in.
        problems: Takes what is found.
        folder: The project's.
        what: What messages call the table.
        hidden: Its sensitive columns, of which errors of a file show nothing.
    """
    if rows.csv is None:
        return _Written(rows, RowReader(reader, problems, what))
    try:
        return _Filed(rows.csv, folder, rows.location, problems, what, hidden)
    except LakehouseError as error:
        problems.add(_problem(error, rows.location, what, hidden))
        return None


def _problem(error: LakehouseError, location: Location, what: str, hidden: Collection[str]) -> Problem:
    if hidden:
        hide_data(error)
        if isinstance(error, DataError):
            hide_sensitive(error, hidden)
    return Problem(f"{what}: {error.message}", error.hint, error.location or location)


class _Written:
    def __init__(self, rows: Rows, reader: RowReader) -> None:
        self.names = tuple(dict.fromkeys(name for row in rows.rows for name in row.entries))
        self.count = len(rows.rows)
        self._rows = rows
        self._reader = reader

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        return self._reader.column(self._rows, name, kind)

    def inferred(self, name: str) -> pa.Array:
        return self._reader.inferred(self._rows, name)

    def check_names(self, known: Sequence[str]) -> bool:
        return self._reader.check_names(self._rows, known)


class _Filed:
    def __init__(
        self, file: str, folder: Path, location: Location, problems: Problems, what: str, hidden: Collection[str]
    ) -> None:
        path = folder / file
        try:
            data = path.read_bytes()
        except OSError as error:
            there = [each.relative_to(folder).as_posix() for each in sorted(path.parent.glob("*.csv"))]
            close = did_you_mean(file, there) if isinstance(error, FileNotFoundError) else None
            why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
            raise LakehouseError(f"`{file}` {why}", hint=close or "write the rows there") from None
        self._read = partial(read_csv, lambda: BytesIO(data), file)
        self._whole = self._read(None, CsvOptions())
        self.names = tuple(self._whole.schema.names)
        self.count = self._whole.num_rows
        self._file, self._location, self._problems, self._what = file, location, problems, what
        self._hidden = hidden

    def column(self, name: str, kind: pa.DataType) -> pa.Array:
        declared = from_arrow(kind)
        try:
            if declared is None:
                raise LakehouseError(f"column `{name}` is {kind}, which no file of CSV holds")
            table = self._read([Column(name, declared)], CsvOptions())
            return table.column(0).combine_chunks().cast(to_arrow(declared))
        except LakehouseError as error:
            self._problems.add(_problem(error, self._location, self._what, self._hidden))
            return pa.nulls(self.count, kind)

    def inferred(self, name: str) -> pa.Array:
        return self._whole.column(name).combine_chunks()

    def check_names(self, known: Sequence[str]) -> bool:
        unknown = [name for name in self.names if name not in known]
        for name in unknown:
            hint = did_you_mean(name, known) or f"its columns are {first_named(known, 12)}"
            message = f"{self._what} has no column {quoted(name)}, which `{self._file}` has"
            self._problems.report(message, hint, Location(self._file, 1))
        return not unknown
