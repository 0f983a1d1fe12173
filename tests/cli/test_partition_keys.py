"""Keys, and values that are unique, across the partitions of a table, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from tests.cli.running import running
from tests.cli.test_partitions import put, run
from tests.conftest import Cli, ProjectFolder
from tests.servers.postgresql import USER, PostgreSQL

KINDS = {
    "csv": "{root: lake}",
    "memory": "{type: memory, root: 'memory://PLACE'}",
    "sqlite": "{type: sqlite, root: w.sqlite}",
    "duckdb": "{type: duckdb, root: w.duckdb}",
    "delta": "{type: delta, root: delta}",
}
RAW = 'raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}\n'
DAILY = "daily: {partitions: [day], inputs: [raw], columns: {id: int64}, %s}\n"
CODE = """
from collections.abc import Iterator

import pyarrow as pa

def daily(raw: pa.Table) -> pa.Table:
    if 13 in raw["id"].to_pylist():
        raise ValueError("thirteen")
    return raw
"""


def declare(folder: ProjectFolder, kind: str = "csv", more: str = "key: [id]") -> None:
    storage = KINDS[kind].replace("PLACE", token_hex(8))  # what is in memory outlives a test
    top = f"storages:\n  files: {{root: data}}\n  default: {storage}\n"
    folder.declare(RAW + DAILY % more, CODE, top=top)
    put(folder, "2024-01-01", 1, 2)
    put(folder, "2024-01-02", 3, 4)


def rows(cli: Cli) -> list[int]:
    return [each["id"] for each in cli("show", "daily", "-o", "json").json["rows"]]


def failure(cli: Cli, *arguments: str) -> dict[str, Any]:
    """The partitions that failed, each with its error."""
    done = cli("run", "-o", "json", *arguments)
    assert done.code == 1, done
    table = next(each for each in done.json["tables"] if each["name"] == "daily")
    return {"/".join(p["key"].values()): p["error"] for p in table["partitions"] if p["status"] == "failed"}


def on_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `postgresql` be a database of the server."""
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    monkeypatch.setenv("PASSWORD_", server.url().split(":")[2].split("@")[0])
    place = f"127.0.0.1:{server.port}/{request.getfixturevalue('postgresql_database')}"
    monkeypatch.setitem(KINDS, "postgresql", f"{{root: 'postgresql://{USER}:${{PASSWORD_}}@{place}'}}")


@pytest.mark.parametrize("kind", KINDS)
def test_key_of_another_partition_fails(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, kind)
    run(cli)
    put(folder, "2024-01-03", 5, 2, 3)
    error = failure(cli)["2024-01-03"]
    assert error["message"] == "key `id`: 2 rows have a key of another partition"
    [violation] = error["violations"]
    assert [(each["row"], each["value"]) for each in violation["examples"]] == [
        (2, "2 (also in day=2024-01-01)"),
        (3, "3 (also in day=2024-01-02)"),
    ]
    assert rows(cli) == [1, 2, 3, 4]
    put(folder, "2024-01-03", 5)
    assert run(cli)["daily"] == {"2024-01-03": "materialized"}
    put(folder, "2024-01-01", 1)  # its former keys count no more
    put(folder, "2024-01-04", 2)
    assert run(cli)["daily"] == {"2024-01-01": "materialized", "2024-01-04": "materialized"}
    put(folder, "2024-01-05", 5)
    assert list(failure(cli)) == ["2024-01-05"]


