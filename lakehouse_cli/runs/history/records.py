"""Past runs, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict

from lakehouse_cli.model.given_params import GivenParams
from lakehouse_cli.runs.events import Cancellation, RunResult, RunStatus, TableResult, result_json

RecordStatus = Literal["success", "failed", "cancelled", "running", "died"]
_ENDED: Mapping[RecordStatus, RunStatus] = {"success": "success", "failed": "failed", "cancelled": "cancelled"}


class RunSummary(Struct, frozen=True):
    """A run in short.

    Attributes:
        run_id: Its id.
        project: Name of the project.
        environment: Name of the environment.
        status: How it ended; ``running``, or ``died`` where no end is recorded (killed, a power failure).
        started_at: ISO 8601 in UTC.
        finished_at: Likewise; None for a run that goes on or died.
        duration_s: Seconds; None likewise.
        planned: Number of its computed tables.
        counts: Number of tables by status; a status of none is left out.
        cancelled_by: How it was cancelled; None where it was not, or where that is unknown.
    """

    run_id: str
    project: str
    environment: str
    status: RecordStatus
    started_at: str
    finished_at: str | None
    duration_s: float | None
    planned: int
    counts: Mapping[str, int]
    cancelled_by: Cancellation | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the document of `lakehouse runs -o json`."""
        document = asdict(self) | {"counts": dict(self.counts)}
        del document["cancelled_by"]
        return document


class RunList(Struct, frozen=True):
    """Runs, newest first, and notes on files of the history that cannot be read."""

    runs: tuple[RunSummary, ...]
    notes: tuple[str, ...] = ()


class RunRecord(Struct, frozen=True):
    """A run as its events recorded it.

    Attributes:
        summary: The run in short.
        planned: Its computed tables, in order.
        tables: How each ended. Tables that had not ended are ``cancelled`` in a run that died, and left out in one that
            goes on.
        started: The tables under way, in a run that goes on.
        notes: Those of its beginning.
        objects: Those of its tables that have no rows.
        params: What the command gave in the place of params of the file, by table.
        first_run: Whether none of its tables had ever been materialized, and they were several.
    """

    summary: RunSummary
    planned: tuple[str, ...]
    tables: tuple[TableResult, ...]
    started: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    params: Mapping[str, GivenParams] = {}
    first_run: bool = False

    @property
    def result(self) -> RunResult:
        """The run's result; of one that died or goes on as if it had been cancelled, and of no duration."""
        run = self.summary
        return RunResult(
            run.run_id,
            run.project,
            run.environment,
            _ENDED.get(run.status, "cancelled"),
            run.started_at,
            run.finished_at or run.started_at,
            run.duration_s or 0.0,
            self.tables,
            cancelled_by=run.cancelled_by,
        )

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse run -o json`; ``running`` and ``died`` are statuses more, without an end."""
        run = self.summary
        end = {"status": run.status, "finished_at": run.finished_at, "duration_s": run.duration_s}
        return result_json(self.result) | end


class TableTime(Struct, frozen=True):
    """The result of one table in one run."""

    run_id: str
    environment: str
    started_at: str
    result: TableResult

    def to_json(self) -> dict[str, Any]:
        """As in the document of `lakehouse runs --table NAME -o json`."""
        return {
            "run_id": self.run_id,
            "environment": self.environment,
            "started_at": self.started_at,
            "status": self.result.status,
            "rows": self.result.rows,
            "bytes": self.result.bytes,
            "duration_s": self.result.duration_s,
        }


class TableHistory(Struct, frozen=True):
    """One table over time, newest run first."""

    table: str
    times: tuple[TableTime, ...]
    notes: tuple[str, ...] = ()

    @property
    def materialized_s(self) -> tuple[float, ...]:
        """Seconds of each run that materialized it, newest first."""
        found = [t.result.duration_s for t in self.times if t.result.status == "materialized"]
        return tuple(seconds for seconds in found if seconds is not None)

    @property
    def median_s(self) -> float | None:
        """Seconds it takes, typically; None where no run materialized it."""
        return median(self.materialized_s) if self.materialized_s else None

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse runs --table NAME -o json`."""
        return {"table": self.table, "median_s": self.median_s, "runs": [time.to_json() for time in self.times]}


def median(values: Sequence[float]) -> float:
    """The median of some numbers; `statistics` takes longer to load than all else that a plan needs of the history."""
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
