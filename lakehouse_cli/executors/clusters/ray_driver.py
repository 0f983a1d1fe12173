"""The process of a run that Ray knows as a driver: Ray ends it where the cluster is lost, and the run goes on.

It is asked by the lines of `executors.ray`, and answers on them; what runs at the workers is `work_at_node`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from types import FunctionType
from typing import Any

# Ray would take the folder of a project that `uv run` was called in to all workers, with whatever is in it.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lakehouse_cli.executors.base import WorkerDiedError, WorkerKilledError
from lakehouse_cli.executors.clusters.http2 import PREFACE
from lakehouse_cli.executors.clusters.requirements import unlike
from lakehouse_cli.executors.clusters.worker import answer
from lakehouse_cli.executors.worker import LEADERS

#: What is said of a process of Ray's that it ended for want of memory.
OUT_OF_MEMORY = "was ended by Ray, as its machine ran out of memory"
# Resources that Ray has other names for, by ours.
_OPTIONS = {"cpus": "num_cpus", "gpus": "num_gpus", "memory": "memory"}
_OURS = {"CPU": "cpus", "GPU": "gpus", "memory": "memory"}
_NOT_ASKED_FOR = ("node:", "object_store_memory")
# Seconds between two looks at whether a node that has work answers, and for an answer.
_LOOK_S = 5.0
# Of nodes that are not there any more, which Ray lists for a while.
_GONE = (exceptions.NodeDiedError, exceptions.TaskUnschedulableError)


def drive(descriptor: int) -> None:
    """Connect to a cluster, and do what the run asks for until it is over.

    Args:
        descriptor: Of the line. What comes first is the address; said are `loaded`, and then `ready` with the head's,
            or why it is not.
    """
    for number in LEADERS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, LEADERS)
    # Of clusters that do not answer Ray writes past Python's logging; the run says that by itself.
    with Path(os.devnull).open("w") as nowhere:
        for stream in (1, 2):
            os.dup2(nowhere.fileno(), stream)
    line = Connection(descriptor)
    with suppress(EOFError, OSError):  # the run is gone
        line.send(("loaded", ""))
        address = line.recv()
        try:
            _connect(address)
        except Exception as error:  # noqa: BLE001  # whatever Ray makes of it
            line.send(("lost", " ".join(str(error).split())))
            return
        line.send(("ready", ray.get_runtime_context().gcs_address))
        asyncio.run(_Driver(line).serve())
    ray.shutdown()


def _connect(address: str) -> None:
    # Workers look for modules where a driver is, and in this folder is none.
    with tempfile.TemporaryDirectory(prefix="lakehouse-ray-") as folder:
        os.chdir(folder)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
        os.chdir("/")


class _Driver:
    """What is under way.

    Args:
        line: To the run.
    """

    def __init__(self, line: Connection) -> None:
        self._line = line
        self._streams: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._calls: dict[tuple[Any, ...], Any] = {}
        self._gone: set[str] = set()
        self._working: Counter[str] = Counter()
        self._silent_s: dict[str, float] = {}  # of nodes that are looked at
        self._end = asyncio.Event()

    async def serve(self) -> None:
        """Take what the run asks for, until it is over."""
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._take)
        await self._end.wait()

    def _take(self) -> None:
        try:
            asked, *values = self._line.recv()
        except (EOFError, OSError):  # the run is gone
            asked = "close"
        if asked == "close":
            asyncio.get_running_loop().remove_reader(self._line.fileno())
            self._end.set()
        elif asked == "call":
            self._begin(self._follow(*values))
        elif asked == "nodes":
            self._begin(self._list_nodes())
        elif (stream := self._streams.pop(values[0], None)) is not None:  # it is to be cancelled
            ray.cancel(stream, force=True)

    def _begin(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _list_nodes(self) -> None:
        found = {}
        for each in await asyncio.to_thread(ray.nodes):
            resources = {
                _OURS.get(name, name): amount
                for name, amount in each["Resources"].items()
                if not name.startswith(_NOT_ASKED_FOR)
            }
            if each["Alive"] and each["NodeID"] not in self._gone and resources.get("cpus", 0) >= 1:
                shown = (each["NodeName"] or each["NodeManagerAddress"]).replace(" ", "_").replace("#", "_")
                found[f"{shown}#{each['NodeID']}"] = resources, self._silent_s.get(each["NodeID"], 0.0)
                if self._working[each["NodeID"]] and each["NodeID"] not in self._silent_s:
                    self._begin(self._hear(each["NodeID"], each["NodeManagerAddress"], each["NodeManagerPort"]))
        self._line.send(("", "nodes", found))

    async def _hear(self, node: str, host: str, port: int) -> None:
        """Take note of how long a node has been silent, as long as it has work: Ray finds out after a minute."""
        self._silent_s[node] = 0.0
        while self._working[node] and node not in self._gone:
            end = time.monotonic() + _LOOK_S
            try:
                async with asyncio.timeout(_LOOK_S):
                    await _answers(host, port)
                self._silent_s[node] = 0.0
            except OSError:  # none in that time, for one
                self._silent_s[node] += _LOOK_S
            await asyncio.sleep(end - time.monotonic())
        del self._silent_s[node]

    async def _follow(
        self, key: str, worker: str, message: bytes, resources: Mapping[str, float] | None, probe: str = ""
    ) -> None:
        """Have a node answer a message, and hand on what it says; or what it has otherwise, if there is a `probe`."""
        shown, _, node = worker.rpartition("#")
        self._streams[key] = None
        self._working[node] += resources is not None
        try:
            if node in self._gone:
                raise exceptions.TaskUnschedulableError(f"{shown} is gone")
            if probe and (differences := await _evaluated.options(**_only_at(node)).remote(probe)):
                raise unlike(differences)
            stream = self._streams[key] = self._call(node, resources).remote(message)
            async for said in stream:
                for kind, value in await said:
                    self._line.send((key, kind, value))
                if kind == "answer":
                    break
        except Exception as error:  # noqa: BLE001  # whatever Ray makes of it
            if isinstance(error, _GONE):
                self._gone.add(node)
            # What was cancelled is not waited for, and of a node that is gone nothing but work.
            if key in self._streams and not (node in self._gone and resources is None):
                self._line.send((key, "failed", _why(error, shown)))
        self._streams.pop(key, None)
        self._working[node] -= resources is not None

    def _call(self, node: str, resources: Mapping[str, float] | None) -> Any:
        """The function as it is called at a node, once at most, and nowhere else."""
        asked = {"cpus": 0} if resources is None else {"cpus": 1, **resources}
        options = (node, *sorted(asked.items()))
        if options not in self._calls:
            self._calls[options] = _at_node.options(
                **_only_at(node),
                resources={name: amount for name, amount in asked.items() if name not in _OPTIONS},
                **{_OPTIONS[name]: amount for name, amount in asked.items() if name in _OPTIONS},
            )
        return self._calls[options]


async def _answers(host: str, port: int) -> None:
    """Wait until a server of Ray's answers; one that refuses the connection is there as well."""
    with suppress(ConnectionError, ssl.SSLError):
        reader, writer = await asyncio.open_connection(host, port, ssl=_context())
        try:
            writer.write(PREFACE)
            await reader.read(1)
        finally:
            writer.close()


