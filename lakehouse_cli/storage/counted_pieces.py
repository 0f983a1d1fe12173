"""Pieces of a table that is stored, counted as they pass."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


class CountedPieces:
    """Pieces of a table as they pass, a table of their columns without rows, and how many rows there are.

    Args:
        pieces: At least one.
    """

    def __init__(self, pieces: Iterator[pa.Table]) -> None:
        from lakehouse_cli.arrow.types import without_rows

        first = next(pieces)
        self.first = without_rows(first.schema)
        self.rows = 0
        self._pieces = chain([first], pieces)

    def __iter__(self) -> Iterator[pa.Table]:
        for piece in self._pieces:
            self.rows += piece.num_rows
            yield piece
