"""A thousand trivial tables on a cluster of two workers, beside work of its own kind that does the same with pandas."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measured, Paired, measure
from benchmarks.projects import DATA

TABLES, _WORKERS = 1_000, 2
_ROWS = 100
# Where processes are grouped, by what they take among others; cgroups(7).
_GROUPS = next(
    (each for each in map(Path, ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")) if (each / "cgroup.procs").exists()),
    Path("/none"),
)
_CODE = """
import pandas as pd


def doubled(source: pd.DataFrame) -> pd.DataFrame:
    return source.assign(value=source["value"] * 2)
"""
_PLAIN = {
    "dask": """
import sys
from pathlib import Path

from distributed import Client

from plain import one


if __name__ == "__main__":
    with Client(sys.argv[1]) as client:
        targets = [str(Path("plain").resolve() / f"t{n}.csv") for n in range(int(sys.argv[2]))]
        client.gather(client.map(one, targets, pure=False))
""",
    "ray": """
import sys
from pathlib import Path

import ray

from plain import one


if __name__ == "__main__":
    ray.init(address=sys.argv[1], log_to_driver=False)
    task = ray.remote(max_retries=0)(one)
    ray.get([task.remote(str(Path("plain").resolve() / f"t{n}.csv")) for n in range(int(sys.argv[2]))])
""",
}
_ONE = """
from pathlib import Path

import pandas as pd


def one(target):
    types = {"id": "int64", "name": "str", "value": "float64"}
    source = pd.read_csv(Path(target).parent.parent / "data/source.csv", dtype=types)
    source.assign(value=source["value"] * 2).to_csv(target, index=False)
"""


def beside_futures(rounds: int, engine: str, tables: int = TABLES) -> tuple[Paired, Paired]:
    """Runs of all tables and of one, each beside futures or tasks that do the same; CPU of all processes."""
    folder = DATA / "clusters"
    found = []
    with _CLUSTERS[engine](folder / engine) as (address, used):
        _project(folder, engine, address, tables)
        for count, what in ((tables, f"{tables:,} trivial tables"), (1, "one table")):
            ours, theirs = [], []
            selection = ["t0"] if count == 1 else []
            for _ in range(rounds + 1):  # the first one does not count
                theirs.append(_of_all(used, [sys.executable, "futures.py", address, str(count)], folder))
                ours.append(_of_all(used, ["lakehouse", "run", "--force", *selection], folder))
            what = f"{what} on {engine.title()} with {_WORKERS} workers"
            yardstick = "Dask futures with pandas" if engine == "dask" else "Ray tasks with pandas"
            found.append(Paired(what, yardstick, tuple(ours[1:]), tuple(theirs[1:])))
    return found[0], found[1]


def simulation(tables: int, workers: int, seconds: float, *how: str) -> dict[str, Any]:
    """What a run on simulated workers takes; see `benchmarks.simulation`."""
    command = [sys.executable, "-m", "benchmarks.simulation", str(tables), str(workers), str(seconds), *how]
    found: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return found


def job_size() -> int:
    """Bytes of the largest job of the project above, as it travels."""
    from lakehouse_cli.cli.main import invoke
    from lakehouse_cli.executors.clusters import messages
    from lakehouse_cli.runner import attempts
    from lakehouse_cli.runner.entry import materialize_here

    sizes: list[int] = []
    begin = attempts.Attempts.begin

    def counting(self: attempts.Attempts, job: attempts.Job) -> None:
        sizes.append(len(messages.packed((materialize_here, (job.for_cluster(), {}, {}, {})))))
        begin(self, job)

    attempts.Attempts.begin = counting  # type: ignore[method-assign]
    try:
        invoke(["-C", str(DATA / "clusters"), "run", "t1", "--force", "--executor", "serial", "-q"])
    finally:
        attempts.Attempts.begin = begin  # type: ignore[method-assign]
    return max(sizes)


def _project(folder: Path, engine: str, address: str, tables: int) -> None:
    for name in ("data", "plain"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = "\n".join(
        f"  t{number}: {{function: doubled, inputs: [source], columns: {{id: int64, name: string, value: float64}}}}"
        for number in range(tables)
    )
    (folder / "lakehouse.yaml").write_text(
        f"name: clusters\nmodule: transforms\nstorages: {{default: {{root: data, shared: true}}}}\n"
        f'execution: {{executor: {engine}, options: {{address: "{address}"}}}}\ntables:\n'
        f"  source: {{kind: source, columns: {{id: int64, name: string, value: float64}}}}\n{names}\n"
    )
    (folder / "transforms.py").write_text(_CODE)
    (folder / "futures.py").write_text(_PLAIN[engine])
    (folder / "plain.py").write_text(_ONE)
    rows = "".join(f"{row},name {row},{row * 1.5}\n" for row in range(_ROWS))
    (folder / "data/source.csv").write_text(f"id,name,value\n{rows}")


@contextmanager
def _dask(folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """A scheduler and workers on the loopback; yields the address, and what tells the CPU seconds that they took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    address, quiet = f"tcp://127.0.0.1:{port}", ("--dashboard-address", "127.0.0.1:0", "--no-dashboard")
    scheduler = ("dask_scheduler", "--host", "127.0.0.1", "--port", str(port))
    own = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
    worker = ("dask_worker", address, "--host", "127.0.0.1", *own)
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "log").open("ab") as log:
            for module, *arguments in (scheduler, *[worker] * _WORKERS):
                command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments, *quiet]
                # What `plain` is found in.
                environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder.parent)}
                started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environ))
        _await_workers(address)
        yield address, lambda: sum(map(_cpu, _with_descendants([each.pid for each in started])))
    finally:
        for process in reversed(started):  # workers do not end while they look for a scheduler that is gone
            process.terminate()
            process.wait(30)


