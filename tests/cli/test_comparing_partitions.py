"""`lakehouse diff` of partitioned tables as they would come out now: nothing is stored, and nothing is removed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Cli, ProjectFolder

TABLES = """
sales: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64, amount: int64}}
daily: {partitions: [day], key: [day, id], columns: {day: date32, id: int64, amount: int64}, inputs: [sales]}
monthly: {partitions: [month], columns: {month: string, amount: int64}, inputs: [daily]}
"""
CODE = """
import pandas as pd

def daily(sales):
    return sales

def monthly(daily):
    return pd.DataFrame({"amount": [daily["amount"].sum()]})
"""


@pytest.fixture
def sold(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    """Three days of two months, computed."""
    folder.declare(TABLES, CODE, top="dimensions: {month: {every: month}}\n")
    for number, day in enumerate(("2024-01-30", "2024-01-31", "2024-02-01"), 1):
        folder.write(f"data/raw/sales_{day}.csv", f"id,amount\n{number},{number}\n")
    assert cli("run").code == 0
    return folder


def compared(cli: Cli, *arguments: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(cli("diff", "-o", "json", *arguments).out)["tables"]}


def test_nothing_new_is_the_same(sold: ProjectFolder, cli: Cli) -> None:
    del sold
    assert cli("diff").code == 0


def test_changed_partitions_are_compared_as_one_table(sold: ProjectFolder, cli: Cli) -> None:
    before = sold.files()
    sold.write("data/raw/sales_2024-01-30.csv", "id,amount\n1,10\n")
    sold.write("data/raw/sales_2024-02-01.csv", "id,amount\n3,3\n4,4\n")
    sold.write("data/raw/sales_2024-02-02.csv", "id,amount\n5,5\n")
    found = compared(cli, "daily")["daily"]
    assert found["status"] == "different"
    assert found["rows"] == {"before": 3, "after": 5}
    assert (found["added"], found["removed"], found["changed"]) == (1, 0, 1)
    assert found["changed_columns"] == {"amount": 1}
    assert found["examples"]["changed"][0]["key"] == {"day": "2024-01-30", "id": 1}
    assert found["notes"] == ["`daily/day=2024-02-02` is new"]
    assert [each for each in sold.files() if not each.startswith("raw/")] == [
        each for each in before if not each.startswith("raw/")
    ]


def test_chosen_partition_is_compared_alone(sold: ProjectFolder, cli: Cli) -> None:
    sold.write("data/raw/sales_2024-01-30.csv", "id,amount\n1,10\n")
    sold.write("data/raw/sales_2024-02-01.csv", "id,amount\n3,30\n")
    found = compared(cli, "daily", "--partition", "day=2024-02-01")["daily"]
    assert (found["changed"], found["examples"]["changed"][0]["key"]["id"]) == (1, 3)
    assert compared(cli, "daily", "--partition", "day=2024-01-31")["daily"]["status"] == "equal"


def test_what_reads_several_partitions_is_not_compared_with_old_ones(sold: ProjectFolder, cli: Cli) -> None:
    sold.write("data/raw/sales_2024-01-30.csv", "id,amount\n1,10\n")
    found = compared(cli)
    assert found["daily"]["status"] == "different"
    assert found["monthly"]["status"] == "skipped"
    why = "`daily/day=2024-01-30` comes out different, and is not stored yet: run `daily`, and compare again"
    assert why in found["monthly"]["notes"][0]
    assert why in " ".join(cli("diff").out.split())


def test_partition_that_comes_out_the_same_is_equal(sold: ProjectFolder, cli: Cli) -> None:
    sold.write("data/raw/sales_2024-01-30.csv", 'id,amount\n"1",1\n')
    found = compared(cli)
    assert (found["daily"]["status"], found["monthly"]["status"]) == ("equal", "equal")


def test_diff_removes_no_partition(sold: ProjectFolder, cli: Cli) -> None:
    sold.edit("lakehouse.yaml", "{partitions: [day], ", "{gone: drop, partitions: [day], ")
    (sold.path / "data/raw/sales_2024-02-01.csv").unlink()
    before = sold.files()
    found = compared(cli, "daily")["daily"]
    assert (found["status"], found["rows"]) == ("different", {"before": 3, "after": 2})
    assert found["notes"] == ["`daily/day=2024-02-01` is gone"]
    assert sold.files() == before
    assert len(json.loads(cli("show", "daily", "-o", "json").out)["rows"]) == 3


def test_first_partitions_are_new(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(TABLES, CODE, top="dimensions: {month: {every: month}}\n")
    folder.write("data/raw/sales_2024-01-30.csv", "id,amount\n1,1\n")
    assert compared(cli, "daily")["daily"]["status"] == "added"


CHECK = "checks: [{foreign_key: {columns: id, references: daily.id}}]"
JUDGED = f"""
sales: {{kind: source, path: "raw/sales_{{day:%Y-%m-%d}}", columns: {{id: int64}}}}
daily: {{partitions: [day], key: [id], columns: {{id: int64}}, inputs: [sales], function: same}}
plain: {{partitions: [day], columns: {{id: int64}}, inputs: [sales], function: same, {CHECK}}}
one: {{partitions: [day], columns: {{id: int64}}, inputs: [sales], function: both, output: one, {CHECK}}}
two: {{partitions: [day], columns: {{id: int64}}, inputs: [sales], function: both, output: two}}
number: {{kind: source, path: raw/number, columns: {{id: int64}}}}
lite: {{storage: base, columns: {{id: int64}}, inputs: {{sales: number}}, function: same}}
base: {{storage: base, engine: storage, inputs: [lite], sql: "select id from lite", columns: {{id: int64}}, {CHECK}}}
"""
JUDGED_CODE = """
import pyarrow as pa

