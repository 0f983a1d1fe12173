"""The attempts at a table: each is handed to the executor, and where one failed another may follow."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from lakehouse_cli.errors import LakehouseError, TransformError
from lakehouse_cli.events import ErrorInfo
from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerTimeoutError
from lakehouse_cli.runner.inbox import Inbox
from lakehouse_cli.runner.jobs import AttemptsError, InputError, Job, Outcome, Retrying, materialize_here, over_time
from lakehouse_cli.runner.memory import TablesInMemory

#: What came of a table after its last attempt.
Ended = Outcome | InputError | AttemptsError


class Attempts:
    """Has an executor compute tables, each as often as it takes and its `retries` allow.

    Where the executor shares memory, a job sees to its attempts itself, and tables pass from one job to the next in
    memory; elsewhere an attempt is a job of its own.

    Args:
        executor: Where tables are computed.
        memory: Where they are kept for their consumers.
        inbox: Brings what happens elsewhere into the thread of the loop, in which the next two are called.
        on_retrying: Told of each attempt that failed and will be followed by another, with the table's name.
        on_ended: Told of what came of a table, by name. Its inputs are let go of then, its data are there for others.
    """

    def __init__(
        self,
        executor: Executor,
        memory: TablesInMemory,
        inbox: Inbox,
        on_retrying: Callable[[str, Retrying], None],
        on_ended: Callable[[str, Ended], None],
    ) -> None:
        self._executor = executor
        self._memory = memory
        self._inbox = inbox
        self._on_retrying = on_retrying
        self._on_ended = on_ended

    @property
    def at_once(self) -> int:
        """How many tables may be under way at once."""
        return self._executor.workers

    def begin(self, job: Job) -> None:
        """Start the first attempt at a table."""
        shares_memory = self._executor.shares_memory
        keep = shares_memory and self._memory.wanted(job.table.name)
        self._submit(replace(job, keep=keep, sees_to_attempts=shares_memory))

    def forgo(self, inputs: tuple[str, ...]) -> None:
        """A table will not be computed; so much less are its inputs needed."""
        self._memory.release(inputs)

    def _submit(self, job: Job) -> None:
        work = self._with_memory if self._executor.shares_memory else materialize_here
        timeout = None if job.sees_to_attempts else job.table.timeout
        future = self._executor.submit(work, job, notify=partial(self._told, job), timeout=timeout)
        future.add_done_callback(partial(self._done, job))

    def _with_memory(self, job: Job, *, notify: Callable[[Retrying], None]) -> Outcome:
        """Materialize in this process: inputs come from memory where an earlier table left them."""
        from lakehouse_cli.runner.materializing import materialize, read_input

        given = {name: self._memory.get(name, partial(read_input, job)) for name in job.tables}
        return materialize(job, given, notify)

    # These two are called in whatever thread something happens in.

    def _told(self, job: Job, note: Retrying) -> None:
        # An executor may compute in the thread of the loop, which then waits in `submit`: nobody else would tell of it
        # before the table has ended.
        self._inbox.post_at_once(partial(self._on_retrying, job.table.name, note))

    def _done(self, job: Job, future: Future[Outcome]) -> None:
        self._inbox.post(partial(self._take, job, future))

    def _take(self, job: Job, future: Future[Outcome]) -> None:
        error = future.exception()
        if error is None:
            self._end(job, future.result())
        elif isinstance(error, InputError):
            self._end(job, error)
        else:
            failure = _failure(job, error)
            if failure is None:
                self._end(job, AttemptsError(_unexpected(error), job.attempt))
            elif job.sees_to_attempts or job.attempt > job.table.retries:
                self._end(job, failure)
            else:
                self._try_again(job, failure.error)

    def _try_again(self, job: Job, error: LakehouseError) -> None:
        delay = job.table.retry_delay * 2 ** (job.attempt - 1)
        self._on_retrying(job.table.name, Retrying(job.attempt, delay, ErrorInfo.of(error)))
        again = partial(self._submit, replace(job, attempt=job.attempt + 1))
        timer = threading.Timer(delay, self._inbox.post, [again])
        timer.daemon = True
        timer.start()

    def _end(self, job: Job, ended: Ended) -> None:
        name = job.table.name
        self._memory.release(job.tables)
        if isinstance(ended, Outcome) and ended.data is not None:
            self._memory.put(name, ended.data)
        self._on_ended(name, ended)


def _failure(job: Job, raised: BaseException) -> AttemptsError | None:
    """A failed attempt as its table's error; None where it is none of those that are known."""
    if isinstance(raised, AttemptsError):
        return raised
    if isinstance(raised, WorkerTimeoutError):
        return AttemptsError(over_time(job.table), job.attempt)
    if isinstance(raised, WorkerDiedError):
        hint = "look for what ends processes in the transform, or what is out of memory; the other tables went on"
        error = TransformError(f"the process that computed `{job.table.name}` {raised}", hint=hint)
        return AttemptsError(error, job.attempt)
    return None


def _unexpected(error: BaseException) -> LakehouseError:
    """What neither the user nor the environment is known to have done, as a table's error."""
    if isinstance(error, MemoryError):
        return LakehouseError("there was not enough memory", hint="read fewer columns, or work on fewer rows at once")
    text = "".join(traceback.format_exception(error))
    return TransformError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this looks like a defect of the tool; `-v` shows the traceback to report",
        traceback=text,
    )
