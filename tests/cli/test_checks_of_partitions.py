"""Checks of tables by partition, in runs and on what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_cli.model.partition import Partition
from lakehouse_cli.storage.partition_index import PartitionIndex
from tests.cli.test_partitions import put, run
from tests.conftest import Cli, ProjectFolder

CHECKED = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily:
  partitions: [day]
  inputs: [raw]
  columns: {id: {type: int64, checks: [{nulls: {max: 40%}}, {max: 9, error_above: 50%}]}}
  checks: [{row_count: {max: 3}}, {sql: "select count(*) as n from this having count(*) > 3"}]
"""


def test_check_judges_partitions_as_a_run(folder: ProjectFolder, cli: Cli) -> None:
    """Of rows that are counted together, those of a partition; what fails names it, with rows of the table."""
    folder.declare(CHECKED, "import pyarrow as pa\ndef daily(raw: pa.Table) -> pa.Table:\n    return raw\n")
    put(folder, "2024-01-01", 1, 2, 3)
    put(folder, "2024-01-02", 4, 5)
    run(cli)
    assert cli("check", "daily").code == 0
    (folder.path / "data/daily/day=2024-01-02/data.csv").write_text("id\n4\n10\n11\n\n\n\n")
    done = cli("check", "daily", "-o", "json")
    assert done.code == 1
    [table] = done.json["tables"]
    found = {each["check"]: each for each in table["checks"]}
    assert {each["status"] for each in found.values()} == {"failed"}, table
    assert all(each["message"].startswith("day=2024-01-02: ") for each in found.values()), table
    assert found["row_count"]["rows"] == 3 + 6
    assert [each["row"] for each in found["max"]["examples"]] == [5, 6]
    assert cli("check", "daily", "--partition", "day=2024-01-01").code == 0


MANY = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily:
  partitions: [day]
  inputs: [raw]
  columns: {id: {type: int64, checks: [{max: 9, error_above: 50%}]}, e: {type: string, sensitive: true}}
  checks:
    - {expression: "id % 3 = 0", name: third}
    - {sql: "select id % 2 as m from this where id > 1000", name: made}
