"""Pieces of work that a worker of a cluster is given together, and that a cluster gives to workers."""

from __future__ import annotations

import ast
import inspect
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from lakehouse_cli.errors import TransformError
from lakehouse_cli.executors.base import Ask, WithdrawnError, WorkerDiedError
from lakehouse_cli.executors.clusters import differences, pieces, worker
from lakehouse_cli.executors.clusters.bundle import Bundle
from lakehouse_cli.executors.clusters.engine import Slots
from lakehouse_cli.executors.clusters.messages import Message, Work, packed, unpacked
from lakehouse_cli.executors.clusters.parts import Part, PartError, compute_part, error_of
from lakehouse_cli.executors.clusters.requirements import Requirements
from lakehouse_cli.executors.clusters.worker import BEGUN, answer, folder_of, pack_message, unpack_answers
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.runner.workplace import KeptInputs
from lakehouse_cli.testing.executors import await_that, double, outcome, wait_for_go
from tests.clusters.here import Here, HereExecutor


def message(*work: tuple[Callable[..., Any], Any]) -> bytes:
    """A message with functions and their arguments."""
    return pack_message(Message(Bundle.of(None).id, "work", work=tuple(Work(packed((fn, (arg,)))) for fn, arg in work)))


def test_what_a_long_piece_keeps_waiting_is_given_back(tmp_path: Path) -> None:
    """What is done is said, what has not begun may be done elsewhere, while the long piece goes on."""
    bundle = Bundle.of(None)
    (tmp_path / "go").touch()
    answer(pack_message(Message(bundle.id, "take", bundle.packed)), str(tmp_path))
    answer(message((wait_for_go, tmp_path)), str(tmp_path))  # loads what the others need
    said: dict[int, Any] = {}
    last: Future[Any] = Future()
    (tmp_path / "here").mkdir()
    asked = message((double, 1), (wait_for_go, tmp_path / "here"), (double, 3), (double, 4))

    def say(kind: str, value: Any) -> None:
        if kind == "answers":
            said.update(unpack_answers(value))

    def work() -> None:
        found = answer(asked, str(tmp_path), say)
        last.set_result(unpack_answers(found))

    threading.Thread(target=work, daemon=True).start()
    assert await_that(lambda: 3 in said)
    assert not last.done()
    assert unpacked(said[0].content) == 2
    assert [said[number].kind for number in (2, 3)] == ["back", "back"]
    (tmp_path / "here" / "go").touch()
    assert [(number, found.kind) for number, found in outcome(last).items()] == [(1, "result")]


