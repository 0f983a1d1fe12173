"""The examples computed here and on a cluster are the same; `make test-clusters` runs this file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clusters.servers import Cluster
from tests.conftest import Cli, ProjectFolder
from tests.servers.s3 import S3Server

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, s3_server: S3Server, places: dict[str, str]) -> None:
    s3_server.make_bucket("lake")
    for name, value in places.items():
        monkeypatch.setenv(name, value)


def copied(folder: ProjectFolder, example: str, cluster: Cluster, storage: str, sources: str) -> None:
    """An example with an environment on the cluster, whose sources are where all see them."""
    for item in (EXAMPLES / example).iterdir():
        if item.is_dir():
            shutil.copytree(item, folder.path / item.name, ignore=shutil.ignore_patterns("__pycache__", "made"))
        else:
            shutil.copy(item, folder.path)
    if "environments:" not in folder.read("lakehouse.yaml"):
        folder.edit("lakehouse.yaml", "\ntables:", "\nenvironments:\n  here: {}\n\ntables:", 1)
    sources = f"{sources}: {{shared: true}}"
    folder.edit(
        "lakehouse.yaml",
        "\nenvironments:\n",
        f"\nenvironments:\n  cluster:\n    {cluster.execution}\n    storages: {{{sources}, default: {storage}}}\n",
        1,
    )


BUCKET = '{root: "s3://${LAKE_BUCKET}/%s", format: parquet}'
WAREHOUSE = '{root: "postgresql://${PG_USER}:${PG_PASSWORD}@127.0.0.1:${PG_PORT}/%s", type: postgresql}'


@pytest.mark.parametrize("place", ["bucket", "warehouse"])
def test_lake_is_the_same(
    folder: ProjectFolder, cli: Cli, cluster: Cluster, postgresql_database: str, place: str
) -> None:
    storage = BUCKET % f"metering-{cluster.executor}" if place == "bucket" else WAREHOUSE % postgresql_database
    copied(folder, "lake", cluster, storage, "raw")
    assert cli("run", "--env", "local").code == 0
    ran = cli("run", "--env", "cluster", "-o", "json", *(["--together"] if place == "bucket" else []))
    assert set(ran.statuses.values()) == {"materialized"}, ran.err
    compared = cli("diff", "--env", "cluster", "--against", "local")
    assert compared.code == 0, compared.out
    assert set(cli("run", "--env", "cluster", "-o", "json").statuses.values()) == {"unchanged"}


def test_nightly_is_the_same(folder: ProjectFolder, cli: Cli, cluster: Cluster) -> None:
    copied(folder, "nightly", cluster, BUCKET % f"nightly-{cluster.executor}", "files")
    subprocess.run([sys.executable, "generate.py", "--days", "33"], cwd=folder.path, check=True, env=dict(os.environ))
    here = cli("run", "--env", "here", "-o", "json")
    ran = cli("run", "--env", "cluster", "-o", "json")
    assert ran.statuses == here.statuses, ran.err
    assert ran.statuses["monthly"] == "materialized"
    compared = cli("diff", "--env", "cluster", "--against", "here")
    assert compared.code == 0, compared.out
    assert set(cli("run", "--env", "cluster", "-o", "json").statuses.values()) == {"unchanged"}


def test_rows_that_fail_are_the_same(folder: ProjectFolder, cli: Cli, cluster: Cluster) -> None:
    folder.declare(
        "t: {columns: {k: {type: int64, max: 9}, text: string}, checks: [{unique: text}]}",
        """
        import pyarrow as pa
        def t() -> pa.Table:
            return pa.table({"k": range(100_000), "text": [f"text {row % 60_000}" for row in range(100_000)]})
        """,
        top=f"storages: {{default: {{root: data, shared: true}}}}\nenvironments:\n  here: {{}}\n"
        f"  cluster:\n    {cluster.execution}\n",
    )
    found = []
    for environment in ("here", "cluster"):
        ran = cli("run", "--env", environment)
        assert f"`lakehouse show t -e {environment} --failed` shows the 100,000 rows that fail" in ran.err, ran.err
        found.append(cli("show", "t", "--failed", "--env", environment, "-o", "json").json)
    assert [each["left_out"] for each in found] == [0, 0]
    assert found[0]["rows"] == found[1]["rows"]
