"""The checks of tables on the rows of a test, and those that such rows cannot show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check
from lakehouse_cli.operations.transform_tests.clock import frozen_clock


class CheckedRows:
    """Judges checks on the rows of a test.

    Given rows are few, and come without a history: `row_count` is judged by its `max`, and by `equals` where that table
    is given; `foreign_key` where the other table is given, `freshness` where the test has a clock.

    Args:
        folder: The project's.
        given: The tables that the test gives, by name.
        now: What its clocks show; None for the time it is.
    """

    def __init__(self, folder: Path, given: Mapping[str, pa.Table], now: datetime | None) -> None:
        self._folder = folder
        self._given = given
        self._now = now

    def judge(self, table: Table, rows: pa.Table) -> None:
        """Judge the checks of a table.

        Raises:
            ContractError: One of severity `error` failed.
        """
        checks = [check for each in table.contract.checks if (check := self._fitted(each, table)[0]) is not None]
        if not checks:
            return
        setting = Setting(self._folder, self._now or datetime.now(UTC), _GivenTables(self._given))
        with (
            frozen_clock(self._now if any(each.kind == "function" for each in checks) else None),
            closing(Judge(table, checks, setting)) as judge,
        ):
            judge.piece(rows)
            judge.finish()

    def notes(self, table: Table) -> Iterator[str]:
        """Which checks of a table are not judged, or not wholly, and why."""
        for check in table.contract.checks:
            if why := self._fitted(check, table)[1]:
                yield f"check `{check.name}` of `{table.name}` is not judged{why}"

    def _fitted(self, check: Check, table: Table) -> tuple[Check | None, str]:
        """A check as it is judged on the rows of a test, None where it is not; and what is not, with the reason."""
        other = check.references
        is_there = other is None or other in self._given or (check.kind == "foreign_key" and other == table.name)
        if check.kind == "freshness" and self._now is None:
            return None, ": the test has no `now`"
        if check.kind == "row_count":
            left = {
                name: value
                for name, value in check.arguments.items()
                if name == "max" or (name == "equals" and is_there)
            }
            if left == check.arguments:
                return check, ""
            without = [f"`{name}`" for name in check.arguments if name not in left]
            why = f" by {', '.join(without)}, which a test's rows do not show"
            return (replace(check, arguments=left) if left else None), why
        return (check, "") if is_there else (None, f": `{other}` is not given")


class _GivenTables:
    """The tables that checks look at, as far as a test gives them."""

    def __init__(self, given: Mapping[str, pa.Table]) -> None:
        self._given = given

    def content(self, name: str) -> str | None:
        """Any text for a table that is given; else None."""
        return name if name in self._given else None

    def why_not(self, name: str) -> str:
        """Why a table cannot be looked at."""
        return f"`{name}` is not given"

    def columns(self, name: str, columns: Sequence[str]) -> Iterator[list[pa.ChunkedArray]]:
        """Some columns of a table."""
        yield [self._given[name].column(each) for each in columns]

    def rows(self, name: str) -> int:
        """How many rows a table has."""
        return int(self._given[name].num_rows)
