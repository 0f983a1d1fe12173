"""Tables on the workers of a Ray cluster."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import Pipe
from queue import Empty, SimpleQueue
from typing import Any

from lakehouse_cli.executors.clusters.engine import ClusterLostError, Engine, Slots
from lakehouse_cli.executors.clusters.executor import ClusterExecutor
from lakehouse_cli.executors.clusters.http2 import PREFACE, begins_http2, call_of, lacks_method
from lakehouse_cli.executors.clusters.requirements import Requirements
from lakehouse_cli.executors.start_methods import interrupts_held_back, new_python

if importlib.util.find_spec("ray") is None:  # which the process of the driver loads, and this one does not
    raise ModuleNotFoundError("No module named 'ray'", name="ray")

# The module of the driver, and of what runs at nodes.
_DRIVER = "lakehouse_cli.executors.clusters.ray_driver"
# Seconds to wait for a cluster; for the driver to load Ray before that, and for it to end.
_CONNECT_S, _LOAD_S, _END_S = 10.0, 120.0, 2.0
# The same for what a head says at which something listens, which may be busy; and between two looks at that.
_HANG_S, _LOOK_S = 30.0, 1.0
# What Ray itself asks a head first, and seconds for the answer; one that is busy gives none.
_CHECK, _ANSWER_S = "/ray.rpc.NodeInfoGcsService/GetClusterId", 2.0


class RayEngine(Engine):
    """A Ray cluster, through a process that is its driver: Ray ends that where the cluster is lost."""

    name = "Ray"

    def connect(self) -> None:
        """Start a driver."""
        self._sending = threading.Lock()
        self.address = self.address or "auto"
        self._drive()

    def _drive(self) -> None:
        # What is seen sooner than Ray is loaded, which waits for half a minute for a server of something else.
        address = os.environ.get("RAY_ADDRESS", "") if self.address == "auto" else self.address
        if "://" in address:
            raise self._lost("`RAY_ADDRESS` is a URL, and not the address of a head such as `10.0.0.5:6379`")
        is_head = not re.fullmatch(r".+:\d+", address) or self._greet(address)
        self._line, theirs = Pipe()
        with theirs, interrupts_held_back():
            self._process = new_python(_DRIVER, "drive", theirs)
        kind, why = "", ""
        with suppress(OSError, EOFError):  # it has ended
            self._line.send(self.address)
            for seconds in (_LOAD_S, _HANG_S if is_head else _CONNECT_S):
                if kind != "lost" and self._line.poll(seconds):
                    kind, why = self._line.recv()
        self._nodes: SimpleQueue[Mapping[str, tuple[Mapping[str, float], float]] | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._serve, name="lakehouse answers", daemon=True)
        if kind != "ready":
            self.close()
            raise self._lost(why)
        self._reader.start()
        self._head = why

    def _greet(self, address: str) -> bool:
        """See that what listens at an address speaks HTTP/2, as a head does; returns whether it may be one."""
        with self._reach(address) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return True
            with connection.makefile("rb") as received:
                try:
                    connection.sendall(PREFACE)
                    is_server = begins_http2(received)
                except OSError as error:
                    raise self._lost() from error
                if not is_server:
                    raise self._lost()
                with suppress(OSError):
                    connection.sendall(call_of(_CHECK, address))
                    connection.settimeout(_ANSWER_S)
                    return not lacks_method(received)
        return True

    def _reach(self, address: str) -> socket.socket:
        """Connect to an address at which something listens."""
        host, _, port = address.rpartition(":")
        try:
            return socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S)
        except (OSError, OverflowError) as error:
            raise self._lost() from error

    def _lost(self, why: str = "") -> ClusterLostError:
        return ClusterLostError(
            f"Ray cannot use the cluster at `{self.address}`: {why}"
            if why
            else f"no Ray cluster answers at `{self.address}`",
            hint="start it (`ray start --head`; here, `ray start --address …`, as a run is on a machine of its"
            " cluster), or correct `address` under `execution.options`, or `RAY_ADDRESS`"
            "; a token or certificates are in Ray's own variables, such as `RAY_AUTH_TOKEN_PATH`",
        )

    def workers(self) -> Mapping[str, Slots]:
        """The nodes that have processors for work, by their ids."""
        while not self._nodes.empty():
            self._nodes.get()
        self._ask("nodes")
        found, limit = None, time.monotonic() + _HANG_S
        while time.monotonic() < limit:
            with suppress(Empty):
                found = self._nodes.get(timeout=_LOOK_S)
                break
            self._reach(self._head).close()
        if found is None:
            raise self._lost()
        return {name: Slots(int(each["cpus"]), each, silent_s) for name, (each, silent_s) in found.items()}

    def greet(self, worker: str, key: str, message: bytes, requirements: Requirements) -> None:
        """Have the driver ask the node, which would say of a function that it lacks only that it lacks it."""
        self._ask("call", key, worker, message, None, requirements.probe(_DRIVER))

    def call(self, worker: str, key: str, message: bytes, resources: Mapping[str, float] | None) -> None:
        """Submit `work_at_node`, for one node only."""
        self._ask("call", key, worker, message, resources)

    def cancel(self, key: str) -> None:
        """End the process of Ray's that answers, and with it what it started."""
        with suppress(ClusterLostError):
            self._ask("cancel", key)

    def _ask(self, *asked: Any) -> None:
        try:
            with self._sending:
                self._line.send(asked)
        except OSError as error:
            raise self._lost() from error

    def _serve(self) -> None:
        """Take what the driver says, until it ends."""
        with suppress(EOFError, OSError):
            while True:
                key, kind, value = self._line.recv()
                if kind == "nodes":
                    self._nodes.put(value)
                elif kind == "answer":
                    self.on_answer(key, value, None)
                elif kind == "failed":
                    self.on_answer(key, None, value)
                else:
                    self.on_said(key, kind, value)
        self._nodes.put(None)
        self.on_answer("", None, self._lost())

    def reconnect(self) -> None:
        """Start another driver."""
        self.close()
        try:
            self._drive()
        except ClusterLostError as error:
            raise self._lost() from error

    def close(self) -> None:
        """End the driver, by which the cluster ends what it is at for it."""
        with suppress(ClusterLostError):
            self._ask("close")
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._reader.is_alive():
            self._reader.join(_END_S)
        self._line.close()


class RayExecutor(ClusterExecutor):
    """Leads a Ray cluster."""

    engine = RayEngine
