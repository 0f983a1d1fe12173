"""Tables in processes of their own: Python code runs side by side, and one that dies takes nobody with it."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from queue import SimpleQueue
from typing import Any, ClassVar

from lakehouse_cli.executors.base import Executor, WorkerDiedError, WorkerStartError, WorkerTimeoutError
from lakehouse_cli.executors.descendants import kill_descendants
from lakehouse_cli.executors.threads import NO_THREAD, default_workers, started
from lakehouse_cli.forks import forks_end_here
from lakehouse_cli.printing import PrintedLines

# For a process to see to its own end, which it can unless something holds Python's lock.
_PATIENCE_S = 1.0
# For the system to take away one that was killed.
_LEAVING_S = 5.0
# Between two looks at whether it has ended: while it ends, and while it works and says nothing.
_PAUSE_S = 0.001
_LOOK_S = 0.5
Work = tuple[Future[Any], Callable[..., Any], tuple[Any, ...], float | None]
# What the process that leads decides on.
_LEADERS = frozenset((signal.SIGINT, signal.SIGHUP))
# They keep threads that Python does not count, and break down, or wait for ever, in a process that was forked.
_UNFORKABLE = frozenset(("deltalake", "obstore"))


class ProcessesExecutor(Executor):
    """A fixed number of worker processes, each led by a thread here that hands it work and waits for the answer.

    `concurrent.futures` gives up on all that is under way when one process of its pool dies; here that one piece of
    work fails, and the place of its process is taken by a new one.

    The processes are no daemons in the sense of `multiprocessing`, which may not start processes of their own. They end
    when they are told to or when this process is gone, and take those they started with them.
    """

    shares_memory: ClassVar[bool] = False

    def __init__(self, workers: int | None = None, prepare: Callable[[], None] | None = None) -> None:
        super().__init__(workers or default_workers(), prepare)
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._workers: list[_Worker | None] = []
        self._threads: list[threading.Thread] = []
        self._stopping = False
        # Whatever ends this process in between: `multiprocessing` would wait for them at its end.
        atexit.register(self.stop)
        # Forked before any thread is started: they begin with all that is loaded here.
        method = _start_method()
        for _ in range(self.workers):
            self._workers.append(None)
            with suppress(Exception):  # it is started when it is needed, and told then if that fails too
                self._workers[-1] = _Worker(method, prepare)

    def submit(self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None) -> Future[Any]:
        """Have the next free process run `fn`."""
        future: Future[Any] = Future()
        for index in range(len(self._threads), self.workers):
            thread = threading.Thread(target=self._lead, args=(index,), name=f"lakehouse {index + 1}", daemon=True)
            if not started(thread):
                break
            self._threads.append(thread)
        if self._threads:
            self._queue.put((future, fn, args, timeout))
        else:
            future.set_exception(WorkerStartError(NO_THREAD))
        return future

    def _lead(self, index: int) -> None:
        while (work := self._queue.get()) is not None:
            future, fn, args, timeout = work
            try:
                result = self._worker(index).compute(fn, args, timeout)
            except BaseException as error:  # noqa: BLE001  # the future carries it to whoever asks for the result
                if isinstance(error, WorkerDiedError | WorkerTimeoutError) and not self._stopping:
                    self._give_up(index)
                future.set_exception(error)
            else:
                future.set_result(result)

    def _worker(self, index: int) -> _Worker:
        """The process that a thread leads, started anew where there is none."""
        worker = self._workers[index]
        if worker is None:
            try:
                worker = self._workers[index] = _Worker("spawn", self.prepare)
            except OSError as error:
                # The traceback would keep open what was opened for it.
                raise WorkerStartError((error.strerror or str(error)).lower()) from error.with_traceback(None)
        return worker

    def _give_up(self, index: int) -> None:
        worker, self._workers[index] = self._worker(index), None
        worker.tell_to_end()
        worker.end(time.monotonic() + _PATIENCE_S)
        worker.close()

    def stop(self) -> None:
        """End the processes; what they were writing was not published."""
        self._stopping = True
        self._end_all()

    def _end_all(self) -> None:
        workers = [worker for worker in self._workers if worker is not None]
        for worker in workers:
            worker.tell_to_end()
        limit = time.monotonic() + _PATIENCE_S
        for worker in workers:
            worker.end(limit)

    def shutdown(self) -> None:
        """End the processes and let the threads end."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(timeout=5)
        self._end_all()
        for worker, thread in zip(self._workers, self._threads, strict=False):
            if worker is not None and not thread.is_alive():
                worker.close()
        self._threads.clear()
        atexit.unregister(self.stop)


def _start_method() -> str:
    """How to start a process: forked where that is safe, which is ten times faster, else anew."""
    alone = threading.active_count() == 1 and not _UNFORKABLE & sys.modules.keys()
    return "fork" if sys.platform == "linux" and alone else "spawn"


