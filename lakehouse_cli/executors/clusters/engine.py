"""The seam of engines: where the workers of a cluster are, and how a message gets to one of them and its answer back.

Which worker does what is decided by `executor.ClusterExecutor`, so that no engine tries anything again by itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from lakehouse_cli.executors.base import ClusterError, WorkerDiedError
from lakehouse_cli.executors.clusters.requirements import Requirements


class Slots(Struct, frozen=True):
    """What a worker offers.

    Attributes:
        count: How many pieces of work it does at once.
        resources: How much there is of what work may ask for, `memory` in bytes.
        silent_s: Seconds for which nothing has been heard of it, though it should have been.
    """

    count: int
    resources: Mapping[str, float] = {}
    silent_s: float = 0.0


class ClusterLostError(ClusterError):
    """Nothing answers where the cluster is: not at all, or not any more."""


#: Is given the key of a call, and its answer, or why there is none: `WorkerDiedError`, `WorkerKilledError` where it was
#: for want of memory; `ClusterLostError`.
OnAnswer = Callable[[str, bytes | None, WorkerDiedError | ClusterLostError | None], None]
#: Is given the key of a call, and what its work says: a kind and a value, as `worker.answer` says them.
OnSaid = Callable[[str, str, Any], None]


class Engine(ABC):
    """One cluster; its methods are called in any thread, one at a time.

    Args:
        options: `execution.options`, checked.
        on_answer: Called once for each call that is not cancelled, in any thread; never within `call`.
        on_said: Called in any thread, before the answer.

    Attributes:
        address: Where it is; empty where the engine is to find it.
        on_answer: As given.
        on_said: As given.

    Raises:
        ClusterLostError: As of `connect`.
    """

    #: What messages call the engine, and what is done where a cluster does not answer.
    name: str = ""
    #: Whether work reaches the cluster from where it is done, to spread over it; workers are called by their addresses.
    spreads: bool = False

    def __init__(self, options: Mapping[str, Any], on_answer: OnAnswer, on_said: OnSaid) -> None:
        self.address: str = options.get("address", "")
        self.on_answer, self.on_said = on_answer, on_said
        self.connect()

    @abstractmethod
    def connect(self) -> None:
        """Find the cluster.

        Raises:
            ClusterLostError: Nothing answers there within ten seconds, or what answers is something else.
        """

    @abstractmethod
    def workers(self) -> Mapping[str, Slots]:
        """The workers that there are now, by names without blanks that no two ever have, be it one after the other.

        What is behind a `#` is not shown.

        Raises:
            ClusterLostError: Nothing answers.
        """

    @abstractmethod
    def greet(self, worker: str, key: str, message: bytes, requirements: Requirements) -> None:
        """Have a worker answer its first message, as by `call`, unless it has something otherwise than is required.

        It is asked for that first, by `Requirements.probe` and functions that every Python has: one of lakehouse's may
        break the connection of a worker that lacks it. The error of the call has what it has otherwise.
        """

    @abstractmethod
    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        """Have one worker, and no other, call `worker.answer` with a message, once.

        Args:
            worker: Its name.
            key: Names the call.
            message: What it is given.
            resources: What the work asks for beside a place; None for what is no work, and takes no place: it is
                answered while the worker is busy.

        Raises:
            ClusterLostError: Nothing answers.
        """

    @abstractmethod
    def cancel(self, key: str) -> None:
        """Let a call be unwanted: it is not begun any more, and `is_wanted` of one that is under way is false soon."""

    def lacked_memory(self, worker: str) -> bool:
        """Whether the engine ended a worker, which is gone, for want of memory."""
        del worker
        return False

    def reconnect(self) -> None:
        """Look for the cluster again, after `workers` found that nothing answers; no former call is answered then.

        Raises:
            ClusterLostError: Nothing answers yet.
        """
        self.workers()

    @abstractmethod
    def close(self) -> None:
        """Leave the cluster; its workers stay."""
