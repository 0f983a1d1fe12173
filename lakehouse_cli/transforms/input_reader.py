"""Readers of inputs, which give each batch once and refuse to be read behind their end.

A `pyarrow.RecordBatchReader` over a Python iterator lets go of it at its end, and from then on gives nothing: a second
loop over it finds no rows. So the reader that a transform is given reads such a one through the Arrow C stream
interface, in which a function pointer gives each batch. At the end that pointer is replaced by one that fails.
"""

from __future__ import annotations

import ctypes
import errno
from collections.abc import Generator
from typing import Any
from weakref import WeakValueDictionary

import pyarrow as pa

_WHY = ctypes.create_string_buffer(b"this reader was read to its end before, and gives each batch once")


class _Stream(ctypes.Structure):
    """An `ArrowArrayStream`, its functions as addresses."""

    _fields_ = (
        ("get_schema", ctypes.c_void_p),
        ("get_next", ctypes.c_void_p),
        ("get_last_error", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


_Fill = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_Text = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)


class InputReading:
    """One input as a reader of its batches, and what became of it.

    Args:
        schema: Of all batches.
        batches: Themselves.

    Attributes:
        batches: As given; its state is how far they were read.
        error: What was raised as they were read; None for nothing.
        is_read_again: Whether somebody asked for more behind the end.
    """

    def __init__(self, schema: pa.Schema, batches: Generator[pa.RecordBatch]) -> None:
        self.batches = batches
        self.error: BaseException | None = None
        self.is_read_again = False
        self._stream = _Stream()
        self._address = 0
        self._schema = schema

    def open(self) -> Any:
        """Make the reader, a `pyarrow.RecordBatchReader`; once."""
        stream = self._stream
        pa.RecordBatchReader.from_batches(self._schema, self._watched())._export_to_c(ctypes.addressof(stream))
        original = stream.get_schema
        fill_schema = _Fill(original)

        def find_and_fill(address: int, schema: int) -> int:
            # Where the stream is for good: Arrow moves it as it takes it over.
            self._address = address
            _Stream.from_address(address).get_schema = original
            return int(fill_schema(address, schema))

        finding = _Fill(find_and_fill)
        stream.get_schema = ctypes.cast(finding, ctypes.c_void_p).value
        return pa.RecordBatchReader._import_from_c(ctypes.addressof(stream))

    def _watched(self) -> Generator[pa.RecordBatch]:
        try:
            yield from self.batches
        except GeneratorExit:
            raise
        except BaseException as error:
            # A stream has no more of it than its text.
            self.error = error
            raise
        # Whoever asked is still in the stream, so that it is there.
        if self._address:
            _ended[self._address] = self
            stream = _Stream.from_address(self._address)
            stream.get_next = ctypes.cast(_FAIL, ctypes.c_void_p).value
            stream.get_last_error = ctypes.cast(_EXPLAIN, ctypes.c_void_p).value


_ended: WeakValueDictionary[int, InputReading] = WeakValueDictionary()


def _fail(address: int, _: int) -> int:
    reading = _ended.get(address)
    if reading is not None:
        reading.is_read_again = True
    return errno.EINVAL


def _explain(_: int) -> int:
    return ctypes.addressof(_WHY)


# As long as the process lives.
_FAIL, _EXPLAIN = _Fill(_fail), _Text(_explain)
