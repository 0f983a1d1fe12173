"""Files that Arrow reads in its own threads: nothing of them is in use any more when a table was read."""

from __future__ import annotations

import gc
import io
import time
import weakref
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats import FORMATS as SPECS
from lakehouse_cli.formats import arrow_streams
from lakehouse_cli.formats.arrow_streams import ReadableFile
from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.formats.ipc.format import IpcFormat
from lakehouse_cli.formats.jsonl.format import JsonFormat, JsonlFormat
from lakehouse_cli.formats.parquet.format import ParquetFormat
from lakehouse_cli.formats.parquet.reading import ParquetReader
from tests.unit.formats.csv_files import columns_of

FORMATS = {
    "csv": CsvFormat(),
    "jsonl": JsonlFormat(),
    "json": JsonFormat(),
    "ipc": IpcFormat(),
    "parquet": ParquetFormat(),
}
PLAIN = {"ipc": {"compression": "none"}, "parquet": {"compression": "none"}}
ROWS = 30_000
DECLARED = columns_of(n="int64", text="string")


def written(kind: str, rows: int = ROWS) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"n": pa.array(range(rows), pa.int64()), "text": [f"value {n}" for n in range(rows)]})
    FORMATS[kind].write(table, sink, SPECS[kind].checked(PLAIN.get(kind, {})))
    return sink.getvalue()


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each file that was left: whether something still referred to it."""
    found: list[bool] = []
    leave = ReadableFile.__exit__

    def watched(self: ReadableFile, *failure: Any) -> None:
        leave(self, *failure)
        found.append(any(each() is not None for each in self._held))

    monkeypatch.setattr(ReadableFile, "__exit__", watched)
    monkeypatch.setattr(arrow_streams, "_PATIENCE_S", 20.0)
    return found


@pytest.mark.parametrize(
    "hold",
    [lambda file: file.native, lambda file: file.native.read_buffer(4), lambda file: file.lend(lambda: None)],
    ids=["file", "piece", "function"],
)
def test_what_a_thread_still_holds_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, hold: Callable[[ReadableFile], Any]
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(time, "sleep", lambda _: kept.clear())
    with ReadableFile(io.BytesIO(b"PAR1")) as file:
        kept.append(hold(file))
    assert kept == []


def read(kind: str, content: bytes | bytearray) -> pa.Table:
    return FORMATS[kind].read(lambda: io.BytesIO(content), "t", DECLARED, SPECS[kind].checked({}))


@pytest.mark.parametrize("kind", FORMATS)
def test_no_references_remain_after_reading(kind: str, left: list[bool]) -> None:
    content = written(kind)
    assert read(kind, content).num_rows == ROWS
    assert left
    assert FORMATS[kind].count_rows(lambda: io.BytesIO(content), "t", SPECS[kind].checked({})) == ROWS
    assert not any(left)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_references_remain_after_a_failure(kind: str, left: list[bool]) -> None:
    content = bytearray(written(kind))
    content[len(content) // 2 :] = b"x\n" * 100
    with pytest.raises(StorageError):
        read(kind, content)
    assert left
    assert not any(left)


def test_no_references_remain_after_a_damaged_page(left: list[bool]) -> None:
    content = bytearray(written("parquet"))
    content[len(content) // 2] ^= 0x10
    with pytest.raises(StorageError, match="checksum"):
        read("parquet", content)
    assert left
    assert not any(left)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json"])
def test_source_is_gone_when_text_was_read(kind: str) -> None:
    content = written(kind)
    gc.disable()
    try:
        for _ in range(10):
            opened: list[weakref.ref[io.BytesIO]] = []

            def source() -> io.BytesIO:
                file = io.BytesIO(content)
                opened.append(weakref.ref(file))  # noqa: B023
                return file

            FORMATS[kind].read(source, "t", DECLARED, SPECS[kind].checked({}))
            assert [each() for each in opened] == [None] * len(opened)
    finally:
        gc.enable()


def test_pieces_are_gone_when_parquet_was_read() -> None:
    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> Any:
            piece = memoryview(super().read(size))
            given.append(weakref.ref(piece))
            return piece

    content = written("parquet")
    for _ in range(10):
        given: list[weakref.ref[memoryview]] = []
        with ParquetReader(Source(content), "t") as reader:
            reader.read(["n", "text"])
        assert [each() for each in given] == [None] * len(given)


@pytest.mark.parametrize("kind", FORMATS)
def test_no_references_remain_where_pieces_are_left_early(kind: str, left: list[bool]) -> None:
    content = written(kind)
    pieces: Any = FORMATS[kind].read_pieces(lambda: io.BytesIO(content), "t", DECLARED, SPECS[kind].checked({}, {}))
    next(pieces)
    pieces.close()
    assert not any(left)
