"""CSV block by block: what the quick policy cannot read of one, the careful one does."""

from __future__ import annotations

import io

import pyarrow as pa
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv, read_pieces
from lakehouse_cli.model import Column, parse_column_type

ROWS = 400_000
COLUMNS = [
    Column("id", parse_column_type("int64")),
    Column("t", parse_column_type("timestamp[s]")),
    Column("x", parse_column_type("float64")),
    Column("s", parse_column_type("string")),
]


def text(row: str = "{i},2024-02-09 07:41:43,{i}.5,text {i}", last: str = "") -> bytes:
    return ("id,t,x,s\n" + "".join(row.format(i=i) + "\n" for i in range(ROWS)) + last).encode()


@pytest.mark.parametrize(
    "row",
    [
        "{i},2024-02-09 07:41:43,{i}.5,text {i}",
        "{i},2024-02-09 07:41:43.000,{i}.5,text {i}",
        "{i},2024-02-09 07:41:43,{i}.5,0x{i}",
        "{i},2024-02-09 07:41:43,inf,",
        '{i},2024-02-09 07:41:43,"{i}","a, ""b"""',
    ],
)
def test_every_block_is_a_piece(row: str) -> None:
    data = text(row)
    pieces = list(read_pieces(lambda: io.BytesIO(data), "x.csv", COLUMNS, CsvOptions()))
    assert max(piece.num_rows for piece in pieces) < ROWS / 2
    assert pa.concat_tables(pieces).equals(read_csv(lambda: io.BytesIO(data), "x.csv", COLUMNS, CsvOptions()))


@pytest.mark.parametrize(
    "last", ["5,2024-02-09 07:41:43.5,1,\n", "x,,,\n1e400,,,\n", "1,2\n", '1,,,"a\n', "1,,1e400,\n", "0xFF,,,\n"]
)
def test_what_does_not_fit_is_reported_as_of_the_whole(last: str) -> None:
    data = text(last=last)

    def outcome(pieces: bool) -> object:
        try:
            if pieces:
                return pa.concat_tables(read_pieces(lambda: io.BytesIO(data), "x.csv", COLUMNS, CsvOptions()))
            return read_csv(lambda: io.BytesIO(data), "x.csv", COLUMNS, CsvOptions())
        except (DataError, StorageError) as error:
            return str(error), getattr(error, "violations", ())

    whole, in_pieces = outcome(False), outcome(True)
    assert in_pieces.equals(whole) if isinstance(whole, pa.Table) else in_pieces == whole  # type: ignore[attr-defined]
