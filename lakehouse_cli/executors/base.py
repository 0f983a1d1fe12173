"""The seam of executors: where a table's work is done. What is due when stays in the runner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Executor(ABC):
    """Computes what it is given; used as a context manager, so that whatever it started ends with the run.

    Attributes:
        workers: How many submitted functions can be under way at once.
    """

    workers: int = 1

    @abstractmethod
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start `fn`; its result, or what it raised, arrives in the future."""

    @abstractmethod
    def shutdown(self) -> None:
        """Wait for what is under way and release everything."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
