"""Jobs and their outcomes: values that can be sent to another process.

Nothing here loads Arrow or the user's code, so that a process that only leads others starts them at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import FailedRows, LakehouseError, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.dimension import Every
from lakehouse_cli.model.manifest import InputRecord, Manifest, Recipe
from lakehouse_cli.model.stored_version import StoredVersion
from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.model.unit import table_of
from lakehouse_cli.plan.uses import Used
from lakehouse_cli.runs.failed_rows import new_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.partition import PartitionColumns
    from lakehouse_cli.plan.partitioning import Link
    from lakehouse_cli.runner.partition_keys import PartitionKeys

_Result = TypeVar("_Result")


#: Values of params that are never shown, by table and param; partitions have those of their table.
PrivateParams = Mapping[str, Mapping[str, Any]]


def private_params(tables: Iterable[Table]) -> PrivateParams:
    """Those of tables that have some."""
    return {table.name: {name: table.params[name] for name in table.private} for table in tables if table.private}


def _without_private(table: Table) -> Table:
    if not table.private:
        return table
    return replace(
        table, params={name: None if name in table.private else value for name, value in table.params.items()}
    )


def _with_private(table: Table, params: PrivateParams) -> Table:
    own = params.get(table_of(table).name) if table.private else None
    return table if own is None else replace(table, params={**table.params, **own})


def _as_sent(table: Table) -> Table:
    return replace(_without_private(table), retries=0, resources={}, description=None, owner=None, meta={}, tags=())


class JobChecks(Struct, frozen=True):
    """What the checks of a job's table are judged with.

    Attributes:
        references: The tables that they look at, by name.
        contents: What is stored of these; without those that cannot be read, or failed in this run.
        unusable: Why others of these cannot be looked at in this run, as a sentence goes on behind their names.
        before: How many rows were published last; None the first time.
        codes: Hashes of the code of functions, by check.
        only: Names of those to judge on the stored data, which are not computed; None to compute the table.
        standing: What is recorded of the others, by name.
        manifest: Of the stored data, where `only` is given.
        validates: Whether types, nulls and key of the stored data are judged as well.
        unpublished: Those of `references` that were computed and are stored nowhere.
        counted: Of a table by partition, which partitions of `references` make up one of its own.
    """

    references: Mapping[str, Table] = {}
    contents: Mapping[str, InputRecord] = {}
    unusable: Mapping[str, str] = {}
    before: int | None = None
    codes: Mapping[str, str] = {}
    only: tuple[str, ...] | None = None
    standing: Mapping[str, CheckRecord] = {}
    manifest: Manifest | None = None
    validates: bool = False
    unpublished: Mapping[str, pa.Table] = {}
    counted: Mapping[str, Link] = {}


class Job(Struct, frozen=True):
    """One table to materialize; can be sent to another process, which has the storages and the code.

    Does not grow with the project, and has no password; before it is sent, no param that is never shown.

    Attributes:
        table: The table.
        inputs: Which table goes into which parameter.
        tables: The inputs' declarations, by name.
        project: Its name, for the manifest.
        run_id: For the manifest.
        recipe: For the manifest.
        expected_inputs: The inputs' content as planned or as stored in this run, by name; the content read may differ.
        expected: The version that the table replaces, and no other; None if unknown.
        forced: Whether the user forced it though it may be up to date, or foreign.
        publish: Whether the result is stored; else it is only returned.
        used: Files and variables that its transform uses beside its inputs, as planned; None if none are declared.
        workers: How many tables are computed at once.
        run_started: When the run began.
        siblings: The other tables that the same call computes, in the order of the project, this one before them.
        checks: What its checks are judged with; None where it has none.
        is_last: Whether no other attempt follows where this one fails.
        recorded: What the manifest calls its inputs, where it calls them otherwise, by name.
        within: Of inputs of which some rows are read by time, which, by parameter.
        periods: The periods of the dimensions of its partition, and of inputs that are no tables; None for texts.
        keys: Its keys that hold across partitions, while it is computed; never sent.
        beside: A partition of its table, and its columns, with which its own must agree; None where they need not.
        environment: In which all rows that break its contract are kept; None where only the first are.
    """

    table: Table
    inputs: tuple[Input, ...]
    tables: Mapping[str, Table]
    project: str
    run_id: str
    recipe: Recipe | None
    expected_inputs: Mapping[str, InputRecord]
    expected: StoredVersion | None
    forced: bool
    publish: bool
    used: Used | None
    workers: int
    run_started: datetime
    siblings: tuple[Job, ...] = ()
    checks: JobChecks | None = None
    is_last: bool = True
    recorded: Mapping[str, str] = {}
    within: Mapping[str, TimeSpan] = {}
    periods: Mapping[str, Every | None] = {}
    keys: PartitionKeys | None = None
    beside: PartitionColumns | None = None
    environment: str | None = None

    def rows_kept(self, project: Path) -> Callable[[], Path] | None:
        """Gives what the paths of files begin with that keep all rows that break its contract; None for nowhere."""
        return None if self.environment is None else partial(new_rows, project, self.environment, self.run_id)

    def without_private(self) -> Job:
        """The same without the values of params that are never shown, as it may be sent."""
        return self._with_tables(_without_private)

    def with_private(self, params: PrivateParams) -> Job:
        """The same with these values."""
        return self._with_tables(lambda table: _with_private(table, params))

    def for_cluster(self) -> Job:
        """The same for a worker of a cluster, which tries nothing again, and stores over what the plan saw alone.

        Results of one call are stored anew by each attempt, so that all are of the same one.
        """
        sent = self._with_tables(_as_sent)
        once = None if self.expected is None or self.siblings else replace(self.expected, once=True)
        return replace(sent, expected=once or self.expected)

    def on_worker(self, folder: Path) -> Job:
        """The same where the project's files are unpacked."""
        used = None if self.used is None else self.used.on_worker(self.table, folder)
        return replace(self, used=used, siblings=tuple(each.on_worker(folder) for each in self.siblings))

    def _with_tables(self, change: Callable[[Table], Table]) -> Job:
        checks = self.checks
        if checks is not None:
            checks = replace(checks, references={name: change(each) for name, each in checks.references.items()})
        return replace(
            self,
            table=change(self.table),
            tables={name: change(each) for name, each in self.tables.items()},
            siblings=tuple(each._with_tables(change) for each in self.siblings),
            checks=checks,
        )

    def reaches(self, package: str) -> bool:
        """Whether its code reaches a package, named as it is imported."""
        return self.recipe is not None and f"package {package}" in self.recipe.code_parts

    @property
    def is_check(self) -> bool:
        """Whether stored data are checked, and nothing is computed."""
        return self.checks is not None and self.checks.only is not None

    @property
    def judges(self) -> bool:
        """Whether checks are judged on the result."""
        return self.checks is not None

    @property
    def members(self) -> tuple[Job, ...]:
        """The job and its siblings."""
        return (self, *self.siblings)

    @property
    def released(self) -> tuple[str, ...]:
        """The inputs that it is done with when it has read them: each once for each of its tables."""
        return self.read_inputs * len(self.members)

    @property
    def read_inputs(self) -> tuple[str, ...]:
        """The inputs that are read for it where they are stored: none where the database does."""
        return () if self.table.runs_in_storage else tuple(self.tables)


