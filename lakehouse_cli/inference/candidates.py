"""The types that the text of a column may have, and the exact conditions under which it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from string import ascii_letters
from typing import Any

import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.codec import decode
from lakehouse_cli.formats.csv.options import CsvOptions

#: What stands for null among numbers, dates and truth values. In text each of them may be a value.
NULL_MARKS = frozenset(
    ("NA", "N/A", "n/a", "na", "#N/A", "#NA", "<NA>", "N.A.", "n.a.", "NULL", "Null", "null", "(null)", "None", "none")
) | frozenset(("NaN", "nan", "-nan", "\\N", "-", "--", "---", ".", "..", "...", "?", "*", "**", "***", ":"))
#: Years of eight digits that are a date.
_YEARS = "(?:19|20)[0-9]{2}|2100"

# As nearly all programs print them. `007`, `+1`, `-0` and `1E5` are no numbers here but perhaps ids; so is what
# has more digits than 64 bits, or among fractions than a float has.
_INTEGER = "0|-?[1-9][0-9]{0,17}"
_WHOLE = "(?:0|[1-9][0-9]{0,14})"
_WHOLE_ALONE = "0|-?[1-9][0-9]{0,14}"
_SMALL_EXPONENT = "(?:[0-9]{1,2}|1[0-9]{2}|2[0-8][0-9])"
_FLOAT = (
    rf"{_WHOLE_ALONE}|-?{_WHOLE}?\.[0-9]+|-?{_WHOLE}\."
    rf"|-?{_WHOLE}?\.[0-9]+[eE][+-]?{_SMALL_EXPONENT}|-?{_WHOLE}\.?[eE][+-]{_SMALL_EXPONENT}|-?(?:inf|Inf|infinity|Infinity)"
)
_ISO_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[ T][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_FINE = r".*\.[0-9]{7,9}(?:[^0-9.].*)?"
_ZONE = r" ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)"

_DAYS = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d"),
    *("%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y"),
    *("%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%m-%d-%y", "%d.%m.%y", "%d-%b-%y"),
)
_EIGHT_DIGITS = "%Y%m%d"
_LONGEST_DATE = 40
# Texts of which formats read the same have the same form; `%p` is told by its letters.
_FORM = str.maketrans({**dict.fromkeys("123456789", "0"), **dict.fromkeys(set(ascii_letters) - {*"AaPpMm"}, "x")})
_CLOCKS = [" %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"]
_SHAPES = {
    **dict.fromkeys(("%d", "%m", "%H", "%I"), "[0-9]{1,2}"),
    **dict.fromkeys(("%M", "%S", "%y"), "[0-9]{2}"),
    "%Y": "[0-9]{4}",
    "%b": "[A-Za-z]{3}",
    "%B": "[A-Za-z]{3,9}",
    "%p": "[AaPp][Mm]",
}

Fits = Callable[[pa.Array], pa.Array]


class Candidate(Struct, frozen=True, eq=False):
    """A type with the options by which it is spelled.

    Attributes:
        type: As the project file writes it.
        fits: For each of some texts, none of which is null, whether it is a value of the type.
        shape: What one of some texts must look like for the candidate to be tried at all.
        options: Of the column.
        doubt: What else the texts may be, as a question; such columns stay text. Empty for what is certain.
    """

    type: str
    fits: Fits
    shape: re.Pattern[str]
    options: Mapping[str, Any]
    doubt: str = ""

    @property
    def format(self) -> str:
        """The strptime format; empty where there is none."""
        return str(self.options.get("date_format") or self.options.get("timestamp_format") or "")

    @property
    def point(self) -> str:
        """The decimal point of numbers."""
        return "," if self.options.get("thousands") == "." else str(self.options.get("decimal", "."))

    @property
    def swapped_format(self) -> str:
        """The format with day and month in each other's place."""
        return self.format.replace("%d", "\0").replace("%m", "%d").replace("\0", "%m")


