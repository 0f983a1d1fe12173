"""SIGTERM and SIGHUP, which end a command at once and in order."""

from __future__ import annotations

import signal
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, Self

from lakehouse_cli.errors import Terminated


class Termination:
    """While it is entered, in the main thread, SIGTERM and SIGHUP raise `Terminated`.

    CI and containers send the one, a terminal that is closed the other. What comes again while the command is ending is
    passed over. A hangup stays ignored where the parent process has it so, as `nohup` does.

    Attributes:
        word: How a command ended that did not end by itself.
        came: Whether a signal came.
    """

    def __init__(self) -> None:
        self.word = "interrupted"
        self.came = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        with suppress(ValueError):  # not the main thread: the caller handles signals
            for number in (signal.SIGTERM, signal.SIGHUP):
                if number is signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)

    def _end(self, number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        for each in self._previous:
            signal.signal(each, signal.SIG_IGN)
        self.word, self.came = "terminated", True
        raise Terminated