@contextmanager
def _ray(folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """A node on the loopback, which must be all the network that there is; yields the same."""
    folder.mkdir(parents=True, exist_ok=True)
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder.parent), "HOME": str(folder)}
    own = ("--port", "6379", "--num-cpus", str(_WORKERS), "--object-store-memory", str(80 << 20))
    session = tempfile.mkdtemp(prefix="ray-")  # short, for the names of sockets in there
    quiet = ("--include-dashboard", "false", "--disable-usage-stats", "--temp-dir", session, "--block")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", *own, *quiet]
    # Ray leaves it to the system to count what its workers took that have ended, and that does not say whose it was.
    group = _GROUPS / f"lakehouse-{os.getpid()}"
    group.mkdir()
    (group / "cgroup.procs").write_text(str(os.getpid()))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environ)
    try:
        while b"Ray runtime started" not in (folder / "log").read_bytes():
            time.sleep(0.1)
        yield "127.0.0.1:6379", lambda: _of_group(group)
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(session, ignore_errors=True)
        (_GROUPS / "cgroup.procs").write_text(str(os.getpid()))
        with suppress(OSError):  # some of Ray's are still there
            group.rmdir()


def _of_group(group: Path) -> float:
    """CPU seconds of a group, without those of this process and of what it has waited for."""
    return int((group / "cpu.stat").read_text().split()[1]) / 1e6 - sum(os.times()[:4])


_CLUSTERS = {"dask": _dask, "ray": _ray}


def can_run_ray() -> bool:
    """Whether there is no network but the loopback, on which alone Ray listens then, and CPU can be counted."""
    return [name for _, name in socket.if_nameindex()] == ["lo"] and os.access(_GROUPS, os.W_OK)


def _await_workers(address: str) -> None:
    from distributed import Client

    with Client(address, timeout=60) as client:
        client.wait_for_workers(_WORKERS, timeout=60)


def _of_all(used: Callable[[], float], command: list[str], folder: Path) -> Measured:
    """A measured command, with the CPU that the cluster took meanwhile."""
    before = used()
    measured = measure(command, folder)
    time.sleep(0.5)  # what workers do after their last answer
    return Measured(measured.wall, measured.cpu + used() - before, measured.peak_mb, measured.own)


def _with_descendants(processes: list[int]) -> list[int]:
    found = list(processes)
    for one in found:  # grows meanwhile
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            with suppress(OSError):  # it has ended
                found += map(int, children.read_text().split())
    return found


def _cpu(process: int) -> float:
    """Seconds that a process and those of its children that ended took."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended, and is counted with its parent
        return 0.0
    return sum(map(int, fields[11:15])) / 100