@cache
def all_candidates() -> tuple[Candidate, ...]:
    """All there are; the first that fits a column is taken."""
    found = [
        _by_words("true", "false"),
        _by_words("True", "False"),
        _by_words("TRUE", "FALSE"),
        _by_format("date32", "date_format", _EIGHT_DIGITS, rf"(?:{_YEARS})[0-9]{{4}}"),
        _by_pattern("int64", _INTEGER),
        _by_pattern("float64", _FLOAT),
        *_numbers_with_marks(),
        _by_cast("date32", pa.date32(), _ISO_DAY),
        _by_cast("timestamp[us]", pa.timestamp("us"), f"{_ISO_DAY}(?:{_CLOCK})?"),
        _by_cast("timestamp[ns]", pa.timestamp("ns"), f"{_ISO_DAY}(?:{_CLOCK})?", _FINE),
        _by_cast("timestamp[us, tz=UTC]", pa.timestamp("us", "UTC"), f"{_ISO_DAY}{_CLOCK}{_ZONE}"),
        _by_cast("timestamp[ns, tz=UTC]", pa.timestamp("ns", "UTC"), f"{_ISO_DAY}{_CLOCK}{_ZONE}", _FINE),
    ]
    for day in _DAYS:
        found.append(_by_format("date32", "date_format", day))
        found += [_by_format("timestamp[us]", "timestamp_format", day + clock) for clock in _CLOCKS]
    return (*found, *_in_doubt())


@cache
def iso_candidates() -> tuple[Candidate, ...]:
    """Those of texts in files that have types for numbers and truth values."""
    return tuple(each for each in all_candidates() if each.type.startswith(("date", "time")) and not each.format)


