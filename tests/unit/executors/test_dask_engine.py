"""What the adapter of Dask makes of answers of its client."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse_cli.executors.base import WorkerDiedError
from lakehouse_cli.executors.clusters.engine import ClusterLostError
from lakehouse_cli.executors.dask import DaskEngine

ADDRESS = "tcp://127.0.0.1:1"


class BrokenFuture:
    """A future of Dask's that is done, and cannot be fetched."""

    status = "finished"

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._callbacks: list[Callable[[Any], None]] = []

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._callbacks.append(callback)

    def done(self) -> bool:
        return True

    def result(self, timeout: float) -> bytes:
        assert timeout >= 30  # a scheduler that is busy may take long
        raise self._error

    def release(self) -> None:
        """There is nothing to release."""


def engine_with(future: BrokenFuture, status: str) -> tuple[DaskEngine, SimpleQueue[Any]]:
    """An engine whose client gives this future, and the answers that it comes to."""
    client = SimpleNamespace(id="client", status=status, submit=lambda *_, **__: future, close=lambda **_: None)

    class Engine(DaskEngine):
        def _connected(self, seconds: float = 0.0) -> Any:
            return client

    answers: SimpleQueue[Any] = SimpleQueue()
    engine = Engine({"address": ADDRESS}, lambda *answer: answers.put(answer), lambda *_: None)
    engine._addresses["worker"] = ADDRESS
    return engine, answers


@pytest.mark.parametrize("error", [TimeoutError(), CancelledError(), OSError("broken")])
@pytest.mark.parametrize(("status", "expected"), [("running", WorkerDiedError), ("connecting", ClusterLostError)])
def test_large_answer_that_does_not_come(error: BaseException, status: str, expected: type[BaseException]) -> None:
    """Where the cluster answers, the attempt has failed; only where it does not is the piece given once more."""
    engine, answers = engine_with(BrokenFuture(error), status)
    try:
        engine.call("worker", "key", b"", {})
        engine._take_event((0.0, ("key", "large", None)))
        key, content, found = answers.get(timeout=30)
    finally:
        engine.close()
    assert (key, content) == ("key", None)
    assert type(found) is expected


def test_address_that_dask_cannot_use() -> None:
    """What it lacks is said, and not that nobody answers."""
    with pytest.raises(ClusterLostError, match=r"Dask cannot use .*: TLS expects ") as raised:
        DaskEngine({"address": "tls://127.0.0.1:1"}, lambda *_: None, lambda *_: None)
    assert "DASK_DISTRIBUTED__COMM__TLS__CA_FILE" in (raised.value.hint or "")
