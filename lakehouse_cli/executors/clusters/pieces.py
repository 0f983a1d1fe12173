"""Pieces of work and calls of workers, as the executor of a cluster knows them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any

from lakehouse_cli.executors.base import (
    Ask,
    WorkerDiedError,
    WorkerKilledError,
    WorkerStartError,
    WorkerTimeoutError,
)
from lakehouse_cli.executors.clusters.messages import Answer, Work, packed, unpacked_answer

#: Pieces of work are given together as far as they are thought to take no longer than this, and no more than so many.
CALL_S, MOST_TOGETHER = 0.25, 64
#: Seconds beyond its `timeout` after which work has failed though its worker does not say so.
SILENCE_S = 10.0
# How often a piece is given anew, without that being an attempt, as workers went that had not begun it: it may be why.
_MOST_UNBEGUN = 5
# The weight of the last piece of work in how long one is thought to take.
_WEIGHT = 0.2
# Pieces at the front of those that wait, of which some may best be given to the worker that takes some.
_LOOKED_AT = 256


@dataclass(slots=True, eq=False)
class Piece:
    """A piece of work, and the future that waits for it."""

    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    timeout: float | None
    ask: Ask
    number: int
    again: bool
    unbegun: int = 0
    since: float = field(default_factory=time.monotonic)

    def work(self) -> Work | None:
        """What travels; None where that cannot be pickled, which its future says then."""
        try:
            return Work(packed((self.fn, self.args)), self.timeout, self.again)
        except Exception as error:  # noqa: BLE001  # whatever the arguments' own methods raise
            fail(self, error)
            return None


@dataclass(slots=True, eq=False)
class Call:
    """Pieces that a worker was given in one message, to be done one after the other.

    Attributes:
        worker: Its name.
        resources: What each of them asks for.
        pieces: Those that are not answered, by their number in the message.
        begun: Since when the first of these is under way, of the monotonic clock, as far as the worker has said so, be
            it by an answer to the one before; None where it has said nothing.
        limited: The number of the one that is under way where that has a limit.
        limit: When that is over its time, and nothing more is to be heard of it.
    """

    worker: str
    resources: Mapping[str, float]
    pieces: dict[int, Piece]
    begun: float | None = None
    limited: int | None = None
    limit: float = inf

    def begins(self, number: int | None) -> None:
        """Take note that the worker begins: with one that has a limit, where it is a number."""
        self.begun = time.monotonic()
        timeout = self.pieces[number].timeout if number is not None and number in self.pieces else None
        if timeout is not None:
            self.limited, self.limit = number, self.begun + timeout + SILENCE_S

    def take(self, number: int) -> Piece:
        """Take the piece that is answered; those behind it may be under way."""
        if self.limited in (None, number):
            self.begun, self.limited, self.limit = time.monotonic(), None, inf
        return self.pieces.pop(number)

    def not_begun(self) -> list[Piece]:
        """The pieces that are not under way, as far as is known."""
        return list(self.pieces.values())[self.begun is not None :]

    def failed(self, why: Answer) -> Piece | None:
        """The piece that was under way when answers ended; None where the worker went before it began any."""
        first = next(iter(self.pieces.values()), None)
        if first is None or self.begun is not None or why.kind != "died" or first.unbegun >= _MOST_UNBEGUN:
            return first
        first.unbegun += 1
        return None


class Backlog:
    """The pieces that wait for a worker, in the order in which they came, apart by the resources that they ask for.

    Those that spread are apart from the others as well, and each is given alone.
    """

    def __init__(self) -> None:
        self._queues: dict[tuple[bool, frozenset[tuple[str, float]]], deque[Piece]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Count them."""
        return self._count

    def add(self, piece: Piece) -> None:
        """Add one that came."""
        self._queue_of(piece).append(piece)
        self._count += 1

    def put_back(self, pieces: list[Piece], *, again: bool = False) -> None:
        """Let some be the first again, in their order; those with `again` may have been done."""
        for piece in reversed(pieces):
            piece.again |= again
            self._queue_of(piece).appendleft(piece)
        self._count += len(pieces)

    def _queue_of(self, piece: Piece) -> deque[Piece]:
        return self._queues.setdefault((piece.ask.spreads, frozenset(piece.ask.resources.items())), deque())

    def first(self) -> Iterator[Piece]:
        """The first of each queue, in the order in which they came."""
        yield from sorted((queue[0] for queue in self._queues.values() if queue), key=lambda piece: piece.number)

    def take(self, first: Piece, most: int, worker: str) -> list[Piece]:
        """Take the first of a queue, and others behind it, such as had best be given to a worker before the rest."""
        queue = self._queue_of(first)
        taken = [queue.popleft()]
        if most > 1 and queue and not first.ask.spreads:
            looked_at = [queue.popleft() for _ in range(min(len(queue), max(most, _LOOKED_AT)))]
            looked_at.sort(key=lambda piece: piece.ask.near != shown(worker))
            taken += looked_at[: most - 1]
            queue.extendleft(sorted(looked_at[most - 1 :], key=lambda piece: -piece.number))
        self._count -= len(taken)
        return taken

    def waiting(self) -> Iterator[tuple[Piece, int]]:
        """The first of each queue, with how many there are."""
        return ((queue[0], len(queue)) for queue in self._queues.values() if queue)

    def clear(self) -> list[Piece]:
        """Take all."""
        pieces = [piece for queue in self._queues.values() for piece in queue]
        self._queues.clear()
        self._count = 0
        return pieces


