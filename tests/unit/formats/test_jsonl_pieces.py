"""JSON Lines block by block."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.jsonl.format import JsonlFormat
from lakehouse_cli.model import Column, parse_column_type

ROWS = 40_000
COLUMNS = [
    Column("id", parse_column_type("int64")),
    Column("t", parse_column_type("timestamp[us, tz=UTC]")),
    Column("seldom", parse_column_type("string")),
]


def line(i: int) -> bytes:
    row: dict[str, Any] = {"id": i, "t": f"2024-01-01T00:00:{i % 60:02}Z", "other": "x" * 250}
    if i % 15_000 == 1:
        row["seldom"] = f"text {i}"
    return json.dumps(row).encode() + b"\n"


DATA = b"".join(map(line, range(ROWS)))


def read(data: bytes, name: str = "x.jsonl") -> tuple[Any, Any]:
    """What is read of a file as a whole, and of its pieces."""
    options = FORMATS["jsonl"].checked({})

    def outcome(pieces: bool) -> Any:
        try:
            if pieces:
                return list(JsonlFormat().read_pieces(lambda: io.BytesIO(data), name, COLUMNS, options))
            return JsonlFormat().read(lambda: io.BytesIO(data), name, COLUMNS, options)
        except (DataError, StorageError) as error:
            return str(error), getattr(error, "violations", ())

    return outcome(False), outcome(True)


@pytest.mark.parametrize("ending", [b"", b"\n\n", b'{"id": 7}', b"  \n" + line(5)])
@pytest.mark.parametrize("packed", [False, True])
def test_every_block_is_a_piece(ending: bytes, packed: bool) -> None:
    data = DATA + ending
    whole, pieces = read(gzip.compress(data) if packed else data, "x.jsonl.gz" if packed else "x.jsonl")
    assert len(pieces) > 2
    assert pa.concat_tables(pieces).equals(whole)
    assert whole.column("seldom").null_count < ROWS


@pytest.mark.parametrize(
    "ending", [b'{"id": "x"}\n', b'{"id": 1e400}\n', b"null\n", b"[1]\n", b'{"id": 1', b'{"t": "1"}\n']
)
def test_what_does_not_fit_is_reported_as_of_the_whole(ending: bytes) -> None:
    whole, pieces = read(DATA + ending)
    assert pieces == whole


def test_a_name_that_no_line_has_is_missing() -> None:
    data = DATA.replace(b'"seldom"', b'"never"')
    whole, pieces = read(data)
    assert pieces == whole
    assert "seldom" in whole[0]


def test_no_lines_are_no_rows() -> None:
    whole, pieces = read(b"")
    assert pa.concat_tables(pieces).equals(whole)