def keep_printing(seconds: float) -> None:
    """Print now and then for so many seconds."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        print("still")
        time.sleep(0.05)


def test_unwanted_work_that_prints_all_the_time_is_ended(tmp_path: Path) -> None:
    bundle = Bundle.of(None)
    answer(pack_message(Message(bundle.id, "take", bundle.packed)), str(tmp_path))
    found = unpack_answers(answer(message((keep_printing, 4.0)), str(tmp_path), is_wanted=lambda: False))
    assert found[0].kind == "late"


def be_killed(counts: Path, values: dict[str, Any]) -> None:
    """Be killed, and have the system count that as for want of memory where there is a file to count in."""
    del values
    if counts.exists():
        counts.write_text("oom_kill 4\n")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("is_counted", [True, False])
def test_partition_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_counted: bool) -> None:
    """What can be done is said by whether the system was out of memory."""
    bundle, counts = Bundle.of(None), tmp_path / "vmstat"
    answer(pack_message(Message(bundle.id, "take", bundle.packed)), str(tmp_path))
    if is_counted:
        counts.write_text("oom_kill 3\n")
    monkeypatch.setattr(worker, "_COUNTS", counts)
    part = Part.of(partial(be_killed, counts), {})
    with pytest.raises(PartError) as caught:
        compute_part(bundle.id, part, (), str(tmp_path), "one", worker.ignore, lambda: True)
    error = error_of(caught.value, tmp_path)
    assert isinstance(error, TransformError)
    if is_counted:
        assert error.message == "the process of a partition at one was ended by the system, which was out of memory"
        assert error.hint == (
            "make smaller partitions of it (`repartition`), or have workers with fewer threads or more memory"
        )
    else:
        assert error.message.endswith("at one was killed by SIGKILL; the system may have been out of memory")
        assert error.hint == "look for what ends processes in the transform, or what is out of memory"


def write_secret(line: str) -> None:
    """Print, have a program write to stdout and stderr, leave a line without its end, and end the process if asked."""
    print("printed", os.environ["PGPW"])
    os.system("echo shell $PGPW; echo errors $PGPW >&2; printf rest$PGPW >&2")
    if line == "last":
        os.write(2, f"\nlast {os.environ['PGPW']}\n".encode())
        os._exit(3)


def test_what_programs_write_is_said_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As prints are, each line with its own work, also what a process writes as it dies; the worker's log has none."""
    monkeypatch.setenv("PGPW", "hunter2/horse")
    bundle = Bundle(Bundle.of(None).prepare, variables=("PGPW",))
    answer(pack_message(Message(bundle.id, "take", bundle.packed)), str(tmp_path))
    written = ["stderr errors ${PGPW}", "stderr rest${PGPW}", "stdout printed ${PGPW}", "stdout shell ${PGPW}"]
    for line, more in (("", []), ("again", []), ("last", ["stderr last ${PGPW}"])):
        said: list[str] = []

        def say(kind: str, value: Any, said: list[str] = said) -> None:
            said.extend([f"{kind} {value}"] if kind in ("stdout", "stderr") else [])

        work = (Work(packed((write_secret, (line,)))),)
        answer(pack_message(Message(bundle.id, "work", work=work)), str(tmp_path), say)
        assert sorted(said) == sorted(written + more)
    assert capfd.readouterr() == ("", "")


class Together(Here):
    """Counts the pieces of each call; a worker dies with the first that has several, of which it has said none."""

    counts: list[int]
    died = False

    def call(self, worker: str, key: str, message: bytes, resources: Any) -> None:
        if resources is not None:
            count = message.count(b"double")
            self.counts.append(count)
            if count > 1 and not self.died:
                self.died = True
                threading.Thread(target=self._die, args=(key,), daemon=True).start()
                return
        super().call(worker, key, message, resources)

    def _die(self, key: str) -> None:
        self.on_said(key, BEGUN, None)
        self.on_answer(key, None, WorkerDiedError("was killed"))


def test_short_pieces_are_given_together_and_one_death_is_one_failure() -> None:
    """The one that was under way fails; those behind it are done by others, as what may have been done."""
    Together.counts = []

    class OnTogether(HereExecutor):
        engine = Together

    with OnTogether() as executor:
        for number in range(40):  # one after the other: it is learnt how long they take
            assert outcome(executor.submit(double, number)) == 2 * number
        waits = [executor.submit(double, number) for number in range(executor.most_submitted)]
        errors = [error for future in waits if (error := future.exception(30)) is not None]
    assert len(errors) == 1
    assert "was killed" in str(errors[0])
    assert max(Together.counts) > 1


def test_waiting_time_is_told_apart(tmp_path: Path) -> None:
    """Work that waited for a worker, or failed, did not take that long."""
    waited: list[float] = []
    (tmp_path / "go").touch()
    with HereExecutor(1) as executor:
        outcome(executor.submit(wait_for_go, tmp_path))  # by a process that is loaded then
        (tmp_path / "go").unlink()
        (tmp_path / "begun").unlink()
        first = executor.submit(wait_for_go, tmp_path, ask=Ask("one", on_waited=waited.append))
        second = executor.submit(double, 2, ask=Ask("two", on_waited=waited.append))
        since = time.monotonic()
        assert await_that((tmp_path / "begun").exists)
        begun = time.monotonic()
        time.sleep(0.2)
        passed = time.monotonic() - begun
        (tmp_path / "go").touch()
        outcome(first)
        outcome(second)
        took = time.monotonic() - since
    assert waited[0] <= took - passed
    assert waited[1] >= passed


