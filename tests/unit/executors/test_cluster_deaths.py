"""Workers of a cluster that die, or may have: what they are given then, and what becomes of what they had."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import cast

import pytest
from msgspec.structs import replace

from lakehouse_cli.executors.base import Ask, WorkerDiedError, WorkerTimeoutError
from lakehouse_cli.executors.clusters import members, pieces
from lakehouse_cli.executors.clusters.engine import Slots
from lakehouse_cli.executors.clusters.worker import BEGUN
from lakehouse_cli.testing.executors import PATIENCE, await_that, double, outcome
from tests.clusters.here import Here, HereExecutor


class Mortal(Here):
    """Workers that die as a test says, and looks at which there are that it lets pass one by one."""

    def connect(self) -> None:
        """They are alive, and looks pass."""
        super().connect()
        self.given: list[str] = []
        self.gone: set[str] = set()
        #: Whether "one", which does nothing then, dies of what it is given, or hangs; whether it says that it begins.
        self.dies = self.hangs = self.begins = False
        #: What "one" is asked for while it hangs, that is no work.
        self.kept: list[tuple[str, str, bytes, None]] = []
        self.is_held = False
        #: Those of whom nothing has been heard for long.
        self.silent: set[str] = set()
        self._looks, self._passes = threading.Semaphore(0), threading.Semaphore(0)

    def workers(self) -> Mapping[str, Slots]:
        """Those that are not gone, as they were when the look began."""
        found = {name: slots for name, slots in super().workers().items() if name not in self.gone}
        found |= {name: replace(found[name], silent_s=99.0) for name in self.silent}
        if self.is_held:
            self._looks.release()
            assert self._passes.acquire(timeout=PATIENCE)
        return found

    def await_look(self) -> None:
        """Wait until a look has begun, which is held."""
        assert self._looks.acquire(timeout=PATIENCE)

    def pass_look(self) -> None:
        """Let the look that is held pass, and wait until all was done with it and the next one has begun."""
        self._passes.release()
        self.await_look()

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        """Note who is given work."""
        if resources is not None:
            self.given.append(worker)
        if worker == "one" and resources is None and self.hangs:
            self.kept.append((worker, key, message, None))
        elif resources is None or worker != "one" or not (self.dies or self.hangs):
            super().call(worker, key, message, resources)
        else:
            threading.Thread(target=self._fail, args=(key,), daemon=True).start()

    def _fail(self, key: str) -> None:
        if self.begins:
            self.on_said(key, BEGUN, None)
            self.on_said(key, BEGUN, 0)
        if self.dies:
            self.on_answer(key, None, WorkerDiedError("was killed"))

    def wake(self) -> None:
        """Let "one" do what it was asked for while it hung, but for work."""
        self.hangs = False
        for asked in self.kept:
            super().call(*asked)

    def let_pass(self) -> None:
        """Hold no look any more."""
        self.is_held = False
        self._passes.release()


class OnMortal(HereExecutor):
    engine = Mortal


@pytest.fixture
def executor() -> Iterator[HereExecutor]:
    with OnMortal() as executor:
        yield executor
        cast(Mortal, executor._engine).let_pass()


@pytest.fixture
def engine(executor: HereExecutor) -> Mortal:
    return cast(Mortal, executor._engine)


#: Asks for the worker that dies.
NEAR = Ask("piece", near="one")


def test_worker_that_died_is_given_nothing_until_it_is_found_again(executor: HereExecutor, engine: Mortal) -> None:
    """Not by a look that had begun before."""
    engine.is_held = True
    engine.await_look()
    engine.begins = engine.dies = True
    with pytest.raises(WorkerDiedError, match="was killed"):
        outcome(executor.submit(double, 1, ask=NEAR))
    engine.begins = engine.dies = False
    assert outcome(executor.submit(double, 2, ask=NEAR)) == 4
    engine.pass_look()
    assert outcome(executor.submit(double, 3, ask=NEAR)) == 6
    engine.pass_look()
    assert outcome(executor.submit(double, 4, ask=NEAR)) == 8
    assert engine.given == ["one", "two", "two", "one"]


@pytest.mark.parametrize("begins", [False, True])
def test_what_a_worker_had_that_is_gone(executor: HereExecutor, engine: Mortal, *, begins: bool) -> None:
    """It has failed if it was begun; else others do it, and it was no attempt."""
    engine.hangs, engine.begins = True, begins
    future = executor.submit(double, 1, ask=NEAR)
    assert await_that(lambda: engine.given == ["one"])
    if begins:
        assert await_that(lambda: all(call.begun is not None for call in executor._calls.values()))
    engine.gone.add("one")
    if begins:
        with pytest.raises(WorkerDiedError, match="was on worker one, which is gone"):
            outcome(future)
    else:
        assert outcome(future) == 2
    assert engine.given == ["one"] + ["two"] * (not begins)


def test_what_no_worker_begins_fails_in_the_end(executor: HereExecutor, engine: Mortal) -> None:
    """It may be why they die, and the next worker would die of it as well."""
    engine.dies = True
    engine.gone.add("two")
    assert await_that(lambda: "two" not in executor._members.workers)
    with pytest.raises(WorkerDiedError, match="was killed"):
        outcome(executor.submit(double, 1))
    assert engine.given == ["one"] * 6


def test_work_over_its_time_at_a_worker_that_says_nothing(
    executor: HereExecutor, engine: Mortal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has failed of that; the worker, though it is there, is given nothing until it answers."""
    monkeypatch.setattr(pieces, "SILENCE_S", 0.1)
    engine.hangs = engine.begins = True
    with pytest.raises(WorkerTimeoutError):
        outcome(executor.submit(double, 1, ask=NEAR, timeout=0.1))
    assert outcome(executor.submit(double, 2, ask=NEAR, timeout=30.0)) == 4
    assert "note: one does not answer, and is given nothing until it does" in capsys.readouterr().err
    engine.wake()
    assert await_that(lambda: executor._members.workers["one"].state == "ready")
    assert outcome(executor.submit(double, 3, ask=NEAR)) == 6
    assert engine.given == ["one", "two", "one"]


def test_worker_that_is_silent(
    executor: HereExecutor, engine: Mortal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once it is said what waits for it, and it is given nothing until it answers."""
    monkeypatch.setattr(members, "_SILENT_S", 0.1)
    engine.hangs = engine.begins = True
    for name in ("a", "b"):
        executor.submit(double, 1, ask=Ask(name, near="one", table=name))
    assert await_that(lambda: engine.given == ["one", "two"])
    engine.silent.add("one")
    assert await_that(lambda: executor._members.workers["one"].state == "greeted")
    assert outcome(executor.submit(double, 2, ask=NEAR)) == 4
    engine.silent.clear()
    engine.wake()
    assert await_that(lambda: executor._members.workers["one"].state == "ready")
    said = "note: one does not answer, and is given nothing until it does; `a` waits for it: wake it, or end it"
    assert capsys.readouterr().err.count(said) == 1
    assert engine.given == ["one", "two", "two"]
