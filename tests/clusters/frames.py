"""Transforms on frames of dask, which all workers of a cluster of Dask compute; `make test-clusters` runs this file."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from tests.cli.running import children, running
from tests.clusters.servers import Cluster, DaskCluster, await_that
from tests.conftest import Cli, ProjectFolder
from tests.servers.s3 import S3Server

CODE = """
import os
import time
from decimal import Decimal
from pathlib import Path

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa

from names import Named, shout

NOTES = Path({notes!r})


def numbers() -> pa.Table:
    # A partition is of some 32 MB.
    n = np.arange(400)
    texts = [f"{{i % 40:08d}}" + f"{{i:08d}}" * 32767 if i % 100 != 99 else None for i in range(400)]
    return pa.table({{"n": n, "group": n % 7, "odd": pa.array(n, mask=n % 100 == 99), "text": texts}})


def lines(numbers: pa.Table) -> pa.Table:
    return numbers


def note() -> None:
    place = os.environ["HOME"].rpartition("/")[2]
    (NOTES / f"{{place}}.{{os.getpid()}}").touch()


def begin(others: int) -> str:
    # Only where others are at work as well is it more than one that computes.
    note()
    while len(set(each.name.partition(".")[0] for each in NOTES.iterdir())) <= others:
        time.sleep(0.05)
    return "begun with " + os.environ.get("LAKE_TOKEN", "none")


def placed(part: pd.DataFrame) -> pd.DataFrame:
    if len(part.text.iloc[0]) > 100:  # dask tries it on a frame of its own
        print(begin(OTHERS))
    name = Named(shout(part.text.iloc[0][:8] + "é")).name
    return part.assign(name=name, price=Decimal("1.10")).drop(columns="text")


OTHERS = 1


def spread(numbers: dd.DataFrame) -> dd.DataFrame:
    return numbers.map_partitions(placed)


def totals(lines: dd.DataFrame) -> dd.DataFrame:
    most = lines.n.max().compute()
    short = lines.assign(text=lines.text.str.slice(0, 8))
    means = short.groupby("text").odd.mean().reset_index().rename(columns={{"odd": "mean"}})
    found = short[short.n < most].merge(means, on="text")
    return found.groupby("group").agg({{"n": "sum", "mean": "sum"}}).reset_index()
"""
NAMES = """
def shout(text):
    return text.upper()


class Named:
    def __init__(self, name):
        self.name = name
"""
TOKEN = {"LAKE_TOKEN": "t0k3n-of-frames"}
TABLES = """numbers: {columns: {n: int64, group: int64, odd: int64, text: string}}
lines: {format: ipc, columns: {n: int64, group: int64, odd: int64, text: string}}
spread:
  key: [n]
  columns: {n: int64, group: int64, odd: int64, name: string, price: "decimal128(9, 2)"}
totals: {key: [group], columns: {group: int64, n: int64, mean: float64}}
"""


@pytest.fixture(scope="session", params=[DaskCluster])
def started_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, places: dict[str, str]
) -> Iterator[Cluster]:
    """A cluster of Dask, the only one that has such frames."""
    cluster = request.param(tmp_path_factory.mktemp("cluster"), {**places, **TOKEN})
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, s3_server: S3Server, places: dict[str, str]) -> None:
    s3_server.make_bucket("lake")
    for name, value in {**places, **TOKEN}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Where partitions note at which worker, and in which process, they are computed."""
    notes = tmp_path / "notes"
    notes.mkdir()
    return notes


@pytest.fixture
def project(folder: ProjectFolder, cluster: Cluster, notes: Path) -> ProjectFolder:
    """A project whose tables are in a bucket where it runs on the cluster."""
    bucket = f'{{root: "s3://${{LAKE_BUCKET}}/${{LAKE_TOKEN}}-{time.time_ns()}", format: parquet}}'
    top = "storages: {default: {root: data, format: parquet}}\nenvironments:\n  here: {}\n"
    top += f"  cluster:\n    storages: {{default: {bucket}}}\n    {cluster.execution}\n"
    folder.declare(TABLES, CODE.format(notes=str(notes)), top=top)
    folder.write("names.py", NAMES)
    return folder


STEPS = """
import os
import signal
import time
from pathlib import Path

import dask.dataframe as dd
import pandas as pd

NOTES = Path({notes!r})


def steps() -> dd.DataFrame:
    frame = dd.from_pandas(pd.DataFrame({{"n": range(6)}}), npartitions=6)
    (NOTES.parent / "leader").write_text(os.environ["HOME"].rpartition("/")[2])
    return frame.map_partitions(step, meta=frame._meta)


def step(part: pd.DataFrame) -> pd.DataFrame:
    place = os.environ["HOME"].rpartition("/")[2]
    (NOTES / f"{{place}}.{{os.getpid()}}").touch()
    while (NOTES.parent / "hold").exists():
        time.sleep(0.05)
    1 / (part.n - 4)
    return part
"""


@pytest.fixture
def steps(folder: ProjectFolder, cluster: Cluster, notes: Path) -> ProjectFolder:
    """A table of six partitions, which wait while there is a file `hold` beside the notes."""
    top = f"storages: {{default: {{root: data, shared: true}}}}\n{cluster.execution}\n"
    folder.declare("steps: {key: [n], columns: {n: int64}}", STEPS.format(notes=str(notes)), top=top)
    return folder


