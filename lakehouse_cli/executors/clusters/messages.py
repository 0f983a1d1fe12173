"""What travels between the runner and a worker: bytes, which neither the engine nor the worker's own process opens."""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.executors.clusters.bundle import load
from lakehouse_cli.text.clock import set_ahead

#: Bytes from which it is worth while to compress.
_SMALL = 512

#: How a piece of work ended, or why it was not begun: with its value or error as bytes, or a text. What is given `back`
#: was not begun, and another worker may do it.
AnswerKind = Literal["ready", "result", "error", "died", "killed", "late", "lacks", "start", "back"]

#: What a worker is asked for: to say the time (`greet`), to take the bundle (`take`), to work, to begin nothing more of
#: a run (`withdraw`), or for a part of a file that work left there (`part`).
MessageKind = Literal["greet", "take", "work", "withdraw", "part"]

#: Bytes of a file that travel at once.
PART = 8 << 20


class Work(Struct, frozen=True, array_like=True):
    """A piece of work, as it travels.

    Attributes:
        call: A function with its arguments, packed.
        timeout: Seconds that it may take; None for no limit.
        again: Whether the same was given to a worker before, which may have done it.
    """

    call: bytes
    timeout: float | None = None
    again: bool = False


class Message(Struct, frozen=True, array_like=True):
    """What a worker is asked to do.

    Attributes:
        bundle: The id of the bundle that it is done with.
        kind: What for.
        content: A bundle; of a part, the path of its file and where it begins, packed.
        work: What is done one after the other.
        threads: How many threads libraries may start for it.
        ahead: Seconds by which the worker's clock is ahead of the one by which moments are recorded.
        spread: The addresses of the workers that parts of the work may be given to, packed; none where it has no parts.
        run: Names the run that it is of.
    """

    bundle: str
    kind: MessageKind
    content: bytes = b""
    work: tuple[Work, ...] = ()
    threads: int = 1
    ahead: float = 0.0
    spread: bytes = b""
    run: str = ""


class Spread(Struct, frozen=True):
    """Where parts of the work of this process may be computed.

    Attributes:
        scheduler: The address by which the cluster is reached.
        workers: The addresses of the workers that have the bundle.
        bundle: Its id.
        folder: Of the project's files in it, here.
    """

    scheduler: str
    workers: tuple[str, ...]
    bundle: str
    folder: str


class Answer(Struct, frozen=True, array_like=True):
    """What a worker answers.

    Attributes:
        kind: How it ended.
        content: A result or an error, as bytes; or a part of a file.
        text: Of what it died, or why it was not begun.
        seconds: How long it took, from begin to end of the computation; of who is greeted, the time on its clock.
    """

    kind: AnswerKind
    content: bytes = b""
    text: str = ""
    seconds: float = 0.0


#: By the number of the piece of work in its message, 0 where it has none.
Answers = dict[int, Answer]


def packed(value: Any) -> bytes:
    """A value as bytes, small where it can be.

    Raises:
        Exception: Whatever its own methods raise as it is pickled.
    """
    content = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return b"z" + zlib.compress(content, 1) if len(content) > _SMALL else b"p" + content


def unpacked(content: bytes) -> Any:
    """The value of bytes of ours."""
    return pickle.loads(zlib.decompress(content[1:]) if content[:1] == b"z" else content[1:])  # noqa: S301


def unpacked_answer(content: bytes, fetch: Callable[[str, int], bytes]) -> Any:
    """As `unpacked`; a `LeftFile` is then a function that gives its part from a byte on, of `PART` bytes at most.

    Args:
        content: Of an answer.
        fetch: Gives the part of a file of the worker's, by its path.
    """
    token = _FETCH.set(fetch)
    try:
        return unpacked(content)
    finally:
        _FETCH.reset(token)


_FETCH: ContextVar[Callable[[str, int], bytes] | None] = ContextVar("_FETCH", default=None)


class LeftFile:
    """A file that stays at the worker until the run has fetched it, in parts."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return _left, (self._path,)


def _left(path: str) -> Any:
    fetch = _FETCH.get()  # the worker's own process only hands on what its child answers
    return LeftFile(path) if fetch is None else partial(fetch, path)


#: Why this process could not be prepared; said when there is work.
_unprepared: list[LakehouseError] = []


def prepare(place: Path) -> None:
    """Prepare this process with the bundle that is unpacked in a folder; what the user can act on is said with work."""
    try:
        load(place)
    except LakehouseError as error:
        _unprepared.append(error)


def raise_unprepared() -> None:
    """Raise why this process could not be prepared, if it could not.

    Raises:
        LakehouseError: That.
    """
    for error in _unprepared:
        raise error


_again = [False]
_spread: list[Spread | None] = [None]


def spread() -> Spread | None:
    """Where parts of the work of this process may be computed; None where they are computed here."""
    return _spread[0]


def was_given_before() -> bool:
    """Whether the work of this process was given to a worker before, which may have done it."""
    return _again[0]


_at_rest: list[Callable[[], None]] = []


def at_rest(what: Callable[[], None]) -> None:
    """Have something done when this process has no more work for now."""
    if what not in _at_rest:
        _at_rest.append(what)


def rest() -> None:
    """Do what was left until there is no more work for now."""
    while _at_rest:
        _at_rest.pop()()


def call_packed(call: bytes, again: bool, ahead: float = 0.0, spread: Spread | None = None) -> bytes:
    """Call a function with its arguments, and pack what it returns; in the process of a worker's that is prepared.

    Raises:
        BaseException: Whatever the function raises.
    """
    raise_unprepared()
    _again[0], _spread[0] = again, spread
    set_ahead(ahead)
    fn: Callable[..., Any]
    fn, args = unpacked(call)
    return packed(fn(*args))
