"""Tables that are computed and stored by partition."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder

TABLES = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [raw], columns: {id: int64}}
monthly: {partitions: [month], inputs: [daily], columns: {n: int64}}
summary: {inputs: [monthly], columns: {n: int64}}
"""
TRANSFORMS = """
import pyarrow as pa
import pyarrow.compute as pc

def daily(raw: pa.Table) -> pa.Table:
    if 13 in raw["id"].to_pylist():
        raise ValueError("thirteen")
    return raw

def monthly(daily: pa.Table) -> pa.Table:
    return pa.table({"n": [daily.num_rows]})

def summary(monthly: pa.Table) -> pa.Table:
    return pa.table({"n": [pc.sum(monthly["n"]).as_py()]})
"""
MONTH = "dimensions: {month: {every: month}}\n"


@pytest.fixture
def sales(folder: ProjectFolder) -> ProjectFolder:
    """A file a day of two months, by day, by month and in sum."""
    folder.declare(TABLES, TRANSFORMS, top=MONTH)
    for day in ("2024-01-30", "2024-01-31", "2024-02-01"):
        put(folder, day, 1, 2)
    return folder


def put(folder: ProjectFolder, day: str, *ids: int) -> None:
    folder.write(f"data/raw/sales_{day}.csv", "id\n" + "".join(f"{each}\n" for each in ids))


