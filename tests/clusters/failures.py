"""Workers, schedulers and drivers that die in the middle of a run; `make test-clusters` runs this file.

Every table of the project holds a number that is drawn anew each time that it is computed, and notes it in a file: what
is computed twice, or published twice, has other bytes than what others were computed from. `make test-kills` kills a
hundred workers and ten schedulers of each engine.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from lakehouse_cli import Project
from tests.cli.running import PATIENCE, running
from tests.clusters.servers import Cluster, await_that
from tests.conftest import Cli, ProjectFolder
from tests.servers.s3 import S3Server

#: So many in CI.
KILLS, SCHEDULERS = (int(number) for number in os.environ.get("LAKEHOUSE_KILLS", "5,1").split(","))
#: What is promised of the time in which nothing happens though something could.
LONGEST_WAIT_S = 30.0
CODE = """
import os
import random
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

NOTES = Path({notes!r})


def draw(*inputs: pa.Table, name: str, seconds: float) -> pa.Table:
    number = random.getrandbits(60)
    (NOTES / f"{{name}}.{{os.getpid()}}.{{time.time_ns()}}").write_text(str(number))
    time.sleep(seconds)
    while (NOTES.parent / "hold").exists():
        (NOTES.parent / f"held.{{name}}").touch()
        with suppress(FileNotFoundError):
            (NOTES.parent / "fail").unlink()
            raise ValueError("was told to")
        time.sleep(0.05)
    return pa.table({{"n": [number]}})

