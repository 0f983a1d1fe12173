"""The seam of executors: they decide where a table is computed; the runner decides when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError

if TYPE_CHECKING:
    from concurrent.futures import Future


class Ask(Struct, frozen=True):
    """What a piece of work asks of a cluster.

    Attributes:
        key: Its name among all that were ever submitted: run, table and attempt.
        resources: How much of what it takes beside a place to work: `memory` in bytes, and whatever workers offer.
        again: Whether the same was submitted before: another attempt.
        spreads: Whether parts of it may be computed by other workers.
        stops: Whether nothing more is begun, as `withdraw` has it, where it fails.
        near: The worker that it had best be given to, as it has just written what is read; empty for any.
        on_placed: Called with the name of the worker that it was given to, in any thread.
        on_waited: Called with the seconds since it was submitted in which it was not computed, in any thread.
        table: The name of the table that is computed, by which messages call it.
    """

    key: str
    resources: Mapping[str, float] = {}
    again: bool = False
    spreads: bool = False
    stops: bool = False
    near: str = ""
    on_placed: Callable[[str], None] | None = None
    on_waited: Callable[[float], None] | None = None
    table: str = ""


class Executor(ABC):
    """Computes submitted functions; used as a context manager, so that all it started ends with the run.

    Args:
        workers: How many submitted functions may be under way at once; None for the executor's own choice.
        prepare: Brings the project's storages and code to a process, where submitted functions rely on them; to be
            called first in each process that the executor starts.
        at_once: How many submitted functions will be under way at once, at most; None if unknown. No more workers are
            started.

    Attributes:
        workers: How many may be under way at once.
        on_more: Called, in any thread, where that has become more.
        shares_memory: Whether submitted functions run in this process, with its objects.
        is_cluster: Whether they run where the files of this machine may not be: `submit` is given an `Ask`, and what
            it is given names no files of the run's own.
    """

    shares_memory: ClassVar[bool] = True
    is_cluster: ClassVar[bool] = False

    def __init__(
        self, workers: int | None = None, prepare: Callable[[], None] | None = None, *, at_once: int | None = None
    ) -> None:
        del at_once
        self.prepare = prepare
        self.workers = workers or 1
        self.on_more: Callable[[], None] = _do_nothing

    @classmethod
    def note_on(cls, workers: int | None) -> str | None:
        """Comment on a number of workers; None, by default, for no comment."""
        del workers
        return None

    @property
    def per_machine(self) -> int:
        """How many functions that are under way share the cores and the memory of a machine, at most."""
        return self.workers

    @property
    def most_submitted(self) -> int:
        """How many functions may have been submitted and not ended; more than `workers` where that helps."""
        return self.workers

    @abstractmethod
    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Start ``fn(*args)``; its result or exception arrives in the future.

        Args:
            fn: A function; of a module, with arguments that can be pickled, where memory is not shared.
            args: Its arguments.
            timeout: Seconds after which an executor that can end the function does so, and the future raises
                `WorkerTimeoutError`.
        """

    def memory_of(self, worker: str) -> float:
        """The bytes of memory that a worker of a cluster has, as far as it is known; else 0."""
        del worker
        return 0.0

    def withdraw(self) -> Collection[str]:
        """Begin nothing more, and let what is under way end; the rest fails with `WithdrawnError`, soon.

        Where no more is submitted than `workers`, all of it is under way. Returns the tables of what is not, as far as
        that has not failed yet; may be called again.
        """
        return ()

    def stop(self) -> None:
        """Begin nothing more, and end at once what is under way, as far as that can be done.

        Nothing is waited for any more. Functions that were not begun fail with `WorkerDiedError`.
        """
        return

    @abstractmethod
    def shutdown(self) -> None:
        """Release everything; nothing is under way any more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.stop()
        self.shutdown()


def _do_nothing() -> None:
    return


class ClusterError(LakehouseError):
    """Nothing can be computed on a cluster: it does not answer, or no worker of it fits; it ends the run."""


class WorkerStartError(Exception):
    """No worker could be started; the message says why."""


#: What the error of a process says that was killed, and nobody knows why.
MAYBE_MEMORY = "; the system may have been out of memory"


class WorkerDiedError(Exception):
    """A process ended before its function did; the message says of what."""


class WorkerKilledError(WorkerDiedError):
    """A process was killed, as a system does that is out of memory."""


class WorkerTimeoutError(Exception):
    """A process was ended because its function was over its time."""


class WithdrawnError(Exception):
    """Work was not begun, and is not any more.

    Attributes:
        may_be_done: Whether it was given to a worker before, which may have done it.
        waited: What it waited for, as far as that is no place that others had.
    """

    def __init__(self, *, may_be_done: bool = False, waited: str = "") -> None:
        super().__init__("was not begun")
        self.may_be_done, self.waited = may_be_done, waited


class WorkUnwantedError(Exception):
    """A process must be ended because nobody waits for its function any more."""
