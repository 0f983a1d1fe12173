"""Tables in processes of their own: Python code runs side by side, and one that dies takes nobody with it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from lakehouse_cli.errors import system_reason
from lakehouse_cli.executors.base import WorkerDiedError, WorkerStartError, WorkerTimeoutError
from lakehouse_cli.executors.descendants import kill_descendants
from lakehouse_cli.executors.starting import can_fork, start
from lakehouse_cli.executors.threads import PutBackError, ThreadsExecutor, Work, default_workers
from lakehouse_cli.executors.worker import prepared
from lakehouse_cli.text.counts import count_text, plural

# For a process to end by itself, which it can unless something holds Python's lock.
_PATIENCE_S = 1.0
# For the system to take away one that was killed.
_LEAVING_S = 5.0
# Between two looks at whether it has ended: while it ends, and while it works and says nothing.
_PAUSE_S = 0.001
_LOOK_S = 0.5
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
        super().__init__(workers, partial(prepared, max(1, cores // workers), prepare))
        self._workers: list[_Worker | None] = [None] * workers
        # Threads whose process is loading, of those that were not started ahead.
        self._loading: set[int] = set()
        self._stopping = False
        # Whatever ends this process in between: `multiprocessing` would wait for them at its end.
        atexit.register(self.stop)
        # Forked before any thread is started: they begin with all that is loaded here.
        fork = can_fork()
        for index in range(min(workers, at_once or workers, WORKERS_PER_CORE * cores)):
            with suppress(Exception):  # it is started when it is needed, and reported then if that fails too
                self._workers[index] = _Worker(self.prepare, fork=fork)

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

    def _worker(self, index: int) -> _Worker:
        """Return the process that a thread leads, started anew if there is none."""
        worker = self._workers[index]
        if worker is None:
            if self._stopping:
                raise WorkerDiedError("was not started")
            try:
                worker = self._workers[index] = _Worker(self.prepare, fork=False)
            except OSError as error:
                # The traceback would keep open what was opened for it.
                raise WorkerStartError(system_reason(error)) from error.with_traceback(None)
        return worker

    def _give_up(self, index: int) -> None:
        worker, self._workers[index] = self._workers[index], None
        if worker is not None:
            worker.request_end()
            worker.end(time.monotonic() + _PATIENCE_S)
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
            worker.end(limit)

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


class _Worker:
    """One process and the line to it."""

    def __init__(self, prepare: Callable[[], None] | None, *, fork: bool) -> None:
        self._process = start(prepare, fork=fork)

    def compute(self, work: Work, on_begun: Callable[[], None]) -> Any:
        """Have the process do a piece of work; return or raise what it did.

        Args:
            work: The function and its arguments.
            on_begun: Called when the process has begun it.

        Raises:
            WorkerDiedError: The process ended first.
            WorkerTimeoutError: It was over its time.
        """
        limit = None
        try:
            self._process.line.send((work.fn, work.args))
            while True:
                kind, value = self._next(limit)
                if kind == "begun":
                    on_begun()
                    # Before, it may have been loading what it needs.
                    limit = None if work.timeout is None else time.monotonic() + work.timeout
                elif kind in ("stdout", "stderr"):
                    with suppress(OSError, ValueError):  # nobody reads what the function printed
                        getattr(sys, kind).write(f"{value}\n")
                elif kind == "error":
                    raise value
                else:
                    return value
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._await_end(time.monotonic() + _LEAVING_S)
            raise WorkerDiedError(_death(self._process.exit_code())) from error

    def _next(self, limit: float | None) -> tuple[str, Any]:
        """Receive the next message of the process.

        A line does not end as long as any process has it open, and one that was started past Python may. So the exit
        code is polled too; messages from before the end are still there.
        """
        while True:
            left = _LOOK_S if limit is None else min(max(limit - time.monotonic(), 0), _LOOK_S)
            ended = self._process.exit_code() is not None
            if self._process.line.poll(0 if ended else left):
                said: tuple[str, Any] = self._process.line.recv()
                return said
            if ended:
                raise EOFError
            if limit is not None and time.monotonic() >= limit:
                raise WorkerTimeoutError

    def _await_end(self, limit: float) -> None:
        """Wait for its end until a moment of the monotonic clock.

        By polling: `multiprocessing` waits for a pipe to close, which descendants of the process have open as well.
        """
        while self._process.exit_code() is None and time.monotonic() < limit:
            time.sleep(_PAUSE_S)

    def request_end(self) -> None:
        """Have the process end itself and those it started, whatever it is doing."""
        with suppress(OSError):  # it is gone
            self._process.end.send(None)

    def end(self, limit: float) -> None:
        """Wait for its end until a moment of the monotonic clock, then kill it."""
        self._await_end(limit)
        if self._process.exit_code() is None:
            kill_descendants(self._process.number)
            with suppress(ProcessLookupError):  # it has ended
                os.kill(self._process.number, signal.SIGKILL)
            self._await_end(time.monotonic() + _LEAVING_S)

    def close(self) -> None:
        """Close the line to it; for the thread that leads it, or when that has ended."""
        for connection in (self._process.line, self._process.end):
            with suppress(OSError):
                connection.close()


def _death(exit_code: int | None) -> str:
    if exit_code is None:
        return "lost its line to this one"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    memory = "; the system may have been out of memory" if exit_code == -signal.SIGKILL else ""
    return f"was killed by {name}{memory}"
