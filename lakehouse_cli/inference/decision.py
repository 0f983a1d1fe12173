"""From the evidence of columns to their types: what is certain as a type, all else as text with a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct, field

from lakehouse_cli.inference.candidates import NULL_MARKS, Candidate
from lakehouse_cli.inference.evidence import ColumnEvidence, Support
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.yaml_text import quote_yaml

_SHOWN = 24
_DATE_NAME = re.compile(r"date|day|dt|datum|ymd|fecha|giorno|jour", re.IGNORECASE)
#: Types that have options for commas and points.
NUMBERS = ("int64", "float64")
# What texts may be that no candidate is: the first values show it.
_OTHERS = (
    (
        re.compile(r"[0-9]{1,2}:[0-9]{2}"),
        'times of day or spans? `{type: "time32[s]", time_format: "%H:%M"}`, or duration[s] in its place',
    ),
    (
        re.compile(r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"),
        'times of day or spans? `{type: "time64[us]", time_format: "%H:%M:%S"}`, or duration[us] in its place',
    ),
    (re.compile(r"-?[0-9.,]+ ?%"), "percents? `{type: float64, percent: fraction}` reads 50% as 0.5, `number` as 50"),
    (
        re.compile(r"-?[$€£] ?-?[0-9.,]+|-?[0-9.,]+ ?[$€£]"),
        "amounts? `{type: float64, currency: …}` reads numbers beside that sign",
    ),
)
_TYPE_NAMES = {"int64": "whole numbers", "float64": "numbers", "bool": "true or false", "date32": "dates"}


class Decision(Struct, frozen=True):
    """A type, the options of the column, and what is in doubt."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""


def decide(columns: Mapping[str, ColumnEvidence]) -> list[Decision]:
    """Decide the types of the columns of a table together: one tells what commas and points mean in another.

    Args:
        columns: The evidence by name, or by name and position where names repeat.
    """
    points = {_point_of(evidence) for evidence in columns.values()} - {None}
    return [_decide(name, evidence, points) for name, evidence in columns.items()]


def _point_of(evidence: ColumnEvidence) -> str | None:
    """The decimal point that a column can only have; None where it has no fraction, or could be read in two ways."""
    found = fitting_types(evidence)
    if any(each.type == "int64" for each, _ in found):
        return None
    points = {each.point for each, _ in found if each.type == "float64"}
    return points.pop() if len(points) == 1 else None


def fitting_types(evidence: ColumnEvidence) -> Sequence[tuple[Candidate, Support]]:
    """Return the candidates that fit all values but marks of null, and are certain where they do."""
    return [(each, support) for each, support in _possible(evidence) if not each.doubt]


def _possible(evidence: ColumnEvidence) -> Sequence[tuple[Candidate, Support]]:
    """The candidates that fit all values but marks of null."""
    return [
        (each, support) for each, support in (evidence.supports or {}).items() if support.fits and not support.unknown
    ]


def _decide(name: str, evidence: ColumnEvidence, points: set[str | None]) -> Decision:
    if not evidence.values:
        return Decision("string", comment="no value anywhere: declare what is to come")
    if evidence.supports is None and evidence.marks:
        shown = ", ".join(f"`{cut_end(mark, _SHOWN)}`" for mark in sorted(evidence.marks)[:3])
        return Decision("string", comment=f"nothing but {shown}: null?")
    found = fitting_types(evidence)
    if not found:
        return Decision("string", comment=_in_doubt(evidence) or _near_miss(evidence))
    notes = []
    if found[0][0].format == "%Y%m%d" and not evidence.is_calendar(named=_DATE_NAME.search(name) is not None):
        notes.append(f"dates? `{_written(found[0], evidence)}`")
        found = found[1:]  # whole numbers
    found, doubt = _by_point(found, points, evidence)
    doubt = doubt or _doubt_about_days(found, evidence) or _doubt_about_century(found, evidence)
    if doubt:
        return Decision("string", comment=doubt)
    best, marks = found[0][0], _marks(found[0], evidence)
    options = {**best.options, **({"null_values": marks} if marks else {})}
    return Decision(best.type, options, "; ".join([*notes, *_notes(evidence, best, marks)]))


def _marks(pair: tuple[Candidate, Support], evidence: ColumnEvidence) -> Sequence[str]:
    """What stands for null where a column is read as a candidate."""
    return sorted(pair[1].words | evidence.marks)


def _written(
    pair: tuple[Candidate, Support], evidence: ColumnEvidence, type_: str = "", options: Mapping[str, Any] | None = None
) -> str:
    """The type of a candidate as the project file has it, or another with its null marks."""
    marks = _marks(pair, evidence)
    options = pair[0].options if options is None else options
    return written_type(type_ or pair[0].type, {**options, **({"null_values": marks} if marks else {})})


