"""Which workers are given something, and what travels to them; `make test-clusters` runs this file."""

from __future__ import annotations

import socket
import socketserver
import threading

import pandas
import pytest

from tests.cli.running import running
from tests.clusters.servers import Cluster, free_port
from tests.conftest import Cli, ProjectFolder
from tests.servers.s3 import S3Server

# Hides a package from a worker, as if it were not installed there.
WITHOUT = """
import sys

class Without:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "lakehouse_cli":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Without)
"""
CODE = """
import logging
import os
from pathlib import Path

import pyarrow as pa


def place() -> pa.Table:
    print("computed with", os.environ.get("LAKE_TOKEN"))
    os.system("echo shell $LAKE_TOKEN; echo shell errors $LAKE_TOKEN >&2")
    logging.warning("logged with %s", os.environ.get("LAKE_TOKEN"))
    return pa.table({"folder": [os.environ["HOME"]], "module": [__file__]})
"""


class Web(socketserver.BaseRequestHandler):
    """Answers as a dashboard does that is asked for something else."""

    def handle(self) -> None:
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.fixture
def cluster(started_cluster: Cluster) -> Cluster:
    """A cluster without workers."""
    started_cluster.restore(0)
    return started_cluster


def declare(folder: ProjectFolder, cluster: Cluster, *, root: str = "data", **more: str) -> None:
    """One table, stored where all workers see it."""
    storages = f'storages: {{default: {{root: "{root}", shared: true}}}}\n'
    table = "".join(f", {key}: {value}" for key, value in more.items())
    folder.declare(
        f"place: {{columns: {{folder: string, module: string}}{table}}}", CODE, top=f"{storages}{cluster.execution}\n"
    )


def started(cluster: Cluster, number: int, **environ: str) -> None:
    cluster.start_worker(number, **environ)
    cluster.await_worker(number)


def test_files_by_relative_paths(folder: ProjectFolder, cli: Cli, cluster: Cluster) -> None:
    """They are found as in the project's folder, if they are named under `uses`; else that is what the failure says."""
    declare(folder, cluster, uses="{files: [rates/one.txt]}")
    for name in ("one", "two"):
        folder.write(f"rates/{name}.txt", name)
    folder.edit("transforms.py", '"module": [__file__]', '"module": [Path("rates/one.txt").read_text()]')
    started(cluster, 0)
    ran = cli("run")
    assert ran.code == 0, ran.err
    assert "one" in cli("show", "place").out
    hint = "workers are given the files that are named: write `uses: {files: [rates/one.txt, rates/two.txt]}`"
    for path in ('Path("rates/two.txt")', 'Path(__file__).parent / "rates" / "two.txt"'):
        folder.edit("transforms.py", 'Path("rates/one.txt")', f"({path})")
        ran = cli("run")
        assert ran.code == 1
        assert hint in ran.err
        folder.edit("transforms.py", f"({path})", 'Path("rates/one.txt")')
    folder.edit("transforms.py", 'Path("rates/one.txt")', 'Path("rates/three.txt")')
    ran = cli("run")
    assert "rates/three.txt" in ran.out
    assert "workers are given" not in ran.err


