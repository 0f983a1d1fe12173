"""The directives of date and timestamp formats: what may be written in `date_format` and `timestamp_format`.

Apart from the code that reads by them, so that a project file is checked without loading Arrow.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lakehouse_cli.errors import StorageError

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORTHANDS = {"%T": "%H:%M:%S", "%R": "%H:%M", "%F": "%Y-%m-%d", "%D": "%m/%d/%y"}
#: What `time_format` may be beside formats of directives, for durations.
SPAN_WORDS = ("interval", "iso8601")
TWO_DIGITS = "[0-9]{1,2}"
#: Directives of digits.
NUMBERS = frozenset("YymdHIMSf")
# Of Excel and Java, in any case.
_HALVES = ("a", "tt")
_LETTERS = {
    "yyyy": "%Y",
    "yy": "%y",
    "mmm": "%b",
    "mmmm": "%B",
    "dddd": "%A",
    "t": "T",
    **dict.fromkeys(("m", "mm"), "%m"),
    **dict.fromkeys(("d", "dd"), "%d"),
    **dict.fromkeys(("ddd", "eee"), "%a"),
    **dict.fromkeys(("h", "hh"), "%H"),
    **dict.fromkeys(("s", "ss"), "%S"),
    **dict.fromkeys(("sss", "fff"), "%f"),
    **dict.fromkeys(_HALVES, "%p"),
}
# Directives that say the same part of a moment: of two, one would not count.
_SAME = ("Yy", "mbB", "HI", "aA")
_OF_CLOCKS = "HIMSfp"
GROUPS = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": TWO_DIGITS,
    "d": TWO_DIGITS,
    "H": TWO_DIGITS,
    "I": TWO_DIGITS,
    "M": TWO_DIGITS,
    "S": TWO_DIGITS,
    "f": "[0-9]{1,9}",
    "b": "|".join(name[:3] for name in MONTHS),
    "B": "|".join(MONTHS),
    "p": "AM|PM",
    "z": "Z|[+-][0-9]{2}:?[0-9]{2}",
    "a": "|".join(name[:3] for name in DAYS),
    "A": "|".join(DAYS),
}


def check_format(text: str, option: str) -> None:
    """Refuse a format that cannot say which day, or time, is meant, or that holds an unknown directive.

    Args:
        text: The format.
        option: ``date_format``, ``timestamp_format`` or ``time_format``, which is for durations too.

    Raises:
        StorageError: Naming the option and what is wrong.
    """
    is_clock = option == "time_format"
    if is_clock and text in SPAN_WORDS:
        return
    what = f"`{_printable(f'{option}: {text}')}`"
    parts = split_format(text)
    directives = [directive for _, directive in parts if directive]
    for directive in directives:
        if directive not in (_OF_CLOCKS if is_clock else GROUPS):
            kind = "of a time or duration" if is_clock else "supported"
            known = " ".join(f"%{each}" for each in (_OF_CLOCKS if is_clock else GROUPS))
            spans = "; or `interval` for durations as `1 days 02:00:00`, `iso8601` for `PT2H`" if is_clock else ""
            raise StorageError(
                f"{what} has the directive `%{_printable(directive)}`, which is not {kind}", hint=f"use {known}{spans}"
            )
    if not set("HIMS" if is_clock else "Yy") & set(directives):
        lacking = "says neither hours, minutes nor seconds" if is_clock else "does not say the year"
        meant = "" if directives else _from_letters(text)
        add = f"such as `%H:%M:%S`, or one of: {', '.join(SPAN_WORDS)}" if is_clock else "add %Y"
        raise StorageError(f"{what} {lacking}", hint=f"write it as `{_printable(meant)}`" if meant else add)
    if len(set(directives)) < len(directives):
        raise StorageError(f"{what} has a directive twice", hint="write each part once")
    for group in _SAME:
        if len(same := [f"%{directive}" for directive in directives if directive in group]) > 1:
            raise StorageError(f"{what} has {' and '.join(same)}, which say the same", hint="write one of them")
    if ("I" in directives) != ("p" in directives):
        raise StorageError(f"{what} has only one of %I and %p", hint="use %H, or both")
    if is_clock and "f" in directives and ("S" not in directives or ("", "f") in parts):
        raise StorageError(f"{what} has %f, but no %S and a point before it", hint="such as `%S.%f`")


def _from_letters(text: str) -> str:
    """The directives of a format in letters, as Excel and Java have them; empty where it is none."""
    parts = [found[0].lower() for found in re.finditer(r"([A-Za-z])\1*|[^A-Za-z]", text, re.DOTALL)]
    has_date = any(part[0] in "dy" for part in parts)
    spelled = ""
    for at, part in enumerate(parts):
        # Months and minutes are the same letters; minutes are behind hours.
        is_minute = part in ("m", "mm") and (not has_date or not {"h", "hh"}.isdisjoint(parts[:at]))
        directive = "%M" if is_minute else _LETTERS.get(part) if part.isalpha() else part
        if directive is None:
            return ""
        spelled += "%I" if directive == "%H" and parts[-1] in _HALVES else directive
    return spelled


def _printable(text: str) -> str:
    return text if text.isprintable() else repr(text)[1:-1]


@lru_cache(maxsize=64)
def time_formats(formats: tuple[str, ...], *, spans: bool) -> tuple[str, ...]:
    """Choose the formats that durations (`spans`) can be in, or times of day; the others do not count for them."""
    if not spans:
        return tuple(text for text in formats if text not in SPAN_WORDS)
    halves = {"I", "p"}
    return tuple(text for text in formats if text in SPAN_WORDS or halves.isdisjoint(dict(split_format(text)).values()))


@lru_cache(maxsize=64)
def split_format(text: str) -> tuple[tuple[str, str], ...]:
    """Split a format into pairs of literal text and the directive behind it, the last directive empty."""
    for short, long in _SHORTHANDS.items():
        text = text.replace(short, long)
    pieces = re.split(r"%(.)", text, flags=re.DOTALL)
    parts: list[tuple[str, str]] = []
    literal = ""
    for at in range(0, len(pieces) - 1, 2):
        literal += pieces[at]
        if pieces[at + 1] == "%":
            literal += "%"
        else:
            parts.append((literal, pieces[at + 1]))
            literal = ""
    return (*parts, (literal + pieces[-1], ""))
