"""Clusters for tests: schedulers and workers as processes on the loopback, each in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 60.0


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


def end(process: subprocess.Popen[bytes], how: int = signal.SIGTERM) -> None:
    """End a process that a test started, and wait for it."""
    with suppress(ProcessLookupError):
        process.send_signal(how)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(15)


@dataclass
class DaskCluster:
    """A scheduler and its workers.

    Attributes:
        folder: Below which each has its own.
        environ: The environment variables of workers, beside the few that a process needs.
        port: Of the scheduler.
        scheduler: Its process; None while there is none.
        workers: Their processes, by number.
    """

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = 0
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return f"tcp://127.0.0.1:{self.port}"

    def _start(self, name: str, module: str, *args: str, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        known = {key: os.environ[key] for key in ("PATH", "LANG", "LD_LIBRARY_PATH") if key in os.environ}
        with (folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *args],
                cwd=folder,
                env={**known, "HOME": str(folder), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start_scheduler(self) -> None:
        """Start it, on the port that it had before."""
        self.port = self.port or free_port()
        bound = ("--host", "127.0.0.1", "--port", str(self.port))
        # Without an address it listens on all, even where it shows no dashboard.
        no_dashboard = ("--dashboard-address", "127.0.0.1:0", "--no-dashboard")
        self.scheduler = self._start("scheduler", "dask_scheduler", *bound, *no_dashboard, environ={})
        await_that(self._listens)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start_worker(self, number: int, *args: str, threads: int = 1, environ: Mapping[str, str] = {}) -> None:
        """Start a worker in its own folder, without a nanny that would start another in its place."""
        bound = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard", "--no-nanny")
        own = ("--local-directory", str(self.folder / f"worker-{number}"), "--nthreads", str(threads))
        self.workers[number] = self._start(
            f"worker-{number}", "dask_worker", self.address, *bound, *own, *args, environ={**self.environ, **environ}
        )

    def await_worker(self, number: int) -> None:
        """Wait until the scheduler knows a worker."""
        await_that(lambda: "Registered to" in self.log(f"worker-{number}"))

    def kill_worker(self, number: int) -> None:
        """Kill one, as a machine that lost its power."""
        end(self.workers.pop(number), signal.SIGKILL)

    def kill_scheduler(self) -> None:
        """Kill it."""
        if self.scheduler is not None:
            end(self.scheduler, signal.SIGKILL)
            self.scheduler = None

    def log(self, name: str) -> str:
        """What a scheduler or worker logged."""
        return (self.folder / name / "log").read_text(errors="replace")

    def stop(self) -> None:
        """End all of it."""
        for process in (*self.workers.values(), *filter(None, [self.scheduler])):
            end(process)


@contextmanager
def dask_cluster(folder: Path, workers: int = 3, environ: Mapping[str, str] = {}) -> Iterator[DaskCluster]:
    """A cluster whose workers do one piece of work at once each."""
    cluster = DaskCluster(folder, dict(environ))
    try:
        cluster.start_scheduler()
        for number in range(workers):
            cluster.start_worker(number)
        for number in range(workers):
            cluster.await_worker(number)
        yield cluster
    finally:
        cluster.stop()
