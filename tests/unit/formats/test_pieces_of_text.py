"""CSV, JSON Lines and JSON block by block: what the quick policy cannot read of one, the careful one does."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.formats.jsonl import format as jsonl
from lakehouse_cli.formats.jsonl import read as careful_jsonl
from lakehouse_cli.formats.jsonl.format import JsonFormat, JsonlFormat
from lakehouse_cli.model import Column
from tests.unit.formats.csv_files import columns_of, set_block

READERS = {"csv": CsvFormat(), "jsonl": JsonlFormat(), "json": JsonFormat()}
OF_JSON = columns_of(id="int64", t="timestamp[us, tz=UTC]", seldom="string")
COLUMNS = {
    "csv": columns_of(id="int64", t="timestamp[s]", x="float64", s="string"),
    "jsonl": OF_JSON,
    "json": OF_JSON,
}
CSV_ROWS, JSONL_ROWS = 3_000, 600


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of which a small file has several."""
    set_block(monkeypatch, 32 << 10)
    monkeypatch.setattr(careful_jsonl, "_ROWS", 100)
    monkeypatch.setattr(jsonl, "_CAREFUL_ROWS", 200)


def csv(row: str = "{i},2024-02-09 07:41:43,{i}.5,text {i}") -> bytes:
    return ("id,t,x,s\n" + "".join(row.format(i=i) + "\n" for i in range(CSV_ROWS))).encode()


def line(i: int) -> bytes:
    row: dict[str, Any] = {"id": i, "t": f"2024-01-01T00:00:{i % 60:02}Z", "other": "x" * 250}
    if i % 450 == 1:
        row["seldom"] = f"text {i}"
    return json.dumps(row).encode() + b"\n"


JSONL = b"".join(map(line, range(JSONL_ROWS)))


def read(kind: str, data: bytes, name: str = "x", columns: list[Column] | None = None) -> tuple[Any, Any]:
    """What is read of a file as a whole, and of its pieces."""
    arguments: Any = (lambda: io.BytesIO(data), name, columns or COLUMNS[kind], FORMATS[kind].checked({}))

    def outcome(pieces: bool) -> Any:
        try:
            if pieces:
                return list(READERS[kind].read_pieces(*arguments))
            return READERS[kind].read(*arguments)
        except (DataError, StorageError) as error:
            return str(error), getattr(error, "violations", ())

    return outcome(False), outcome(True)


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
def test_every_block_of_csv_is_a_piece(row: str) -> None:
    whole, pieces = read("csv", csv(row))
    assert max(piece.num_rows for piece in pieces) < CSV_ROWS / 2
    assert pa.concat_tables(pieces).equals(whole)


@pytest.mark.parametrize("ending", [b"", b"\n\n", b'{"id": 7}', b"  \n" + line(5)])
@pytest.mark.parametrize("packed", [False, True])
def test_every_block_of_json_lines_is_a_piece(ending: bytes, packed: bool) -> None:
    data = JSONL + ending
    whole, pieces = read("jsonl", gzip.compress(data) if packed else data, "x.jsonl.gz" if packed else "x.jsonl")
    assert len(pieces) > 2
    assert pa.concat_tables(pieces).equals(whole)
    assert whole.column("seldom").null_count < JSONL_ROWS


@pytest.mark.parametrize(
    "ending",
    [b"5,2024-02-09 07:41:43.5,1,\n", b"x,,,\n1e400,,,\n", b"1,2\n", b'1,,,"a\n', b"1,,1e400,\n", b"0xFF,,,\n"],
)
def test_what_does_not_fit_in_csv_is_reported_as_of_the_whole(ending: bytes) -> None:
    whole, pieces = read("csv", csv() + ending)
    assert pieces == whole


@pytest.mark.parametrize(
    "ending", [b'{"id": "x"}\n', b'{"id": 1e400}\n', b"null\n", b"[1]\n", b'{"id": 1', b'{"t": "1"}\n']
)
def test_what_does_not_fit_in_json_lines_is_reported_as_of_the_whole(ending: bytes) -> None:
    whole, pieces = read("jsonl", JSONL + ending)
    assert pieces == whole


