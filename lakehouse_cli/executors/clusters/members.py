"""Pieces of work, calls of workers and workers, as the executor of a cluster knows them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from lakehouse_cli.executors.base import (
    Ask,
    ClusterError,
    WorkerDiedError,
    WorkerKilledError,
    WorkerStartError,
    WorkerTimeoutError,
)
from lakehouse_cli.executors.clusters.engine import Slots
from lakehouse_cli.executors.clusters.messages import Answer, Work, packed, unpacked
from lakehouse_cli.executors.worker_process import say_here

#: Pieces of work are given together as far as they are thought to take no longer than this, and no more than so many.
CALL_S, MOST_TOGETHER = 0.25, 64
# How often a piece is given anew, without that being an attempt, as workers went that had not begun it: it may be why.
_MOST_UNBEGUN = 5
# The weight of the last piece of work in how long one is thought to take.
_WEIGHT = 0.2
# Seconds within which clocks are taken for the same.
_LIKE_S = 1.0
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
        since: When they were given, of the monotonic clock.
        is_begun: Whether the worker has said something of it: that it begins, before all else.
    """

    worker: str
    resources: Mapping[str, float]
    pieces: dict[int, Piece]
    since: float
    is_begun: bool = False

    def failed(self, why: Answer) -> Piece | None:
        """The piece that was under way when answers ended; None where the worker went before it began any."""
        first = next(iter(self.pieces.values()), None)
        if first is None or self.is_begun or why.kind != "died" or first.unbegun >= _MOST_UNBEGUN:
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


@dataclass(slots=True, eq=False)
class Member:
    """A worker, as the run knows it; a `doubted` one has not answered, and was not looked for since."""

    slots: Slots
    state: Literal["new", "greeted", "taking", "ready", "doubted", "unfit"] = "new"
    why: str = ""
    calls: set[str] = field(default_factory=set)
    taken: dict[str, float] = field(default_factory=dict)
    greeted: float = field(default_factory=time.time)
    ahead: float = 0.0

    def compare_clocks(self, name: str, there: float) -> None:
        """Take note of what its clock said when it was greeted; one that is far off is said."""
        now = time.time()
        ahead = there - (self.greeted + now) / 2
        if abs(ahead) > _LIKE_S + (now - self.greeted) / 2:
            self.ahead = ahead
            how = "ahead of" if ahead > 0 else "behind"
            say_here(
                "stderr",
                f"note: the clock of {shown(name)} is {abs(ahead):,.0f} s {how} this machine's, by which moments are"
                " recorded: set it, as object stores may refuse it",
            )

    @property
    def is_free(self) -> bool:
        """Whether it has a place."""
        return self.state == "ready" and len(self.calls) < self.slots.count

    @property
    def load(self) -> float:
        """How much of it is taken."""
        return len(self.calls) / self.slots.count

    def has(self, asked: Mapping[str, float]) -> bool:
        """Whether it has resources left."""
        there = self.slots.resources
        return all(self.taken.get(name, 0) + amount <= there.get(name, 0) for name, amount in asked.items())

    def take(self, asked: Mapping[str, float], sign: int) -> None:
        """Count what a call asks for, or with -1 count it no more."""
        for name, amount in asked.items():
            self.taken[name] = self.taken.get(name, 0) + sign * amount


def shown(worker: str) -> str:
    """The name of a worker as messages show it: without what makes it another one than its predecessor there."""
    return worker.partition("#")[0]


def addresses(workers: Mapping[str, Member]) -> tuple[str, ...]:
    """Those of the workers that may be given work, where they are called by them."""
    return tuple(shown(name) for name, each in workers.items() if each.state == "ready")


def most_on_one_machine(workers: Mapping[str, Member]) -> int:
    """How many places the workers of a machine have, of the one where there are most; at least one."""
    places: Counter[str] = Counter()
    for name, each in workers.items():
        places[urlsplit(shown(name)).hostname or name] += each.slots.count
    return max(places.values(), default=1)


def missing_answer(error: WorkerDiedError | None) -> Answer:
    """What stands for an answer that an engine did not bring."""
    return Answer("killed" if isinstance(error, WorkerKilledError) else "died", text=str(error))


def fail(piece: Piece, error: BaseException) -> None:
    """End a piece with an error, unless it has ended."""
    with suppress(Exception):
        piece.future.set_exception(error)


def settle(piece: Piece, found: Answer, worker: str) -> None:
    """Give a piece its result, or the error that it ended with."""
    try:
        match found.kind:
            case "result":
                piece.future.set_result(unpacked(found.content))
                return
            case "error":
                error: BaseException = unpacked(found.content)
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


def say_unfit(name: str, worker: Member) -> None:
    """Say why a worker is given nothing."""
    say_here("stderr", f"note: {shown(name)} is given nothing: it {worker.why}")


def nothing_fits(engine: str, workers: Mapping[str, Member]) -> ClusterError:
    """Why a run cannot begin that has no worker which can be given anything; `engine` is the cluster's."""
    cluster = f"the {engine} cluster"
    if not workers:
        return ClusterError(f"{cluster} has no workers", hint="start some, then run again")
    by_why: dict[str, list[str]] = {}
    for name, each in workers.items():
        if each.state == "unfit":
            by_why.setdefault(each.why, []).append(shown(name))
    if not by_why:
        hint = "look at their logs; they may be busy with work of others"
        return ClusterError(f"no worker of {cluster} answers", hint=hint)
    whys = "; ".join(f"{', '.join(names)}: it {why}" for why, names in by_why.items())
    hint = "give the workers what this machine has: the same packages, and the variables that the project names"
    return ClusterError(f"no worker of {cluster} fits this project: {whys}", hint=hint)
