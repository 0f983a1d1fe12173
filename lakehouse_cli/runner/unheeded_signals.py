"""Signals that end a run whose main thread is in a library, where Python handles none of them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lakehouse_cli.executors.forks import end_process
from lakehouse_cli.runs.exits import undo_unfinished

# Seconds that the main thread has to leave the work on tables; it takes none where Python code is at work. And those
# that it has to end the run in order, which may wait for what such work holds, such as the lock of a database.
_PATIENCE_S = 5.0
_DONE = b"\0"
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "terminated"}


@contextmanager
def left_where_unheeded() -> Iterator[Callable[[], None]]:
    """Leave the process, with exit code 130, where it is still entered seconds after a signal that is to end it.

    Yields what is to be called once the work on tables was left, and the run is only to end: it has as long again.

    Such are the second SIGINT, SIGTERM and SIGHUP. Python handles signals between its instructions, and a query of
    DuckDB is one, which may also drop what a handler raises. But Python writes their numbers to a file as they come,
    which a thread reads. To be entered in the main thread.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    left, done = threading.Event(), threading.Event()
    watch = threading.Thread(target=_watch, args=(reading, left, done), name="signals", daemon=True)
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watch.start()
    try:
        yield left.set
    finally:
        left.set()
        done.set()
        with suppress(ValueError, OSError):  # of code that has closed it since
            signal.set_wakeup_fd(previous)
        with suppress(BlockingIOError):
            os.write(writing, _DONE)  # forked processes may have it open too
        watch.join()
        os.close(writing)
        os.close(reading)


def _watch(reading: int, left: threading.Event, done: threading.Event) -> None:
    interruptions = 0
    while (byte := os.read(reading, 1)) not in (b"", _DONE):
        interruptions += byte[0] == signal.SIGINT
        ends = byte[0] in _WORDS and (byte[0] != signal.SIGINT or interruptions > 1)
        if ends and not (left.wait(_PATIENCE_S) and done.wait(_PATIENCE_S)):
            undo_unfinished()
            with suppress(OSError):
                os.write(2, f"\n{_WORDS[signal.Signals(byte[0])]}\n".encode())
            end_process(130)


def _forget_in_child() -> None:
    with suppress(ValueError):
        signal.set_wakeup_fd(-1)  # it would write to the parent's


os.register_at_fork(after_in_child=_forget_in_child)
