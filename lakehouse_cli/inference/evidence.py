"""What the values of one column say about its type, block by block, every value counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from threading import Lock

import pyarrow as pa
from msgspec import Struct, field

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.inference.candidates import NULL_MARKS, Candidate, all_candidates, candidates_for

# Values that the first choice of candidates looks at.
_SAMPLE = 20
# Digits of a whole number that every float holds.
_FLOAT_DIGITS = 15
# Distinct values that do not fit before a candidate is given up; those that are no marks of null, by themselves.
_MOST_WORDS, _MOST_UNKNOWN = 12, 3


class Support(Struct):
    """How far a candidate fits the values so far.

    Attributes:
        fits: Values that do.
        words: Values that do not.
        is_whole: Whether no float has a fraction other than zero.
        months: The first and last month among dates of eight digits.
    """

    fits: int = 0
    words: set[str] = field(default_factory=set)
    is_whole: bool = True
    months: tuple[str, str] | None = None

    @property
    def unknown(self) -> list[str]:
        """The words that are no usual marks of null."""
        return sorted(word for word in self.words if word.strip(" \t") not in NULL_MARKS)

    @property
    def is_refuted(self) -> bool:
        """Whether more differs than marks of null would."""
        unknown = self.unknown
        if len(self.words) > _MOST_WORDS or len(unknown) > _MOST_UNKNOWN:
            return True
        return bool(unknown) and (not self.fits or any(map(_has_digit, unknown)))


class BlockEvidence(Struct, frozen=True):
    """What one block says.

    Attributes:
        nulls: Cells without anything.
        supports: By candidate.
        marks: Of a column for which no candidates are chosen yet, its values, all marks of null.
    """

    nulls: int
    supports: Sequence[tuple[Candidate, Support]] = ()
    marks: Sequence[str] = ()


class ColumnEvidence:
    """The candidates for the type of a column, of which values leave fewer and fewer.

    Attributes:
        nulls: Cells without anything.
        values: Cells with something.
        supports: The candidates that are left; None before the first value.
        last: The candidate that fitted most values, and what refuted it; None where nothing ever fitted.
        seeds: Values that candidates were chosen by, and such as refuted some.
        chosen_by: Those that candidates were chosen by.
        among: The candidates to choose from.
        marks: Of null, among the values that candidates were chosen by, and before them.
    """

    def __init__(self, among: Sequence[Candidate] | None = None) -> None:
        self.nulls = self.values = 0
        self.supports: dict[Candidate, Support] | None = None
        self.last: tuple[Candidate, int, str] | None = None
        self.seeds: set[str] = set()
        self.marks: set[str] = set()
        self.chosen_by: tuple[str, ...] = ()
        self._choosing = Lock()
        self.among = all_candidates() if among is None else among

    @property
    def is_open(self) -> bool:
        """Whether values still decide anything."""
        return self.supports is None or bool(self.supports)

    @property
    def is_whole(self) -> bool:
        """Whether no number has a fraction other than zero."""
        return all(support.is_whole for support in (self.supports or {}).values())

    def looks_like(self, pattern: re.Pattern[str]) -> bool:
        """Whether one of the first values is of a form, and the others are of it or are whole numbers."""
        texts = [text.strip(" \t") for text in self.seeds]
        like = [text for text in texts if pattern.fullmatch(text)]
        return bool(like) and all(text in like or text.isdigit() for text in texts)

    def is_calendar(self, *, named: bool) -> bool:
        """Whether numbers of eight digits that could be dates cannot well be anything else.

        Those of one month may be numbers in a row, unless the column is named as dates are.
        """
        months = next((support.months for support in (self.supports or {}).values() if support.months), None)
        return months is not None and (named or months[0] != months[1])

    def choose(self, values: pa.Array) -> None:
        """Choose the candidates by the first values, if there are none yet and not all are marks of null."""
        with self._choosing:
            for some in (values[: _SAMPLE * 50], values):
                if self.supports is not None:
                    return
                first = pc.unique(some).to_pylist()
                self.marks |= {value for value in first if value.strip(" \t") in NULL_MARKS}
                if seeds := [value for value in first if value.strip(" \t") not in NULL_MARKS][:_SAMPLE]:
                    self.choose_by(seeds)

    def choose_by(self, seeds: Iterable[str]) -> None:
        """Choose the candidates by some values."""
        self.chosen_by = tuple(seeds)
        self.seeds |= {*self.chosen_by}
        self.supports = {each: Support() for each in candidates_for(self.seeds, self.among)}

    def judge(self, text: pa.Array) -> BlockEvidence:
        """Judge a block, whose nulls are cells without anything; of blocks in threads, each is judged once."""
        values = text.drop_null() if text.null_count else text
        if self.supports is None:
            self.choose(values)
        if self.supports is None:
            return BlockEvidence(text.null_count, marks=pc.unique(values).to_pylist())
        judged: list[tuple[Candidate, Support]] = []
        whole: set[str] = set()
        for candidate, before in list(self.supports.items()):
            if _is_implied(candidate, whole, values):
                found = Support(len(values), is_whole=before.is_whole)
            else:
                found = _judged(candidate, before, values)
            if found.fits == len(values) and not candidate.options:
                whole.add(candidate.type)
            judged.append((candidate, found))
        return BlockEvidence(text.null_count, judged)

    def add(self, block: BlockEvidence, rows: int) -> None:
        """Take in what a block says."""
        self.nulls += block.nulls
        self.values += rows - block.nulls
        self.marks |= {*block.marks}
        for candidate, found in block.supports:
            support = (self.supports or {}).get(candidate)
            if support is None or self.supports is None:
                continue
            before = support.fits
            support.fits += found.fits
            support.words |= found.words
            support.is_whole = support.is_whole and found.is_whole
            months = [*(support.months or ()), *(found.months or ())]
            support.months = (min(months), max(months)) if months else None
            if support.is_refuted:
                del self.supports[candidate]
                refuting = next((word for word in sorted(found.words) if word.strip(" \t") not in NULL_MARKS), "")
                most = self.last[1] if self.last else 0
                if before + found.fits > most:
                    self.last = candidate, before + found.fits, refuting
                self.seeds |= {*sorted(found.words)[:_SAMPLE]}


def _is_implied(candidate: Candidate, whole: set[str], values: pa.Array) -> bool:
    """Whether values fit a candidate as they all fit another: whole numbers are floats, and dates moments."""
    if candidate.options or not len(values):
        return False
    if candidate.type == "float64":
        return "int64" in whole and pc.max(pc.binary_length(values)).as_py() <= _FLOAT_DIGITS
    return candidate.type == "timestamp[us]" and "date32" in whole


def _judged(candidate: Candidate, before: Support, values: pa.Array) -> Support:
    """How far a candidate fits a block; of more words than it may have, some."""
    if not len(values):
        return Support()
    mask = candidate.fits(values)
    fits = pc.sum(mask).as_py() or 0
    words: set[str] = set()
    if fits < len(values):
        unfit = pc.unique(values.filter(pc.invert(mask)))
        words = {*unfit[: _MOST_WORDS + 1 + len(before.words)].to_pylist()}
        values = values.filter(mask)
    found = Support(fits, words, is_whole=before.is_whole)
    if fits and candidate.type == "float64" and before.is_whole:
        found.is_whole = not pc.any(pc.match_substring_regex(values, "[.,][0-9]*[1-9]|[eEn]")).as_py()
    if fits and candidate.format == "%Y%m%d":
        ends = pc.min_max(pc.utf8_slice_codeunits(pc.ascii_trim_whitespace(values), 0, 6)).as_py()
        found.months = ends["min"], ends["max"]
    return found


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))
