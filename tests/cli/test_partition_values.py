"""Values of dimensions of time that paths of sources say: periods, null, and what is neither."""

from __future__ import annotations

import re

import pytest

from tests.cli.test_partitions import planned, run
from tests.conftest import Cli, ProjectFolder

DIMENSIONS = "dimensions: {day: {every: day}, month: {every: month}}\n"
NULL = "__HIVE_DEFAULT_PARTITION__"
FOLDERS = """
s: {kind: source, path: raw/, partitions: [day], columns: {v: int64}}
d: {partitions: [day], inputs: [s], columns: {day: date32, v: int64}}
m: {partitions: [month], inputs: {s: d}, columns: {v: int64}}
"""
CODE = """
import pyarrow as pa
import pyarrow.compute as pc

def d(s: pa.Table) -> pa.Table:
    return pa.table({"v": [pc.sum(s["v"]).as_py() or 0]})

m = d
"""


def put(folder: ProjectFolder, *paths: str) -> None:
    for each in paths:
        folder.write(f"data/{each}.csv", "v\n1\n")


def sums(cli: Cli, table: str) -> dict[str, int]:
    """The value of each stored partition."""
    done = cli("show", table, "-o", "json")
    assert done.code == 0, done
    return {str(row.get("month", row.get("day"))): row["v"] for row in done.json["rows"]}


@pytest.mark.parametrize("path", ["raw/", "raw/day={day}/p"])
def test_what_is_no_period_is_misnamed(folder: ProjectFolder, cli: Cli, path: str) -> None:
    source = f'{{kind: source, path: "{path}", columns: {{v: int64}}'
    tables = FOLDERS.replace("{kind: source, path: raw/, partitions: [day], columns: {v: int64}", source)
    folder.declare(FOLDERS if path == "raw/" else tables, CODE, top=DIMENSIONS)
    put(folder, "raw/day=2024-01-03/p")
    run(cli)
    wrong = ["20240110", "2024-1-4", "2024-02-30", "2024-01-06T00", "oops", "2024-01", " 2024-01-05"]
    wrong += [""] * (path == "raw/")
    put(folder, *(f"raw/day={each}/p" for each in wrong))
    plan = cli("plan").out
    assert re.search(rf"✗  s +misnamed +{len(wrong)} files of source `s` are not named as its path says", plan)
    for each in wrong:
        assert f"day={each}/p.csv (" in plan
    assert "(`2024-02-30` is no day: February 2024 has 29 days)" in plan
    done = cli("run")
    assert done.code == 1
    assert "name it by its day, as `2024-01-03`, move it away, or give the dimension `day` another name" in done.err
    assert sums(cli, "d") == {"2024-01-03": 1}


def test_folders_of_a_year_and_a_month_are_no_months(folder: ProjectFolder, cli: Cli) -> None:
    tables = """
s: {kind: source, path: raw/, partitions: [year, month], columns: {v: int64}}
d: {partitions: [month], inputs: [s], columns: {v: int64}}
"""
    folder.declare(tables, CODE, top=DIMENSIONS)
    put(folder, "raw/year=2024/month=01/p")
    done = cli("run")
    assert done.code == 1
    assert "month=01/p.csv (`01` is no month)" in done.err


