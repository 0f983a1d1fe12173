"""A worker process, from its start to its end."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from lakehouse_cli.executors.descendants import kill_descendants
from lakehouse_cli.executors.forks import forks_end_here, let_process_end
from lakehouse_cli.executors.progress import listen
from lakehouse_cli.text.printing import PrintedLines

#: Signals that go to the whole group; the process that leads decides about the work.
LEADERS = frozenset((signal.SIGINT, signal.SIGHUP))


# Of the libraries that start threads of their own as they are loaded: OpenMP, OpenBLAS (NumPy's), MKL.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def prepared(threads: int, prepare: Callable[[], None] | None) -> None:
    """Prepare a process before it takes work.

    Workers share the cores. Libraries start a thread for each core as they are loaded, in every process, which costs
    more than it gives where each core has a process already.

    Args:
        threads: How many threads such a library may start, where the user's environment does not say.
        prepare: Called then.
    """
    for name in _THREADS:
        os.environ.setdefault(name, str(threads))
    if prepare is not None:
        # What it loads stays; going through it again and again for garbage takes an eighth of that time.
        gc.disable()
        prepare()
        gc.freeze()
        gc.enable()


def serve_forked(
    line: Connection, end: Connection, inherited: tuple[Connection, ...], prepare: Callable[[], None] | None
) -> None:
    """Serve in a process that was forked from the one that leads.

    Args:
        line: As of `serve`.
        end: As of `serve`.
        inherited: The other ends of the two, which would keep them open in here when that process is gone.
        prepare: As of `serve`.
    """
    for connection in inherited:
        connection.close()
    serve(line, end, prepare)


def serve_anew(line: int, end: int) -> None:
    """Serve in a process that was started anew, given descriptors; the arguments come first on the line."""
    connection = Connection(line)
    with suppress(EOFError, OSError):  # nobody is at the other end
        sys.argv[:], prepare = connection.recv()
        serve(connection, Connection(end, writable=False), prepare)


def serve(line: Connection, end: Connection, prepare: Callable[[], None] | None) -> None:
    """Take work off a line until it closes.

    Args:
        line: Brings work and takes answers.
        end: Ends the process, by a message or as it closes.
        prepare: Called first.
    """
    let_process_end()
    for number in LEADERS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEADERS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_on_request, args=(end,), name="lakehouse leader", daemon=True).start()
    # When this process is ended, a process of Python's removes its semaphores and shared memory, and would warn of them
    # in the middle of the run. These are the options that `multiprocessing` starts it with.
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    # Else a process forked in here would keep it open when this one is gone, and in the middle of a message.
    os.register_at_fork(after_in_child=line.close)
    sending = threading.Lock()

    def send(kind: str, value: Any) -> None:
        with sending:
            line.send((kind, value))

    printed = {"stdout": PrintedLines(partial(send, "stdout"), sys.stdout)}
    printed["stderr"] = PrintedLines(partial(send, "stderr"), sys.stderr)
    sys.stdout, sys.stderr = printed.values()
    try:
        if prepare is not None:
            prepare()
        listen(lambda *value: send("progress", value))
        while True:
            fn, args = line.recv()
            send("begun", None)
            try:
                # Two that speak on one line would have the leader take each answer for that of another table.
                with forks_end_here():
                    answer = ("result", fn(*args))
            except BaseException as error:  # noqa: BLE001  # sent to where it is asked for
                answer = ("error", portable(error))
            for lines in printed.values():
                lines.end_lines()
            send(*answer)
    except (EOFError, OSError):
        return  # nobody is at the other end


def _end_on_request(end: Connection) -> None:
    """End this worker on request or when the process that leads it is gone, whatever it is doing.

    A killed run has released its lock: its worker might replace a table that the next run has published.
    """
    with suppress(OSError, EOFError):
        end.recv()
    for child in multiprocessing.active_children():
        child.kill()
    kill_descendants(os.getpid())
    os._exit(1)


def portable(error: BaseException) -> BaseException:
    """The error, or one that says the same where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    except Exception:  # noqa: BLE001  # whatever its own methods raise
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