"""


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, s3_server: S3Server) -> None:
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)


class Chains:
    """Chains of tables in a bucket, each computed from the one before it, and short ones from none."""

    def __init__(
        self, folder: ProjectFolder, cluster: Cluster, s3: S3Server, *, chains: int, length: int, short: int = 0
    ) -> None:
        self.folder, self.notes = folder, folder.path / "notes"
        self.notes.mkdir()
        self.names = [f"t{chain}_{step}" for chain in range(chains) for step in range(length)]
        bucket = s3.make_bucket(f"kills{time.time_ns()}")
        tables, code = [], [CODE.format(notes=str(self.notes))]
        for chain in range(chains):
            for step in range(length):
                name, before = f"t{chain}_{step}", f"t{chain}_{step - 1}" if step else ""
                parameter = f"{before}: pa.Table" if before else ""
                code.append(f'def {name}({parameter}) -> pa.Table:\n    return draw(name="{name}", seconds=0.2)\n\n')
                tables.append(f"{name}: {{columns: {{n: int64}}}}")
        for number in range(short):
            code.append(f'def s{number}() -> pa.Table:\n    return draw(name="s{number}", seconds=0.01)\n\n')
            tables.append(f"s{number}: {{columns: {{n: int64}}}}")
        top = f'storages: {{default: {{root: "s3://{bucket}/lake", format: parquet}}}}\n{cluster.execution}\n'
        folder.declare("\n".join(tables), "\n".join(code), top=f"{top}defaults: {{retries: 50, retry_delay: 0.1}}\n")

    def computed(self) -> Counter[str]:
        """How often each table was computed."""
        return Counter(each.name.partition(".")[0] for each in self.notes.iterdir())

    def are_computed_once(self) -> None:
        """Check that what is stored of each table is what was computed last: none was computed that had been stored."""
        drawn: dict[str, str] = {}
        for note in sorted(self.notes.iterdir(), key=lambda each: int(each.name.rpartition(".")[2])):
            drawn[note.name.partition(".")[0]] = note.read_text()
        project = Project.load()
        stored = {name: str(project.read(name)["n"][0]) for name in drawn}
        assert stored == drawn

    def is_whole(self, cli: Cli) -> None:
        """Check that each table is what the next was computed from, and that nothing is due."""
        plan = cli("plan", "-o", "json")
        assert {table["action"] for table in plan.json["tables"]} == {"skip"}, plan.out


def last_events(folder: ProjectFolder) -> str:
    """What has happened in the last run."""
    return max((folder.path / ".lakehouse" / "runs").glob("*.jsonl")).read_text()


def longest_wait(folder: ProjectFolder, outages: Sequence[tuple[float, float]] = ()) -> float:
    """Seconds between two events of the last run in which nothing happened though there was a cluster.

    Args:
        folder: The project's.
        outages: When there was none: from, to.
    """
    lines = last_events(folder).splitlines()
    times = [datetime.fromisoformat(json.loads(line)["at"]).timestamp() for line in lines]
    return max(
        end - begin - sum(max(min(end, back) - max(begin, gone), 0.0) for gone, back in outages)
        for begin, end in pairwise(times)
    )


def test_workers_that_are_killed(folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server) -> None:
    """Nothing is lost, nothing that was finished is computed again, and nothing waits long."""
    chains = Chains(folder, cluster, s3_server, chains=4, length=max(4, KILLS), short=20 * KILLS)
    chosen = random.Random(5)
    with running(folder.path, "run", "-o", "json") as run:
        for kill in range(KILLS):
            begun = chains.computed().total()
            await_that(lambda begun=begun: chains.computed().total() > begun + 2)
            cluster.kill_worker(chosen.choice(sorted(cluster.workers)))
            cluster.start_worker(3 + kill)
        assert run.ends(patience=PATIENCE + 15 * KILLS) == 0, run
        tables = json.loads(run.out)["tables"]
    assert {table["status"] for table in tables} == {"materialized"}
    assert sum(table["attempts"] for table in tables) <= len(tables) + KILLS
    assert chains.computed().total() <= len(tables) + KILLS
    assert longest_wait(folder) < LONGEST_WAIT_S
    chains.are_computed_once()
    chains.is_whole(cli)


def test_scheduler_that_is_killed(folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server) -> None:
    """It is waited for; where it comes back in time, with its workers, the run goes on."""
    chains = Chains(folder, cluster, s3_server, chains=3, length=4 * SCHEDULERS)
    outages = []
    with running(folder.path, "run", "-o", "json") as run:
        for _ in range(SCHEDULERS):
            begun = chains.computed().total()
            await_that(lambda begun=begun: chains.computed().total() > begun + 3)
            gone = time.time()
            cluster.kill_scheduler()
            for number in list(cluster.workers):
                cluster.kill_worker(number)
            cluster.start_scheduler()
            for number in range(3):
                cluster.start_worker(number)
            cluster.await_worker(0)
            outages.append((gone, time.time()))
        assert run.ends(patience=PATIENCE + 30 * SCHEDULERS) == 0, run
        tables = json.loads(run.out)["tables"]
    assert {table["status"] for table in tables} == {"materialized"}
    assert longest_wait(folder, outages) < LONGEST_WAIT_S
    chains.are_computed_once()
    chains.is_whole(cli)


def test_scheduler_that_stays_away(folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server) -> None:
    """The run ends with that cause, and the next one computes what is left."""
    chains = Chains(folder, cluster, s3_server, chains=2, length=4)
    folder.edit("lakehouse.yaml", f'"{cluster.address}"', f'"{cluster.address}", reconnect: 1s')
    with running(folder.path, "run", "-o", "json") as run:
        await_that(lambda: chains.computed().total() > 4)
        folder.write("hold", "until the run has ended")  # what workers have been given already, they go on with
        cluster.kill_scheduler()
        assert run.ends() == 1
        tables = json.loads(run.out)["tables"]
    failed = [table["error"]["message"] for table in tables if table["status"] == "failed"]
    assert failed
    assert all("any more; it was waited for 1 s" in message for message in failed)
    done = [table["name"] for table in tables if table["status"] == "materialized"]
    for number in list(cluster.workers):
        cluster.kill_worker(number)
    (folder.path / "hold").unlink()
    before = chains.computed()
    cluster.start_scheduler()
    cluster.start_worker(7)
    cluster.await_worker(7)
    again = cli("run", "-o", "json")
    assert set(again.statuses.values()) <= {"materialized", "unchanged"}, again.out
    after = chains.computed()
    assert all(after[name] == before[name] for name in done)
    chains.is_whole(cli)


def test_driver_that_is_killed(folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server) -> None:
    """What its workers are at is ended, and the next run computes it."""
    chains = Chains(folder, cluster, s3_server, chains=3, length=3)
    with running(folder.path, "run") as run:
        await_that(lambda: chains.computed().total() > 3)
        os.kill(run.process.pid, signal.SIGKILL)
        run.process.wait()
    again = cli("run", "-o", "json")
    assert set(again.statuses.values()) <= {"materialized", "unchanged"}, again.out
    chains.is_whole(cli)


def test_two_drivers_at_once(
    folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server, tmp_path: Path
) -> None:
    """Both end well, with what one of them has stored."""
    chains = Chains(folder, cluster, s3_server, chains=2, length=2)
    other = ProjectFolder(tmp_path / "other")
    other.write("lakehouse.yaml", folder.read("lakehouse.yaml"))
    other.write("transforms.py", folder.read("transforms.py"))
    with running(folder.path, "run", "-o", "json") as one, running(other.path, "run", "-o", "json") as two:
        codes = one.ends(), two.ends()
        results = [
            {(table["name"], table["content_hash"]) for table in json.loads(run.out)["tables"]} for run in (one, two)
        ]
    assert codes == (0, 0)
    assert results[0] == results[1]
    chains.is_whole(cli)


def test_interrupted_once_and_twice(folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server) -> None:
    """Once: what is under way is finished; twice: it is ended, at once."""
    chains = Chains(folder, cluster, s3_server, chains=1, length=3)
    folder.edit("transforms.py", "seconds=0.2", "seconds=1.0")
    with running(folder.path, "run", "-o", "json") as run:
        await_that(lambda: chains.computed().total() == 1)
        run.interrupt()
        assert run.ends() == 130
        statuses = {table["name"]: table["status"] for table in json.loads(run.out)["tables"]}
    assert statuses == {"t0_0": "materialized", "t0_1": "cancelled", "t0_2": "cancelled"}
    folder.edit("transforms.py", "seconds=1.0", "seconds=60.0")
    with running(folder.path, "run") as run:
        await_that(lambda: chains.computed().total() == 2)
        run.interrupt()
        run.says("Ctrl-C again stops at once")
        run.interrupt()
        assert run.ends() == 130
    assert "interrupted: 3 cancelled in" in run.out


@pytest.mark.parametrize("how", ["interrupted", "failed"])
def test_short_tables_that_are_not_begun(
    folder: ProjectFolder, cluster: Cluster, s3_server: S3Server, how: str
) -> None:
    """None is computed once the run stops, though workers were given several at once, and the run has begun more."""
    chains = Chains(folder, cluster, s3_server, chains=0, length=0, short=300)
    folder.edit("lakehouse.yaml", "retries: 50", "retries: 0")
    with running(folder.path, "run", "--fail-fast", "-o", "json") as run:
        await_that(lambda: chains.computed().total() > 30)
        folder.write("hold", "until the run stops")
        await_that(lambda: len(list(folder.path.glob("held.*"))) == 3)
        begun = set(chains.computed())
        await_that(lambda: last_events(folder).count('"materialized"') == len(begun) - 3)
        if how == "interrupted":
            run.interrupt()
        else:
            folder.write("fail", "one of them")
        await_that(lambda: last_events(folder).count('"cancelled"') == 300 - len(begun))
        if how == "interrupted":
            held = {each.name.partition(".")[2] for each in folder.path.glob("held.*")}
            events = map(json.loads, last_events(folder).splitlines())
            assert [set(event["finishing"]) for event in events if "finishing" in event] == [held]
        (folder.path / "hold").unlink()
        assert run.ends() == (130 if how == "interrupted" else 1)
        document = json.loads(run.out)
        tables = {table["name"]: table for table in document["tables"]}
    assert {name for name, table in tables.items() if table["status"] in ("materialized", "failed")} == begun
    cancelled = [table for name, table in tables.items() if name not in begun]
    assert {(table["status"], table["attempts"]) for table in cancelled} == {("cancelled", 0)}
    why = "interrupted" if how == "interrupted" else "another table failed, and --fail-fast was given"
    assert {table["error"]["message"] for table in cancelled} == {why}
    # Each is as long as it was computed, by one of three workers; what waits with others, or for them, is not.
    assert sum(tables[name]["duration_s"] for name in begun) <= 3 * document["duration_s"]


def test_timeout_at_a_worker_that_is_stopped(
    folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server
) -> None:
    """The table fails of that, others compute the rest, and the run ends though the worker does not wake."""
    chains = Chains(folder, cluster, s3_server, chains=2, length=3)
    folder.edit("lakehouse.yaml", "retries: 50", "retries: 0")
    folder.edit("lakehouse.yaml", "t0_0: {", "t0_0: {timeout: 2, ")
    folder.edit("transforms.py", 'name="t0_0", seconds=0.2', 'name="t0_0", seconds=PATIENCE')
    folder.edit("transforms.py", "NOTES = ", f"PATIENCE = {PATIENCE}\nNOTES = ", 1)
    with running(folder.path, "run", "-o", "json") as run:
        await_that(lambda: chains.computed()["t0_0"])
        number = next(int(note.name.split(".")[1]) for note in chains.notes.glob("t0_0.*"))
        cluster.stop_worker(number)
        assert run.ends() == 1
        tables = {table["name"]: table for table in json.loads(run.out)["tables"]}
    assert tables["t0_0"]["error"]["message"] == "`t0_0` took longer than its timeout of 2 s"
    assert [tables[f"t1_{step}"]["status"] for step in range(3)] == ["materialized"] * 3
    assert [tables[f"t0_{step}"]["status"] for step in (1, 2)] == ["skipped"] * 2
    assert "does not answer, and is given nothing until it does" in run.err


def test_worker_that_is_stopped(folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server) -> None:
    """A table without `timeout` waits for it, which is said; one that wakes goes on, and it was one attempt."""
    chains = Chains(folder, cluster, s3_server, chains=2, length=2)
    folder.edit("transforms.py", 'name="t0_0", seconds=0.2', 'name="t0_0", seconds=2.0')
    with running(folder.path, "run", "-o", "json") as run:
        await_that(lambda: chains.computed()["t0_0"])
        process = next(int(note.name.split(".")[1]) for note in chains.notes.glob("t0_0.*"))
        stopped = cluster.stop_worker(process)
        run.reports("does not answer, and is given nothing until it does; `t0_0` waits for it: wake it, or end it")
        cluster.wake_worker(stopped)
        assert run.ends() == 0
        tables = json.loads(run.out)["tables"]
    assert {table["attempts"] for table in tables} == {1}
    chains.is_whole(cli)


def test_next_attempt_asks_for_more_memory(
    folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server
) -> None:
    """Where the system killed the first, it is given to a worker that has it."""
    Chains(folder, cluster, s3_server, chains=1, length=1)
    for number in list(cluster.workers):
        cluster.kill_worker(number)
    for number, size in ((7, "1GiB"), (8, "1GiB"), (9, "3GiB")):
        cluster.start_worker(number, memory=size)
        cluster.await_worker(number)
    folder.edit("lakehouse.yaml", "columns: {n: int64}", "resources: {memory: [512MiB, 2GiB]}, columns: {n: string}")
    folder.edit("transforms.py", 'return draw(name="t0_0", seconds=0.2)', "return place()")
    folder.add(
        "transforms.py",
        """