def same(sales: pa.Table) -> pa.Table:
    return sales

def both(sales: pa.Table) -> dict:
    return {"one": sales, "two": sales}
"""


def test_what_a_run_alone_judges_is_noted(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(JUDGED, JUDGED_CODE, top="storages: {default: {root: data}, base: {type: sqlite, root: lake.db}}\n")
    for number, day in enumerate(("2024-01-30", "2024-01-31"), 1):
        folder.write(f"data/raw/sales_{day}.csv", f"id\n{number}\n")
    folder.write("data/raw/number.csv", "id\n1\n")
    assert cli("run").code == 0
    folder.write("data/raw/sales_2024-01-31.csv", "id\n1\n")
    folder.write("data/raw/number.csv", "id\n2\n")
    of_keys = "judged against other partitions by a run alone: key"
    of_check = "check `foreign_key` was not judged: `daily` comes out different, and is not stored yet"
    notes = {name: table["notes"] for name, table in compared(cli).items()}
    of_day = [f"day=2024-01-30: {of_check} (and 1 more)"]  # one is computed, the other is stored
    assert notes == {"daily": [of_keys], "plain": of_day, "one": of_day, "two": [], "lite": [], "base": [of_check]}
    assert f"  {of_check}\n" in cli("diff", "base", "lite", "daily").out
    # What is stored would be judged anew.
    stored = compared(cli, "base", "daily")["base"]
    assert (stored["status"], stored["notes"]) == ("equal", [f"up to date; {of_check}"])
    assert "1 row has a key of another partition" in cli("run").err


def test_what_reads_a_partition_that_is_gone_is_not_compared(folder: ProjectFolder, cli: Cli) -> None:
    """It stays stored, and is read with the others; what a check finds in it is not there any more, too."""
    gone = """
    sales: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
    fixed: {kind: source, columns: {id: int64}}
    daily: {partitions: [day], gone: drop, inputs: [sales], columns: {id: int64}, function: same}
    whole: {inputs: {sales: daily}, columns: {id: int64}, function: same}
    other: {inputs: {sales: fixed}, columns: {id: int64}, function: same, CHECK}
    """
    folder.declare(gone.replace("CHECK", CHECK), "def same(sales):\n    return sales\n")
    for number, day in enumerate(("2024-01-30", "2024-01-31"), 1):
        folder.write(f"data/raw/sales_{day}.csv", f"id\n{number}\n")
    folder.write("data/fixed.csv", "id\n1\n2\n")
    assert cli("run").code == 0
    (folder.path / "data/raw/sales_2024-01-31.csv").unlink()
    found = compared(cli)
    assert found["daily"]["notes"] == ["`daily/day=2024-01-31` is gone"]
    assert found["whole"]["status"] == "skipped"
    (why,) = found["whole"]["notes"]
    assert why == "`daily/day=2024-01-31` is gone, and is still stored: run `daily`, and compare again"
    (why,) = found["other"]["notes"]
    assert why.endswith("check `foreign_key` was not judged: `daily` comes out different, and is not stored yet")
    ran = cli("run")
    assert ran.code == 1
    assert "other  check `foreign_key`: 1 value of `id` is not in `daily.id`" in ran.err