"""


@pytest.mark.parametrize(
    "form", ["[day], inputs: [raw]", "[day], inputs: {raw: {at: {day: [0, 1]}, missing: skip}}", "[file]"]
)
def test_nothing_is_made_of_a_source_that_fails_a_check(folder: ProjectFolder, cli: Cli, form: str) -> None:
    """In the run that finds it, as in those after it; what was made of it before stays."""
    folder.declare(
        f"""
        raw:
          kind: source
          path: "raw/sales_{{day:%Y-%m-%d}}"
          columns: {{id: {{type: int64, max: 9, checks: [{{max: 7, severity: warn}}]}}}}
        daily: {{partitions: {form}}}
        total: {{inputs: [daily]}}
        """,
        "def daily(raw):\n    return raw[['id']]\n\n\ndef total(daily):\n    return daily\n",
    )
    put(folder, "2024-01-01", 1)
    run(cli)
    put(folder, "2024-01-02", 10)
    for _ in range(2):
        done = cli("run", "-o", "json")
        assert done.code == 1
        assert done.statuses["raw"] == "failed"
        assert done.statuses["daily"] == "skipped"
        assert folder.read("data/total.csv") == "id\n1\n"
        assert len([name for name in folder.files() if name.startswith("daily/")]) == 1
    put(folder, "2024-01-02", 8)
    done = cli("run", "-o", "json")
    assert (done.code, done.statuses["daily"]) == (0, "materialized")
    assert "8\n" in folder.read("data/total.csv")


def test_check_keeps_all_rows(folder: ProjectFolder, cli: Cli) -> None:
    """Of checks that are judged by partition and of those that are not, once each, with all that is wrong with it."""
    folder.declare(MANY, "def daily(raw): return raw.assign(e='a@b.c')")
    for day in ("2024-01-01", "2024-01-02", "2024-01-03"):
        put(folder, day, 0)
    run(cli)
    for day in ("2024-01-01", "2024-01-03"):
        rows = "".join(f"{number},a@b.c\n" for number in range(1500))
        (folder.path / f"data/daily/day={day}/data.csv").write_text("id,e\n" + rows)
    ran = cli("check", "daily")
    expected = {}
    for before in (0, 1501):
        for number in range(1500):
            wrong = {name for name, holds in (("id_max", number > 9), ("third", number % 3 != 0)) if holds}
            expected |= {before + number + 1: wrong} if wrong else {}
    total = len(expected) + 2 * 499
    assert (ran.code, f"--failed` shows the {total:,} rows that fail" in ran.err) == (1, True), ran.err
    shown = cli("show", "daily", "--failed", "-o", "json").json
    assert (shown["count"], shown["left_out"], len(shown["rows"])) == (total, 0, total)
    numbered = shown["rows"][: len(expected)]
    assert [each["row"] for each in numbered] == [*expected]
    assert {each["row"]: {text.split("`")[1] for text in each["reasons"]} for each in numbered} == expected
    assert {(each["values"]["id"], each["values"].get("e", "***")) for each in numbered} == {
        (str((row - 1) % 1501), "***") for row in expected
    }
    made = [(each["row"], each["values"]) for each in shown["rows"][len(expected) :]]
    assert made == [(None, {"column 1": "***"})] * (2 * 499)
    kept = [path.name for path in (folder.path / ".lakehouse/failed").iterdir()]
    assert sorted(kept) == [".gitignore", "daily@default.json", "daily@default.rows"]
    # Where they keep nothing from being published, they are all shown as well.
    folder.edit("lakehouse.yaml", "error_above: 50%", "error_above: 99.9%")
    for name in ("third", "made"):
        folder.edit("lakehouse.yaml", f"name: {name}", f"name: {name}, severity: warn")
    assert cli("check", "daily").code == 0
    assert cli("show", "daily", "--failed", "-o", "json").json["rows"] == shown["rows"]
    folder.edit("lakehouse.yaml", "error_above: 99.9%", "error_above: 50%")
    folder.edit("lakehouse.yaml", "severity: warn", "severity: error")
    # Few rows, of which both kinds of checks find some.
    for day in ("2024-01-01", "2024-01-03"):
        (folder.path / f"data/daily/day={day}/data.csv").write_text("id,e\n" + "10,a\n12,b\n1,c\n2,d\n99,e\n")
    cli("check", "daily")
    shown = cli("show", "daily", "--failed", "-o", "json").json
    assert [(each["row"], len(each["reasons"])) for each in shown["rows"]] == [
        *((1, 2), (2, 1), (3, 1), (4, 1), (5, 1)),
        *((7, 2), (8, 1), (9, 1), (10, 1), (11, 1)),
    ]
    assert shown["count"] == 10
    kept = [path.name for path in (folder.path / ".lakehouse/failed").iterdir()]
    assert sorted(kept) == [".gitignore", "daily@default.json"]


FRESH = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily:
  partitions: [day]
  inputs: [raw]
  columns: {id: int64, day: date32}
  checks: [{freshness: {column: day, within: 2d}}]
summary: {inputs: [daily], columns: {n: int64}}
"""
FRESH_CODE = """
import pyarrow as pa
def daily(raw: pa.Table) -> pa.Table:
    return raw
def summary(daily: pa.Table) -> pa.Table:
    return pa.table({"n": [daily.num_rows]})
"""


def freshness(cli: Cli, command: str, *arguments: str, code: int = 0) -> Any:
    """What a command says of the freshness of `daily`, beside its status."""
    done = cli(command, "-o", "json", *arguments)
    assert done.code == code, done
    [table] = [each for each in done.json["tables"] if each["name"] == "daily"]
    return table, next(iter(table.get("checks", ())), None)


