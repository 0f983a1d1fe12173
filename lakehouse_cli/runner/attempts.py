"""The attempts at a table: each is handed to the executor, and where one failed another may follow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, TransformError, UnexpectedError
from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerStartError, WorkerTimeoutError
from lakehouse_cli.runner.callback_queue import CallbackQueue
from lakehouse_cli.runner.entry import materialize_here
from lakehouse_cli.runner.jobs import AttemptError, InputError, Job, Outcome, over_time
from lakehouse_cli.runner.memory import TablesInMemory
from lakehouse_cli.runner.workplace import Workplace
from lakehouse_cli.runs.events import ErrorInfo, TableRetrying

if TYPE_CHECKING:
    from concurrent.futures import Future

#: What came of a table after its last attempt.
Ended = Outcome | InputError | AttemptError


class Attempts:
    """Has an executor compute tables, each as often as it takes and its `retries` allow.

    An attempt is one piece of work; whether another follows is decided here, for a process that has died cannot. Where
    the executor shares memory, tables pass from one to the next there.

    Args:
        executor: Where tables are computed.
        memory: Where they are kept for their consumers.
        place: What this process has at hand, where it is the one that computes.
        callbacks: Brings what happens elsewhere into the thread of the loop, in which all else is called.
        stopped_by: Tells why nothing more is to be begun, so no further attempt either; None while there may be.
        on_retrying: Told of each attempt that failed and will be followed by another.
        on_ended: Told of what came of a table, by name. Its inputs are let go of then, its data are there for others.
    """

    def __init__(
        self,
        executor: Executor,
        memory: TablesInMemory,
        place: Workplace,
        callbacks: CallbackQueue,
        stopped_by: Callable[[], str | None],
        on_retrying: Callable[[TableRetrying], None],
        on_ended: Callable[[str, Ended], None],
    ) -> None:
        self._executor = executor
        self._memory = memory
        self._place = place
        self._callbacks = callbacks
        self._stopped_by = stopped_by
        self._on_retrying = on_retrying
        self._on_ended = on_ended
        self._waiting: dict[str, tuple[threading.Timer, Job, AttemptError]] = {}
        self._begun: dict[str, int] = {}

    @property
    def at_once(self) -> int:
        """How many tables may be under way at once."""
        return self._executor.workers

    @property
    def waiting(self) -> int:
        """How many tables that are under way only wait for another attempt, which takes nobody's place."""
        return len(self._waiting)

    def begin(self, job: Job) -> None:
        """Start the first attempt at a table."""
        shares_memory = self._executor.shares_memory
        keep = shares_memory and self._memory.wanted(job.table.name)
        self._submit(replace(job, keep=keep, keeps_time=shares_memory))

    def begun(self, name: str) -> int:
        """How many attempts at a table were begun."""
        return self._begun.get(name, 0)

    def forgo(self, inputs: tuple[str, ...]) -> None:
        """A table will not be computed; so much less are its inputs needed."""
        self._memory.release(inputs)

    def give_up_waiting(self) -> None:
        """End at once what waits for another attempt, with its last failure."""
        for timer, job, failure in list(self._waiting.values()):
            timer.cancel()
            self._give_up(job, failure)

    def _submit(self, job: Job) -> None:
        self._begun[job.table.name] = job.attempt
        timeout = None if job.keeps_time else job.table.timeout
        if self._executor.shares_memory:
            future = self._executor.submit(self._with_memory, job, timeout=timeout)
        else:
            # What was not published can be had from here alone.
            given = self._memory.tables(job.tables)
            future = self._executor.submit(materialize_here, job, given, timeout=timeout)
        future.add_done_callback(partial(self._done, job))

    def _with_memory(self, job: Job) -> Outcome:
        """Materialize in this process: inputs come from memory where an earlier table left them."""
        from lakehouse_cli.runner.materializing import materialize, read_input

        given = {name: self._memory.get(name, partial(read_input, job, self._place)) for name in job.tables}
        return materialize(job, self._place, given)

    def _done(self, job: Job, future: Future[Outcome]) -> None:
        # Called in whatever thread it happens in.
        self._callbacks.post(partial(self._take, job, future))

    def _take(self, job: Job, future: Future[Outcome]) -> None:
        error = future.exception()
        if error is None:
            self._end(job, future.result())
        elif isinstance(error, InputError):
            self._end(job, error)
        else:
            failure = _failure(job, error)
            if failure is None:
                self._end(job, AttemptError(UnexpectedError(error), job.attempt))
            elif job.attempt > job.table.retries:
                self._end(job, failure)
            elif self._stopped_by() is not None:
                self._give_up(job, failure)
            else:
                self._try_again(job, failure)

    def _try_again(self, job: Job, failure: AttemptError) -> None:
        name = job.table.name
        delay = job.table.retry_delay * 2 ** (job.attempt - 1)
        timer = threading.Timer(delay, self._callbacks.post, [partial(self._again, name)])
        timer.daemon = True
        self._waiting[name] = (timer, job, failure)
        self._on_retrying(TableRetrying(name, job.attempt, delay, ErrorInfo.of(failure.error)))
        timer.start()

    def _again(self, name: str) -> None:
        if name in self._waiting and self._stopped_by() is None:
            _, job, _ = self._waiting.pop(name)
            self._submit(replace(job, attempt=job.attempt + 1))

    def _give_up(self, job: Job, failure: AttemptError) -> None:
        self._waiting.pop(job.table.name, None)
        self._end(job, AttemptError(failure.error, failure.attempt, self._stopped_by()))

    def _end(self, job: Job, ended: Ended) -> None:
        name = job.table.name
        self._memory.release(job.tables)
        if isinstance(ended, Outcome) and ended.data is not None:
            content = None if ended.manifest is None else ended.manifest.content
            self._memory.put(name, ended.data, content)
        self._on_ended(name, ended)


def _failure(job: Job, raised: BaseException) -> AttemptError | None:
    """A failed attempt as its table's error; None where it is none of those that are known."""
    if isinstance(raised, AttemptError):
        return raised
    if isinstance(raised, WorkerTimeoutError):
        return AttemptError(over_time(job.table), job.attempt)
    if isinstance(raised, WorkerStartError):
        hint = "compute fewer tables at once (`--workers`), or raise what the system allows (`ulimit -a` shows it)"
        return AttemptError(LakehouseError(f"`{job.table.name}` cannot be started: {raised}", hint=hint), job.attempt)
    if isinstance(raised, WorkerDiedError):
        hint = "look for what ends processes in the transform, or what is out of memory; the other tables went on"
        error = TransformError(f"the process that computed `{job.table.name}` {raised}", hint=hint)
        return AttemptError(error, job.attempt)
    return None
