"""What checks of a table are judged with, beside its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.contracts.keys import OtherPartitions
from lakehouse_cli.model.row_place import RowPlace


class OtherTables(Protocol):
    """The stored tables that checks of a table look at beside it."""

    def content(self, name: str) -> str | None:
        """The hash of what is stored of a table; None where it cannot be looked at, or failed in this run."""

    def why_not(self, name: str) -> str:
        """Why a table cannot be looked at."""

    def columns(self, name: str, columns: Sequence[str]) -> Iterator[list[pa.ChunkedArray]]:
        """Some columns of a table, piece by piece."""

    def rows(self, name: str) -> int:
        """How many rows a table has."""


class Setting(Struct, frozen=True):
    """What checks are judged with.

    Attributes:
        folder: The project's, where functions are found.
        now: When the run began.
        others: The tables beside the one that is judged.
        workers: How many tables are computed at once.
        before: How many rows were published last; None the first time.
        codes: Hashes of the code of functions, by check.
        find_lines: Gives the lines of a source's file on which rows begin, both from 1; None where there are none.
        partitions: Of one partition, the others, in which what is `unique` may not be again.
        newest: Of some partitions, the newest values that are recorded of the others, by check `freshness`.
    """

    folder: Path
    now: datetime
    others: OtherTables
    workers: int = 1
    before: int | None = None
    codes: Mapping[str, str] = {}
    find_lines: Callable[[Sequence[int]], Mapping[int, RowPlace]] | None = None
    partitions: OtherPartitions | None = None
    newest: Mapping[str, datetime] = {}
