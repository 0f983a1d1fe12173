"""Dates, timestamps, times and durations in strptime formats, both ways, a column at a time.

Arrow's own ``strptime`` kernel takes 30 February for 1 March and knows no ``%f``; Python's parses one value at a time.
Here a format becomes a regular expression, whose parts are put together as ISO 8601 text and read by `decode_iso`,
which refuses what is no date. Names of months and days are English, whatever the locale.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.timestamp_texts import DIGITS, UNITS
from lakehouse_cli.arrow.conversion.zones import offsets, to_instants, to_wall_clock
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.decode import decode_iso, decode_times, formats_of
from lakehouse_cli.formats.csv.directives import DAYS, GROUPS, MONTHS, NUMBERS, TWO_DIGITS, split_format
from lakehouse_cli.formats.csv.encode import encode_iso, encode_plain
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.spans import parse_spans, print_spans

_TEXT = pa.string()
# Of the parts of a moment in ISO 8601, up to its seconds; from the end, because years may have more than four digits.
_PLACES = {
    "Y": (0, -15),
    "y": (-17, -15),
    "m": (-14, -12),
    "d": (-11, -9),
    "H": (-8, -6),
    "M": (-5, -3),
    "S": (-2, None),
}


def parse_formats(text: pa.Array, to: pa.DataType, formats: tuple[str, ...], ambiguous: str) -> pa.Array:
    """Parse dates, timestamps, times or durations in any of the formats.

    Args:
        text: String array.
        to: A date, timestamp, time or duration type.
        formats: What the text may be in.
        ambiguous: Which of two instants is meant where a zone has a wall-clock time twice: ``first``, ``last``, or
            ``error`` for neither.

    Returns:
        Null where no format gives a moment exactly, or two formats give different ones.
    """
    moments, values = _parse(text, to, formats[0], ambiguous)
    is_read = moments.is_valid()
    for format_ in formats[1:]:
        moments, others = _parse(text, to, format_, ambiguous)
        is_same = pc.fill_null(pc.equal(values, others), False)
        clashes = pc.and_not(pc.and_(is_read, moments.is_valid()), is_same)
        # What has clashed once stays null: it is read, and null equals nothing.
        values = pc.if_else(pc.or_(clashes, is_read), pc.if_else(clashes, av.scalar(None, to), values), others)
        is_read = pc.or_(is_read, moments.is_valid())
    return values


def explain(text: str, to: pa.DataType, options: CsvOptions) -> tuple[str, str] | None:
    """Say why a text in one of the formats is no value, and what to do; None where it is in none of them."""
    option = _option_of(to)
    formats = formats_of(to, options)
    readings: dict[str, tuple[str, pa.Array]] = {}
    for format_ in formats:
        moments, _ = _parse(av.array([text.strip(" \t")], _TEXT), to, format_, options.ambiguous)
        if moments.null_count == 0:
            readings.setdefault(_shown(moments), (format_, moments))
    if len(readings) > 1:
        first, second = ((shown, format_) for shown, (format_, _) in list(readings.items())[:2])
        return (
            f"it is {first[0]} by `{first[1]}` and {second[0]} by `{second[1]}`",
            f"keep one of the two in `{option}`; where a column mixes them, declare it as string",
        )
    if not readings and not pa.types.is_time(to) and not pa.types.is_duration(to):
        reasons = (_explain_parts(_extract(av.array([text.strip(" \t")], _TEXT), each), to, each) for each in formats)
        return next(filter(None, reasons), None)
    moments = next((moments for _, moments in readings.values()), None)
    is_local = moments is not None and pa.types.is_timestamp(to) and to.tz is not None and moments.type.tz is None
    return _explain_clock(moments, to.tz) if is_local else None


def _option_of(kind: pa.DataType) -> str:
    if pa.types.is_date(kind):
        return "date_format"
    return "timestamp_format" if pa.types.is_timestamp(kind) else "time_format"


def _explain_parts(parts: dict[str, pa.Array], to: pa.DataType, format_: str) -> tuple[str, str] | None:
    """Why the parts of a text in a format are no value, and what to do; None where that is not known."""
    day = decode_iso(_date(parts), pa.date32())
    if day.null_count:
        return None
    weekday, said = pc.day_of_week(day)[0].as_py(), _weekday(parts)
    if said is not None and said[0].as_py() != weekday:
        return f"{day[0]} is a {DAYS[weekday]}", "correct the file, or declare the column as string"
    if pa.types.is_date(to) and _has_clock(parts) and _is_midnight(parts)[0].as_py() is False:
        return (
            "it has a time of day",
            f"declare `timestamp[us]`, with `timestamp_format: {json.dumps(format_)}` in place of `date_format`",
        )
    return None


def _explain_clock(local: pa.Array, zone: str) -> tuple[str, str] | None:
    """Why a wall-clock time of a zone is no instant, and what to do; None where it is one."""
    before, after = offsets(local.cast(pa.int64())[0].as_py() // UNITS[local.type.unit], zone)
    without = "declare the column without `tz`"
    if before > after:
        return (
            f"{zone} has {_shown(local)} twice (clocks were turned back)",
            f"set `ambiguous: first` or `ambiguous: last` in the options, or {without}",
        )
    if before < after:
        return (
            f"{zone} never has {_shown(local)} (clocks were turned forward)",
            f"correct times that never were, which `ambiguous` does not rescue, or {without}",
        )
    return None


def _shown(moments: pa.Array) -> str:
    """The one moment of an array, without seconds that are zero."""
    if pa.types.is_duration(moments.type):
        return str(print_spans(moments, "interval")[0].as_py())
    if pa.types.is_time(moments.type):
        return str(encode_plain(moments, CsvOptions())[0].as_py())
    return re.sub(r"(?::00)?(?:\.0+)?(Z?)$", r"\1", encode_iso(moments)[0].as_py())


def _parse(text: pa.Array, to: pa.DataType, format_: str, ambiguous: str) -> tuple[pa.Array, pa.Array]:
    """The moments as they are written, on the clocks of the zone where no offset is, and as values of the type."""
    if pa.types.is_duration(to):
        spans = parse_spans(text, to, format_)
        return spans, spans
    parts = _extract(text, format_)
    if all(part.null_count == len(text) for part in parts.values()):  # as most of the formats that a hint tries
        return (pa.nulls(len(text), to),) * 2
    if pa.types.is_time(to):
        times = decode_times(_clock(parts), to)
        return times, times
    date = _date(parts)
    if weekday := _weekday(parts):
        is_said = pc.equal(pc.day_of_week(decode_iso(date, pa.date32())), weekday)
        date = pc.if_else(is_said, date, av.scalar(None, _TEXT))
    if pa.types.is_date(to):
        dates = decode_iso(date, to)
        if _has_clock(parts):
            dates = pc.if_else(_is_midnight(parts), dates, av.scalar(None, to))
        return dates, dates
    moment = pc.binary_join_element_wise(date, _clock(parts), " ")
    if "z" in parts:
        moment = pc.binary_join_element_wise(moment, parts["z"], "")
    if to.tz is None or "z" in parts:
        moments = decode_iso(moment, to)
        return moments, moments
    local = decode_iso(moment, pa.timestamp(to.unit))
    return local, to_instants(local, to.tz, ambiguous)


def _date(parts: dict[str, pa.Array]) -> pa.Array:
    return pc.binary_join_element_wise(_year(parts), _month(parts), _two(parts, "d", "01"), "-")


def _weekday(parts: dict[str, pa.Array]) -> pa.Array | None:
    named = parts.get("a", parts.get("A"))
    return None if named is None else _index_of_name(named, DAYS)


def _has_clock(parts: dict[str, pa.Array]) -> bool:
    return not parts.keys().isdisjoint("HIMS")


def _is_midnight(parts: dict[str, pa.Array]) -> pa.Array:
    return pc.equal(decode_times(_clock(parts), pa.time64("ns")).cast(pa.int64()), 0)


def _index_of_name(text: pa.Array, names: Sequence[str]) -> pa.Array:
    """Which of the names of months or days a text is, or begins, from 0."""
    short = av.array([name[:3].lower() for name in names], _TEXT)
    return pc.index_in(pc.utf8_slice_codeunits(pc.utf8_lower(text), 0, 3), value_set=short)


def _clock(parts: dict[str, pa.Array]) -> pa.Array:
    clock = pc.binary_join_element_wise(_hour(parts), _two(parts, "M", "00"), _two(parts, "S", "00"), ":")
    return pc.binary_join_element_wise(clock, parts["f"], ".") if "f" in parts else clock


def _extract(text: pa.Array, format_: str) -> dict[str, pa.Array]:
    """The text of each directive, null where the whole does not match."""
    pieces = split_format(format_)
    pattern = ""
    for at, (literal, directive) in enumerate(pieces):
        pattern += re.escape(literal)
        if directive:
            beside = pieces[at - 1][1] if at and not literal else ""
            behind = "" if pieces[at + 1][0] else pieces[at + 1][1]
            group = GROUPS[directive]
            # Numbers side by side have all of their digits: `1112020` would be two days by %d%m%Y.
            if group == TWO_DIGITS and {beside, behind} & NUMBERS:
                group = "[0-9]{2}"
            pattern += f"(?P<{directive}>(?i:{group}))"
    parts = pc.extract_regex(text, rf"\A{pattern}\z")
    return dict(zip((field.name for field in parts.type), parts.flatten(), strict=True))


def _two(parts: dict[str, pa.Array], directive: str, default: str) -> Any:
    return pc.utf8_lpad(parts[directive], 2, "0") if directive in parts else av.scalar(default)


def _year(parts: dict[str, pa.Array]) -> pa.Array:
    if "Y" in parts:
        return parts["Y"]
    century = pc.if_else(pc.less(parts["y"].cast(pa.int64()), 69), "20", "19")  # POSIX's turn of the century
    return pc.binary_join_element_wise(century, parts["y"], "")


def _month(parts: dict[str, pa.Array]) -> Any:
    named = parts.get("b", parts.get("B"))
    if named is None:
        return _two(parts, "m", "01")
    return pc.utf8_lpad(pc.add(_index_of_name(named, MONTHS), 1).cast(_TEXT), 2, "0")


def _hour(parts: dict[str, pa.Array]) -> Any:
    if "I" not in parts:
        return _two(parts, "H", "00")
    hour = parts["I"].cast(pa.int64())
    in_range = pc.and_(pc.greater_equal(hour, 1), pc.less_equal(hour, 12))
    hour = pc.if_else(in_range, hour, av.scalar(None, pa.int64()))
    hour = pc.if_else(pc.equal(hour, 12), 0, hour)
    hour = pc.if_else(pc.equal(pc.utf8_lower(parts["p"]), "pm"), pc.add(hour, 12), hour)
    return pc.utf8_lpad(hour.cast(_TEXT), 2, "0")


def print_format(values: pa.Array, formats: tuple[str, ...], options: CsvOptions) -> pa.Array:
    """Print dates, timestamps, times or durations in the first of the formats.

    Raises:
        StorageError: The formats would not read the text back as the same value: a part is missing from them.
    """
    text = _print(values, formats[0])
    back = parse_formats(text, values.type, formats, options.ambiguous)
    if back.equals(values):
        return text
    same = pc.fill_null(pc.equal(pc.fill_null(back, _epoch(values.type)), values), False)
    lost = pc.and_(values.is_valid(), pc.or_(pc.invert(same), back.is_null()))
    at = pc.index(lost, av.scalar(True)).as_py()
    is_clock = pa.types.is_time(values.type) or pa.types.is_duration(values.type)
    value = _shown(values[at : at + 1]) if is_clock else values[at : at + 1].cast(_TEXT)[0].as_py()
    written = text[at].as_py()
    reason = explain(written, values.type, options) if written else None
    is_zoned = pa.types.is_timestamp(values.type) and values.type.tz is not None
    whole = "%Y-%m-%d" if pa.types.is_date(values.type) else "%Y-%m-%d %H:%M:%S.%f" + ("%z" if is_zoned else "")
    whole = "%H:%M:%S.%f" if is_clock else whole
    error = StorageError(
        f"{value} would not be read back as it is from {written!r}, in the format `{formats[0]}`"
        + (f": {reason[0]}" if reason else ""),
        hint=f"choose one format that holds all of it, such as `{whole}`, or none for "
        + ("seconds" if pa.types.is_duration(values.type) else "ISO 8601"),
    )
    error.shown_data = (str(value), repr(written), *(reason or ())[:1])
    raise error


def _epoch(kind: pa.DataType) -> pa.Scalar:
    return av.scalar(0, pa.int32() if kind.bit_width == 32 else pa.int64()).cast(kind)


def _print(values: pa.Array, format_: str) -> pa.Array:
    parts = split_format(format_)
    moments = values
    if pa.types.is_duration(values.type):
        return print_spans(values, format_)
    if pa.types.is_time(values.type):
        unit = values.type.unit
        counts = (
            values.cast(pa.int32()).cast(pa.int64()) if pa.types.is_time32(values.type) else values.cast(pa.int64())
        )
        moments = counts.cast(pa.timestamp(unit))
    elif pa.types.is_date(values.type):
        moments = values.cast(pa.timestamp("s"))
    elif values.type.tz is not None:
        has_zone = any(directive == "z" for _, directive in parts)
        # With an offset in the text, UTC; without one, the clock on the wall.
        moments = to_wall_clock(values.cast(pa.timestamp(values.type.unit, "UTC")) if has_zone else values)
    iso, digits = encode_iso(moments), DIGITS[moments.type.unit]
    whole = pc.utf8_slice_codeunits(iso, 0, -digits - 1) if digits else iso
    fraction = pc.utf8_rpad(pc.utf8_slice_codeunits(iso, -digits), 6, "0") if digits else "000000"
    pieces: list[Any] = []
    for literal, directive in parts:
        if literal:
            pieces.append(literal)
        if directive:
            pieces.append(fraction if directive == "f" else _piece(moments, whole, directive))
    text = pc.binary_join_element_wise(*pieces, "")
    return pc.if_else(values.is_valid(), text, av.scalar(None, _TEXT))


def _piece(moments: pa.Array, iso: pa.Array, directive: str) -> Any:
    """The text of a directive, from moments and their text in ISO 8601 up to the second."""
    if directive == "z":
        return "+0000"
    if directive in "bB":
        return _named(MONTHS, directive == "b", pc.subtract(pc.month(moments), 1))
    if directive in "aA":
        return _named(DAYS, directive == "a", pc.day_of_week(moments))
    if directive == "p":
        return pc.if_else(pc.less(pc.hour(moments), 12), "AM", "PM")
    if directive == "I":
        return _named(["12", *(f"{hour:02}" for hour in range(1, 12))] * 2, False, pc.hour(moments))
    return pc.utf8_slice_codeunits(iso, *_PLACES[directive])


def _named(names: Sequence[str], is_short: bool, places: pa.Array) -> pa.Array:
    return av.array([name[:3] if is_short else name for name in names], _TEXT).take(places)
