"""The executor of a cluster: which worker is given which piece of work, and what becomes of that.

Each piece is given to one worker of its choice, and to no other: an engine that tries again by itself would have a
table computed twice. Workers that come later are compared with what the run requires before they are given anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from math import ceil, inf
from typing import Any, ClassVar, Literal
from uuid import uuid4

from lakehouse_cli.executors.base import Ask, Executor, WorkerDiedError
from lakehouse_cli.executors.clusters.bundle import Bundle
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine
from lakehouse_cli.executors.clusters.members import (
    Backlog,
    Call,
    Member,
    Pace,
    Piece,
    addresses,
    fail,
    missing_answer,
    most_on_one_machine,
    nothing_fits,
    say_unfit,
    settle,
    shown,
)
from lakehouse_cli.executors.clusters.messages import Answer, Answers, Message, packed
from lakehouse_cli.executors.clusters.worker import BEGUN, pack_message, unpack_answers
from lakehouse_cli.executors.worker_process import say_here

#: Seconds between two looks at which workers there are, and while the first ones are waited for.
LOOK_S, SOON_S = 0.5, 0.1
#: Seconds for which a cluster that does not answer, or has no worker, is waited for.
RECONNECT_S = 60.0
#: Seconds for which others are waited for after a first worker, one that is there and may have to load, one that comes.
SETTLING_S, GREETING_S, NONE_S = 1.0, 30.0, 10.0


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
        self._most, self._slots, self._shares = workers, 0, 1
        self._reconnect_s = float(options.get("reconnect", RECONNECT_S))
        self._lock = threading.RLock()
        self._backlog, self._pace = Backlog(), Pace()
        self._calls: dict[str, Call] = {}
        self._workers: dict[str, Member] = {}
        self._free: dict[str, Member] = {}
        self._session, self._numbers = uuid4().hex[:12], count(1)
        self._lost: ClusterLostError | None = None
        self._lost_since: float | None = None
        self._is_closed = self._is_begun = False
        self._changed, self._wake = threading.Condition(self._lock), threading.Event()
        self._bundle_id = self._bundle.id  # which is refused, if it is, before anything is asked of the cluster
        self._engine = self.engine(options, self._on_answer, self._on_said)
        super().__init__(workers, prepare, at_once=at_once)
        try:
            self._look()
            self._await_workers()
        except BaseException:
            self._engine.close()
            raise
        self._watcher = threading.Thread(target=self._watch, name="lakehouse cluster", daemon=True)
        self._watcher.start()

    @property
    def workers(self) -> int:
        """How many pieces of work may be under way; it grows with the cluster, unless the user said how many."""
        return max(1, self._slots if self._most is None else self._most)

    @workers.setter
    def workers(self, number: int) -> None:
        """The base class sets what is known before the cluster is."""

    @property
    def per_machine(self) -> int:
        """As many as the workers of one machine do at once."""
        return min(self.workers, self._shares)

    @property
    def most_submitted(self) -> int:
        """As many as are under way, and where they are short those that are given together with them."""
        return self.workers * self._pace.together

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
            if self._lost is not None or self._is_closed:
                ended = self._backlog.clear()
            while self._lost_since is None and len(self._calls) < self.workers and self._place():
                continue
        for piece in ended:
            fail(piece, self._lost or WorkerDiedError("was not started"))

    def _place(self) -> bool:
        """Give the first pieces for which there is a worker to it; returns whether there were some."""
        for piece in self._backlog.first():
            name = self._worker_for(piece.ask)
            if name is not None:
                free = max(self.workers - len(self._calls), 1)
                most = min(self._pace.together, ceil(len(self._backlog) / free))
                self._give(self._backlog.take(piece, most, name), name)
                return True
        return False

    def _worker_for(self, ask: Ask) -> str | None:
        """The worker that has just written what is read, else the one that has most room."""
        best, least = None, inf
        for name, each in (self._free or self._crowded()).items():
            if each.has(ask.resources):
                if shown(name) == ask.near:
                    return name
                if each.load < least:
                    best, least = name, each.load
                    if least == 0 and not ask.near:
                        break
        return best

    def _crowded(self) -> Mapping[str, Member]:
        """The workers that are given more than they have places for, as the user asked for more than there are.

        By that, clusters are known to grow.
        """
        ready = {name: each for name, each in self._workers.items() if each.state != "unfit"}
        is_wanted = self._most is not None and self._most > self._slots
        return ready if is_wanted and all(each.state == "ready" for each in ready.values()) else {}

    def _give(self, pieces: list[Piece], name: str) -> None:
        travelling = [(piece, work) for piece in pieces if (work := piece.work()) is not None]
        if not travelling:
            return
        worker, first = self._workers[name], travelling[0][0]
        key = f"{first.ask.key}-{self._session}-{next(self._numbers)}"
        given = dict(enumerate(piece for piece, _ in travelling))
        self._calls[key] = Call(name, first.ask.resources, given, time.monotonic())
        worker.calls.add(key)
        worker.take(first.ask.resources, 1)
        self._note_room(name, worker)
        spread = packed(addresses(self._workers)) if first.ask.spreads and self._engine.spreads else b""
        sent = tuple(work for _, work in travelling)
        message = Message(self._bundle_id, "work", work=sent, ahead=worker.ahead, spread=spread)
        for piece in given.values():
            if piece.ask.on_placed is not None:
                piece.ask.on_placed(shown(name))
        with suppress(ClusterLostError):  # the watcher finds out, and gives it anew
            self._engine.call(name, key, pack_message(message), first.ask.resources)

    def _note_room(self, name: str, worker: Member) -> None:
        if worker.is_free:
            self._free[name] = worker
        else:
            self._free.pop(name, None)

    # Answers.

    def _on_said(self, key: str, kind: str, value: Any) -> None:
        call = self._calls.get(key)
        if call is None:
            return
        call.is_begun = True
        if kind == "answers":
            self._take_answers(key, unpack_answers(value))
            self._dispatch()  # some may have been given back
        elif kind != BEGUN:
            say_here(kind, value)

    def _on_answer(self, key: str, content: bytes | None, error: WorkerDiedError | ClusterLostError | None) -> None:
        """Take an answer, in whatever thread it comes."""
        if isinstance(error, ClusterLostError):
            self._wake.set()
            return
        found = unpack_answers(content) if content is not None else {}
        kind, _, name = key.partition(" ")
        if kind in ("greet", "take") and name:
            self._welcomed(name.partition(" ")[0], kind, found.get(0) or missing_answer(error))
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
                piece = call.pieces.pop(number)
                if found.kind in ("back", "lacks"):
                    back.append(piece)
                else:
                    settled.append((piece, found))
                    self._pace.note(found.seconds)
            self._backlog.put_back(back)
            if any(found.kind == "lacks" for found in answers.values()):
                self._send_bundle_again(call.worker)
        passed = time.monotonic() - call.since
        for piece, found in settled:
            if piece.ask.on_waited is not None:
                piece.ask.on_waited(max(passed - found.seconds, 0.0))
            settle(piece, found, call.worker)

    def _end_call(self, key: str, why: Answer) -> None:
        """Take note that no more answers of a call come: of a begun one, the first without one was under way."""
        with self._lock:
            call = self._calls.pop(key, None)
            if call is None:
                return
            failed = call.failed(why)
            worker = self._workers.get(call.worker)
            if worker is not None:
                worker.calls.discard(key)
                worker.take(call.resources, -1)
                if call.pieces and worker.state == "ready":
                    worker.state = "doubted"
                    self._wake.set()
                self._note_room(call.worker, worker)
            self._backlog.put_back([piece for piece in call.pieces.values() if piece is not failed], again=True)
        if failed is not None:
            settle(failed, why, call.worker)

    # Workers.

    def _welcomed(self, name: str, kind: str, found: Answer) -> None:
        with self._changed:
            worker = self._workers.get(name)
            if worker is not None:
                if found.kind != "ready":
                    self._refuse(name, worker, found.text)
                elif kind == "greet":
                    worker.compare_clocks(name, found.seconds)
                    self._send_bundle(name, worker)
                else:
                    worker.state = "ready"
                self._note_room(name, worker)
            self._changed.notify_all()
        self.on_more()

    def _refuse(self, name: str, worker: Member, why: str) -> None:
        """Give nothing to a worker; said where the run goes on all the same."""
        worker.state, worker.why = "unfit", why
        self._slots -= worker.slots.count
        if self._is_begun:
            say_unfit(name, worker)

    def _send_bundle(self, name: str, worker: Member) -> None:
        worker.state = "taking"
        self._ask(name, "take", self._bundle.packed)

    def _send_bundle_again(self, name: str) -> None:
        worker = self._workers.get(name)
        if worker is not None and worker.state == "ready":
            self._send_bundle(name, worker)
            self._note_room(name, worker)

    def _ask(self, name: str, kind: Literal["greet", "take"], content: bytes = b"") -> None:
        key = f"{kind} {name} {self._session}-{next(self._numbers)}"
        message = pack_message(Message(self._bundle_id, kind, content))
        with suppress(ClusterLostError):
            if kind == "greet":
                self._engine.greet(name, key, message, self._bundle.requirements)
            else:
                self._engine.call(name, key, message, None)

    def _look(self) -> None:
        """Take note of workers that came, and of those that went.

        Raises:
            ClusterLostError: Nothing answers.
        """
        with self._lock:  # one of whom it is heard later may be found as it was before
            doubted = [(name, each) for name, each in self._workers.items() if each.state == "doubted"]
        found = self._engine.workers()
        came = [name for name in found if name not in self._workers]
        gone: list[tuple[str, str]] = []
        with self._changed:
            for name in came:
                worker = self._workers[name] = Member(found[name])
                self._slots += worker.slots.count
                worker.state = "greeted"
                self._ask(name, "greet")
            for name in [name for name in self._workers if name not in found]:
                worker = self._workers.pop(name)
                self._free.pop(name, None)
                self._slots -= worker.slots.count if worker.state != "unfit" else 0
                gone += [(key, name) for key in worker.calls]
            for name, worker in doubted:
                if name in found:
                    worker.state = "ready"
                    self._note_room(name, worker)
            self._shares = most_on_one_machine(self._workers)
            self._changed.notify_all()
        for key, name in gone:
            self._engine.cancel(key)
            self._end_call(key, Answer("died", text=f"was on worker {shown(name)}, which is gone"))

    def _await_workers(self) -> None:
        """Wait for the workers that there are to be ready, or at least for one.

        Raises:
            ClusterError: There is none.
        """
        began = looked = time.monotonic()
        while not self._is_settled(time.monotonic() - began):
            with self._changed:
                self._changed.wait(SOON_S)
            if time.monotonic() - looked >= SOON_S:
                self._look()
                looked = time.monotonic()
        with self._lock:
            self._is_begun = True
            if not any(each.state == "ready" for each in self._workers.values()):
                raise nothing_fits(self._engine.name, self._workers)
            unfit = {name: each for name, each in self._workers.items() if each.state == "unfit"}
        for name, worker in unfit.items():
            say_unfit(name, worker)

    def _is_settled(self, seconds: float) -> bool:
        with self._lock:
            states = {each.state for each in self._workers.values()}
        if "ready" in states and states <= {"ready", "unfit"}:
            return True
        # Beside those that are unfit, others may have just come as well.
        return seconds > (SETTLING_S if "ready" in states or states == {"unfit"} else GREETING_S if states else NONE_S)

    # Watching.

    def _watch(self) -> None:
        while not self._is_closed:
            self._wake.wait(LOOK_S)
            self._wake.clear()
            if self._is_closed:
                return
            try:
                self._find_again() if self._lost_since is not None else self._look()
            except ClusterLostError as error:
                self._be_lost(error)
            self._dispatch()

    def _find_again(self) -> None:
        """Go on with a cluster that answers again: what was under way is given anew, to workers that are compared anew.

        Raises:
            ClusterLostError: Nothing answers yet.
        """
        self._engine.reconnect()
        with self._lock:
            self._lost_since = None
            self._backlog.put_back(self._under_way(), again=True)
            self._workers.clear()
            self._free.clear()
            self._slots = 0
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
        self._watcher.join(timeout=5)
        self._engine.close()
