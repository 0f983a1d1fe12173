"""Leaving the process in the middle of what other threads do: what they have not finished is undone first."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

# Seconds to wait for a thread that is putting something in place.
_PATIENCE_S = 5.0
_undo: dict[int, Callable[[], object]] = {}
_numbers = itertools.count()
_lock = threading.RLock()


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
    if _lock.acquire(timeout=_PATIENCE_S):
        while _undo:
            with suppress(Exception):
                _undo.popitem()[1]()


def _forget_in_child() -> None:
    """What is under way belongs to the parent, whose threads a forked process does not have."""
    global _lock
    _lock = threading.RLock()
    _undo.clear()


os.register_at_fork(after_in_child=_forget_in_child)