class Outcome(Struct, frozen=True):
    """The result of one table.

    Attributes:
        manifest: Of the stored table; None if it was not to be stored.
        data: Exactly what the storage would return; None if nobody reads it from memory.
        dropped: Columns the transform returned that the contract does not name, where these are dropped.
        handed_over: Whether it was written for its consumers in other processes.
        notes: Remarks on its inputs.
        checks: What its checks found.
        judged: What was judged, with its rows, of stored data; None where none were.
        results: Of a function with several results, that of each table; an error where it was not stored.
        failed: The rows that violate its checks, though it is published; None where none do, or are kept.
    """

    manifest: Manifest | None
    data: pa.Table | None
    dropped: tuple[str, ...]
    handed_over: bool = False
    notes: tuple[str, ...] = ()
    checks: tuple[CheckRecord, ...] = ()
    judged: InputRecord | None = None
    results: Mapping[str, Outcome | LakehouseError] = {}
    failed: FailedRows | None = None

    def by_table(self, name: str) -> Mapping[str, Outcome | LakehouseError]:
        """The result of each table; `name` is that of the job's own."""
        return self.results or {name: self}


class InputError(Exception):
    """An input could not be read; `name` is the table to blame."""

    def __init__(self, name: str, error: LakehouseError) -> None:
        super().__init__(name, error)
        self.name = name
        self.error = error


class ResultError(Exception):
    """Some of several results are not as declared, or could not be stored.

    Attributes:
        errors: Of each of these tables.
        stored: What was stored before.
    """

    def __init__(self, errors: Mapping[str, LakehouseError], stored: Mapping[str, Outcome]) -> None:
        super().__init__(errors, stored)
        self.errors = errors
        self.stored = stored

    @property
    def first(self) -> LakehouseError:
        """The error of the first of them."""
        return next(iter(self.errors.values()))


def results_by_table(
    name: str, ended: Outcome | ResultError | LakehouseError
) -> Mapping[str, Outcome | LakehouseError]:
    """How the tables ended that one call computes, the first of which is `name`; without those that it left out."""
    if isinstance(ended, ResultError):
        return {**ended.stored, **ended.errors}
    return ended.by_table(name) if isinstance(ended, Outcome) else {name: ended}


def over_time(table: Table) -> TransformError:
    """Make the error of a transform that took longer than its timeout."""
    return TransformError(
        f"{table.computed_by} took longer than its timeout of {table.timeout:g} s",
        hint="make it faster, or raise `timeout:`",
        location=table.where("timeout"),
    )


def within(seconds: float, compute: Callable[[], _Result], table: Table) -> _Result:
    """Compute in a thread and wait for it no longer than so many seconds.

    Python cannot end a thread: one that is over its time goes on until it returns or the process ends, and its result
    is dropped. It has no way to publish anything.
    """
    done: list[_Result] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            done.append(compute())
        except BaseException as error:  # noqa: BLE001  # raised again in the waiting thread
            failed.append(error)

    thread = threading.Thread(target=work, name=f"transform {table.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise over_time(table)
    if failed:
        raise failed[0]
    return done[0]
