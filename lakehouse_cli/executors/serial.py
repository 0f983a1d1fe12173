"""One table at a time, in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from lakehouse_cli.errors import Interrupted
from lakehouse_cli.executors.base import Executor


class SerialExecutor(Executor):
    """Runs what is submitted at once, before `submit` returns."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__(1)

    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Run `fn` and return its future, which is done."""
        del timeout
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args))
        except Interrupted:
            raise
        except BaseException as error:  # noqa: BLE001  # the future carries it to the caller
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Nothing is under way between calls."""
