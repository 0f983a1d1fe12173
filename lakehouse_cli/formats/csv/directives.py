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
TWO_DIGITS = "[0-9]{1,2}"
#: Directives of digits.
NUMBERS = frozenset("YymdHIMSf")
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
    """Refuse a format that cannot say which day is meant, or that holds an unknown directive.

    Raises:
        StorageError: Naming the option and what is wrong.
    """
    directives = [directive for literal, directive in split_format(text) if directive]
    for directive in directives:
        if directive not in GROUPS:
            raise StorageError(
                f"`{option}: {text}` has the directive `%{directive}`, which is not supported",
                hint="use " + " ".join(f"%{known}" for known in GROUPS),
            )
    if len(set(directives)) < len(directives):
        raise StorageError(f"`{option}: {text}` has a directive twice", hint="write each part of a date once")
    if not {"Y", "y"} & set(directives):
        raise StorageError(f"`{option}: {text}` does not say the year", hint="add %Y")
    if ("I" in directives) != ("p" in directives):
        raise StorageError(f"`{option}: {text}` has only one of %I and %p", hint="use %H, or both")


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
