"""Files of text that are compressed as a whole: their bytes out of it, and into it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, BinaryIO

import pyarrow as pa

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.arrow_streams import arrow_file, finished
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.spec import TEXT_COMPRESSIONS

BLOCK = 4 << 20
_PACKED_BLOCK = 1 << 18
_PARQUET = b"PAR1"
# No text begins with these bytes.
_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x1f\x9d": "compress",
}
_BZ2 = re.compile(rb"BZh[1-9]1AY&SY")
_WITH_GZIP_HEADER = 31


def plain_pieces(file: BinaryIO, name: str, compression: str | None) -> Iterator[bytes]:
    """Read the bytes of a file, decompressed, block by block.

    Args:
        file: Open for reading; not closed.
        name: The file as messages show it.
        compression: ``gzip``, ``bz2``, ``zstd`` or ``none``; None where the suffix of the name decides, and without one
            the first bytes.

    Raises:
        StorageError: It cannot be read, is not whole, or is compressed where the options say that it is not.
    """
    codec = compression or next((each for each, end in TEXT_COMPRESSIONS.items() if name.lower().endswith(end)), "none")
    first = _read(file, BLOCK, name)
    found = _codec_of_bytes(first)
    if codec == "none":
        codec = found
        if first.startswith(_PARQUET):
            hint = "set `format: parquet`, and in its options `suffix` to the ending that the file has"
            raise StorageError(f"`{name}` is a Parquet file", hint=hint, location=Location(name))
        is_read = codec == "none" or codec in TEXT_COMPRESSIONS
        if not is_read or (codec != "none" and compression == "none"):
            hint = "remove `compression: none` from its options" if is_read else _unpack(codec)
            raise StorageError(f"`{name}` is {codec} data", hint=hint, location=Location(name))
    packed = _Continued(first, file, name)
    try:
        yield from _unpacked(packed, codec)
    except (OSError, zlib.error, EOFError) as error:
        if found == codec:
            message, hint = f"is not whole {codec} data: {str(error).splitlines()[0]}", "fetch the file again"
        else:
            message, hint = f"is not {codec} data", _as_found(found, codec, name, compression)
        raise StorageError(f"`{name}` {message}", hint=hint, location=Location(name)) from error


def _unpack(found: str) -> str:
    """What to do about a file that is packed in a way that is not read."""
    return "unpack it first" + ("; if it is a workbook of Excel, set `format: excel`" if found == "zip" else "")


def _as_found(found: str, codec: str, name: str, compression: str | None) -> str:
    """What to do about a file whose name says that it is packed in another way than it is."""
    if found != "none" and found not in TEXT_COMPRESSIONS:
        return f"it is {found} data: {_unpack(found)}"
    if not name.lower().endswith(TEXT_COMPRESSIONS[codec]):
        return f"remove `compression: {compression}` from its options"
    stem, dot, ending = name.rpartition(".")
    renamed = f"rename it to `{stem}{TEXT_COMPRESSIONS.get(found, '')}`"
    if compression is not None:
        renamed += f" and remove `compression: {compression}` from its options"
    if found != "none":
        return f"it is {found} data: {renamed}"
    suffix = f".{stem.rpartition('.')[2]}{dot}{ending}"
    return f"if it is plain text, {renamed}, or set `suffix: {suffix}` and `compression: none` in its options"


def _read(file: BinaryIO, size: int, name: str) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise StorageError(f"`{name}` could not be read: {error.strerror or error}", location=Location(name)) from error


class _Continued:
    """A file of which the first bytes were read already; what its storage cannot read is a StorageError."""

    closed = False

    def __init__(self, first: bytes, file: BinaryIO, name: str) -> None:
        self._first, self._file, self._name = first, file, name

    def read(self, size: int = -1) -> bytes:
        """Read the next bytes, at most `size`."""
        if not self._first:
            return _read(self._file, size, self._name)
        data = self._first if size < 0 else self._first[:size]
        self._first = self._first[len(data) :]
        return data

    def close(self) -> None:
        """Leave the file open, which is another's."""


def _codec_of_bytes(start: bytes) -> str:
    """What data are packed with that begin so; ``none`` for text."""
    if _BZ2.match(start):
        return "bz2"
    return next((packed for magic, packed in _MAGIC.items() if start.startswith(magic)), "none")


def _unpacked(packed: _Continued, codec: str) -> Iterator[bytes]:
    if codec == "gzip":
        yield from _gunzipped(packed)
        return
    stream: Any = packed if codec == "none" else pa.CompressedInputStream(pa.PythonFile(packed, mode="r"), codec)
    while piece := stream.read(BLOCK):
        yield piece


def _gunzipped(packed: _Continued) -> Iterator[bytes]:
    """The data of all members; zeros behind one are padding, as of tapes and blocked writers (and for gzip itself)."""
    unpacker, is_first, data = None, True, b""
    while data or (data := packed.read(_PACKED_BLOCK)):
        if unpacker is None:
            data = data if is_first else data.lstrip(b"\0")
            if not data:
                continue
            unpacker, is_first = zlib.decompressobj(_WITH_GZIP_HEADER), False
        piece = unpacker.decompress(data, BLOCK)
        if piece:
            yield piece
        if unpacker.eof:
            data, unpacker = unpacker.unused_data, None
        else:
            data = unpacker.unconsumed_tail
    if unpacker is not None:
        raise EOFError("it ends early")


def compressed(sink: Sink, compression: str | None) -> AbstractContextManager[Any]:
    """Put a compressor in front of a sink, none for ``none`` and None; the same data always give the same bytes."""
    return nullcontext(sink) if compression in ("none", None) else _compressed(sink, compression)


@contextmanager
def _compressed(sink: Sink, compression: str | None) -> Iterator[Any]:
    if compression == "gzip":
        packing = _Gzip(sink)
        yield packing
        packing.finish()
    else:
        # Finished only where nothing failed: on a full disk it cannot be.
        with finished(pa.CompressedOutputStream(arrow_file(sink), compression)) as stream:
            yield stream


class _Gzip:
    """Packs what is written, with no time and no name in the header (RFC 1952).

    Python's own `GzipFile` writes what it still holds when it is taken apart, be the disk full or not.
    """

    _LEVEL = 6

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._packer = zlib.compressobj(self._LEVEL, wbits=_WITH_GZIP_HEADER)

    def write(self, data: Any) -> int:
        packed = self._packer.compress(data)
        if packed:
            self._sink.write(packed)
        return len(data)

    def finish(self) -> None:
        self._sink.write(self._packer.flush())
