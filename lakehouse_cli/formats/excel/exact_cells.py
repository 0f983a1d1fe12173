"""What cells of a sheet hold of which openpyxl gives the value of another."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Any

from msgspec import Struct
from openpyxl.cell.read_only import EmptyCell
from openpyxl.worksheet._reader import VALUE_TAG, WorkSheetParser

#: How Excel shows serial number 60, a day that there was not; openpyxl makes of it the day before.
NO_DAY = "1900-02-29 (serial number 60)"
_NO_DAY = 60
_BEFORE_NO_DAY = dt.date(1900, 2, 28)


class Refused(Struct, frozen=True):
    """A cell whose value is not known: an error of Excel's, a formula never computed, or a day that there was not."""

    shown: str


def is_ambiguous(cell: Any) -> bool:
    """Whether openpyxl gives one value for two: no text and an empty one, a day and one that there was not."""
    value = cell.value
    if isinstance(value, dt.datetime):
        return value.date() == _BEFORE_NO_DAY
    return value is None and not isinstance(cell, EmptyCell) and cell.data_type == "str"


class _AsStored(WorkSheetParser):  # type: ignore[misc]
    """Reads cells, an empty text apart from none."""

    def parse_cell(self, element: Any) -> dict[str, Any]:
        """Parse a cell to openpyxl's description of it."""
        cell: dict[str, Any] = super().parse_cell(element)
        if cell["value"] is None and element.get("t") == "str" and element.find(VALUE_TAG) is not None:
            cell["value"] = ""
        return cell


def exact_values(sheet: Any, places: Collection[tuple[int, int]], *, is_due: bool) -> dict[tuple[int, int], Any]:
    """Find the values of ambiguous cells, those left out of which openpyxl gives the right one.

    Args:
        sheet: The sheet.
        places: Row from 1 and column from 0 of each.
        is_due: Whether formulas are to be computed first, so that a text may be empty because none was yet.
    """
    found: dict[tuple[int, int], Any] = {}
    with sheet._get_source() as source:
        # Without formats of dates, numbers stay numbers.
        for number, cells in _AsStored(source, sheet._shared_strings, data_only=True).parse():
            for cell in cells:
                value, place = cell["value"], (number, cell["column"] - 1)
                if place not in places:
                    continue
                if value == "" and not is_due:
                    found[place] = value
                elif type(value) in (int, float) and int(value) == _NO_DAY:
                    found[place] = Refused(NO_DAY)
    return found