def _by_point(
    found: Sequence[tuple[Candidate, Support]], points: set[str | None], evidence: ColumnEvidence
) -> tuple[Sequence[tuple[Candidate, Support]], str]:
    """Choose among the ways to read commas and points in numbers; with what is in doubt."""
    numbers = sorted(
        (pair for pair in found if pair[0].type in NUMBERS),
        key=lambda pair: (len(pair[0].options), "thousands" in pair[0].options),
    )
    if not numbers or found[0][0].type not in NUMBERS or not (numbers[0][0].options or numbers[0][0].type != "int64"):
        return found, ""
    forms = {(each.point, each.options.get("thousands")) for each, _ in numbers}
    if {(",", None), (".", ",")} <= forms:
        if len(points) != 1:
            return found, _doubt_about(",", numbers[0], evidence)
        return [pair for pair in numbers if {pair[0].point} == points], ""
    if {(".", None), (",", ".")} <= forms and "," in points:
        return found, _doubt_about(".", numbers[0], evidence)
    return numbers, ""


def _doubt_about(mark: str, number: tuple[Candidate, Support], evidence: ColumnEvidence) -> str:
    fraction = _written(number, evidence, "float64", {} if mark == "." else {"decimal": mark})
    thousands = _written(number, evidence, "int64", {"thousands": mark})
    return f"`{mark}` before three digits, a fraction or thousands? `{fraction}` or `{thousands}`"


def _doubt_about_days(found: Sequence[tuple[Candidate, Support]], evidence: ColumnEvidence) -> str:
    formats = {each.format for each, _ in found if each.format}
    for pair in found:
        each = pair[0]
        if each.format and each.swapped_format != each.format and each.swapped_format in formats:
            return f'day or month first? `{_written(pair, evidence)}` or "{each.swapped_format}"'
    return ""


def written_type(type_: str, options: Mapping[str, Any]) -> str:
    """Return a type with the options of its column, as the project file has them."""
    texts = [
        f"{name}: {quote_yaml(value) if isinstance(value, str) else _list_text(value)}"
        for name, value in options.items()
    ]
    pairs = "".join(f", {text}" for text in texts)
    written = f'"{type_}"' if pairs and re.search(r"[\[(]", type_) else type_
    return f"{{type: {written}{pairs}}}" if pairs else type_


def _list_text(values: Iterable[str]) -> str:
    return f"[{', '.join(map(quote_yaml, values))}]"


def _in_doubt(evidence: ColumnEvidence) -> str:
    """What texts may be as well."""
    return next((f"{pair[0].doubt} `{_written(pair, evidence)}`" for pair in _possible(evidence)), "")


def _doubt_about_century(found: Sequence[tuple[Candidate, Support]], evidence: ColumnEvidence) -> str:
    return f"years 1969 to 2068? `{_written(found[0], evidence)}`" if "%y" in found[0][0].format else ""


def _notes(evidence: ColumnEvidence, best: Candidate, marks: Iterable[str]) -> Sequence[str]:
    notes = []
    if best.type == "float64" and evidence.is_whole:
        notes.append("all are whole: int64 reads them too")
    if any(mark.lstrip("-").lower() == "nan" for mark in marks):
        notes.append("NaN without quotes is read as null")
    return notes


def _near_miss(evidence: ColumnEvidence) -> str:
    """What a column of text nearly is."""
    nearly = [(each, support) for each, support in (evidence.supports or {}).items() if support.fits and not each.doubt]
    if nearly:
        each, support = max(nearly, key=lambda pair: pair[1].fits)
        unknown = support.unknown
        if support.fits < len(unknown):
            return ""
        marks = sorted({*unknown, *support.words, *evidence.marks} - {""})
        shown = ", ".join(f"`{cut_end(word, _SHOWN)}`" for word in unknown)
        written = written_type(each.type, {**each.options, "null_values": marks})
        return f"{_TYPE_NAMES.get(each.type, each.type)} but for {shown}; if null, `{written}`"
    if hint := next((hint for pattern, hint in _OTHERS if evidence.looks_like(pattern)), ""):
        end = f", null_values: {_list_text(sorted(evidence.marks))}}}`" if evidence.marks else "}`"
        return hint.replace("}`", end, 1)
    if evidence.last is not None:
        each, fits, refuting = evidence.last
        if 2 * fits > evidence.values and refuting and refuting not in NULL_MARKS:
            kind = _TYPE_NAMES.get(each.type, "dates and times")
            return f"{count_text(fits)} {kind} or more, but also `{cut_end(refuting, _SHOWN)}`"
    return ""
