"""What a worker of a cluster does with a message: `answer`, bytes in and bytes out.

Work is done in child processes of the worker, each with one bundle: two versions of a module are never in one process,
work over its time can be ended, and what kills a process is one failed table. A process without work is kept for
the next piece, and ended after a minute.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from lakehouse_cli.executors import threads
from lakehouse_cli.executors.base import WorkerDiedError, WorkerKilledError, WorkerTimeoutError, WorkUnwantedError
from lakehouse_cli.executors.clusters.bundle import FILES, mask_of_bundle, unpack
from lakehouse_cli.executors.clusters.messages import (
    PART,
    Answer,
    Answers,
    Message,
    Spread,
    Work,
    call_packed,
    packed,
    prepare,
    rest,
    unpacked,
)
from lakehouse_cli.executors.start_methods import start
from lakehouse_cli.executors.worker import prepared
from lakehouse_cli.executors.worker_process import WorkerProcess, always
from lakehouse_cli.text.causes import system_reason

#: What is said of a process that the system ended for want of memory.
OUT_OF_MEMORY = "was ended by the system, which was out of memory"
_COUNTS = Path("/proc/vmstat")
# Seconds for a process to end by itself; for which one without work is kept; between two looks at these.
_PATIENCE_S = 1.0
_IDLE_S = 60.0
_LOOK_S = 10.0
# Seconds after which nobody looks for what a run has left beside bundles.
_LEFT_S = 86_400.0
# How many processes without work are kept while others are started, as for another run.
_MOST_IDLE = 4
#: Said of work as it begins: of what a worker was given that then went, it is known by that whether it was begun.
BEGUN = "begun"
#: Said of work that spreads over the cluster.
SPREADS = "spreads"
#: Bytes up to which an answer is said before the others; an engine may keep some of what is said.
SAID = 1 << 15
# Seconds after which what is done is said, though more is to be done.
_SAY_S = 0.05
_encoder = msgspec.msgpack.Encoder()
_messages, _answers = msgspec.msgpack.Decoder(Message), msgspec.msgpack.Decoder(Answers)


def pack_message(message: Message) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def unpack_answers(content: bytes) -> Answers:
    """The answers of a worker."""
    return _answers.decode(content)


def ignore(kind: str, value: Any) -> None:
    """Take what work says, and do nothing."""
    del kind, value


def answer(
    message: bytes,
    folder: str,
    say: Callable[[str, Any], None] = ignore,
    is_wanted: Callable[[], bool] = always,
    scheduler: str = "",
) -> bytes:
    """Do what a message asks, and answer; what was said as `answers` is not answered again.

    Args:
        message: What `pack_message` made.
        folder: Where the worker keeps bundles.
        say: Takes what work prints (`stdout`, `stderr`: a line), how far it is (`progress`), and what is done before
            the rest (`answers`: bytes), in that order; and before all that, that the work begins (`BEGUN`), and that
            it spreads (`SPREADS`): its place may be given to the parts of it. Of work with a timeout, also when that
            begins (`BEGUN`: its number).
        is_wanted: Asked twice a second whether the work is still waited for; its process is ended where it is not.
        scheduler: The address by which work reaches the cluster; empty where it cannot.
    """
    asked = _messages.decode(message)
    place = folder_of(folder, asked.bundle)
    if asked.kind == "greet":
        found = Answer("ready", seconds=time.time())
    elif asked.kind == "take":
        try:
            unpack(asked.content, place)
            _remove_leftovers(place.parent)
            found = Answer("ready")
        except OSError as error:
            found = Answer("start", text=f"cannot write {place}: {system_reason(error)}")
    elif asked.kind == "withdraw":
        with suppress(OSError):  # then it does what it has
            _withdrawn(place, asked.run).touch()
        found = Answer("ready")
    elif asked.kind == "part":
        found = _part(*unpacked(asked.content))
    elif place.is_dir():
        spread = None
        if scheduler and asked.spread:
            spread = Spread(scheduler, unpacked(asked.spread), asked.bundle, str(place / FILES))
        return _encoder.encode(_Round(asked, place, say, is_wanted, spread).done())
    else:
        return _encoder.encode(dict.fromkeys(range(len(asked.work)), Answer("lacks")))
    return _encoder.encode({0: found})


def _part(path: str, start: int) -> Answer:
    """A part of a file that work left, which is removed with its last one."""
    try:
        with Path(path).open("rb") as file:
            file.seek(start)
            content = file.read(PART)
            is_last = file.tell() == os.fstat(file.fileno()).st_size
        if is_last:
            Path(path).unlink()
    except OSError as error:
        return Answer("start", text=f"cannot read {path}: {system_reason(error)}")
    return Answer("ready", content)


def folder_of(folder: str, bundle: str) -> Path:
    """Where a worker, which keeps bundles below a folder, has unpacked one."""
    return Path(folder) / "lakehouse" / bundle


def _withdrawn(place: Path, run: str) -> Path:
    """The file beside a bundle that is there where nothing more of a run is to be begun, by whatever process."""
    return place.with_name(f".withdrawn-{run}")


def _remove_leftovers(folder: Path) -> None:
    """Remove what runs have left beside bundles: those files, and folders that none unpacks into any more."""
    for each in folder.glob(".*"):
        with suppress(OSError):  # another one was first
            if time.time() - each.stat().st_mtime > _LEFT_S:
                shutil.rmtree(each) if each.is_dir() else each.unlink()


class _Round:
    """The work of one message.

    It was given together as each piece was thought to be short. Where one is not, what has not been begun is given
    back: others may be idle. A large answer is not said, and ends the round; so does a failure, at which runs may stop.
    """

    def __init__(
        self,
        asked: Message,
        place: Path,
        say: Callable[[str, Any], None],
        is_wanted: Callable[[], bool],
        spread: Spread | None,
    ) -> None:
        self._work, self._threads, self._ahead, self._place = asked.work, asked.threads, asked.ahead, place
        self._say, self._is_wanted, self._spread = say, is_wanted, spread
        self._mask, self._withdrawn = mask_of_bundle(place), _withdrawn(place, asked.run)
        self._begun = 0
        self._unsaid: Answers = {}
        self._said_at = self._since = time.monotonic()
        self._process: WorkerProcess | None = None
        self._is_loaded = False

    def done(self) -> Answers:
        """Do it all; return the answers that were not said."""
        self._say(BEGUN, None)
        if self._spread is not None:
            self._say(SPREADS, None)
        while self._begun < len(self._work):
            if self._withdrawn.exists():
                self._give_back()
                break
            number, self._begun = self._begun, self._begun + 1
            found = self._answer(self._work[number])
            self._unsaid[number] = found
            if len(found.content) > SAID or found.kind != "result":
                self._give_back()
            elif self._begun < len(self._work) and time.monotonic() - self._said_at > _SAY_S:
                self._say_answers()
        self._rest()
        return self._unsaid

    def _rest(self) -> None:
        if self._process is None:
            return
        try:
            self._process.compute(threads.Work(Future(), rest, (), None), _nothing, self._say_masked, self._is_wanted)
        except Exception:  # noqa: BLE001  # it has no more to say
            self._end_process()
        else:
            processes.put_back(self._place, self._process)

    def _answer(self, work: Work) -> Answer:
        kills = oom_kills()
        self._since, self._is_loaded = time.monotonic(), self._process is not None
        try:
            if self._process is None:
                self._process = processes.take(self._place, self._threads)
            piece = threads.Work(
                Future(), call_packed, (work.call, work.again, self._ahead, self._spread), work.timeout
            )
            begins = partial(self._begins, work)
            content = self._process.compute(piece, begins, self._say_masked, self._is_still_wanted)
            return Answer("result", content, seconds=self._seconds())
        except OSError as error:
            if self._process is None:
                return Answer("start", text=system_reason(error))
            content = packed(error)
        except WorkerDiedError as error:
            seconds = self._seconds()
            self._end_process()
            if not isinstance(error, WorkerKilledError):
                return Answer("died", text=str(error), seconds=seconds)
            return Answer("killed", text=cause_of_death(error, kills), seconds=seconds)
        except (WorkerTimeoutError, WorkUnwantedError):
            seconds = self._seconds()
            self._end_process()
            return Answer("late", seconds=seconds)
        except BaseException as error:  # noqa: BLE001  # sent to where it is asked for
            content = packed(error)
        return Answer("error", content, seconds=self._seconds())

    def _seconds(self) -> float:
        return time.monotonic() - self._since

    def _begins(self, work: Work) -> None:
        self._since, self._is_loaded = time.monotonic(), True
        if work.timeout is not None:
            self._say(BEGUN, self._begun - 1)

    def _end_process(self) -> None:
        if self._process is not None:
            end(self._process)
            self._process = None

    def _say_masked(self, kind: str, value: Any) -> None:
        self._say(kind, self._mask(value) if isinstance(value, str) else value)

    def _say_answers(self) -> None:
        self._say("answers", _encoder.encode(self._unsaid))
        self._unsaid = {}
        self._said_at = time.monotonic()

    def _is_still_wanted(self) -> bool:
        """Also tells that a piece of work takes its time, unless it has not begun as its process is being loaded."""
        if self._is_loaded:
            self._give_back()
        if self._unsaid:
            self._say_answers()
        return self._is_wanted()

    def _give_back(self) -> None:
        self._unsaid |= dict.fromkeys(range(self._begun, len(self._work)), Answer("back"))
        self._work = self._work[: self._begun]


def _nothing() -> None:
    """Take note of nothing."""


def cause_of_death(error: WorkerDiedError, kills: int) -> str:
    """Of what a process died, where there had been so many `oom_kills` before."""
    is_memory = isinstance(error, WorkerKilledError) and oom_kills() > kills
    return OUT_OF_MEMORY if is_memory else str(error)


def oom_kills() -> int:
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
        # What it writes past Python would be in the worker's own log, where nothing is masked.
        return start(partial(prepared, threads, partial(prepare, place)), fork=False, takes_written=True)

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


processes = _Processes()