def test_worker_that_differs_is_given_nothing(folder: ProjectFolder, cli: Cli, cluster: Cluster) -> None:
    """Each is said with all of its differences; others do the work."""
    declare(folder, cluster, root="${LAKE_ROOT:-data}/${LAKE_TOKEN}", uses="{env: [MARKET]}")
    folder.write("without/sitecustomize.py", WITHOUT)
    folder.edit("transforms.py", "import os\n", "import nowhere\nimport os\n", 1)
    folder.write("older/pandas-0.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: pandas\nVersion: 0.9\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKE_TOKEN", "t0k3n")
        patch.setenv("MARKET", "north")
        without = f"{folder.path / 'without'}:{folder.path / 'older'}"
        started(cluster, 0, PYTHONPATH=without, LAKE_TOKEN="t0k3n", MARKET="south")
        started(cluster, 1, PYTHONPATH=str(folder.path / "older"), MARKET="south")
        ran = cli("run")
        assert ran.code == 1
        assert f"no worker of the {cluster.name} cluster fits this project" in ran.err
        common = (
            f"it has pandas 0.9, not {pandas.__version__}; it has no module `nowhere`, nor has this machine: install"
            " it, or correct the import"
        )
        other = "it has another value of the environment variable `MARKET`"
        assert f": it has no lakehouse-cli; {common}; {other}" in ran.err
        assert f": {common}; it lacks the environment variable `LAKE_TOKEN`; {other}" in ran.err
        folder.edit("transforms.py", "import nowhere\n", "")
        started(cluster, 2, LAKE_TOKEN="t0k3n-of-the-worker", MARKET="north")
        ran = cli("run", "-o", "json")
        assert ran.statuses == {"place": "materialized"}, ran.err
        assert "is given nothing: it has no lakehouse-cli; it has pandas 0.9" in ran.err
        assert "computed with ${LAKE_TOKEN}" in ran.err
        assert "logged with ${LAKE_TOKEN}" in ran.err
        assert "shell ${LAKE_TOKEN}" in ran.err
        assert "shell errors ${LAKE_TOKEN}" in ran.err
        assert "t0k3n-of-the-worker" not in ran.err + ran.out
    stored = (folder.path / "data" / "t0k3n-of-the-worker" / "place.csv").read_text()
    assert f"{cluster.folder}/worker-2" in stored
    assert "t0k3n" not in cluster.logs()


def test_code_and_files_travel(folder: ProjectFolder, cli: Cli, cluster: Cluster) -> None:
    """To a folder of the worker's, named by their content; an edit makes another, in another process."""
    declare(folder, cluster, uses="{files: [lookups/*.txt]}")
    folder.write("lookups/name.txt", "first")
    folder.add("transforms.py", '\nassert Path(__file__).with_name("lookups").joinpath("name.txt").read_text()\n')
    started(cluster, 0)
    assert cli("run").code == 0
    first = folder.read("data/place.csv")
    assert f"{cluster.folder}/worker-0" in first
    assert "/files/transforms.py" in first
    assert cli("run", "-o", "json").statuses == {"place": "unchanged"}
    folder.write("lookups/name.txt", "second")
    again = cli("run", "-o", "json")
    assert again.json["tables"][0]["reasons"][0]["code"] == "file_changed"
    assert folder.read("data/place.csv") != first
    assert cli("run", "-o", "json").statuses == {"place": "unchanged"}


def test_table_is_given_gpus(folder: ProjectFolder, cli: Cli, cluster: Cluster) -> None:
    """As many as it asks for; where the engine says which, it sees these and not those of the table before it."""
    declare(folder, cluster, resources="{gpus: 2}", inputs="[one]")
    folder.edit("lakehouse.yaml", "place: {", "one: {resources: {gpus: 1}, columns: {n: int64}}\n  place: {")
    folder.edit(
        "transforms.py", "def place()", "def one() -> pa.Table:\n    return pa.table({'n': [1]})\n\n\ndef place(one)"
    )
    folder.edit("transforms.py", 'os.environ["HOME"]', "os.environ.get('CUDA_VISIBLE_DEVICES')")
    cluster.start_worker(0, gpus=2)
    cluster.await_worker(0)
    ran = cli("run", "-o", "json")
    assert set(ran.statuses.values()) == {"materialized"}, ran.err
    assert folder.read("data/place.csv").splitlines()[1].startswith('"0,1"' if cluster.executor == "ray" else ",")


def test_bundle_that_is_too_large(folder: ProjectFolder, cli: Cli, cluster: Cluster) -> None:
    declare(folder, cluster, uses="{files: [large.bin, small.txt]}")
    folder.write("small.txt", "small")
    with (folder.path / "large.bin").open("wb") as file:
        file.truncate(200_000_000)
    ran = cli("run")
    assert ran.code == 1
    assert "200.0 MB" in ran.out
    assert "`large.bin` 200.0 MB" in ran.out


