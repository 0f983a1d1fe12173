"""Tables in processes of their own: Python code runs side by side, and one that dies takes nobody with it."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from lakehouse_cli.executors.base import WorkerDiedError, WorkerStartError, WorkerTimeoutError
from lakehouse_cli.executors.start_methods import can_fork, start
from lakehouse_cli.executors.threads import PutBackError, ThreadsExecutor, Work, default_workers
from lakehouse_cli.executors.worker import prepared
from lakehouse_cli.executors.worker_process import WorkerProcess
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.counts import count_text, plural

# For a process to end by itself, which it can unless something holds Python's lock.
_PATIENCE_S = 1.0
#: More processes than this for each core make nothing faster.
WORKERS_PER_CORE = 4


class ProcessesExecutor(ThreadsExecutor):
    """Threads that each lead a worker process: hand it work and wait for the answer.

    A few processes are started ahead, no more than there will be work for at once. The others, up to `workers`, are
    started as work comes, and only so many at once as there are cores: work that is done soon leaves the next piece to
    a process that is there.

    `concurrent.futures` gives up on all that is under way when one process of its pool dies; here that one piece of
    work fails, and the place of its process is taken by a new one.

    The processes are no daemons in the sense of `multiprocessing`, which may not start processes of their own. They end
    on request or when this process is gone, and take those they started with them.
    """

    shares_memory: ClassVar[bool] = False

    def __init__(
        self, workers: int | None = None, prepare: Callable[[], None] | None = None, *, at_once: int | None = None
    ) -> None:
        cores = default_workers()
        workers = workers or cores
        super().__init__(workers, partial(prepared, max(1, cores // min(workers, at_once or workers)), prepare))
        self._workers: list[WorkerProcess | None] = [None] * workers
        # Threads whose process is loading, of those that were not started ahead.
        self._loading: set[int] = set()
        self._stopping = False
        # Whatever ends this process in between: `multiprocessing` would wait for them at its end.
        atexit.register(self.stop)
        # Forked before any thread is started: they begin with all that is loaded here.
        fork = can_fork()
        for index in range(min(workers, at_once or workers, WORKERS_PER_CORE * cores)):
            with suppress(Exception):  # it is started when it is needed, and reported then if that fails too
                self._workers[index] = start(self.prepare, fork=fork)

    @classmethod
    def note_on(cls, workers: int | None) -> str | None:
        """Advise against more processes than a few for each core, which only wait for each other."""
        cores = default_workers()
        if workers is None or workers <= WORKERS_PER_CORE * cores:
            return None
        which = "one core" if cores == 1 else plural(cores, "core")
        useful = count_text(WORKERS_PER_CORE * cores)
        return f"{plural(workers, 'worker')} share {which}: more than {useful} take memory, not less time"

    def _may_start(self, index: int) -> bool:
        if self._workers[index] is None:
            if len(self._loading) >= default_workers():
                return False
            self._loading.add(index)
        return True

    def _compute(self, index: int, work: Work) -> Any:
        try:
            return self._worker(index).compute(work, partial(self._has_begun, index))
        except WorkerStartError as error:
            if any(self._workers):
                # The system allows no more of them; those that there are do as well.
                raise PutBackError from error
            raise
        except (WorkerDiedError, WorkerTimeoutError):
            if not self._stopping:
                self._give_up(index)
            raise
        finally:
            self._has_begun(index)

    def _has_begun(self, index: int) -> None:
        """Let another process be started: the one of this thread has loaded what it needs, or does not live."""
        if index in self._loading:
            with self._lock:
                self._loading.discard(index)
                self._start_threads()

    def _worker(self, index: int) -> WorkerProcess:
        """Return the process that a thread leads, started anew if there is none."""
        worker = self._workers[index]
        if worker is None:
            if self._stopping:
                raise WorkerDiedError("was not started")
            try:
                worker = self._workers[index] = start(self.prepare, fork=False)
            except OSError as error:
                # The traceback would keep open what was opened for it.
                raise WorkerStartError(system_reason(error)) from error.with_traceback(None)
        return worker

    def _give_up(self, index: int) -> None:
        worker, self._workers[index] = self._workers[index], None
        if worker is not None:
            worker.request_end()
            worker.kill_after(time.monotonic() + _PATIENCE_S)
            worker.close()

    def stop(self) -> None:
        """End the processes; what they were writing was not published."""
        self._stopping = True
        super().stop()
        self._end_all()

    def _end_all(self) -> None:
        workers = [worker for worker in self._workers if worker is not None]
        for worker in workers:
            worker.request_end()
        limit = time.monotonic() + _PATIENCE_S
        for worker in workers:
            worker.kill_after(limit)

    def shutdown(self) -> None:
        """End the processes and let the threads end."""
        threads = self._threads.copy()
        super().shutdown()
        for thread in threads:
            thread.join(timeout=5)
        self._end_all()
        for index, worker in enumerate(self._workers):
            if worker is not None and not (index < len(threads) and threads[index].is_alive()):
                worker.close()
        atexit.unregister(self.stop)
