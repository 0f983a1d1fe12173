"""Leaving the process in the middle of what other threads do: what they have not finished is undone first."""

from __future__ import annotations

import atexit
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import NoReturn

# Seconds to wait for a thread that is putting something in place.
_PATIENCE_S = 5.0
_undo: dict[int, Callable[[], object]] = {}
_numbers = itertools.count()
_lock = threading.RLock()
_at_work: set[threading.Thread] = set()


def undisturbed() -> AbstractContextManager[object]:
    """Steps that belong together: while it is entered, the process is not left."""
    return _lock


def undo_at_exit(undo: Callable[[], object]) -> Callable[[], None]:
    """Have something undone where the process is left before what this returns was called."""
    number = next(_numbers)
    with _lock:
        _undo[number] = undo

    def forget() -> None:
        with _lock:
            _undo.pop(number, None)

    return forget


def undo_unfinished() -> None:
    """Undo what threads are in the middle of, and let none begin or finish any more: the process is about to end."""
    _at_work.clear()  # who calls this leaves the process by itself
    if _lock.acquire(timeout=_PATIENCE_S):
        while _undo:
            with suppress(Exception):
                _undo.popitem()[1]()


@contextmanager
def at_work() -> Iterator[None]:
    """Note that this thread works for a run, which may be left before it is done."""
    thread = threading.current_thread()
    _at_work.add(thread)
    try:
        yield
    finally:
        _at_work.discard(thread)


def leave_at_exit(end_process: Callable[[int], NoReturn]) -> None:
    """Have the process end with code 130 where threads of a run that was left are still at work when it ends.

    Python ends such threads as they ask for its lock, which aborts the process from inside of a library in C++ that
    does not expect it.

    Args:
        end_process: Ends the process at once, with a code. `os._exit` is kept from doing so by the transforms that are
            still at work.
    """
    atexit.unregister(_leave)
    atexit.register(_leave, end_process)


def _leave(end_process: Callable[[int], NoReturn]) -> None:
    if not any(thread.is_alive() for thread in _at_work - {threading.current_thread()}):
        return
    undo_unfinished()
    getattr(atexit, "_run_exitfuncs", lambda: None)()  # what was registered before this one
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    end_process(130)


def _forget_in_child() -> None:
    """What is under way belongs to the parent, whose threads a forked process does not have."""
    global _lock
    _lock = threading.RLock()
    _undo.clear()
    _at_work.clear()


os.register_at_fork(after_in_child=_forget_in_child)
