"""Quarantines of tables by partition: each partition's rows are put aside with it, and replaced with it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.test_partitions import put
from tests.cli.test_partitions import run as run_all
from tests.conftest import Cli, ProjectFolder

KINDS = {
    "csv": "{root: lake}",
    "sqlite": "{type: sqlite, root: w.sqlite}",
    "duckdb": "{type: duckdb, root: w.duckdb}",
    "delta": "{type: delta, root: delta}",
}
TABLES = """
raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [raw], columns: {id: {type: int64, max: 9}}, quarantine: true, gone: drop}
"""
CODE = "import pyarrow as pa\ndef daily(raw: pa.Table) -> pa.Table:\n    return raw\n"


def declare(folder: ProjectFolder, kind: str = "csv") -> None:
    folder.declare(TABLES, CODE, top=f"storages:\n  files: {{root: data}}\n  default: {KINDS[kind]}\n")
    put(folder, "2024-01-01", 1, 10, 2)
    put(folder, "2024-01-02", 3, 11, 12)


def run(cli: Cli) -> dict[str, Any]:
    """As of all tables, without the partitions of which only warnings are told again."""
    found = run_all(cli)
    return {name: {key: how for key, how in each.items() if how != "unchanged"} for name, each in found.items()}


def rows(cli: Cli, name: str) -> list[Any]:
    return [each["id"] for each in cli("show", name, "-o", "json").json["rows"]]


@pytest.mark.parametrize("kind", KINDS)
def test_partition_computed_again_replaces_its_rows(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, kind)
    assert run(cli) == {
        "daily": {"2024-01-01": "materialized", "2024-01-02": "materialized"},
        "daily__quarantine": {"2024-01-01": "materialized", "2024-01-02": "materialized"},
    }
    assert (rows(cli, "daily"), rows(cli, "daily__quarantine")) == ([1, 2, 3], [10, 11, 12])
    shown = cli("show", "daily__quarantine", "-o", "json").json["rows"][1]
    assert (shown["_checks"], shown["_row"]) == ("id_max", 2)
    # What is stored passes; what was put aside for it is said again.
    checked = cli("check", "daily", "-o", "json")
    (table,) = checked.json["tables"]
    assert (checked.code, table["status"], table["checks"][0]["quarantined"]) == (0, "warned", 3)
    planned = next(each for each in cli("plan", "-o", "json").json["tables"] if each["name"] == "daily")
    assert planned["checks"][0]["quarantined"] == 3
    put(folder, "2024-01-02", 3, 4, 13)
    again = run(cli)
    assert again == {"daily": {"2024-01-02": "materialized"}, "daily__quarantine": {"2024-01-02": "materialized"}}
    assert (rows(cli, "daily"), rows(cli, "daily__quarantine")) == ([1, 2, 3, 4], [10, 13])
    assert run(cli) == {"daily": {}, "daily__quarantine": {}}
    (folder.path / "data/raw/sales_2024-01-01.csv").unlink()
    folder.edit("lakehouse.yaml", ", gone: drop", "")
    failed = cli("run", "-o", "json").json["tables"]
    hints = [each["error"]["hint"] for table in failed for each in table["partitions"] if each["status"] == "failed"]
    assert [each.partition(" keeps")[0] for each in hints] == ["`gone: keep` in table `daily`"] * 2
    folder.edit("lakehouse.yaml", "quarantine: true", "quarantine: true, gone: drop")
    assert run(cli)["daily__quarantine"] == {"2024-01-01": "dropped"}
    assert (rows(cli, "daily"), rows(cli, "daily__quarantine")) == ([3, 4], [13])


@pytest.mark.parametrize("kind", KINDS)
def test_check_says_rows_aside_beside_others_within(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    """Of one partition rows were put aside, of another those that violate the same check are no error yet."""
    declare(folder, kind)
    folder.edit("lakehouse.yaml", "max: 9", "checks: [{max: 9, error_above: 1}]")
    (ran, _), (planned, _) = cli("run", "-o", "json").json["tables"], cli("plan", "-o", "json").json["tables"][-2:]
    for found in (ran, planned, cli("check", "daily", "-o", "json").json["tables"][0]):
        (check,) = found["checks"]
        aside = (check["status"], check["quarantined"], [each["row"] for each in check["examples"]])
        assert aside == ("warned", 2, [2, 3]), found
    assert (check["count"], check["rows"]) == (3, 6)
    said = next(each for each in cli("plan", "-o", "json").json["tables"] if each["name"] == "daily")
    assert said["checks"][0]["quarantined"] == 2
    assert cli("show", "daily", "--failed", "-o", "json").json["count"] == 3


def test_quarantine_is_replayed_by_partition(folder: ProjectFolder, cli: Cli) -> None:
    """Those partitions that have rows aside, and no others."""
    declare(folder)
    put(folder, "2024-01-02", 3)
    run(cli)
    folder.edit("lakehouse.yaml", "max: 9", "max: 9, description: x")
    done = cli("run", "--replay", "daily__quarantine", "-o", "json")
    table = next(each for each in done.json["tables"] if each["name"] == "daily")
    assert [each["key"] for each in table["partitions"]] == [{"day": "2024-01-01"}]
    assert table["replayed"]["rows"] == table["replayed"]["quarantined"] == 1
    put(folder, "2024-01-01", 1)
    run(cli)
    nothing = cli("run", "--replay", "daily__quarantine")
    assert (nothing.code, "there is nothing to judge again" in nothing.out + nothing.err) == (0, True)


@pytest.mark.parametrize("newest", [(), ("--newest-first",)])
def test_keys_of_rows_put_aside_do_not_count(folder: ProjectFolder, cli: Cli, newest: tuple[str, ...]) -> None:
    """Whichever partition comes first: a row that is put aside has no key, that of another partition included."""
    declare(folder)
    folder.edit("lakehouse.yaml", "quarantine: true", "quarantine: true, key: id")
    folder.edit("lakehouse.yaml", "columns: {id: int64}", "columns: {id: int64, v: int64}")
    folder.edit("lakehouse.yaml", "{id: {type: int64, max: 9}}", "{id: int64, v: {type: int64, max: 9}}")
    for day, text in (("01", "1,1\n2,2\n"), ("02", "1,99\n3,3\n")):
        folder.write(f"data/raw/sales_2024-01-{day}.csv", f"id,v\n{text}")
    done = cli("run", "--executor", "serial", "-o", "json", *newest)
    assert done.code == 0, done.err
    assert (sorted(rows(cli, "daily")), rows(cli, "daily__quarantine")) == ([1, 2, 3], [1])
    # Of two rows that are published, one partition's is refused.
    folder.write("data/raw/sales_2024-01-03.csv", "id,v\n4,4\n2,5\n5,99\n")
    failed = cli("run", "-o", "json")
    table = next(each for each in failed.json["tables"] if each["name"] == "daily")
    assert (failed.code, table["partitions"][-1]["error"]["message"]) == (
        1,
        "key `id`: 1 row has a key of another partition",
    )
    assert sorted(rows(cli, "daily")) == [1, 2, 3]


def test_unique_over_all_partitions_puts_no_rows_aside(folder: ProjectFolder, cli: Cli) -> None:
    """Which rows went would hang on the order of the partitions."""
    declare(folder)
    folder.edit("lakehouse.yaml", "max: 9}}", "max: 9}}, checks: [unique: [id]]")
    done = cli("validate")
    assert done.code == 3
    assert "check `unique` of table `daily` is of all its partitions, and rows are put aside of each" in done.err
    assert "write `unique: [day, id]` with declared columns" in done.err
    folder.edit(
        "lakehouse.yaml", "max: 9}}, checks: [unique: [id]]", "max: 9}, day: date32}, checks: [unique: [day, id]]"
    )
    put(folder, "2024-01-02", 3, 3, 1)
    run(cli)
    assert (rows(cli, "daily"), rows(cli, "daily__quarantine")) == ([1, 2, 1], [10, 3, 3])
    folder.edit("lakehouse.yaml", "unique: [day, id]", "{unique: [id], severity: warn}")
    assert cli("validate").code == 0


def test_lost_rows_aside_are_made_with_their_partition(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    run(cli)
    (folder.path / "lake/daily__quarantine/day=2024-01-01/data.csv").unlink()
    assert run(cli) == {"daily": {"2024-01-01": "materialized"}, "daily__quarantine": {"2024-01-01": "materialized"}}
    listed = {each["name"] for each in cli("ls", "-o", "json").json["tables"]}
    assert "daily__quarantine" in listed
    folder.edit("lakehouse.yaml", "quarantine: true", "on_code_change: all")
    found = cli("clean", "--dry-run", "-o", "json").json["found"]
    assert {each["table"].partition("/")[0] for each in found} == {"daily__quarantine"}


def test_hints_on_a_foreign_key_to_the_table_itself_work(folder: ProjectFolder, cli: Cli) -> None:
    """Of a table by partition, and of one without: rows that look for others of the table cannot be put aside."""
    tables = """
