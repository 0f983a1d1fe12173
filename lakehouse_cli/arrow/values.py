"""Arrow arrays and scalars of Python's values, and numpy arrays of Arrow's, without pandas.

`pa.scalar`, `pa.array`, every value of Python that is handed to a function of Arrow, and `Array.to_numpy` import pandas
wherever it is installed, which takes longer than many a run. These here are made of buffers
(https://arrow.apache.org/docs/format/Columnar.html).
"""

from __future__ import annotations

from array import array as packed
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

_NATURAL = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), bytes: pa.binary()}
_KINDS_OF_PYTHON = {*_NATURAL, type(None)}
_INTEGERS = {8: "b", 16: "h", 32: "i", 64: "q"}
_FLOATS = {32: "f", 64: "d"}
_OFFSETS_END = (1 << 31) - 1


def scalar(value: bool | int | float | str | bytes | Decimal | None, type_: pa.DataType | None = None) -> pa.Scalar:
    """Make a scalar of Arrow's.

    Args:
        value: Of a kind that `array` takes.
        type_: Its type; that which Arrow would choose where it is None.
    """
    # Not floats: -0.0 equals 0.0.
    return _scalar(value, type_) if isinstance(value, float) else _kept_scalar(value, type_)


def _scalar(value: Any, type_: pa.DataType | None) -> pa.Scalar:
    return array([value], _NATURAL.get(type(value), pa.null()) if type_ is None else type_)[0]


_kept_scalar = lru_cache(maxsize=1024, typed=True)(_scalar)


def array(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """Make an array of values of one kind.

    Args:
        values: Booleans, integers, floats, texts, bytes or Decimal objects, as the type has them, and None. For a
            temporal type integers that count its unit.
        type_: Of any such type.

    Raises:
        OverflowError: An integer does not fit the type.
        ArrowInvalid: Texts of more than 2 GiB for a type of 32-bit offsets.
        UnicodeEncodeError: A text has lone surrogates.
    """
    t = pa.types
    if all(value is None for value in values):
        return pa.nulls(len(values), type_)
    if t.is_decimal(type_):
        return array([None if value is None else f"{value:f}" for value in values], pa.string()).cast(type_)
    if t.is_boolean(type_):
        return array(values, pa.int8()).cast(type_)
    valid = [value is not None for value in values] if None in values else None
    bits = None if valid is None else packed_bits(np.array(valid, bool))
    if t.is_string(type_) or t.is_binary(type_) or t.is_large_string(type_) or t.is_large_binary(type_):
        return _texts(values, type_, bits)
    if t.is_floating(type_):
        code = _FLOATS[type_.bit_width]
    else:
        code = _INTEGERS[type_.bit_width]
        code = code.upper() if t.is_unsigned_integer(type_) else code
    data = packed(code, values if valid is None else [0 if value is None else value for value in values])
    return pa.Array.from_buffers(type_, len(values), [bits, pa.py_buffer(data)])


def _texts(values: Sequence[Any], type_: pa.DataType, bits: pa.Buffer | None) -> pa.Array:
    is_text = pa.types.is_string(type_) or pa.types.is_large_string(type_)
    pieces = [b"" if value is None else value.encode() if is_text else value for value in values]
    data = b"".join(pieces)
    is_large = pa.types.is_large_string(type_) or pa.types.is_large_binary(type_)
    if len(data) > _OFFSETS_END and not is_large:
        raise pa.ArrowInvalid("more text than 32 bits can address")
    offsets = packed("q" if is_large else "i", accumulate(map(len, pieces), initial=0))
    return pa.Array.from_buffers(type_, len(values), [bits, pa.py_buffer(offsets), pa.py_buffer(data)])


def with_offsets(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """Change the width of offsets of texts or bytes, and share the data: a tenth of the time that `cast` takes for few.

    Args:
        values: Of text or bytes, whose offsets have 32 or 64 bits.
        type_: The same with the wanted width.

    Raises:
        ArrowInvalid: More than 32 bits can address.
    """
    if values.type == type_ or len(values) == 0:
        return values.cast(type_)
    bits, offsets, data = values.buffers()
    count = values.offset + len(values) + 1
    if pa.types.is_large_string(type_) or pa.types.is_large_binary(type_):
        wider = np.frombuffer(offsets, np.int32, count).astype(np.int64)
    else:
        narrow = np.frombuffer(offsets, np.int64, count)
        if narrow[-1] > _OFFSETS_END:
            return values.cast(type_)
        wider = narrow.astype(np.int32)
    return pa.Array.from_buffers(
        type_, len(values), [bits, pa.py_buffer(wider), data], values.null_count, values.offset
    )


def joined(column: pa.ChunkedArray) -> pa.Array:
    """Join the chunks of a column."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, column.type)


def from_numpy(values: Any, type_: pa.DataType, valid: Any = None) -> pa.Array:
    """Make an array of integers or floats that shares memory with one of numpy's.

    Args:
        values: Of the type's own width.
        type_: The type.
        valid: Which are not null; None for all.
    """
    bits = None if valid is None else packed_bits(valid)
    return pa.Array.from_buffers(type_, len(values), [bits, pa.py_buffer(np.ascontiguousarray(values))])


def to_numpy(values: pa.Array | pa.ChunkedArray) -> Any:
    """Make one of numpy's arrays of booleans, integers or floats without null."""
    if isinstance(values, pa.ChunkedArray):
        return np.concatenate([to_numpy(chunk) for chunk in values.chunks]) if values.num_chunks else np.array([])
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.uint8())
        return np.from_dlpack(values).astype(bool)
    return np.from_dlpack(values)


class _Compute:
    """`pyarrow.compute`, whose functions are handed values of Python as scalars of Arrow."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(pyarrow.compute, name)
        about = getattr(function, "__arrow_compute_function__", None)
        if about is None:
            return function
        arity = about["arity"]

        def call(*arguments: Any, **options: Any) -> Any:
            given = arguments if arity is Ellipsis else arguments[:arity]
            if not _KINDS_OF_PYTHON.isdisjoint(map(type, given)):
                given = tuple(map(_as_scalar, given))
            return function(*given, **options) if arity is Ellipsis else function(*given, *arguments[arity:], **options)

        setattr(self, name, call)
        return call

    @staticmethod
    def fill_null(values: Any, value: Any) -> Any:
        """Put another value in the place of null."""
        return pyarrow.compute.coalesce(values, value if isinstance(value, pa.Scalar) else scalar(value, values.type))


def _as_scalar(value: Any) -> Any:
    return scalar(value) if type(value) in _KINDS_OF_PYTHON else value


#: To be imported in the place of `pyarrow.compute`.
compute: Any = _Compute()


def packed_bits(flags: Any) -> pa.Buffer:
    """Pack booleans of numpy's into a buffer of bits."""
    return pa.py_buffer(np.packbits(flags, bitorder="little"))
