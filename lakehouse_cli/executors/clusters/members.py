"""The workers of a cluster, as the run knows them: which there are, which fit, and which have a place."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from math import floor, inf
from typing import Literal
from urllib.parse import urlsplit

from lakehouse_cli.executors.base import Ask, ClusterError
from lakehouse_cli.executors.clusters.bundle import Bundle
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine, Slots
from lakehouse_cli.executors.clusters.messages import Answer, Message, MessageKind
from lakehouse_cli.executors.clusters.pieces import shown
from lakehouse_cli.executors.clusters.sending import Sending
from lakehouse_cli.executors.clusters.worker import pack_message
from lakehouse_cli.executors.worker_process import say_here

# Seconds within which clocks are taken for the same.
_LIKE_S = 1.0
# Seconds between two looks at which workers there are while the first ones are waited for.
_SOON_S = 0.1
# Seconds of silence after which a worker is given nothing more, and that is said.
_SILENT_S = 15.0
# Seconds for which others are waited for after a first worker, one that is there and may have to load, one that comes.
_SETTLING_S, _GREETING_S, _NONE_S = 1.0, 30.0, 10.0
# Seconds after which a worker that lacked memory as it was greeted is greeted again: at first, and at most, each time
# twice as many.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 8.0


@dataclass(slots=True, eq=False)
class Member:
    """A worker, as the run knows it; a `doubted` one has not answered, and was not looked for since."""

    slots: Slots
    state: Literal["new", "greeted", "taking", "ready", "doubted", "unfit"] = "new"
    why: str = ""
    calls: set[str] = field(default_factory=set)
    taken: dict[str, float] = field(default_factory=dict)
    greeted: float = field(default_factory=time.time)
    heard: float = field(default_factory=time.monotonic)
    is_told: bool = False  # that it does not answer
    ahead: float = 0.0
    pause: float = 0.0
    rests_until: float = -inf

    def rest(self) -> None:
        """Let it not be greeted for a while, each time for longer."""
        self.pause = min(2 * self.pause or _FIRST_PAUSE_S, _LAST_PAUSE_S)
        self.rests_until = time.monotonic() + self.pause

    def compare_clocks(self, name: str, there: float) -> None:
        """Take note of what its clock said when it was greeted; one that is far off is said."""
        now = time.time()
        ahead = there - (self.greeted + now) / 2
        if abs(ahead) > _LIKE_S + (now - self.greeted) / 2:
            self.ahead = ahead
            how = "ahead of" if ahead > 0 else "behind"
            say_here(
                "stderr",
                f"note: the clock of {shown(name)} is {abs(ahead):,.0f} s {how} this machine's, by which moments are"
                " recorded: set it, as object stores may refuse it",
            )

    @property
    def is_free(self) -> bool:
        """Whether it has a place."""
        return self.state == "ready" and len(self.calls) < self.slots.count

    @property
    def load(self) -> float:
        """How much of it is taken."""
        return len(self.calls) / self.slots.count

    def has(self, asked: Mapping[str, float]) -> bool:
        """Whether it has resources left."""
        there = self.slots.resources
        return all(self.taken.get(name, 0) + amount <= there.get(name, 0) for name, amount in asked.items())

    def take(self, asked: Mapping[str, float], sign: int) -> None:
        """Count what a call asks for, or with -1 count it no more."""
        for name, amount in asked.items():
            self.taken[name] = self.taken.get(name, 0) + sign * amount


class Members:
    """All of the workers; what is no look, and no waiting, is called with the lock.

    Args:
        engine: The cluster.
        bundle: What they are given before any work.
        lock: Guards them.
        run: Names the run.

    Attributes:
        workers: By name.
        memory: What there is of it, by the names that are shown, be it of one that is gone.
        slots: How many pieces of work they do at once.
        shares: How many the workers of one machine do, at most.
    """

    def __init__(self, engine: Engine, bundle: Bundle, lock: threading.RLock, run: str) -> None:
        self._engine, self._bundle, self._run = engine, bundle, run
        self._changed, self._numbers = threading.Condition(lock), count(1)
        self._sending = Sending(bundle, self._lacking)
        self.workers: dict[str, Member] = {}
        self.memory: dict[str, float] = {}
        self._free: dict[str, Member] = {}
        self.slots, self.shares = 0, 1
        self._is_begun = False

    def with_room(self, ask: Ask, *, crowded: bool) -> str | None:
        """The worker that has just written what is read, else the one that has most room; None where there is none.

        Args:
            ask: What a piece of work asks for.
            crowded: Whether they may be given more than they have places for, if none has any. By that, clusters are
                known to grow.
        """
        best, least = None, inf
        for name, each in (self._free or (self._crowded() if crowded else {})).items():
            if each.has(ask.resources):
                if shown(name) == ask.near:
                    return name
                if each.load < least:
                    best, least = name, each.load
                    if least == 0 and not ask.near:
                        break
        return best

    def _crowded(self) -> Mapping[str, Member]:
        ready = {name: each for name, each in self.workers.items() if each.state != "unfit"}
        return ready if all(each.state == "ready" for each in ready.values()) else {}

    def give(self, name: str, key: str, resources: Mapping[str, float]) -> Member:
        """Take note of a call."""
        worker = self.workers[name]
        worker.calls.add(key)
        worker.take(resources, 1)
        self._note_room(name, worker)
        return worker

    def take_back(self, name: str, key: str, resources: Mapping[str, float]) -> None:
        """Take note of the end of a call."""
        worker = self.workers.get(name)
        if worker is not None:
            worker.calls.discard(key)
            worker.take(resources, -1)
            self._note_room(name, worker)

    def doubt(self, name: str, *, is_silent: bool, waiting: str = "") -> None:
        """Give nothing to a worker until it is found again; to one that is there and is silent, until it answers.

        Args:
            name: The worker.
            is_silent: Whether it is there.
            waiting: What waits for it, and what can be done.
        """
        worker = self.workers.get(name)
        if worker is None or worker.state != "ready":
            return
        worker.state = "doubted"
        self._note_room(name, worker)
        if is_silent:
            _say_silent(name, worker, waiting)
            self._greet(name, worker)

    def lacking(self, asked: Mapping[str, float]) -> str:
        """What no worker has of what is asked for, be it that others have it now; empty where one has it all."""
        there = [each.slots.resources for each in self.workers.values() if each.state != "unfit"]
        if not there:
            return "there is no worker"
        if any(all(amount <= each.get(name, 0) for name, amount in asked.items()) for each in there):
            return ""
        most = {name: max(each.get(name, 0) for each in there) for name in asked}
        lacks = {name: amount for name, amount in asked.items() if amount > most[name]}
        if not lacks:
            return f"no worker has {' and '.join(_amount(*each) for each in asked.items())} at once"
        has = (f"{_amount(name, amount)} (the most is {_size(name, most[name])})" for name, amount in lacks.items())
        return f"no worker has {' nor '.join(has)}"

    def _note_room(self, name: str, worker: Member) -> None:
        if worker.is_free:
            self._free[name] = worker
        else:
            self._free.pop(name, None)

    def forget(self) -> None:
        """Forget all: they are compared anew."""
        self.workers.clear()
        self._free.clear()
        self.slots = 0

    def close(self) -> None:
        """Say nothing of them any more."""
        self._sending.close()

    # What they answer.

    def welcome(self, name: str, kind: str, found: Answer) -> None:
        """Take what a worker answers that was greeted, or given the bundle."""
        worker = self.workers.get(name)
        if worker is not None:
            if found.kind == "killed":  # for want of memory, which it may have soon
                worker.state, worker.why = "new", found.text
                worker.rest()
            elif found.kind != "ready":
                self._refuse(name, worker, found.text)
            elif kind == "greet":
                worker.why = ""
                worker.compare_clocks(name, found.seconds)
                self._send_bundle(name, worker)
            else:
                worker.state, worker.pause = "ready", 0.0
            worker.heard, worker.is_told = time.monotonic(), False
            self._note_room(name, worker)
        self._changed.notify_all()

    def send_again(self, name: str) -> None:
        """Give a worker the bundle that has it no more."""
        worker = self.workers.get(name)
        if worker is not None and worker.state == "ready":
            self._send_bundle(name, worker)
            self._note_room(name, worker)

    def ask(self, name: str, kind: MessageKind, content: bytes = b"") -> str:
        """Have a worker answer what is no work, as `kind NAME NUMBER`, which is returned."""
        key = f"{kind} {name} {self._run}-{next(self._numbers)}"
        message = pack_message(Message(self._bundle.id, kind, content, run=self._run))
        with suppress(ClusterLostError):
            if kind == "greet":
                self._engine.greet(name, key, message, self._bundle.requirements)
            else:
                self._engine.call(name, key, message, None)
        return key

    def _greet(self, name: str, worker: Member) -> None:
        worker.state, worker.greeted = "greeted", time.time()
        self.ask(name, "greet")

    def _send_bundle(self, name: str, worker: Member) -> None:
        worker.state = "taking"
        self.ask(name, "take", self._sending.content())

    def _lacking(self) -> tuple[set[str], bool]:
        states = {name: each.state for name, each in list(self.workers.items())}
        return {name for name, state in states.items() if state in ("greeted", "taking")}, "taking" in states.values()

    def _refuse(self, name: str, worker: Member, why: str) -> None:
        """Give nothing to a worker; said where the run goes on all the same."""
        worker.state, worker.why = "unfit", why
        self.slots -= worker.slots.count
        if self._is_begun:
            _say_unfit(name, worker)

    # Which there are.

    def look(self) -> tuple[list[tuple[str, str]], list[str]]:
        """Take note of workers that came, and of those that went.

        Returns the calls of those that went, each with the name of its worker; and those that are there and silent.

        Raises:
            ClusterLostError: Nothing answers.
        """
        with self._changed:  # one of whom it is heard later may be found as it was before
            doubted = [(name, each) for name, each in self.workers.items() if each.state == "doubted"]
        found = self._engine.workers()
        came = [name for name in found if name not in self.workers]
        gone: list[tuple[str, str]] = []
        with self._changed:
            for name in came:
                worker = self.workers[name] = Member(found[name])
                has = found[name].resources.get("memory", 0.0)
                self.memory[shown(name)] = max(has, self.memory.get(shown(name), 0.0))
                self.slots += worker.slots.count
            for name in [name for name in self.workers if name not in found]:
                worker = self.workers.pop(name)
                self._free.pop(name, None)
                self.slots -= worker.slots.count if worker.state != "unfit" else 0
                gone += [(key, name) for key in worker.calls]
            for name, worker in doubted:
                if name in found and worker.state == "doubted":
                    worker.state = "ready"
                    self._note_room(name, worker)
            since = time.monotonic() - _SILENT_S
            for name, worker in self.workers.items():
                if worker.state == "new" and time.monotonic() >= worker.rests_until:
                    self._greet(name, worker)
                elif worker.state == "greeted" and worker.heard < since and not worker.is_told:
                    _say_silent(name, worker)
            self.shares = _most_on_one_machine(self.workers)
            self._changed.notify_all()
            silent = [name for name in found if found[name].silent_s >= _SILENT_S and self.workers[name].heard < since]
        return gone, silent

    def await_ready(self) -> None:
        """Wait for the workers that there are to be ready, or at least for one.

        Raises:
            ClusterError: There is none.
        """
        self.look()
        self._sending.content()  # while they load what they answer with
        began = looked = time.monotonic()
        while not self._is_settled(time.monotonic() - began):
            with self._changed:
                self._changed.wait(_SOON_S)
            if time.monotonic() - looked >= _SOON_S:
                self.look()
                looked = time.monotonic()
        with self._changed:
            self._is_begun = True
            if not any(each.state == "ready" for each in self.workers.values()):
                raise _nothing_fits(self._engine.name, self.workers)
            unfit = {name: each for name, each in self.workers.items() if each.state == "unfit"}
        for name, worker in unfit.items():
            _say_unfit(name, worker)

    def _is_settled(self, seconds: float) -> bool:
        with self._changed:
            states = {each.state for each in self.workers.values()}
        if "ready" in states and states <= {"ready", "unfit"}:
            return True
        # Beside those that are unfit, others may have just come as well.
        return seconds > (
            _SETTLING_S if "ready" in states or states == {"unfit"} else _GREETING_S if states else _NONE_S
        )


def addresses(workers: Mapping[str, Member]) -> tuple[str, ...]:
    """Those of the workers that may be given work, where they are called by them."""
    return tuple(shown(name) for name, each in workers.items() if each.state == "ready")


def _most_on_one_machine(workers: Mapping[str, Member]) -> int:
    """How many places the workers of a machine have, of the one where there are most; at least one."""
    places: Counter[str] = Counter()
    for name, each in workers.items():
        places[urlsplit(shown(name)).hostname or name] += each.slots.count
    return max(places.values(), default=1)


def _size(name: str, amount: float) -> str:
    """An amount of a resource, as messages show it, rounded down.

    >>> _size("memory", 1.5 * 2**30), _size("memory", 300 * 2**20), _size("gpus", 2)
    ('1.5 GiB', '300 MiB', '2')
    """
    if name != "memory":
        return f"{amount:g}"
    size, unit = (amount / 2**30, "GiB") if amount >= 2**30 else (amount / 2**20, "MiB")
    return f"{floor(100 * size) / 100:,.10g} {unit}"


def _amount(name: str, amount: float) -> str:
    return f"{_size(name, amount)} of {name if name == 'memory' else f'`{name}`'}"


def _say_silent(name: str, worker: Member, waiting: str = "") -> None:
    """Say that a worker does not answer."""
    worker.is_told = True
    say_here("stderr", f"note: {shown(name)} does not answer, and is given nothing until it does{waiting}")


def _say_unfit(name: str, worker: Member) -> None:
    """Say why a worker is given nothing."""
    say_here("stderr", f"note: {shown(name)} is given nothing: it {worker.why}")


def _nothing_fits(engine: str, workers: Mapping[str, Member]) -> ClusterError:
    """Why a run cannot begin that has no worker which can be given anything; `engine` is the cluster's."""
    cluster = f"the {engine} cluster"
    if not workers:
        return ClusterError(f"{cluster} has no workers", hint="start some, then run again")
    by_why: dict[str, list[str]] = {}
    for name, each in workers.items():
        if each.why:
            by_why.setdefault(each.why, []).append(shown(name))
    if not by_why:
        hint = "look at their logs; they may be busy with work of others"
        return ClusterError(f"no worker of {cluster} answers", hint=hint)
    whys = "; ".join(f"{', '.join(names)}: it {why}" for why, names in by_why.items())
    if all(each.state == "new" for each in workers.values()):  # for want of memory
        hint = "run again when they have memory, or give them more"
        return ClusterError(f"no worker of {cluster} answers: {whys}", hint=hint)
    hint = (
        "give the workers what this machine has: the same Python and packages, and the variables that the project names"
    )
    return ClusterError(f"no worker of {cluster} fits this project: {whys}", hint=hint)
