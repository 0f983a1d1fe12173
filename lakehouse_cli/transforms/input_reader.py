"""Readers of inputs, which give each batch once and refuse to be read behind their end.

A `pyarrow.RecordBatchReader` over a Python iterator lets go of it at its end, and from then on gives nothing: a second
loop over it finds no rows. So the reader that a transform is given reads such a one through the Arrow C stream
interface, in which a function pointer gives each batch. At the end that pointer is replaced by one that fails.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import inspect
import sys
import threading
from collections.abc import Generator, Iterator
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary, ref

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


_looking = threading.Lock()


def _frame_of(thread: int) -> FrameType | None:
    """The innermost frame of another thread; None for this one.

    Python 3.11 holds a lock meanwhile, and may collect garbage. A reader that is let go of there waits for the thread
    that runs Python code, and that thread, if it looks as well, for the lock.
    """
    if thread == threading.get_ident():
        return None
    with _looking:
        collects = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames().get(thread)
        finally:
            if collects:
                gc.enable()


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
        has_rows: Whether a batch that was read has any.
    """

    def __init__(self, schema: pa.Schema, batches: Generator[pa.RecordBatch]) -> None:
        self.batches = batches
        self.error: BaseException | None = None
        self.is_read_again = self.has_rows = False
        self._reader: ref[Any] | None = None
        self._beside: WeakSet[Any] = WeakSet()
        self._thread = threading.get_ident()
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
        reader = pa.RecordBatchReader._import_from_c(ctypes.addressof(stream))
        self._reader = ref(reader)
        _inputs[reader] = self
        return reader

    @property
    def state(self) -> str:
        """How far it was read, as of a generator."""
        return inspect.getgeneratorstate(self.batches)

    def _note_readers(self) -> None:
        """Note the readers that user code has before any row of this input is read."""
        # An engine reads in threads of its own.
        for top in (sys._getframe(1).f_back, _frame_of(self._thread)):
            for reader in _readers_of(top):
                self._beside.add(reader)
                _read_after.setdefault(reader, []).append(self)

    def loses(self) -> bool | None:
        """As `loses_rows`, of this input alone."""
        if self.state == inspect.GEN_SUSPENDED:
            return self._reader is not None and self._reader() is not None
        others = [reading for each in self._beside if (reading := reading_of(each)) is not None]
        return None if self.has_rows and all(each.state != inspect.GEN_CREATED for each in others) else False

    def _watched(self) -> Generator[pa.RecordBatch]:
        self._note_readers()
        try:
            for batch in self.batches:
                self.has_rows = self.has_rows or batch.num_rows > 0
                yield batch
        except GeneratorExit:
            self.batches.close()
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


# By the reader that a transform was given.
_inputs: WeakKeyDictionary[Any, InputReading] = WeakKeyDictionary()
# By a reader that user code had before those inputs were read.
_read_after: WeakKeyDictionary[Any, list[InputReading]] = WeakKeyDictionary()
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


def reading_of(reader: Any) -> InputReading | None:
    """The reading of the input that a reader was made for; None for any other value."""
    return _inputs.get(reader) if _is_reader(reader) else None


def loses_rows(reader: Any) -> bool | None:
    """Whether a reader that a transform made itself was read before it is returned; asked before it is read on.

    Nothing tells that of a reader. But it was there before an input was read, and either still has the rest of that
    input, or has no batches, and no other input that it could have them from.

    Returns:
        None where it was if it turns out to have no batches.
    """
    found = {reading.loses() for reading in _read_after.get(reader, ())} if _is_reader(reader) else {False}
    return True if True in found else None if None in found else False


def _is_reader(value: Any) -> bool:
    # Not by `isinstance`, which asks the value itself.
    return issubclass(type(value), pa.RecordBatchReader)


def _readers_of(top: FrameType | None) -> Iterator[Any]:
    """The readers in the variables of functions under way, down to the call of the transform."""
    while top is not None and not str(top.f_globals.get("__name__")).startswith("lakehouse_cli."):
        yield from filter(_is_reader, list(top.f_locals.values()))
        top = top.f_back
