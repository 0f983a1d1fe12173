"""Formulas in the XML of a sheet, of which some may have no value yet."""

from __future__ import annotations

from typing import Any

from openpyxl.formula.translate import Translator
from openpyxl.utils import range_boundaries
from openpyxl.worksheet._reader import FORMULA_TAG


class Formulas:
    """What formulas a sheet has, of those cells that may have been left without a value.

    Attributes:
        has_evaluated: Whether a program that stores whole numbers as `2.0` computed one; then it computed zeros too.
    """

    def __init__(self) -> None:
        self.has_evaluated = False
        self._shared: dict[str | None, tuple[str, str | None]] = {}
        self._ranges: list[tuple[str, str]] = []
        self._suspects: dict[tuple[int, int], str | None] = {}

    def add(self, element: Any, place: tuple[int, int], value: Any, *, is_suspect: bool) -> None:
        """Take note of a cell.

        Args:
            element: Its XML.
            place: Row from 1 and column from 0.
            value: What is stored as its value.
            is_suspect: Whether that is what programs store which compute nothing.
        """
        formula = element.find(FORMULA_TAG)
        if formula is None:
            if is_suspect:
                self._suspects[place] = None
            return
        kind, text = formula.get("t"), f"={formula.text or ''}"
        if kind in ("array", "dataTable"):
            # Of a range, it stands in the first cell.
            self._ranges.append((formula.get("ref"), text if kind == "array" else "=TABLE()"))
        elif kind == "shared" and formula.text:
            self._shared.setdefault(formula.get("si"), (text, element.get("r")))
        if type(value) is float and value != 0 and value.is_integer():
            self.has_evaluated = True
        if is_suspect:
            self._suspects[place] = self._text(formula, element.get("r"))

    def _text(self, formula: Any, place: str | None) -> str | None:
        kind, text = formula.get("t"), f"={formula.text or ''}"
        if kind in ("array", "dataTable"):
            return None
        if kind != "shared" or formula.get("si") not in self._shared:
            return text
        shared, origin = self._shared[formula.get("si")]
        return str(Translator(shared, origin).translate_formula(place))

    def without_value(self) -> dict[tuple[int, int], str]:
        """The formulas of suspect cells, by place."""
        if not self._suspects:
            return {}
        ranges = [(range_boundaries(ref), text) for ref, text in self._ranges]
        found: dict[tuple[int, int], str] = {}
        for (number, at), own in self._suspects.items():
            text = own or next((text for range_, text in ranges if _is_in(range_, at + 1, number)), None)
            if text is not None:
                found[number, at] = text
        return found


def _is_in(range_: tuple[int, int, int, int], column: int, row: int) -> bool:
    left, top, right, bottom = range_
    return left <= column <= right and top <= row <= bottom