def test_file_in_no_folder_of_a_dimension_is_misnamed(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(FOLDERS.split("m: ")[0].replace("date32", "string"), CODE)  # of texts, too
    put(folder, "raw/day=2024-01-03/p", "raw/stray", "raw/other=1/q")
    plan = cli("plan").out
    assert "2 files of source `s` are not named as its path says: " in plan
    assert "data/raw/stray.csv (it is in no folder `day=…`)" in plan
    assert "data/raw/other=1/q.csv (it is in no folder `day=…`)" in plan
    for name in ("stray", "other=1/q"):
        (folder.path / f"data/raw/{name}.csv").unlink()
    put(folder, f"raw/day={NULL}/p")
    run(cli)
    assert sums(cli, "d") == {"2024-01-03": 1, "None": 1}


@pytest.mark.parametrize("zone", ["Europe/Zurich", "UTC"])
def test_hour_that_clocks_leave_out_is_misnamed(folder: ProjectFolder, cli: Cli, zone: str) -> None:
    top = f"dimensions: {{h: {{every: hour, timezone: {zone}}}}}\n"
    tables = """
s: {kind: source, path: "raw/h_{h:%Y-%m-%dT%H}", columns: {v: int64}}
d: {partitions: [h], inputs: [s], columns: {v: int64}}
"""
    folder.declare(tables, CODE, top=top)
    put(folder, *(f"raw/h_2024-03-31T0{hour}" for hour in range(4)))
    plan = cli("plan").out
    assert ("(`2024-03-31T02` is no hour: the clocks of Europe/Zurich leave it out)" in plan) == (zone != "UTC")
    assert cli("run").code == (zone != "UTC")


@pytest.mark.parametrize("start", ["", ", start: 2024-01, end: 2024-02"])
def test_null_of_a_period_is_a_partition(folder: ProjectFolder, cli: Cli, start: str) -> None:
    more = """
n: {partitions: [day], inputs: {s: {table: d, at: {day: [-1, 0]}, missing: skip}}, columns: {day: date32, v: int64}}
o: {partitions: [month], path: "out/{month:%Y%m}", inputs: {s: d}, columns: {month: date32, v: int64}}
"""
    tables = FOLDERS.replace("inputs: {s: d}, columns: {", "inputs: {s: d}, columns: {month: string, ")
    top = DIMENSIONS.replace("every: month", f"every: month{start}")
    folder.declare(tables + more, f"{CODE}\nn = o = d\n", top=top)
    put(folder, "raw/day=2024-01-03/p", "raw/day=2024-02-03/p", f"raw/day={NULL}/p", f"raw/day={NULL}/q")
    run(cli)
    assert sums(cli, "d") == {"2024-01-03": 1, "2024-02-03": 1, "None": 2}
    assert sums(cli, "n") == {"2024-01-03": 1, "2024-02-03": 1, "None": 2}
    assert sums(cli, "m") == {"2024-01": 1, "2024-02": 1, "None": 2}
    assert sums(cli, "o") == {"2024-01-01": 1, "2024-02-01": 1, "None": 2}
    assert planned(cli) == {}
    assert cli("show", "d", "--partition", f"day={NULL}", "-o", "json").json["rows"] == [{"day": None, "v": 2}]
    (folder.path / f"data/raw/day={NULL}/q.csv").unlink()
    assert run(cli, "--partition", f"day={NULL}", "d") == {"d": {NULL: "materialized"}}


def test_days_that_are_not_declared_are_not_given_to_each_month(folder: ProjectFolder, cli: Cli) -> None:
    tables = """
s: {kind: source, path: raw/, partitions: [region, KEY], columns: {KEY: TYPE, v: int64}}
m: {partitions: [region, month], inputs: [s], columns: {month: string, v: int64}}
"""
    code = CODE.replace("def d(", "def m(").replace("m = d", "")
    put(folder, "raw/region=eu/day=2024-01-31/p", "raw/region=eu/day=2024-02-01/p")
    for key, kind in (("day", "string"), ("day", "date32"), ("d", "date32")):
        for start in ("", ", start: 2024-01, end: 2024-02"):
            top = f"dimensions: {{month: {{every: month{start}}}}}\n"
            folder.declare(tables.replace("KEY", key).replace("TYPE", kind), code, top=top)
            done = cli("validate")
            assert done.code != 0
            assert f"write `{key}: {{every: day}}` under `dimensions:`" in done.err
            assert "has the dimension `month`" not in done.err
    folder.declare(tables.replace("KEY", "day").replace("TYPE", "date32"), code, top=DIMENSIONS)
    run(cli)
    assert sums(cli, "m") == {"2024-01": 1, "2024-02": 1}


def test_input_of_several_partitions_is_none_of_them(folder: ProjectFolder, cli: Cli) -> None:
    """Whatever it is called: the months of two days may be one, and a text may read as two values."""
    tables = """
s: {kind: source, path: raw/, partitions: [day], columns: {v: int64}}
m: {partitions: [month], inputs: [s], columns: {v: int64}}
d: {partitions: [day], inputs: {t: s, s: {table: m, at: {day: [-1, 0]}}}, columns: {day: date32, v: int64}}
u: {kind: source, path: raw2/, partitions: [a, b], columns: {v: int64}}
two: {partitions: [a, b], inputs: [u], columns: {v: int64}}
one: {partitions: [a], inputs: [two], columns: {a: string, v: int64}}
"""
    code = CODE.replace("m = d", "def m(s: pa.Table) -> pa.Table:\n    return d(s, s)\n").replace(
        "d(s: pa", "d(t, s: pa"
    )
    code += "\ndef two(u: pa.Table) -> pa.Table:\n    return m(u)\n"
    code += "\ndef one(two: pa.Table) -> pa.Table:\n    return m(two)\n"
    folder.declare(tables, code, top=DIMENSIONS)
    put(folder, *(f"raw/day={each}/p" for each in ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02")))
    put(folder, "raw2/a=x/b=y/p", "raw2/a=x%2Fb=y/b=z/p", "raw2/a=x%2Fb=y/b=z/q")
    run(cli)
    assert sums(cli, "d") == {"2024-01-30": 2, "2024-01-31": 2, "2024-02-01": 4, "2024-02-02": 2}
    done = cli("show", "one", "-o", "json").json["rows"]
    assert done == [{"a": "x", "v": 1}, {"a": "x/b=y", "v": 2}]
    assert planned(cli) == {}