def test_table_that_no_worker_can_have(folder: ProjectFolder, cluster: Cluster) -> None:
    """It is said what none has, once; the run goes on as soon as one that has it joins."""
    declare(folder, cluster, resources="{memory: 2GiB}")
    cluster.start_worker(0, memory="1GiB")
    cluster.await_worker(0)
    why = "no worker has 2 GiB of memory (the most is 1 GiB)"
    with running(folder.path, "run") as run:
        run.reports(f"note: `place` waits, as {why}: start one that has it, or ask for less under `resources`")
        run.interrupt()
        assert run.ends() == 130
    assert f"interrupted; it waited, as {why}" in run.out
    with running(folder.path, "run") as run:
        run.reports(f"as {why}: ")
        cluster.start_worker(1, memory="3GiB")
        assert run.ends() == 0
    assert run.err.count(why) == 1


def test_workers_that_are_stopped_keep_no_other_waiting(folder: ProjectFolder, cluster: Cluster) -> None:
    """They are greeted at the same time as others, and the run ends though they do not answer."""
    if cluster.executor == "ray":
        pytest.skip("a node of Ray's starts a dozen processes; its driver waits for none of them in a thread")
    declare(folder, cluster)
    for number in range(6):
        started(cluster, number)
        if number < 5:
            cluster.stop_worker(cluster.workers[number].pid)
    with running(folder.path, "run") as run:
        assert run.ends() == 0, run
    assert "destroyed" not in run.err
    assert f"{cluster.folder}/worker-5" in folder.read("data/place.csv")


def test_address_where_nothing_answers(folder: ProjectFolder, cli: Cli, cluster: Cluster, s3_server: S3Server) -> None:
    declare(folder, cluster)
    declared = folder.read("lakehouse.yaml")
    folder.edit("lakehouse.yaml", str(cluster.port), str(free_port()))
    ran = cli("run")
    assert ran.code == 1
    assert cluster.silence in ran.out
    assert cli("runs", "-o", "json").json["runs"][0]["status"] == "failed"
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        folder.write("lakehouse.yaml", declared.replace(str(cluster.port), str(server.server_address[1])))
        ran = cli("run")
        server.shutdown()
    assert ran.code == 1
    assert cluster.silence in ran.out
    folder.write("lakehouse.yaml", declared.replace(str(cluster.port), str(s3_server.grpc_port)))
    ran = cli("run")
    assert ran.code == 1
    assert cluster.silence in ran.out
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, and says nothing
        folder.write("lakehouse.yaml", declared.replace(str(cluster.port), str(mute.getsockname()[1])))
        ran = cli("run")
    assert ran.code == 1
    assert cluster.silence in ran.out


def test_worker_that_joins_later(folder: ProjectFolder, cluster: Cluster) -> None:
    """It is compared in a run that has begun, and given work: the first table waits for one that it computes.

    One that differs is given none, and all its differences are said.
    """
    declare(folder, cluster, uses="{env: [MARKET]}")
    folder.write("older/pandas-0.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: pandas\nVersion: 0.9\n")
    folder.edit("lakehouse.yaml", "place: {", "first: {columns: {n: int64}}\n  place: {")
    other = folder.path / "data" / "place.csv"
    folder.add(
        "transforms.py",
        f"""

def first() -> pa.Table:
    print("begun")
    while not Path({str(other)!r}).exists():
        time.sleep(0.05)
    return pa.table({{"n": [1]}})
""",
    )
    folder.edit("transforms.py", "import os\n", "import os\nimport time\n", 1)
    started(cluster, 0)
    with running(folder.path, "run", "first", "place") as run:
        run.reports("begun")
        started(cluster, 1, PYTHONPATH=str(folder.path / "older"), MARKET="south")
        run.reports("is given nothing: it has pandas 0.9, not ")
        run.reports("; it has another value of the environment variable `MARKET`")
        assert not other.exists()
        started(cluster, 2)
        assert run.ends() == 0
    assert f"{cluster.folder}/worker-2" in other.read_text()
