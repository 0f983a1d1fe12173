"""Durations as people write them: ``26:00:00``, ``1 days 02:00:00``, ``PT2H``, to counts and back.

A format becomes a regular expression, whose parts are added up exactly, as decimals.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.timestamp_texts import DIGITS, UNITS
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.directives import split_format

_TEXT = pa.string()
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_UNITS = {"H": "hours", "M": "minutes", "S": "seconds"}
# As many digits as the seconds of any duration have.
_DIGITS = "[0-9]{1,19}"
_LARGEST = 1 << 63


class _Spelling(Struct, frozen=True):
    """How durations are spelled.

    Attributes:
        pattern: Its groups are the units, `fraction` of a second, and the signs of either: ``sign`` of the whole,
            ``hours_sign`` of hours, ``clock_sign`` of all that is no day or week.
        limited: The units that stay below 60, because a larger one stands beside them.
        filled: The pattern of a text that leaves not all parts out.
    """

    pattern: str
    limited: frozenset[str] = frozenset()
    filled: str = "[0-9]"


def parse_spans(text: pa.Array, to: pa.DataType, format_: str) -> pa.Array:
    """Parse durations in a format; null for texts that are not in it, or are none that the type holds exactly."""
    first, *others = _spellings(format_)
    values = _parse(text, to, first)
    for spelling in others:
        if values.null_count > text.null_count:
            values = pc.coalesce(values, _parse(text, to, spelling))
    return values


def _parse(text: pa.Array, to: pa.DataType, spelling: _Spelling) -> pa.Array:
    found = pc.extract_regex(text, rf"\A(?:{spelling.pattern})\z")
    parts = {field.name: pc.struct_field(found, [at]) for at, field in enumerate(found.type)}
    valid = pc.and_(found.is_valid(), pc.match_substring_regex(text, spelling.filled))
    seconds: Any = av.scalar(Decimal(0), pa.decimal128(1, 0))
    for unit, size in _SECONDS.items():
        if unit in parts:
            count = _count(parts[unit], 19)
            if unit in spelling.limited:
                valid = pc.and_(valid, pc.less(count, av.scalar(Decimal(60), count.type)))
            seconds = pc.add(seconds, _times(_signed(count, _sign(parts, unit)), size))
    # Whatever is larger than any duration would have too many digits for what comes.
    largest = av.scalar(Decimal(_LARGEST), seconds.type)
    valid = pc.and_(valid, pc.less_equal(pc.abs(seconds), largest))
    seconds = pc.if_else(valid, seconds, av.scalar(None, seconds.type)).cast(pa.decimal128(20, 0))
    total = _times(seconds, UNITS[to.unit])
    if "fraction" in parts:
        digits = pc.ascii_rtrim(parts["fraction"], "0")
        valid = pc.and_(valid, pc.less_equal(pc.binary_length(digits), DIGITS[to.unit]))
        fraction = _count(pc.utf8_slice_codeunits(pc.utf8_rpad(digits, 9, "0"), 0, DIGITS[to.unit]), 10)
        total = pc.add(total, _signed(fraction, _sign(parts, "seconds")))
    total = _signed(total, parts.get("sign"))
    low, high = (av.scalar(Decimal(n), total.type) for n in (-_LARGEST, _LARGEST - 1))
    valid = pc.and_(valid, pc.and_(pc.greater_equal(total, low), pc.less_equal(total, high)))
    return pc.if_else(valid, total, av.scalar(None, total.type)).cast(pa.int64()).cast(to)


def _count(text: pa.Array, digits: int) -> pa.Array:
    """What a part counts; nothing where it is left out."""
    return pc.if_else(pc.equal(text, ""), "0", text).cast(pa.decimal128(digits, 0))


def _times(count: pa.Array, factor: int) -> pa.Array:
    return pc.multiply(count, av.scalar(Decimal(factor), pa.decimal128(len(str(factor)), 0)))


def _sign(parts: dict[str, pa.Array], unit: str) -> pa.Array | None:
    clock = parts.get("clock_sign") if unit not in ("weeks", "days") else None
    own = parts.get(f"{unit}_sign")
    if clock is None or own is None:
        return clock if own is None else own
    return pc.if_else(pc.equal(own, ""), clock, own)


def _signed(count: pa.Array, sign: pa.Array | None) -> pa.Array:
    """The count, negative behind a minus and where ``ago`` is behind it."""
    if sign is None:
        return count
    return pc.if_else(pc.is_in(sign, value_set=av.array(["-", "ago"], _TEXT)), pc.negate(count), count)


@lru_cache(maxsize=64)
def _spellings(format_: str) -> tuple[_Spelling, ...]:
    if format_ == "interval":
        return _intervals()
    return (_iso(),) if format_ == "iso8601" else (_clock(format_),)


def _clock(format_: str) -> _Spelling:
    """The spelling of a format of hours, minutes and seconds, the largest of which may be any number."""
    pieces = split_format(format_)
    present = [directive for directive in "HMS" if any(directive == each for _, each in pieces)]
    pattern = "(?P<sign>[+-]?)"
    for at, (literal, directive) in enumerate(pieces):
        pattern += re.escape(literal)
        if directive == "f":
            pattern += "(?P<fraction>[0-9]{1,9})"
        elif directive:
            # Numbers side by side have all of their digits.
            beside = (at and not literal) or (pieces[at + 1][1] and not pieces[at + 1][0])
            most = 19 if directive == present[0] else 2
            pattern += f"(?P<{_UNITS[directive]}>[0-9]{{{2 if beside else 1},{most}}})"
    return _Spelling(pattern, frozenset(_UNITS[each] for each in present[1:]))


def _part(unit: str, behind: str) -> str:
    fraction = "(?:[.,](?P<fraction>[0-9]+))?" if unit == "seconds" else ""
    return rf"(?:(?P<{unit}_sign>[+-]?)(?P<{unit}>{_DIGITS}){fraction}{behind})?"


def _intervals() -> tuple[_Spelling, ...]:
    """Those of PostgreSQL, pandas, Python and DuckDB: days and a clock, or words for each part."""
    end = r"(?:,? +|\z)"
    seconds = "(?::(?P<seconds>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
    clock = rf"(?:(?P<clock_sign>[+-]?)(?P<hours>{_DIGITS}):(?P<minutes>[0-9]{{2}}){seconds})?"
    names = {"days": "days?|d", "hours": "hours?|hrs?|h", "minutes": "minutes?|mins?|m", "seconds": "seconds?|secs?|s"}
    words = "".join(_part(unit, rf" ?(?:{each})(?:,? *)") for unit, each in names.items())
    return (
        _Spelling(_part("days", f" ?(?:{names['days']}){end}") + clock, frozenset(("minutes", "seconds"))),
        _Spelling(rf"(?:@ ?)?{words}(?P<sign>(?:ago)?)"),
    )


def _iso() -> _Spelling:
    date = f"{_part('weeks', 'W')}{_part('days', 'D')}"
    clock = f"{_part('hours', 'H')}{_part('minutes', 'M')}{_part('seconds', 'S')}"
    return _Spelling(rf"(?P<sign>[+-]?)P(?:0+Y)?(?:0+M)?{date}(?:T{clock})?", filled=r"[0-9][A-Z]\z")


def print_spans(values: pa.Array, format_: str) -> pa.Array:
    """Print durations in a format, or what it has room for of them."""
    unit = values.type.unit
    counts = av.to_numpy(pc.fill_null(values.cast(pa.int64()), 0))
    days: Any = None
    if format_ == "interval":
        days, counts = np.divmod(counts, 86_400 * UNITS[unit])
    sign = pc.if_else(av.from_numpy(np.where(counts < 0, 1, 0), pa.int64()).cast(pa.bool_()), "-", "")
    # The smallest of all has no positive form, but this is its bits.
    seconds, fraction = np.divmod(np.abs(counts).view(np.uint64), np.uint64(UNITS[unit]))
    minutes, second = np.divmod(seconds, np.uint64(60))
    hours, minute = np.divmod(minutes, np.uint64(60))
    digits = _text(fraction, DIGITS[unit]) if DIGITS[unit] else ""
    if format_ == "interval":
        before = pc.binary_join_element_wise(av.from_numpy(days, pa.int64()).cast(_TEXT), " days ", "")
        plus = pc.if_else(pc.starts_with(before, "-"), "+", "")
        pieces = [before, plus, _text(hours, 2), ":", _text(minute, 2), ":", _text(second, 2), *_point(digits)]
    elif format_ == "iso8601":
        pieces = [sign, "PT", _text(hours, 1), "H", _text(minute, 1), "M", _text(second, 1), *_point(digits), "S"]
    else:
        pieces = [sign]
        whole = {"H": hours, "M": minutes, "S": seconds}
        rest = {"M": minute, "S": second}
        present = {directive for _, directive in split_format(format_)}
        largest = next(each for each in "HMS" if each in present)
        for literal, directive in split_format(format_):
            pieces.append(literal)
            if directive == "f":
                pieces.append(pc.utf8_rpad(digits, 6, "0") if isinstance(digits, pa.Array) else "000000")
            elif directive:
                pieces.append(_text(whole[directive] if directive == largest else rest[directive], 2))
    text = pc.binary_join_element_wise(*pieces, "")
    return pc.if_else(values.is_valid(), text, av.scalar(None, _TEXT))


def _point(digits: Any) -> tuple[Any, ...]:
    return (".", digits) if isinstance(digits, pa.Array) else ()


def _text(counts: Any, width: int) -> pa.Array:
    return pc.utf8_lpad(av.from_numpy(counts.astype(np.int64), pa.int64()).cast(_TEXT), width, "0")
