"""What is begun around the attempts at a table, in an order that the test decides: no thread, no clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.executors.threads import ThreadsExecutor
from lakehouse_cli.runner.callback_queue import CallbackQueue
from tests.conftest import ProjectFolder


class Steps:
    """A run of `threads` whose work ends, and whose timers fire, one step each time the loop waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, steps: Callable[[Steps], Iterator[None]]) -> None:
        self.begun: list[str] = []
        self.most = 0
        self.timers: list[Callable[[], None]] = []
        self._work: dict[str, Callable[[], None]] = {}
        self._steps = steps(self)
        call_next = CallbackQueue.call_next

        def waiting(queue: CallbackQueue) -> None:
            while queue._callbacks.empty():
                next(self._steps)
            call_next(queue)

        def timer(delay: float, post: Callable[..., None], arguments: list[Any]) -> Timer:
            return Timer(self.timers, lambda: post(*arguments))

        monkeypatch.setattr(CallbackQueue, "call_next", waiting)
        monkeypatch.setattr(ThreadsExecutor, "submit", lambda _, fn, job, **how: self.submit(fn, job))
        monkeypatch.setattr(threading, "Timer", timer)

    def submit(self, fn: Callable[[Any], Any], job: Any) -> Future[Any]:
        """Keep a piece of work until `end`."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(fn(job))
            except Exception as error:
                future.set_exception(error)

        self.begun.append(job.table.name)
        self._work[job.table.name] = work
        self.most = max(self.most, len(self._work))
        return future

    def end(self, name: str) -> None:
        """Do the work on a table."""
        self._work.pop(name)()


class Timer:
    """One that fires when it is called."""

    def __init__(self, started: list[Callable[[], None]], fire: Callable[[], None]) -> None:
        self._started, self._fire = started, fire

    def start(self) -> None:
        self._started.append(self._fire)

    def cancel(self) -> None:
        """It has fired already, or never does."""


@pytest.fixture
def three(folder: ProjectFolder) -> ProjectFolder:
    """Three tables, of which the first fails once and the second always."""
    folder.write("lakehouse.yaml", "name: p\nmodule: m\ntables: {a: {retries: 1, retry_delay: 9}, b: {}, c: {}}\n")
    folder.write(
        "m.py",
        """
        import pathlib
        import pandas as pd

        def a():
            if not pathlib.Path("tried").exists():
                pathlib.Path("tried").touch()
                raise ValueError("not yet")
            return pd.DataFrame({"n": [1]})

        def b():
            raise ValueError("never")

        def c():
            return pd.DataFrame({"n": [1]})
        """,
    )
    return folder


def test_no_table_begins_while_a_retry_has_its_worker(three: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(run: Steps) -> Iterator[None]:
        run.end("a")
        yield
        assert run.begun == ["a", "b"], "the worker is free while `a` waits"
        run.timers.pop()()
        yield
        for name in ("a", "b", "c"):
            run.end(name)
            yield

    run = Steps(monkeypatch, steps)
    Project.load().run(workers=1)
    assert run.begun == ["a", "b", "a", "c"]
    assert run.most == 2


def test_no_retry_begins_after_fail_fast(three: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(run: Steps) -> Iterator[None]:
        run.end("a")
        yield
        run.end("b")
        run.timers.pop()()
        yield

    run = Steps(monkeypatch, steps)
    result = Project.load().run(workers=1, fail_fast=True)
    assert run.begun == ["a", "b"]
    assert {table.name: table.status for table in result.tables} == {"a": "failed", "b": "failed", "c": "cancelled"}
