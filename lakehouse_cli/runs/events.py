"""The events of a run, as frozen values in the order they happen.

The progress table, the log, the JSON document and the history are readers of this stream; there is no other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, to_builtins

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.check import CheckResult
from lakehouse_cli.model.deferred_input import DeferredInput
from lakehouse_cli.model.given_params import GivenParams
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.model.schema_change import SchemaChange
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.runs.error_info import ErrorInfo, error_json
from lakehouse_cli.text.counts import plural

#: ``passed`` comes of validating stored data alone.
#: ``held_back``: it was computed and passed, and was not published, as not all of its run passed.
#: ``waiting`` and ``dropped`` come of partitions.
TableStatus = Literal[
    "materialized", "unchanged", "passed", "failed", "skipped", "cancelled", "held_back", "waiting", "dropped"
]
RunStatus = Literal["success", "failed", "cancelled"]
#: How a run was cancelled: by the user, or by the system or the calling program.
Cancellation = Literal["interrupted", "terminated"]


def new_run_id() -> str:
    """Make an id that sorts by time and is unique without coordination: ``YYYYMMDD-HHMMSS-xxxx``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.urandom(2).hex()}"


def _snake_case(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class StoredColumn(Struct, frozen=True):
    """A column of stored data, and its type as contracts name it."""

    name: str
    type: str


class PartitionResult(Struct, frozen=True):
    """The result of one partition of a table.

    Attributes:
        key: Value by dimension.
        status: How it ended.
        reasons: Why it was planned to run, or waits.
        rows: Rows stored, None where nothing was.
        bytes: Size of the stored data.
        duration_s: Seconds from start to end, None where it never started.
        attempts: How many attempts were begun.
        error: Its error.
        notes: Remarks.
        checks: What its checks found; unset where it has none.
    """

    key: Mapping[str, str]
    status: TableStatus
    reasons: tuple[Reason, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    duration_s: float | None = None
    attempts: int = 0
    error: ErrorInfo | None = None
    notes: tuple[str, ...] = ()
    checks: tuple[CheckResult, ...] | UnsetType = UNSET

    @property
    def text(self) -> str:
        """As messages name it."""
        return ", ".join(f"{name}={value}" for name, value in self.key.items())


class ReplayedRows(Struct, frozen=True):
    """What became of rows that had been put aside, when they were judged again.

    Attributes:
        rows: How many had been put aside.
        quarantined: How many rows are put aside now; None where that cannot be read.
        passed: How many of those that had been pass now; None where a row cannot be told by a key.
        again: How many of them were put aside again; None as well.
        gone: How many of them are not in the result any more; None as well.
    """

    rows: int
    quarantined: int | None = None
    passed: int | None = None
    again: int | None = None
    gone: int | None = None


class PartitionsEnded(Struct, frozen=True):
    """How partitions of a table ended that all ended in one way.

    Attributes:
        count: How many there are.
        first: The key of the first.
        last: That of the last.
        median_s: Seconds that one took, the median; None where none was begun.
    """

    count: int
    first: Mapping[str, str]
    last: Mapping[str, str]
    median_s: float | None = None


class TableResult(Struct, frozen=True):
    """The result of a table.

    Attributes:
        name: The table.
        status: How it ended.
        reasons: Why it was planned to run.
        rows: Rows stored, None where nothing was.
        bytes: Size of the stored data.
        duration_s: Seconds from start to end, None where it never started.
        uri: Its location.
        attempts: How many attempts were begun.
        error: Its error.
        notes: Remarks, such as on columns that were dropped.
        schema_change: How the change of the stored columns, and of the contract, affects readers of the table; None
            for no change.
        content_hash: Of the stored data, as in their manifest: another one wherever the data are others. Unset where
            nothing is known to be stored.
        columns: Those stored, where the contract leaves them open; else unset.
        checks: What its checks found; unset where it has none.
        replayed: What became of the rows that had been put aside; unset where these were not judged again.
        partitions: Of a partitioned table, those that the run did not leave as they were, and those that wait.
        partitions_up_to_date: How many others there are.
        partitions_ended: In lines that are kept, those of them that are not in `partitions`, by status.
    """

    name: str
    status: TableStatus
    reasons: tuple[Reason, ...] = ()
    rows: int | None = None
    bytes: int | None = None
    duration_s: float | None = None
    uri: str = ""
    attempts: int = 0
    error: ErrorInfo | None = None
    notes: tuple[str, ...] = ()
    schema_change: SchemaChange | None = None
    # Not in lines of the history where there are none.
    content_hash: str | UnsetType = UNSET
    columns: tuple[StoredColumn, ...] | UnsetType = UNSET
    checks: tuple[CheckResult, ...] | UnsetType = UNSET
    replayed: ReplayedRows | UnsetType = UNSET
    partitions: tuple[PartitionResult, ...] | UnsetType = UNSET
    partitions_up_to_date: int | UnsetType = UNSET
    partitions_ended: Mapping[str, PartitionsEnded] | UnsetType = UNSET

    @property
    def warnings(self) -> list[CheckResult]:
        """The checks that warn, or could not be judged without keeping the table from others."""
        if self.checks is UNSET or self.status in ("failed", "held_back"):
            return []
        return [each for each in self.checks if each.status in ("warned", "errored")]

    @property
    def remarks(self) -> list[str]:
        """The notes, and the checks that were not judged."""
        checks = () if self.checks is UNSET else self.checks
        return [*self.notes, *(each.message for each in checks if each.status == "skipped")]


class Moment(Struct, frozen=True):
    """A moment by two clocks: the wall clock, for people, and a monotonic one, for durations."""

    at: datetime
    clock: float

    @classmethod
    def now(cls) -> Moment:
        """The present moment."""
        return cls(datetime.now(UTC), time.perf_counter())


class RunResult(Struct, frozen=True):
    """A finished run: its tables in the order they were planned, and sources that failed before them.

    Attributes:
        run_id: ``YYYYMMDD-HHMMSS-xxxx``.
        project: Name of the project.
        environment: Name of the environment.
        status: ``success``, ``failed`` or ``cancelled``.
        started_at: When it was requested, or, where it might have waited for another, its turn; ISO 8601 in UTC.
        finished_at: ISO 8601 in UTC.
        duration_s: Seconds between the two.
        tables: How each table ended.
        deferred: The inputs that were read from another environment.
        cancelled_by: How it was cancelled; None where it was not.
    """

    run_id: str
    project: str
    environment: str
    status: RunStatus
    started_at: str
    finished_at: str
    duration_s: float
    tables: tuple[TableResult, ...]
    deferred: tuple[DeferredInput, ...] = ()
    cancelled_by: Cancellation | None = None

    def __getitem__(self, name: str) -> TableResult:
        """The result of one table.

        Raises:
            KeyError: The run had no such table.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def __repr__(self) -> str:
        return f"<RunResult {self.run_id} of {self.project!r}: {self.status}, {plural(len(self.tables), 'table')}>"

    def _repr_html_(self) -> str:
        # By name: what renders a run knows it, and not the other way round.
        return load(Entry("lakehouse_cli.rendering.pages:run_html"))(self)  # type: ignore[no-any-return]

    def count(self, status: TableStatus) -> int:
        """Count the tables of a status."""
        return sum(table.status == status for table in self.tables)


class RunFailedError(LakehouseError):
    """A run did not end well; raised where that was asked for.

    Attributes:
        result: What came of it.
    """

    def __init__(self, message: str, result: RunResult) -> None:
        super().__init__(message)
        self.result = result


class _Event(Struct, frozen=True, tag_field="event", tag=_snake_case):
    """Base of all events; its name is the member `event` of its line."""


class RunStarted(_Event, frozen=True):
    """A run begins; `tables` are the computed tables it will go through, in order.

    `objects` are those of them that have no rows; unset where there are none. `params` are what the command gave in the
    place of params of the file, by table; unset where it gave none. `as_of` is the moment that stands for now; unset
    where the command gave none. `first_run` is true where there are several tables, nothing of which was ever
    materialized; else unset. `left` has, by table, the values of partitions that earlier runs did not finish and that
    this one does not go for, None for all of a table; unset where there are none.
    """

    run_id: str
    project: str
    environment: str
    tables: tuple[str, ...]
    notes: tuple[str, ...] = ()
    objects: tuple[str, ...] | UnsetType = UNSET
    params: Mapping[str, GivenParams] | UnsetType = UNSET
    as_of: str | UnsetType = UNSET
    first_run: bool | UnsetType = UNSET
    left: Mapping[str, tuple[tuple[str, ...], ...] | None] | UnsetType = UNSET


class RunEstimated(_Event, frozen=True):
    """How long the run takes if its tables take as long as they did before.

    `duration_s` is that of the whole run, with as many tables at once as it computes; `tables` has the seconds of each
    table, the median of the others where it has no history, and is empty where tables have partitions.
    """

    duration_s: float
    tables: Mapping[str, float]


class TableStarted(_Event, frozen=True):
    """Work on a table begins: its first attempt; `TableRetrying` announces each further one."""

    table: str
    attempt: int = 1


class TableRetrying(_Event, frozen=True):
    """An attempt at a table, or at a partition of it, failed, and another follows after `delay_s` seconds."""

    table: str
    attempt: int
    delay_s: float
    error: ErrorInfo
    partition: str | UnsetType = UNSET


class TableReading(_Event, frozen=True):
    """A source of many files is read for a table, and takes its time: `files` of `total` are read."""

    table: str
    source: str
    files: int
    total: int


class TablePlaced(_Event, frozen=True):
    """A table was given to a worker of a cluster."""

    table: str
    worker: str


class TableComputed(_Event, frozen=True):
    """A table was computed and passed; it is published at the end of the run, if all others pass as well."""

    table: str
    rows: int | None
    duration_s: float


class TableFinished(_Event, frozen=True):
    """A table ended."""

    result: TableResult


class PartitionFinished(_Event, frozen=True):
    """A partition ended: one of so many of its table that this run goes for."""

    table: str
    result: PartitionResult
    done: int
    total: int


class RunFinished(_Event, frozen=True):
    """The run ended."""

    result: RunResult


class RunStopping(_Event, frozen=True):
    """The user asked to stop: nothing more is started, and these tables are finished."""

    finishing: tuple[str, ...]


class RunWaiting(_Event, frozen=True):
    """The run waits for another one to end; comes before `RunStarted`."""

    message: str


class RunTrouble(_Event, frozen=True):
    """Something about the run itself does not work, and the run goes on without it."""

    message: str


Event = (
    RunWaiting
    | RunTrouble
    | RunStarted
    | RunEstimated
    | TableStarted
    | TableRetrying
    | TableReading
    | TablePlaced
    | TableComputed
    | TableFinished
    | PartitionFinished
    | RunStopping
    | RunFinished
)


def ignore_event(_: object) -> None:
    """Do nothing: the listener where there is none."""


def as_it_is(result: TableResult) -> TableResult:
    """Return a result: what amends none."""
    return result


def result_json(result: RunResult) -> dict[str, Any]:
    """A run's document as `lakehouse run -o json` prints it."""
    document: dict[str, Any] = to_builtins(result, enc_hook=str)
    del document["cancelled_by"]
    for written, table in zip(document["tables"], result.tables, strict=True):
        written["error"] = error_json(table.error)
        if table.checks is not UNSET:
            written["checks"] = [each.to_json() for each in table.checks]
        for part, one in zip(written.get("partitions", ()), table.partitions or (), strict=True):
            part["error"] = error_json(one.error)
            if one.checks is not UNSET:
                part["checks"] = [each.to_json() for each in one.checks]
    return document
