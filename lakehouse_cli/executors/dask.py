"""Tables on the workers of a Dask cluster."""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from pathlib import PurePath
from typing import Any
from uuid import uuid4

from distributed import Client, get_worker

from lakehouse_cli.executors.base import WorkerDiedError
from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine, OnAnswer, OnSaid, Slots
from lakehouse_cli.executors.clusters.executor import ClusterExecutor
from lakehouse_cli.executors.clusters.worker import answer

_CONNECT_S = 10.0
# States of a task at its worker that is still waited for.
_WANTED = frozenset(("executing", "long-running"))


class DaskExecutor(ClusterExecutor):
    """Leads a Dask cluster."""

    def engine(self, options: Mapping[str, Any], on_answer: OnAnswer, on_said: OnSaid) -> Engine:
        """The cluster at `address`."""
        return DaskEngine(options, on_answer, on_said)


class DaskEngine(Engine):
    """A Dask cluster, through a client of its own.

    Args:
        options: `address`.
        on_answer: As of `Engine`.
        on_said: As of `Engine`.

    Raises:
        ClusterLostError: Nothing answers at the address.
    """

    name = "Dask"

    def __init__(self, options: Mapping[str, Any], on_answer: OnAnswer, on_said: OnSaid) -> None:
        self._address = options.get("address")
        self._on_answer = on_answer
        self._on_said = on_said
        self._topic = f"lakehouse-{uuid4().hex}"
        self._futures: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._addresses: dict[str, str] = {}
        # What it logs of connections that end is said by the run.
        for name in ("distributed.client", "distributed.core", "distributed.utils_comm", "distributed.comm"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._client = self._connected()

    def _connected(self) -> Any:
        try:
            client = Client(self._address, timeout=_CONNECT_S, set_as_default=False, name="lakehouse")
        except (OSError, ValueError) as error:
            raise self._lost() from error
        client.subscribe_topic(self._topic, self._take_event)
        return client

    def _lost(self) -> ClusterLostError:
        return ClusterLostError(
            f"no Dask scheduler answers at `{self._address}`",
            hint="start it (`dask scheduler`), or correct `address` under `execution.options`",
        )

    def workers(self) -> Mapping[str, Slots]:
        """The workers that the scheduler knows, by their ids."""
        try:
            info = self._client.sync(self._client.scheduler.identity, n_workers=-1, callback_timeout=_CONNECT_S)
        except (TimeoutError, OSError, RuntimeError, AttributeError) as error:
            raise self._lost() from error
        found = {}
        for address, each in info["workers"].items():
            if each["status"] == "running":
                # Its folder is its own, where another one may come to the same address.
                name = f"{address}#{PurePath(each['local_directory']).name}"
                self._addresses[name] = address
                resources = {"memory": float(each["memory_limit"]), **each["resources"]}
                found[name] = Slots(each["nthreads"], resources)
        return found

    def missing(self, worker: str) -> str | None:
        """Whether lakehouse is there; a function of it would break the connection of a worker that lacks it."""
        try:
            for module in ("lakehouse_cli", "lakehouse_cli.executors.dask"):
                if self._client.run(importlib.util.find_spec, module, workers=[self._addresses[worker]]) == {}:
                    return None
        except ModuleNotFoundError:
            return "has no lakehouse-cli"
        return None

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float]) -> None:
        """Submit `work_at_worker`, for one worker only."""
        own = {name: amount for name, amount in resources.items() if name != "memory"}
        try:
            future = self._client.submit(
                work_at_worker,
                message,
                self._topic,
                key=key,
                workers=[self._addresses[worker]],
                allow_other_workers=False,
                pure=False,
                retries=0,
                resources=own or None,
            )
        except (OSError, RuntimeError) as error:
            raise self._lost() from error
        with self._lock:
            self._futures[key] = future
        future.add_done_callback(partial(self._done, key))

    def _done(self, key: str, future: Any) -> None:
        with self._lock:
            if self._futures.pop(key, None) is None:
                return
        content: bytes | None = None
        error: WorkerDiedError | ClusterLostError | None = None
        try:
            content = future.result(timeout=_CONNECT_S)
        except (TimeoutError, CancelledError, OSError):
            error = self._lost()
        except Exception as raised:  # noqa: BLE001  # whatever the engine makes of it
            error = WorkerDiedError(f"failed on the worker: {type(raised).__name__}: {raised}")
        with suppress(Exception):
            future.release()
        self._on_answer(key, content, error)

    def _take_event(self, event: tuple[float, Any]) -> None:
        key, kind, value = event[1]
        self._on_said(key, kind, value)

    def cancel(self, key: str) -> None:
        """Cancel the future, by which the scheduler has its worker forget it."""
        with self._lock:
            future = self._futures.pop(key, None)
        if future is not None:
            with suppress(Exception):  # the cluster is gone
                future.cancel()

    def reconnect(self) -> None:
        """Make another client."""
        with suppress(Exception):
            self._client.close(timeout=1)
        with self._lock:
            self._futures.clear()
        self._client = self._connected()

    def close(self) -> None:
        """Close the client."""
        with suppress(Exception):
            self._client.close(timeout=2)


def work_at_worker(message: bytes, topic: str) -> bytes:
    """Answer a message at a worker of Dask's."""
    worker = get_worker()
    key = worker.get_current_task()

    def say(kind: str, value: Any) -> None:
        worker.log_event(topic, (key, kind, value))

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state in _WANTED

    wanted: Callable[[], bool] = is_wanted
    return answer(message, worker.local_directory, say, wanted)
