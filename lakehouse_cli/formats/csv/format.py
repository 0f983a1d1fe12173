"""The CSV format as storages use it."""

from __future__ import annotations

from lakehouse_cli.formats.base import Format
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import count_rows, read_csv, read_pieces
from lakehouse_cli.formats.csv.refusals import find_lines
from lakehouse_cli.formats.csv.together import read_together
from lakehouse_cli.formats.csv.write import write_csv, write_pieces


class CsvFormat(Format[CsvOptions]):
    """Reads and writes tables as CSV."""

    read = staticmethod(read_csv)
    read_pieces = staticmethod(read_pieces)
    read_together = staticmethod(read_together)
    write = staticmethod(write_csv)
    write_pieces = staticmethod(write_pieces)
    count_rows = staticmethod(count_rows)
    find_lines = staticmethod(find_lines)
