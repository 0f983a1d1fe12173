"""Workers of a cluster as they come: what they are given first, and what is said of it."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli.executors.base import Ask, ClusterError, WithdrawnError, WorkerKilledError
from lakehouse_cli.executors.clusters import executor, members, sending
from lakehouse_cli.executors.clusters.bundle import Bundle, unpack
from lakehouse_cli.executors.clusters.engine import Slots
from lakehouse_cli.executors.clusters.messages import Answer
from lakehouse_cli.testing.executors import PATIENCE, await_that, double, outcome
from tests.clusters.here import Here, HereExecutor


@pytest.mark.parametrize("takes_long", [True, False])
def test_code_that_takes_long_to_send_is_said(monkeypatch: pytest.MonkeyPatch, *, takes_long: bool) -> None:
    """Once, with the number of workers; not where they have it at once."""
    said: list[str] = []
    is_said = threading.Event()

    def say(kind: str, line: str) -> None:
        said.append(f"{kind} {line}")
        is_said.set()

    class OnSlow(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            def call(self, worker: str, key: str, message: bytes, resources: Any) -> None:
                if takes_long and key.startswith("take "):
                    given = worker, key, message, resources
                    threading.Thread(target=self._take, args=given, daemon=True).start()
                else:
                    super().call(worker, key, message, resources)

            def _take(self, *given: Any) -> None:
                assert is_said.wait(PATIENCE)
                super().call(*given)

    monkeypatch.setattr(sending, "say_here", say)
    monkeypatch.setattr(sending, "_SILENT_S", 0.3 if takes_long else PATIENCE)
    with OnSlow() as made:
        assert outcome(made.submit(double, 1)) == 2
    assert said == (["stderr sending the project's code (0.0 MB) to 2 workers"] if takes_long else [])


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"memory": 64 * 2.0**30}, "no worker has 64 GiB of memory (the most is 1.5 GiB)"),
        ({"gpus": 2.0, "seats": 0.5}, "no worker has 2 of `gpus` (the most is 1) nor 0.5 of `seats` (the most is 0)"),
        ({"memory": 2.0**30, "gpus": 1.0}, "no worker has 1 GiB of memory and 1 of `gpus` at once"),
    ],
)
def test_what_no_worker_has_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: dict[str, float], why: str
) -> None:
    """With the first of the tables that wait for it; others are computed, and the run can be stopped."""

    class OnSmall(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            def workers(self) -> dict[str, Slots]:
                return {"one": Slots(1, {"memory": 1.5 * 2**30}), "two": Slots(1, {"memory": 2.0**28, "gpus": 1.0})}

    monkeypatch.setattr(executor, "UNPLACED_S", 0.0)
    with OnSmall() as made:
        waiting = [made.submit(double, 1, ask=Ask(name, asked, table=name)) for name in ("model", "other")]
        assert await_that(lambda: made.most_submitted == made.workers + len(waiting))
        assert outcome(made.submit(double, 1, ask=Ask("plain", {"memory": 2.0**30}))) == 2
        made.withdraw()
        errors = [each.exception(PATIENCE) for each in waiting]
    assert [isinstance(error, WithdrawnError) and error.waited for error in errors] == [why] * 2
    does = "start one that has it, or ask for less under `resources`; the run goes on until then"
    assert capsys.readouterr().err == f"note: `model` and 1 more wait, as {why}: {does}\n"


def test_files_of_a_bundle_are_not_written_to(tmp_path: Path) -> None:
    """They are there for the runs to come, under the name of their content."""
    bundle = Bundle(Bundle.of(None).prepare, files={"rates/one.txt": b"1", "code.py": b""})
    for _ in range(2):
        unpack(bundle.packed, tmp_path / "bundle")
    found = {file.relative_to(tmp_path).as_posix(): file.stat() for file in tmp_path.glob("bundle/files/**/*.*")}
    assert {name: oct(each.st_mode & 0o777) for name, each in found.items()} == {
        "bundle/files/code.py": "0o444",
        "bundle/files/rates/one.txt": "0o444",
    }


def test_worker_that_is_silent_from_the_start_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others compute meanwhile."""
    looks: list[int] = []

    class OnSilent(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            def workers(self) -> dict[str, Slots]:
                looks.append(1)
                return {"one": Slots(1, silent_s=-1.0), "two": Slots(1, silent_s=-1.0)}

            def greet(self, worker: str, *given: Any) -> None:
                if worker == "two":
                    super().greet(worker, *given)

    monkeypatch.setattr(members, "_SILENT_S", 0.0)
    with OnSilent() as made:
        assert outcome(made.submit(double, 1)) == 2
        seen = len(looks)
        assert await_that(lambda: len(looks) > seen + 2)
    assert capsys.readouterr().err == "note: one does not answer, and is given nothing until it does\n"


def test_worker_without_work_that_falls_silent_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cluster is looked at as before."""
    looks: list[int] = []

    class OnSilent(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            silent_s = -1.0

            def workers(self) -> dict[str, Slots]:
                looks.append(1)
                return {"one": Slots(1, silent_s=self.silent_s), "two": Slots(1, silent_s=-1.0)}

            def greet(self, worker: str, *given: Any) -> None:
                if self.silent_s < 0:
                    super().greet(worker, *given)

    monkeypatch.setattr(members, "_SILENT_S", 0.0)
    with OnSilent():
        OnSilent.engine.silent_s = 1.0
        seen = len(looks)
        assert await_that(lambda: len(looks) > seen + 3)
    assert capsys.readouterr().err == "note: one does not answer, and is given nothing until it does\n"


def test_worker_that_lacked_memory_as_it_was_greeted_is_greeted_again() -> None:
    """What was killed for want of it may have it soon."""
    greeted: list[str] = []

    class OnFull(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            def greet(self, worker: str, key: str, *given: Any) -> None:
                greeted.append(worker)
                if greeted.count(worker) > 1:
                    super().greet(worker, key, *given)
                else:
                    error = WorkerKilledError("was out of memory")
                    threading.Thread(target=self.on_answer, args=(key, None, error), daemon=True).start()

    with OnFull() as made:
        assert outcome(made.submit(double, 1)) == 2
    assert all(greeted.count(worker) == 2 for worker in greeted)


def test_run_does_not_begin_where_all_workers_lack_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they lack is said, with what to do; not that they do not fit."""

    class OnFull(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            def greet(self, worker: str, key: str, *given: Any) -> None:
                error = WorkerKilledError("was ended by Ray, as its machine ran out of memory")
                threading.Thread(target=self.on_answer, args=(key, None, error), daemon=True).start()

    monkeypatch.setattr(members, "_GREETING_S", 0.2)
    with pytest.raises(ClusterError) as caught:
        OnFull()
    assert caught.value.message == (
        "no worker of the threads cluster answers: one, two: it was ended by Ray, as its machine ran out of memory"
    )
    assert caught.value.hint == "run again when they have memory, or give them more"


def test_worker_that_goes_on_lacking_memory_is_greeted_ever_more_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to some seconds between two times, and at once again when it has been ready."""
    now, greeted = [0.0], [0.0]

    class OnClock:
        @staticmethod
        def monotonic() -> float:
            return now[0]

        time = monotonic

    class OnFull(Here):
        def workers(self) -> dict[str, Slots]:
            return {"one": Slots(1)}

        def greet(self, worker: str, *given: Any) -> None:
            greeted.append(now[0])

    monkeypatch.setattr(members, "time", OnClock)
    bundle, lock = Bundle.of(None), threading.RLock()
    found = members.Members(OnFull({}, print, print), bundle, lock, "run")
    while now[0] < 35:
        found.look()
        if found.workers["one"].state == "greeted":
            with lock:
                found.welcome("one", "greet", Answer("killed", text="was out of memory"))
        now[0] += 0.125
    assert [after - before for before, after in pairwise(greeted)] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    with lock:
        found.welcome("one", "take", Answer("ready"))
    assert found.workers["one"].pause == 0
