"""Where rows of stored data stand."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.errors import Example


class FileLine(NamedTuple):
    """Where a row of a source of many files stands.

    Attributes:
        file: As messages show it.
        line: 1-based, None where it is not known or there are no lines.
        row: Its number in the file, from 1.
    """

    file: str
    line: int | None
    row: int

    @property
    def row_without_line(self) -> int | None:
        """Its number in the file where there are no lines."""
        return self.row if self.line is None else None


#: Where a row stands: on a line of the one file, or in one of many.
RowPlace = int | FileLine


def placed(example: Example, place: RowPlace | None) -> Example:
    """The example with the place of its row."""
    if isinstance(place, FileLine):
        return replace(example, file=place.file, line=place.line, file_row=place.row_without_line or UNSET)
    return replace(example, line=example.line or place)
