"""Tables on the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import warnings
from collections.abc import Mapping
from concurrent.futures import CancelledError
from contextlib import nullcontext, suppress
from pathlib import PurePath
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, get_worker, secede
from distributed.versions import VersionMismatchWarning

from lakehouse_cli.executors.base import WorkerDiedError
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine, Slots
from lakehouse_cli.executors.clusters.executor import ClusterExecutor
from lakehouse_cli.executors.clusters.parts import Part, compute_part
from lakehouse_cli.executors.clusters.requirements import Requirements, unlike
from lakehouse_cli.executors.clusters.worker import BEGUN, SPREADS, answer

# Seconds to wait for a scheduler: for the first time, for one that went away, and for what one says that is there and
# may be busy: where it goes, so does the connection.
_CONNECT_S, _AGAIN_S, _HANG_S = 10.0, 5.0, 30.0
# Beyond these, for what keeps no time.
_MARGIN_S = 2.0
# Bytes up to which an answer is said; the scheduler keeps some of what is said.
_SMALL = 1 << 16
# What is said of an answer: it, that it must be fetched, that it is there; and of what is no work, with why it is not.
_ANSWER, _LARGE, _DONE, _ASKED = "answer", "large", "done", "asked"
# What nannies say of workers that they end for want of memory.
_MEMORY = "worker-restart-memory"
# How many workers are sent the code at once: each time it is in memory once more.
_SENT_AT_ONCE = 8
# Workers say seldomer that they are there the more they are: of so many each may be silent for a second more.
_PER_SECOND = 100
# Seconds for which a worker is taken to be silent by one look that found it so: what looks may have slept.
_LOOK_S = 1.0
# States of a task at its worker that is still waited for.
_WANTED = frozenset(("executing", "long-running"))


class DaskEngine(Engine):
    """A Dask cluster, through a client of its own."""

    name, spreads = "Dask", True

    def connect(self) -> None:
        """Have a client."""
        self._futures: dict[str, Any] = {}
        self._large: set[str] = set()
        self._lock = threading.Lock()
        self._addresses: dict[str, str] = {}
        self._lacked_memory: set[str] = set()
        self._heard: dict[str, tuple[float, float]] = {}
        self._looked_at = time.monotonic()
        # What it logs of connections that end is said by the run.
        for name in ("distributed.client", "distributed.core", "distributed.utils_comm", "distributed.comm"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._said: SimpleQueue[Any] = SimpleQueue()
        self._client = self._connected()
        threading.Thread(target=self._serve, name="lakehouse answers", daemon=True).start()

    def _connected(self, seconds: float = _CONNECT_S) -> Any:
        # Versions are compared by the run itself, in words.
        warnings.filterwarnings("ignore", category=VersionMismatchWarning)
        made: SimpleQueue[Any] = SimpleQueue()

        def make() -> None:
            try:
                made.put(Client(self.address, timeout=seconds, set_as_default=False, name="lakehouse"))
            except Exception as error:  # noqa: BLE001  # a server of something else has it ask for exabytes, for one
                made.put(error)

        # What takes the connection and says nothing is waited for without an end, whatever its timeout.
        threading.Thread(target=make, name="lakehouse connecting", daemon=True).start()
        try:
            client = made.get(timeout=seconds + _MARGIN_S)
        except Empty:
            raise self._lost() from None
        if isinstance(client, Exception):
            raise self._unusable(client) from client
        # The scheduler forgets what was said there when the client is gone; of other topics, never.
        client.subscribe_topic(client.id, self._take_event)
        client.subscribe_topic(_MEMORY, self._take_end)
        self._sending = asyncio.Semaphore(_SENT_AT_ONCE)  # of the loop of this client
        return client

    def _lost(self) -> ClusterLostError:
        return ClusterLostError(
            f"no Dask scheduler answers at `{self.address}`",
            hint="start it (`dask scheduler`), or correct `address` under `execution.options`",
        )

    def _unusable(self, error: Exception) -> ClusterLostError:
        if not isinstance(error, TypeError | ValueError):  # which it raises before it asks anybody
            return self._lost()
        return ClusterLostError(
            f"Dask cannot use `{self.address}`: {' '.join(str(error).split())}",
            hint="give what its protocol needs: the certificates of `tls://` are named by"
            " `DASK_DISTRIBUTED__COMM__TLS__CA_FILE`, `…__TLS__CLIENT__CERT` and `…__TLS__CLIENT__KEY`",
        )

    def workers(self) -> Mapping[str, Slots]:
        """The workers that the scheduler knows, by their ids."""
        if self._client.status != "running":
            raise self._lost()
        try:
            info = self._client.sync(self._client.scheduler.identity, n_workers=-1, callback_timeout=_HANG_S)
        except (TimeoutError, OSError, RuntimeError, AttributeError) as error:
            raise self._lost() from error
        found, heard = {}, {}
        now = time.monotonic()
        passed, self._looked_at = min(now - self._looked_at, _LOOK_S), now
        for address, each in info["workers"].items():
            if each["status"] == "running":
                # Its folder is its own, where another one may come to the same address.
                name = f"{address}#{PurePath(each['local_directory']).name}"
                self._addresses[name] = address
                resources = {"memory": float(each["memory_limit"]), **each["resources"]}
                before, silent_s = self._heard.get(name, (0.0, 0.0))
                silent_s = silent_s + passed if each["last_seen"] == before else 0.0
                heard[name] = each["last_seen"], silent_s
                silent_s = max(silent_s - len(info["workers"]) / _PER_SECOND, 0.0)
                found[name] = Slots(each["nthreads"], resources, silent_s)
        self._heard = heard
        return found

    def greet(self, worker: str, key: str, message: bytes, requirements: Requirements) -> None:
        """Ask beside the work of the worker."""
        self._client.loop.add_callback(self._ask, self._addresses[worker], key, message, requirements.probe(__name__))

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        """Submit `work_at_worker`, for one worker only; what is no work is not queued behind work."""
        address = self._addresses[worker]
        if resources is None:
            self._client.loop.add_callback(self._ask, address, key, message)
            return
        own = {name: amount for name, amount in resources.items() if name != "memory"}
        try:
            future = self._client.submit(
                work_at_worker,
                message,
                self._client.id,
                key=key,
                workers=[address],
                allow_other_workers=False,
                pure=False,
                retries=0,
                resources=own or None,
            )
        except (OSError, RuntimeError) as error:
            raise self._lost() from error
        with self._lock:
            self._futures[key] = future
        future.add_done_callback(lambda future: self._said.put((key, _DONE, future)))

    async def _ask(self, address: str, key: str, message: bytes, probe: str = "") -> None:
        """Ask a worker, in the loop of the client: one that is silent keeps no other one waiting."""
        content, error = None, None
        try:
            if probe and (differences := (await self._client.run(eval, probe, workers=[address]))[address]):
                error = unlike(differences)
            else:
                async with self._sending if len(message) > _SMALL else nullcontext():
                    content = (await self._client.run(answer_at_once, message, workers=[address]))[address]
        except Exception as raised:  # noqa: BLE001  # whatever the engine makes of it
            with suppress(Exception):  # the cluster is gone
                if address not in (await self._client.scheduler.identity(n_workers=-1))["workers"]:
                    return
            error = WorkerDiedError(f"does not answer: {type(raised).__name__}: {raised}")
        self._said.put((key, _ASKED, (content, error)))

    def _take_event(self, event: tuple[float, Any]) -> None:
        """Take what a worker says, in the thread of the client, which must not wait."""
        if not isinstance(event[1], Mapping):  # what the scheduler itself notes of the client
            self._said.put(event[1])

    def _take_end(self, event: tuple[float, Any]) -> None:
        """Take what a nanny says, likewise."""
        address = event[1]["worker"]
        self._lacked_memory |= {name for name, each in list(self._addresses.items()) if each == address}

    def lacked_memory(self, worker: str) -> bool:
        """Whether its nanny ended a worker that was over its limit."""
        return worker in self._lacked_memory

    def _serve(self) -> None:
        """Take what was said and done, in the order in which it came."""
        while (said := self._said.get()) is not None:
            key, kind, value = said
            if kind not in (_ANSWER, _LARGE, _DONE, _ASKED):
                self.on_said(key, kind, value)
            elif kind == _ASKED:
                self.on_answer(key, *value)
            elif kind == _ANSWER:
                self._answered(key, value, None)
            else:
                self._fetch(key, is_large=kind == _LARGE)

    def _fetch(self, key: str, *, is_large: bool) -> None:
        """Fetch an answer that is too large to be said, or why there is none, once it is there."""
        with self._lock:
            future = self._futures.get(key)
            self._large |= {key} if is_large else set()
            is_large = key in self._large
        if future is None or not future.done() or (future.status == "finished" and not is_large):
            return  # it was said, or is said soon
        try:
            self._answered(key, future.result(timeout=_HANG_S), None)
        except Exception as raised:  # noqa: BLE001  # whatever the engine makes of it
            is_lost = isinstance(raised, CancelledError | OSError) and self._client.status != "running"
            died = WorkerDiedError(f"failed on the worker: {type(raised).__name__}: {raised}")
            self._answered(key, None, self._lost() if is_lost else died)

    def _answered(self, key: str, content: bytes | None, error: WorkerDiedError | ClusterLostError | None) -> None:
        future = self._forget(key)
        if future is not None:
            with suppress(Exception):  # the cluster is gone
                future.release()
            self.on_answer(key, content, error)

    def _forget(self, key: str) -> Any:
        with self._lock:
            self._large.discard(key)
            return self._futures.pop(key, None)

    def cancel(self, key: str) -> None:
        """Cancel the future, by which the scheduler has its worker forget it."""
        future = self._forget(key)
        if future is not None:
            with suppress(Exception):  # the cluster is gone
                future.cancel()

    def reconnect(self) -> None:
        """Make another client."""
        with suppress(Exception):
            self._client.close(timeout=1)
        with self._lock:
            self._futures.clear()
        self._client = self._connected(_AGAIN_S)

    def close(self) -> None:
        """Close the client."""
        self._said.put(None)
        with suppress(Exception):
            self._client.close(timeout=2)


class DaskExecutor(ClusterExecutor):
    """Leads a Dask cluster."""

    engine = DaskEngine


def work_at_worker(message: bytes, topic: str) -> bytes:
    """Answer a message at a worker of Dask's."""
    task = _TaskAtWorker(topic)

    def say(kind: str, value: Any) -> None:
        if kind == SPREADS:
            secede()  # else parts would wait for their whole to be done
        else:
            task.say(kind, value)

    found = answer(message, task.folder, say, task.is_wanted, task.scheduler)
    if len(found) > _SMALL:
        task.say(_LARGE, None)
        return found
    # It is there though the worker dies the next moment, and nobody has to ask for it.
    task.say(_ANSWER, found)
    return b""


def part_at_worker(bundle: str, part: Part, topic: str, *values: bytes) -> bytes:
    """Compute a part at a worker of Dask's; that it has begun is said first."""
    task = _TaskAtWorker(topic)
    task.say(BEGUN, task.address)
    return compute_part(bundle, part, values, task.folder, task.address, task.say, task.is_wanted)


class _TaskAtWorker:
    """The task that this thread of a worker of Dask's does; what it says is an event of a topic."""

    def __init__(self, topic: str) -> None:
        self._worker = get_worker()
        self._key, self._topic = self._worker.get_current_task(), topic
        self.folder, self.address = self._worker.local_directory, self._worker.address
        self.scheduler: str = self._worker.scheduler.address

    def say(self, kind: str, value: Any) -> None:
        self._worker.log_event(self._topic, (self._key, kind, value))

    def is_wanted(self) -> bool:
        task = self._worker.state.tasks.get(self._key)
        return task is not None and task.state in _WANTED


def answer_at_once(message: bytes, dask_worker: Any = None) -> bytes:
    """Answer a message that is no work, beside the work of a worker."""
    return answer(message, dask_worker.local_directory)
