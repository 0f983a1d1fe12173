"""Which options read values that do not fit as they are; only such are named as read every value that is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.types import plain_type
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.decode import formats_of
from lakehouse_cli.formats.csv.directives import SPAN_WORDS, split_format
from lakehouse_cli.formats.csv.literals import leaf_of
from lakehouse_cli.formats.csv.nested import BAD, explain_json, parse_json
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.text.name_lists import first_few

# In hints that name options which other formats lack.
_OF_CSV_ALONE = re.compile('`(?:decimal|date_format|timestamp_format):|`thousands: "[.]"')
_PAIRS = (
    *(("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("true", "false"), ("1", "0"), ("-1", "0"), ("1.0", "0.0")),
    *(("ja", "nein"), ("j", "n"), ("wahr", "falsch"), ("oui", "non"), ("vrai", "faux"), ("si", "no"), ("sí", "no")),
    *(("verdadero", "falso"), ("vero", "falso"), ("sim", "não"), ("enabled", "disabled"), ("active", "inactive")),
)
# How many words are listed of a boolean column.
_LISTED = 10
_GROUPED = re.compile("[0-9]([,.'\u00a0\u202f ])[0-9]{3}(?![0-9])")
_CURRENCY = re.compile("[$€£¥₹₩₽₺]|\\b[A-Z]{3}\\b|\\b(?:kr|zł|Fr|Rs)\\b\\.?|R\\$")
_EPOCH = re.compile(r"-?[0-9]{9,}(?:\.[0-9]+)?")
# Formats without marks between numbers, and such as say an offset, of dates and timestamps.
_COMPACT = (
    *("%Y%m%d", "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%d%H", "%Y%m%d%H%M%S.%f"),
    *("%Y%m%dT%H%M%S", "%Y%m%dT%H%M", "%Y%m%dT%H%M%S.%f", "%Y%m%dT%H%M%S%z", "%Y%m%dT%H%M%S.%f%z"),
)
_ZONED = (
    *("%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S.%f %z", "%Y-%m-%d %H:%M %z"),
    *("%a, %d %b %Y %H:%M:%S %z", "%d/%b/%Y:%H:%M:%S %z"),
)
_GREENWICH = ("%Y-%m-%d %H:%M:%S GMT", "%Y-%m-%d %H:%M:%S.%f GMT", "%a, %d %b %Y %H:%M:%S GMT")
# A name of the offset before it, as Go prints it; and one alone, which may stand for several offsets.
_BEHIND_OFFSET = re.compile(r" [+-][0-9]{4} ([A-Z]{3,5})\Z")
_ABBREVIATED = re.compile(r"[0-9] ([A-Z]{3,5})\Z")
# How people write dates, and clocks behind them.
_DATES = (
    *(
        f"{mark.join(parts)}"
        for mark in "/.-"
        for parts in (("%d", "%m", "%Y"), ("%m", "%d", "%Y"), ("%Y", "%m", "%d"))
    ),
    *(
        f"{mark.join(parts)}"
        for mark in "/.-"
        for parts in (("%d", "%m", "%y"), ("%m", "%d", "%y"), ("%y", "%m", "%d"))
    ),
    *(f"%d{mark}{month}{mark}{year}" for mark in " -" for month in ("%b", "%B") for year in ("%Y", "%y")),
    *("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d. %B %Y", "%a, %d %b %Y", "%A, %d %B %Y", "%A, %B %d, %Y"),
)
_MOMENTS = (
    *(
        f"{date}{clock}"
        for date in _DATES
        for clock in (" %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p", " %H:%M:%S.%f", "")
    ),
    # Of ISO 8601, which is read where no format is set.
    *("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S.%f"),
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")
_CLOCK = re.compile("[T ][0-9]")
# How many digits counts of our days have at most.
_EPOCH_DIGITS = {"s": 11, "ms": 14, "us": 17, "ns": 99}
_MOMENT_DIGITS = 14
_UNITS = tuple(_EPOCH_DIGITS)
_TIMES = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p", "%H%M", "%H%M%S", "%H:%M:%S.%f")
_OF_PYTHON = re.compile(r"(?:\A|[\[({,] *)(?:None|nan)(?:,|[\])}])|\{'.*'\}", re.DOTALL)
_IN_BRACKETS = re.compile(r"\[.*\]|\{.*\}|\(.*\)", re.DOTALL)
_MONTHS = re.compile(r"\b(?:mon|month|year)s?\b|\A[+-]?P(?:-?[0-9.]+Y|(?:-?[0-9.]+Y)?-?[0-9.]+M)")
_SPANS = ("%H:%M:%S", "%H:%M", "interval", "iso8601", "%H:%M:%S.%f")


def spelling_hint(
    values: Sequence[str], kind: pa.DataType, options: CsvOptions, known: Collection[str] = ()
) -> str | None:
    """Name the options that would read the values, None where none is known.

    Args:
        values: That do not fit.
        kind: The declared type.
        options: By which they were read.
        known: Values of the column that fit, which those options must read as well; of a boolean column all of them.
    """
    t = pa.types
    kind = plain_type(kind)
    if t.is_boolean(kind):
        return _boolean_hint(values, options, known)
    values = [*values, *sorted(known)]
    if t.is_integer(kind) or t.is_floating(kind) or t.is_decimal(kind):
        return _number_hint(values, kind, options)
    if t.is_time(kind) or t.is_duration(kind):
        return _clock_hint(values, kind, options)
    if t.is_date(kind) or t.is_timestamp(kind):
        return _moment_hint(values, kind, options)
    if t.is_nested(kind) and (why := next(filter(None, map(explain_json, values)), None)):
        return f"{why}: correct the file, or declare the column as string"
    if t.is_list(kind):
        return _list_hint(values, kind, options)
    if (t.is_struct(kind) or t.is_map(kind)) and all(_is_literal(value) for value in values):
        return "it is no JSON, as `to_json(…)` of a database writes: write it so, or declare the column as string"
    if t.is_binary(kind) and _reads(values, kind, options, {"binary": "hex"}):
        return "set `binary: hex` in the options"
    return None


def _list_hint(values: Sequence[str], kind: pa.DataType, options: CsvOptions) -> str | None:
    # Of a database, None is a text, and that of floats is called nan there as well.
    may_be_python = not pa.types.is_floating(leaf_of(kind)) and any(map(_OF_PYTHON.search, values))
    for style in () if may_be_python else ("json", "postgresql", "duckdb"):
        changes = {"lists": style}
        if _reads(values, kind, options, changes):
            return f"set {_set(changes)} in the options"
    if all(_IN_BRACKETS.fullmatch(value) and parse_json(value) is BAD for value in values):
        return "it is no list as JSON or databases have it: write it by `json.dumps`, or declare the column as string"
    return None


def _is_literal(value: str) -> bool:
    """Whether a value is in braces and no JSON, as databases print structs and maps."""
    return value.startswith("{") and value.endswith("}") and parse_json(value) is BAD


def shared_hint(values: Sequence[str], kind: pa.DataType, options: CsvOptions) -> str | None:
    """Name the options that would read the values, as `spelling_hint` does, of those that other formats have too."""
    hint, other, _ = (spelling_hint(values, kind, options) or "").partition("; or `decimal:")
    if _OF_CSV_ALONE.search(hint):
        return None
    if other:
        hint += "; or, where 1,234 is 1.234, declare the column as string and make numbers of it in a transform"
    return hint or None


def _reads(values: Sequence[str], kind: pa.DataType, options: CsvOptions, changes: dict[str, Any]) -> bool:
    try:
        changed = replace(options, **changes)
    except StorageError:
        return False
    return int(decode(av.array(list(values), pa.string()), kind, changed).null_count) == 0


def _set(changes: dict[str, Any]) -> str:
    """The options as one writes them."""
    return " and ".join(f"`{name}: {_yaml(value)}`" for name, value in changes.items())


def _yaml(value: Any) -> str:
    if isinstance(value, tuple):
        return _yaml(value[0]) if len(value) == 1 else f"[{', '.join(map(_yaml, value))}]"
    return value if value.isalnum() else json.dumps(value, ensure_ascii=False)


def _boolean_hint(words: Sequence[str], options: CsvOptions, known: Collection[str]) -> str:
    # With `trim`, what has blanks still has them in quotes.
    bare = words if options.trim else [word.strip(" \t") for word in words]
    trim = "set `trim: true` in its options" if list(bare) != list(words) else ""
    new = [word for word in dict.fromkeys(bare) if word not in (*options.true_values, *options.false_values)]
    if not new:
        return trim
    trim = trim and f"{trim}, and "
    plain = [word.strip(" \t").casefold() for word in new]
    sides = [next((pair.index(word) for pair in _PAIRS if word in pair), None) for word in plain]
    if None in sides:
        listed = first_few([f"`{word}`" for word in (*sorted(known), *new)], _LISTED)
        return (
            f"{trim}say with `true_values: […]` and `false_values: […]` in the options "
            f"which of {listed} are true and false"
        )
    changes = []
    for at, name in enumerate(("true_values", "false_values")):
        if found := [word for word, side in zip(new, sides, strict=True) if side == at]:
            spelled = ", ".join(map(_yaml, [*(word for word in getattr(options, name) if word in known), *found]))
            changes.append(f"`{name}: [{spelled}]`")
    return f"{trim}set {' and '.join(changes)} in the options"


def _number_hint(values: Sequence[str], kind: pa.DataType, options: CsvOptions) -> str | None:
    changes = _decorations(values, options)
    comma = {"decimal": ","} if options.decimal == "." else {}
    if changes and not _reads(values, kind, options, changes):
        changes |= comma
    changes = changes or comma
    is_whole = pa.types.is_integer(kind)
    if changes and _reads(values, kind, options, changes):
        if is_whole and {"decimal", "thousands"} <= changes.keys():
            # Integers have no decimal point; that of other columns stays as it is.
            del changes["decimal"]
            hint = f"set {_set(changes)} in the column"
        else:
            hint = f"set {_set(changes)} in the options"
        others = {name: value for name, value in changes.items() if name != "thousands"}
        if is_whole and "thousands" in changes and _reads(values, pa.float64(), options, others):
            more = f" and set {_set(others)} in the column" if others else ""
            zeros = next(value for value in values if _GROUPED.search(value))
            hint += f"; or declare `float64`{more}, where {zeros} has a fraction of zeros"
        if "percent" in changes and _reads(values, kind, options, changes | {"percent": "fraction"}):
            hint += "; or `percent: fraction`, where 50% is 0.5"
        fractions = {name: value for name, value in changes.items() if name != "thousands"} | comma
        if changes.get("thousands") == "," and comma and _reads(values, kind, options, fractions):
            hint += f"; or {_set(fractions)}, where 1,234 is 1.234"
        return hint
    point = {"decimal": ".", "thousands": None if options.thousands == "." else options.thousands}
    if not is_whole and not comma and _reads(values, kind, options, point):
        return 'set `decimal: "."` in the column'
    return None


def _decorations(values: Sequence[str], options: CsvOptions) -> dict[str, Any]:
    """The options for what stands in and around numbers, of those that are not set: what is set already is meant."""
    changes: dict[str, Any] = {}
    if any("%" in value for value in values) and options.percent is None:
        changes["percent"] = "number"
    symbols = tuple(dict.fromkeys(each for value in values for each in _CURRENCY.findall(value)))
    if len(symbols) == 1 and not options.currency:
        changes["currency"] = symbols
    if options.negative is None:
        if any(value.rstrip().endswith(")") for value in values):
            changes["negative"] = "parentheses"
        elif any(value.rstrip().endswith("-") for value in values):
            changes["negative"] = "trailing"
    marks = {mark if mark in ",.'" else " " for value in values for mark in _GROUPED.findall(value)}
    if marks and options.thousands is None:
        changes["thousands"] = min(marks)
        if changes["thousands"] == options.decimal:
            changes["decimal"] = "," if options.decimal == "." else "."
    return changes


def _moment_hint(values: Sequence[str], kind: pa.DataType, options: CsvOptions) -> str | None:
    """The hint of dates and timestamps: another type that reads them as they are, else a format."""
    is_date = pa.types.is_date(kind)
    option = "date_format" if is_date else "timestamp_format"
    if getattr(options, option):
        other = None if is_date else _other_moments(values, kind, options)
        return other or _formats_hint(values, kind, options, option, _DATES if is_date else _MOMENTS)
    if found := _other_moments(values, kind, options):
        return found
    if not is_date and options.epoch_unit is not None:
        return _count_hint(values)
    if is_date:
        if _are_recent(values) and _reads(values, kind, options, {option: ("%Y%m%d",)}):
            return f"set {_set({option: ('%Y%m%d',)})} in the options"
        return _usual_format(values, kind, options, option, _DATES)
    numbers = all(_EPOCH.fullmatch(value) for value in values)
    digits = len(values[0].lstrip("-").partition(".")[0])
    likely = next(unit for unit, most in _EPOCH_DIGITS.items() if digits <= most)
    for format_ in _formats(values[0]):
        changes = {option: (format_,)}
        has_offset = "%z" in format_
        wanted = pa.timestamp(kind.unit, "UTC") if format_.endswith("GMT") or (has_offset and not kind.tz) else kind
        if not _reads(values, wanted, options, changes) or (format_.startswith("%Y%m%d") and not _are_recent(values)):
            continue
        if wanted != kind:
            return f"it has a time zone: declare `{wanted}`, and set {_set(changes)} in the column"
        clock = "" if has_offset else _clocks_of(kind.tz)
        # Of fourteen digits, it is no count of our days.
        count = f"; or, if it counts from 1970, `epoch_unit: {likely}`" if numbers and digits < _MOMENT_DIGITS else ""
        return f"set {_set(changes)} in the options{clock}{count}"
    if numbers:
        others = ", ".join(unit for unit in _EPOCH_DIGITS if unit != likely)
        return f"a number says no unit: set `epoch_unit: {likely}` in the options, or {others}"
    if found := _usual_format(values, kind, options, option, _MOMENTS):
        return found
    if abbreviation := _ABBREVIATED.search(values[0]):
        return (
            f"`{abbreviation[1]}` says no offset from UTC: write the offset in its place, such as `+01:00`, "
            "or declare the column as string"
        )
    return None


def _count_hint(values: Sequence[str]) -> str:
    """The hint of what is no timestamp where these are counts of a unit."""
    if all(_NUMBER.fullmatch(value.strip()) for value in values):
        return "no timestamp is as far from 1970: correct the file, or set another `epoch_unit`"
    return (
        "a number is expected, as `epoch_unit` is set: correct the file; or, if no value is a number, "
        "set `epoch_unit: none` in the column"
    )


def _usual_format(
    values: Sequence[str], kind: pa.DataType, options: CsvOptions, option: str, formats: Sequence[str]
) -> str | None:
    """The hint of the formats, of those that people use, which read the values; each, where several do."""
    found = [each for each in formats if _reads(values, kind, options, {option: (each,)})]
    if not found:
        return _formats_hint(values, kind, options, option, formats)
    zone = None if pa.types.is_date(kind) else kind.tz
    return f"set {' or '.join(_set({option: (each,)}) for each in found)} in the options{_clocks_of(zone)}"


def _formats_hint(
    values: Sequence[str], kind: pa.DataType, options: CsvOptions, option: str, formats: Sequence[str]
) -> str | None:
    """The hint of formats that read the values together, behind those that are set; None where one may be another."""
    text = av.array(list(values), pa.string())
    read = {each: decode(text, kind, replace(options, **{option: (each,)})) for each in formats}
    chosen = getattr(options, option)
    for at, value in enumerate(values):
        if chosen and _reads([value], kind, options, {option: chosen}):
            continue
        found = [each for each in formats if read[each][at].is_valid and _may_stand_beside(each, chosen)]
        fewest = min((read[each].null_count for each in found), default=0)
        likely = [each for each in found if read[each].null_count == fewest]
        if len({read[each][at] for each in likely}) != 1:
            return None
        chosen = (*chosen, likely[0])
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    is_read = _reads(values, kind, options, {option: chosen})
    return f"set {_set({option: chosen})} in the options{_clocks_of(zone)}" if is_read else None


def _may_stand_beside(format_: str, formats: Sequence[str]) -> bool:
    """Whether no format has other parts of a moment between the same marks, so that a value could be read as either."""
    parts = _marks_and_parts(format_)
    others = map(_marks_and_parts, formats)
    return _may_join(format_, formats) and all(marks != parts[0] or named == parts[1] for marks, named in others)


def _marks_and_parts(format_: str) -> tuple[str, str]:
    pieces = split_format(format_)
    # A value shows whether its year has two digits or four: they count as one part.
    return "%".join(mark for mark, _ in pieces), "".join(part for _, part in pieces).replace("y", "Y")


def _clocks_of(zone: str | None) -> str:
    return f", which reads clocks of {zone}" if zone not in (None, "UTC") else ""


def _other_moments(values: Sequence[str], kind: pa.DataType, options: CsvOptions) -> str | None:
    """The hint where values are moments as they stand, but not of this type."""
    is_date = pa.types.is_date(kind)
    if is_date and options.epoch_unit is not None:
        if all(_EPOCH.fullmatch(value) for value in values) and _reads(values, pa.timestamp("us", "UTC"), options, {}):
            return "it counts from 1970 as `epoch_unit` says: declare `timestamp[us, tz=UTC]`"
        options = replace(options, epoch_unit=None)
    own = None if is_date else kind.tz
    for zone in (own, None if own else "UTC"):
        for unit in _UNITS if is_date else (kind.unit, *_UNITS):
            found = pa.timestamp(unit, zone)
            if found == kind or not _reads(values, found, options, {}):
                continue
            if is_date and any(_CLOCK.search(value) for value in values):
                return f"it has a time of day: declare `{found}`"
            if own and zone is None:
                return "it lacks a time zone, such as `Z` or `+01:00`: add it, or declare the column without `tz`"
            if zone != own:
                return f"it has a time zone: declare `{found}`"
            fault = "it is too far for date32" if is_date else _fault_of_unit(kind, unit)
            return f"{fault}: declare `{found}`"
    return None


def _formats(value: str) -> Iterator[str]:
    """Formats that are likely, by what a value ends in."""
    yield from _COMPACT
    named = _BEHIND_OFFSET.search(value)
    for format_ in _ZONED:
        yield format_
        if named:
            yield f"{format_} {named[1]}"
    yield from _GREENWICH


def _are_recent(values: Sequence[str]) -> bool:
    """Whether the first four digits of each are a year of our days, so that the value hardly is a count."""
    return all("1900" <= value.strip()[:4] < "2100" for value in values)


def _clock_hint(values: Sequence[str], kind: pa.DataType, options: CsvOptions) -> str | None:
    is_span = pa.types.is_duration(kind)
    span = pa.duration(kind.unit)
    own = set() if is_span else set(formats_of(kind, options))
    if own and own <= set(formats_of(span, options)) and _reads(values, span, options, {}):
        return f"it is no time of day by the `time_format` that is set: declare `{span}`, which reads it by the same"
    additions = [each for each in (_SPANS if is_span else _TIMES) if _may_join(each, options.time_format)]
    for format_ in additions:
        formats = (*options.time_format, format_)
        if _reads(values, kind, options, {"time_format": formats}):
            minutes = _minutes_hint(formats) if is_span else ""
            return f"set {_set({'time_format': formats})} in the options{minutes}"
    if found := _formats_hint(values, kind, options, "time_format", additions):
        return found
    for unit in _UNITS:
        other = pa.duration(unit) if is_span else pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
        for formats in (options.time_format, *((*options.time_format, each) for each in additions)):
            if other != kind and _reads(values, other, options, {"time_format": formats}):
                more = (
                    ""
                    if formats == options.time_format
                    else f", and set {_set({'time_format': formats})} in the column"
                )
                return f"{_fault_of_unit(kind, unit)}: declare `{other}`{more}"
    if is_span:
        has_months = all(_MONTHS.search(value) for value in values)
        return "months and years are no fixed time: declare the column as string" if has_months else None
    for format_ in _SPANS:
        formats = (*options.time_format, format_)
        if _may_join(format_, options.time_format) and _reads(values, span, options, {"time_format": formats}):
            named = _set({"time_format": formats})
            return f"declare {span}, which may be longer than a day, and set {named}{_minutes_hint(formats)}"
    return None


def _minutes_hint(formats: Sequence[str]) -> str:
    """The other reading of durations of two numbers, where no format that is set says which it is."""
    other = _set({"time_format": ("%M:%S",)})
    return f"; or {other}, where 1:30 is minutes and seconds" if tuple(formats) == ("%H:%M",) else ""


def _fault_of_unit(kind: pa.DataType, unit: str) -> str:
    """Why values do not fit a type that has one of this unit beside it."""
    is_coarser = _UNITS.index(unit) < _UNITS.index(kind.unit)
    return f"it is too far for {kind}" if is_coarser else "it has fractions of a second"


def _may_join(format_: str, formats: Sequence[str]) -> bool:
    """Whether a format is not among those that are set, and takes nothing for hours that they take for less."""
    return format_ not in formats and all(
        "H" in parts or parts <= _clock_parts(format_) for parts in map(_clock_parts, formats)
    )


def _clock_parts(format_: str) -> frozenset[str]:
    """Which of hours, minutes and seconds a value in a format has at least."""
    if format_ in SPAN_WORDS:
        return frozenset("HM" if format_ == "interval" else "HMS")
    return frozenset("H" if each == "I" else each for _, each in split_format(format_)) & frozenset("HMS")
