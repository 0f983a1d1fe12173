"""The JSON Lines format as storages use it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

import pyarrow as pa

from lakehouse_cli.formats.base import Format, Sink
from lakehouse_cli.model import Column
from lakehouse_cli.storage.csv.nested import json_cells
from lakehouse_cli.storage.csv_options import CsvOptions, codec_of
from lakehouse_cli.storage.jsonl.lines import Opened
from lakehouse_cli.storage.jsonl.read import read_declared, read_undeclared
from lakehouse_cli.storage.jsonl.write import write_jsonl


class JsonlFormat(Format):
    """Reads and writes tables as JSON Lines."""

    def read(
        self,
        open_source: Callable[[], BinaryIO],
        name: str,
        columns: Sequence[Column] | None,
        options: Mapping[str, Any],
    ) -> pa.Table:
        """The declared columns of a file; see `read_declared` and `read_undeclared`."""
        opened = Opened(open_source, name, codec_of(name, options.get("compression")))
        return read_undeclared(opened) if columns is None else read_declared(opened, columns, _cells(options))

    def count_rows(self, open_source: Callable[[], BinaryIO], name: str, options: Mapping[str, Any]) -> int | None:
        """By the lines that are not blank."""
        return Opened(open_source, name, codec_of(name, options.get("compression"))).count()

    def write(self, table: pa.Table, sink: Sink, options: Mapping[str, Any]) -> None:
        """Write a table to an open file; see `write_jsonl`."""
        write_jsonl(table, sink, options.get("compression") or "none", _cells(options))


def _cells(options: Mapping[str, Any]) -> CsvOptions:
    return json_cells(options.get("duration_unit"))
