"""A thousand trivial tables on a Dask cluster of two workers, beside Dask futures that do the same with pandas."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measuring import Measured, Paired, measure
from benchmarks.projects import DATA

TABLES, _WORKERS = 1_000, 2
_ROWS = 100
_CODE = """
import pandas as pd


def doubled(source: pd.DataFrame) -> pd.DataFrame:
    return source.assign(value=source["value"] * 2)
"""
_PLAIN = """
import sys
from pathlib import Path

from distributed import Client

from plain import one


if __name__ == "__main__":
    with Client(sys.argv[1]) as client:
        targets = [str(Path("plain").resolve() / f"t{n}.csv") for n in range(int(sys.argv[2]))]
        client.gather(client.map(one, targets, pure=False))
"""
_ONE = """
from pathlib import Path

import pandas as pd


def one(target):
    types = {"id": "int64", "name": "str", "value": "float64"}
    source = pd.read_csv(Path(target).parent.parent / "data/source.csv", dtype=types)
    source.assign(value=source["value"] * 2).to_csv(target, index=False)
"""


def beside_futures(rounds: int, tables: int = TABLES) -> tuple[Paired, Paired]:
    """Runs of all tables and of one, each beside futures that do the same; CPU of all processes."""
    folder = DATA / "clusters"
    found = []
    with _cluster(folder / "dask") as (address, processes):
        _project(folder, address, tables)
        for count, what in ((tables, f"{tables:,} trivial tables"), (1, "one table")):
            ours, theirs = [], []
            selection = ["t0"] if count == 1 else []
            for _ in range(rounds + 1):  # the first one does not count
                theirs.append(_of_all(processes, [sys.executable, "futures.py", address, str(count)], folder))
                ours.append(_of_all(processes, ["lakehouse", "run", "--force", *selection], folder))
            what = f"{what} on Dask with {_WORKERS} workers"
            found.append(Paired(what, "Dask futures with pandas", tuple(ours[1:]), tuple(theirs[1:])))
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


def _project(folder: Path, address: str, tables: int) -> None:
    for name in ("data", "plain"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    names = "\n".join(
        f"  t{number}: {{function: doubled, inputs: [source], columns: {{id: int64, name: string, value: float64}}}}"
        for number in range(tables)
    )
    (folder / "lakehouse.yaml").write_text(
        f"name: clusters\nmodule: transforms\nstorages: {{default: {{root: data, shared: true}}}}\n"
        f'execution: {{executor: dask, options: {{address: "{address}"}}}}\ntables:\n'
        f"  source: {{kind: source, columns: {{id: int64, name: string, value: float64}}}}\n{names}\n"
    )
    (folder / "transforms.py").write_text(_CODE)
    (folder / "futures.py").write_text(_PLAIN)
    (folder / "plain.py").write_text(_ONE)
    rows = "".join(f"{row},name {row},{row * 1.5}\n" for row in range(_ROWS))
    (folder / "data/source.csv").write_text(f"id,name,value\n{rows}")


@contextmanager
def _cluster(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and workers on the loopback; yields the address, and the numbers of their processes."""
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
        yield address, [each.pid for each in started]
    finally:
        for process in reversed(started):  # workers do not end while they look for a scheduler that is gone
            process.terminate()
            process.wait(30)


def _await_workers(address: str) -> None:
    from distributed import Client

    with Client(address, timeout=60) as client:
        client.wait_for_workers(_WORKERS, timeout=60)


def _of_all(processes: list[int], command: list[str], folder: Path) -> Measured:
    """A measured command, with the CPU that the cluster took meanwhile."""
    before = sum(map(_cpu, _with_descendants(processes)))
    measured = measure(command, folder)
    time.sleep(0.5)  # what workers do after their last answer
    after = sum(map(_cpu, _with_descendants(processes)))
    return Measured(measured.wall, measured.cpu + after - before, measured.peak_mb, measured.own)


def _with_descendants(processes: list[int]) -> list[int]:
    found = list(processes)
    for one in found:  # grows meanwhile
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, children.read_text().split())
    return found


def _cpu(process: int) -> float:
    """Seconds that a process and those of its children that ended took."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / 100
