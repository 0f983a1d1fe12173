"""How many rows a CSV file has: found by Arrow's reader as when it is read, but only one column is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv

from lakehouse_cli.formats.arrow_streams import ReadableFile
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.parse import parse_options, read_options
from lakehouse_cli.formats.csv.source import CsvSource


def count_rows(open_source: Callable[[], BinaryIO], name: str, options: CsvOptions) -> int:
    """How many rows `read_csv` would find; in bounded memory, and in about a sixth of the time.

    Args:
        open_source: Opens the file's bytes.
        name: The file, whose suffix may tell the compression.
        options: Of the format.

    Raises:
        StorageError: The file is not whole, of another encoding, or no CSV.
        ArrowInvalid: It has rows of different lengths.
    """
    with CsvSource(open_source, name, options) as source:
        if source.width is None:
            return 0
        # Looking for hexadecimal numbers takes as long as the rest.
        source.has_hexadecimal = True
        try:
            rows = 0
            with ReadableFile(source) as file:
                for batch in csv.open_csv(
                    file.native,
                    read_options=read_options(source, use_threads=False),
                    parse_options=parse_options(source, options),
                    convert_options=csv.ConvertOptions(include_columns=["0"], column_types={"0": pa.binary()}),
                ):
                    rows += batch.num_rows
            return rows
        except pa.ArrowInvalid as error:
            if "Empty CSV" not in str(error):
                raise
            return 0
