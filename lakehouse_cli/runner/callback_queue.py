"""The one way into the loop for what happens elsewhere: in threads of the executor, in timers, in signal handlers."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue

# A signal that comes in the instant before the wait begins does not end it; its handler runs when the wait is over.
_LONGEST_WAIT_S = 0.5

#: What the loop is to do about something that happened.
Callback = Callable[[], None]


class CallbackQueue:
    """Acts that wait for the thread of the loop, which carries them out one after the other."""

    def __init__(self) -> None:
        self._acts: SimpleQueue[Callback] = SimpleQueue()

    def post(self, act: Callback) -> None:
        """Leave an act, from any thread and in the middle of anything."""
        self._acts.put(act)

    def carry_out_next(self) -> None:
        """Wait for the next act and carry it out."""
        while True:
            try:
                act = self._acts.get(timeout=_LONGEST_WAIT_S)
            except Empty:
                continue
            return act()

    def carry_out_all(self) -> None:
        """Carry out all that wait now."""
        while not self._acts.empty():
            self.carry_out_next()
