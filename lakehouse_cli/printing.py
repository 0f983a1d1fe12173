"""What transforms print, taken line by line, so that it does not run into what we write ourselves."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from typing import Any, TextIO


class PrintedLines(io.TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr` and hands on whole lines, those of several threads not mixed.

    In a process forked from the one that made it, everything goes to the stream itself.

    Args:
        put: Given each line, without its newline.
        stream: The stream that `fileno`, `buffer` and the like are about.
    """

    def __init__(self, put: Callable[[str], None], stream: TextIO) -> None:
        self._put = put
        self._stream = stream
        self._begun: dict[int, str] = {}
        self._lock = threading.RLock()
        self._owner = os.getpid()

    def write(self, text: str) -> int:
        """Take a text; what has no newline yet waits for it."""
        if os.getpid() != self._owner:
            return self._stream.write(text)
        thread = threading.get_ident()
        with self._lock:
            *lines, rest = (self._begun.pop(thread, "") + text).split("\n")
            if rest:
                self._begun[thread] = rest
            for line in lines:
                self._put(line)
        return len(text)

    def end_lines(self) -> None:
        """Hand on what has no newline as if it had."""
        with self._lock:
            begun, self._begun = self._begun, {}
            for line in begun.values():
                self._put(line)

    def flush(self) -> None:
        """Whole lines were handed on already; the rest waits for its newline."""
        if os.getpid() != self._owner:
            self._stream.flush()

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        # `buffer`, `reconfigure` and what else there may be.
        return getattr(self._stream, name)