s: {kind: source, path: "s_{day:%%Y-%%m-%%d}", columns: {id: int64, boss: int64}}
t:
  inputs: [s]
  columns: {id: int64, boss: int64}
  checks: [{foreign_key: {columns: boss, references: %s.id}}]
  quarantine: {max: 100%%}%s
"""
    folder.write("data/s_2024-01-01.csv", "id,boss\n1,\n2,1\n3,9\n")
    folder.write("data/s_2024-01-02.csv", "id,boss\n4,1\n")
    code = "def t(s):\n    return s\n"
    for partitions, said in (
        ("\n  partitions: [day]", "write `references: s.id`, from which it is computed"),
        ("", "have it look for the values in a table that this one is computed from, or remove `quarantine`"),
    ):
        folder.declare(tables % ("t", partitions), code)
        refused = cli("validate")
        assert (refused.code, said in refused.err, "1 problem" in refused.err) == (3, True, True), refused.err
        folder.declare(tables % ("s", partitions), code)
        assert cli("run", "--force").code == 0
        assert [row["id"] for row in cli("show", "t", "-o", "json").json["rows"]] == [1, 2, 4]


def test_rows_of_a_run_that_was_killed_before_it_kept_them(folder: ProjectFolder, cli: Cli) -> None:
    """Those kept before are of data that are gone: the first rows that the manifest has are shown in their place."""
    declare(folder)
    put(folder, "2024-01-01", 1, 10)
    put(folder, "2024-01-02", 2, 11)
    run(cli)
    kept = {path: path.read_bytes() for path in (folder.path / ".lakehouse/failed").iterdir()}
    put(folder, "2024-01-02", 2, *range(20, 30))
    run(cli)
    for path, content in kept.items():
        path.write_bytes(content)  # as the run left them where it was killed as soon as it had stored the partition
    found = cli("show", "daily", "--failed", "-o", "json").json
    values = [(each["partition"]["day"][-1], each["values"]["id"]) for each in found["rows"]]
    assert values == [("1", "10"), *(("2", str(id_)) for id_ in range(20, 25))]
    assert (found["count"], found["left_out"]) == (11, 5)
    for path in kept:
        path.unlink()  # as in a fresh clone
    rest = cli("show", "daily", "--failed", "-o", "json").json
    assert [each["values"]["id"] for each in rest["rows"]] == [id_ for _, id_ in values]
    assert (rest["count"], rest["left_out"]) == (11, 5)
