"""The CSV format as storages use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa

from lakehouse_cli.formats.base import Format, Sink
from lakehouse_cli.model import Column
from lakehouse_cli.storage.csv.counting import count_rows
from lakehouse_cli.storage.csv.read import read_csv
from lakehouse_cli.storage.csv.write import write_csv
from lakehouse_cli.storage.csv_options import CsvOptions


class CsvFormat(Format):
    """Reads and writes tables as CSV, with options as the project file has them."""

    def __init__(self) -> None:
        self._known: dict[str, CsvOptions] = {}

    def read(
        self,
        open_source: Callable[[], BinaryIO],
        name: str,
        columns: Sequence[Column] | None,
        options: Mapping[str, Any],
    ) -> pa.Table:
        """The declared columns of a file; see `read_csv`."""
        return read_csv(open_source, name, columns, self.options_of(options))

    def write(self, table: pa.Table, sink: Sink, options: Mapping[str, Any]) -> None:
        """Write a table to an open file; see `write_csv`."""
        write_csv(table, sink, self.options_of(options))

    def count_rows(self, open_source: Callable[[], BinaryIO], name: str, options: Mapping[str, Any]) -> int | None:
        """How many rows there are; see `count_rows` of `lakehouse_cli.storage.csv.counting`."""
        return count_rows(open_source, name, self.options_of(options))

    def options_of(self, options: Mapping[str, Any]) -> CsvOptions:
        """The checked options, made once for each set of them."""
        key = repr(sorted(options.items()))
        if key not in self._known:
            self._known[key] = CsvOptions.from_mapping(options)
        return self._known[key]
