"""Transforms on frames of dask, whose partitions the workers of a Dask cluster share; `make test-clusters` runs this."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.clusters.servers import Cluster, DaskCluster
from tests.conftest import Cli, ProjectFolder
from tests.servers.s3 import S3Server

CODE = """
import os
import time
from decimal import Decimal

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pyarrow as pa

from names import Named, shout


def numbers() -> pa.Table:
    # Of some 32 MB each partition is.
    n = np.arange(400)
    texts = [f"{i % 40:08d}" + f"{i:08d}" * 32767 if i % 100 != 99 else None for i in range(400)]
    return pa.table({"n": n, "group": n % 7, "odd": pa.array(n, mask=n % 100 == 99), "text": texts})


def placed(part: pd.DataFrame) -> pd.DataFrame:
    name = Named(shout(part.text.iloc[0][:8] + "é")).name
    return part.assign(name=name, price=Decimal("1.10"), place=os.getcwd().rpartition("/")[2]).drop(columns="text")


def spread(numbers: dd.DataFrame) -> dd.DataFrame:
    print("placing", numbers.npartitions)
    return numbers.map_partitions(placed)


def totals(numbers: dd.DataFrame) -> dd.DataFrame:
    most = numbers.n.max().compute()
    short = numbers.assign(text=numbers.text.str.slice(0, 8))
    means = short.groupby("text").odd.mean().reset_index().rename(columns={"odd": "mean"})
    found = short[short.n < most].merge(means, on="text")
    return found.groupby("group").agg({"n": "sum", "mean": "sum"}).reset_index()
"""
NAMES = """
def shout(text):
    return text.upper()


class Named:
    def __init__(self, name):
        self.name = name
"""
TABLES = """numbers: {columns: {n: int64, group: int64, odd: int64, text: string}}
spread:
  key: [n]
  columns: {n: int64, group: int64, odd: int64, name: string, price: "decimal128(9, 2)", place: string}
totals: {key: [group], columns: {group: int64, n: int64, mean: float64}}
"""


@pytest.fixture(scope="session", params=[DaskCluster])
def started_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, places: dict[str, str]
) -> Iterator[Cluster]:
    """A cluster of Dask."""
    cluster = request.param(tmp_path_factory.mktemp("cluster"), {**places, "LAKEHOUSE_SMALL": "1"})
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, s3_server: S3Server, places: dict[str, str]) -> None:
    s3_server.make_bucket("lake")
    for name, value in places.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def project(folder: ProjectFolder, cluster: Cluster) -> ProjectFolder:
    bucket = f'{{root: "s3://${{LAKE_BUCKET}}/{folder.path.name}-{time.time_ns()}", format: parquet}}'
    top = "storages: {default: {root: data, format: parquet}}\nenvironments:\n  here: {}\n"
    top += f"  cluster:\n    storages: {{default: {bucket}}}\n    {cluster.execution}\n"
    folder.declare(TABLES, CODE, top=top)
    folder.write("names.py", NAMES)
    return folder


def test_partitions_are_computed_by_all_workers(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("run", "--env", "cluster", "-o", "json")
    assert set(ran.statuses.values()) == {"materialized"}, ran.err
    print(ran.err)
    shown = cli("sql", "--env", "cluster", "select place, name, count(*) n from spread group by all order by 1")
    print(shown.out)
    assert 0
