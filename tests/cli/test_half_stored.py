"""Workers of a cluster that die when they have stored data, and not yet what says whose they are."""

from __future__ import annotations

import pytest

from lakehouse_cli import registry
from tests.clusters.here import Here, HereExecutor
from tests.conftest import Cli, ProjectFolder
from tests.servers.s3 import S3Server

CODE = """
import os
import random
from pathlib import Path

import pyarrow as pa

from lakehouse_cli.runner import stored_already
from lakehouse_cli.storage.keyed import base, unit_keys

stored_already.SETTLING_S = 0.2
DEATHS = Path({deaths!r})


def numbers(name: str, deaths: int) -> pa.Table:
    '''Some attempts die in the middle of storing.'''
    if len(list(DEATHS.glob(f"{{name}}.*"))) < deaths:
        (DEATHS / f"{{name}}.{{os.getpid()}}").touch()
        base._ManifestKey.put = unit_keys._IndexedManifest.put = die
    return pa.table({{"n": [random.getrandbits(60)]}})


PUT = base._ManifestKey.put


def die(self, manifest):
    '''Behind the data, and where there is no table yet behind what announces them.'''
    if manifest.table == "left" or manifest.modified_ns == 0:
        PUT(self, manifest)
    if manifest.table != "left":
        os.kill(os.getpid(), 9)
    return manifest


def table() -> pa.Table:
    return numbers("table", 2)


def parts(region: str) -> pa.Table:
    return numbers(f"parts-{{region}}", 1).append_column("region", pa.array([region]))


def pair() -> dict[str, pa.Table]:
    return {{"left": numbers("pair", 1), "right": numbers("pair", 1)}}
"""


def test_what_an_attempt_left_half_stored(
    folder: ProjectFolder, cli: Cli, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one stores over it, once nobody completes it; where there was nothing, and where there was a table."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(registry.EXECUTORS, "dask", registry.Entry("tests.clusters.here:HereExecutor"))
    monkeypatch.setattr(HereExecutor, "engine", Here)
    bucket, deaths = s3_server.make_bucket("half"), folder.path / "deaths"
    folder.declare(
        """table: {columns: {n: int64}}
parts: {partitions: [region], columns: {n: int64, region: string}}
left: {inputs: [], function: pair, output: left, columns: {n: int64}}
right: {inputs: [], function: pair, output: right, columns: {n: int64}}
""",
        CODE.format(deaths=str(deaths)),
        top=f'storages: {{default: {{root: "s3://{bucket}/lake"}}}}\ndimensions: {{region: [eu, us]}}\n'
        'execution: {executor: dask, options: {address: "tcp://here:1"}}\ndefaults: {retries: 2, retry_delay: 0.01}\n',
    )
    deaths.mkdir()
    for _ in range(2):
        ran = cli("run", "--force", "-o", "json")
        assert set(ran.statuses.values()) == {"materialized"}, ran.out
        attempts = {table["name"]: table["attempts"] for table in ran.json["tables"]}
        assert attempts == {"table": 3, "parts": 2, "left": 2, "right": 2}
        for each in deaths.iterdir():
            each.unlink()
        plan = cli("plan", "-o", "json")
        assert {table["action"] for table in plan.json["tables"]} == {"skip"}, plan.out
