"""Tables in processes of their own: Python code runs side by side, and one that dies takes nobody with it."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar

from msgspec import Struct

from lakehouse_cli.errors import system_reason
from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerStartError, WorkerTimeoutError
from lakehouse_cli.executors.descendants import kill_descendants
from lakehouse_cli.executors.starting import can_fork, start
from lakehouse_cli.executors.threads import NO_THREAD, could_start, default_workers
from lakehouse_cli.executors.worker import prepared
from lakehouse_cli.text.counts import count_text, plural

# For a process to see to its own end, which it can unless something holds Python's lock.
_PATIENCE_S = 1.0
# For the system to take away one that was killed.
_LEAVING_S = 5.0
# Between two looks at whether it has ended: while it ends, and while it works and says nothing.
_PAUSE_S = 0.001
_LOOK_S = 0.5
#: More processes than this for each core make nothing faster.
WORKERS_PER_CORE = 4


class Work(Struct):
    """A piece of work, and the future that waits for it."""

    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    timeout: float | None


class ProcessesExecutor(Executor):
    """Worker processes, each led by a thread here that hands it work and waits for the answer.

    A few are started ahead, no more than there will be work for at once. The others, up to `workers`, are started as
    work comes for which none is free, and only so many at once as there are cores: work that is done soon leaves the
    next piece to a process that is there.

    `concurrent.futures` gives up on all that is under way when one process of its pool dies; here that one piece of
    work fails, and the place of its process is taken by a new one.

    The processes are no daemons in the sense of `multiprocessing`, which may not start processes of their own. They end
    when they are told to or when this process is gone, and take those they started with them.
    """

    shares_memory: ClassVar[bool] = False

    def __init__(
        self, workers: int | None = None, prepare: Callable[[], None] | None = None, *, at_once: int | None = None
    ) -> None:
        cores = default_workers()
        workers = workers or cores
        prepare = partial(prepared, max(1, cores // workers), prepare)
        super().__init__(workers, prepare)
        self._changed = threading.Condition()
        self._queue: deque[Work] = deque()
        self._workers: list[_Worker | None] = [None] * workers
        self._threads: list[threading.Thread] = []
        # Pieces of work without a result; threads whose process is free; threads whose process is loading.
        self._undone = 0
        self._free = 0
        self._loading: set[int] = set()
        self._stopping = self._ending = False
        # Whatever ends this process in between: `multiprocessing` would wait for them at its end.
        atexit.register(self.stop)
        # Forked before any thread is started: they begin with all that is loaded here.
        fork = can_fork()
        self._ahead = min(workers, at_once or workers, WORKERS_PER_CORE * cores)
        for index in range(self._ahead):
            with suppress(Exception):  # it is started when it is needed, and told then if that fails too
                self._workers[index] = _Worker(prepare, fork=fork)

    @classmethod
    def note_on(cls, workers: int | None) -> str | None:
        """That more processes than a few for each core only wait for each other."""
        cores = default_workers()
        if workers is None or workers <= WORKERS_PER_CORE * cores:
            return None
        which = "one core" if cores == 1 else plural(cores, "core")
        useful = count_text(WORKERS_PER_CORE * cores)
        return f"{plural(workers, 'worker')} share {which}: more than {useful} take memory, not less time"

    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Have the next free process run `fn`."""
        future: Future[Any] = Future()
        with self._changed:
            for index in range(len(self._threads), min(max(self._undone + 1, self._ahead), self.workers)):
                thread = threading.Thread(target=self._lead, args=(index,), name=f"lakehouse {index + 1}", daemon=True)
                if not could_start(thread):
                    break
                self._threads.append(thread)
            if self._threads:
                self._undone += 1
                self._queue.append(Work(future, fn, args, timeout))
                self._changed.notify_all()
            else:
                future.set_exception(WorkerStartError(NO_THREAD))
        return future

    def _lead(self, index: int) -> None:
        while (work := self._take(index)) is not None:
            result, failure = None, None
            try:
                worker = self._worker(index)
                result = worker.compute(work.fn, work.args, work.timeout, partial(self._has_begun, index))
            except BaseException as error:  # noqa: BLE001  # the future carries it to whoever asks for the result
                if isinstance(error, WorkerDiedError | WorkerTimeoutError) and not self._stopping:
                    self._give_up(index)
                if isinstance(error, WorkerStartError) and any(self._workers):
                    # The system allows no more of them; those that there are do as well.
                    self._put_back(index, work)
                    return
                failure = error
            with self._changed:
                self._undone -= 1
            self._has_begun(index)
            if failure is not None:
                work.future.set_exception(failure)
            else:
                work.future.set_result(result)
            del work, result, failure

    def _take(self, index: int) -> Work | None:
        """Wait for a piece of work; None when there is no more.

        A thread without a process leaves it to those that have a free one.
        """
        with self._changed:
            has_process = self._workers[index] is not None
            self._free += has_process
            self._changed.wait_for(lambda: self._may_take(has_process) if self._queue else self._ending)
            self._free -= has_process
            if not self._queue:
                return None
            if not has_process:
                self._loading.add(index)
            return self._queue.popleft()

    def _put_back(self, index: int, work: Work) -> None:
        with self._changed:
            self._queue.appendleft(work)
            self._loading.discard(index)
            self._changed.notify_all()

    def _may_take(self, has_process: bool) -> bool:
        wanted = len(self._queue) > self._free and len(self._loading) < default_workers()
        return has_process or wanted or self._stopping

    def _has_begun(self, index: int) -> None:
        """Let another process be started: the one of this thread has loaded what it needs, or does not live."""
        with self._changed:
            if index in self._loading:
                self._loading.discard(index)
                self._changed.notify_all()

    def _worker(self, index: int) -> _Worker:
        """The process that a thread leads, started anew where there is none."""
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
        worker, self._workers[index] = self._worker(index), None
        worker.tell_to_end()
        worker.end(time.monotonic() + _PATIENCE_S)
        worker.close()

    def stop(self) -> None:
        """End the processes; what they were writing was not published."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._end_all()

    def _end_all(self) -> None:
        workers = [worker for worker in self._workers if worker is not None]
        for worker in workers:
            worker.tell_to_end()
        limit = time.monotonic() + _PATIENCE_S
        for worker in workers:
            worker.end(limit)

    def shutdown(self) -> None:
        """End the processes and let the threads end."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)
        self._end_all()
        for index, worker in enumerate(self._workers):
            if worker is not None and not (index < len(self._threads) and self._threads[index].is_alive()):
                worker.close()
        self._threads.clear()
        atexit.unregister(self.stop)


