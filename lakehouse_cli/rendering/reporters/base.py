"""The seam of reporters: readers of a run's events."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod

from lakehouse_cli.runs.events import Event


class Pace:
    """When something that goes on is worth another line of a log.

    Args:
        pause_s: Seconds between two lines, and before the first.
    """

    def __init__(self, pause_s: float = 10.0) -> None:
        self._pause_s = pause_s
        self._last: dict[str, float] = {}

    def is_due(self, name: str) -> bool:
        """Whether it is; then the next one is that many seconds later."""
        now = time.monotonic()
        if now - self._last.setdefault(name, now) < self._pause_s:
            return False
        self._last[name] = now
        return True


class Reporter(ABC):
    """Shows or records what happens in a run."""

    @abstractmethod
    def handle(self, event: Event) -> None:
        """Take the next event; called in the thread of the run, in the order things happen."""

    def close(self) -> None:
        """The run is over, however it ended; called once, also where no `RunFinished` came."""
        return
