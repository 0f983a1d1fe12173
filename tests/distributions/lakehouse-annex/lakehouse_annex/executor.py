"""An executor that says what it computes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from lakehouse_cli.errors import Interrupted
from lakehouse_cli.executors.base import Executor


class LoggedExecutor(Executor):
    """Computes at once, and leaves a line of each in `annex.log`."""

    def __init__(
        self, workers: int | None = None, prepare: Callable[[], None] | None = None, *, at_once: int | None = None
    ) -> None:
        super().__init__(1, prepare, at_once=at_once)

    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Call it."""
        with Path("annex.log").open("a") as log:
            log.write("computed\n")
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args))
        except Interrupted:  # ends the run, not one table
            raise
        except BaseException as error:
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Nothing goes on."""