def place() -> pa.Table:
    if not list(NOTES.iterdir()):
        (NOTES / "first").touch()
        os.kill(os.getpid(), 9)
    return pa.table({"n": [os.environ["HOME"]]})
""",
    )
    ran = cli("run", "-o", "json")
    assert ran.json["tables"][0]["attempts"] == 2, ran.err
    assert "worker-9" in cli("show", "t0_0").out


def test_worker_that_its_nanny_ends(
    folder: ProjectFolder, cli: Cli, started_cluster: Cluster, s3_server: S3Server
) -> None:
    """A worker over its memory limit is told as such, with what it had."""
    if started_cluster.executor == "ray":
        pytest.skip("nannies are of Dask")
    started_cluster.restore(0)
    chains = Chains(folder, started_cluster, s3_server, chains=1, length=1)
    folder.edit("lakehouse.yaml", "retries: 50", "retries: 0")
    folder.write("hold", "until its worker is ended")
    started_cluster.start_worker(7, memory="500MB", nanny=True)
    started_cluster.await_worker(7)

    def fill(dask_worker: Any) -> None:
        dask_worker.filled = b"x" * 600_000_000

    with running(folder.path, "run") as run:
        await_that(lambda: chains.computed().total() == 1)
        with Client(started_cluster.address, set_as_default=False) as client, suppress(OSError):
            client.run(fill)
        assert run.ends() == 1
    assert "went with its worker, which Dask ended, as it was out of memory" in run.err, run
    assert ", which has 500MB, and write `resources: {memory: 1GiB}`" in run.err, run
