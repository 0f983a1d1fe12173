"""Decimals from their text, exactly: the one way from text to a decimal.

Arrow's own cast computes in as many bits as its target has, and lets what is too large for them wrap: 2^128 - 1 becomes
-1. It is given room for what can come of a text here, and texts that are longer go through Python's `decimal`.
"""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, InvalidOperation

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.values import compute as pc

# What decimal128 holds at most.
_DIGITS = 38
_NUMBER = r"\A[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z"


def decimals_of(text: pa.Array, to: pa.DataType) -> pa.Array:
    """Make decimals of texts such as ``-12.50``, ``.5`` or ``1e3``; digits behind the scale must be zeros.

    Args:
        text: Strings, large or not.
        to: A decimal128 type.

    Returns:
        An array of that type, null where `text` is null or is no number that the type holds exactly.
    """
    longest = pc.max(pc.binary_length(text)).as_py() or 0
    if longest <= _DIGITS and not _any(pc.match_substring_regex(text, "[eE]")):
        try:
            return _fitting(text.cast(_roomy(to, longest)), to)
        except pa.ArrowInvalid:
            pass  # some value is none; find out which
    number = _only(text, pc.match_substring_regex(text, _NUMBER))
    has_exponent = pc.match_substring_regex(number, "[eE]")
    is_short = pc.and_(pc.less_equal(pc.binary_length(number), _DIGITS), pc.invert(has_exponent))
    try:
        values = _fitting(_only(number, is_short).cast(_roomy(to, _DIGITS)), to)
    except pa.ArrowInvalid:
        values = pa.nulls(len(text), to)
    retry = pc.and_(number.is_valid(), values.is_null())
    if not _any(retry):
        return values
    slow = [_by_python(value, to) for value in number.filter(retry).to_pylist()]
    return pc.replace_with_mask(values, retry, av.array(slow, to))


def _any(mask: pa.Array) -> bool:
    return bool(pc.any(mask).as_py())


def _only(text: pa.Array, wanted: pa.Array) -> pa.Array:
    return pc.if_else(wanted, text, av.scalar(None, text.type))


def _roomy(to: pa.DataType, longest: int) -> pa.DataType:
    """A decimal type in which no text of that length can wrap when it is scaled."""
    return pa.decimal128(_DIGITS, to.scale) if longest + to.scale <= _DIGITS else pa.decimal256(2 * _DIGITS, to.scale)


def _fitting(values: pa.Array, to: pa.DataType) -> pa.Array:
    """The values as `to`, null for those with more digits than its precision."""
    largest = av.scalar(Decimal((0, (9,) * to.precision, -to.scale)), values.type)
    oversized = pc.greater(pc.abs(values), largest)
    if _any(oversized):
        values = pc.if_else(oversized, av.scalar(None, values.type), values)
    return values.cast(to)


def _by_python(text: str, to: pa.DataType) -> Decimal | None:
    context = Context(prec=len(text) + 2 * _DIGITS, traps=[InvalidOperation, Inexact])
    try:
        value = context.create_decimal(text)
        if value and value.adjusted() >= to.precision - to.scale:
            return None
        return value.quantize(Decimal((0, (1,), -to.scale)), context=context)
    except (InvalidOperation, Inexact):
        return None
