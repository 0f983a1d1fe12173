"""Ctrl-C: once to stop softly, twice to stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from lakehouse_cli.errors import Interrupted


class Interrupts:
    """While it is entered, in the main thread, the first SIGINT stops softly and the second raises.

    Args:
        stop_softly: Called at the first, in the middle of whatever the main thread does.
    """

    def __init__(self, stop_softly: Callable[[], None]) -> None:
        self._stop_softly = stop_softly
        self._previous: Any = None
        self._count = 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._count += 1
        if self._count > 1:
            raise Interrupted
        self._stop_softly()
