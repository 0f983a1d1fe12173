"""A command in a process of its own, whose output is read while it goes on."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tests.preloaded import Preloaded

COMMAND = [sys.executable, "-c", "from lakehouse_cli.cli.main import main; main()"]
#: Seconds until what is waited for is taken not to come; far more than any of it needs.
PATIENCE = 120.0
#: A result for transforms of whose values nothing depends: to make an array of any loads pandas, which takes a process
#: longer than all else that it does.
TABLE = "pa.table({'a': pa.nulls(1, pa.int64())})"
#: Transforms for the fixture `project`, likewise: to group rows loads it, too.
ON_ARROW = """
import pyarrow as pa


def totals(orders: pa.Table) -> pa.Table:
    return orders.slice(0, 2).rename_columns(["customer", "total"])


def best(totals: pa.Table, count: int) -> pa.Table:
    return totals.slice(0, count)
"""
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Running:
    """A process that was started, and what it has said until now.

    Attributes:
        process: The process.
        out: What it wrote to stdout.
        err: What it wrote to stderr.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.out = self.err = ""
        self._said = threading.Condition()
        self._read_to = 0
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, "out"), daemon=True),
            threading.Thread(target=self._read, args=(process.stderr, "err"), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: IO[bytes], name: str) -> None:
        with stream:
            for line in stream:
                with self._said:
                    setattr(self, name, getattr(self, name) + line.decode())
                    self._said.notify_all()

    def says(self, text: str, *, patience: float = PATIENCE) -> str:
        """Wait until stdout has a text after all that was waited for before; returns what stood between the two."""
        limit = time.monotonic() + patience
        with self._said:
            while (found := self.out.find(text, self._read_to)) < 0:
                ended = self.process.poll() is not None and not any(r.is_alive() for r in self._readers)
                assert not ended, f"ended without saying {text!r}\n{self}"
                assert time.monotonic() < limit, f"did not say {text!r}\n{self}"
                self._said.wait(0.05)
            between, self._read_to = self.out[self._read_to : found], found + len(text)
            return between

    def reports(self, text: str) -> None:
        """Wait until stderr has a text, at whatever place."""
        with self._said:
            found = self._said.wait_for(lambda: text in self.err, PATIENCE)
        assert found, f"did not report {text!r}\n{self}"

    def ends(self, *, patience: float = PATIENCE) -> int:
        """Wait for its end; returns the exit code, and all it said is there."""
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end\n{self}") from None
        for reader in self._readers:
            reader.join(patience)
        return code

    def interrupt(self) -> None:
        """Send it Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def __str__(self) -> str:
        return f"--- stdout\n{self.out}\n--- stderr\n{self.err}"


@contextmanager
def running(folder: Path, *argv: str, environ: Mapping[str, str] | None = None, before: str = "") -> Iterator[Running]:
    """Start the command in a folder; at the end of the block it is killed with all its children, if it lives.

    Args:
        folder: Its current one.
        argv: Its arguments.
        environ: Variables beside those of this process.
        before: Code that the process runs first.
    """
    process = Preloaded(
        [*COMMAND[:-1], before + COMMAND[-1], *argv],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Running(process)
    finally:
        kill_group(process)


def on_a_terminal(folder: Path, *argv: str, width: int = 100, code: int = 0) -> list[str]:
    """The lines that came to a screen, those of a live table each time it was drawn; styles are left out."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
    process = Preloaded(
        [*COMMAND, *argv],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env={**{k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}, "TERM": "xterm"},
    )
    os.close(follower)
    shown = b""
    with os.fdopen(leader, "rb", buffering=0) as terminal, suppress(OSError):  # how Linux reports the end
        # What a transform started may live on, and holds the terminal.
        while True:
            if select.select([terminal], [], [], 0.1)[0]:
                shown += terminal.read(10000)
            elif process.poll() is not None:
                break
    assert process.wait(timeout=30) == code
    return [
        line.rstrip() for line in _CODES.sub("", shown.decode()).replace("\r\n", "\n").replace("\r", "\n").splitlines()
    ]


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a group, and its children, in the way that nothing can be done about."""
    # The group may outlive its leader.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def children(process: int) -> list[int]:
    """The processes that a process has started, and that live."""
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            state, parent = file.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == process and state != "Z":
                found.append(int(file.parent.name))
    return found


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait until a function returns true."""
    limit = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < limit, f"{what} did not come about"
        time.sleep(0.01)
