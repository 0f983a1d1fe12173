"""The project's code on its way to the workers of a cluster: packed once, and said where it takes its time."""

from __future__ import annotations

import threading
from collections.abc import Callable

from lakehouse_cli.executors.clusters.bundle import Bundle, megabytes
from lakehouse_cli.executors.worker_process import say_here
from lakehouse_cli.text.counts import plural

# Seconds after which it is said.
_SILENT_S = 1.0


class Sending:
    """Says to how many workers the code is being sent.

    Args:
        bundle: The code.
        lacking: The names of the workers that do not have it yet, and whether it is on its way to one.
    """

    def __init__(self, bundle: Bundle, lacking: Callable[[], tuple[set[str], bool]]) -> None:
        self._bundle, self._lacking = bundle, lacking
        self._told: set[str] = set()
        self._packing = threading.Lock()
        self._timer: threading.Timer | None = None

    def content(self) -> bytes:
        """The bundle as it travels, for one more worker."""
        if self._timer is None:
            self._timer = threading.Timer(_SILENT_S, self._say)
            self._timer.daemon = True
            self._timer.start()
        with self._packing:
            return self._bundle.packed

    def _say(self) -> None:
        self._timer = None
        lacking, is_sent = self._lacking()
        workers = lacking - self._told
        if workers and (is_sent or self._packing.locked()):
            self._told |= workers
            size = megabytes(self._bundle.size)
            say_here("stderr", f"sending the project's code ({size}) to {plural(len(workers), 'worker')}")

    def close(self) -> None:
        """Say nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
