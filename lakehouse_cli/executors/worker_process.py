"""A worker process, as its leader sees it: the lines to it, its work and its end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from msgspec import Struct

from lakehouse_cli.executors.base import (
    MAYBE_MEMORY,
    WorkerDiedError,
    WorkerKilledError,
    WorkerTimeoutError,
    WorkUnwantedError,
)
from lakehouse_cli.executors.descendants import kill_descendants
from lakehouse_cli.executors.progress import tell
from lakehouse_cli.executors.threads import Work
from lakehouse_cli.text.printing import PipedLines

# For the system to take away one that was killed.
_LEAVING_S = 5.0
# Between two looks at whether it has ended: while it ends, and while it works and says nothing.
_PAUSE_S = 0.001
_LOOK_S = 0.5


def say_here(kind: str, value: Any) -> None:
    """Print what a process printed, or tell the listener of this one how far it is."""
    if kind == "progress":
        tell(*value)
    else:
        with suppress(OSError, ValueError):  # nobody reads what the function printed
            getattr(sys, kind).write(f"{value}\n")


def always() -> bool:
    """Whether work is wanted that nobody takes back."""
    return True


class WrittenLines:
    """What a process, and those that it starts, write to stdout and stderr past Python.

    It is read here, so that what a process wrote just before it died is there too.

    Attributes:
        descriptors: What the process is given as stdout and stderr.

    Raises:
        OSError: There can be no more pipes.
    """

    def __init__(self) -> None:
        self._say: Callable[[str, Any], None] | None = None
        self._pipes = [PipedLines(partial(self._take, kind)) for kind in ("stdout", "stderr")]
        self.descriptors = self._pipes[0].descriptor, self._pipes[1].descriptor

    def _take(self, kind: str, line: str) -> None:
        if (say := self._say) is not None:
            with suppress(Exception):  # who does not read on would have the process wait for ever
                say(kind, line)

    @contextmanager
    def said(self, say: Callable[[str, Any], None]) -> Iterator[None]:
        """Say the lines that are written within the block; others are dropped, as they belong to no work."""
        self._say = say
        try:
            yield
        finally:
            for pipe in self._pipes:
                pipe.end_lines()
            self._say = None

    def close(self) -> None:
        """Read no more."""
        for pipe in self._pipes:
            pipe.close()


class WorkerProcess(Struct, frozen=True):
    """A process that was started.

    Attributes:
        line: Takes work to it and brings its answers.
        end: Ends it, by a message or as it closes.
        number: The system's.
        exit_code: Returns its exit code: minus the signal that killed it, None while it lives.
        written: What it writes past Python; None where that goes to where this process writes.
    """

    line: Connection
    end: Connection
    number: int
    exit_code: Callable[[], int | None]
    written: WrittenLines | None = None

    def compute(
        self,
        work: Work,
        on_begun: Callable[[], None],
        say: Callable[[str, Any], None] = say_here,
        is_wanted: Callable[[], bool] = always,
    ) -> Any:
        """Have the process do a piece of work; return or raise what it did.

        Args:
            work: The function and its arguments.
            on_begun: Called when the process has begun it.
            say: Takes what it prints (`stdout`, `stderr`), line by line, and how far it is (`progress`); in several
                threads where what it writes past Python is taken.
            is_wanted: Asked now and then whether somebody still waits for the work.

        Raises:
            WorkerDiedError: The process ended first.
            WorkerTimeoutError: It was over its time.
            WorkUnwantedError: Nobody waits for it any more.
        """
        with nullcontext() if self.written is None else self.written.said(say):
            return self._compute(work, on_begun, say, is_wanted)

    def _compute(
        self, work: Work, on_begun: Callable[[], None], say: Callable[[str, Any], None], is_wanted: Callable[[], bool]
    ) -> Any:
        limit = None
        looked = time.monotonic()
        try:
            self.line.send((work.fn, work.args))
            while True:
                kind, value = self._next(limit, is_wanted)
                if kind == "begun":
                    on_begun()
                    # Before, it may have been loading what it needs.
                    limit = None if work.timeout is None else time.monotonic() + work.timeout
                elif kind in ("progress", "stdout", "stderr"):
                    say(kind, value)
                    # One that says something all the time is over its time as well, and unwanted.
                    if (now := time.monotonic()) - looked > _LOOK_S:
                        looked = now
                        self._go_on(limit, is_wanted)
                else:
                    break
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._await_end(time.monotonic() + _LEAVING_S)
            code = self.exit_code()
            error_type = WorkerKilledError if code == -signal.SIGKILL else WorkerDiedError
            raise error_type(_death(code)) from error
        if kind == "error":
            raise value
        return value

    def _next(self, limit: float | None, is_wanted: Callable[[], bool]) -> tuple[str, Any]:
        """Receive the next message of the process.

        A line does not end as long as any process has it open, and one that was started past Python may. So the exit
        code is polled too; messages from before the end are still there.
        """
        while True:
            left = _LOOK_S if limit is None else min(max(limit - time.monotonic(), 0), _LOOK_S)
            ended = self.exit_code() is not None
            if self.line.poll(0 if ended else left):
                said: tuple[str, Any] = self.line.recv()
                return said
            if ended:
                raise EOFError
            self._go_on(limit, is_wanted)

    def _go_on(self, limit: float | None, is_wanted: Callable[[], bool]) -> None:
        if limit is not None and time.monotonic() >= limit:
            raise WorkerTimeoutError
        if not is_wanted():
            raise WorkUnwantedError

    def _await_end(self, limit: float) -> None:
        """Wait for its end until a moment of the monotonic clock.

        By polling: `multiprocessing` waits for a pipe to close, which descendants of the process have open as well.
        """
        while self.exit_code() is None and time.monotonic() < limit:
            time.sleep(_PAUSE_S)

    def request_end(self) -> None:
        """Have the process end itself and those it started, whatever it is doing."""
        with suppress(OSError):  # it is gone
            self.end.send(None)

    def kill_after(self, limit: float) -> None:
        """Wait for its end until a moment of the monotonic clock, then kill it."""
        self._await_end(limit)
        if self.exit_code() is None:
            kill_descendants(self.number)
            with suppress(ProcessLookupError):  # it has ended
                os.kill(self.number, signal.SIGKILL)
            self._await_end(time.monotonic() + _LEAVING_S)

    def close(self) -> None:
        """Close the line to it; for the thread that leads it, or when that has ended."""
        for connection in (self.line, self.end):
            with suppress(OSError):
                connection.close()
        if self.written is not None:
            self.written.close()


def _death(exit_code: int | None) -> str:
    if exit_code is None:
        return "lost its line to this one"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"was killed by {name}{MAYBE_MEMORY if exit_code == -signal.SIGKILL else ''}"
