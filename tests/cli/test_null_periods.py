"""Null periods, wherever partitions are stored and read: the same sums as pandas has, and nothing is due after."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.cli.test_partitions import planned, run
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import PostgreSQL
from tests.servers.s3 import S3Server

NULL = "__HIVE_DEFAULT_PARTITION__"
TOP = """
dimensions: {day: {every: day}, month: {every: month}}
storages:
  files: {root: data}
  default: STORAGE
"""
TABLES = """
s: {kind: source, path: raw/, storage: RAW, format: csv, partitions: [region, day], columns: {v: int64}}
d: {partitions: [region, day], inputs: [s], columns: {region: string, day: date32, v: int64}}
m: {partitions: [month], inputs: {s: d}, columns: {month: date32, region: string, v: int64}}
near:
  partitions: [region, day]
  inputs: {s: {table: d, at: {day: [-1, 0]}, missing: skip}}
  columns: {region: string, day: date32, v: int64}
r: {inputs: {s: d}, columns: {region: string, v: int64}}
"""
QUERIES = """
qd:
  engine: storage
  partitions: [region, day]
  inputs: [d]
  columns: {region: string, day: date32, v: int64, is_null: bool}
  sql: select cast(sum(v) as bigint) as v, $day is null as is_null from d
qm:
  engine: storage
  partitions: [month]
  inputs: [d]
  columns: {month: date32, region: string, v: int64}
  sql: select region, cast(sum(v) as bigint) as v from d group by region
qn:
  engine: storage
  partitions: [region, day]
  inputs: {d: {table: d, at: {day: [-1, 0]}, missing: skip}}
  columns: {region: string, day: date32, v: int64}
  sql: select cast(sum(v) as bigint) as v from d
qr:
  engine: storage
  inputs: [d]
  columns: {region: string, v: int64}
  sql: select region, cast(sum(v) as bigint) as v from d group by region
"""
CODE = """
def d(s):
    return s


def m(s):
    return s.groupby("region", as_index=False, dropna=False)["v"].sum()


r = m


def near(s):
    return s[["v"]].sum().to_frame().T
"""
#: By region and day.
VALUES = {
    ("eu", "2024-01-31"): [1, 2],
    ("eu", "2024-02-01"): [4],
    ("eu", NULL): [8],
    (NULL, "2024-02-01"): [16],
    (NULL, "2024-02-02"): [32],
    (NULL, NULL): [64, 128],
}


def rows(cli: Cli, name: str, *by: str) -> dict[Any, int]:
    """The value of each row, by other columns of it."""
    found = cli("show", name, "-n", "99", "-o", "json").json["rows"]
    assert len({tuple(row[each] for each in by) for row in found}) == len(found)
    return {tuple(row[each] for each in by): row["v"] for row in found}


def sums(frame: pd.DataFrame, *by: str) -> dict[Any, int]:
    """The same, as pandas sums it."""
    found = frame.groupby([*by], dropna=False, as_index=False)["v"].sum()
    keys = ([None if pd.isna(each) else each for each in found[name]] for name in by)
    return dict(zip(zip(*keys, strict=True), map(int, found["v"]), strict=True))


@pytest.mark.parametrize("kind", ["postgresql", "s3", "sqlite", pytest.param("duckdb", marks=pytest.mark.slow)])
def test_null_periods_are_summed_as_pandas_does(
    folder: ProjectFolder, cli: Cli, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = {f"raw/region={region}/day={day}/p.csv": values for (region, day), values in VALUES.items()}
    texts = {name: "v\n" + "".join(f"{value}\n" for value in values) for name, values in raw.items()}
    storage = f"{{type: {kind}, root: lake.{kind}}}"
    if kind == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        storage = f"{{root: '{server.url(request.getfixturevalue('postgresql_database'))}'}}"
    elif kind == "s3":
        s3: S3Server = request.getfixturevalue("s3_server")
        s3.make_bucket("lake")
        prefix = f"nulls-{folder.path.parent.name}"
        for name in ("access_key_id", "secret_access_key"):
            monkeypatch.setenv(name.upper(), s3.options[name])
        options = "region: us-east-1, access_key_id: '${ACCESS_KEY_ID}', secret_access_key: '${SECRET_ACCESS_KEY}'"
        options += f", endpoint: {s3.endpoint}, allow_http: true"
        storage = f"{{root: 's3://lake/{prefix}', options: {{{options}}}}}"
        for name, text in texts.items():
            s3.store("lake").put(f"{prefix}/{name}", text.encode())
    if kind != "s3":
        for name, text in texts.items():
            folder.write(f"data/{name}", text)
    tables = TABLES.replace("RAW", "default" if kind == "s3" else "files") + (QUERIES if kind != "s3" else "")
    folder.declare(tables, CODE, top=TOP.replace("STORAGE", storage))
    run(cli)
    read = pd.DataFrame(
        [(*key, value) for key, values in VALUES.items() for value in values], columns=["region", "day", "v"]
    )
    read = read.replace(NULL, None)
    days = pd.to_datetime(read["day"])
    read["month"] = days.dt.strftime("%Y-%m-01").where(days.notna(), None)
    following = (days + pd.Timedelta(days=1)).dt.strftime("%Y-%m-%d")
    near = pd.concat([read, read.assign(day=following).dropna(subset="day")])
    pairs = set(sums(read, "region", "day"))
    expected = {
        "d": sums(read, "region", "day"),
        "m": sums(read, "region", "month"),
        "near": {key: value for key, value in sums(near, "region", "day").items() if key in pairs},
        "r": sums(read, "region"),
    }
    by = {"d": ("region", "day"), "m": ("region", "month"), "near": ("region", "day"), "r": ("region",)}
    queried = {"d": "qd", "m": "qm", "near": "qn", "r": "qr"}
    found = cli("show", "d", "-n", "99", "-o", "json").json["rows"]
    assert sums(pd.DataFrame(found), "region", "day") == expected["d"]
    for name in ("m", "near", "r"):
        assert rows(cli, name, *by[name]) == expected[name], name
    for name in queried if kind != "s3" else ():
        assert rows(cli, queried[name], *by[name]) == expected[name], queried[name]
    assert planned(cli) == {}
    if kind != "s3":
        known = cli("show", "qd", "-n", "99", "-o", "json").json["rows"]
        assert all(row["is_null"] == (row["day"] is None) for row in known)
    assert set(run(cli, "--force", "--partition", f"day={NULL}", "d")["d"]) == {f"eu/{NULL}", f"{NULL}/{NULL}"}
