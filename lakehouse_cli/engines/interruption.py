"""Work in a library that does not notice Ctrl-C, in such a way that it is ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_Result = TypeVar("_Result")


def interruptibly(connection: Any, work: Callable[[], _Result]) -> _Result:
    """Do what keeps a connection busy; an interruption of the main thread, which DuckDB may not heed, ends it."""
    if threading.current_thread() is not threading.main_thread():
        return work()
    done: Future[_Result] = Future()

    def finish() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised in the main thread
            done.set_exception(error)

    thread = threading.Thread(target=finish, name="query", daemon=True)
    thread.start()
    try:
        return done.result()
    except KeyboardInterrupt:
        while thread.is_alive():  # before a query has begun, there is nothing to interrupt
            connection.interrupt()
            thread.join(0.05)
        raise
    finally:
        thread.join()
