"""Lines at the end of a terminal that are redrawn in place, while others are written above them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

_PAUSE_S = 1 / 8
_UP, _CLEAR_LINE, _CLEAR_BELOW, _RESET = "\x1b[{}A", "\x1b[2K", "\x1b[J", "\x1b[0m"
_STYLE = re.compile(r"\x1b\[[0-9;:]*m")
# Escape sequences, and other characters that do more than to stand there.
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)|[\x00-\x1f\x7f-\x9f]")
_TAB = 8


class LiveRegion:
    """Lines that are redrawn eight times a second, in a thread of its own, until it is closed, which takes them away.

    Args:
        stream: A terminal.
        lines: Returns them, none wider than the screen and together less than its height; called in any thread.
        color: Whether what is written above them keeps its styles.
    """

    def __init__(self, stream: TextIO, lines: Callable[[], Sequence[str]], *, color: bool) -> None:
        self._stream = stream
        self._lines = lines
        self._color = color
        self._drawn: Sequence[str] = ()
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._redraw, name="lakehouse table", daemon=True)
        self._draw()
        self._thread.start()

    def write_above(self, line: str) -> None:
        """Write a line above them, which stays; called in any thread."""
        line = f"{plain_line(line, color=self._color)}\n"
        with self._lock, suppress(OSError, ValueError):  # no error of who prints
            if self._closed.is_set():
                self._put(line)
            else:
                self._draw(line)

    def close(self) -> None:
        """Take the lines away, and draw no more."""
        self._closed.set()
        with self._lock:
            self._put(self._up() + _CLEAR_BELOW)
            self._drawn = ()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _redraw(self) -> None:
        while not self._closed.wait(_PAUSE_S):
            with self._lock, suppress(OSError, ValueError):  # nobody looks; the events meet it, too
                if not self._closed.is_set():
                    self._draw()

    def _draw(self, above: str = "") -> None:
        lines = self._lines()
        if above:
            begin = f"{self._up()}{_CLEAR_BELOW}{above}"
        elif lines == self._drawn:
            return
        else:
            begin = self._up()
        text = "".join([f"{_CLEAR_LINE}{line}\n" for line in lines])
        end = _CLEAR_BELOW if len(lines) < len(self._drawn) else ""
        # One call, so that no half of it is seen.
        self._put(f"{begin}{text}{end}")
        self._drawn = lines

    def _up(self) -> str:
        return "\r" + (_UP.format(len(self._drawn)) if self._drawn else "")

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def plain_line(text: str, *, color: bool) -> str:
    r"""A line as a terminal ends up showing it, without what moves the cursor; its styles end with it.

    >>> plain_line("10 %\r20 %\x1b[K", color=True)
    '20 %'
    """
    text = text.rstrip("\r").rpartition("\r")[2].expandtabs(_TAB)
    styled = color and _STYLE.search(text) is not None
    text = _CONTROL.sub(lambda found: found[0] if styled and _STYLE.fullmatch(found[0]) else "", text)
    return f"{text}{_RESET}" if styled else text
