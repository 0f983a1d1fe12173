"""The executor of a cluster: which worker is given which piece of work, and what becomes of that.

Each piece is given to one worker of its choice, and to no other: an engine that tries again by itself would have a
table computed twice. Workers that come later are compared with what the run requires before they are given anything.
"""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any, ClassVar, Literal
from uuid import uuid4

from lakehouse_cli.executors.base import (
    Ask,
    ClusterError,
    Executor,
    WorkerDiedError,
)
from lakehouse_cli.executors.clusters.bundle import Bundle
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine, OnAnswer, OnSaid
from lakehouse_cli.executors.clusters.members import Member, Piece, fail, missing_answer, settle, shown
from lakehouse_cli.executors.clusters.messages import Answer, Message, packed
from lakehouse_cli.executors.clusters.worker import pack_message, unpack_answer
from lakehouse_cli.executors.worker_process import say_here

#: Seconds between two looks at which workers there are.
LOOK_S = 0.5
#: Seconds for which a cluster that does not answer, or has no worker, is waited for.
RECONNECT_S = 60.0
#: Seconds for which others that there are are waited for after a first worker.
SETTLING_S = 1.0


class ClusterExecutor(Executor):
    """Leads the workers of a cluster; an adapter says which `engine` it is of.

    Args:
        workers: How many pieces of work may be under way at once; as many as the workers do at once by default.
        prepare: As of `Executor`; one that is `Portable` is taken there with its files.
        at_once: As of `Executor`.
        options: Those of `execution.options`, checked.

    Raises:
        ClusterError: Nothing answers there, or no worker has what the run requires.
    """

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
        self._queue: deque[Piece] = deque()
        self._pieces: dict[str, Piece] = {}
        self._workers: dict[str, Member] = {}
        self._session, self._numbers = uuid4().hex[:12], count(1)
        self._lost: ClusterLostError | None = None
        self._lost_since: float | None = None
        self._is_closed = self._is_begun = False
        self._changed = threading.Condition(self._lock)
        self._wake = threading.Event()
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

    @abstractmethod
    def engine(self, options: Mapping[str, Any], on_answer: OnAnswer, on_said: OnSaid) -> Engine:
        """The engine, connected; arguments and what it raises are those of `Engine`."""

    @property
    def workers(self) -> int:
        """How many pieces of work may be under way; it grows with the cluster, unless the user said how many."""
        with self._lock:
            slots = sum(each.slots.count for each in self._workers.values() if each.state != "unfit")
            return max(1, slots if self._most is None else self._most)

    @workers.setter
    def workers(self, number: int) -> None:
        """The base class sets what is known before the cluster is."""

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, timeout: float | None = None, ask: Ask | None = None
    ) -> Future[Any]:
        """Have a worker compute `fn`, as soon as one has a place."""
        future: Future[Any] = Future()
        try:
            content = packed((fn, args))
        except Exception as error:  # noqa: BLE001  # whatever the arguments' own methods raise
            future.set_exception(error)
            return future
        number = next(self._numbers)
        ask = ask or Ask(str(number))
        piece = Piece(future, content, timeout, ask, f"{ask.key}-{self._session}-{number}", ask.again)
        with self._lock:
            self._queue.append(piece)
        self._dispatch()
        return future

    # Placing.

    def _dispatch(self) -> None:
        """Give what waits to workers that have a place."""
        ended: list[tuple[Piece, BaseException]] = []
        with self._lock:
            if self._lost is not None or self._is_closed:
                ended = [(piece, self._why_not()) for piece in self._queue]
                self._queue.clear()
            while self._lost_since is None and self._queue and len(self._pieces) < self.workers:
                if (found := self._placeable()) is None:
                    break
                piece, name = found
                self._queue.remove(piece)
                self._give(piece, name)
        for piece, error in ended:
            fail(piece, error)

    def _why_not(self) -> BaseException:
        return self._lost or WorkerDiedError("was not started")

    def _placeable(self) -> tuple[Piece, str] | None:
        """The first piece that a worker has room for, and that worker."""
        states = {each.state for each in self._workers.values()}
        # The user may want more at once than there are places: by that, clusters are known to grow.
        may_crowd = self._most is not None and states <= {"ready", "unfit"}
        for piece in self._queue:
            asked = piece.ask.resources
            for is_crowded in (False, True) if may_crowd else (False,):
                names = [name for name, each in self._workers.items() if each.has_room(asked, is_crowded=is_crowded)]
                if names:
                    return piece, min(names, key=lambda name: self._load(piece, name))
        return None

    def _load(self, piece: Piece, name: str) -> float:
        """How much a worker has to do; less than nothing where the piece had best be given to it."""
        each = self._workers[name]
        is_near = shown(name) == piece.ask.near and len(each.pieces) < each.slots.count
        return -1.0 if is_near else len(each.pieces) / each.slots.count

    def _give(self, piece: Piece, name: str) -> None:
        worker = self._workers[name]
        piece.worker = name
        self._pieces[piece.key] = piece
        worker.pieces.add(piece.key)
        worker.take(piece, 1)
        message = pack_message(Message(self._bundle_id, "work", piece.content, piece.timeout, again=piece.again))
        if piece.ask.on_placed is not None:
            piece.ask.on_placed(shown(name))
        with suppress(ClusterLostError):  # the watcher finds out, and gives it anew
            self._engine.call(name, piece.key, message, piece.ask.resources)

    # Answers.

    def _on_said(self, key: str, kind: str, value: Any) -> None:
        if key in self._pieces:
            say_here(kind, value)

    def _on_answer(self, key: str, content: bytes | None, error: WorkerDiedError | ClusterLostError | None) -> None:
        """Take an answer, in whatever thread it comes."""
        if isinstance(error, ClusterLostError):
            self._wake.set()
            return
        found = unpack_answer(content) if content is not None else missing_answer(error)
        kind, _, name = key.partition(" ")
        if kind in ("greet", "take") and name:
            self._welcomed(name.partition(" ")[0], kind, found)
        else:
            self._ended(key, found)
        self._dispatch()

    def _ended(self, key: str, found: Answer) -> None:
        with self._lock:
            piece = self._pieces.pop(key, None)
            if piece is None:  # it was given up
                return
            worker = self._leave(piece)
            if found.kind in ("lacks", "back"):
                if worker is not None and found.kind == "back":
                    worker.state = "new"  # it is not there any more, or soon
                    self._wake.set()
                elif worker is not None and worker.state == "ready":
                    self._send_bundle(piece.worker, worker)
                self._queue.appendleft(piece)
                return
        settle(piece, found)

    def _leave(self, piece: Piece) -> Member | None:
        worker = self._workers.get(piece.worker)
        if worker is not None:
            worker.pieces.discard(piece.key)
            worker.take(piece, -1)
        return worker

    # Workers.

    def _welcomed(self, name: str, kind: str, found: Answer) -> None:
        with self._changed:
            worker = self._workers.get(name)
            if worker is not None:
                if found.kind != "ready":
                    self._refuse(name, worker, "; it ".join(found.differences) or found.text)
                elif kind == "greet":
                    self._send_bundle(name, worker)
                else:
                    worker.state = "ready"
            self._changed.notify_all()
        self.on_more()

    def _refuse(self, name: str, worker: Member, why: str) -> None:
        """Give nothing to a worker; said where the run goes on all the same."""
        worker.state, worker.why = "unfit", why
        if self._is_begun:
            say_here("stderr", f"note: {shown(name)} is given nothing: it {why}")

    def _send_bundle(self, name: str, worker: Member) -> None:
        worker.state = "taking"
        self._ask(name, "take", self._bundle.packed)

    def _ask(self, name: str, kind: Literal["greet", "take"], content: bytes) -> None:
        key = f"{kind} {name} {self._session}-{next(self._numbers)}"
        with suppress(ClusterLostError):
            self._engine.call(name, key, pack_message(Message(self._bundle_id, kind, content)), None)

    def _look(self) -> None:
        """Take note of workers that came, and of those that went.

        Raises:
            ClusterLostError: Nothing answers.
        """
        found = self._engine.workers()
        came = [name for name in found if name not in self._workers]
        lacking = {name: self._engine.missing(name) for name in came}
        gone: list[Piece] = []
        with self._changed:
            for name in came:
                worker = self._workers[name] = Member(found[name])
                if (why := lacking[name]) is not None:
                    self._refuse(name, worker, why)
                else:
                    worker.state = "greeted"
                    self._ask(name, "greet", packed(self._bundle.requirements))
            for name in [name for name in self._workers if name not in found]:
                worker = self._workers.pop(name)
                gone += [self._pieces.pop(key) for key in worker.pieces if key in self._pieces]
            self._changed.notify_all()
        for piece in gone:
            self._engine.cancel(piece.key)
            settle(piece, Answer("died", text=f"was on worker {shown(piece.worker)}, which is gone"))

    def _await_workers(self) -> None:
        """Wait for the workers that there are to be ready, or at least for one.

        Raises:
            ClusterError: There is none.
        """
        now = time.monotonic()
        while not self._is_settled(time.monotonic() - now):
            with self._changed:
                self._changed.wait(0.1)
            self._look()
        with self._lock:
            self._is_begun = True
            unfit = {shown(name): each.why for name, each in self._workers.items() if each.state == "unfit"}
            if not any(each.state == "ready" for each in self._workers.values()):
                raise self._refusal(unfit)
        for name, why in unfit.items():
            say_here("stderr", f"note: {name} is given nothing: it {why}")

    def _is_settled(self, seconds: float) -> bool:
        with self._lock:
            states = {each.state for each in self._workers.values()}
        if "ready" in states and states <= {"ready", "unfit"}:
            return True
        if states == {"unfit"}:  # others may have just come as well
            return seconds > SETTLING_S
        return seconds > (SETTLING_S if "ready" in states else self._engine.greeting_s)

    def _refusal(self, unfit: Mapping[str, str]) -> ClusterError:
        cluster = f"the {self._engine.name} cluster"
        if not self._workers:
            return ClusterError(f"{cluster} has no workers", hint="start some, then run again")
        if not unfit:
            hint = "look at their logs; they may be busy with work of others"
            return ClusterError(f"no worker of {cluster} answers", hint=hint)
        by_why: dict[str, list[str]] = {}
        for name, why in unfit.items():
            by_why.setdefault(why, []).append(name)
        whys = "; ".join(f"{', '.join(names)}: it {why}" for why, names in by_why.items())
        hint = "give the workers what this machine has: the same packages, and the variables that the project names"
        return ClusterError(f"no worker of {cluster} fits this project: {whys}", hint=hint)

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
            for piece in self._pieces.values():
                piece.again = True
                self._queue.appendleft(piece)
            self._pieces.clear()
            self._workers.clear()
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
                failed = [*self._pieces.values(), *self._queue]
                self._pieces.clear()
                self._queue.clear()
        for piece in failed:
            fail(piece, error)

    # The end.

    def stop(self) -> None:
        """Let all that is under way be unwanted; nothing is waited for."""
        with self._lock:
            self._is_closed = True
            under_way, waiting = list(self._pieces.values()), list(self._queue)
            self._pieces.clear()
            self._queue.clear()
        self._wake.set()
        for piece in under_way:
            with suppress(ClusterLostError):
                self._engine.cancel(piece.key)
            fail(piece, WorkerDiedError("was ended with the run"))
        for piece in waiting:
            fail(piece, WorkerDiedError("was not started"))

    def shutdown(self) -> None:
        """Leave the cluster."""
        self._is_closed = True
        self._wake.set()
        self._watcher.join(timeout=5)
        self._engine.close()
