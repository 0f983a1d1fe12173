"""The ways to start worker processes: as copies of this one, or anew."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.spawn import get_executable
from typing import Any

from lakehouse_cli.executors.forks import UNFORKABLE
from lakehouse_cli.executors.worker import LEADERS, serve_forked
from lakehouse_cli.executors.worker_process import WorkerProcess, WrittenLines


def can_fork() -> bool:
    """Whether a copy of this process is safe to work in; it starts in a tenth of the time."""
    alone = threading.active_count() == 1 and not UNFORKABLE & sys.modules.keys()
    return sys.platform == "linux" and alone


def start(prepare: Callable[[], None] | None, *, fork: bool, takes_written: bool = False) -> WorkerProcess:
    """Start a process that serves.

    Args:
        prepare: What it does first.
        fork: Whether as a copy of this one.
        takes_written: Whether what it writes past Python is said as its prints are; of one that is started anew.

    Raises:
        OSError: The system allows none.
    """
    line, theirs = multiprocessing.Pipe()
    their_end, end = multiprocessing.Pipe(duplex=False)
    begin = _forked if fork else partial(_anew, WrittenLines() if takes_written else None)
    with theirs, their_end, interrupts_held_back():
        return begin(line, end, theirs, their_end, prepare)


def _forked(
    line: Connection, end: Connection, theirs: Connection, their_end: Connection, prepare: Callable[[], None] | None
) -> WorkerProcess:
    context: Any = multiprocessing.get_context("fork")
    process = context.Process(target=serve_forked, args=(theirs, their_end, (line, end), prepare), daemon=False)
    process.start()
    return WorkerProcess(line, end, process.pid, lambda: process.exitcode)


def _anew(
    written: WrittenLines | None,
    line: Connection,
    end: Connection,
    theirs: Connection,
    their_end: Connection,
    prepare: Callable[[], None] | None,
) -> WorkerProcess:
    streams = (None, None) if written is None else written.descriptors
    try:
        process = new_python("lakehouse_cli.executors.worker", "serve_anew", theirs, their_end, streams=streams)
    except OSError:
        if written is not None:
            written.close()
        raise
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended; the first work for it fails
        line.send((sys.argv, prepare))
    return WorkerProcess(line, end, process.pid, process.poll, written)


def new_python(
    module: str, function: str, *connections: Connection, streams: tuple[int | None, int | None] = (None, None)
) -> subprocess.Popen[bytes]:
    """Start a new Python that finds the modules that this one finds, and calls a function with its descriptors.

    A process that `multiprocessing` spawns runs the program's main module again: that of a script without a guard
    begins another run, and that of a script from stdin is not there. Its `streams` are stdout and stderr, those of this
    process where they are None.

    Raises:
        OSError: The system allows none.
    """
    descriptors = tuple(each.fileno() for each in connections)
    path = [entry for entry in sys.path if isinstance(entry, str)]
    code = f"import sys; sys.path[:] = {path!a}; from {module} import {function}; {function}(*{descriptors})"
    flags: list[str] = getattr(subprocess, "_args_from_interpreter_flags", list)()
    return subprocess.Popen(  # noqa: S603  # Python, and what is ours
        [get_executable(), *flags, "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=streams[0],
        stderr=streams[1],
        pass_fds=descriptors,
    )


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Block Ctrl-C and the like in a process that is started meanwhile, until it ignores them by itself.

    Ctrl-C, and the end of a terminal, go to the whole group, also to a process that has loaded nothing yet. A process
    begins with the mask of the thread that starts it; signals to this one are handled afterwards.
    """
    # Read first: a signal that came just before may raise out of the call that blocks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, LEADERS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
