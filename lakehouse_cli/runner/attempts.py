"""The attempts at a table: each is submitted to the executor, and where one failed another may follow."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, OvertakenError, TransformError, UnexpectedError
from lakehouse_cli.executors.base import (
    MAYBE_MEMORY,
    Ask,
    ClusterError,
    Executor,
    WithdrawnError,
    WorkerDiedError,
    WorkerKilledError,
    WorkerStartError,
    WorkerTimeoutError,
)
from lakehouse_cli.executors.progress import begin_work
from lakehouse_cli.model import Table
from lakehouse_cli.runner.callback_queue import CallbackQueue
from lakehouse_cli.runner.entry import materialize_here
from lakehouse_cli.runner.handover import HandedTables
from lakehouse_cli.runner.jobs import InputError, Job, Outcome, ResultError, over_time
from lakehouse_cli.runner.kept_rows import keeping
from lakehouse_cli.runner.memory import TablesInMemory
from lakehouse_cli.runner.stored_already import stored_already
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import Event, TablePlaced, TableReading, TableRetrying
from lakehouse_cli.runs.exits import at_work

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

# What another attempt would fail of, too.
_FINAL = (UnexpectedError, ClusterError, OvertakenError)
#: The result of a table after its last attempt; an error that says so where no worker had begun the first.
Ended = Outcome | InputError | ResultError | LakehouseError | WithdrawnError


class Attempts:
    """Has an executor compute tables, each as often as it takes and its `retries` allow.

    An attempt is one piece of work; whether another follows is decided here, since a process that has died cannot.
    Where the executor shares memory, tables pass from one to the next there.

    Args:
        executor: Computes the tables.
        memory: Keeps them for their consumers.
        handed: Keeps those that processes write for each other.
        place: Storages and code of this process, for an executor that shares memory.
        callbacks: Brings events of other threads into the thread of the loop, in which all else is called.
        stopped_by: Returns why nothing more is to be begun, no further attempt either; None if nothing stopped the run.
            Raises an interruption of which a failure was made.
        emit: Called for each attempt that failed and is followed by another, and for each worker that is given a table.
        on_ended: Called with a table's name, its result, and why no other attempt followed though there might have been
            one. Its inputs are released then, its data are there for others.
        fail_fast: Whether nothing more is begun once a table has failed.
    """

    def __init__(
        self,
        executor: Executor,
        memory: TablesInMemory,
        handed: HandedTables,
        place: Workplace,
        callbacks: CallbackQueue,
        stopped_by: Callable[[], str | None],
        emit: Callable[[TableRetrying | TablePlaced], None],
        on_ended: Callable[[str, Ended, str | None], None],
        fail_fast: bool,
    ) -> None:
        self._executor = executor
        self._memory = memory
        self._handed = handed
        self._place = place
        self._callbacks = callbacks
        self._stopped_by = stopped_by
        self._emit = emit
        self._on_ended, self._fail_fast = on_ended, fail_fast
        self._waiting: dict[str, tuple[threading.Timer, Job]] = {}
        self._failed: dict[str, LakehouseError | ResultError] = {}  # of the last attempt, if another follows
        self._begun: Counter[str] = Counter()
        # On a cluster: the worker that each table was given to, and that wrote it; how often it lacked memory.
        self._workers_of: dict[str, str] = {}
        self._written_by: dict[str, str] = {}
        self._grown: Counter[str] = Counter()
        self._withdrawn: set[str] = set()
        self._waited: defaultdict[str, float] = defaultdict(float)
        executor.on_more = partial(callbacks.post, _look_again)
        self._done_reading: set[str] = set()

    @property
    def workers(self) -> int:
        """How many tables are computed at once."""
        return self._executor.workers

    @property
    def per_machine(self) -> int:
        """How many tables that are computed at once share a machine."""
        return self._executor.per_machine

    @property
    def most_under_way(self) -> int:
        """The number of tables that may be under way; those that wait for another attempt do not count."""
        return self._executor.most_submitted + len(self._waiting)

    def waited(self, name: str) -> float:
        """The seconds that a table waited on a cluster: for a worker, and there while others were computed."""
        return self._waited[name]

    def begin(self, job: Job) -> None:
        """Start an attempt at a table."""
        self._begun[job.table.name] += 1
        if job.table.retries:
            job = replace(job, is_last=self.begun(job.table.name) > job.table.retries)
        if not job.publish:
            job = self._with_unpublished(job)
        if self._executor.shares_memory:
            future = self._executor.submit(self._with_memory, job)
        elif self._executor.is_cluster:
            future = self._submit_to_cluster(self._executor, job)
        else:
            # Unpublished inputs are in this process alone.
            given = self._memory.tables(job.tables)
            handed = self._handed.of(job.read_inputs)
            names = [each.table.name for each in job.members] if job.publish else []
            hand_to = {name: path for name in names if (path := self._handed.path_of(name)) is not None}
            sent = job.without_private()
            future = self._executor.submit(materialize_here, sent, given, handed, hand_to, timeout=job.table.timeout)
        future.add_done_callback(partial(self._done, job))

    def _submit_to_cluster(self, executor: Executor, job: Job) -> Future[Outcome]:
        """Give a job to a worker that has none of this machine's files."""
        name, attempt = job.table.name, self.begun(job.table.name)
        resources = {
            each: amounts[min(self._grown[name], len(amounts) - 1)] for each, amounts in job.table.resources.items()
        }
        near = next((self._written_by[each] for each in job.tables if each in self._written_by), "")
        callbacks = partial(self._placed, name), partial(self._has_waited, name)
        how = attempt > 1, job.reaches("dask"), self._fail_fast and attempt > job.table.retries
        ask = Ask(f"{job.run_id}-{name}-{attempt}", resources, *how, near, *callbacks, name)
        given = self._memory.tables(job.tables)
        submit: Callable[..., Future[Outcome]] = executor.submit
        return submit(materialize_here, job.for_cluster(), given, {}, {}, timeout=job.table.timeout, ask=ask)

    def _placed(self, name: str, worker: str) -> None:
        """Take note of the worker that has a table, in any thread."""
        self._workers_of[name] = worker
        self._callbacks.post(partial(self._emit, TablePlaced(name, worker)))

    def _has_waited(self, name: str, seconds: float) -> None:
        self._waited[name] += seconds

    def _with_unpublished(self, job: Job) -> Job:
        """A job with what its checks look at, as far as that is stored nowhere."""
        siblings = tuple(map(self._with_unpublished, job.siblings))
        checks = job.checks
        if checks is not None and checks.references:
            checks = replace(checks, unpublished=self._memory.tables(checks.references))
        return replace(job, checks=checks, siblings=siblings)

    def begun(self, name: str) -> int:
        """Count the attempts at a table that were begun."""
        return self._begun[name]

    def release_inputs(self, inputs: tuple[str, ...]) -> None:
        """Release the inputs of a table that will not be computed."""
        self._release(inputs)

    def _release(self, inputs: Iterable[str]) -> None:
        self._memory.release(inputs)
        self._handed.drop_unwanted()

    def withdraw(self) -> Collection[str]:
        """Begin nothing more: end all that wait for another attempt, with their last failure, and what no worker began.

        What is under way ends as if nothing were. Returns the tables of which it is known by now that none has begun
        them, and that are about to be ended.
        """
        for timer, job in list(self._waiting.values()):
            timer.cancel()
            self._give_up(job)
        return {*self._executor.withdraw(), *self._withdrawn}

    @at_work()
    def _with_memory(self, job: Job) -> Outcome:
        """Materialize in this process: inputs come from memory where an earlier table left them."""
        return keeping(job, self._place.folder, self._place.mask, partial(self._materialize, job))

    def _materialize(self, job: Job) -> Outcome:
        from lakehouse_cli.runner.materializing import materialize
        from lakehouse_cli.runner.several_results import materialize_results
        from lakehouse_cli.runner.stored_inputs import (
            open_by_time,
            open_input,
            read_input,
            reads_by_time,
            streamed_inputs,
        )
        from lakehouse_cli.transforms import SharedTable, StreamedTable

        begin_work(job.table.name)
        if job.checks is not None and job.is_check:
            from lakehouse_cli.runner.checking import check_stored

            return check_stored(job, self._place)
        given: dict[str, SharedTable | StreamedTable]
        some = job.table.query is not None or self._memory.streams_some(job.tables)
        streamed = streamed_inputs(job, self._place.folder) if some else {}

        def open_or_read(name: str) -> SharedTable | StreamedTable:
            if not self._memory.has(name):
                if job.within and reads_by_time(job, name, shares=True):
                    return open_by_time(job, self._place, name, streams=name in streamed)
                if name in streamed:
                    return open_input(job, self._place, name, streamed[name])
            return self._memory.get(name, partial(read_input, job, self._place))

        given = {name: open_or_read(name) for name in job.read_inputs}
        if job.table.runs_in_storage and not job.publish:
            # What was computed and is stored nowhere.
            given = {name: SharedTable(data) for name, data in self._memory.tables(job.tables).items()}
        # What is stored nowhere is in memory, or lost.
        name = job.table.name
        keep, gather = (of(name, stored=job.publish) for of in (self._memory.wanted, self._memory.wanted_whole))
        computed = partial(self._computed, job)
        timeout = job.table.timeout
        if job.table.output:
            names = [each.table.name for each in job.members]
            kept = {name for name in names if self._memory.wanted(name, stored=job.publish)}
            return materialize_results(job, self._place, given, keep=kept, timeout=timeout, on_computed=computed)
        return materialize(job, self._place, given, keep=keep, gather=gather, timeout=timeout, on_computed=computed)

    def _computed(self, job: Job) -> None:
        """Release the inputs of a table before its result is stored, unless another attempt might need them."""
        if job.publish and not job.table.retries:
            self._done_reading.add(job.table.name)
            self._memory.release(job.released)

    def _done(self, job: Job, future: Future[Outcome]) -> None:
        # Called in whatever thread it happens in.
        if isinstance(future.exception(), WithdrawnError):
            self._withdrawn.add(job.table.name)
        self._callbacks.post(partial(self._take, job, future))

    def _take(self, job: Job, future: Future[Outcome]) -> None:
        error = future.exception()
        if self._executor.is_cluster and _may_be_stored(error):
            stored = stored_already(job, self._place.storages)
            if stored is not None:  # it died before it could say so
                self._end(job, stored)
                return
        stopped_by = None if error is None else self._stopped_by()
        if error is None or isinstance(error, InputError):
            self._end(job, future.result() if error is None else error)
            return
        if isinstance(error, WithdrawnError):
            self._begun[job.table.name] -= 1
            self._give_up(job) if job.table.name in self._failed else self._end(job, error)
            return
        self._grown[job.table.name] += _lacked_memory(error)
        failure = error if isinstance(error, ResultError) else _failure(job.table, error)
        if self._executor.is_cluster and isinstance(error, WorkerKilledError):
            worker = self._workers_of.get(job.table.name, "")
            failure = _killed(job.table, error, worker, self._executor.memory_of(worker))
        if self._executor.is_cluster and isinstance(failure, TransformError):
            _say_what_was_not_sent(failure, job.table, self._place.folder)
        if isinstance(failure, _FINAL) or self.begun(job.table.name) > job.table.retries:
            self._end(job, failure)
        else:
            self._failed[job.table.name] = failure
            self._give_up(job) if stopped_by is not None else self._try_again(job, failure)

    def _try_again(self, job: Job, failure: LakehouseError | ResultError) -> None:
        name, attempt = job.table.name, self.begun(job.table.name)
        delay = job.table.retry_delay * 2 ** (attempt - 1)
        timer = threading.Timer(delay, self._callbacks.post, [partial(self._again, name)])
        timer.daemon = True
        self._waiting[name] = timer, job
        error = failure.first if isinstance(failure, ResultError) else failure
        self._emit(TableRetrying(name, attempt, delay, ErrorInfo.of(error)))
        timer.start()

    def _again(self, name: str) -> None:
        if self._stopped_by() is None:
            _, job = self._waiting.pop(name)
            self.begin(job)

    def _give_up(self, job: Job) -> None:
        self._waiting.pop(job.table.name, None)
        self._end(job, self._failed[job.table.name], self._stopped_by())

    def _keep(self, name: str, outcome: Outcome) -> None:
        """Keep what a table came out as for its consumers."""
        if outcome.handed_over and outcome.manifest is not None:
            self._handed.put(name, outcome.manifest.content)
        if outcome.data is not None:
            content = None if outcome.manifest is None else outcome.manifest.content
            self._memory.put(name, outcome.data, content)

    def _end(self, job: Job, ended: Ended, given_up: str | None = None) -> None:
        name = job.table.name
        released = job.released
        if not job.publish:
            looked_at = [n for each in job.members if each.checks is not None for n in each.checks.references]
            released = (*tuple(job.tables) * len(job.members), *looked_at)
        self._release(() if name in self._done_reading else released)
        if isinstance(ended, Outcome | ResultError):
            if name in self._workers_of:
                self._written_by[name] = self._workers_of[name]
            stored = ended.by_table(name) if isinstance(ended, Outcome) else ended.stored
            for each, outcome in stored.items():
                if isinstance(outcome, Outcome):
                    self._keep(each, outcome)
        self._on_ended(name, ended, given_up)


