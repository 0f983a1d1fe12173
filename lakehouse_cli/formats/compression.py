"""Files of text that are compressed as a whole: their bytes out of it, and into it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.arrow_streams import arrow_file, finished
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.spec import TEXT_COMPRESSIONS

BLOCK = 4 << 20
# No text begins with these bytes.
_MAGIC = {b"\x1f\x8b\x08": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}


def plain_pieces(file: BinaryIO, name: str, compression: str | None) -> Iterator[bytes]:
    """Read the bytes of a file, decompressed, block by block.

    Args:
        file: Open for reading; not closed.
        name: The file as messages show it.
        compression: ``gzip``, ``bz2``, ``zstd`` or ``none``; None where the suffix of the name decides.

    Raises:
        StorageError: It cannot be read, is not whole, or is compressed where nothing says so.
    """
    codec = _codec_of(name) if compression is None else compression
    is_plain, is_first = codec == "none", True
    stream = file if is_plain else pa.CompressedInputStream(pa.PythonFile(file, mode="r"), codec)
    while True:
        try:
            piece = stream.read(BLOCK)
        except OSError as error:
            if not is_plain and error.errno is None:
                raise StorageError(
                    f"`{name}` is not whole {codec} data: {str(error).splitlines()[0]}",
                    hint="fetch the file again, or set `compression` in its options",
                    location=Location(name),
                ) from error
            raise StorageError(
                f"`{name}` could not be read: {error.strerror or error}", location=Location(name)
            ) from error
        if not piece:
            return
        if is_plain and is_first:
            _refuse_packed(piece, name)
        is_first = False
        yield piece


def _codec_of(name: str) -> str:
    return next((codec for codec, suffix in TEXT_COMPRESSIONS.items() if name.lower().endswith(suffix)), "none")


def _refuse_packed(start: bytes, name: str) -> None:
    packed = next((packed for magic, packed in _MAGIC.items() if start.startswith(magic)), None)
    if packed is not None:
        hint = "unpack it first"
        if packed in TEXT_COMPRESSIONS:
            hint = f"rename it to `{name}{TEXT_COMPRESSIONS[packed]}`, or unpack it"
        raise StorageError(f"`{name}` is {packed} data", hint=hint, location=Location(name))


@contextmanager
def compressed(sink: Sink, compression: str | None) -> Iterator[Any]:
    """Put a compressor in front of a sink, none for ``none`` and None; the same data always give the same bytes."""
    if compression in ("none", None):
        yield sink
    elif compression == "gzip":
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

    _LEVEL, _WITH_GZIP_HEADER = 6, 31

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._packer = zlib.compressobj(self._LEVEL, wbits=self._WITH_GZIP_HEADER)

    def write(self, data: Any) -> int:
        packed = self._packer.compress(data)
        if packed:
            self._sink.write(packed)
        return len(data)

    def finish(self) -> None:
        self._sink.write(self._packer.flush())
