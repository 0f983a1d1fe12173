"""The executor of a cluster: which worker is given which piece of work, and what becomes of that.

Each piece is given to one worker of its choice, and to no other: an engine that tries again by itself would have a
table computed twice. Workers that come later are compared with what the run requires before they are given anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from itertools import count
from math import ceil
from typing import Any, ClassVar
from uuid import uuid4

from msgspec.structs import replace

from lakehouse_cli.executors.base import Ask, Executor, WithdrawnError, WorkerDiedError
from lakehouse_cli.executors.clusters.bundle import Bundle
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine
from lakehouse_cli.executors.clusters.members import Members, addresses
from lakehouse_cli.executors.clusters.messages import Answer, AnswerKind, Answers, Message, packed
from lakehouse_cli.executors.clusters.pieces import (
    Backlog,
    Call,
    Pace,
    Piece,
    fail,
    missing_answer,
    settle,
    shown,
    waiting,
)
from lakehouse_cli.executors.clusters.worker import BEGUN, pack_message, unpack_answers
from lakehouse_cli.executors.worker_process import say_here

#: Seconds between two looks at which workers there are.
LOOK_S = 0.5
#: Seconds for which a table waits for what no worker has before that is said.
UNPLACED_S = 5.0
#: Seconds for which a cluster that does not answer, or has no worker, is waited for.
RECONNECT_S = 60.0
# Seconds for which a part of a file is waited for.
_PART_S = 30.0


class ClusterExecutor(Executor):
    """Leads the workers of a cluster.

    Args:
        workers: How many pieces of work may be under way at once; as many as the workers do at once by default.
        prepare: As of `Executor`; one that is `Portable` is taken there with its files.
        at_once: As of `Executor`.
        options: Those of `execution.options`, checked.

    Attributes:
        engine: What an adapter is of.

    Raises:
        ClusterError: Nothing answers there, or no worker has what the run requires.
    """

    engine: ClassVar[type[Engine]]
    shares_memory: ClassVar[bool] = False
    is_cluster: ClassVar[bool] = True

    def __init__(
        self,
        workers: int | None = None,
        prepare: Callable[[], None] | None = None,
        *,
        at_once: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        options = options or {}
        self._bundle = Bundle.of(prepare)
        self._most = workers
        self._reconnect_s = float(options.get("reconnect", RECONNECT_S))
        self._lock = threading.RLock()
        self._backlog, self._pace = Backlog(), Pace()
        self._calls: dict[str, Call] = {}
        self._parts: dict[str, Future[Answer]] = {}
        self._session, self._numbers = uuid4().hex[:12], count(1)
        self._lost: ClusterLostError | None = None
        self._lost_since: float | None = None
        self._is_closed = self._is_withdrawn = False
        # What pieces wait for that no worker has, by what they ask for, with since when; how many; what was said.
        self._lacking: dict[frozenset[tuple[str, float]], tuple[str, float]] = {}
        self._unplaced, self._told = 0, set[frozenset[tuple[str, float]]]()
        self._wake = threading.Event()
        self._bundle_id = self._bundle.id  # which is refused, if it is, before anything is asked of the cluster
        self._engine = self.engine(options, self._on_answer, self._on_said)
        self._members = Members(self._engine, self._bundle, self._lock, self._session)
        super().__init__(workers, prepare, at_once=at_once)
        try:
            self._members.await_ready()
        except BaseException:
            self._engine.close()
            raise
        self._watcher = threading.Thread(target=self._watch, name="lakehouse cluster", daemon=True)
        self._watcher.start()

    @property
    def workers(self) -> int:
        """How many pieces of work may be under way; it grows with the cluster, unless the user said how many."""
        return max(1, self._members.slots if self._most is None else self._most)

    @workers.setter
    def workers(self, number: int) -> None:
        """The base class sets what is known before the cluster is."""

    def memory_of(self, worker: str) -> float:
        """Of those that are there, or were."""
        return self._members.memory.get(worker, 0.0)

    @property
    def per_machine(self) -> int:
        """As many as the workers of one machine do at once."""
        return min(self.workers, self._members.shares)

    @property
    def most_submitted(self) -> int:
        """As many as are under way, where they are short those that are given together with them, and what waits."""
        return self.workers * self._pace.together + self._unplaced

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None, ask: Ask | None = None
    ) -> Future[Any]:
        """Have a worker compute `fn`, as soon as one has a place."""
        number = next(self._numbers)
        ask = ask or Ask(str(number))
        piece = Piece(Future(), fn, args, timeout, ask, number, ask.again)
        with self._lock:
            self._backlog.add(piece)
        self._dispatch()
        return piece.future

    # Placing.

    def _dispatch(self) -> None:
        """Give what waits to workers that have a place."""
        ended: list[Piece] = []
        with self._lock:
            if self._lost is not None or self._is_closed or self._is_withdrawn:
                ended = self._backlog.clear()
            while self._lost_since is None and len(self._calls) < self.workers and self._place():
                continue
        for piece in ended:
            waited, _ = self._lacking.get(frozenset(piece.ask.resources.items()), ("", 0.0))
            withdrawn = WithdrawnError(may_be_done=piece.again, waited=waited) if self._is_withdrawn else None
            fail(piece, self._lost or withdrawn or WorkerDiedError("was not started"))

    def _place(self) -> bool:
        """Give the first pieces for which there is a worker to it; returns whether there were some."""
        for piece in self._backlog.first():
            # More than there are places for only where the user asked for more.
            name = self._members.with_room(
                piece.ask, crowded=self._most is not None and self._most > self._members.slots
            )
            if name is not None:
                free = max(self.workers - len(self._calls), 1)
                most = min(self._pace.together, ceil(len(self._backlog) / free))
                self._give(self._backlog.take(piece, most, name), name)
                return True
        return False

    def _give(self, pieces: list[Piece], name: str) -> None:
        travelling = [(piece, work) for piece in pieces if (work := piece.work()) is not None]
        if not travelling:
            return
        first = travelling[0][0]
        key = f"{first.ask.key}-{self._session}-{next(self._numbers)}"
        given = dict(enumerate(piece for piece, _ in travelling))
        self._calls[key] = Call(name, first.ask.resources, given)
        worker = self._members.give(name, key, first.ask.resources)
        spread = packed(addresses(self._members.workers)) if first.ask.spreads and self._engine.spreads else b""
        sent = tuple(work for _, work in travelling)
        message = Message(self._bundle_id, "work", work=sent, ahead=worker.ahead, spread=spread, run=self._session)
        for piece in given.values():
            if piece.ask.on_placed is not None:
                piece.ask.on_placed(shown(name))
        with suppress(ClusterLostError):  # the watcher finds out, and gives it anew
            self._engine.call(name, key, pack_message(message), first.ask.resources)

    # Answers.

    def _on_said(self, key: str, kind: str, value: Any) -> None:
        call = self._calls.get(key)
        if call is None:
            return
        if kind == "answers":
            self._take_answers(key, unpack_answers(value))
            self._dispatch()  # some may have been given back
        elif kind == BEGUN:
            call.begins(value)
        else:
            say_here(kind, value)

    def _on_answer(self, key: str, content: bytes | None, error: WorkerDiedError | ClusterLostError | None) -> None:
        """Take an answer, in whatever thread it comes."""
        if isinstance(error, ClusterLostError):
            self._wake.set()
            return
        found = unpack_answers(content) if content is not None else {}
        kind, _, name = key.partition(" ")
        if kind in ("greet", "take") and name:
            with self._lock:
                self._members.welcome(name.partition(" ")[0], kind, found.get(0) or missing_answer(error))
            self.on_more()
        elif kind == "part":
            with self._lock:
                waiting = self._parts.pop(key, None)
            if waiting is not None:
                waiting.set_result(found.get(0) or missing_answer(error))
        else:
            self._take_answers(key, found)
            self._end_call(key, missing_answer(error))
        self._dispatch()

    def _take_answers(self, key: str, answers: Answers) -> None:
        """Take answers of a call, which may have more."""
        settled: list[tuple[Piece, Answer]] = []
        back: list[Piece] = []
        with self._lock:
            call = self._calls.get(key)
            if call is None:  # it was given up
                return
            for number, found in answers.items():
                piece = call.take(number)
                if found.kind in ("back", "lacks"):
                    back.append(piece)
                else:
                    settled.append((piece, found))
                    self._pace.note(found.seconds)
            self._backlog.put_back(back)
            # Of what died, the run may find that it was done.
            if any(piece.ask.stops and found.kind in ("error", "late") for piece, found in settled):
                while settled:  # before the rest that is not begun for that
                    settle(*settled.pop(0), call.worker, self._fetch)
                self.withdraw()
            if any(found.kind == "lacks" for found in answers.values()):
                self._members.send_again(call.worker)
        for piece, found in settled:
            settle(piece, found, call.worker, self._fetch)

    def _end_call(self, key: str, why: Answer) -> None:
        """Take note that no more answers of a call come: of a begun one, the first without one was under way."""
        with self._lock:
            call = self._calls.pop(key, None)
            if call is None:
                return
            failed = call.failed(why)
            self._members.take_back(call.worker, key, call.resources)
            if call.pieces:
                self._members.doubt(call.worker, is_silent=why.kind == "late")
                self._wake.set()
            self._backlog.put_back([piece for piece in call.pieces.values() if piece is not failed], again=True)
        if failed is not None:
            seconds = 0.0 if call.begun is None else time.monotonic() - call.begun
            settle(failed, replace(why, seconds=seconds), call.worker, self._fetch)

    def _fetch(self, worker: str, path: str, start: int) -> bytes:
        """The part of a file that a worker has, waited for; not to be called in a thread of the engine's.

        Raises:
            OSError: It does not come.
        """
        waiting: Future[Answer] = Future()
        with self._lock:
            key = self._members.ask(worker, "part", packed((path, start)))
            self._parts[key] = waiting
        limit = time.monotonic() + _PART_S
        while not waiting.done() and time.monotonic() < limit and worker in self._members.workers:
            wait([waiting], LOOK_S)
        self._parts.pop(key, None)
        if not waiting.done() or waiting.result().kind != "ready":
            raise OSError(f"worker {shown(worker)} does not send a part of {path}")
        return waiting.result().content

    # Watching.

    def _watch(self) -> None:
        while not self._is_closed:
            self._wake.wait(LOOK_S)
            self._wake.clear()
            if self._is_closed:
                return
            try:
                self._find_again() if self._lost_since is not None else self._look()
                self._end_overdue()
            except ClusterLostError as error:
                self._be_lost(error)
            self._dispatch()

    def _look(self) -> None:
        """Take note of workers that came, and of those that went.

        Raises:
            ClusterLostError: Nothing answers.
        """
        gone, silent = self._members.look()
        for key, name in gone:
            self._engine.cancel(key)
            is_memory = self._engine.lacked_memory(name)
            kind: AnswerKind = "killed" if is_memory else "died"
            ended = f"went with its worker, which {self._engine.name} ended, as it was out of memory"
            self._end_call(
                key, Answer(kind, text=ended if is_memory else f"was on worker {shown(name)}, which is gone")
            )
        with self._lock:
            for name in silent:
                had = [piece for call in self._calls.values() if call.worker == name for piece in call.pieces.values()]
                what = (
                    f"; {waiting(had[0], len(had))} for it: wake it, or end it, and that is a failed attempt"
                    if had
                    else ""
                )
                self._members.doubt(name, is_silent=True, waiting=what)
        self._look_at_what_waits()

    def _look_at_what_waits(self) -> None:
        """Let others be begun beside what no worker can have, and say of that what it is, once."""
        said = []
        with self._lock:
            now, before, self._lacking = time.monotonic(), self._lacking, {}
            count = 0
            for piece, number in self._backlog.waiting():
                asked = frozenset(piece.ask.resources.items())
                if lacks := self._members.lacking(piece.ask.resources):
                    count += number
                    self._lacking[asked] = lacks, before.get(asked, ("", now))[1]
                    if asked not in self._told and now - self._lacking[asked][1] >= UNPLACED_S:
                        self._told.add(asked)
                        what = "start one that has it, or ask for less under `resources`" if asked else "start one"
                        said.append(f"note: {waiting(piece, number)}, as {lacks}: {what}; the run goes on until then")
            is_more, self._unplaced = count > self._unplaced, count
        for line in said:
            say_here("stderr", line)
        if is_more:
            self.on_more()

    def _end_overdue(self) -> None:
        """Let work have failed that is over its time, and of which its worker does not say so."""
        with self._lock:
            now = time.monotonic()
            overdue = [key for key, call in self._calls.items() if call.limit < now]
        for key in overdue:
            self._engine.cancel(key)
            self._end_call(key, Answer("late"))

    def _find_again(self) -> None:
        """Go on with a cluster that answers again: what was under way is given anew, to workers that are compared anew.

        Raises:
            ClusterLostError: Nothing answers yet.
        """
        self._engine.reconnect()
        with self._lock:
            self._lost_since = None
            self._backlog.put_back(self._under_way(), again=True)
            self._members.forget()
        self._look()

    def _be_lost(self, error: ClusterLostError) -> None:
        """Wait for a cluster that does not answer any more, or end all that is under way where that took too long."""
        now = time.monotonic()
        failed: list[Piece] = []
        with self._lock:
            if self._lost_since is None:
                self._lost_since = now
            if now - self._lost_since >= self._reconnect_s:
                waited = f"{error.message} any more; it was waited for {self._reconnect_s:g} s"
                error = self._lost = ClusterLostError(waited, hint=f"{error.hint}; then run again")
                failed = [*self._under_way(), *self._backlog.clear()]
        for piece in failed:
            fail(piece, error)

    def _under_way(self) -> list[Piece]:
        """Take all pieces that workers have, and forget the calls."""
        pieces = [piece for call in self._calls.values() for piece in call.pieces.values()]
        self._calls.clear()
        return pieces

    def withdraw(self) -> frozenset[str]:
        """Begin nothing more, and have workers give back what they have not begun."""
        with self._lock:
            has_more = [(call.worker, rest) for call in self._calls.values() if (rest := call.not_begun())]
            for name in dict.fromkeys(name for name, _ in has_more) if not self._is_withdrawn else ():
                self._members.ask(name, "withdraw")
            self._is_withdrawn = True
        self._dispatch()
        return frozenset(piece.ask.table for _, rest in has_more for piece in rest)

    def stop(self) -> None:
        """Let all that is under way be unwanted; nothing is waited for."""
        with self._lock:
            self._is_closed = True
            calls = list(self._calls)
            under_way, waiting = self._under_way(), self._backlog.clear()
        self._wake.set()
        for key in calls:
            with suppress(ClusterLostError):
                self._engine.cancel(key)
        for piece in under_way:
            fail(piece, WorkerDiedError("was ended with the run"))
        for piece in waiting:
            fail(piece, WorkerDiedError("was not started"))

    def shutdown(self) -> None:
        """Leave the cluster."""
        self._is_closed = True
        self._wake.set()
        self._members.close()
        self._watcher.join(timeout=5)
        self._engine.close()
