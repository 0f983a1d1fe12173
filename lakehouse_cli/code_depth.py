"""How deeply nested the code may be that is read: as deeply as Python itself takes it, and no deeper.

Code that was parsed is walked through by functions that call each other several times for each level, so Python's
limit on recursion would end that long before Python's parser ends at its own. Calls from Python to Python take none of
the C stack; the parser does take it, so it is left the limit that it has on an import.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

_CALLS = 3  # that a level of nesting takes, at most, where code is walked through
# One thread at a time, so that no other is left with a limit that is too low for it.
_turn = RLock()
_usual: list[int] = []


@contextmanager
def walking() -> Iterator[None]:
    """Allow as many calls within each other as walking through the deepest code takes that can be parsed."""
    with _turn:
        usual = sys.getrecursionlimit()
        _usual.append(usual)
        try:
            with _limit(max(usual, _CALLS * _deepest(_usual[0]) + _usual[0])):
                yield
        finally:
            _usual.pop()


@contextmanager
def parsing() -> Iterator[None]:
    """Allow what is parsed to be nested as deeply as on an import, also within `walking`.

    Raises:
        RecursionError: More calls are within each other than an import has room for.
    """
    with _turn, _limit(_usual[0] if _usual else sys.getrecursionlimit()):
        yield


def _deepest(limit: int) -> int:
    """How deeply nested code can be parsed."""
    # Until Python 3.12 the parser's limit follows the other one; since then it is fixed.
    return 10_000 if sys.version_info >= (3, 13) else 3 * limit


@contextmanager
def _limit(limit: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(limit)
    try:
        yield
    finally:
        if sys.getrecursionlimit() == limit:  # else it was set by somebody who knows nothing of this
            sys.setrecursionlimit(before)
