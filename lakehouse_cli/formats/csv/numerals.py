"""Numbers as people write them, to plain digits: ``$1,234.50``, ``(12.50)``, ``12.50-``, ``50%``."""

from __future__ import annotations

import re

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.options import CsvOptions

_TEXT = pa.string()
_BLANK = "[ \t\u00a0\u202f]"


def plain_numbers(text: pa.Array, options: CsvOptions) -> pa.Array:
    """Make plain numbers of decorated ones, with a point before their fraction.

    Args:
        text: String array, without blanks around the values.
        options: For what may stand in and around a number.

    Returns:
        Plain spellings of the same numbers, exactly; null where a text is null or no number by the options.
    """
    number = _number(options)
    parts = pc.extract_regex(text, rf"\A{_decorated(number, options)}\z")
    names = [field.name for field in parts.type]
    part = {name: pc.struct_field(parts, [at]) for at, name in enumerate(names)}
    digits = part["number"]
    if options.thousands is not None:
        digits = pc.replace_substring_regex(digits, _group(options.thousands), "")
    if options.decimal != ".":
        digits = pc.replace_substring(digits, options.decimal, ".")
    valid: pa.Array | bool = True
    if options.percent:
        is_percent = pc.equal(part["percent"], "%")
        valid = pc.invert(pc.and_(is_percent, pc.match_substring_regex(digits, "[eE]")))
        if options.percent == "fraction":
            digits = pc.if_else(is_percent, _hundredths(digits), digits)
    sign = _joined(part[name] for name in names if name.startswith("sign"))
    valid = pc.and_(valid, pc.less_equal(pc.binary_length(sign), 1))
    if "close" in part:
        # Both or none, and no sign besides.
        opened = _joined(part[name] for name in names if name.startswith("open"))
        marks = _joined((opened, part["close"], sign))
        valid = pc.and_(valid, pc.is_in(marks, value_set=av.array(["", "+", "-", "()"], _TEXT)))
        sign = pc.if_else(pc.equal(opened, "("), "-", sign)
    if options.currency:
        valid = pc.and_(valid, pc.or_(pc.equal(part["before"], ""), pc.equal(part["after"], "")))
    return pc.if_else(valid, pc.binary_join_element_wise(sign, digits, ""), av.scalar(None, _TEXT))


def _joined(parts: object) -> pa.Array:
    return pc.binary_join_element_wise(*parts, "")  # type: ignore[misc]


def _decorated(number: str, options: CsvOptions) -> str:
    """The pattern of a number with all that may stand around it."""
    before = after = ""
    if options.currency:
        symbols = "|".join(re.escape(each) for each in sorted(options.currency, key=len, reverse=True))
        # Accounting formats of spreadsheets have the currency before the parenthesis.
        inside = r"(?P<open_inside>\(?)" if options.negative == "parentheses" else ""
        before = rf"(?P<before>(?:{symbols})?){_BLANK}*{inside}(?P<sign_inside>[+-]?)"
        after = rf"{_BLANK}*(?P<after>(?:{symbols})?)"
    percent = rf"{_BLANK}*(?P<percent>%?)" if options.percent else ""
    whole = rf"(?P<sign>[+-]?){before}(?P<number>{number}){percent}{after}"
    if options.negative == "trailing":
        # A currency may stand behind the sign as well, but only once.
        return rf"{whole}(?P<sign_behind>-?)"
    if options.negative == "parentheses":
        return rf"(?P<open>\(?){whole}(?P<close>\)?)"
    return whole


def _number(options: CsvOptions) -> str:
    point = re.escape(options.decimal)
    whole = "[0-9]+"
    if options.thousands is not None:
        group = _group(options.thousands)
        # Groups of three digits; of two before the last three, as in India. `0,123` may be a fraction, so it is none.
        grouped = rf"[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+|[1-9][0-9]?(?:{group}[0-9]{{2}})+{group}[0-9]{{3}}"
        whole = rf"(?:{grouped}|[0-9]+)"
    return rf"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"


def _group(thousands: str) -> str:
    return _BLANK if thousands == " " else re.escape(thousands)


def _hundredths(digits: pa.Array) -> pa.Array:
    """A hundredth of each number, by moving its point."""
    moved = pc.replace_substring_regex(
        pc.binary_join_element_wise("000", digits, ""), r"\A([0-9]+)([0-9]{2})(?:\.([0-9]*))?\z", r"\1.\2\3"
    )
    return pc.ascii_rtrim(pc.ascii_rtrim(moved, "0"), ".")
