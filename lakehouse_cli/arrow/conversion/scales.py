"""Decimals whose scale is negative or above their precision: exact by Python's integers, or refused.

Arrow's own functions round such decimals, or do not take them.
"""

from __future__ import annotations

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.domains import WHOLE_NUMBERS
from lakehouse_cli.arrow.conversion.numbers import (
    NOT_WHOLE,
    bounds,
    decimal_of,
    nearest_floats,
    outside,
    too_many_digits,
)
from lakehouse_cli.arrow.conversion.refusal import refuse_where

# Moved by as many digits, no number but 0 is whole any longer, or small enough for any type.
_BEYOND = 77


def has_usual_scale(kind: pa.DataType) -> bool:
    """Whether a decimal type has as many digits behind the point as a column type can be declared with."""
    return bool(0 <= kind.scale <= kind.precision)


def unusual_to_number(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert decimals of any scale to integers, floats or decimals of a usual one.

    Raises:
        InexactError: Values that the target does not have, with their rows.
    """
    whole = WHOLE_NUMBERS[column.type.byte_width]
    values = (value for chunk in column.chunks for value in chunk.view(whole).to_pylist())
    digits = [None if value is None else int(value) for value in values]
    if pa.types.is_floating(target):
        scale = column.type.scale
        return nearest_floats([None if value is None else decimal_of(value, scale) for value in digits], target)
    is_decimal = pa.types.is_decimal(target)
    added = (target.scale if is_decimal else 0) - column.type.scale
    added = max(-_BEYOND, min(added, _BEYOND))
    if added < 0:
        inexact = [value is not None and value % 10**-added != 0 for value in digits]
        refuse_where(av.array(inexact, pa.bool_()), f"not exact in {target}" if is_decimal else NOT_WHOLE)
        moved = [None if value is None else value // 10**-added for value in digits]
    else:
        moved = [None if value is None else value * 10**added for value in digits]
    low, high = (1 - 10**target.precision, 10**target.precision - 1) if is_decimal else bounds(target)
    beyond = [value is not None and not low <= value <= high for value in moved]
    refuse_where(av.array(beyond, pa.bool_()), too_many_digits(target) if is_decimal else outside(target))
    exact = [None if value is None else decimal_of(value, target.scale) for value in moved] if is_decimal else moved
    return pa.chunked_array([av.array(exact, target)])
