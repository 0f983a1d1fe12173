"""Tables in threads of this process: reading, writing and Arrow's work go on side by side, and memory is shared."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerStartError

Work = tuple[Future[Any], Callable[[], Any]]
#: Why nothing is computed where not one thread could be started; with one, all is, one after the other.
NO_THREAD = "the system allows no more threads"


def default_workers() -> int:
    """As many as this process may use processors."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def could_start(thread: threading.Thread) -> bool:
    """Start a thread; returns whether the system allows one more."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


class ThreadsExecutor(Executor):
    """A fixed number of daemon threads.

    Python's own pool joins its threads when the interpreter ends, so that a second Ctrl-C would wait for whatever a
    transform is doing; these end with the process.
    """

    def __init__(
        self, workers: int | None = None, prepare: Callable[[], None] | None = None, *, at_once: int | None = None
    ) -> None:
        super().__init__(workers or default_workers(), prepare, at_once=at_once)
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Have the next free thread run `fn`."""
        del timeout
        if len(self._threads) < self.workers:
            thread = threading.Thread(target=self._serve, name=f"lakehouse {len(self._threads) + 1}", daemon=True)
            if could_start(thread):
                self._threads.append(thread)
        future: Future[Any] = Future()
        if self._threads:
            self._queue.put((future, partial(fn, *args)))
        else:
            future.set_exception(WorkerStartError(NO_THREAD))
        return future

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            future, compute = work
            try:
                result = compute()
            except BaseException as error:  # noqa: BLE001  # the future carries it to whoever asks for the result
                future.set_exception(error)
            else:
                future.set_result(result)
            del work, future, compute
            result = None

    def stop(self) -> None:
        """Begin nothing more; what is under way in a thread cannot be ended."""
        while not self._queue.empty():
            with suppress(Empty):  # a thread was first
                work = self._queue.get_nowait()
                if work is None:  # shut down already
                    self._queue.put(work)
                    return
                work[0].set_exception(WorkerDiedError("was not started"))

    def shutdown(self) -> None:
        """Let the threads end."""
        for _ in self._threads:
            self._queue.put(None)
        self._threads.clear()