class _Worker:
    """One process and the line to it."""

    def __init__(self, method: str, prepare: Callable[[], None] | None) -> None:
        context: Any = multiprocessing.get_context(method)
        self._line, theirs = context.Pipe()
        told_to_end, self._end = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve,
            args=(theirs, told_to_end, self._line if method == "fork" else None, prepare),
            daemon=False,
        )
        with _interrupts_held_back(method):
            self._process.start()
        theirs.close()
        told_to_end.close()

    def compute(self, fn: Callable[..., Any], args: tuple[Any, ...], timeout: float | None) -> Any:
        """Have the process run a function; returns or raises what it did.

        Raises:
            WorkerDiedError: The process ended first.
            WorkerTimeoutError: It was over its time.
        """
        limit = None
        try:
            self._line.send((fn, args))
            while True:
                kind, value = self._next(limit)
                if kind == "begun":
                    # Before, it may have been loading what it needs.
                    limit = None if timeout is None else time.monotonic() + timeout
                elif kind in ("stdout", "stderr"):
                    with suppress(OSError, ValueError):  # nobody reads what the function printed
                        getattr(sys, kind).write(f"{value}\n")
                elif kind == "error":
                    raise value
                else:
                    return value
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            self._await_end(time.monotonic() + _LEAVING_S)
            raise WorkerDiedError(_death(self._process.exitcode)) from error

    def _next(self, limit: float | None) -> tuple[str, Any]:
        """What the process says next.

        A line is not at its end as long as any process holds it, and one that was started past Python may. So the
        process itself is looked at too; what it had said before it ended is still there.
        """
        while True:
            left = _LOOK_S if limit is None else min(max(limit - time.monotonic(), 0), _LOOK_S)
            ended = self._process.exitcode is not None
            if self._line.poll(0 if ended else left):
                said: tuple[str, Any] = self._line.recv()
                return said
            if ended:
                raise EOFError
            if limit is not None and time.monotonic() >= limit:
                raise WorkerTimeoutError

    def _await_end(self, limit: float) -> None:
        """Wait for its end until a moment of the monotonic clock.

        `join` waits for all that hold what the process held, the programs that it started among them.
        """
        while self._process.exitcode is None and time.monotonic() < limit:
            time.sleep(_PAUSE_S)

    def tell_to_end(self) -> None:
        """Have the process end itself and those it started, whatever it is doing."""
        with suppress(OSError):  # it is gone
            self._end.send(None)

    def end(self, limit: float) -> None:
        """Wait for its end until a moment of the monotonic clock, then kill it."""
        self._await_end(limit)
        if self._process.exitcode is None:
            kill_descendants(self._process.pid)
            self._process.kill()
            self._await_end(time.monotonic() + _LEAVING_S)

    def close(self) -> None:
        """Let go of the line to it; for the thread that leads it, or when that has ended."""
        for connection in (self._line, self._end):
            with suppress(OSError):
                connection.close()


@contextmanager
def _interrupts_held_back(method: str) -> Iterator[None]:
    """Have a process that is started meanwhile not see what it ignores until it says that it does.

    Ctrl-C, and the end of a terminal, go to the whole group, also to a process that has loaded nothing yet. A process
    begins with the mask of the thread that starts it; whatever comes for this one meanwhile is seen to afterwards.
    """
    if method == "spawn":
        # Started within, it would let SIGINT through again: it unblocks it, whatever was before.
        resource_tracker.ensure_running()
    # Asked for first: one that came just before may raise out of the call that blocks.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, _LEADERS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death(exit_code: int | None) -> str:
    if exit_code is None:
        return "lost its line to this one"
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    memory = "; the system may have been out of memory" if exit_code == -signal.SIGKILL else ""
    return f"was killed by {name}{memory}"


def _serve(line: Connection, end: Connection, inherited: Connection | None, prepare: Callable[[], None] | None) -> None:
    """What a worker process does: take work off the line until it closes."""
    # These go to the whole group; what becomes of the work is for the process that leads to decide.
    for number in _LEADERS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _LEADERS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_when_told, args=(end,), name="lakehouse leader", daemon=True).start()
    if inherited is not None:
        inherited.close()  # or the line would stay open in here when the other side is gone
    # Else a process forked in here would keep it open when this one is gone, and in the middle of a message.
    os.register_at_fork(after_in_child=line.close)
    sending = threading.Lock()

    def send(kind: str, value: Any) -> None:
        with sending:
            line.send((kind, value))

    printed = {"stdout": PrintedLines(partial(send, "stdout"), sys.stdout)}
    printed["stderr"] = PrintedLines(partial(send, "stderr"), sys.stderr)
    sys.stdout, sys.stderr = printed.values()
    try:
        if prepare is not None:
            prepare()
        while True:
            fn, args = line.recv()
            send("begun", None)
            try:
                # Two that speak on one line would have the leader take each answer for that of another table.
                with forks_end_here():
                    answer = ("result", fn(*args))
            except BaseException as error:  # noqa: BLE001  # sent to where it is asked for
                answer = ("error", _portable(error))
            for lines in printed.values():
                lines.end_lines()
            send(*answer)
    except (EOFError, OSError):
        return  # nobody is at the other end


def _end_when_told(end: Connection) -> None:
    """End this worker when it is told to or the process that leads it is gone, whatever it is doing.

    A killed run has let go of its lock: what its worker would publish might replace what the next run has published.
    """
    leader = multiprocessing.parent_process()
    if leader is not None:
        with suppress(OSError):
            wait([end, leader.sentinel])
        for child in multiprocessing.active_children():
            child.kill()
        kill_descendants(os.getpid())
        os._exit(1)


def _portable(error: BaseException) -> BaseException:
    """The error, or one that says the same where it cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    except Exception:  # noqa: BLE001  # whatever its own methods raise
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
