"""A run in a process of its own, read as its events while it goes on.

What starts a run from within another program has threads, signals and an environment of its own. The command line has
answers to all of these, and ends a run in order when it is asked to, which a thread cannot.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any, Self

from msgspec import Struct, convert

from lakehouse_cli.errors import LakehouseError, Problem, ProjectError
from lakehouse_cli.runs.event_json import Ending, Line, read_line
from lakehouse_cli.runs.events import TableFinished

#: The options of `lakehouse run`: what sets them in the environment would change what was asked for.
OPTIONS = (
    *("SELECTION", "SELECT", "EXCLUDE", "PROJECT_DIR", "MODULE", "ENV", "OUTPUT", "QUIET", "VERBOSE"),
    *("DEFER", "FORCE", "FAIL_FAST", "FAILED", "WORKERS", "EXECUTOR", "WAIT", "WATCH", "LOG_FORMAT", "REPORTER"),
    *("DRY_RUN", "PARAM", "REPLAY", "TOGETHER", "WARNINGS_AS_ERRORS"),
    *("PARTITION", "AS_OF", "MAX_PARTITIONS", "NEWEST_FIRST"),
)
# Seconds between two looks whether the process is still there, while it is silent.
_LOOK_S = 1.0
# Seconds that a process has which is asked to end; tables under way are given up at once.
_PATIENCE_S = 30.0
_LAST_LINES = 20


class Message(Struct, frozen=True):
    """A line that is no event of the run.

    Attributes:
        text: What was said.
        is_printed: Whether a transform printed it, or a program that it started; else the run itself says it.
    """

    text: str
    is_printed: bool


def without_options() -> dict[str, str]:
    """The environment of this process, but for what sets options of the command line."""
    return {name: value for name, value in os.environ.items() if name not in _OPTION_VARIABLES}


class RunProcess:
    """`lakehouse run` as a process, which ends with the block that it is entered for.

    Its events come by a pipe, so that it goes on no faster than they are taken. It waits for another run of the project
    and environment. What it prints for people goes to stdout.

    Args:
        arguments: Of the command line, but for the command itself: which project, environment and tables.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        # Without `-P`, modules in the current folder would come before those that are installed.
        command = [sys.executable, "-P", "-m", "lakehouse_cli", "run", "--wait", "--log-format", "json", *arguments]
        # Of a group of its own, so that Ctrl-C reaches it by this process alone, which knows of it then.
        self._process = subprocess.Popen(  # noqa: S603  # the names of tables are no options
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=without_options(), process_group=0
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._end()
        self._stderr.close()

    def events(self) -> Iterator[Line | Message]:
        """Each event as it happens, each table's end once, and what is said between them.

        Raises:
            LakehouseError: Nothing ran, in the words of the command line; or the process ended without a word.
        """
        said: list[str] = []
        finished: set[str] = set()
        for line in self._lines():
            found = _read(line)
            if isinstance(found, LakehouseError):
                raise found
            if isinstance(found, TableFinished):
                if found.result.name in finished:  # a run that is terminated in the middle of an event says it again
                    continue
                finished.add(found.result.name)
            yield found
            if isinstance(found, Ending):
                self._stderr.close()  # what a program left behind has it open may go on for long
                self._process.wait()
                return
            if isinstance(found, Message):
                said = [*said, found.text][-_LAST_LINES:]
        raise _ended_early(self._process.wait(), said)

    @property
    def _stderr(self) -> IO[bytes]:
        assert self._process.stderr is not None  # noqa: S101  # it is a pipe
        return self._process.stderr

    def _lines(self) -> Iterator[bytes]:
        descriptor, rest, is_last = self._stderr.fileno(), b"", False
        pipe = select.poll()
        pipe.register(descriptor, select.POLLIN)
        while True:
            if not pipe.poll(0 if is_last else _LOOK_S * 1000):
                if is_last:  # it is gone, and what it started has the pipe
                    break
                is_last = self._process.poll() is not None
                continue
            read = os.read(descriptor, 65536)
            if not read:
                break
            *lines, rest = (rest + read).split(b"\n")
            yield from lines
        if rest:
            yield rest

    def _end(self) -> None:
        """End the process as Ctrl-C twice does: nothing more is published, and nothing is left half-written.

        What interrupts this meanwhile changes nothing: Ctrl-C in a terminal reaches several processes, which then
        interrupt each other too.
        """
        self._stderr.close()  # else it might wait to be read
        self._process.terminate()
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._process.wait(max(until - time.monotonic(), 0))
                return
            except subprocess.TimeoutExpired:
                self._process.kill()
            except BaseException:  # noqa: BLE001, S112  # the first interruption is the one that is raised
                continue


_OPTION_VARIABLES = {f"LAKEHOUSE_{name}" for name in OPTIONS}


def _read(line: bytes) -> Line | Message | LakehouseError:
    try:
        document: Any = json.loads(line)
        event = document["event"]
        if event == "printed":
            return Message(document["text"], True)
        if event == "error":
            return _error(document["error"])
        if event in ("run_waiting", "run_trouble"):
            return Message(document["message"], False)
        found = read_line(line)
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    return found or Message(line.decode(errors="replace").rstrip("\r"), True)


def _error(document: Any) -> LakehouseError:
    """The error that the command line reported; a project's with all its problems."""
    found = [{**each, "location": each if each["file"] else None} for each in document["problems"]]
    problems = convert(found, list[Problem])
    if document["type"] == ProjectError.__name__:
        return ProjectError(problems)
    return LakehouseError(document["message"], hint=problems[0].hint, location=problems[0].location)


def _ended_early(code: int, said: Sequence[str]) -> LakehouseError:
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    last = "".join(f"\n{line}" for line in said)
    return LakehouseError(f"the run {how} before it was done{last}", hint="tables it had not stored are as they were")
