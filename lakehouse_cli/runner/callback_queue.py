"""The one way into the loop from elsewhere: from threads of the executor, timers, signal handlers."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

# A signal that comes in the instant before the wait begins does not end it; its handler runs when the wait is over.
_LONGEST_WAIT_S = 0.5


class CallbackQueue:
    """Callbacks that wait for the thread of the loop, which calls them one after the other."""

    def __init__(self) -> None:
        self._callbacks: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def post(self, callback: Callable[[], None]) -> None:
        """Add a callback, from any thread and in the middle of anything."""
        self._callbacks.put(callback)

    def call_next(self) -> None:
        """Wait for the next callback and call it."""
        while True:
            try:
                callback = self._callbacks.get(timeout=_LONGEST_WAIT_S)
            except Empty:
                continue
            return callback()

    def call_all(self) -> None:
        """Call all that wait now."""
        while not self._callbacks.empty():
            self.call_next()
