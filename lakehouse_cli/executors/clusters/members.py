"""Pieces of work and workers, as the executor of a cluster knows them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from lakehouse_cli.executors.base import Ask, WorkerDiedError, WorkerKilledError, WorkerStartError, WorkerTimeoutError
from lakehouse_cli.executors.clusters.engine import NotBegunError, Slots
from lakehouse_cli.executors.clusters.messages import Answer, unpacked


@dataclass(slots=True, eq=False)
class Piece:
    """A piece of work, and the future that waits for it."""

    future: Future[Any]
    content: bytes
    timeout: float | None
    ask: Ask
    key: str
    again: bool
    worker: str = ""


@dataclass(slots=True, eq=False)
class Member:
    """A worker, as the run knows it."""

    slots: Slots
    state: Literal["new", "greeted", "taking", "ready", "unfit"] = "new"
    why: str = ""
    pieces: set[str] = field(default_factory=set)
    taken: dict[str, float] = field(default_factory=dict)

    def has_room(self, asked: Mapping[str, float], *, is_crowded: bool) -> bool:
        """Whether it may be given a piece that asks for resources."""
        if self.state != "ready" or not (is_crowded or len(self.pieces) < self.slots.count):
            return False
        has = self.slots.resources
        return all(self.taken.get(name, 0) + amount <= has.get(name, 0) for name, amount in asked.items())

    def take(self, piece: Piece, sign: int) -> None:
        """Count what a piece asks for, or with -1 count it no more."""
        for name, amount in piece.ask.resources.items():
            self.taken[name] = self.taken.get(name, 0) + sign * amount


def shown(worker: str) -> str:
    """The name of a worker as messages show it: without what makes it another one than its predecessor there."""
    return worker.partition("#")[0]


def missing_answer(error: WorkerDiedError | None) -> Answer:
    """What stands for an answer that an engine did not bring."""
    if isinstance(error, NotBegunError):
        return Answer("back")
    return Answer("killed" if isinstance(error, WorkerKilledError) else "died", text=str(error))


def fail(piece: Piece, error: BaseException) -> None:
    """End a piece with an error, unless it has ended."""
    with suppress(Exception):
        piece.future.set_exception(error)


def settle(piece: Piece, found: Answer) -> None:
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
                error = WorkerStartError(found.text or f"worker {shown(piece.worker)} answered `{found.kind}`")
    except Exception as broken:  # noqa: BLE001  # whatever its own methods raise
        why = f"{type(broken).__name__}: {broken}"
        error = RuntimeError(f"what worker {shown(piece.worker)} answered cannot be read: {why}")
    fail(piece, error)
