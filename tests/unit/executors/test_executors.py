"""Every executor through one suite, and what only processes have."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from lakehouse_cli.executors import start_methods
from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerStartError
from lakehouse_cli.executors.processes import ProcessesExecutor
from lakehouse_cli.executors.serial import SerialExecutor
from lakehouse_cli.executors.start_methods import start
from lakehouse_cli.executors.threads import ThreadsExecutor
from lakehouse_cli.executors.worker_process import WorkerProcess
from lakehouse_cli.testing.executors import ExecutorConformance, double, end_process, meet, wait_for_go


@pytest.fixture(autouse=True)
def _real_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are started anew load all by themselves here."""
    monkeypatch.setattr(start_methods, "subprocess", subprocess)


class TestThreads(ExecutorConformance):
    @pytest.fixture
    def executor_class(self) -> type[Executor]:
        return ThreadsExecutor


class TestSerial(ExecutorConformance):
    @pytest.fixture
    def executor_class(self) -> type[Executor]:
        return SerialExecutor


@pytest.mark.slow
class TestProcesses(ExecutorConformance):
    @pytest.fixture
    def executor_class(self) -> type[Executor]:
        return ProcessesExecutor


def dies_before_its_child(fork: Callable[[], int], left: Path) -> None:
    child = fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    left.write_text(str(child))
    os._exit(3)


def forks_past_python() -> int:
    child: int = ctypes.PyDLL(None).fork()
    return child


def dies_before_its_pool(left: Path) -> None:
    pool = ProcessPoolExecutor(1)
    left.write_text(str(pool.submit(os.getpid).result()))
    os._exit(3)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (signal.SIGKILL, "was killed by SIGKILL; the system may have been out of memory"),
        (signal.SIGSEGV, "was killed by SIGSEGV"),
        (None, "ended with exit code 3"),
    ],
)
def test_death_of_a_process_is_reported(how: int | None, message: str) -> None:
    with ProcessesExecutor(1) as executor:
        error = executor.submit(end_process, how).exception(timeout=30)
    assert isinstance(error, WorkerDiedError)
    assert str(error) == message


@pytest.mark.slow
@pytest.mark.parametrize("how", [os.fork, forks_past_python, None])
def test_death_before_its_children_is_reported_at_once(how: Callable[[], int] | None, tmp_path: Path) -> None:
    left = tmp_path / "left"
    with ProcessesExecutor(1) as executor:
        given = (dies_before_its_pool, left) if how is None else (dies_before_its_child, how, left)
        try:
            with pytest.raises(WorkerDiedError, match="ended with exit code 3"):
                executor.submit(*given).result(timeout=20)
            assert executor.submit(double, 21).result(timeout=30) == 42
        finally:
            os.kill(int(left.read_text()), signal.SIGKILL)


@contextmanager
def no_more_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_work_after_a_failed_process_start_succeeds() -> None:
    with no_more_files():
        executor = ProcessesExecutor(1)
    with executor:
        with no_more_files(), pytest.raises(WorkerStartError, match="too many open files"):
            executor.submit(double, 1).result(timeout=30)
        assert executor.submit(double, 21).result(timeout=30) == 42
        with pytest.raises(WorkerDiedError):
            executor.submit(end_process, None).result(timeout=30)
        with no_more_files(), pytest.raises(WorkerStartError, match="too many open files"):
            executor.submit(double, 1).result(timeout=30)


@pytest.mark.parametrize("kind", [ThreadsExecutor, ProcessesExecutor])
def test_fewer_threads_do_and_without_any_work_fails(kind: type[Executor], monkeypatch: pytest.MonkeyPatch) -> None:
    start, allowed = threading.Thread.start, 0

    def start_some(thread: threading.Thread) -> None:
        nonlocal allowed
        if allowed == 0:
            raise RuntimeError("can't start new thread")
        allowed -= 1
        start(thread)

    with kind(2) as executor:
        monkeypatch.setattr(threading.Thread, "start", start_some)
        with pytest.raises(WorkerStartError, match="no more threads"):
            executor.submit(double, 1).result(timeout=30)
        allowed = 1
        assert [future.result(timeout=30) for future in [executor.submit(double, n) for n in range(3)]] == [0, 2, 4]


class PickledWhile:
    """Something whose pickling waits until a function has been called."""

    def __init__(self, begun: threading.Event, go: threading.Event) -> None:
        self._events = begun, go

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        begun, go = self._events
        begun.set()
        go.wait(30)
        return int, (0,)


def test_work_in_transit_fails_when_all_stops() -> None:
    begun, go = threading.Event(), threading.Event()
    executor = ProcessesExecutor(1)
    future = executor.submit(double, PickledWhile(begun, go))
    assert begun.wait(30)
    executor.stop()
    go.set()
    with pytest.raises(WorkerDiedError):
        future.result(timeout=30)
    executor.shutdown()


def test_threads_are_daemons() -> None:
    with ThreadsExecutor(1) as executor:
        executor.submit(double, 1).result(timeout=30)
        assert [t.daemon for t in threading.enumerate() if t.name == "lakehouse 1"] == [True]


def test_library_threads_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    cores = len(os.sched_getaffinity(0))
    with ProcessesExecutor(cores) as executor:
        assert executor.submit(os.getenv, "OPENBLAS_NUM_THREADS").result() == "1"
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
        assert executor.submit(os.getenv, "MKL_NUM_THREADS").result() == "7"
    for workers, at_once in ((1, None), (cores, 1)):
        with ProcessesExecutor(workers, at_once=at_once) as executor:
            assert executor.submit(os.getenv, "OPENBLAS_NUM_THREADS").result() == str(cores)
    assert os.getenv("OPENBLAS_NUM_THREADS") is None


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each process that an executor starts, whether it was forked; filled while the test goes on."""
    found: list[bool] = []

    def starting(prepare: Callable[[], None] | None, *, fork: bool) -> WorkerProcess:
        found.append(fork)
        return start(prepare, fork=fork)

    monkeypatch.setattr("lakehouse_cli.executors.processes.start", starting)
    return found


def test_processes_start_as_work_comes(started: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("lakehouse_cli.executors.processes.can_fork", lambda: False)
    with ProcessesExecutor(300, at_once=1) as executor:
        assert started == [False]
        pids = {executor.submit(os.getpid).result(timeout=30) for _ in range(5)}
        assert (len(started), len(pids)) == (1, 1)
        for future in [executor.submit(meet, tmp_path, number, 2) for number in range(2)]:
            future.result(timeout=30)
        assert len(started) == 2


def test_forked_processes_do_not_exceed_the_work(started: list[bool]) -> None:
    with ProcessesExecutor(64, at_once=2) as executor:
        assert len(started) <= 2
        assert [executor.submit(double, n).result(timeout=30) for n in range(3)] == [0, 2, 4]
    assert len(started) <= 2


def test_work_waits_if_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun = 0

    def only_one(prepare: Callable[[], None] | None, *, fork: bool) -> WorkerProcess:
        nonlocal begun
        begun += 1
        if begun > 1:
            (tmp_path / "go").touch()
            raise OSError(11, "Resource temporarily unavailable")
        return start(prepare, fork=fork)

    monkeypatch.setattr("lakehouse_cli.executors.processes.start", only_one)
    with ProcessesExecutor(4, at_once=1) as executor:
        futures = [executor.submit(wait_for_go, tmp_path) for _ in range(4)]
        assert len({future.result(timeout=30) for future in futures}) == 1
