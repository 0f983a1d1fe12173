"""`--partition` where nothing is computed: `show`, `check`, `diff --against`, `clean`, and `Project.read`."""

from __future__ import annotations

import json
from datetime import date

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import UsageError
from tests.conftest import Cli, ProjectFolder

TABLES = """
sales: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64, amount: int64}}
shops: {kind: source, path: raw/shops, columns: {id: int64}}
daily: {partitions: [day], columns: {day: date32, id: int64, amount: {type: int64, max: 9}}, inputs: [sales]}
total: {columns: {amount: int64}, inputs: [daily]}
"""
CODE = """
import pandas as pd

def daily(sales):
    return sales

def total(daily):
    return pd.DataFrame({"amount": [daily["amount"].sum()]})
"""


@pytest.fixture
def sold(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    """Sales of four days of two months, computed by day."""
    folder.declare(
        TABLES,
        CODE,
        top="dimensions: {month: {every: month}}\nenvironments: {other: {storages: {default: {root: other}}}}\n",
    )
    for number, day in enumerate(("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"), 1):
        folder.write(f"data/raw/sales_{day}.csv", f"id,amount\n{number},{number}\n")
    folder.write("data/raw/shops.csv", "id\n1\n")
    assert cli("run").code == 0
    return folder


def ids(cli: Cli, *arguments: str) -> list[int]:
    shown = json.loads(cli("show", *arguments, "-o", "json").out)
    return [row["id"] for row in shown["rows"]]


@pytest.mark.parametrize("table", ["daily", "sales"])
@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["day=2024-01-31"], [2]),
        (["day=2024-01-31..2024-02-01"], [2, 3]),
        (["day=2024-02-02", "day=2024-01-30"], [1, 4]),
        (["month=2024-02"], [3, 4]),
        (["month=2024-02", "day=2024-02-02"], [4]),
    ],
)
def test_chosen_partitions_are_shown(
    sold: ProjectFolder, cli: Cli, table: str, given: list[str], wanted: list[int]
) -> None:
    del sold
    assert ids(cli, table, *(word for each in given for word in ("--partition", each))) == wanted


def test_shown_partitions_are_named(sold: ProjectFolder, cli: Cli) -> None:
    del sold
    assert "· 4 rows in 4 partitions (day=2024-01-30 to day=2024-02-02)" in cli("show", "daily").out
    assert "· 1 row in 1 partition (day=2024-02-01)" in cli("show", "daily", "--partition", "day=2024-02-01").out
    shown = json.loads(cli("show", "daily", "-o", "json", "--partition", "month=2024-01").out)
    assert shown["partitions"] == [{"day": "2024-01-30"}, {"day": "2024-01-31"}]
    assert "partitions" not in json.loads(cli("show", "total", "-o", "json").out)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("show daily --partition day=2024-03-01", "no partition of `daily` is day=2024-03-01"),
        ("show total --partition day=2024-02-01", "`total` has no partitions by `day`"),
        ("show shops --partition day=2024-02-01", "`shops` has no partitions by `day`"),
        ("check total --partition day=2024-02-01", "`total` has no partitions by `day`"),
        ("check --partition day=2024-03-01", "is day=2024-03-01"),
        ("check shops total --partition day=2024-02-01", "has no partitions by `day`"),
        ("clean daily", "error: which partitions of the tables is not said"),
        ("clean daily", "name the tables, and which of their partitions"),
        ("clean --partition day=2024-02-01", "name the tables, and which of their partitions"),
        ("clean sales --partition day=2024-02-01", "no table of the selection has partitions by `day`"),
        ("clean daily --partition day=2024-03-01", "no partition of `daily` is day=2024-03-01"),
    ],
)
def test_partition_that_is_not_there_is_refused(sold: ProjectFolder, cli: Cli, command: str, message: str) -> None:
    before = sold.files()
    done = cli(*command.split(" "))
    assert done.code == 2
    assert message in done.err
    assert sold.files() == before


