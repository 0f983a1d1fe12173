"""The CSV format as storages use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO

import pyarrow as pa

from lakehouse_cli.formats.base import Format, Sink
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import count_rows, read_csv
from lakehouse_cli.formats.csv.write import write_csv
from lakehouse_cli.model import Column


class CsvFormat(Format[CsvOptions]):
    """Reads and writes tables as CSV."""

    def read(
        self,
        open_source: Callable[[], BinaryIO],
        name: str,
        columns: Sequence[Column] | None,
        options: CsvOptions,
    ) -> pa.Table:
        """The declared columns of a file; see `read_csv`."""
        return read_csv(open_source, name, columns, options)

    def write(self, table: pa.Table, sink: Sink, options: CsvOptions) -> None:
        """Write a table to an open file; see `write_csv`."""
        write_csv(table, sink, options)

    def count_rows(self, open_source: Callable[[], BinaryIO], name: str, options: CsvOptions) -> int | None:
        """How many rows there are; see `count_rows`."""
        return count_rows(open_source, name, options)
