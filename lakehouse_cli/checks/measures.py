"""Checks of the table as a whole: how many rows, how many nulls, how new."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.checks.rows import live_rows, true_count
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.model.check import Check

_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Measure(Judged):
    """Judges `row_count`, `nulls` and `freshness`.

    Args:
        check: The check.
        setting: What it is judged with.
    """

    def __init__(self, check: Check, setting: Setting) -> None:
        super().__init__(check)
        self._setting = setting
        self._newest: int | None = None
        self._kind: pa.DataType | None = None
        self._other: int | None = None
        other = check.arguments.get("equals")
        if other is not None:
            content = setting.others.content(other)
            if content is None:
                self.skipped = setting.others.why_not(other)
            else:
                self.against, self._other = content, setting.others.rows(other)

    def piece(self, piece: Piece, found: Findings) -> None:
        """Measure a piece."""
        live = live_rows(self, piece, found)
        total = piece.rows if live is None else true_count(live)
        self.rows += total
        if self.check.kind == "row_count":
            return
        column = piece.column(self.check.columns[0])
        column = column if live is None else column.filter(live)
        if self.check.kind == "nulls":
            self.count += column.null_count
            return
        self.not_judged += column.null_count
        self.rows -= column.null_count
        self._kind = column.type
        if not (pa.types.is_date32(column.type) or pa.types.is_timestamp(column.type)):
            self.fail(ConditionError(f"is for a date or timestamp, and `{self.check.columns[0]}` is {column.type}"))
            return
        newest = pc.max(column.cast(pa.int32() if pa.types.is_date32(column.type) else pa.int64())).as_py()
        if newest is not None:
            self._newest = newest if self._newest is None else max(newest, self._newest)

    def state(self) -> Mapping[str, str]:
        """What was measured."""
        state: dict[str, str] = {}
        if self.check.kind == "row_count":
            state["rows"] = str(self.rows)
            if self._setting.before is not None:
                state["before"] = str(self._setting.before)
            if self._other is not None:
                state["other"] = str(self._other)
        elif self.check.kind == "freshness" and (newest := self._newest_of_all()) is not None:
            state["newest"] = newest.isoformat()
        return state

    def _newest_of_all(self) -> datetime | None:
        """The newest value, also of partitions that are not judged."""
        own = None if self._newest is None else self._moment(self._newest)
        other = self._setting.newest.get(self.check.name)
        return max(filter(None, (own, other)), default=None)

    def _moment(self, ticks: int) -> datetime:
        """A date, at its start, or a timestamp; without a zone it is taken as UTC."""
        kind: Any = self._kind
        if pa.types.is_date32(kind):
            seconds, rest = ticks * 86_400, 0
        else:
            seconds, rest = divmod(ticks, _TICKS[kind.unit])
            rest = rest * 10**6 // _TICKS[kind.unit]
        try:
            return _EPOCH + timedelta(seconds=seconds, microseconds=rest)
        except OverflowError:  # of years that Python does not have
            return datetime.max.replace(tzinfo=UTC) if ticks > 0 else datetime.min.replace(tzinfo=UTC)

    def record(self, found: Findings, now: datetime, code: str) -> Any:
        """What came of it."""
        record = super().record(found, now, code)
        from msgspec.structs import replace

        value = {
            "row_count": str(self.rows),
            "nulls": f"{self.count}/{self.rows}",
            "freshness": record.state.get("newest"),
        }[self.check.kind]
        return replace(record, result=replace(record.result, value=value))
