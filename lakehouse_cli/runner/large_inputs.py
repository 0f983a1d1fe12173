"""Turns of the transforms whose inputs are large and in memory as a whole: half of the workers at once, for a while.

What such a transform makes is often as large again. Much of what pandas does holds Python's lock, so that two of them
side by side take the memory of both and hardly less time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore

# Bytes of inputs from which on a transform takes turns.
_LARGE = 1 << 28
# Bytes of inputs that are read in a second, where this run did not read them.
_PER_SECOND = 1 << 28
# How many times as long as reading its inputs takes it waits: another one may take hours.
_TIMES = 4


class Turns:
    """The turns of the transforms of one process.

    Args:
        workers: How many are called at once.
    """

    def __init__(self, workers: int) -> None:
        self._free = Semaphore(max(1, workers // 2))

    @contextmanager
    def turn(self, size: int, reading: float) -> Iterator[None]:
        """Wait for the turn of a transform.

        Args:
            size: Bytes of its inputs.
            reading: Seconds that reading them took; next to nothing where they were in memory.
        """
        came = size >= _LARGE and self._free.acquire(timeout=_TIMES * max(reading, size / _PER_SECOND))
        try:
            yield
        finally:
            if came:
                self._free.release()
