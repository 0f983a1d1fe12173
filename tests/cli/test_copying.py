"""`lakehouse copy`: what was computed in one environment is there in another, and not computed again."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli import Project
from lakehouse_cli.runs.lock import run_lock
from lakehouse_cli.storage.local.storage import FileStorage
from tests.conftest import Cli, ProjectFolder

ENVIRONMENTS = """
environments:
  dev: {storages: {default: {root: dev}}}
  prod: {storages: {default: {root: prod, options: {delimiter: ";"}}}}
  lake: {storages: {default: {root: lake, format: parquet}}}
  database: {storages: {default: {type: sqlite, root: lake.db}}}
  linked: {storages: {default: {root: link}}}
"""


@pytest.fixture
def computed(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """The small project, materialized in `default`."""
    for name in ("LAKEHOUSE_ENV", "LAKEHOUSE_DEFER"):
        monkeypatch.delenv(name, raising=False)
    project.add("lakehouse.yaml", ENVIRONMENTS)
    assert cli("run").code == 0
    return project


def plan(cli: Cli, env: str) -> dict[str, list[str]]:
    document = cli("plan", "-e", env, "-o", "json").json
    return {t["name"]: [t["action"], *(r["code"] for r in t["reasons"])] for t in document["tables"]}


@pytest.mark.parametrize("to", ["dev", "prod"])
def test_everything_with_its_sources_is_up_to_date_there(computed: ProjectFolder, cli: Cli, to: str) -> None:
    """Also where another format gives other bytes."""
    done = cli("copy", "--from", "default", "--to", to, "--sources", "-o", "json")
    assert done.code == 0
    assert done.statuses == {"orders": "copied", "totals": "copied", "best": "copied"}
    assert plan(cli, to) == {"orders": ["read"], "totals": ["skip"], "best": ["skip"]}
    separator = ";" if to == "prod" else ","
    assert computed.read(f"{to}/totals.csv") == f"customer{separator}total\n007{separator}6\n008{separator}2\n"
    again = cli("copy", "--to", to, "--sources", "-o", "json")
    assert again.code == 0
    assert set(again.statuses.values()) == {"unchanged"}
    assert cli("clean", "-e", to, "--dry-run").out == "nothing to clean\n"


def test_plan_without_copied_sources_reads_the_existing(computed: ProjectFolder, cli: Cli) -> None:
    done = cli("copy", "--to", "dev")
    assert done.code == 0
    assert "1 source stays where it is" in done.out
    assert plan(cli, "dev")["totals"] == ["run", "input_changed"], "it is not there, and was"
    computed.write("dev/orders.csv", computed.read("data/orders.csv"))
    assert plan(cli, "dev") == {"orders": ["read"], "totals": ["skip"], "best": ["skip"]}
    computed.write("dev/orders.csv", "customer,amount\n1,1\n")
    assert plan(cli, "dev")["totals"] == ["run", "input_changed"]


def test_a_table_whose_input_was_copied_before(computed: ProjectFolder, cli: Cli) -> None:
    assert cli("copy", "totals", "--to", "prod").code == 0
    assert cli("copy", "best", "--to", "prod").code == 0
    assert plan(cli, "prod")["best"] == ["run", "upstream_runs"], "`totals` lacks its source, and nothing else"
    manifest = _manifest("prod", "best")
    assert manifest["inputs"]["totals"][0] == _manifest("prod", "totals")["content_hash"]


def test_what_is_out_of_date_stays_so(computed: ProjectFolder, cli: Cli) -> None:
    computed.edit("transforms.py", "sum", "max")
    assert cli("copy", "--to", "prod", "--sources").code == 0
    assert plan(cli, "prod")["totals"] == ["run", "function_changed"]


@pytest.mark.parametrize("to", ["dev", "lake", "database"])
@pytest.mark.parametrize("contract", ["total: int64\n      n: int64", "total: float64", "sum: int64"])
def test_what_was_stored_under_another_contract(computed: ProjectFolder, cli: Cli, contract: str, to: str) -> None:
    """It is copied as it was stored, and is out of date there for the reason it is here."""
    computed.edit("lakehouse.yaml", "total: {type: int64, nullable: false}", contract, 1)
    done = cli("copy", "totals", "--to", to, "--sources", "-o", "json")
    assert done.code == 0, done.err
    assert done.statuses == {"totals": "copied"}
    project = Project.load(env=to)
    manifest = project.storage("totals").read_manifest(project.table("totals"))
    assert manifest is not None
    assert manifest.columns == (("customer", "string"), ("total", "int64"))
    assert plan(cli, "default")["totals"] == ["run", "contract_changed"]
    assert "contract_changed" in plan(cli, to)["totals"]


def test_a_dry_run_copies_nothing(computed: ProjectFolder, cli: Cli) -> None:
    done = cli("copy", "+best", "--to", "dev", "--dry-run", "-o", "json")
    assert done.code == 0
    assert done.json["dry_run"] is True
    assert done.statuses == {"totals": "planned", "best": "planned"}
    assert not (computed.path / "dev").exists()


def test_what_is_newer_there_is_not_overwritten(computed: ProjectFolder, cli: Cli) -> None:
    assert cli("copy", "--to", "dev", "--sources").code == 0
    computed.write("dev/orders.csv", "customer,amount\n1,1\n")
    assert cli("run", "-e", "dev", "totals").code == 0
    before = computed.read("dev/totals.csv"), computed.read("dev/best.csv")
    computed.edit("transforms.py", "nlargest", "nsmallest")
    done = cli("copy", "totals", "best", "--to", "dev")
    assert done.code == 1
    assert "`totals`: dev/totals.csv is newer" in done.err
    its, mine = re.findall(r"\d{4}-\d\d-\d\d [\d:.]+\d", done.err)
    assert its > mine, "also where both are of one minute"
    assert "`--force` overwrites it" in done.err
    assert (computed.read("dev/totals.csv"), computed.read("dev/best.csv")) == before
    assert cli("copy", "totals", "--to", "dev", "--force").code == 0
    assert computed.read("dev/totals.csv") == computed.read("data/totals.csv")


@pytest.mark.parametrize("to", ["dev", "prod"])
def test_what_was_computed_later_and_is_the_same_is_there(computed: ProjectFolder, cli: Cli, to: str) -> None:
    """Also where another format gives other bytes; what is computed from it is up to date there."""
    assert cli("copy", "orders", "--to", to, "--sources").code == 0
    assert cli("run", "-e", to, "totals").code == 0
    before = _manifest(to, "totals")["run_id"]
    done = cli("copy", "--to", to, "-o", "json")
    assert done.code == 0
    assert done.statuses == {"totals": "unchanged", "best": "copied"}
    assert done.json["tables"][0]["note"] == "the same is there, computed later"
    assert _manifest(to, "totals")["run_id"] == before
    assert plan(cli, to) == {"orders": ["read"], "totals": ["skip"], "best": ["skip"]}


def test_what_was_computed_later_of_other_types_is_another(computed: ProjectFolder, cli: Cli) -> None:
    """Though its bytes are the same."""
    computed.edit("lakehouse.yaml", "total: {type: int64", "total: {type: int32")
    assert cli("copy", "orders", "--to", "dev", "--sources").code == 0
    assert cli("run", "-e", "dev", "totals").code == 0
    assert computed.read("dev/totals.csv") == computed.read("data/totals.csv")
    assert cli("copy", "totals", "--to", "dev", "-o", "json").statuses == {"totals": "refused"}


def test_same_outside_bytes_lose_nothing(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/orders.csv", computed.read("data/orders.csv"))
    computed.write("dev/totals.csv", computed.read("data/totals.csv"))
    done = cli("copy", "--to", "dev", "-o", "json")
    assert done.statuses == {"totals": "copied", "best": "copied"}
    assert plan(cli, "dev")["totals"] == ["skip"]


def test_force_overwrites_outside_data(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/totals.csv", "mine\n")
    refused = cli("copy", "--to", "dev")
    assert refused.code == 1
    assert "`--force` overwrites it" in refused.err
    assert cli("copy", "--to", "dev", "--force").code == 0
    assert computed.read("dev/totals.csv") == computed.read("data/totals.csv")
    with closing(sqlite3.connect(computed.path / "lake.db")) as database:
        database.execute("create table totals (mine text)")
        database.commit()
        assert cli("copy", "--to", "database").code == 1
        assert cli("copy", "--to", "database", "--force").code == 0
        assert database.execute("select * from totals order by 1").fetchall() == [("007", 6), ("008", 2)]


def test_refusal_is_reported_once(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/totals.csv", "mine\n")
    done = cli("copy", "--to", "dev")
    assert (done.out + done.err).count("dev/totals.csv was not created") == 1
    assert "nothing was copied" in done.err.splitlines()


def test_wrong_arguments_are_reported_alone(computed: ProjectFolder, cli: Cli) -> None:
    done = cli("copy", "nothing", "--to", "dev")
    assert (done.code, done.out) == (2, "")
    assert "there is no table `nothing`" in done.err
    assert cli("copy", "state:failed", "--to", "dev").out.startswith("small · default → dev · copy\n")


def test_unreachable_table_is_reported_with_a_hint(computed: ProjectFolder, cli: Cli) -> None:
    (computed.path / "lake.db").write_text("no database" * 100)
    done = cli("copy", "totals", "--to", "database")
    assert done.code == 1
    error = cli("copy", "totals", "--to", "database", "-o", "json").json["tables"][0]["error"]
    assert error["hint"]
    assert f"  {error['hint']}" in done.err.splitlines()


def test_what_was_altered_where_it_comes_from(computed: ProjectFolder, cli: Cli) -> None:
    """Nothing would be overwritten there: it is about what is taken along."""
    computed.write("data/totals.csv", "customer,total\n1,1\n")
    done = cli("copy", "totals", "--to", "dev")
    assert "overwrites" not in done.err
    assert "`lakehouse run totals -e default` computes it anew; `--force` copies it as it is" in done.err
    assert cli("run", "totals", "-e", "default").code == 0
    assert cli("copy", "totals", "--to", "dev").code == 0
    (computed.path / "data/.lakehouse/manifests/best.json").unlink()
    hint = cli("copy", "best", "--to", "dev", "-o", "json").json["tables"][0]["hint"]
    assert hint.startswith("`lakehouse run best -e default --force` computes it anew")
    assert cli("run", "best", "-e", "default", "--force").code == 0
    assert cli("copy", "best", "--to", "dev").code == 0


def test_times_are_shown_in_local_time(computed: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("copy", "--to", "dev", "--sources").code == 0
    computed.write("dev/orders.csv", "customer,amount\n1,1\n")
    assert cli("run", "-e", "dev", "totals").code == 0
    stored = datetime.fromisoformat(_manifest("dev", "totals")["started_at"])
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Asia/Kathmandu")
        time.tzset()
        done = cli("copy", "totals", "--to", "dev")
    time.tzset()
    there = stored + timedelta(hours=5, minutes=45)
    assert f"dev/totals.csv is newer: {there:%Y-%m-%d %H:%M}" in done.err


def test_nothing_is_copied_while_one_is_refused(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/totals.csv", "mine\n")
    done = cli("copy", "--to", "dev", "-o", "json")
    assert done.code == 1
    assert done.statuses == {"totals": "refused", "best": "held_back"}
    assert computed.read("dev/totals.csv") == "mine\n"
    assert not (computed.path / "dev/best.csv").exists()


@pytest.mark.parametrize(("env", "why"), [("default", "data"), ("dev", "dev")])
def test_data_modified_outside_lakehouse(computed: ProjectFolder, cli: Cli, env: str, why: str) -> None:
    assert cli("copy", "--to", "dev").code == 0
    computed.write(f"{why}/totals.csv", "customer,total\n1,1\n")
    done = cli("copy", "totals", "--to", "dev")
    assert done.code == 1
    assert f"{why}/totals.csv was modified outside lakehouse" in done.err
    assert cli("copy", "totals", "--to", "dev", "-f").code == 0
    assert plan(cli, "dev")["totals"][0] == "run", "nobody knows what it was made by"


def test_foreign_source_is_not_overwritten(computed: ProjectFolder, cli: Cli) -> None:
    computed.write("dev/orders.csv", "customer,amount\n1,1\n")
    done = cli("copy", "orders", "--to", "dev", "--sources")
    assert done.code == 1
    assert "was not created by lakehouse (no manifest)" in done.err
    assert computed.read("dev/orders.csv") == "customer,amount\n1,1\n"


def test_what_was_never_materialized(computed: ProjectFolder, cli: Cli) -> None:
    done = cli("copy", "--from", "dev", "--to", "prod", "-o", "json")
    assert done.code == 1
    assert done.statuses == {"totals": "missing", "best": "missing"}


@pytest.mark.parametrize(
    ("storage", "changes"),
    [
        ("{root: data, format: jsonl, options: {suffix: .csv}}", "csv → jsonl"),
        ('{root: data, options: {delimiter: ";"}}', "delimiter"),
    ],
)
def test_one_place_that_is_read_otherwise_is_refused(
    computed: ProjectFolder, cli: Cli, storage: str, changes: str
) -> None:
    computed.edit(
        "lakehouse.yaml", "environments:\n", f"environments:\n  other: {{storages: {{default: {storage}}}}}\n"
    )
    before = computed.read("data/totals.csv")
    done = cli("copy", "--to", "other", "--sources", "--force", "-o", "json")
    assert (done.code, set(done.statuses.values())) == (1, {"refused"})
    for table in done.json["tables"]:
        assert "in one place, which `other` would read as something else: " in table["note"]
        assert changes in table["note"]
    assert computed.read("data/totals.csv") == before


def test_one_place_is_left_alone(computed: ProjectFolder, cli: Cli) -> None:
    (computed.path / "link").symlink_to("data")
    before = computed.read("data/totals.csv")
    done = cli("copy", "--to", "linked", "--force", "-o", "json")
    assert done.code == 0
    assert {t["note"] for t in done.json["tables"]} == {"both environments keep it in one place"}
    assert computed.read("data/totals.csv") == before


def test_usage(computed: ProjectFolder, cli: Cli) -> None:
    assert cli("copy").code == 2
    assert cli("copy", "--to", "default").code == 2
    done = cli("copy", "--to", "prd")
    assert done.code == 2
    assert "did you mean `prod`?" in done.err
    assert cli("copy", "nothing", "--to", "prod").code == 2


def test_target_is_locked(computed: ProjectFolder, cli: Cli) -> None:
    with run_lock(computed.path, "dev"):
        done = cli("copy", "--to", "dev")
        assert done.code == 1
        assert "another run" in done.err
        assert cli("copy", "--to", "prod").code == 0
    locked = []
    project = Project.load()
    project.copy(to="dev", on_begin=lambda name: locked.append(_is_locked(computed, "dev")))
    assert locked == [True, True]


def test_one_that_fails_does_not_keep_the_rest(computed: ProjectFolder, cli: Cli) -> None:
    (computed.path / "dev/totals.csv").mkdir(parents=True)
    done = cli("copy", "--to", "dev", "-o", "json")
    assert done.code == 1
    assert done.statuses == {"totals": "failed", "best": "copied"}


def test_undeclared_columns_that_cannot_be_held_are_named(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        "name: p\nmodule: m\nstorages: {default: {format: parquet}}\ntables: {und: {}, one: {}}\n" + ENVIRONMENTS,
    )
    folder.write(
        "m.py",
        """
        import pyarrow as pa
        def und() -> pa.Table:
            return pa.table({"u": pa.array([1], "uint64"), "l": [[1]], "s": [{"a": 1}], "n": [1]})
        def one() -> pa.Table:
            return pa.table({"l": [[1]]})
        """,
    )
    assert cli("run").code == 0
    done = cli("copy", "--to", "database")
    assert done.code == 1
    lines = done.err.splitlines()
    at = lines.index("error: `und`: 3 violations")
    for line, name in zip(lines[at + 1 : at + 4], "uls", strict=True):
        assert line.startswith(f"  storage type sqlite cannot hold column `{name}`, which is not declared: ")
    assert lines[at + 4].startswith("  declare a type that it holds")
    assert done.err.count("cannot hold column `l`") == 2  # once for each table


def test_leftovers_of_killed_copies_are_removed(computed: ProjectFolder, cli: Cli) -> None:
    left, other = (computed.path / folder / ".totals.csv.4711-0.lakehouse-tmp" for folder in ("dev", "prod"))
    computed.write("dev/.totals.csv.4711-0.lakehouse-tmp", "half")
    computed.write("prod/.totals.csv.4711-0.lakehouse-tmp", "half")
    assert cli("copy", "--to", "dev", "--dry-run").code == 0
    assert left.exists()
    assert cli("copy", "--to", "dev").code == 0
    assert not left.exists()
    assert other.exists()


def _is_locked(folder: ProjectFolder, env: str) -> bool:
    from lakehouse_cli.runs.lock import RunLockedError

    try:
        with run_lock(folder.path, env):
            return False
    except RunLockedError:
        return True


def _manifest(env: str, table: str) -> dict[str, object]:
    project = Project.load(env=env)
    manifest = project.storage(table).read_manifest(project.table(table))
    assert manifest is not None
    document: dict[str, object] = json.loads(manifest.to_text())
    return document


@pytest.fixture
def large(folder: ProjectFolder) -> ProjectFolder:
    """A source of several blocks, and what is computed from it."""
    columns = "{n: int64, text: string}"
    folder.write(
        "lakehouse.yaml",
        f"name: p\nmodule: m\ntables:\n  numbers: {{kind: source, columns: {columns}}}\n"
        f"  lines: {{columns: {columns}}}\n{ENVIRONMENTS}",
    )
    folder.write("m.py", "def lines(numbers):\n    return numbers\n")
    rows = "".join(f"{n},{n:040}\n" for n in range(300_000))
    folder.write("data/numbers.csv", f"n,text\n{rows}")
    return folder


@pytest.mark.parametrize("to", ["dev", "lake"])
def test_large_tables_are_copied_in_pieces(
    large: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    assert cli("run").code == 0
    pieces: list[int] = []
    publish = FileStorage.publish_pieces

    def publishing(storage: FileStorage, table: Any, given: Iterator[pa.Table], origin: Any) -> Any:
        def counted() -> Iterator[pa.Table]:
            for piece in given:
                pieces.append(piece.num_rows)
                yield piece

        return publish(storage, table, counted(), origin)

    monkeypatch.setattr(FileStorage, "publish_pieces", publishing)
    done = cli("copy", "--to", to, "--sources", "-o", "json")
    assert done.statuses == {"numbers": "copied", "lines": "copied"}
    assert [table["rows"] for table in done.json["tables"]] == [300_000] * 2
    assert sum(pieces) == 600_000
    assert max(pieces) < 150_000
    assert plan(cli, to) == {"numbers": ["read"], "lines": ["skip"]}
    if to == "dev":
        assert large.read("dev/lines.csv") == large.read("data/lines.csv")
    # Computed anew with the same rows, which is looked for row by row.
    assert cli("run", "--force", "-e", to).code == 0
    again = cli("copy", "--to", to, "-o", "json")
    assert again.statuses == {"lines": "unchanged"}


def test_what_cannot_be_read_to_its_end_changes_nothing(large: ProjectFolder, cli: Cli) -> None:
    assert cli("copy", "numbers", "--to", "dev", "--sources").code == 0
    before = large.read("dev/numbers.csv")
    large.add("data/numbers.csv", "x,bad\n")
    done = cli("copy", "numbers", "--to", "dev", "--sources")
    assert done.code == 1
    assert "`x` in column `n` of `data/numbers.csv` is not int64" in done.err
    assert "line 300,002" in done.err
    assert large.read("dev/numbers.csv") == before
    assert not [path for path in (large.path / "dev").iterdir() if path.name not in ("numbers.csv", ".lakehouse")]


CHECKED = """
raw: {kind: source, columns: {id: int64}}
limits: {inputs: [raw], columns: {id: int64}}
kept:
  inputs: [raw]
  quarantine: true
  columns: {id: {type: int64, checks: [{min: 1, name: v_min}]}}
  checks: [{foreign_key: {columns: id, references: limits.id}, severity: warn}, {row_count: {equals: limits}}]
