"""What every `Executor` must do. Subclass `ExecutorConformance`, and give it the class.

class TestMine(ExecutorConformance):
    @pytest.fixture
    def executor_class(self): ...

What is submitted are functions of this module, so the processes of an executor must be able to import it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli.errors import Interrupted
from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerTimeoutError

#: Seconds after which something that does not come about is given up, and the test fails.
PATIENCE = 30.0


def double(number: int) -> int:
    """Return the number twice."""
    return 2 * number


def fail(error: type[BaseException], message: str) -> None:
    """Raise an error."""
    raise error(message)


class OddError(Exception):
    """An error that is pickled, and cannot be made again from that."""

    def __init__(self, place: str, day: str) -> None:
        super().__init__(f"{day} is not a day in {place}")


def fail_oddly() -> None:
    """Raise an error that does not come back from pickling."""
    raise OddError("May", "32")


def fail_locally() -> None:
    """Raise an error whose class cannot be pickled."""

    class LocalError(Exception):
        pass

    raise LocalError("no such day")


def make_lambda() -> Callable[[], int]:
    """Return a result that cannot be pickled."""
    return lambda: 42


class Result:
    """A result that can be referred to weakly."""


class Unpicklable:
    """A number, of a sort, that does not go to another process."""

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("stays here")

    def __rmul__(self, factor: int) -> int:
        return factor


def await_that(condition: Callable[[], bool]) -> bool:
    """Wait until a condition holds; returns whether it came to that."""
    limit = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < limit:
        time.sleep(0.005)
    return condition()


def meet(folder: Path, number: int, count: int) -> int:
    """Return once as many as `count` are here at the same time, each with a number of its own."""
    (folder / str(number)).touch()
    if not await_that(lambda: len(list(folder.iterdir())) >= count):
        raise TimeoutError("the others did not come")
    return number


def count_present(folder: Path, number: int) -> int:
    """Return how many others, and this one, are under way now."""
    mine = folder / str(number)
    mine.touch()
    time.sleep(0.002)  # lets others begin that should not
    count = len(list(folder.iterdir()))
    mine.unlink()
    return count


def wait_for_go(folder: Path) -> int:
    """Leave the process's number in `begun`, wait for `go`, and leave `done`."""
    (folder / "begun.part").write_text(str(os.getpid()))
    (folder / "begun.part").rename(folder / "begun")
    await_that((folder / "go").exists)
    (folder / "done").touch()
    return os.getpid()


def end_process(how: int | None) -> None:
    """End this process: killed by a signal, else by its own exit."""
    if how is None:
        os._exit(3)
    os.kill(os.getpid(), how)


def note_preparation(folder: Path, seconds: float = 0.0) -> None:
    """Leave a mark, as a `prepare` does, for each time that it was called in this process, and may take its time."""
    with (folder / str(os.getpid())).open("a") as file:
        file.write("prepared\n")
    time.sleep(seconds)


def read_preparation(folder: Path) -> tuple[int, str]:
    """This process's number, and what its `prepare` left."""
    mine = folder / str(os.getpid())
    return os.getpid(), mine.read_text() if mine.exists() else ""


