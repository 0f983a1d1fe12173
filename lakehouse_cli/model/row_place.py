"""Where rows of stored data stand."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from lakehouse_cli.errors import Example


class FileLine(NamedTuple):
    """Where a row of a source of many files stands.

    Attributes:
        file: As messages show it.
        line: 1-based, None where it is not known or there are no lines.
    """

    file: str
    line: int | None


#: Where a row stands: on a line of the one file, or in one of many.
RowPlace = int | FileLine


def placed(example: Example, place: RowPlace | None) -> Example:
    """The example with the place of its row."""
    if isinstance(place, FileLine):
        return replace(example, file=place.file, line=place.line)
    return replace(example, line=example.line or place)
