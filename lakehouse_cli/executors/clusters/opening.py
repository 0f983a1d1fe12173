"""A cluster → its executor, also where nothing can be computed there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, ClassVar

from lakehouse_cli.executors.base import Ask, ClusterError, Executor


class UnusableCluster(Executor):
    """Stands for a cluster on which nothing can be computed, and says why of each piece of work.

    Args:
        error: Why.
    """

    shares_memory: ClassVar[bool] = False
    is_cluster: ClassVar[bool] = True

    def __init__(self, error: ClusterError) -> None:
        super().__init__()
        self._error = error

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None, ask: Ask | None = None
    ) -> Future[Any]:
        """Fail."""
        del fn, args, timeout, ask
        future: Future[Any] = Future()
        future.set_exception(self._error)
        return future

    def shutdown(self) -> None:
        """There is nothing to release."""


def make_cluster(
    executor: Callable[..., Executor],
    options: Mapping[str, Any],
    workers: int | None,
    prepare: Callable[[], None],
    *,
    at_once: int | None,
) -> Executor:
    """Make the executor of a cluster; one that cannot be used is the failure of the first table, and ends the run."""
    try:
        return executor(workers, prepare, at_once=at_once, options=options)
    except ClusterError as error:
        return UnusableCluster(error)