def test_work_over_its_time_says_how_long_it_took(tmp_path: Path) -> None:
    bundle = Bundle.of(None)
    answer(pack_message(Message(bundle.id, "take", bundle.packed)), str(tmp_path))
    said: list[tuple[str, Any]] = []
    work = (Work(packed((double, (1,)))), Work(packed((wait_for_go, (tmp_path,))), timeout=0.3))
    asked = pack_message(Message(bundle.id, "work", work=work))
    found = unpack_answers(answer(asked, str(tmp_path), lambda *each: said.append(each)))
    assert found[1].kind == "late"
    assert found[1].seconds >= 0.3
    assert [value for kind, value in said if kind == BEGUN] == [None, 1]  # by which it is known elsewhere


def withdraw(folder: Path) -> None:
    """Have a worker, which is told so in the middle of work, begin nothing more of run `one`."""
    answer(pack_message(Message(Bundle.of(None).id, "withdraw", run="one")), str(folder))


def test_what_a_worker_has_not_begun_is_given_back_where_the_run_stops(tmp_path: Path) -> None:
    """What is under way ends, also work of other runs is done."""
    bundle = Bundle.of(None)
    answer(pack_message(Message(bundle.id, "take", bundle.packed)), str(tmp_path))
    work = tuple(Work(packed(call)) for call in ((double, (1,)), (withdraw, (tmp_path,)), (double, (2,))))
    for run, kinds in (("one", ["result", "result", "back"]), ("one", ["back"] * 3), ("two", ["result"] * 3)):
        found: dict[int, Any] = {}

        def say(kind: str, value: Any, found: dict[int, Any] = found) -> None:
            found |= unpack_answers(value) if kind == "answers" else {}

        asked = pack_message(Message(bundle.id, "work", work=work, run=run))
        found |= unpack_answers(answer(asked, str(tmp_path), say))
        assert [found[number].kind for number in range(3)] == kinds


def test_what_runs_left_at_a_worker_is_removed(tmp_path: Path) -> None:
    """Beside bundles, when it is a day old: until then workers may look for it."""
    bundle = Bundle.of(None)
    take = pack_message(Message(bundle.id, "take", bundle.packed))
    answer(take, str(tmp_path))
    place = folder_of(str(tmp_path), bundle.id)
    withdraw(tmp_path)
    (flag,) = place.parent.glob(".*")
    part = place.with_name(".part")
    (part / "files").mkdir(parents=True)
    answer(take, str(tmp_path))
    assert {flag, part, place} == set(place.parent.iterdir())
    for old in (flag, part, place):
        os.utime(old, (time.time() - 90_000,) * 2)
    answer(take, str(tmp_path))
    assert list(place.parent.iterdir()) == [place]