@cache
def _context() -> ssl.SSLContext | None:
    """How Ray's own variables say that servers are reached, which would log connections of another kind."""
    if os.environ.get("RAY_USE_TLS", "0").lower() not in ("1", "true"):
        return None
    context = ssl.create_default_context(cafile=os.environ.get("RAY_TLS_CA_CERT"))
    context.check_hostname = False
    context.load_cert_chain(os.environ["RAY_TLS_SERVER_CERT"], os.environ["RAY_TLS_SERVER_KEY"])
    context.set_alpn_protocols(["h2"])
    return context


def _only_at(node: str) -> dict[str, Any]:
    """The options of what is done at a node, once at most, and nowhere else."""
    return {"max_retries": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}


def _why(error: Exception, worker: str) -> WorkerDiedError:
    """Why a worker did not answer."""
    match error:
        case WorkerDiedError():
            return error
        case exceptions.OutOfMemoryError():
            return WorkerKilledError(OUT_OF_MEMORY)
        case exceptions.NodeDiedError() | exceptions.TaskUnschedulableError():
            return WorkerDiedError(f"was on worker {worker}, which is gone")
        case exceptions.WorkerCrashedError():
            return WorkerDiedError(f"was led by a process of Ray's on {worker} that was killed, or crashed")
    return WorkerDiedError(f"failed on worker {worker}: {type(error).__name__}: {error}")


def work_at_node(message: bytes) -> Iterator[list[tuple[str, Any]]]:
    """Answer a message at a worker of Ray's; yields what is said, at last the answer."""
    context = ray.get_runtime_context()
    folder = Path(context.get_temp_dir(), context.get_session_name(), f"lakehouse-{context.get_node_id()}")
    said: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def work() -> None:
        try:
            said.put(("answer", answer(message, str(folder), lambda *each: said.put(each))))
        except BaseException as error:  # noqa: BLE001  # raised where it is waited for
            said.put(("failed", error))

    threading.Thread(target=work, name="lakehouse work", daemon=True).start()
    while True:
        lines = [said.get()]
        while not said.empty():
            lines.append(said.get())
        kind, value = lines[-1]
        if kind == "failed":
            raise value
        yield lines
        if kind == "answer":
            return


_at_node = ray.remote(work_at_node)
# A function of no module, which travels itself: nodes have the Python that a driver has, and may lack lakehouse.
_evaluate: Any = lambda text: eval(text)  # noqa: E731, S307
_evaluated = ray.remote(num_cpus=0)(FunctionType(_evaluate.__code__, {"__name__": "__main__"}))
