"""From text to the kind of value it plainly writes, and between the encodings of text and bytes.

Only text in the form this tool itself would write is read: `007` is no integer (its zeros would be lost), `1,5` no
number, `3/4/2026` no date.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.decimal_texts import decimals_of
from lakehouse_cli.arrow.conversion.numbers import failing_rows, outside
from lakehouse_cli.arrow.conversion.refusal import InexactError, refuse_where
from lakehouse_cli.arrow.conversion.timestamp_texts import DIGITS, parse_timestamp
from lakehouse_cli.arrow.values import compute as pc

Slow = Callable[[str], int | None]

_INTEGER = r"^(0|-?[1-9][0-9]*)$"
_DECIMAL = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"
_FLOAT = r"^(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?|-?inf|nan)$"
_BOOL = r"^([Tt]rue|[Ff]alse)$"
DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
# PostgreSQL prints offsets of local mean time, before zones were, with seconds.
ZONE = r"(Z|[-+][0-9]{2}(:?[0-9]{2}(:[0-9]{2})?)?)"
_LARGE = frozenset((pa.large_string(), pa.large_binary()))
# Of this many digits on, an integer may be no float of so many bits.
_LONG_INTEGERS = {16: r"^-?[0-9]{4,}$", 32: r"^-?[0-9]{8,}$", 64: r"^-?[0-9]{16,}$"}


def text_to_integer(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Read text such as ``-12``."""
    _require(column, _INTEGER, "not an integer such as `12`")
    return _cast(column, target, outside(target))


def text_to_float(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Read text such as ``-1.5``, ``1e-7``, ``inf`` or ``nan``: the nearest float, but integers must be exact."""
    _require(column, _FLOAT, "not a number such as `1.5`")
    converted = _cast(column, target, "not a number")
    infinite = pc.and_(pc.is_inf(converted), pc.invert(pc.match_substring_regex(column, "inf")))
    refuse_where(infinite, "too large for a float")
    long = pc.match_substring_regex(column, _LONG_INTEGERS[target.bit_width])
    if pc.any(long).as_py():
        pairs = zip(long.to_pylist(), column.to_pylist(), converted.to_pylist(), strict=True)
        changed = [bool(is_long) and value != int(text) for is_long, text, value in pairs]
        refuse_where(av.array(changed, pa.bool_()), "not exact as a float")
    return converted


def text_to_decimal(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Read text such as ``-12.50``, with no more digits than the type holds."""
    _require(column, _DECIMAL, "not a number such as `12.50`")
    converted = pa.chunked_array([decimals_of(chunk, target) for chunk in column.chunks], target)
    refuse_where(pc.and_(converted.is_null(), column.is_valid()), f"not exact in {target}")
    return converted


def text_to_bool(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Read ``true``, ``false``, ``True`` and ``False``."""
    _require(column, _BOOL, "neither `true` nor `false`")
    return column.cast(target)


def text_to_date(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Read text such as ``2026-01-31``."""
    _require(column, f"^{DATE}$", "not a date such as `2026-01-31`")
    return _cast(column, target, "not a day of the calendar")


def text_to_timestamp(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Read text such as ``2026-01-31 12:30:00``; with ``Z`` or ``+01:00`` just where the type has a zone."""
    clock = f"[T ]{_clock(target.unit)}"
    if target.tz is None:
        _require(column, f"^{DATE}({clock})?$", f"not a {target} such as `2026-01-31 12:30:00`")
    else:
        _require(column, f"^{DATE}{clock}{ZONE}$", "not an instant such as `2026-01-31 12:30:00Z`")

    def slow(text: str) -> int | None:
        # Arrow refuses the first second of nanoseconds, in 1677.
        return parse_timestamp(text, target.unit, zoned=target.tz is not None)

    return _cast(column, target, f"not a {target}", slow)


def text_to_time(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Read text such as ``12:30`` or ``12:30:00.5``."""
    _require(column, f"^{_clock(target.unit)}$", f"not a {target} such as `12:30:00`")
    # Arrow reads times only as part of a timestamp.
    dated = pc.binary_join_element_wise("1970-01-01", column.cast(pa.string()), " ")
    return _cast(dated, pa.timestamp(target.unit), "not a time of day").cast(target)


def to_string(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Make plain text or bytes of large ones or views, in chunks that 32-bit offsets can address."""
    chunks: list[pa.Array] = []
    for chunk in column.chunks:
        _narrow(chunk, target, chunks)
    return pa.chunked_array(chunks, target)


def _narrow(chunk: pa.Array, target: pa.DataType, into: list[pa.Array]) -> None:
    try:
        into.append(av.with_offsets(chunk, target) if chunk.type in _LARGE else chunk.cast(target))
    except pa.ArrowInvalid:
        if len(chunk) == 1:
            raise InexactError("longer than 2 GB", av.array([0], pa.int64())) from None
        half = len(chunk) // 2
        for part in (chunk.slice(0, half), chunk.slice(half)):
            # Joined with nothing, that is copied: a slice keeps offsets into the whole.
            _narrow(pa.concat_arrays([part, part.slice(0, 0)]), target, into)


def _clock(unit: str) -> str:
    fraction = rf"(\.[0-9]{{1,{DIGITS[unit]}}})?" if DIGITS[unit] else ""
    return rf"[0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}{fraction})?"


def _require(column: pa.ChunkedArray, pattern: str, quality: str) -> None:
    refuse_where(pc.invert(pc.match_substring_regex(column, pattern)), quality)


def _cast(column: pa.ChunkedArray, target: pa.DataType, quality: str, slow: Slow | None = None) -> pa.ChunkedArray:
    values = pa.chunked_array([cast_texts(chunk, target, slow) for chunk in column.chunks], target)
    refuse_where(pc.and_(values.is_null(), column.is_valid()), quality)
    return values


def cast_texts(text: pa.Array, target: pa.DataType, slow: Slow | None = None) -> pa.Array:
    """Cast the texts that can be cast, with null for the others.

    Args:
        text: Strings, large or not.
        target: The type to cast to.
        slow: Has a second try at each text that Arrow refuses: the count that stands for a moment, or None.
    """
    try:
        return text.cast(target)
    except pa.ArrowInvalid:
        rows = failing_rows(text, target)
    failed = pc.is_in(av.array(range(len(text)), pa.int64()), value_set=rows)
    values = pc.if_else(failed, av.scalar(None, text.type), text).cast(target)
    if slow is None:
        return values
    return pc.replace_with_mask(values, failed, av.array([slow(each) for each in text.take(rows).to_pylist()], target))
