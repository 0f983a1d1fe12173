"""What an unquoted scalar means where nothing says what is expected: YAML 1.2's core schema, less its surprises.

https://yaml.org/spec/1.2.2/#103-core-schema, but for numbers with leading zeros: ``0123`` stays a text, since
its writer means an id. ``no``, ``on`` and ``y``, dates, ``1:30`` and ``1_000`` are texts there too.
"""

from __future__ import annotations

import re
from decimal import Decimal

CoreValue = None | bool | int | float | str

_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
NULLS = frozenset(("", "~", "null", "Null", "NULL"))
# Compiled by `re` where they are first used: most project files hold texts alone.
_INT = r"[-+]?(?:0|[1-9][0-9]{0,4000})"
_OTHER_BASE = r"0x[0-9a-fA-F]{1,4000}|0o[0-7]{1,4000}"
_FLOAT = r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_PLAIN = r"[\w.][\w./()-]*"
_SPECIAL = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"


def core_value(text: str) -> CoreValue:
    """The value of an unquoted scalar.

    >>> [core_value(text) for text in ("7", "0123", "no", "1e3", "2024-01-31", "~")]
    [7, '0123', 'no', 1000.0, '2024-01-31', None]
    """
    # Most texts begin with a letter that none of the special spellings has.
    if text and text[0] not in "tTfFnN~+-.0123456789":
        return text
    if text in NULLS:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    number = core_number(text)
    return text if number is None else number


def flow_text(text: str) -> str:
    """A printable text as it is written inside `[ ]` and `{ }`, in quotes where it needs them.

    >>> [flow_text(text) for text in ("lookups/a.csv", "it's, here", "[x]", "7")]
    ['lookups/a.csv', "'it''s, here'", "'[x]'", "'7'"]
    """
    if re.fullmatch(_PLAIN, text) and isinstance(core_value(text), str):
        return text
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def loses_digits(text: str) -> bool:
    """Whether an unquoted scalar is a number with a point, and the decimal that it writes is not the one that is kept.

    >>> [loses_digits(text) for text in ("0.1", "1e3", "12345678901234567.89", "1e400", "12345678901234567890")]
    [False, False, True, True, False]
    """
    is_float = re.fullmatch(_FLOAT, text) is not None and re.fullmatch(_INT, text) is None
    return is_float and Decimal(text) != Decimal(repr(float(text)))


def core_number(text: str) -> int | float | None:
    """The number an unquoted scalar is, None where it is none."""
    if re.fullmatch(_INT, text):
        return int(text)
    if re.fullmatch(_FLOAT, text):
        return float(text)
    if re.fullmatch(_OTHER_BASE, text):
        return int(text, 0)
    if re.fullmatch(_SPECIAL, text):
        return float(text.replace(".", "", 1))
    return None