def test_what_is_not_under_way_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what a worker was given together, the first is finished where a run stops."""
    monkeypatch.setattr(pieces, "CALL_S", 60.0)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with HereExecutor(1) as executor:
        first = executor.submit(wait_for_go, tmp_path / "one", ask=Ask("1", table="one"))
        second = executor.submit(wait_for_go, tmp_path / "two", ask=Ask("2", table="two"))
        rest = {name: executor.submit(double, 1, ask=Ask(name, table=name)) for name in ("three", "four")}
        (tmp_path / "one" / "go").touch()
        outcome(first)
        assert await_that((tmp_path / "two" / "begun").exists)
        told = executor.withdraw()
        (tmp_path / "two" / "go").touch()
        assert outcome(second)
        assert all(isinstance(each.exception(30), WithdrawnError) for each in rest.values())
    assert told == {"three", "four"}


def test_withdrawn_work_is_not_begun(tmp_path: Path) -> None:
    """What is under way ends; the rest fails at once, also what comes later."""
    with HereExecutor(1) as executor:
        under_way = executor.submit(wait_for_go, tmp_path)
        waiting = executor.submit(double, 1)
        assert await_that((tmp_path / "begun").exists)
        executor.withdraw()
        for future in (waiting, executor.submit(double, 2)):
            with pytest.raises(WithdrawnError):
                outcome(future)
        assert not under_way.done()
        (tmp_path / "go").touch()
        assert outcome(under_way)


def test_inputs_are_read_once_as_long_as_they_are_what_is_expected() -> None:
    read: list[str] = []
    record = InputRecord("first", 1, 8, 0)

    def load(name: str) -> tuple[pa.Table, InputRecord]:
        read.append(name)
        return pa.table({"n": [len(read)]}), record

    kept = KeptInputs()
    job: Any = SimpleNamespace(run_id="one", expected_inputs={"source": record})
    for _ in range(3):
        assert kept.get(job, "source", load)[0].column("n").to_pylist() == [1]
    job.expected_inputs = {"source": InputRecord("second", 1, 8, 0)}
    assert kept.get(job, "source", load)[0].column("n").to_pylist() == [2]
    job.expected_inputs = {}
    assert kept.get(job, "source", load)[0].column("n").to_pylist() == [3]
    job.run_id, job.expected_inputs = "two", {"source": record}
    assert kept.get(job, "source", load)[0].column("n").to_pylist() == [4]


def test_places_of_other_machines_take_no_share() -> None:
    """Queries divide the memory of a machine among the tables that are computed there, not in the whole cluster."""

    class OnSeveral(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            def workers(self) -> dict[str, Slots]:
                names = ("tcp://10.0.0.1:1#a", "tcp://10.0.0.1:2#b", "tcp://10.0.0.2:1#c", "node-x#d")
                self._folders |= dict.fromkeys(names, self._folders["one"])
                return {name: Slots(2, {}) for name in names}

    with OnSeveral() as executor:
        assert (executor.workers, executor.per_machine) == (8, 4)
    with OnSeveral(3) as executor:
        assert executor.per_machine == 3


def test_addresses_of_many_workers_are_short() -> None:
    """A job is a few kilobytes, though its parts may be given to any of them."""
    chosen = random.Random(1)
    places = [".".join(str(chosen.randrange(256)) for _ in range(3)) for _ in range(100)]
    addresses = [f"tcp://10.{place}:{chosen.randrange(32768, 61000)}" for place in places]
    sent: list[bytes] = []

    class OnMany(HereExecutor):
        class engine(Here):  # noqa: N801  # as the executor calls it
            spreads = True

            def workers(self) -> dict[str, Slots]:
                self._folders |= {f"{each}#0": self._folders["one"] for each in addresses}
                return {f"{each}#0": Slots(1) for each in addresses}

            def call(self, worker: str, key: str, message: bytes, resources: Any) -> None:
                sent.extend([message] if resources is not None else [])
                super().call(worker, key, message, resources)

    with OnMany() as executor:
        outcome(executor.submit(double, 1, ask=Ask("one", spreads=True)))
    (message,) = sent
    assert sorted(unpacked(msgspec.msgpack.decode(message, type=Message).spread)) == sorted(addresses)
    assert len(message) < 1500


def test_probe_needs_nothing_but_python() -> None:
    """Of any version since 3.8: workers may have another one, and no lakehouse."""
    text = inspect.getsource(differences)
    imported = [
        name.partition(".")[0]
        for node in ast.walk(ast.parse(text, feature_version=(3, 8)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    ]
    assert set(imported) <= sys.stdlib_module_names
    probe = Requirements(packages={"none-such": ""}, variables=("NONE_SUCH",)).probe("lakehouse_cli.none_such")
    without_packages = [sys.executable, "-I", "-S", "-c", f"print(eval({probe!r}))"]
    done = subprocess.run(without_packages, capture_output=True, text=True, check=True)
    assert ast.literal_eval(done.stdout) == [
        "has no lakehouse-cli",
        "has no none-such",
        "lacks the environment variable `NONE_SUCH`",
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("", "has an older lakehouse-cli, without this executor"),
        ("import none_such", "cannot be imported: ModuleNotFoundError: No module named 'none_such'"),
        ("match = ", "cannot be imported: SyntaxError: invalid syntax"),
    ],
)
def test_lakehouse_that_cannot_be_imported(tmp_path: Path, code: str, expected: str) -> None:
    """What is missing is said with all else."""
    (tmp_path / "lakehouse_cli").mkdir()
    (tmp_path / "lakehouse_cli" / "__init__.py").write_text(code)
    probe = Requirements(packages={"none-such": ""}).probe("lakehouse_cli.executors.dask")
    command = [sys.executable, "-S", "-c", f"print(eval({probe!r}))"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    lacking, package = ast.literal_eval(done.stdout)
    assert expected in lacking
    assert package == "has no none-such"