def left(cluster: Cluster) -> list[str]:
    """What the scheduler still knows of work."""
    with Client(cluster.address, set_as_default=False) as client:
        found: list[str] = client.run_on_scheduler(lambda dask_scheduler: [*map(str, dask_scheduler.tasks)])
        return found


def is_over(cluster: Cluster, notes: Path) -> bool:
    """Whether nothing is left of what was computed: no task, and no process that computed a partition."""
    processes = [int(each.name.rpartition(".")[2]) for each in notes.iterdir()]
    alive = [each for worker in cluster.workers.values() for each in children(worker.pid)]
    return not left(cluster) and not {*processes} & {*alive}


def test_frames_are_the_same_as_here(project: ProjectFolder, cli: Cli, cluster: Cluster, notes: Path) -> None:
    """Tables of a bucket, read by several workers or by one, are what they are from this machine."""
    ran = cli("run", "--env", "cluster", "-o", "json")
    assert set(ran.statuses.values()) == {"materialized"}, ran.err
    assert len({each.name.partition(".")[0] for each in notes.iterdir()}) > 1
    assert "begun with ${LAKE_TOKEN}" in ran.err
    project.edit("transforms.py", "OTHERS = 1", "OTHERS = 0")
    assert cli("run", "--env", "here").code == 0
    compared = cli("diff", "--env", "cluster", "--against", "here")
    assert compared.code == 0, compared.out
    await_that(lambda: not left(cluster))
    assert "begun with" not in cluster.logs()


def test_partition_that_fails(steps: ProjectFolder, cli: Cli, cluster: Cluster, notes: Path) -> None:
    """It is the failure of its table: with the line where it was raised, or with what ended its process."""
    steps.edit("transforms.py", "1 / (part.n - 4)", "assert part.n.iloc[0] != 4, 'is four'")
    ran = cli("run", "-o", "json")
    error = ran.json["tables"][0]["error"]
    assert error["message"] == "`steps` raised AssertionError: is four"
    assert error["location"]["file"] == "transforms.py"
    assert "assert part.n.iloc[0]" in steps.read("transforms.py").splitlines()[error["location"]["line"] - 1]
    await_that(lambda: not left(cluster))
    steps.edit("transforms.py", "assert part.n.iloc[0] != 4, 'is four'", "os.kill(os.getpid(), signal.SIGKILL)")
    ran = cli("run", "-o", "json")
    message = ran.json["tables"][0]["error"]["message"]
    assert re.search(r"the process of a partition at tcp://127.0.0.1:\d+ was killed by SIGKILL", message), message
    await_that(lambda: not left(cluster))
    assert len(cluster.workers) == 3
    assert all(process.poll() is None for process in cluster.workers.values())


def test_worker_that_dies_with_partitions(steps: ProjectFolder, cluster: Cluster, notes: Path) -> None:
    """The attempt has failed; none of them is computed once more beside those that there are."""
    # The run looks twice a second which workers there are: a retry before that may be given to the one that is gone.
    steps.edit("lakehouse.yaml", "{key:", "{retries: 1, retry_delay: 3, key:")
    hold, leader = notes.parent / "hold", notes.parent / "leader"
    hold.touch()
    with running(steps.path, "run", "--log-format", "json") as run:
        await_that(lambda: len({each.name.partition(".")[0] for each in notes.iterdir()}) == 3)
        lost = next(number for number in cluster.workers if f"worker-{number}" != leader.read_text())
        cluster.kill_worker(lost)
        hold.unlink()
        assert run.ends() == 0, run.err
    events = [json.loads(line) for line in run.err.splitlines() if line.startswith("{")]
    (retried,) = [each for each in events if each["event"] == "table_retrying"]
    assert ", which had partitions of it, is gone" in retried["error"]["message"]
    assert steps.read("data/steps.csv").split() == ["n", *map(str, range(6))]
    await_that(lambda: not left(cluster))


def test_partitions_that_are_ended(steps: ProjectFolder, cli: Cli, cluster: Cluster, notes: Path) -> None:
    """By `timeout`, and by Ctrl-C twice: nothing of them goes on."""
    (notes.parent / "hold").touch()
    steps.edit("lakehouse.yaml", "{key:", "{timeout: 5, key:")
    ran = cli("run", "-o", "json")
    assert "took longer than its timeout of 5 s" in ran.json["tables"][0]["error"]["message"]
    await_that(lambda: is_over(cluster, notes))
    steps.edit("lakehouse.yaml", "{timeout: 5, key:", "{key:")
    for each in notes.iterdir():
        each.unlink()
    with running(steps.path, "run") as run:
        await_that(lambda: any(notes.iterdir()))
        run.interrupt()
        run.says("Ctrl-C again stops at once")
        run.interrupt()
        assert run.ends() == 130
    await_that(lambda: is_over(cluster, notes))


def test_tables_that_spread_at_once(steps: ProjectFolder, cli: Cli) -> None:
    """As many as there are workers of one thread: none of them keeps the place of its own partitions."""
    tables = [f"t{number}: {{function: steps, timeout: 60, key: [n], columns: {{n: int64}}}}" for number in range(3)]
    steps.edit("lakehouse.yaml", "steps: {key: [n], columns: {n: int64}}", "\n  ".join(tables))
    ran = cli("run", "-o", "json")
    assert set(ran.statuses.values()) == {"materialized"}, ran.err