@pytest.mark.parametrize("kind", KINDS)
def test_keys_move_between_partitions_of_a_run(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, kind)
    run(cli)
    put(folder, "2024-01-01", 3, 4)
    put(folder, "2024-01-02", 1, 2)
    assert set(run(cli)["daily"].values()) == {"materialized"}
    assert rows(cli) == [3, 4, 1, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_only_one_of_two_new_partitions_is_stored(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    declare(folder, kind)
    for day in range(3, 9):
        put(folder, f"2024-01-0{day}", 7, 20 + day)
    failed = failure(cli, "--workers", "4")
    assert len(failed) == 5
    assert {each["message"] for each in failed.values()} <= {
        "key `id`: 1 row has a key of another partition",
        *(
            f"key `id`: 1 row has a key that partition day=2024-01-0{day} has, which was stored at the same time"
            for day in range(3, 9)
        ),
    }
    assert rows(cli).count(7) == 1


def test_processes_store_only_one_of_two(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    for day in range(3, 9):
        put(folder, f"2024-01-0{day}", 7)
    assert len(failure(cli, "--workers", "2", "--executor", "processes")) == 5
    assert rows(cli).count(7) == 1


def test_values_that_two_partitions_share_are_counted(folder: ProjectFolder, cli: Cli) -> None:
    """Once a row, also where its own partition has them twice; those that only warn are stored."""
    declare(folder, more="checks: [{unique: [id], severity: warn, where: 'id < 100', name: once}]")
    run(cli)
    put(folder, "2024-01-03", 2, 2, 5, 5, 3, 100)
    put(folder, "2024-01-04", 100)
    done = cli("run", "-o", "json")
    assert done.code == 0
    [table] = [each for each in done.json["tables"] if each["name"] == "daily"]
    [check] = table["checks"]
    assert (check["status"], check["count"]) == ("warned", 5)
    assert check["message"].startswith("day=2024-01-03: ")
    assert check["message"].endswith(", 3 rows with partitions day=2024-01-01; day=2024-01-02")
    put(folder, "2024-01-03", 5)
    assert cli("run", "--warnings-as-errors").code == 0


@pytest.mark.parametrize("kind", [*KINDS, "postgresql"])
def test_values_of_partitions_computed_at_once_are_counted(
    folder: ProjectFolder, cli: Cli, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the run that stores the second of them; both are judged before either is stored, or one by the other."""
    if kind == "postgresql":
        on_server(request, monkeypatch)
    declare(folder, kind, more="checks: [{unique: [id], severity: warn, name: once}]")
    run(cli)
    [check] = at_once(folder, cli)["checks"]
    assert (check["status"], check["count"]) == ("warned", 5)


@pytest.mark.parametrize("kind", ["csv", "delta"])
def test_late_values_count_for_thresholds(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    """Each partition alone is below the threshold; the second that is stored is above it, and is not."""
    declare(folder, kind, more="checks: [{unique: [id], error_above: 2, name: once}]")
    run(cli)
    table = at_once(folder, cli)
    ends = {each["status"]: each["error"] for each in table["partitions"]}
    assert ends.keys() == {"materialized", "failed"}
    assert "3 rows share their `id` with others, 3 rows with partition day=2024-01-0" in ends["failed"]["message"]
    [failed] = (each["key"] for each in table["partitions"] if each["status"] == "failed")
    assert [each["values"]["id"] for each in failed_rows(cli) if each["partition"] == failed] == ["7", "8", "8"]
    assert rows(cli) == [1, 2, 3, 4, 7, 8, 8]


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        *((kind, "whole") for kind in (*KINDS, "postgresql")),
        *((kind, "pieces") for kind in ("csv", "sqlite", "delta")),
        *((kind, how) for kind in ("csv", "duckdb") for how in ("quarantine", "quarantine of pieces", "two results")),
    ],
)
def test_rows_with_keys_of_partitions_computed_at_once_are_named(
    folder: ProjectFolder,
    cli: Cli,
    kind: str,
    how: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where one is stored first, the rows of the other are those of which it has the keys."""
    if kind == "postgresql":
        on_server(request, monkeypatch)
    aside = ", quarantine: {max: 60%}, checks: [{expression: id < 20, name: small}]" if "quarantine" in how else ""
    declare(folder, kind, more=f"key: [id]{aside}")
    if "pieces" in how:
        folder.edit("transforms.py", "-> pa.Table", "-> Iterator[pa.RecordBatch]")
        folder.edit("transforms.py", "return raw", "yield from raw.to_batches(max_chunksize=2)")
    if how == "two results":
        folder.edit("lakehouse.yaml", "key: [id]", "key: [id], function: daily, output: daily")
        more = "partitions: [day], inputs: [raw], function: daily, output: more, columns: {id: int64}"
        folder.add("lakehouse.yaml", f"  more: {{{more}}}\n")
        folder.edit("transforms.py", "-> pa.Table", "-> dict[str, pa.Table]")
        folder.edit("transforms.py", "return raw", "return {'daily': raw, 'more': raw}")
    at_once(folder, cli, 7, 8, 9, *([30] if aside else ()))
    found = {each["row"]: each["values"]["id"] for each in failed_rows(cli) if "key `id`" in each["reasons"][0]}
    assert found == {1: "7", 2: "8", 3: "9"}
    assert rows(cli) == [1, 2, 3, 4, 7, 8, 9]


def failed_rows(cli: Cli) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cli("show", "daily", "--failed", "-o", "json").json["rows"]
    return found


def at_once(folder: ProjectFolder, cli: Cli, *ids: int) -> dict[str, Any]:
    """Compute two partitions with the same values at once, so that neither is stored when the other is judged."""
    folder.edit(
        "transforms.py",
        "import pyarrow as pa\n",
        "import pyarrow as pa\nimport threading\n\nboth, met = threading.Barrier(2), []\n",
    )
    meet = "    if 7 in raw['id'].to_pylist() and len(met) < 2:\n        met.append(7)\n        both.wait(30)\n"
    folder.edit("transforms.py", "    if 13", f"{meet}    if 13")
    for day in ("2024-01-03", "2024-01-04"):
        put(folder, day, *(ids or (7, 8, 8)))
    done = cli("run", "-o", "json", "--executor", "threads", "--workers", "2", "--warnings-as-errors")
    assert done.code == 1, done
    [table] = [each for each in done.json["tables"] if each["name"] == "daily"]
    found: dict[str, Any] = table
    return found


@pytest.mark.parametrize("kind", ["csv", "delta"])
def test_key_is_taken_as_soon_as_it_is_stored(folder: ProjectFolder, cli: Cli, kind: str, tmp_path: Path) -> None:
    """Another process that stores it too, before the run has ended, is the one that fails."""
    declare(folder, kind)
    put(folder, "2024-01-02", 7)
    root = KINDS[kind].partition("root: ")[2].rstrip("}")
    folder.edit("lakehouse.yaml", f"root: {root}", f"root: {folder.path / 'lake'}")
    other = ProjectFolder(tmp_path / "other")
    for name in ("lakehouse.yaml", "transforms.py"):
        other.write(name, folder.read(name))
    put(other, "2024-01-03", 7)
    folder.add("lakehouse.yaml", "  later: {columns: {id: int64}}\n")
    start = f"""
def later() -> pa.Table:
    import subprocess, sys

    told = [sys.executable, "-m", "lakehouse_cli", "run", "--partition", "day=2024-01-03"]
    assert subprocess.run(told, cwd={str(other.path)!r}).returncode == 1
    return pa.table({{"id": pa.nulls(0, pa.int64())}})
"""
    folder.add("transforms.py", start)
    done = cli("run", "--executor", "serial")
    assert done.code == 0, done
    assert rows(cli) == [1, 2, 7]


def test_changed_unique_reads_stored_partitions_once(folder: ProjectFolder, cli: Cli) -> None:
    """As those have no digests of it; nothing is computed."""
    declare(folder, more="gone: drop")
    put(folder, "2024-01-03", 3, 5)
    run(cli)
    folder.edit("lakehouse.yaml", "gone: drop", "checks: [unique: [id]], gone: drop")
    done = cli("run", "-o", "json")
    [table] = [each for each in done.json["tables"] if each["name"] == "daily"]
    assert {"/".join(p["key"].values()) for p in table["partitions"] if p["status"] == "failed"} == {
        *("2024-01-02", "2024-01-03"),
    }
    assert rows(cli) == [1, 2, 3, 4, 3, 5]
    (folder.path / "data/raw/sales_2024-01-02.csv").unlink()  # a partition that is dropped counts no more
    assert run(cli)["daily"]["2024-01-02"] == "dropped"
    assert cli("check", "daily").code == 0
    keys = folder.path / "lake/.lakehouse/manifests/daily.partitions.keys"
    for each in keys.iterdir():
        each.unlink()
    put(folder, "2024-01-04", 4, 5)
    assert failure(cli)["2024-01-04"]["message"] == (
        "check `unique`: 1 row shares its `id` with others, 1 row with partition day=2024-01-03"
    )
    put(folder, "2024-01-04", 4)
    done = cli("run", "daily", "-v")
    assert done.code == 0


BY_MONTH = (
    "ids: {partitions: [month], engine: storage, inputs: [daily], sql: select id from daily, columns: {id: int64}%s}\n"
)
PIECES = """
from collections.abc import Iterator

import pyarrow as pa

def daily(raw: pa.Table) -> Iterator[pa.RecordBatch]:
    yield from raw.to_batches()
"""


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgresql", "csv"])
def test_key_that_is_new_reads_stored_partitions_of_what_is_stored_in_pieces(
    folder: ProjectFolder, cli: Cli, kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests of others are kept when the transaction that stores the partition has ended."""
    if kind == "postgresql":
        on_server(request, monkeypatch)
    top = f"dimensions: {{month: {{every: month}}}}\nstorages: {{files: {{root: data}}, default: {KINDS[kind]}}}\n"
    query = BY_MONTH if kind != "csv" else ""
    folder.declare(RAW + DAILY.replace(", %s", "") + (query and query % ""), PIECES, top=top)
    put(folder, "2024-01-01", 1, 9)
    put(folder, "2024-02-01", 5)
    run(cli)
    folder.declare(RAW + DAILY % "key: [id]" + (query and query % ", key: [id]"), PIECES, top=top)
    put(folder, "2024-04-01", 7)
    with running(folder.path, "run", "-o", "json") as ran:
        assert ran.ends() == 0, ran
        notes = {each["name"]: each["notes"] for each in json.loads(ran.out)["tables"]}
    of_one = "1 stored partition was read for the keys, of which no digests were kept"
    assert all(any(of_one in note for note in notes[name]) for name in notes if name != "raw"), notes
    put(folder, "2024-04-01", 7, 5)
    assert "a key of another partition" in failure(cli)["2024-04-01"]["message"]


def test_no_value_of_a_sensitive_key_is_shown(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, more="key: [id]")
    folder.edit("lakehouse.yaml", "columns: {id: int64}, key", "columns: {id: {type: int64, sensitive: true}}, key")
    put(folder, "2024-01-01", 987654)
    put(folder, "2024-01-02", 987654)
    done = cli("run", "--executor", "serial")
    assert done.code == 1
    assert "key `id`: 1 row has a key of another partition" in done.err
    assert "987654" not in done.out + done.err
    index = folder.path / "lake/.lakehouse/manifests/daily.partitions.jsonl"
    assert "987654" not in index.read_text()


def test_key_is_judged_over_the_stored_table(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, more="gone: drop")
    put(folder, "2024-01-02", 2)
    run(cli)
    assert cli("check", "daily").code == 0
    folder.edit("lakehouse.yaml", "gone: drop", "key: [id]")
    done = cli("check", "daily")
    assert done.code == 1
    assert "key `id`: 1 row repeats an earlier key" in done.err
    assert cli("check", "daily", "--partition", "day=2024-01-02").code == 0


def test_table_divided_by_a_column_of_the_key_keeps_nothing(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, more="key: [day, id]")
    folder.edit("lakehouse.yaml", "columns: {id: int64}, key", "columns: {day: date32, id: int64}, key")
    put(folder, "2024-01-02", 1)
    run(cli)
    assert not (folder.path / "lake/.lakehouse/manifests/daily.partitions.keys").exists()


def test_key_of_a_partition_that_was_not_replaced_is_found(folder: ProjectFolder, cli: Cli) -> None:
    """Where its file is as it was again, nothing else would be due."""
    declare(folder)
    run(cli)
    put(folder, "2024-01-01", 3)
    put(folder, "2024-01-02", 13)  # its transform fails
    assert list(failure(cli)) == ["2024-01-02"]
    assert rows(cli) == [3, 3, 4]
    put(folder, "2024-01-02", 3, 4)
    assert list(failure(cli)) == ["2024-01-01"]
    put(folder, "2024-01-01", 5)
    run(cli)
    assert rows(cli) == [5, 3, 4]
    assert cli("run").code == 0


def test_keys_of_a_partition_that_was_stored_in_another_way_are_not_read(folder: ProjectFolder, cli: Cli) -> None:
    """No digests are kept of it, and its dates would be read as others."""
    raw = 'raw: {kind: source, path: "raw/{day}", columns: {id: date32}}\n'

    def declared(more: str) -> None:
        folder.declare(raw + f"daily: {{partitions: [day], inputs: [raw], columns: {{id: date32}}, {more}}}\n", CODE)

    declared("options: {date_format: '%d/%m/%Y'}")
    folder.write("data/raw/2024-01-01.csv", "id\n2024-01-02\n")
    folder.write("data/raw/2024-01-02.csv", "id\n2024-02-01\n")
    assert cli("run").code == 0
    declared("options: {date_format: '%m/%d/%Y'}, key: [id]")
    why = failure(cli, "daily", "--partition", "day=2024-01-02")["2024-01-02"]
    assert "it was stored in another way than it is declared now (option `date_format` changed)" in why["message"]
    assert why["hint"] == "run again without `--partition` and `--max-partitions`"
    assert cli("run").code == 0