"""


@pytest.mark.parametrize("to", ["dev", "lake"])
def test_what_checks_found_is_copied(folder: ProjectFolder, cli: Cli, to: str) -> None:
    """Also against another table, whose copy has another hash; what they warn of is said there too."""
    code = "import pyarrow as pa\n\ndef limits(raw: pa.Table) -> pa.Table:\n    return raw.slice(1)\n\n"
    folder.declare(CHECKED, f"{code}def kept(raw: pa.Table) -> pa.Table:\n    return raw\n")
    folder.add("lakehouse.yaml", ENVIRONMENTS)
    folder.write("data/raw.csv", "id\n0\n1\n2\n")
    assert cli("run").code == 0
    assert cli("copy", "--to", to, "--sources").code == 0
    here, there = cli("plan").out, cli("plan", "-e", to).out
    assert there == here.replace(" default ", f" {to} ", 1)
    assert "kept              skip" in there
    assert "check `v_min`: 1 value of `id` is below 1; 1 row put aside (1 of 3), as an earlier run found" in there


def test_copy_that_fails_in_one_partition_says_what_it_copied(folder: ProjectFolder, cli: Cli) -> None:
    tables = """
s: {kind: source, storage: files, path: "s_{day:%Y-%m-%d}", columns: {v: int64}}
t: {partitions: [day], inputs: [s]}
u: {inputs: [t]}
"""
    top = """storages: {default: {type: delta, root: lake}, files: {root: data}}
environments: {prod: {storages: {default: {type: delta, root: prod}}}}
"""
    folder.declare(tables, "def t(s):\n    return s\n\ndef u(t):\n    return t\n", top=top)
    for day in (1, 2, 3):
        folder.write(f"data/s_2024-01-0{day}.csv", "v\n1\n")
    assert cli("run").code == 0
    data = min((folder.path / "lake/t").glob("*.parquet"))
    whole = data.read_bytes()
    data.write_bytes(b"damaged")
    failed = cli("copy", "--to", "prod")
    assert (failed.code, "1 of 3 partitions (2 copied)" in failed.out) == (1, True)
    last = "copied: 2 partitions of `t`, `u`; once this is mended, the same command copies the rest"
    assert failed.err.splitlines()[-1] == last
    assert cli("copy", "--to", "prod").err.splitlines()[-1] == "nothing was copied"
    data.write_bytes(whole)
    assert "1 of 3 partitions" in cli("copy", "--to", "prod").out
    assert len(cli("show", "t", "-e", "prod", "-o", "json").json["rows"]) == 3