def test_partition_that_was_never_computed_is_missing(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(TABLES, CODE)
    folder.write("data/raw/sales_2024-01-30.csv", "id,amount\n1,1\n")
    done = cli("show", "daily", "--partition", "day=2024-01-30")
    assert done.code == 1
    assert "nothing is stored of `daily`" in done.err


def test_partitions_are_read_in_python(sold: ProjectFolder) -> None:
    project = Project.load(sold.path)
    assert project.read("daily", {"month": "2024-02"})["id"].tolist() == [3, 4]
    assert project.read("daily", partition={"day": date(2024, 1, 31)})["id"].tolist() == [2]
    with pytest.raises(UsageError, match="no mapping of dimensions to values"):
        project.read("daily", dict)  # type: ignore[arg-type]
    assert project.read_arrow("daily", {"day": "2024-01-31..2024-02-01"})["id"].to_pylist() == [2, 3]
    assert project.read_arrow("daily")["id"].to_pylist() == [1, 2, 3, 4]
    with pytest.raises(UsageError, match="no dimension `dya`"):
        project.read("daily", {"dya": "2024-02-01"})


def test_check_judges_chosen_partitions_alone(sold: ProjectFolder, cli: Cli) -> None:
    sold.edit("lakehouse.yaml", "max: 9", "max: 3")  # which that of 2 February breaks
    good = json.loads(cli("check", "--partition", "month=2024-01", "-o", "json").out)
    assert {each["name"]: (each["status"], each["rows"]) for each in good["tables"]} == {
        "sales": ("passed", 2),
        "daily": ("passed", 2),
    }
    bad = cli("check", "daily", "--partition", "day=2024-02-02", "-o", "json")
    assert bad.code == 1
    assert json.loads(bad.out)["tables"][0]["status"] == "failed"


def test_environments_are_compared_by_partition(sold: ProjectFolder, cli: Cli) -> None:
    sold.write("other/raw/shops.csv", "id\n1\n")
    for day, amount in (("2024-01-30", 1), ("2024-02-01", 7)):
        sold.write(f"other/raw/sales_{day}.csv", f"id,amount\n{1 if amount == 1 else 3},{amount}\n")
    assert cli("run", "-e", "other").code == 0
    assert cli("diff", "daily", "--against", "other", "--partition", "day=2024-01-30").code == 0
    changed = json.loads(cli("diff", "daily", "--against", "other", "--partition", "day=2024-02-01", "-o", "json").out)
    assert changed["tables"][0]["rows"] == {"before": 1, "after": 1}
    lacking = json.loads(cli("diff", "daily", "--against", "other", "--partition", "day=2024-02-02", "-o", "json").out)
    assert lacking["tables"][0]["added"] == 1


def test_clean_removes_partitions(sold: ProjectFolder, cli: Cli) -> None:
    assert (
        "data/daily/day=2024-02-02/data.csv" in cli("clean", "daily", "--partition", "month=2024-02", "--dry-run").out
    )
    assert len(ids(cli, "daily")) == 4
    done = json.loads(cli("clean", "daily", "--partition", "month=2024-02", "--yes", "-o", "json").out)
    assert [(each["kind"], each["table"], each["removed"]) for each in done["found"]] == [
        ("partition", "daily/day=2024-02-01", True),
        ("partition", "daily/day=2024-02-02", True),
    ]
    assert ids(cli, "daily") == [1, 2]
    assert [each for each in sold.files() if each.startswith("daily/")] == [
        "daily/day=2024-01-30/data.csv",
        "daily/day=2024-01-31/data.csv",
    ]
    assert cli("run").code == 0
    assert ids(cli, "daily") == [1, 2, 3, 4]


def test_clean_is_the_way_out_where_a_source_is_gone(sold: ProjectFolder, cli: Cli) -> None:
    (sold.path / "data/raw/sales_2024-02-02.csv").unlink()
    failed = cli("run")
    assert failed.code == 1
    assert "`lakehouse clean daily --partition day=2024-02-02`" in failed.err
    assert cli("clean", "daily", "--partition", "day=2024-02-02", "--yes").code == 0
    assert cli("run").code == 0
    assert json.loads(cli("show", "total", "-o", "json").out)["rows"] == [{"amount": 6}]


def test_clean_leaves_what_was_modified_outside(sold: ProjectFolder, cli: Cli) -> None:
    sold.write("data/daily/day=2024-02-02/data.csv", "day,id,amount\n2024-02-02,4,5\n")
    done = cli("clean", "daily", "--partition", "month=2024-02", "--yes")
    assert "`daily/day=2024-02-02`: stays: it was modified outside lakehouse" in done.out
    assert [each for each in sold.files() if "2024-02" in each and "daily" in each] == ["daily/day=2024-02-02/data.csv"]


def test_null_is_read_by_none(folder: ProjectFolder, cli: Cli) -> None:
    source = "s: {kind: source, path: raw/, partitions: [region], columns: {id: int64}}"
    folder.declare(f"{source}\nd: {{partitions: [region], inputs: [s]}}", "def d(s):\n    return s\n")
    folder.write("data/raw/region=__HIVE_DEFAULT_PARTITION__/a.csv", "id\n1\n")
    folder.write("data/raw/region=eu/a.csv", "id\n2\n")
    assert cli("run").code == 0
    assert Project.load(folder.path).read("d", {"region": None})["id"].tolist() == [1]
