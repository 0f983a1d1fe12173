"""One table at a time, in the calling thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from lakehouse_cli.executors.base import Executor, P, T


class SerialExecutor(Executor):
    """Runs what is submitted at once, before `submit` returns; Ctrl-C interrupts it there."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run `fn` and return its finished future."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # the future carries it to whoever asks for the result
            future.set_exception(error)
        return future

    def shutdown(self) -> None:
        """Nothing is under way between calls."""