def _look_again() -> None:
    """Let the loop look for what it can begin."""


def _say_what_was_not_sent(error: TransformError, table: Table, folder: Path) -> None:
    """Have an error say how a worker gets a file of the project that it lacked."""
    from lakehouse_cli.runner.cluster_setup import file_to_send

    file = file_to_send(error, folder)
    if file is not None:
        files = ", ".join((*(() if table.uses is None else table.uses.files or ()), file))
        error.hint = f"workers are given the files that are named: write `uses: {{files: [{files}]}}`"


def _may_be_stored(error: BaseException | None) -> bool:
    """Whether a worker may have stored a table, and not been able to say so."""
    return isinstance(error, WorkerDiedError | WorkerTimeoutError) or (
        isinstance(error, WithdrawnError) and error.may_be_done
    )


def _lacked_memory(error: BaseException) -> bool:
    """Whether an attempt failed in a way in which more memory may help."""
    if isinstance(error, TransformError):
        return "MemoryError" in error.exception.partition(":")[0]
    return isinstance(error, WorkerKilledError)


def post_reading(
    callbacks: CallbackQueue, emit: Callable[[Event], None], table: str, source: str, files: int, total: int
) -> None:
    """Emit in the thread of the loop how far the reading of a source is; called in any thread."""
    callbacks.post(partial(emit, TableReading(table, source, files, total)))


