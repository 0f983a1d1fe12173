"""The bytes of assets that are not tables, on their way through Arrow."""

from __future__ import annotations

import tracemalloc

import pyarrow as pa
import pytest

from lakehouse_cli.formats.objects.stored import parts_of, reader_of, table_of

_SIZE = 1 << 22


def test_parts_are_not_copied() -> None:
    """Of a model of 2 GB that would be 2 GB more."""
    part = b"x" * _SIZE
    [found] = parts_of(table_of([part]))
    assert pa.py_buffer(found).address == pa.py_buffer(part).address


def test_all_is_read_as_one_copy() -> None:
    table = table_of([b"x" * _SIZE, b"y" * _SIZE])
    tracemalloc.start()
    try:
        assert len(reader_of(table).read()) == 2 * _SIZE
        assert tracemalloc.get_traced_memory()[1] < 3 * _SIZE
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_parts_come_whole_whatever_the_chunks(kind: pa.DataType) -> None:
    chunks = [pa.array([b"ab", b"", b"cde"], kind), pa.array([], kind), pa.array([b"-", b"f", b"g"], kind).slice(1)]
    table = pa.table({"bytes": pa.chunked_array(chunks)})
    assert b"".join(parts_of(table)) == b"abcdefg"
    for at in range(9):
        reader = reader_of(table)
        assert reader.read(at) + reader.read() == b"abcdefg"
        reader.seek(at)
        assert reader.read() == b"abcdefg"[at:]
        assert reader.read() == b""