class Pace:
    """How long pieces take, by those that are done."""

    def __init__(self) -> None:
        self._seconds: float | None = None

    def note(self, seconds: float) -> None:
        """Take note of one."""
        self._seconds = seconds if self._seconds is None else self._seconds + _WEIGHT * (seconds - self._seconds)

    @property
    def together(self) -> int:
        """How many are given together."""
        return 1 if self._seconds is None else min(max(int(CALL_S / max(self._seconds, 1e-6)), 1), MOST_TOGETHER)


def shown(worker: str) -> str:
    """The name of a worker as messages show it: without what makes it another one than its predecessor there."""
    return worker.partition("#")[0]


def waiting(first: Piece, count: int) -> str:
    """That some pieces wait, of which this is one, by its table."""
    what = f"`{first.ask.table}`" if first.ask.table else "work"
    return f"{what} waits" if count == 1 else f"{what} and {count - 1} more wait"


def missing_answer(error: WorkerDiedError | None) -> Answer:
    """What stands for an answer that an engine did not bring."""
    return Answer("killed" if isinstance(error, WorkerKilledError) else "died", text=str(error))


def fail(piece: Piece, error: BaseException) -> None:
    """End a piece with an error, unless it has ended."""
    with suppress(Exception):
        piece.future.set_exception(error)


def settle(piece: Piece, found: Answer, worker: str, fetch: Callable[[str, str, int], bytes]) -> None:
    """Give a piece its result, or the error that it ended with; `fetch` gives parts of files of a worker's."""
    if piece.ask.on_waited is not None:
        piece.ask.on_waited(max(time.monotonic() - piece.since - found.seconds, 0.0))
    try:
        match found.kind:
            case "result":
                piece.future.set_result(unpacked_answer(found.content, partial(fetch, worker)))
                return
            case "error":
                error: BaseException = unpacked_answer(found.content, partial(fetch, worker))
            case "late":
                error = WorkerTimeoutError()
            case "died":
                error = WorkerDiedError(found.text)
            case "killed":
                error = WorkerKilledError(found.text)
            case _:
                error = WorkerStartError(found.text or f"worker {shown(worker)} answered `{found.kind}`")
    except Exception as broken:  # noqa: BLE001  # whatever its own methods raise
        why = f"{type(broken).__name__}: {broken}"
        error = RuntimeError(f"what worker {shown(worker)} answered cannot be read: {why}")
    fail(piece, error)