def _killed(table: Table, error: WorkerKilledError, worker: str, has: float) -> TransformError:
    """What is said where the system killed the process of a table at a worker, as for want of memory.

    Args:
        table: The table.
        error: Says of what it died.
        worker: Where.
        has: Bytes of memory that this worker has, as far as it is known; else 0.
    """
    sizes = table.resources.get("memory", ())
    more = 2**30
    while more <= max(has, *sizes, 0.0):
        more *= 2
    asked = ", ".join(map(_size, (*sizes, more)))
    others = (f", {name}: {amounts[0]:g}" for name, amounts in table.resources.items() if name != "memory")
    write = f"`resources: {{memory: {f'[{asked}]' if sizes else asked}{''.join(others)}}}`"
    if sizes:
        write += f" and `retries: {max(table.retries, len(sizes))}`"
    at = f" at {worker}" if worker else ""
    than = f", which has {_size(has)}" if has else ""
    maybe = "if memory was short, " if MAYBE_MEMORY in str(error) else ""
    hint = f"{maybe}have a worker with more memory than{at.replace(' at', '') or ' this one'}{than}, and write {write}"
    return TransformError(
        f"the process that computed `{table.name}`{at} {error}", hint=f"{hint}; the other tables went on"
    )


def _size(size: float) -> str:
    """A size as project files may say it.

    >>> _size(2.0**31), _size(200e6), _size(1000.0 * 2**20)
    ('2GiB', '200MB', '1000MiB')
    """
    units = {"GiB": 2**30, "MiB": 2**20, "MB": 10**6, "B": 1}
    unit = next((unit for unit, amount in units.items() if size % amount == 0), "B")
    return f"{size / units[unit]:.0f}{unit}"


def _failure(table: Table, raised: BaseException) -> LakehouseError:
    """Translate the exception of an attempt into its table's error."""
    match raised:
        case LakehouseError():
            return raised
        case WorkerTimeoutError():
            return over_time(table)
        case WorkerStartError():
            hint = "compute fewer tables at once (`--workers`), or raise what the system allows (`ulimit -a` shows it)"
            return LakehouseError(f"`{table.name}` cannot be started: {raised}", hint=hint)
        case WorkerDiedError():
            hint = "look for what ends processes in the transform, or what is out of memory; the other tables went on"
            return TransformError(f"the process that computed `{table.name}` {raised}", hint=hint)
    return UnexpectedError(raised)
