"""Dates and timestamps that Arrow's kernels cannot read or write, one by one and exactly.

Arrow prints years beyond 9999 in a way it does not read, and prints none beyond 32767; a timestamp within a second of
the ends of its range is not read either. ISO 8601's expanded form, ``+12345-06-07`` and ``-0044-03-15``, has room for
all of them. Day numbers are from Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms"
(https://howardhinnant.github.io/date_algorithms.html), in Python's unbounded integers.
"""

from __future__ import annotations

import re

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_MOMENT = re.compile(
    r"(?P<year>\d{4}|[+-]\d{4,12})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[ T](?P<hour>\d\d)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d(?::\d\d)?)?)?)?",
    re.ASCII,
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def day_number(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 to a date of the proleptic Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    day_of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + day_of_year - 719_468


def civil_date(days: int) -> tuple[int, int, int]:
    """Year, month and day of a day number; the inverse of `day_number`."""
    era, of_era = divmod(days + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    day_of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def date_text(days: int) -> str:
    """Print a day number in ISO 8601, in the expanded form where four digits do not hold the year."""
    year, month, day = civil_date(days)
    sign = "-" if year < 0 else "+" if year > 9999 else ""
    return f"{sign}{abs(year):04d}-{month:02d}-{day:02d}"


def timestamp_text(value: int, unit: str, *, zoned: bool) -> str:
    """Print a count of `unit` since the epoch in ISO 8601, with ``Z`` where it is an instant."""
    seconds, fraction = divmod(value, UNITS[unit])
    days, second = divmod(seconds, 86_400)
    digits = f".{fraction:0{DIGITS[unit]}d}" if unit != "s" else ""
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}{digits}"
    return f"{date_text(days)} {clock}{'Z' if zoned else ''}"


def parse_date(text: str) -> int | None:
    """Parse an ISO 8601 date to its day number, None where the text is not one."""
    match = _MOMENT.fullmatch(text)
    return None if match is None or match["hour"] is not None else _day_of(match)


def parse_timestamp(text: str, unit: str, *, zoned: bool) -> int | None:
    """Parse an ISO 8601 timestamp to a count of `unit` since the epoch, None where it is not one or would be cut.

    Args:
        text: Date, or date and time with any number of digits behind the second.
        unit: ``s``, ``ms``, ``us`` or ``ns``; digits beyond it must be zero.
        zoned: Whether the text must say its offset, or must not.
    """
    match = _MOMENT.fullmatch(text)
    if match is None or (match["zone"] is not None) != zoned:
        return None
    days = _day_of(match)
    hour, minute, second = (int(match[part] or 0) for part in ("hour", "minute", "second"))
    if days is None or hour > 23 or minute > 59 or second > 59:
        return None
    offset = _offset_of(match["zone"] or "Z")
    fraction = (match["fraction"] or "").ljust(9, "0")
    kept, beyond = fraction[: DIGITS[unit]], fraction[DIGITS[unit] :]
    if offset is None or beyond.strip("0"):
        return None
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    value = seconds * UNITS[unit] + int(kept or 0)
    return value if -(2**63) <= value < 2**63 else None


def _day_of(match: re.Match[str]) -> int | None:
    year, month, day = int(match["year"]), int(match["month"]), int(match["day"])
    if not 1 <= month <= 12:
        return None
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _MONTH_DAYS[month - 1] + leap:
        return None
    return day_number(year, month, day)


def _offset_of(zone: str) -> int | None:
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return (hours * 3600 + minutes * 60 + seconds) * (-1 if zone[0] == "-" else 1)