def test_freshness_takes_one_look_at_each_manifest(
    folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.declare(FRESH, FRESH_CODE)
    days = ("2024-01-01", "2024-01-02", "2024-03-01")
    for day in days:
        put(folder, day, 1)
    run(cli, code=1)
    read, looks = PartitionIndex.manifest, list[Partition]()
    monkeypatch.setattr(PartitionIndex, "manifest", lambda *of: looks.append(of[1]) or read(*of))
    assert freshness(cli, "plan")[1]["status"] == "failed"
    assert sorted(each.values[0] for each in looks) == [days[0], *days]  # and once for the recipe of all


def test_freshness_is_of_the_whole_table(folder: ProjectFolder, cli: Cli) -> None:
    """The newest value of all partitions counts, in plan, run and check, also when nothing is due."""
    folder.declare(FRESH, FRESH_CODE)
    for day in ("2024-01-01", "2024-01-02", "2024-03-01"):
        put(folder, day, 1)
    soon, late = ("--as-of", "2024-03-02T06:00Z"), ("--as-of", "2024-03-09T06:00Z")
    table, check = freshness(cli, "run", *soon)
    assert {each["status"] for each in table["partitions"]} == {"materialized"}
    assert (check["status"], check["value"], check["rows"]) == ("passed", "2024-03-01T00:00:00+00:00", 3)
    # One old partition that is computed again does not make the table old; nor is one old that is up to date.
    put(folder, "2024-01-01", 1, 2)
    table, check = freshness(cli, "run", *soon, "--partition", "day=2024-01-01")
    assert (table["status"], check["status"], check["rows"]) == ("materialized", "passed", 4)
    table, check = freshness(cli, "plan", *soon)
    assert (table["partitions"], table["would_fail"], check["status"]) == ([], None, "passed")
    # A week later nothing is due, and the table is old.
    table, check = freshness(cli, "plan", *late)
    assert check["message"] == "check `freshness`: the newest `day`, 2024-03-01, is older than 2d"
    assert table["would_fail"] == f"`daily`: {check['message']}"
    table, check = freshness(cli, "run", *late, code=1)
    assert (table["status"], check["status"], table["partitions"]) == ("failed", "failed", [])
    assert table["error"]["message"] == check["message"]
    assert freshness(cli, "check", "daily", code=1)[1]["value"] == "2024-03-01T00:00:00+00:00"
    _, check = freshness(cli, "check", "daily", "--partition", "day=2024-01-01", code=1)
    assert check["value"] == "2024-03-01T00:00:00+00:00"
    # Newer data help, and what is removed does not count any more.
    put(folder, "2024-03-08", 1)
    table, check = freshness(cli, "run", *late)
    assert (table["status"], check["value"]) == ("materialized", "2024-03-08T00:00:00+00:00")
    assert cli("clean", "daily", "--partition", "day=2024-03-08", "--yes").code == 0
    (folder.path / "data/raw/sales_2024-03-08.csv").unlink()
    assert freshness(cli, "plan", *late)[1]["status"] == "failed"


COUNTED = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
other: {partitions: [day], inputs: [raw], columns: {id: int64}}
daily:
  partitions: [day]
  inputs: [raw]
  columns: {id: int64}
  checks: [{row_count: {equals: other}}, {foreign_key: {columns: id, references: other.id}}]
"""
COUNTED_CODE = """
import pyarrow as pa
def other(raw: pa.Table) -> pa.Table:
    return raw
def daily(raw: pa.Table) -> pa.Table:
    return pa.table({"id": [each for each in raw["id"].to_pylist() if each < 9] + [1] * raw["id"].to_pylist().count(8)})
"""


def test_equals_compares_partition_by_partition(folder: ProjectFolder, cli: Cli) -> None:
    """Two partitions whose sum is right fail both; values of a foreign key may be in any partition."""
    folder.declare(COUNTED, COUNTED_CODE)
    put(folder, "2024-01-01", 1, 2)
    put(folder, "2024-01-02", 8, 9)  # as many rows, with 1, which the other partition has
    assert run(cli)["daily"] == {"2024-01-01": "materialized", "2024-01-02": "materialized"}
    assert cli("check", "daily").code == 0
    put(folder, "2024-01-01", 1, 9)
    put(folder, "2024-01-02", 8, 2)
    assert run(cli, code=1)["daily"] == {"2024-01-01": "failed", "2024-01-02": "failed"}
    folder.declare(COUNTED.replace("other: {partitions: [day], ", "other: {"), COUNTED_CODE)
    assert "compares the rows of each partition, and `other` has no partitions that make it up" in cli("validate").err


def test_equals_adds_up_shorter_periods(folder: ProjectFolder, cli: Cli) -> None:
    """A table by month is compared with the days of that month, of all regions."""
    folder.declare(
        """
        raw: {kind: source, path: "raw/{region}_{day:%Y-%m-%d}", columns: {id: int64}}
        other: {partitions: [region, day], inputs: [raw], columns: {id: int64}}
        monthly:
          partitions: [month]
          inputs: [raw]
          columns: {id: int64}
          checks: [{row_count: {equals: other}}]
        """,
        "import pyarrow as pa\ndef other(raw: pa.Table) -> pa.Table:\n    return raw\n"
        "def monthly(raw: pa.Table) -> pa.Table:\n    return raw.slice(raw['id'].to_pylist().count(9))\n",
        top="dimensions: {month: {every: month}}\n",
    )
    for name, ids in {"eu_2024-01-01": "1\n2\n", "us_2024-01-31": "3\n", "eu_2024-02-01": "4\n"}.items():
        folder.write(f"data/raw/{name}.csv", f"id\n{ids}")
    assert run(cli)["monthly"] == {"2024-01": "materialized", "2024-02": "materialized"}
    assert cli("check", "monthly").code == 0
    folder.write("data/raw/us_2024-02-02.csv", "id\n9\n5\n")
    assert run(cli, code=1)["monthly"] == {"2024-01": "unchanged", "2024-02": "failed"}
    assert "check `row_count`: 2 rows, and `other` has 3" in cli("run").err
    assert cli("check", "monthly").code == 1
    folder.edit("lakehouse.yaml", "partitions: [month]", "partitions: [region]")
    assert cli("validate").code == 0
    folder.edit("lakehouse.yaml", "partitions: [region, day]", "partitions: [day]")
    assert "`other` has no partitions that make it up" in cli("validate").err


@pytest.mark.parametrize("storage", ["{root: data}", "{type: sqlite, root: w.sqlite}", "{type: delta, root: delta}"])
def test_freshness_counts_what_is_stored(folder: ProjectFolder, cli: Cli, storage: str) -> None:
    """A partition that fails counts as it is stored, one without rows has no newest value; of any storage."""
    tables = FRESH.replace("kind: source,", "kind: source, storage: files,")
    code = FRESH_CODE.replace("    return raw\n", "    assert 13 not in raw['id'].to_pylist()\n    return raw\n")
    folder.declare(tables, code, top=f"storages:\n  files: {{root: data}}\n  default: {storage}\n")
    soon, late = ("--as-of", "2024-03-02T06:00Z"), ("--as-of", "2024-03-09T06:00Z")
    put(folder, "2024-01-01", 1)
    put(folder, "2024-03-01", 1)
    freshness(cli, "run", *soon)
    put(folder, "2024-03-01", 13)
    table, check = freshness(cli, "run", *soon, code=1)
    assert (table["status"], check["status"], check["rows"]) == ("failed", "passed", 2)
    put(folder, "2024-03-01", 1)
    put(folder, "2024-03-08")
    table, check = freshness(cli, "run", *late, code=1)
    assert [each["status"] for each in table["partitions"]] == ["materialized"]
    assert (check["status"], check["value"], check["rows"]) == ("failed", "2024-03-01T00:00:00+00:00", 2)
    assert freshness(cli, "plan", *late)[1]["status"] == "failed"
    assert freshness(cli, "plan", *soon)[1]["status"] == "passed"


LOOKING = """
sales: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [sales], columns: {id: int64}, function: same}
one: {partitions: [day], inputs: [sales], columns: {id: int64}, function: both, output: one, checks: [FK daily.id}}]}
two: {partitions: [day], inputs: [sales], columns: {id: int64}, function: both, output: two, checks: [FK three.id}}]}
three: {partitions: [day], inputs: [sales], columns: {id: int64}, function: both, output: three, checks: [FK two.id}}]}
next: {partitions: [day], inputs: {sales: two}, columns: {id: int64}, function: same}
then: {partitions: [day], inputs: {sales: next}, columns: {id: int64}, function: same}
last: {partitions: [day], inputs: {sales: then}, columns: {id: int64}, function: same}
early: {partitions: [day], inputs: [sales], columns: {id: int64}, function: same, checks: [FK late.id}}]}
late: {partitions: [day], inputs: {sales: early}, columns: {id: int64}, function: same}
""".replace("FK", "{foreign_key: {columns: id, references:")
LOOKING_CODE = """
def same(sales):
    return sales

