"""The formats JSON Lines and JSON as storages use them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import ClassVar

import pyarrow as pa

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.base import Format, Opener, Sink
from lakehouse_cli.formats.compression import BLOCK
from lakehouse_cli.formats.csv.options import cell_options
from lakehouse_cli.formats.jsonl.elements import OpenedArray
from lakehouse_cli.formats.jsonl.fast import read_fast
from lakehouse_cli.formats.jsonl.lines import Opened
from lakehouse_cli.formats.jsonl.read import read_carefully, read_declared, read_undeclared
from lakehouse_cli.formats.jsonl.spec import JsonlOptions
from lakehouse_cli.formats.jsonl.write import write_json, write_jsonl
from lakehouse_cli.model import Column

#: Rows of a piece that is read row by row, or a few more.
_CAREFUL_ROWS = 1 << 16


class JsonlFormat(Format[JsonlOptions]):
    """Reads and writes tables as JSON Lines."""

    _opened: ClassVar[type[Opened]] = Opened

    def read(self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: JsonlOptions) -> pa.Table:
        """Read the declared columns of a file; see `read_declared` and `read_undeclared`."""
        opened = self._opened(open_source, name, options.compression)
        if columns is None:
            return read_undeclared(opened)
        return read_declared(opened, columns, [cell_options(options.of(each.name)) for each in columns])

    def read_fitting(self, open_source: Opener, name: str, options: JsonlOptions) -> tuple[pa.Table, dict[str, str]]:
        """Read all columns of a file, nulls for those without a type; with what these hold, by name."""
        left_out: dict[str, str] = {}
        return read_undeclared(self._opened(open_source, name, options.compression), left_out), left_out

    def read_pieces(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: JsonlOptions
    ) -> Iterator[pa.Table]:
        """Read blocks of records, from the first that must be read with care record by record."""
        if not columns:
            yield self.read(open_source, name, columns, options)
            return
        opened, rows = self._opened(open_source, name, options.compression), 0
        cells = [cell_options(options.of(each.name)) for each in columns]
        names, seen = [column.name for column in columns], set[str]()
        is_read = False
        with suppress(StorageError):  # raised again below, or what is wrong before it
            for block in opened.blocks(BLOCK):
                piece = read_fast(Opened(partial(io.BytesIO, block), name, "none"), columns, cells, seen)
                if piece is None:
                    break
                rows += piece.num_rows
                yield piece
            else:
                is_read = seen.issuperset(names)
        if is_read:
            return
        for piece in read_carefully(opened, columns, cells, _CAREFUL_ROWS):
            if piece.num_rows >= rows:
                yield piece.slice(rows)
            rows = max(0, rows - piece.num_rows)

    def count_rows(self, open_source: Opener, name: str, options: JsonlOptions) -> int | None:
        """Count the lines that are not blank, or the elements of the array."""
        return sum(1 for _ in self._opened(open_source, name, options.compression).records())

    def find_lines(
        self, open_source: Opener, name: str, rows: Sequence[int], options: JsonlOptions
    ) -> Mapping[int, int]:
        """Count the lines that are not blank."""
        lines = enumerate(self._opened(open_source, name, options.compression).records(), 1)
        wanted, last = set(rows), max(rows, default=0)
        return {row: line for row, (line, _) in islice(lines, last) if row in wanted}

    def write(self, table: pa.Table, sink: Sink, options: JsonlOptions) -> None:
        """Write a table to an open file."""
        self.write_pieces([table], sink, options)

    def write_pieces(self, pieces: Iterable[pa.Table], sink: Sink, options: JsonlOptions) -> None:
        """Write a table to an open file; see `write_jsonl`."""
        write_jsonl(pieces, sink, options.compression, lambda name: cell_options(options.of(name)))


class JsonFormat(JsonlFormat):
    """Reads and writes tables as one JSON array of objects."""

    _opened = OpenedArray

    def write_pieces(self, pieces: Iterable[pa.Table], sink: Sink, options: JsonlOptions) -> None:
        """Write a table to an open file; see `write_json`."""
        write_json(pieces, sink, options.compression, lambda name: cell_options(options.of(name)))
