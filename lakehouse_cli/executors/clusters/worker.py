"""What a worker of a cluster does with a message: `answer`, bytes in and bytes out.

Work is done in child processes of the worker, each with one bundle: two versions of a module are never in one process,
work over its time can be ended, and what kills a process is one failed table. A process without work is kept for
the next piece, and ended after a minute.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from lakehouse_cli.errors import system_reason
from lakehouse_cli.executors.base import WorkerDiedError, WorkerKilledError, WorkerTimeoutError, WorkUnwantedError
from lakehouse_cli.executors.clusters.bundle import mask_of_bundle, unpack
from lakehouse_cli.executors.clusters.messages import Answer, Message, call_packed, packed, prepare, unpacked
from lakehouse_cli.executors.start_methods import start
from lakehouse_cli.executors.threads import Work
from lakehouse_cli.executors.worker import prepared
from lakehouse_cli.executors.worker_process import WorkerProcess, always

#: What is said of a process that the system ended for want of memory.
OUT_OF_MEMORY = "was ended by the system, which was out of memory"
_COUNTS = Path("/proc/vmstat")
# Seconds for a process to end by itself; for which one without work is kept; between two looks at these.
_PATIENCE_S = 1.0
_IDLE_S = 60.0
_LOOK_S = 10.0
# How many processes without work are kept while others are started, as for another run.
_MOST_IDLE = 4
_encoder, _messages = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(Message)


def pack_message(message: Message) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def unpack_answer(content: bytes) -> Answer:
    """The answer of a worker."""
    return msgspec.msgpack.decode(content, type=Answer)


def ignore(kind: str, value: Any) -> None:
    """Take what work says, and do nothing."""
    del kind, value


def answer(
    message: bytes,
    folder: str,
    say: Callable[[str, Any], None] = ignore,
    is_wanted: Callable[[], bool] = always,
) -> bytes:
    """Do what a message asks, and answer.

    Args:
        message: What `pack_message` made.
        folder: Where the worker keeps bundles.
        say: Takes what work prints (`stdout`, `stderr`: a line) and how far it is (`progress`), in that order.
        is_wanted: Asked twice a second whether the work is still waited for; its process is ended where it is not.
    """
    asked = _messages.decode(message)
    place = Path(folder) / "lakehouse" / asked.bundle
    if asked.kind == "greet":
        differences = unpacked(asked.content).differences()
        return _encoder.encode(Answer("unlike", differences=differences) if differences else Answer("ready"))
    if asked.kind == "take":
        try:
            unpack(asked.content, place)
        except OSError as error:
            return _encoder.encode(Answer("start", text=f"cannot write {place}: {system_reason(error)}"))
        return _encoder.encode(Answer("ready"))
    if not place.is_dir():
        return _encoder.encode(Answer("lacks"))
    return _encoder.encode(_work(asked, place, say, is_wanted))


def _work(asked: Message, place: Path, say: Callable[[str, Any], None], is_wanted: Callable[[], bool]) -> Answer:
    try:
        process = _processes.take(place, asked.threads)
    except OSError as error:
        return Answer("start", text=system_reason(error))
    mask = mask_of_bundle(place)

    def say_masked(kind: str, value: Any) -> None:
        say(kind, mask(value) if isinstance(value, str) else value)

    kills = _oom_kills()
    work = Work(Future(), call_packed, (asked.content, asked.again), asked.timeout)
    try:
        found = Answer("result", process.compute(work, _nothing, say_masked, is_wanted))
    except WorkerDiedError as error:
        end(process)
        if not isinstance(error, WorkerKilledError):
            return Answer("died", text=str(error))
        return Answer("killed", text=OUT_OF_MEMORY if _oom_kills() > kills else str(error))
    except (WorkerTimeoutError, WorkUnwantedError):
        end(process)
        return Answer("late")
    except BaseException as error:  # noqa: BLE001  # sent to where it is asked for
        found = Answer("error", packed(error))
    _processes.put_back(place, process)
    return found


def _nothing() -> None:
    return None


def _oom_kills() -> int:
    """How many processes the system has ended for want of memory, as far as it says so."""
    with suppress(OSError, ValueError, IndexError):
        return int(_COUNTS.read_text().partition("oom_kill ")[2].split()[0])
    return 0


def _devices() -> str:
    """The accelerators that a process started now is given, as Ray sets for each piece of work by variables."""
    return "".join(f"{name}={value} " for name, value in sorted(os.environ.items()) if "_VISIBLE_" in name)


def end(process: WorkerProcess) -> None:
    """End a process and those it started."""
    process.request_end()
    process.kill_after(time.monotonic() + _PATIENCE_S)
    process.close()


class _Processes:
    """The processes without work, by the folder of their bundle and their devices; each with the time since when."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[tuple[float, tuple[Path, str], WorkerProcess]] = []
        self._watcher: threading.Thread | None = None

    def take(self, place: Path, threads: int) -> WorkerProcess:
        """One that is prepared with a bundle; where one is started, some of those that others left are ended.

        Raises:
            OSError: None can be started.
        """
        with self._lock:
            kind = (place, _devices())
            own = [each for each in self._idle if each[1] == kind and each[2].exit_code() is None]
            if own:
                self._idle.remove(own[-1])
                return own[-1][2]
            gone, self._idle = self._idle[:-_MOST_IDLE], self._idle[-_MOST_IDLE:]
        for _, _, process in gone:
            end(process)
        return start(partial(prepared, threads, partial(prepare, place)), fork=False)

    def put_back(self, place: Path, process: WorkerProcess) -> None:
        """Keep one for the next piece of work."""
        with self._lock:
            self._idle.append((time.monotonic(), (place, _devices()), process))
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="lakehouse idle", daemon=True)
                self._watcher.start()

    def _watch(self) -> None:
        while True:
            time.sleep(_LOOK_S)
            with self._lock:
                now = time.monotonic()
                old = [each for each in self._idle if now - each[0] > _IDLE_S]
                self._idle = [each for each in self._idle if each not in old]
                is_done = not self._idle
                if is_done:
                    self._watcher = None
            for _, _, process in old:
                end(process)
            if is_done:
                return


_processes = _Processes()
