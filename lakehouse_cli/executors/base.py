"""The seam of executors: where a table's work is done. What is due when stays in the runner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from concurrent.futures import Future


class Executor(ABC):
    """Computes what it is given; used as a context manager, so that whatever it started ends with the run.

    Args:
        workers: How many submitted functions may be under way at once; None for the executor's own choice.
        prepare: To be called first in each process that the executor starts: brings the project's storages and code
            there, which what is submitted relies on.
        at_once: How many submitted functions will be under way at once, at most; None where that is not known. No more
            is started for them.

    Attributes:
        workers: How many may be.
        shares_memory: Whether what is submitted runs in this process, with its objects.
    """

    shares_memory: ClassVar[bool] = True

    def __init__(
        self, workers: int | None = None, prepare: Callable[[], None] | None = None, *, at_once: int | None = None
    ) -> None:
        del at_once
        self.prepare = prepare
        self.workers = workers or 1

    @classmethod
    def note_on(cls, workers: int | None) -> str | None:
        """A note on so many workers; None, by default, where there is nothing to say."""
        del workers
        return None

    @abstractmethod
    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Start ``fn(*args)``; its result, or what it raised, arrives in the future.

        Args:
            fn: What to compute. A function of a module, with arguments that can be pickled, where memory is not shared.
            args: Its arguments.
            timeout: Seconds after which an executor that can end what it started does so, and the future raises
                `WorkerTimeoutError`.
        """

    def stop(self) -> None:
        """Begin nothing more, and let go at once of what is under way, as far as that can be done.

        Nothing of it is waited for any more. What was not begun fails with `WorkerDiedError`.
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


class WorkerStartError(Exception):
    """Nothing could be started that computes; the message says why."""


class WorkerDiedError(Exception):
    """The process that computed something ended before it was done; the message says of what."""


class WorkerTimeoutError(Exception):
    """The process that computed something was ended because it was over its time."""