def both(sales):
    return dict.fromkeys(["one", "two", "three"], sales)
"""


def test_check_waits_for_all_partitions_it_looks_at(folder: ProjectFolder, cli: Cli) -> None:
    """Those of one that comes with a table with more to follow, too; where they come later, it is not judged yet."""
    folder.declare(LOOKING, LOOKING_CODE)
    put(folder, "2024-01-01", 1)
    run(cli)
    put(folder, "2024-01-02", 5)
    assert run(cli, "--workers", "1")["late"] == {"2024-01-02": "materialized"}
    found = cli("run", "--workers", "1", "-o", "json").json["tables"]
    assert {each["status"] for table in found for each in table.get("checks") or ()} == {"passed"}
    put(folder, "2024-01-02", 6)
    ran = cli("run", "--workers", "1")
    assert ran.code == 0, ran.err
    for name, other in ("two", "three"), ("three", "two"), ("early", "late"):
        note = f"`{name}`: day=2024-01-02: check `foreign_key` was not judged: `{other}` is computed after it"
        assert note in ran.out, ran.out
    assert "`one`: " not in ran.out
    assert cli("check").code == 0


STAYING = """
known: {kind: source, columns: {id: int64}}
sales: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [sales], columns: {id: int64}, function: same}
one: {BY inputs: {sales: daily}, columns: {id: int64}, function: both, output: one, CHECK}
two: {BY inputs: {sales: daily}, columns: {id: int64}, function: both, output: two}
three: {BY inputs: {sales: daily}, columns: {id: int64}, function: both, output: three, CHECK}
aside: {BY inputs: {sales: daily}, columns: {id: int64}, function: same, quarantine: {max: 100%}, CHECK}
""".replace("CHECK", "checks: [{foreign_key: {columns: id, references: known.id}}]")


@pytest.mark.parametrize("by", ["", "partitions: [day],"])
def test_checks_of_one_call_are_judged_where_it_is_not_needed(folder: ProjectFolder, cli: Cli, by: str) -> None:
    """What several results are computed from comes out the same, and what their checks look at does not."""
    folder.declare(STAYING.replace("BY", by), LOOKING_CODE)
    folder.write("data/known.csv", "id\n1\n2\n")
    put(folder, "2024-01-01", 1)
    put(folder, "2024-01-02", 2)
    run(cli)
    before = folder.files()
    folder.write("data/raw/sales_2024-01-02.csv", 'id\n"2"\n')
    folder.write("data/known.csv", "id\n1\n")
    for command in ("diff", "run", "run"):
        done = cli(command, "-o", "json")
        found = {each["name"]: each["status"] for each in done.json["tables"]}
        assert done.code == 1, done.err
        failed = {name for name, status in found.items() if status == "failed"}
        assert failed == {"one", "three", "aside"}, (command, found)
    kept = {name for name in before if name.startswith(("data/one", "data/two", "data/three", "data/aside"))}
    assert {name: folder.files()[name] for name in kept} == {name: before[name] for name in kept}
    folder.write("data/known.csv", "id\n1\n2\n")
    assert cli("run").code == 0


@pytest.mark.parametrize("by", ["", "partitions: [day],"])
def test_check_that_stands_failed_fails_beside_one_that_is_judged(folder: ProjectFolder, cli: Cli, by: str) -> None:
    folder.declare(
        """
        known: {kind: source, columns: {id: int64}}
        other: {kind: source, columns: {id: int64}}
        sales: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
        daily: {BY inputs: [sales], columns: {id: int64}, checks: [FK known.id}}, FK other.id}, name: second}]}
        """.replace("FK", "{foreign_key: {columns: id, references:").replace("BY", by),
        "def daily(sales):\n    return sales\n",
    )
    put(folder, "2024-01-01", 1)
    folder.write("data/known.csv", "id\n1\n")
    folder.write("data/other.csv", "id\n1\n")
    run(cli)
    folder.write("data/known.csv", "id\n2\n")
    for other in (None, "id\n1\n3\n", "id\n1\n4\n"):  # judged anew, and passes
        if other is not None:
            folder.write("data/other.csv", other)
        ran = cli("run", "-o", "json")
        assert ran.code == 1
        found = {each["name"]: each["status"] for each in ran.json["tables"][-1]["checks"]}
        assert (found["foreign_key"], ran.json["tables"][-1]["status"]) == ("failed", "failed"), found
    folder.write("data/known.csv", "id\n1\n")
    assert cli("run").code == 0
