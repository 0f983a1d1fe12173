"""Clusters for tests: schedulers and workers as processes on the loopback, each in a folder of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest

from tests.cli.running import PATIENCE, children


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_that(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "did not come about"
        time.sleep(0.05)


class Cluster(ABC):
    """A scheduler and its workers.

    Args:
        folder: Below which each has its own.
        environ: The environment variables of workers, beside the few that a process needs.

    Attributes:
        port: Of the scheduler.
        scheduler: Its process; None while there is none.
        workers: Their processes, by number.
        name: What messages call it.
        nanny: Whether the worker that is started has one.
        executor: What project files call it.
        silence: What is said of an address where nothing answers.
    """

    name: ClassVar[str]
    executor: ClassVar[str]
    silence: ClassVar[str]

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder, self.environ = folder, environ
        self.port = 0
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self.nanny = False
        self._usual: dict[subprocess.Popen[bytes], int] = {}

    @property
    @abstractmethod
    def address(self) -> str:
        """Of the scheduler."""

    @property
    def execution(self) -> str:
        """What a project file says of it."""
        return f'execution: {{executor: {self.executor}, options: {{address: "{self.address}"}}}}'

    def _start(self, name: str, *command: str, environ: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        known = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
        with (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                env={**known, "HOME": str(folder), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_scheduler(self) -> None:
        """Start it, on the port that it had before."""
        self.port = self.port or free_port()
        self.scheduler = self.run_scheduler()
        await_that(self.is_ready)

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether workers may be started."""

    @abstractmethod
    def run_scheduler(self) -> subprocess.Popen[bytes]:
        """Its process."""

    def start_worker(
        self, number: int, memory: str = "", slots: int = 1, gpus: int = 0, *, nanny: bool = False, **environ: str
    ) -> None:
        """Start a worker in its own folder, with a nanny where the engine has them."""
        self.nanny = nanny
        process = self.run_worker(number, memory, slots, gpus, {**self.environ, **environ})
        self.workers[number] = process
        if not memory and not gpus and not environ:
            self._usual[process] = slots

    @abstractmethod
    def run_worker(
        self, number: int, memory: str, slots: int, gpus: int, environ: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """The process of one."""

    @abstractmethod
    def await_worker(self, number: int) -> None:
        """Wait until the scheduler knows a worker."""

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        """Kill a process and all that it started, as a machine that loses its power."""
        found = [process.pid]
        for each in found:  # grows meanwhile
            found += children(each)
        for each in found:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.wait(PATIENCE)

    def kill_worker(self, number: int) -> None:
        """Kill one, as a machine that lost its power."""
        self._end(self.workers.pop(number))

    def stop_worker(self, process: int) -> int:
        """Stop the one of which this process is, and all that it started; returns its number. It goes with the test."""
        for number, worker in self.workers.items():
            found = [worker.pid]
            for each in found:  # grows meanwhile
                found += children(each)
            if process in found:
                for each in found:
                    with suppress(ProcessLookupError):
                        os.kill(each, signal.SIGSTOP)
                self._usual.pop(self.workers[number], None)
                return number
        raise AssertionError(f"no worker has started process {process}")

    def wake_worker(self, number: int) -> None:
        """Let one go on that was stopped."""
        found = [self.workers[number].pid]
        for each in found:
            found += children(each)
        for each in reversed(found):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)

    def kill_scheduler(self) -> None:
        """Kill it."""
        if self.scheduler is not None:
            self._end(self.scheduler)
            self.scheduler = None

    def log(self, name: str) -> str:
        """What a scheduler or worker logged."""
        return (self.folder / name / "log").read_text(errors="replace")

    def logs(self) -> str:
        """What all of them logged."""
        return "\n".join(file.read_text(errors="replace") for file in self.folder.glob("*/log"))

    def restore(self, count: int, slots: int = 1) -> None:
        """Have a scheduler, and so many workers of so many slots that nothing else is special of."""
        if self.scheduler is None:
            for number in list(self.workers):
                self.kill_worker(number)
            self.start_scheduler()
        for number, process in list(self.workers.items()):
            if number >= count or self._usual.get(process) != slots or process.poll() is not None:
                self.kill_worker(number)
        came = [number for number in range(count) if number not in self.workers]
        for number in came:
            self.start_worker(number, slots=slots)
        for number in came:
            self.await_worker(number)

    def stop(self) -> None:
        """End all of it."""
        for process in (*self.workers.values(), *filter(None, [self.scheduler])):
            self._end(process)


