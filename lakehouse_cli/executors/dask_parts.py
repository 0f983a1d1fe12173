"""Graphs of Dask, computed from within a job on the workers of the cluster that the job was given to."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from dask._task_spec import Alias, Task, TaskRef, convert_legacy_graph, fuse_linear_task_spec
from dask.core import flatten
from dask.utils import key_split
from distributed import Client
from distributed.versions import VersionMismatchWarning

from lakehouse_cli.errors import TransformError
from lakehouse_cli.executors.clusters.messages import Spread
from lakehouse_cli.executors.clusters.parts import Kept, Part, PartError, dumps, error_of, value_of
from lakehouse_cli.executors.clusters.worker import BEGUN
from lakehouse_cli.executors.dask import part_at_worker
from lakehouse_cli.executors.worker_process import say_here

# Seconds to wait for a scheduler that has just given work.
_CONNECT_S = 30.0


class KeptValue(Kept):
    """A value that the cluster has, or is to compute, for as long as there is this.

    Args:
        future: Dask's.
        fetch: Brings values here, in their order.
    """

    def __init__(self, future: Any, fetch: Callable[[Collection[Any]], list[Any]]) -> None:
        super().__init__(future.key)
        self.future = future
        self._fetch = fetch

    def get(self) -> Any:
        """Fetch it, once it is there.

        Raises:
            BaseException: What a part failed with.
        """
        (found,) = self._fetch([self.future])
        return found


class DaskParts:
    """Has workers compute graphs; a context manager, in which they are reached.

    A worker that dies takes its parts with it. Dask would compute them once more, be it behind others that were
    computed from them. That would be another table where values are drawn anew each time, and is a failure here.

    Args:
        spread: Which workers.

    Attributes:
        folder: Of the project's files here.
        lost: Why nothing is computed any more, once a worker went that had parts.
        changed: Notified of that, and as parts are done.
    """

    def __init__(self, spread: Spread) -> None:
        self._spread, self.folder = spread, Path(spread.folder)
        self._name, self._numbers = uuid4().hex, count()
        self._begun: dict[str, str] = {}
        self.changed = threading.Condition()
        self.lost: TransformError | None = None

    def __enter__(self) -> DaskParts:
        # The run has compared versions, and says itself what becomes of connections.
        warnings.filterwarnings("ignore", category=VersionMismatchWarning)
        for name in ("distributed.client", "distributed.core", "distributed.utils_comm", "distributed.comm"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._client = Client(self._spread.scheduler, timeout=_CONNECT_S, set_as_default=False, name="lakehouse-parts")
        self._client.subscribe_topic(self._client.id, self._take_event)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the cluster, which forgets what nobody else asks for."""
        with suppress(Exception):
            self._client.unsubscribe_topic(self._client.id)
            self._client.close(timeout=2)

    def _take_event(self, event: tuple[float, Any]) -> None:
        """Take what a part says, in the thread of the client; it comes before its result does."""
        if isinstance(event[1], Mapping):  # what the scheduler itself notes of the client
            return
        key, kind, value = event[1]
        if kind != BEGUN:
            say_here(kind, value)
        elif key in self._begun:
            self.lose(self._begun[key])
        else:
            self._begun[key] = value

    def lose(self, worker: str) -> None:
        """Fail, as a worker went that had parts; its address, where it is known."""
        with self.changed:
            who = f"worker {worker}, which had partitions of it," if worker else "a worker that had partitions of it"
            hint = "`retries:` has the table computed once more"
            self.lost = self.lost or TransformError(f"{who} is gone", hint=hint)
            self.changed.notify_all()

    def keep(self, value: Any) -> KeptValue:
        """Give a value to a worker, to another one each time."""
        workers = list(self._spread.workers)
        future = self._client.scatter(dumps(value), workers=workers, direct=True, hash=False)
        return KeptValue(future, _Computation(self, [future]).fetch)

    def gather(self, futures: list[Any]) -> list[bytes]:
        """Fetch what is there, from the workers that have it."""
        found: list[bytes] = self._client.gather(futures, direct=True)
        return found

    def get(self, graph: Any, keys: Any, **_: Any) -> Any:
        """Compute keys of a graph: what Dask calls a scheduler.

        Raises:
            BaseException: What a part failed with.
        """
        futures = self._begin(graph, keys)
        values = _Computation(self, futures.values()).fetch(futures.values())
        return _nested(keys, dict(zip(futures, values, strict=True)))

    def kept(self, graph: Any, keys: Any, **_: Any) -> Any:
        """Begin to compute keys of a graph, and return each as a `KeptValue`, of which nothing is here."""
        futures = self._begin(graph, keys)
        fetch = _Computation(self, futures.values()).fetch
        return _nested(keys, {key: KeptValue(future, fetch) for key, future in futures.items()})

    def _begin(self, graph: Any, keys: Any) -> dict[Any, Any]:
        wanted = list(dict.fromkeys(flatten([keys])))
        nodes = convert_legacy_graph(graph if isinstance(graph, Mapping) else graph.__dask_graph__())
        nodes = fuse_linear_task_spec(nodes, wanted)
        number = next(self._numbers)
        names = {key: f"{key_split(key)}-{self._name}-{number}-{at}" for at, key in enumerate(nodes)}
        futures = self._client.get(
            {names[key]: self._task(names[key], node, names) for key, node in nodes.items()},
            [names[key] for key in wanted],
            workers=list(self._spread.workers),
            allow_other_workers=False,
            sync=False,
        )
        return dict(zip(wanted, futures, strict=True))

    def _task(self, name: str, node: Any, names: Mapping[Any, str]) -> Any:
        if isinstance(node, Alias):
            return Alias(name, names[node.target])
        part = Part.of(node, {key: names[key] for key in node.dependencies})
        return Task(name, part_at_worker, self._spread.bundle, part, self._client.id, *map(TaskRef, part.keys))


class _Computation:
    """Futures that are waited for together: where one fails, so do all, at once."""

    def __init__(self, parts: DaskParts, futures: Collection[Any]) -> None:
        self._parts = parts
        self._failed: BaseException | None = None
        for future in futures:
            future.add_done_callback(self._note)

    def _note(self, future: Any) -> None:
        """Take note of one that is done, in a thread of the client's."""
        error = future.exception() if future.status == "error" else None
        if future.status in ("cancelled", "lost"):
            self._parts.lose("")
        with self._parts.changed:
            self._failed = self._failed or error
            self._parts.changed.notify_all()

    def fetch(self, futures: Collection[Any]) -> list[Any]:
        """Fetch the values of some, once they are there.

        Raises:
            BaseException: What a part failed with.
        """
        with self._parts.changed:
            self._parts.changed.wait_for(lambda: self._error() or all(future.done() for future in futures))
        self._raise()
        try:
            found = self._parts.gather(list(futures))
        except Exception as error:  # whatever Dask makes of it
            self._raise()
            raise TransformError(f"partitions cannot be fetched: {type(error).__name__}: {error}") from error
        self._raise()  # of which some may have been computed once more
        return list(map(value_of, found))

    def _error(self) -> BaseException | None:
        return self._parts.lost or self._failed

    def _raise(self) -> None:
        error = self._error()
        if isinstance(error, PartError):
            raise error_of(error, self._parts.folder) from None
        if isinstance(error, TransformError):
            raise error
        if error is not None:
            raise TransformError(f"a partition failed: {type(error).__name__}: {error}")


def _nested(keys: Any, values: Mapping[Any, Any]) -> Any:
    """What Dask expects for keys in lists."""
    return tuple(_nested(key, values) for key in keys) if isinstance(keys, list) else values[keys]
