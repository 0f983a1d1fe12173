"""The cells in the XML of a sheet.

openpyxl reads workbooks, styles and dates; rows are read here, each element once. It makes an object of every cell,
reads a sheet whose size is not noted twice, and gives one value for two: no text and an empty one, a day and one that
there was not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

from msgspec import Struct
from openpyxl.cell.text import Text
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
from openpyxl.utils import column_index_from_string
from openpyxl.utils.datetime import from_excel, from_ISO8601
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet._reader import INLINE_STRING, ROW_TAG, VALUE_TAG
from openpyxl.xml.constants import SHEET_MAIN_NS
from openpyxl.xml.functions import iterparse

#: How Excel shows serial number 60, a day that there was not; openpyxl makes of it the day before.
NO_DAY = "1900-02-29 (serial number 60)"
_NO_DAY = 60
_MILLISECONDS = 86_400_000
_BEFORE_NO_DAY = dt.date(1900, 2, 28)
# Of a number whose format is a date's and that is none.
_BEYOND_DATES = "#VALUE!"
_TEXT = f"{{{SHEET_MAIN_NS}}}t"
# Of what is beside the rows, such as may be there in large numbers.
_BESIDE = frozenset(
    f"{{{SHEET_MAIN_NS}}}{name}" for name in ("conditionalFormatting", "dataValidation", "hyperlink", "mergeCell")
)
_DIGITS = "0123456789"


class Refused(Struct, frozen=True):
    """A cell whose value is not known: an error of Excel's, a formula never computed, or a day that there was not."""

    shown: str


class Worksheet(ReadOnlyWorksheet):  # type: ignore[misc]
    """A sheet whose size is not looked for: some programs note a wrong one, beyond which cells would not be seen."""

    def _get_size(self) -> None:
        return

    def number_format(self, style: int) -> str:
        """Return the format of numbers of a style."""
        number = self.parent._cell_styles[style].numFmtId
        if number < BUILTIN_FORMATS_MAX_SIZE:
            return str(BUILTIN_FORMATS.get(number, "General"))
        return str(self.parent._number_formats[number - BUILTIN_FORMATS_MAX_SIZE])


def text_of(element: Any) -> str:
    """Return the text of a shared or inline string, without its formats; escapes are left in."""
    if len(element) == 1 and element[0].tag == _TEXT:
        return element[0].text or ""
    return str(Text.from_tree(element).content)


class Cells:
    """Reads the cells of a sheet, formulas by the values that are stored for them.

    Args:
        sheet: The sheet.
        is_due: Whether formulas are to be computed first, so that a text may be empty because none was yet.
    """

    def __init__(self, sheet: Worksheet, *, is_due: bool) -> None:
        workbook = sheet.parent
        self._sheet = sheet
        self._is_due = is_due
        self._texts = sheet._shared_strings
        self._epoch = workbook.epoch
        self._dates: Collection[int] = workbook._date_formats
        self._spans: Collection[int] = workbook._timedelta_formats
        self._columns: dict[str, int] = {}

    def rows(self) -> Iterator[tuple[int, list[tuple[int, Any, int, Any]]]]:
        """Yield rows in ascending order: number from 1, and of each cell its 0-based column, value, style and XML."""
        last = 0
        with self._sheet._get_source() as source:
            for _, element in iterparse(source):
                tag = element.tag
                if tag == ROW_TAG:
                    number = _row_number(element.get("r"), last)
                    if number > last:  # as openpyxl, which passes over others
                        last = number
                        yield number, self._cells(element)
                    element.clear()
                elif tag in _BESIDE:
                    element.clear()

    def _cells(self, row: Any) -> list[tuple[int, Any, int, Any]]:
        found, at = [], -1
        for element in row:
            place = element.get("r")
            if place is None:
                at += 1
            else:
                letters = place.rstrip(_DIGITS)
                if letters not in self._columns:
                    self._columns[letters] = column_index_from_string(letters) - 1
                at = self._columns[letters]
            style = int(element.get("s") or 0)
            found.append((at, self._value(element, style), style, element))
        return found

    def _value(self, element: Any, style: int) -> Any:
        kind = element.get("t", "n")
        if kind == "inlineStr":
            child = element.find(INLINE_STRING)
            return None if child is None else text_of(child)
        text = element.findtext(VALUE_TAG)
        if not text:
            return "" if kind == "str" and text is not None and not self._is_due else None
        if kind == "n":
            number = float(text) if "." in text or "E" in text or "e" in text else int(text)
            return self._moment(number, style) if style in self._dates else number
        if kind == "s":
            return self._texts[int(text)]
        if kind == "b":
            return bool(int(text))
        if kind == "e":
            return Refused(text)
        return from_ISO8601(text) if kind == "d" else text

    def _moment(self, number: float, style: int) -> Any:
        try:
            if style in self._spans:  # openpyxl rounds spans of more than 272 years twice, to another second
                return dt.timedelta(milliseconds=round(number * _MILLISECONDS))
            value = from_excel(number, self._epoch)
        except (OverflowError, ValueError):
            return Refused(_BEYOND_DATES)
        if isinstance(value, dt.datetime) and value.date() == _BEFORE_NO_DAY and int(number) == _NO_DAY:
            return Refused(NO_DAY)
        return value


def _row_number(written: str | None, last: int) -> int:
    if written is None:
        return last + 1
    try:
        return int(written)
    except ValueError:
        number = float(written)
        if not number.is_integer():
            raise
        return int(number)
