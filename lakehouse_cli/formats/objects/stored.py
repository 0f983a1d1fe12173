"""Bytes on their way between serializers and storages: a table of one column, whose cells are consecutive parts."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from msgspec import json
from xxhash import xxh3_128

from lakehouse_cli.formats.base import Format, Opener, Sink
from lakehouse_cli.formats.spec import FormatOptions
from lakehouse_cli.model import Column
from lakehouse_cli.model.manifest import ObjectRecord

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMN = "bytes"
_RECORD = b"lakehouse object"
# Bytes of a part of a file that is read.
_PART = 1 << 24
# Bytes that are read at once where a reader asks for few.
_BUFFER = 1 << 17


class StoredBytes(Format[FormatOptions]):
    """What is stored is what the serializer wrote."""

    def read(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: FormatOptions
    ) -> pa.Table:
        """All bytes, in parts."""
        import pyarrow as pa

        return pa.concat_tables(self.read_pieces(open_source, name, columns, options))

    def read_pieces(
        self, open_source: Opener, name: str, columns: Sequence[Column] | None, options: FormatOptions
    ) -> Iterator[pa.Table]:
        """Part by part."""
        del name, columns, options
        with open_source() as source:
            yield from pieces_of(source)

    def write(self, table: pa.Table, sink: Sink, options: FormatOptions) -> None:
        """One part behind the other."""
        del options
        for part in parts_of(table):
            sink.write(part)

    def write_pieces(self, pieces: Iterable[pa.Table], sink: Sink, options: FormatOptions) -> None:
        """One part behind the other."""
        for piece in pieces:
            self.write(piece, sink, options)


def pieces_of(source: BinaryIO) -> Iterator[pa.Table]:
    """The bytes of a file, a part to a table; at least one."""
    part = source.read(_PART)
    yield table_of([part])
    while part := source.read(_PART):
        yield table_of([part])


def table_of(parts: Collection[bytes]) -> pa.Table:
    """A table of bytes, which are not copied; each of any size."""
    import pyarrow as pa

    def cell(part: bytes) -> pa.Array:
        ends = pa.array([0, len(part)], pa.int64()).buffers()[1]
        return pa.Array.from_buffers(pa.large_binary(), 1, [None, ends, pa.py_buffer(part)])

    return pa.table({_COLUMN: pa.chunked_array([cell(part) for part in parts], pa.large_binary())})


def with_record(table: pa.Table, record: ObjectRecord) -> pa.Table:
    """Bytes that say what they are the bytes of."""
    return table.replace_schema_metadata({_RECORD: json.encode(record)})


def object_record(table: pa.Table) -> ObjectRecord | None:
    """What bytes are the bytes of; None where that is not known."""
    written = (table.schema.metadata or {}).get(_RECORD)
    return None if written is None else json.decode(written, type=ObjectRecord)


def parts_of(table: pa.Table) -> Iterator[memoryview]:
    """The bytes in a table, which are not copied."""
    for chunk in table.column(0).chunks:
        _, ends, data = chunk.buffers()  # a scalar would be a copy
        if data is None or not len(chunk):
            continue
        size: Literal["q", "i"] = "q" if chunk.type == "large_binary" else "i"
        found = memoryview(ends).cast("B").cast(size)[chunk.offset : chunk.offset + len(chunk) + 1]
        for start, end in pairwise(found):
            yield memoryview(data).cast("B")[start:end]


def bytes_of(tables: Iterable[pa.Table]) -> bytes:
    """The bytes in tables, as one."""
    return b"".join(chain.from_iterable(map(parts_of, tables)))


class _Parts(io.RawIOBase):
    """The bytes in a table as a file, none of which is copied before it is read."""

    def __init__(self, parts: Sequence[memoryview]) -> None:
        self._parts = parts
        self._starts = list(accumulate((len(part) for part in parts), initial=0))
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._starts[-1]:
            return 0
        index = bisect_right(self._starts, self._at) - 1
        start = self._at - self._starts[index]
        found = self._parts[index][start : start + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def readall(self) -> bytes:
        """All the rest, of which Python's own would make many small parts first."""
        rest, self._at = self._at, max(self._at, self._starts[-1])
        starts = zip(self._starts, self._parts, strict=False)
        return b"".join(part[max(0, rest - start) :] for start, part in starts)


def reader_of(table: pa.Table) -> io.BufferedReader:
    """The bytes in a table as a file to be read."""
    return io.BufferedReader(_Parts(list(parts_of(table))), _BUFFER)


def hash_of_parts(table: pa.Table) -> str:
    """The xxh3-128 of the bytes in a table, hexadecimal."""
    found = xxh3_128()
    for part in parts_of(table):
        found.update(part)
    return found.hexdigest()


class PartsSink:
    """A sink that keeps what is written in parts of some size, and hashes nothing."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._small = bytearray()

    def write(self, data: Any, /) -> int:
        """Keep bytes."""
        size = memoryview(data).nbytes
        if size < _PART:
            self._small += data
            if len(self._small) >= _PART:
                self._settle()
        else:
            self._settle()
            self._parts.append(bytes(data))
        return size

    def _settle(self) -> None:
        if self._small:
            self._parts.append(bytes(self._small))
            self._small = bytearray()

    def table(self) -> pa.Table:
        """All that was written."""
        self._settle()
        return table_of(self._parts or [b""])
