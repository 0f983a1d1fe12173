"""Ctrl-C: once to stop softly, twice to stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType

from lakehouse_cli.errors import Interrupted


@contextmanager
def soft_interrupts(stop_softly: Callable[[], None]) -> Iterator[None]:
    """In the main thread, call `stop_softly` at the first SIGINT, in the middle of anything; raise at the second."""
    interrupts = count()

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        if next(interrupts):
            raise Interrupted
        stop_softly()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        if previous is not None:  # it was not of Python's
            signal.signal(signal.SIGINT, previous)