def candidates_for(values: Iterable[str], among: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates that one of some values looks like."""
    found: set[Candidate] = set()
    for value in {value.strip(" \t") for value in values}:
        found.update(each for each in _formless() if each not in found and each.shape.fullmatch(value))
        if len(value) <= _LONGEST_DATE and any(map(str.isdigit, value)):
            found |= _formats_like(value.translate(_FORM))
    return [each for each in among if each in found]


@cache
def _formless() -> tuple[Candidate, ...]:
    """The candidates whose shape is not that of a format."""
    return tuple(each for each in all_candidates() if each.format in ("", _EIGHT_DIGITS))


@lru_cache(maxsize=4096)
def _formats_like(form: str) -> frozenset[Candidate]:
    """The candidates with a format of which texts of a form may be; there are few forms."""
    return frozenset(
        each for each in all_candidates() if each.format not in ("", _EIGHT_DIGITS) and each.shape.fullmatch(form)
    )


def _in_doubt() -> Iterator[Candidate]:
    """What texts may be that are ids or codes as well; each reads all that its pattern matches."""
    for true, false in (("t", "f"), ("y", "n"), ("yes", "no"), ("on", "off")):
        for word in (str.lower, str.capitalize, str.upper) if len(true) > 1 else (str.lower, str.upper):
            words = {"true_values": [word(true)], "false_values": [word(false)]}
            yield _by_words(word(true), word(false), options=words, doubt="true and false?")
    yield _by_words("true", "True", "TRUE", "false", "False", "FALSE", doubt="true and false, however written?")
    numbers = "numbers, or ids?"
    yield _by_pattern("int64", "[+-]?(?:0|[1-9][0-9]{0,17})", shape=r"\+[0-9]+|-0", doubt=numbers)
    yield _by_pattern(
        "float64",
        rf"[+-]?(?:{_WHOLE}\.?|{_WHOLE}?\.[0-9]+)(?:[eE][+-]?{_SMALL_EXPONENT})?",
        shape=r"\+[0-9.]+|-0|[+-]?[0-9.]+[eE][+-]?[0-9]+",
        doubt=numbers,
    )
    for digits, scale in (("-?(?:0|[1-9][0-9]{0,37})", 0), (r"-?(?:0|[1-9][0-9]{0,27})(?:\.[0-9]{1,10})?", 10)):
        yield _by_pattern(f"decimal128(38, {scale})", digits, shape="-?[1-9][0-9]{14,37}", doubt=numbers)
    for form, before, behind in (("parentheses", r"\(", r"\)"), ("trailing", "", "-")):
        options: dict[str, Any] = {"negative": form}
        for group in ("", ","):
            whole = "[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4}|0|[1-9][0-9]{0,14}" if group else _WHOLE
            options |= {"thousands": group} if group else {}
            for type_, number in (("int64", f"(?:{whole})"), ("float64", rf"(?:(?:{whole})(?:\.[0-9]+)?|\.[0-9]+)")):
                like = f"{before}{number}{behind}"
                yield _by_pattern(type_, f"{like}|-?{number}", {**options}, like, "negative numbers?")


def _by_words(*words: str, options: Mapping[str, Any] | None = None, doubt: str = "") -> Candidate:
    known = pa.array(words)
    shape = re.compile("|".join(words))
    return Candidate("bool", lambda values: pc.is_in(values, value_set=known), shape, options or {}, doubt)


def _by_pattern(
    type_: str, pattern: str, options: Mapping[str, Any] | None = None, shape: str = "", doubt: str = ""
) -> Candidate:
    anchored = rf"\A[ \t]*(?:{pattern})[ \t]*\z"
    shapes = re.compile(shape or pattern)
    return Candidate(type_, lambda values: pc.match_substring_regex(values, anchored), shapes, options or {}, doubt)


def _numbers_with_marks() -> Iterator[Candidate]:
    """Numbers with groups of digits, a decimal comma, or both, by their form; tried where there is such a mark."""
    for thousands, points in ((",", "."), (".", ","), (" ", ".,"), ("'", ".")):
        groups = rf"-?[1-9][0-9]{{0,2}}(?:{re.escape(thousands)}[0-9]{{3}}){{1,4}}"
        yield _by_pattern("int64", f"{_INTEGER}|{groups}", {"thousands": thousands}, groups)
        for point in points:
            # Points between groups say that the comma is decimal.
            options = {"thousands": thousands, **({"decimal": ","} if point == "," and thousands != "." else {})}
            fraction = rf"{re.escape(point)}[0-9]+"
            pattern = rf"{_WHOLE_ALONE}|{groups}|(?:{groups}|-?{_WHOLE}){fraction}"
            yield _by_pattern("float64", pattern, options, rf"{groups}(?:{fraction})?")
    yield _by_pattern("float64", f"{_WHOLE_ALONE}|-?{_WHOLE},[0-9]+", {"decimal": ","}, f"-?{_WHOLE},[0-9]+")


def _by_cast(type_: str, kind: pa.DataType, pattern: str, shape: str = "") -> Candidate:
    """Dates and moments in ISO 8601; Arrow's parser is quick, and what it does not take is looked at one by one."""
    anchored = rf"\A[ \t]*(?:{pattern})[ \t]*\z"

    def fits(values: pa.Array) -> pa.Array:
        has_form = pc.match_substring_regex(values, anchored)
        try:
            values.cast(kind)
        except pa.ArrowInvalid:
            texts = pc.unique(values)
            good = texts.filter(decode(texts, kind, CsvOptions()).is_valid())
            return pc.and_(has_form, pc.is_in(values, value_set=good))
        return has_form

    return Candidate(type_, fits, re.compile(shape or pattern), {})


def _by_format(type_: str, option: str, text: str, shape: str = "") -> Candidate:
    kind = pa.date32() if type_ == "date32" else pa.timestamp("us")
    options = CsvOptions.from_mapping({option: [text]})
    pattern = shape or re.sub("%[A-Za-z]", lambda found: _SHAPES[found.group()], re.escape(text).replace(r"\ ", " "))

    def fits(values: pa.Array) -> pa.Array:
        texts = pc.unique(values)
        if shape:
            texts = texts.filter(pc.match_substring_regex(texts, rf"\A[ \t]*(?:{shape})[ \t]*\z"))
        good = texts.filter(decode(texts, kind, options).is_valid())
        return pc.is_in(values, value_set=good)

    return Candidate(type_, fits, re.compile(pattern), {option: text})