class DaskCluster(Cluster):
    """Of Dask."""

    name, executor, silence = "Dask", "dask", "no Dask scheduler answers at"

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return f"tcp://127.0.0.1:{self.port}"

    def run_scheduler(self) -> subprocess.Popen[bytes]:
        """Its process."""
        bound = ("--host", "127.0.0.1", "--port", str(self.port))
        # Without an address it listens on all, even where it shows no dashboard.
        no_dashboard = ("--dashboard-address", "127.0.0.1:0", "--no-dashboard")
        return self._start("scheduler", "distributed.cli.dask_scheduler", *bound, *no_dashboard)

    def is_ready(self) -> bool:
        """Whether it listens."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def run_worker(
        self, number: int, memory: str, slots: int, gpus: int, environ: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """The process of one; a nanny would start another in its place."""
        name = f"worker-{number}"
        bound = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard")
        bound += () if self.nanny else ("--no-nanny",)
        own = ("--local-directory", str(self.folder / name), "--nthreads", str(slots), "--resources", f"gpus={gpus}")
        limit = () if not memory else ("--memory-limit", memory)
        command = ("distributed.cli.dask_worker", self.address, *bound, *own, *limit)
        return self._start(name, *command, environ=environ)

    def await_worker(self, number: int) -> None:
        """Wait until the scheduler knows a worker."""
        await_that(lambda: "Registered to" in self.log(f"worker-{number}"))


class RayCluster(Cluster):
    """Of Ray, where the loopback is all that there is: it listens on the machine's own address."""

    name, executor, silence = "Ray", "ray", "no Ray cluster answers at"

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        super().__init__(folder, environ)
        if any(name != "lo" for _, name in socket.if_nameindex()):
            pytest.skip("Ray listens on all of the network: `make test-clusters` runs it in a namespace without one")
        # The names of its sockets, in there, must be short.
        self._session, self._numbers = tempfile.mkdtemp(prefix="ray-"), count()

    @property
    def address(self) -> str:
        """Of the head."""
        return f"127.0.0.1:{self.port}"

    def _ray(self, name: str, *options: str, environ: Mapping[str, str] = {}) -> subprocess.Popen[bytes]:
        # Those that start at the same time would take the same names for their sockets, as they look for a free one.
        own = ("--temp-dir", f"{self._session}/{next(self._numbers)}")
        small = ("--object-store-memory", str(80 << 20), "--disable-usage-stats", "--include-log-monitor", "false")
        command = ("ray.scripts.scripts", "start", *options, "--node-name", name, *own, *small, "--block")
        # It would end what a machine that others use has no memory for.
        return self._start(name, *command, environ={"RAY_memory_monitor_refresh_ms": "0", **environ})

    def run_scheduler(self) -> subprocess.Popen[bytes]:
        """The head's process, on which no work is done."""
        own = ("--num-cpus", "0", "--include-dashboard", "false", "--no-monitor")
        return self._ray("scheduler", "--head", "--port", str(self.port), *own)

    def is_ready(self) -> bool:
        """Whether the head says so."""
        return "Ray runtime started" in self.log("scheduler")

    def run_worker(
        self, number: int, memory: str, slots: int, gpus: int, environ: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """The process of one."""
        limit = () if not memory else ("--memory", str(int(memory.removesuffix("GiB")) << 30))
        options = ("--address", self.address, "--num-cpus", str(slots), "--num-gpus", str(gpus), *limit)
        return self._ray(f"worker-{number}", *options, environ=environ)

    def await_worker(self, number: int) -> None:
        """Wait until the head knows a worker."""
        await_that(lambda: "Ray runtime started" in self.log(f"worker-{number}"))

    def logs(self) -> str:
        """What all of them logged."""
        files = Path(self._session).glob("*/session_*/logs/*")
        return super().logs() + "\n".join(file.read_text(errors="replace") for file in files if file.is_file())

    def stop(self) -> None:
        """End all of it."""
        super().stop()
        shutil.rmtree(self._session, ignore_errors=True)