def test_a_name_that_no_line_has_is_missing() -> None:
    whole, pieces = read("jsonl", JSONL.replace(b'"seldom"', b'"never"'))
    assert pieces == whole
    assert "seldom" in whole[0]


@pytest.mark.parametrize("late", [b"", b'{"id": 1, "s": [{"a": "x"}]}\n'])
def test_nested_columns_and_dictionaries_come_in_pieces(late: bytes) -> None:
    columns = columns_of(id="int64", s="list<struct<a: int64>>", d="dictionary<string>")
    rows = ({"id": i, "s": [{"a": i}], "d": f"text {i // 180}"} for i in range(600))
    data = b"".join(json.dumps(row).encode() + b"\n" for row in rows) + late
    whole, pieces = read("jsonl", data, columns=columns)
    if late:
        assert pieces == whole
        assert whole[1][0].examples[0].row == 601
        return
    assert len(pieces) > 1
    read_back = pa.concat_tables(pieces)
    assert read_back.schema == whole.schema
    assert read_back.to_pylist() == whole.to_pylist()


def test_first_block_that_needs_care_repeats_no_row() -> None:
    """A whole number that is written as a fraction makes one block of several careful."""
    rest = b"".join(map(line, range(JSONL_ROWS, JSONL_ROWS + 100)))
    whole, pieces = read("jsonl", JSONL + b'{"id": 7.0, "t": null}\n' + rest)
    assert pa.concat_tables(pieces).equals(whole)
    assert whole.num_rows == JSONL_ROWS + 101


def test_no_lines_are_no_rows() -> None:
    whole, pieces = read("jsonl", b"")
    assert pa.concat_tables(pieces).equals(whole)


def array(*ending: bytes, close: bytes = b"\n]\n") -> bytes:
    """The same rows as one array, some over several lines."""
    rows = JSONL.replace(b'{"id": 1', b'{\n  "id": 1').splitlines(keepends=True)
    text = b"".join(rows).rstrip().replace(b"}\n{", b"},\n{")
    return b"[" + b",\n".join([text, *ending]) + close


@pytest.mark.parametrize("ending", [[], [b'{"id": 7}'], [b'{"id": 7.0, "t": null}', line(5)]])
@pytest.mark.parametrize("packed", [False, True])
def test_array_comes_in_pieces(ending: list[bytes], packed: bool) -> None:
    data = array(*ending)
    whole, pieces = read("json", gzip.compress(data) if packed else data, "x.json.gz" if packed else "x.json")
    assert len(pieces) > 2
    assert pa.concat_tables(pieces).equals(whole)
    assert whole.num_rows == JSONL_ROWS + len(ending)


@pytest.mark.parametrize(
    "ending", [b'{"id": "x"}', b'{"id": 1e400}', b"null", b"[1]", b'{"id": 1 "t"}', b'{"t": "1"}', b"", b'{"id": "\n"}']
)
@pytest.mark.parametrize("close", [b"\n]", b""])
def test_what_is_wrong_in_an_array_is_reported_as_of_the_whole(ending: bytes, close: bytes) -> None:
    whole, pieces = read("json", array(ending, close=close))
    assert pieces == whole


@pytest.mark.parametrize("close", [b"}]", b"] []"])
def test_what_is_wrong_with_an_array_is_reported_as_of_the_whole(close: bytes) -> None:
    whole, pieces = read("json", array(close=close))
    assert pieces == whole


def test_array_that_is_cut_is_refused_as_a_whole() -> None:
    whole, pieces = read("json", gzip.compress(array())[:-20], "x.json.gz")
    assert pieces == whole
    assert "is not whole gzip data" in whole[0]


@pytest.mark.parametrize("text", [b"[]", b"", b'{"id": 1}'])
def test_short_arrays_are_read_alike(text: bytes) -> None:
    whole, pieces = read("json", text)
    assert pieces == whole if isinstance(whole, tuple) else pa.concat_tables(pieces).equals(whole)
