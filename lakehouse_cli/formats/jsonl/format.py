"""The formats JSON Lines and JSON as storages use them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import ClassVar

import pyarrow as pa

from lakehouse_cli.arrow.types import holds, to_arrow
from lakehouse_cli.formats.base import Format, Opener, Sink
from lakehouse_cli.formats.compression import BLOCK
from lakehouse_cli.formats.csv.options import cell_options
from lakehouse_cli.formats.jsonl.elements import OpenedArray
from lakehouse_cli.formats.jsonl.fast import read_fast
from lakehouse_cli.formats.jsonl.lines import Opened
from lakehouse_cli.formats.jsonl.read import read_declared, read_undeclared
from lakehouse_cli.formats.jsonl.spec import JsonlOptions
from lakehouse_cli.formats.jsonl.write import write_json, write_jsonl
from lakehouse_cli.model import Column


class JsonlFormat(Format[JsonlOptions]):
    """Reads and writes tables as JSON Lines."""

    _opened: ClassVar[type[Opened]] = Opened

    def read(self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: JsonlOptions) -> pa.Table:
        """Read the declared columns of a file; see `read_declared` and `read_undeclared`."""
        opened = self._opened(open_source, name, options.compression)
        if columns is None:
            return read_undeclared(opened)
        return read_declared(opened, columns, [cell_options(options.of(each.name)) for each in columns])

    def read_pieces(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: JsonlOptions
    ) -> Iterator[pa.Table]:
        """Read blocks of lines; all at once where one must be read with care, and of an array."""
        rows, types = 0, [to_arrow(column.type) for column in columns or ()]
        if columns and self._opened is Opened and not any(holds(kind, pa.types.is_dictionary) for kind in types):
            cells = [cell_options(options.of(each.name)) for each in columns]
            names, seen = [column.name for column in columns], set[str]()
            for block in Opened(open_source, name, options.compression).blocks(BLOCK):
                piece = read_fast(Opened(partial(io.BytesIO, block), name, "none"), columns, cells, seen)
                if piece is None:
                    break
                rows += piece.num_rows
                yield piece
            else:
                if seen.issuperset(names):
                    return
        yield self.read(open_source, name, columns, options).slice(rows)

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