def is_gone(process: int) -> bool:
    """Return whether a process has ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def computes_in_the_calling_thread(executor: Executor) -> bool:
    """Return whether what is submitted has been computed when `submit` returns."""
    return executor.shares_memory and executor.submit(threading.get_ident).result(PATIENCE) == threading.get_ident()


def outcome(future: Future[Any]) -> Any:
    """Return the result of a future, waited for."""
    return future.result(PATIENCE)


class ExecutorConformance:
    """The suite; each test is what a run relies on.

    Where memory is not shared, work may be computed by processes, and one of those may die.
    """

    def test_results_arrive(self, executor_class: type[Executor]) -> None:
        """Of more work than there are workers, each in its own future."""
        with executor_class(2) as executor:
            futures = [executor.submit(double, number) for number in range(200)]
            assert [outcome(future) for future in futures] == [2 * number for number in range(200)]

    def test_what_work_raises_arrives(self, executor_class: type[Executor]) -> None:
        """Whatever it is, and the next piece of work is computed."""
        with executor_class(1) as executor:
            for error in (ValueError, SystemExit, KeyboardInterrupt):
                raised = executor.submit(fail, error, "no such day").exception(PATIENCE)
                assert type(raised) is error
                assert str(raised) == "no such day"
                assert outcome(executor.submit(double, 21)) == 42

    def test_error_that_cannot_be_pickled(self, executor_class: type[Executor]) -> None:
        """It is reported by its text, where it is not handed on as it is."""
        with executor_class(1) as executor:
            for work, message in ((fail_locally, "no such day"), (fail_oddly, "32 is not a day in May")):
                assert message in str(executor.submit(work).exception(PATIENCE))
                assert outcome(executor.submit(double, 21)) == 42

    def test_work_that_cannot_be_pickled(self, executor_class: type[Executor]) -> None:
        """It is computed where memory is shared; elsewhere it alone fails, be it the argument or the result."""
        with executor_class(1) as executor:
            futures = [executor.submit(double, Unpicklable()), executor.submit(make_lambda)]
            for future in futures:
                error = future.exception(PATIENCE)
                assert (error is None) is executor.shares_memory
            assert outcome(executor.submit(double, 21)) == 42

    def test_as_many_at_once_as_there_are_workers(self, executor_class: type[Executor], tmp_path: Path) -> None:
        """Work that waits for the others goes on when all of them are under way."""
        with executor_class(3) as executor:
            assert 1 <= executor.workers <= 3
            futures = [executor.submit(meet, tmp_path, number, executor.workers) for number in range(executor.workers)]
            assert [outcome(future) for future in futures] == list(range(executor.workers))

    def test_no_more_at_once_than_there_are_workers(self, executor_class: type[Executor], tmp_path: Path) -> None:
        """However much is submitted."""
        with executor_class(2) as executor:
            futures = [executor.submit(count_present, tmp_path, number) for number in range(60)]
            assert max(outcome(future) for future in futures) <= executor.workers

    def test_number_of_workers_may_be_left_to_it(self, executor_class: type[Executor]) -> None:
        """As where neither the project file nor the command says one; and it may learn how much there will be."""
        with executor_class(None, None, at_once=1) as executor:
            assert executor.workers >= 1
            assert outcome(executor.submit(double, 21)) == 42

    def test_submitted_functions_are_called_back_once(self, executor_class: type[Executor]) -> None:
        """By callbacks of their futures the run goes on."""
        called: list[int] = []
        with executor_class(2) as executor:
            for number in range(20):
                executor.submit(double, number).add_done_callback(lambda future: called.append(future.result()))
            assert await_that(lambda: len(called) >= 20)
        assert sorted(called) == [2 * number for number in range(20)]

    def test_results_are_let_go_of(self, executor_class: type[Executor]) -> None:
        """A table is large; the caller decides how long it stays."""
        with executor_class(1) as executor:
            future = executor.submit(Result)
            result = weakref.ref(outcome(future))
            del future
            assert await_that(lambda: result() is None)

    def test_each_process_is_prepared_once(self, executor_class: type[Executor], tmp_path: Path) -> None:
        """Before its first work; a process that takes the place of another too. This one is prepared already."""
        with executor_class(2, partial(note_preparation, tmp_path)) as executor:
            found = [outcome(executor.submit(read_preparation, tmp_path)) for _ in range(6)]
            if not executor.shares_memory:
                executor.submit(end_process, None).exception(PATIENCE)
                found += [outcome(executor.submit(read_preparation, tmp_path)) for _ in range(6)]
        expected = "" if executor_class.shares_memory else "prepared\n"
        assert {text for _, text in found} == {expected}
        assert (os.getpid() in {process for process, _ in found}) is executor_class.shares_memory

    def test_process_that_cannot_be_prepared(self, executor_class: type[Executor]) -> None:
        """The work that would be computed there fails; nothing is waited for."""
        if executor_class.shares_memory:
            return
        with executor_class(1, partial(fail, ValueError, "no such project")) as executor:
            assert isinstance(executor.submit(double, 21).exception(PATIENCE), Exception)

    def test_process_that_dies_is_one_failure(self, executor_class: type[Executor], tmp_path: Path) -> None:
        """Killed, crashed or exited; what others compute meanwhile goes on, and so does what comes after it."""
        if executor_class.shares_memory:
            return
        with executor_class(2) as executor:
            other = executor.submit(wait_for_go, tmp_path)
            assert await_that((tmp_path / "begun").exists)
            for how in (signal.SIGKILL, signal.SIGSEGV, None):
                dead = executor.submit(end_process, how).exception(PATIENCE)
                assert isinstance(dead, WorkerDiedError)
                assert str(dead).strip()
                assert [outcome(executor.submit(double, number)) for number in range(4)] == [0, 2, 4, 6]
                assert not other.done()
            (tmp_path / "go").touch()
            assert outcome(other) != os.getpid()

    def test_work_over_its_time_is_ended(self, executor_class: type[Executor], tmp_path: Path) -> None:
        """With its process; work that takes less is not. In this process the run looks at the time by itself."""
        with executor_class(1) as executor:
            assert outcome(executor.submit(double, 21, timeout=PATIENCE)) == 42
            if not executor.shares_memory:
                late = executor.submit(wait_for_go, tmp_path, timeout=1.0).exception(PATIENCE)
                assert isinstance(late, WorkerTimeoutError)
                process = int((tmp_path / "begun").read_text())
                assert await_that(lambda: is_gone(process))
                assert not (tmp_path / "done").exists()
                assert outcome(executor.submit(double, 21, timeout=PATIENCE)) == 42

    def test_time_counts_from_when_work_begins(self, executor_class: type[Executor], tmp_path: Path) -> None:
        """A process may take longer to be prepared than a table to be computed."""
        with executor_class(1, partial(note_preparation, tmp_path, 1.5)) as executor:
            assert outcome(executor.submit(double, 21, timeout=1.0)) == 42

    def test_run_that_ends_well_only_shuts_down(self, executor_class: type[Executor]) -> None:
        """Stopped is what would be under way otherwise; first, so that nothing is waited for."""
        assert _calls_at_the_end(executor_class, interrupted=False) == ["shutdown"]
        assert _calls_at_the_end(executor_class, interrupted=True) == ["stop", "shutdown"]

    def test_ending_twice_is_ending_once(self, executor_class: type[Executor]) -> None:
        """Also where nothing was submitted."""
        for submitted in range(2):
            executor = executor_class(2)
            for number in range(submitted):
                assert outcome(executor.submit(double, number)) == 2 * number
            for end in (executor.stop, executor.stop, executor.shutdown, executor.shutdown):
                end()

    def test_interruption_is_no_failure_of_a_table(self, executor_class: type[Executor]) -> None:
        """Where it meets work in the calling thread, it comes out of `submit`; elsewhere it does not meet work."""
        with executor_class(1) as executor:
            if computes_in_the_calling_thread(executor):
                with pytest.raises(Interrupted):
                    executor.submit(fail, Interrupted, "")

    def test_stopping_waits_for_nothing(self, executor_class: type[Executor], tmp_path: Path) -> None:
        """What is under way is left alone, or ended with its process where it has one; the rest is never begun."""
        executor = executor_class(1)
        if computes_in_the_calling_thread(executor):
            return
        begun, queued = executor.submit(wait_for_go, tmp_path), executor.submit(double, 21)
        assert await_that((tmp_path / "begun").exists)
        executor.stop()
        executor.shutdown()
        assert not (tmp_path / "done").exists()
        assert isinstance(queued.exception(PATIENCE), WorkerDiedError)
        if not executor.shares_memory:
            assert isinstance(begun.exception(PATIENCE), WorkerDiedError)
            process = int((tmp_path / "begun").read_text())
            assert await_that(lambda: is_gone(process))
        (tmp_path / "go").touch()


def _calls_at_the_end(executor_class: type[Executor], *, interrupted: bool) -> list[str]:
    calls: list[str] = []

    class Recorded(executor_class):  # type: ignore[misc, valid-type]  # any executor
        def stop(self) -> None:
            calls.append("stop")
            super().stop()

        def shutdown(self) -> None:
            calls.append("shutdown")
            super().shutdown()

    with suppress(Interrupted), Recorded(1) as executor:
        assert outcome(executor.submit(double, 21)) == 42
        if interrupted:
            raise Interrupted
    return calls
