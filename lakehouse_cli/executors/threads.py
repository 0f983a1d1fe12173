"""Tables in threads of this process: reading, writing and Arrow's work go on side by side, and memory is shared."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerStartError
from lakehouse_cli.text.printing import end_printed_line


class Work(NamedTuple):
    """A piece of work, and the future that waits for it."""

    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    timeout: float | None


class PutBackError(Exception):
    """A thread cannot do a piece of work and ends; another one takes it."""


def default_workers() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ThreadsExecutor(Executor):
    """Daemon threads, started as there is work for them, up to `workers`.

    Python's own pool joins its threads when the interpreter ends, so that a second Ctrl-C would wait for whatever a
    transform is doing; these end with the process.
    """

    def __init__(
        self, workers: int | None = None, prepare: Callable[[], None] | None = None, *, at_once: int | None = None
    ) -> None:
        super().__init__(workers or default_workers(), prepare, at_once=at_once)
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._undone = 0
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Have the next free thread run `fn`."""
        work = Work(Future(), fn, args, timeout)
        with self._lock:
            self._undone += 1
            self._start_threads()
        if self._threads:
            self._queue.put(work)
        else:  # with one thread, all is computed, one after the other
            self._end(work, None, WorkerStartError("the system allows no more threads"))
        return work.future

    def _start_threads(self) -> None:
        """Start threads for work that has none; called with the lock."""
        while len(self._threads) < min(self._undone, self.workers) and self._may_start(len(self._threads)):
            index = len(self._threads)
            thread = threading.Thread(target=self._serve, args=(index,), name=f"lakehouse {index + 1}", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the system allows no more
                return
            self._threads.append(thread)

    def _may_start(self, index: int) -> bool:
        """Whether a thread may be started now."""
        del index
        return True

    def _serve(self, index: int) -> None:
        while (work := self._queue.get()) is not None:
            result, failure = None, None
            try:
                result = self._compute(index, work)
            except PutBackError:
                self._queue.put(work)
                return
            except BaseException as error:  # noqa: BLE001  # the future carries it to the caller
                failure = error
            end_printed_line()
            self._end(work, result, failure)
            del work, result, failure

    def _compute(self, index: int, work: Work) -> Any:
        """Compute a piece of work in a thread."""
        del index
        return work.fn(*work.args)

    def _end(self, work: Work, result: Any, failure: BaseException | None) -> None:
        with self._lock:
            self._undone -= 1
        if failure is not None:
            work.future.set_exception(failure)
        else:
            work.future.set_result(result)

    def stop(self) -> None:
        """Begin nothing more; what is under way in a thread cannot be ended."""
        while not self._queue.empty():
            with suppress(Empty):  # a thread was first
                work = self._queue.get_nowait()
                if work is None:  # shut down already
                    self._queue.put(work)
                    return
                self._end(work, None, WorkerDiedError("was not started"))

    def shutdown(self) -> None:
        """Let the threads end."""
        for _ in self._threads:
            self._queue.put(None)
        self._threads.clear()