def run(cli: Cli, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Run, and return how each table ended: its status, and that of each partition that was not up to date."""
    done = cli("run", "-o", "json", *arguments)
    assert done.code == code, done
    return {table["name"]: ended(table) for table in done.json["tables"]}


def ended(table: dict[str, Any]) -> Any:
    if "partitions" not in table:
        return table["status"]
    return {"/".join(each["key"].values()): each["status"] for each in table["partitions"]}


def planned(cli: Cli, *arguments: str) -> dict[str, Any]:
    """The codes of the reasons of each partition, or table, that is not up to date."""
    found: dict[str, Any] = {}
    for table in cli("plan", "-o", "json", *arguments).json["tables"]:
        if "partitions" in table:
            found[table["name"]] = {
                "/".join(each["key"].values()): [reason["code"] for reason in each["reasons"]]
                for each in table["partitions"]
            }
        elif table["kind"] == "computed":
            found[table["name"]] = [reason["code"] for reason in table["reasons"]]
    return {name: each for name, each in found.items() if each}


def total(cli: Cli) -> int:
    found: int = cli("show", "summary", "-o", "json").json["rows"][0]["n"]
    return found


def test_table_is_computed_by_day_month_and_in_sum(sales: ProjectFolder, cli: Cli) -> None:
    assert run(cli) == {
        "daily": dict.fromkeys(("2024-01-30", "2024-01-31", "2024-02-01"), "materialized"),
        "monthly": dict.fromkeys(("2024-01", "2024-02"), "materialized"),
        "summary": "materialized",
    }
    assert sales.files() == [
        *("daily/day=2024-01-30/data.csv", "daily/day=2024-01-31/data.csv", "daily/day=2024-02-01/data.csv"),
        *("monthly/month=2024-01/data.csv", "monthly/month=2024-02/data.csv"),
        *("raw/sales_2024-01-30.csv", "raw/sales_2024-01-31.csv", "raw/sales_2024-02-01.csv", "summary.csv"),
    ]
    assert total(cli) == 6
    assert planned(cli) == {}
    assert run(cli) == {"daily": {}, "monthly": {}, "summary": "unchanged"}


def test_new_and_changed_files_make_their_partitions_alone(sales: ProjectFolder, cli: Cli) -> None:
    run(cli)
    put(sales, "2024-02-01", 1, 2, 3)
    put(sales, "2024-03-01", 1)
    assert planned(cli) == {
        "daily": {"2024-02-01": ["input_changed"], "2024-03-01": ["never_materialized"]},
        "monthly": {"2024-02": ["upstream_runs"], "2024-03": ["never_materialized", "upstream_runs"]},
        "summary": ["upstream_runs"],
    }
    assert run(cli)["monthly"] == {"2024-02": "materialized", "2024-03": "materialized"}
    assert total(cli) == 8
    assert planned(cli) == {}


def test_edit_that_changes_nothing_ends_with_its_table(sales: ProjectFolder, cli: Cli) -> None:
    run(cli)
    sales.edit("transforms.py", "    return raw\n", "    return raw.slice(0)\n")
    days = planned(cli, "daily")["daily"]
    assert [*days.values()] == 3 * [["function_changed"]]
    assert run(cli)["monthly"] == {"2024-01": "unchanged", "2024-02": "unchanged"}
    assert planned(cli) == {}


def test_partition_that_fails_stops_what_needs_it_alone(sales: ProjectFolder, cli: Cli) -> None:
    put(sales, "2024-01-31", 13)
    failed = cli("run")
    assert failed.code == 1
    assert "  day=2024-01-31: `daily` raised ValueError: thirteen\n" in failed.out
    assert "  1 partition failed\n" in failed.out
    assert "daily (day=2024-01-31)  `daily` raised ValueError: thirteen" in failed.err
    assert run(cli, code=1) == {
        "daily": {"2024-01-31": "failed"},
        "monthly": {"2024-01": "skipped"},
        "summary": "skipped",
    }
    put(sales, "2024-01-31", 3)
    assert run(cli) == {
        "daily": {"2024-01-31": "materialized"},
        "monthly": {"2024-01": "materialized"},
        "summary": "materialized",
    }
    assert total(cli) == 5


def test_bad_file_fails_the_partition_that_reads_it(sales: ProjectFolder, cli: Cli) -> None:
    sales.write("data/raw/sales_2024-01-31.csv", "id\nx\n")
    done = cli("run", "-o", "json")
    daily = done.json["tables"][0]
    assert ended(daily)["2024-01-31"] == "failed"
    assert list(ended(daily).values()).count("materialized") == 2
    assert "raw/sales_2024-01-31.csv" in str(daily["partitions"])
    shown = cli("show", "daily", "--failed", "-o", "json").json
    assert [each["values"] for each in shown["rows"]] == [{"id": "x"}]
    assert "`lakehouse show daily --partition day=2024-01-31 --failed` shows the row" in cli("run").err
    sales.write("data/raw/sales_2024-01-30.csv", "id\ny\n")
    cli("run")
    assert "failed rows of 2 partitions of `daily` are kept" in cli("show", "daily", "--failed").err
    one = cli("show", "daily", "--partition", "day=2024-01-30", "--failed", "-o", "json").json
    assert [each["values"] for each in one["rows"]] == [{"id": "y"}]
    both = cli("show", "daily", "--failed", "-o", "json").json
    assert (both["count"], both["left_out"]) == (2, 0)
    assert [(each["partition"]["day"][-2:], each["values"]["id"]) for each in both["rows"]] == [
        ("30", "y"),
        ("31", "x"),
    ]
    some = cli("show", "daily", "--failed", "-o", "json", "-n", "1").json
    assert (some["count"], some["left_out"], some["rows"]) == (2, 1, both["rows"][:1])
    assert cli("show", "daily", "--failed", "--out", "both.csv").out == "both.csv · 2 rows\n"
    assert sales.read("both.csv").splitlines()[1].startswith("day=2024-01-30,1,")
    put(sales, "2024-01-30", 1)
    put(sales, "2024-01-31", 1)
    run(cli)
    assert "no failed rows" in cli("show", "daily", "--failed").out


def test_data_modified_outside_are_made_anew(sales: ProjectFolder, cli: Cli) -> None:
    run(cli)
    sales.write("data/daily/day=2024-01-30/data.csv", "id\n7\n")
    (sales.path / "data/monthly/month=2024-02/data.csv").unlink()
    found = planned(cli)
    assert found["daily"] == {"2024-01-30": ["data_changed"]}
    assert found["monthly"] == {"2024-01": ["upstream_runs"], "2024-02": ["missing_data"]}
    assert run(cli)["summary"] == "unchanged"
    assert sales.read("data/daily/day=2024-01-30/data.csv") == "id\n1\n2\n"


@pytest.mark.parametrize("gone", ["fail", "keep", "drop"])
def test_partition_whose_source_is_gone(sales: ProjectFolder, cli: Cli, gone: str) -> None:
    sales.edit("lakehouse.yaml", "daily: {", f"daily: {{gone: {gone}, ")
    run(cli)
    (sales.path / "data/raw/sales_2024-01-31.csv").unlink()
    if gone == "keep":
        assert planned(cli) == {}
    elif gone == "drop":
        assert run(cli) == {
            "daily": {"2024-01-31": "dropped"},
            "monthly": {"2024-01": "materialized"},
            "summary": "materialized",
        }
        assert (total(cli), planned(cli)) == (4, {})
        assert "daily/day=2024-01-31/data.csv" not in sales.files()
    else:
        put(sales, "2024-02-01", 1)
        found = run(cli, code=1)
        assert found["daily"] == {"2024-01-31": "failed", "2024-02-01": "materialized"}
        assert found["monthly"] == {"2024-01": "skipped", "2024-02": "materialized"}
        assert "day=2024-01-31: its source `raw` has no 2024-01-31 any more" in cli("plan").out


def test_plan_and_log_say_how_many_partitions(sales: ProjectFolder, cli: Cli) -> None:
    plan = cli("plan").out
    assert "3 partitions (day=2024-01-30 to day=2024-02-01): never materialized" in plan
    assert "3 tables to materialize (5 partitions, 21 B read)" in plan
    assert "3 materialized in" in cli("run").out
    put(sales, "2024-02-01", 1)
    cost = cli("plan", "-o", "json").json["cost"]
    assert (cost["partitions"], cost["bytes"], cost["seconds"] > 0) == (2, 5, True)
    assert "2 partitions, about " in cli("plan").out


def test_cost_counts_partitions_without_inputs(folder: ProjectFolder, cli: Cli) -> None:
    top = "dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-03}}\n"
    code = "import pyarrow as pa\n\n\ndef fetched():\n    return pa.table({'n': [1]})\n"
    folder.declare("fetched: {partitions: [day], inputs: [], refresh: always, columns: {n: int64}}\n", code, top=top)
    assert "1 table to materialize (3 partitions)" in cli("plan").out
    assert cli("run", "--max-partitions", "2").code == 0
    cost = cli("plan", "-o", "json").json["cost"]
    assert (cost["partitions"], cost["bytes"], cost["seconds"] > 0) == (3, 0, True)


def test_processes_compute_partitions(sales: ProjectFolder, cli: Cli) -> None:
    assert run(cli, "--executor", "processes", "--workers", "2")["summary"] == "materialized"
    assert (total(cli), planned(cli)) == (6, {})


def test_dimension_that_is_a_column_is_filled_in(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        'raw: {kind: source, path: "raw/{region}/{day:%Y%m%d}", columns: {id: int64}}\n'
        "daily: {partitions: [day, region], inputs: [raw], key: [region, day, id],"
        " columns: {day: date32, region: string, id: int64}}\n"
        "last: {partitions: [day], inputs: [daily], columns: {day: string, id: int64}}",
        "import pyarrow as pa\n\ndef daily(raw: pa.Table) -> pa.Table:\n    return raw\n\n"
        "def last(daily: pa.Table) -> pa.Table:\n    return daily.select(['id'])\n",
    )
    folder.write("data/raw/eu/20240131.csv", "id\n1\n")
    folder.write("data/raw/a b/20240131.csv", "id\n1\n")
    assert run(cli)["daily"] == {"2024-01-31/a b": "materialized", "2024-01-31/eu": "materialized"}
    assert folder.read("data/daily/day=2024-01-31/region=a%20b/data.csv") == "day,region,id\n2024-01-31,a b,1\n"
    assert folder.read("data/last/day=2024-01-31/data.csv") == "day,id\n2024-01-31,1\n2024-01-31,1\n"
    folder.edit("transforms.py", "return raw\n", "return raw.append_column('region', pa.array(['eu'])).slice(0)\n")
    failed = cli("run")
    assert failed.code == 1
    assert "column `region` has values other than `a b`, which is its partition's" in failed.err
    assert "row 1 (day 2024-01-31, id 1): eu" in failed.err


def test_transform_takes_its_partition(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("transforms.py", "def monthly(daily: pa.Table)", "def monthly(daily: pa.Table, month)")
    sales.edit("transforms.py", "[daily.num_rows]", "[month.month * 100 + daily.num_rows]")
    run(cli)
    assert total(cli) == 306
    assert planned(cli) == {}


def test_table_reads_its_own_past(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "inputs: [daily]", "inputs: {daily: daily, before: {table: monthly, at: {month: -1}}}")
    sales.edit("transforms.py", "def monthly(daily: pa.Table)", "def monthly(daily: pa.Table, before: pa.Table)")
    sales.edit("transforms.py", "[daily.num_rows]", "[daily.num_rows + (pc.sum(before['n']).as_py() or 0)]")
    run(cli)
    assert total(cli) == 4 + 6
    put(sales, "2024-01-30", 1)
    assert planned(cli)["monthly"] == {"2024-01": ["upstream_runs"], "2024-02": ["upstream_runs"]}
    run(cli)
    assert (total(cli), planned(cli)) == (3 + 5, {})


def test_what_is_not_done_by_partition_is_refused(sales: ProjectFolder, cli: Cli) -> None:
    own = "checks: [{foreign_key: {columns: id, references: daily.id}}], "
    sales.edit("lakehouse.yaml", "daily: {", f"daily: {{{own}")
    refused = cli("validate")
    assert refused.code == 3, refused
    assert "lakehouse.yaml:" in refused.err


def test_source_that_is_missing_drops_nothing(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "daily: {", "daily: {gone: drop, ")
    run(cli)
    for day in ("2024-01-30", "2024-01-31", "2024-02-01"):
        (sales.path / f"data/raw/sales_{day}.csv").unlink()
    assert "no file matches" in cli("plan").out
    assert cli("run").code == 1
    assert len(sales.files()) == 6


def test_chosen_partitions_are_made_alone(sales: ProjectFolder, cli: Cli) -> None:
    found = run(cli, "--partition", "month=2024-01")
    assert found == {
        "daily": {"2024-01-30": "materialized", "2024-01-31": "materialized"},
        "monthly": {"2024-01": "materialized"},
    }
    assert (
        "left as they are, having no partitions by `month`: `summary`"
        in cli("plan", "--partition", "month=2024-02").out
    )
    assert run(cli, "daily", "--partition", "day=2024-02-01..2024-02-28") == {"daily": {"2024-02-01": "materialized"}}
    assert planned(cli) == {
        "monthly": {"2024-02": ["never_materialized"]},
        "summary": ["never_materialized", "upstream_runs"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--partition", "day=2025-01-01"), "no partition of `daily` is day=2025-01-01"),
        (("summary", "--partition", "month=2024-01"), "`summary` has no partitions by `month`"),
        (("--partition", "mnth=2024-01"), "there is no dimension `mnth`"),
        (("--as-of", "noon"), "`noon` is no moment"),
    ],
)
def test_choice_of_nothing_is_a_usage_error(
    sales: ProjectFolder, cli: Cli, arguments: tuple[str, ...], message: str
) -> None:
    refused = cli("plan", *arguments)
    assert (refused.code, message in refused.err) == (2, True), refused


def test_only_so_many_partitions_are_made(sales: ProjectFolder, cli: Cli) -> None:
    assert run(cli, "--max-partitions", "1") == {
        "daily": {"2024-01-30": "materialized", "2024-01-31": "waiting", "2024-02-01": "waiting"},
        "monthly": {"2024-01": "waiting", "2024-02": "waiting"},
        "summary": "waiting",
    }
    done = cli("run", "--max-partitions", "1", "--newest-first", "-o", "json").json["tables"]
    newest = {table["name"]: ended(table) for table in done}
    assert done[0]["notes"] == ["day=2024-01-31: waiting: left for a later run (`--max-partitions`)"]
    assert newest["daily"] == {"2024-02-01": "materialized", "2024-01-31": "waiting"}
    assert newest["monthly"] == {"2024-02": "materialized", "2024-01": "waiting"}
    assert run(cli)["summary"] == "materialized"
    assert total(cli) == 6


def test_failed_partitions_are_tried_again_alone(sales: ProjectFolder, cli: Cli) -> None:
    put(sales, "2024-01-31", 13)
    assert run(cli, "--as-of", "2024-02-15", code=1)["monthly"] == {"2024-01": "skipped", "2024-02": "waiting"}
    put(sales, "2024-01-31", 3)
    put(sales, "2024-02-01", 7, 8, 9)
    assert run(cli, "--failed") == {
        "daily": {"2024-01-31": "materialized"},
        "monthly": {"2024-01": "materialized"},
        "summary": "materialized",
    }
    assert total(cli) == 3
    assert planned(cli)["daily"] == {"2024-02-01": ["input_changed"]}


def test_open_period_waits_or_is_made_each_time(sales: ProjectFolder, cli: Cli) -> None:
    assert run(cli, "--as-of", "2024-02-29T23:59")["monthly"] == {"2024-01": "materialized", "2024-02": "waiting"}
    late = cli("run", "--as-of", "2024-02-29T23:59", "-o", "json").json["tables"]
    assert next(table["status"] for table in late if table["name"] == "monthly") == "waiting"
    assert total(cli) == 4
    assert "month=2024-02: 2024-02 has not ended" in cli("plan", "--as-of", "2024-02-29").out
    sales.edit("lakehouse.yaml", "{every: month}", "{every: month, open: partial}")
    for _ in range(2):
        assert run(cli, "--as-of", "2024-02-29")["monthly"] == {"2024-02": "materialized"}
    assert planned(cli) == {"monthly": {"2024-02": ["partition_open"]}, "summary": ["upstream_runs"]}
    assert run(cli)["summary"] == "unchanged"
    assert planned(cli) == {}


def test_period_that_an_input_lacks_waits_or_is_empty(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        'a: {kind: source, path: "a/{day:%Y-%m-%d}", columns: {id: int64}}\n'
        'b: {kind: source, path: "b/{day:%Y-%m-%d}", columns: {id: int64}}\n'
        "both: {partitions: [day], inputs: {a: a, b: b}, columns: {n: int64}}",
        "import pyarrow as pa\n\ndef both(a: pa.Table, b: pa.Table) -> pa.Table:\n"
        "    return pa.table({'n': [10 * a.num_rows + b.num_rows]})\n",
    )
    folder.write("data/a/2024-01-01.csv", "id\n1\n")
    folder.write("data/b/2024-01-01.csv", "id\n1\n")
    folder.write("data/a/2024-01-02.csv", "id\n1\n")
    assert run(cli) == {"both": {"2024-01-01": "materialized", "2024-01-02": "waiting"}}
    assert "waiting: day=2024-01-02: `b` has no 2024-01-02" in cli("plan").out
    folder.edit("lakehouse.yaml", "b: b}", "b: {table: b, missing: skip}}")
    assert planned(cli) == {"both": {"2024-01-01": ["input_changed"], "2024-01-02": ["never_materialized"]}}
    run(cli)
    assert folder.read("data/both/day=2024-01-02/data.csv") == "n\n10\n"
    assert planned(cli) == {}
    folder.write("data/b/2024-01-02.csv", "id\n1\n")
    assert planned(cli) == {"both": {"2024-01-02": ["input_changed"]}}


def test_each_file_is_a_partition(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        'raw: {kind: source, path: "raw/{region}/*", columns: {id: int64}}\n'
        "loaded: {partitions: [file], inputs: [raw], gone: keep, columns: {id: int64}}\n"
        "by_region: {partitions: [region], inputs: [raw], columns: {n: int64}}\n"
        "all: {inputs: [loaded], columns: {n: int64}}",
        "import pyarrow as pa\n\ndef loaded(raw: pa.Table, file) -> pa.Table:\n"
        "    assert file.startswith('raw/')\n    return raw\n\n"
        "def by_region(raw: pa.Table) -> pa.Table:\n    return pa.table({'n': [raw.num_rows]})\n\n"
        "def all(loaded: pa.Table) -> pa.Table:\n    return pa.table({'n': [loaded.num_rows]})\n",
    )
    folder.write("data/raw/eu/a.csv", "id\n1\n")
    folder.write("data/raw/eu/b.csv", "id\n2\n")
    folder.write("data/raw/us/a.csv", "id\n3\n")
    files = [f"raw/{each}.csv" for each in ("eu/a", "eu/b", "us/a")]
    assert run(cli) == {
        "loaded": dict.fromkeys(files, "materialized"),
        "by_region": {"eu": "materialized", "us": "materialized"},
        "all": "materialized",
    }
    assert folder.read("data/loaded/file=raw%2Feu%2Fb.csv/data.csv") == "id\n2\n"
    assert planned(cli) == {}
    folder.write("data/raw/eu/b.csv", "id\n5\n6\n")
    folder.write("data/raw/us/c.csv", "id\n7\n")
    (folder.path / "data/raw/us/a.csv").unlink()
    assert run(cli) == {
        "loaded": {"raw/eu/b.csv": "materialized", "raw/us/c.csv": "materialized"},
        "by_region": {"eu": "materialized", "us": "materialized"},
        "all": "materialized",
    }
    assert cli("show", "all", "-o", "json").json["rows"] == [{"n": 5}]
    assert planned(cli) == {}


def test_accepted_partitions_are_not_made_again(sales: ProjectFolder, cli: Cli) -> None:
    run(cli)
    sales.edit("transforms.py", "    return raw\n", "    return raw.slice(0)\n")
    sales.edit("transforms.py", 'return pa.table({"n": [pc.sum', 'return 1 and pa.table({"n": [pc.sum')
    put(sales, "2024-02-01", 5)
    accepted = cli("accept", "daily", "--partition", "month=2024-01", "-o", "json").json["tables"]
    assert [(each["name"], each["accepted"]) for each in accepted] == [("daily", 2)]
    assert planned(cli, "daily") == {"daily": {"2024-02-01": ["function_changed", "input_changed"]}}
    text = cli("accept", "daily", "summary").out
    assert "daily  1 partition accepted: `daily` changed (transforms.py)" in text
    assert "still due: `raw`: 1 file changed (`raw/sales_2024-02-01.csv`)" in text
    assert planned(cli) == {
        "daily": {"2024-02-01": ["input_changed"]},
        "monthly": {"2024-02": ["upstream_runs"]},
        "summary": ["upstream_runs"],
    }
    assert "accepted what is stored" in cli("runs", "show", "last").out
    assert run(cli)["summary"] == "materialized"
    assert (total(cli), planned(cli)) == (5, {})
    assert cli("accept").code == 2


def test_history_stays_where_code_counts_for_what_is_new(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "daily: {", "daily: {on_code_change: new, ")
    run(cli)
    sales.edit("transforms.py", "    return raw\n", "    return raw.slice(1)\n")
    assert planned(cli) == {}
    assert "nothing to accept: `on_code_change: new` leaves stored partitions as they are" in cli("accept", "daily").out
    put(sales, "2024-02-02", 1, 2, 3)
    assert run(cli)["daily"] == {"2024-02-02": "materialized"}
    assert total(cli) == 8
    sales.edit("lakehouse.yaml", "inputs: [raw], columns: {id: int64}", "inputs: [raw], columns: {id: int32}")
    assert [*planned(cli, "daily")["daily"].values()] == 4 * [["contract_changed"]]


def test_checks_are_judged_on_each_partition(sales: ProjectFolder, cli: Cli) -> None:
    put(sales, "2024-01-31", 1, 9)
    run(cli)
    column = "inputs: [raw], columns: {id: int64}"
    warned = "inputs: [raw], columns: {id: {type: int64, max: 5, severity: warn}}"
    sales.edit("lakehouse.yaml", column, warned.replace(", severity: warn", ""))
    found = planned(cli)
    assert found["daily"] == {day: ["check_changed"] for day in ("2024-01-30", "2024-01-31", "2024-02-01")}
    done = cli("run", "-o", "json")
    daily, monthly, _ = done.json["tables"]
    assert (done.code, ended(daily)["2024-01-31"], ended(monthly)) == (1, "failed", {})
    assert daily["checks"][0]["count"] == 1
    assert daily["checks"][0]["message"].startswith("day=2024-01-31: ")
    assert sales.read("data/daily/day=2024-01-31/data.csv") == "id\n1\n9\n"
    put(sales, "2024-01-30", 2)
    assert run(cli, code=1) == {
        "daily": {"2024-01-30": "materialized", "2024-01-31": "failed"},
        "monthly": {"2024-01": "skipped"},
        "summary": "skipped",
    }
    sales.edit("lakehouse.yaml", "{type: int64, max: 5}", "{type: int64, checks: [{max: 5, severity: warn}]}")
    assert run(cli)["summary"] == "materialized"
    assert cli("run", "--warnings-as-errors").code == 0, "earlier warnings do not count"
    assert "day=2024-01-31: " in cli("run").out
    put(sales, "2024-02-01", 8)
    assert cli("run", "--warnings-as-errors").code == 1


def test_input_without_the_dimension_comes_whole(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "tables:\n", "tables:\n  rates: {kind: source, columns: {x: int64}}\n")
    sales.edit("lakehouse.yaml", "inputs: [raw]", "inputs: [raw, rates]")
    sales.edit("transforms.py", "def daily(raw: pa.Table)", "def daily(raw: pa.Table, rates: pa.Table)")
    sales.edit("transforms.py", "    return raw\n", "    return raw.slice(0, rates.num_rows)\n")
    sales.write("data/rates.csv", "x\n1\n")
    assert "`rates` has none of its dimensions, and comes whole" in " ".join(cli("plan").out.split())
    run(cli)
    assert (total(cli), planned(cli, "state:new")) == (3, {})
    sales.write("data/rates.csv", "x\n1\n2\n")
    assert [*planned(cli, "state:modified")["daily"].values()] == 3 * [["input_changed"]]
    run(cli)
    assert total(cli) == 6


def test_python_chooses_partitions_too(sales: ProjectFolder) -> None:
    project = Project.load()
    assert [len(each.partitions) for each in project.plan(partitions=["month=2024-01"]).tables[1:]] == [2, 1]
    result = project.run(as_of="2024-02-10", max_partitions=2, newest_first=True, executor="serial")
    assert {one.key["month"]: one.status for one in result["monthly"].partitions or ()} == {
        "2024-01": "waiting",
        "2024-02": "waiting",
    }


def test_query_is_computed_by_partition(sales: ProjectFolder, cli: Cli) -> None:
    query = 'sql: "select count(*) as n, $month as m from daily"'
    sales.edit("lakehouse.yaml", "inputs: [daily], columns: {n: int64}", f"{query}, columns: {{n: int64, m: date32}}")
    assert run(cli)["monthly"] == {"2024-01": "materialized", "2024-02": "materialized"}
    assert (sales.read("data/monthly/month=2024-01/data.csv"), planned(cli)) == ("n,m\n4,2024-01-01\n", {})


def test_rows_of_an_input_are_read_by_time(folder: ProjectFolder, cli: Cli) -> None:
    columns = "columns: {day: date32, ts: 'timestamp[us]', at: 'timestamp[us, tz=UTC]', n: int64}"
    folder.declare(
        f"events: {{kind: source, {columns}}}\n"
        "local: {partitions: [day], inputs: {events: {within: {column: ts}}}, columns: {n: int64}}\n"
        "instant: {partitions: [day], inputs: {events: {within: {column: at, around: [-1h, +1h]}}},"
        " columns: {n: int64}}\n"
        "dates: {partitions: [day], columns: {n: int64},"
        " sql: 'select coalesce(sum(n), 0)::bigint as n from events', inputs: {events: {within: {column: day}}}}",
        "import pyarrow as pa\nimport pyarrow.compute as pc\n\n"
        "def _sum(events):\n    return pa.table({'n': [pc.sum(events['n']).as_py() or 0]})\n\n"
        "def local(events: pa.Table) -> pa.Table:\n    return _sum(events)\n\n"
        "def instant(events: pa.RecordBatchReader) -> pa.Table:\n    return _sum(events.read_all())\n",
        top="dimensions: {day: {every: day, start: 2024-07-01, end: 2024-07-02, timezone: Europe/Zurich}}\n",
    )
    folder.write(
        "data/events.csv",
        """
        day,ts,at,n
        2024-07-01,2024-07-01T00:00:00,2024-06-30T20:59:59Z,1
        2024-07-01,2024-07-01T23:59:59,2024-06-30T21:00:00Z,10
        2024-07-02,2024-07-02T00:00:00,2024-07-01T22:59:59Z,100
        ,,2024-07-02T23:00:00Z,1000
        """,
    )
    assert run(cli)["local"] == {"2024-07-01": "materialized", "2024-07-02": "materialized"}
    stored = {
        name: [folder.read(f"data/{name}/day=2024-07-0{day}/data.csv") for day in (1, 2)]
        for name in ("local", "instant", "dates")
    }
    assert {name: [int(each.split()[1]) for each in texts] for name, texts in stored.items()} == {
        "local": [11, 100],
        "instant": [110, 100],
        "dates": [11, 100],
    }
    assert planned(cli) == {}


def test_table_without_any_partition_is_waited_for(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "{every: month}", "{every: month, start: 2024-03, end: 2024-03}")
    for day in ("2024-01-30", "2024-01-31", "2024-02-01"):
        put(sales, day, 1)
    plan = cli("plan", "monthly", "daily", "summary", "-o", "json").json["tables"]
    assert plan[-2]["partitions"][0]["action"] == "wait"
    assert run(cli)["summary"] == "waiting"
    sales.edit("lakehouse.yaml", "start: 2024-03, end: 2024-03", "end: 2023-12")
    assert run(cli) == {"daily": {}, "monthly": {}, "summary": "waiting"}
    assert "`monthly` waits: it has no partition yet" in cli("plan").out


def test_file_with_another_name_is_told_and_drops_nothing(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "daily: {", "daily: {gone: drop, ")
    run(cli)
    (sales.path / "data/raw/sales_2024-02-01.csv").rename(sales.path / "data/raw/sales_2024-02-30.csv")
    told = cli("run")
    assert (told.code, "sales_2024-02-30.csv" in told.err) == (1, True)
    assert "daily/day=2024-02-01/data.csv" in sales.files()


def test_plan_hides_secrets_in_reasons(sales: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "s3cr3t-place")
    sales.edit("lakehouse.yaml", "tables:\n", "storages: {default: {root: 'data/${PLACE}'}}\ntables:\n")
    (sales.path / "data/raw").rename(sales.path / "raw")
    (sales.path / "data/s3cr3t-place").mkdir(parents=True)
    (sales.path / "raw").rename(sales.path / "data/s3cr3t-place/raw")
    run(cli)
    sales.write("data/s3cr3t-place/daily/day=2024-01-30/data.csv", "id\n7\n")
    plan = cli("plan", "-o", "json")
    assert "was modified" in plan.out
    assert "s3cr3t" not in plan.out


def test_file_that_nobody_described_is_not_replaced(sales: ProjectFolder, cli: Cli) -> None:
    sales.write("data/daily/day=2024-01-30/data.csv", "id\n7\n")
    told = " ".join(cli("plan").out.split())
    assert "a run would fail: " in told
    assert "`lakehouse run --force daily --partition day=2024-01-30` replaces what is there" in told
    assert run(cli, code=1)["daily"]["2024-01-30"] == "failed"
    assert sales.read("data/daily/day=2024-01-30/data.csv") == "id\n7\n"
    forced = run(cli, "--force", "daily", "--partition", "day=2024-01-30")
    assert forced == {"daily": {"2024-01-30": "materialized"}}
    assert run(cli)["summary"] == "materialized"
    assert total(cli) == 6


def test_file_that_arrives_while_the_run_reads_is_for_the_next(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "raw/sales_{day:%Y-%m-%d}", "raw/{day:%Y-%m-%d}_*")
    for day in ("2024-01-30", "2024-01-31", "2024-02-01"):
        (sales.path / f"data/raw/sales_{day}.csv").rename(sales.path / f"data/raw/{day}_a.csv")
    loop = "    for day in ('2024-01-31', '2024-03-01'):\n"
    arrive = loop + "        Path(f'data/raw/{day}_b.csv').write_text('id\\n5\\n')\n"
    sales.edit("transforms.py", "    if 13 in", f"{arrive}    if 13 in")
    sales.edit("transforms.py", "import pyarrow as pa\n", "import pyarrow as pa\nfrom pathlib import Path\n")
    run(cli, "--executor", "serial")
    assert sales.read("data/daily/day=2024-01-31/data.csv") == "id\n1\n2\n"
    assert planned(cli, "daily") == {"daily": {"2024-01-31": ["input_changed"], "2024-03-01": ["never_materialized"]}}
    assert run(cli, "--executor", "processes", "--workers", "1")["summary"] == "materialized"
    assert (total(cli), planned(cli)) == (8, {})


def test_sum_waits_where_a_stored_part_of_it_is_outdated(sales: ProjectFolder, cli: Cli) -> None:
    sales.edit("lakehouse.yaml", "tables:\n", 'tables:\n  more: {kind: source, path: "more/{day:%Y-%m-%d}"}\n')
    sales.edit("lakehouse.yaml", "inputs: [raw]", "inputs: [raw, more]")
    sales.edit("transforms.py", "def daily(raw: pa.Table)", "def daily(raw: pa.Table, more: pa.Table)")
    for day in ("2024-01-30", "2024-01-31", "2024-02-01"):
        sales.write(f"data/more/{day}.csv", "id\n1\n")
    run(cli)
    put(sales, "2024-01-29", 1)
    put(sales, "2024-02-01", 1, 2, 3)
    assert run(cli) == {
        "daily": {"2024-01-29": "waiting", "2024-02-01": "materialized"},
        "monthly": {"2024-01": "waiting", "2024-02": "materialized"},
        "summary": "waiting",
    }
    assert total(cli) == 6, "as it was"
    sales.write("data/more/2024-01-29.csv", "id\n1\n")
    assert run(cli)["summary"] == "materialized"
    assert total(cli) == 8


def test_columns_that_a_query_leaves_out_are_filled_in(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(
        """
        raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
        daily:
          partitions: [day]
          sql: select id, $day as same from raw
          key: [day, id]
          order_by: [day, id]
          columns: {day: date32, id: int64, same: date32}
        """,
    )
    put(folder, "2024-01-30", 2, 1)
    assert cli("validate").code == 0
    assert run(cli) == {"daily": {"2024-01-30": "materialized"}}
    rows = cli("show", "daily", "-o", "json").json["rows"]
    assert rows == [{"day": "2024-01-30", "id": each, "same": "2024-01-30"} for each in (1, 2)]