class _Worker:
    """One process and the line to it."""

    def __init__(self, prepare: Callable[[], None] | None, *, fork: bool) -> None:
        self._process = start(prepare, fork=fork)

    def compute(
        self, fn: Callable[..., Any], args: tuple[Any, ...], timeout: float | None, on_begun: Callable[[], None]
    ) -> Any:
        """Have the process run a function, and say when it has begun to; returns or raises what it did.

        Raises:
            WorkerDiedError: The process ended first.
            WorkerTimeoutError: It was over its time.
        """
        limit = None
        try:
            self._process.line.send((fn, args))
            while True:
                kind, value = self._next(limit)
                if kind == "begun":
                    on_begun()
                    # Before, it may have been loading what it needs.
                    limit = None if timeout is None else time.monotonic() + timeout
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
        """What the process says next.

        A line is not at its end as long as any process holds it, and one that was started past Python may. So the
        process itself is looked at too; what it had said before it ended is still there.
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

        By looking: `multiprocessing` waits for a pipe to close, which whatever the process has started holds as well.
        """
        while self._process.exit_code() is None and time.monotonic() < limit:
            time.sleep(_PAUSE_S)

    def tell_to_end(self) -> None:
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
        """Let go of the line to it; for the thread that leads it, or when that has ended."""
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
