"""What is due is run, and no more; the plan says why."""

from __future__ import annotations

import json
import os
import shutil
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests import preloaded
from tests.cli.running import COMMAND
from tests.conftest import Cli, ProjectFolder


@pytest.fixture
def done(project: ProjectFolder, cli: Cli) -> ProjectFolder:
    """The small project, materialized."""
    assert cli("run").code == 0
    return project


def reasons(cli: Cli, *argv: str) -> dict[str, list[tuple[str, str]]]:
    """Of each planned table that would run, its reasons."""
    tables = cli("plan", *argv, "-o", "json").json["tables"]
    return {
        t["name"]: [(reason["code"], reason["message"]) for reason in t["reasons"]]
        for t in tables
        if t["action"] == "run"
    }


def statuses(cli: Cli, *argv: str) -> dict[str, str]:
    """Run; return how each table ended."""
    return cli("run", *argv, "-o", "json").statuses


def test_nothing_to_do(done: ProjectFolder, cli: Cli) -> None:
    assert reasons(cli) == {}
    assert cli("plan", "--exit-code").code == 0
    before = {p: p.stat().st_mtime_ns for p in (done.path / "data").rglob("*") if p.is_file()}
    assert statuses(cli) == {"totals": "unchanged", "best": "unchanged"}
    assert {p: p.stat().st_mtime_ns for p in (done.path / "data").rglob("*") if p.is_file()} == before
    assert "2 unchanged in" in cli("run").out


def test_unchanged_tables_have_their_size(done: ProjectFolder, cli: Cli) -> None:
    shown = [(t["status"], t["rows"], t["bytes"]) for t in cli("run", "-o", "json").json["tables"]]
    sizes = [len(done.read(f"data/{name}.csv")) for name in ("totals", "best")]
    assert shown == [("unchanged", 2, sizes[0]), ("unchanged", 1, sizes[1])]


def test_code(done: ProjectFolder, cli: Cli) -> None:
    done.edit("transforms.py", '"sum"', '"max"')
    found = reasons(cli)
    assert [code for code, _ in found["totals"]] == ["function_changed"]
    assert "`totals`" in found["totals"][0][1]
    assert "transforms.py" in found["totals"][0][1]
    assert found["best"] == [("upstream_runs", "`totals` runs")]
    assert statuses(cli) == {"totals": "materialized", "best": "materialized"}


def test_comments_and_formatting_are_not_code(done: ProjectFolder, cli: Cli) -> None:
    done.edit("transforms.py", "    return totals", "    # the best\n\n    return  totals")
    assert reasons(cli) == {}


def test_early_cut_off(done: ProjectFolder, cli: Cli) -> None:
    done.write("data/orders.csv", "customer,amount\n007,6\n008,2\n")
    assert set(reasons(cli)) == {"totals", "best"}
    ran = cli("run")
    assert "= best " in ran.out
    assert "inputs came out the same" in ran.out
    assert "1 materialized, 1 unchanged in" in ran.out
    assert reasons(cli) == {}


def test_an_input_that_changed(done: ProjectFolder, cli: Cli) -> None:
    done.write("data/orders.csv", "customer,amount\n007,5\n008,2\n007,1\n009,4\n")
    assert reasons(cli)["totals"] == [("input_changed", "content of `orders` changed (4 rows, before 3)")]
    done.write("data/totals.csv", "customer,total\n042,99\n")
    assert reasons(cli, "best")["best"] == [
        ("input_changed", "content of `totals` changed (1 row, before 2); modified outside lakehouse")
    ]


def test_input_modified_outside_lakehouse_is_noted(done: ProjectFolder, cli: Cli) -> None:
    done.write("data/totals.csv", "customer,total\n042,99\n007,6\n")
    reported = "content of `totals` changed (2 rows as before); modified outside lakehouse"
    assert reported in cli("plan", "best").out
    best = cli("run", "best", "-o", "json").json["tables"][0]
    assert ([r["message"] for r in best["reasons"]], best["notes"]) == ([reported], [])
    assert cli("plan", "best", "-o", "json").json["tables"][0]["action"] == "skip"
    # Made from it once, it is no change of the input any more, and still read.
    done.edit("lakehouse.yaml", "count: 1", "count: 2")
    note = "`totals` was modified outside lakehouse"
    assert cli("plan", "best", "-o", "json").json["tables"][0]["notes"] == [note]
    for command in ("plan", "run"):
        shown = cli(command, "best").out
        assert "param `count`: 1 → 2\n" in shown
        assert shown.endswith(f"\nnote: `best`: {note}\n")
    # Where it is selected itself it is made anew.
    done.edit("lakehouse.yaml", "count: 2", "count: 1")
    assert note not in cli("plan").out


def test_an_input_that_the_manifest_has_no_record_of(done: ProjectFolder, cli: Cli) -> None:
    path = "data/.lakehouse/manifests/best.json"
    done.write(path, json.dumps({**json.loads(done.read(path)), "inputs": {}}))
    reported = "there is no record of what `totals` was when this was made from it"
    assert reasons(cli) == {"best": [("input_changed", reported)]}
    assert statuses(cli) == {"totals": "unchanged", "best": "materialized"}
    assert reasons(cli) == {}


def test_new_input_is_one_change(done: ProjectFolder, cli: Cli) -> None:
    done.edit(
        "lakehouse.yaml", "params: {count: 1}", "params: {count: 1}\n    inputs: {totals: totals, more: orders}", 1
    )
    done.edit("transforms.py", "def best(totals, count)", "def best(totals, count, more=None)")
    reported = "inputs are now totals: totals, more: orders; were totals: totals"
    assert [message for code, message in reasons(cli)["best"] if code == "input_changed"] == [reported]


def test_changed_source_with_equal_or_unknown_row_count(done: ProjectFolder, cli: Cli) -> None:
    def reported() -> str:
        return reasons(cli)["totals"][0][1]

    done.write("data/orders.csv", 'customer,amount\n"0\n07",5\n008,2\n007,1\n')
    assert reported() == "content of `orders` changed (3 rows as before)"
    done.write("data/orders.csv", "customer,amount\n007,5,what\n")
    assert reported() == "content of `orders` changed (27 bytes, before 34)"
    path = "data/.lakehouse/manifests/totals.json"
    manifest = json.loads(done.read(path))
    assert manifest["inputs"]["orders"][1] == 3
    manifest["inputs"]["orders"][1] = -1
    done.write(path, json.dumps(manifest))
    done.write("data/orders.csv", "customer,amount\n007,5\n")
    assert reported() == "content of `orders` changed (22 bytes, before 34)"


def test_other_options_are_other_rows(done: ProjectFolder, cli: Cli) -> None:
    """What was recorded of the same bytes, read otherwise, is not taken for what they are now."""
    done.edit(
        "lakehouse.yaml", "    kind: source\n", "    kind: source\n    options: {header: false, skip_rows: 2}\n", 1
    )
    assert cli("run").code == 0
    done.write("data/orders.csv", "customer,amount\n007,5\n008,2\n007,1\n009,4\n")
    assert reasons(cli)["totals"] == [("input_changed", "content of `orders` changed (3 rows, before 2)")]


def test_params(done: ProjectFolder, cli: Cli) -> None:
    done.edit("lakehouse.yaml", "count: 1", "count: 2")
    assert reasons(cli) == {"best": [("params_changed", "param `count`: 1 → 2")]}


@pytest.mark.parametrize(
    ("before", "after", "message", "change"),
    [
        ("{type: int64, nullable: false}", "{type: int64}", "column `total` may be null now", "breaking"),
        (
            "{type: int64, nullable: false}",
            "{type: float64, nullable: false}",
            "column `total` int64 → float64",
            "breaking",
        ),
        ("key: [customer]", "key: [customer, total]", "the key is now customer, total", "breaking"),
        ("    key: [customer]\n", "", "there is no key any more", "breaking"),
        (
            "customer: string\n",
            "customer: {type: string, nullable: false}\n",
            "column `customer` may not be null any more",
            "compatible",
        ),
        (
            "{type: int64, nullable: false}",
            "{type: int64, nullable: false}\n      n: int64",
            "column `n` added",
            "additive",
        ),
        (
            "customer: string\n",
            "customer: dictionary<string>\n",
            "column `customer` string → dictionary<string>",
            "compatible",
        ),
    ],
)
def test_contract(done: ProjectFolder, cli: Cli, before: str, after: str, message: str, change: str) -> None:
    text = done.read("lakehouse.yaml")
    head, _, tail = text.partition("  totals:")
    done.write("lakehouse.yaml", head + "  totals:" + tail.replace(before, after, 1))
    planned = {t["name"]: t for t in cli("plan", "-o", "json").json["tables"]}
    assert planned["totals"]["reasons"][0] == {"code": "contract_changed", "message": f"{message} ({change})"}
    assert planned["totals"]["schema_change"] == change
    assert change in cli("plan").out


UNDECLARED = """
name: free
module: transforms
tables:
  made: {uses: {}}
"""


def made(folder: ProjectFolder, frame: str) -> None:
    folder.write("transforms.py", f"import pandas as pd\n\n\ndef made():\n    return pd.DataFrame({frame})\n")


def test_run_reports_changed_undeclared_columns(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", UNDECLARED)
    made(folder, "{'a': [1], 'b': ['x']}")
    first = cli("run", "-o", "json").json["tables"][0]
    assert (first["notes"], first["schema_change"]) == ([], None)
    made(folder, "{'a': ['1'], 'c': ['x']}")
    reported = "column `a` int64 → string, column `b` removed, column `c` added (breaking)"
    assert f"\nnote: `made`: {reported}\n" in cli("run").out
    assert f"\nnote: `made`: {reported}\n" in cli("runs", "show", "last").out
    shown = cli("runs", "show", "last", "-o", "json").json["tables"][0]
    assert (shown["notes"], shown["schema_change"]) == ([reported], "breaking")
    made(folder, "{'a': ['1'], 'c': ['x'], 'd': [1.5]}")
    assert "column `d` added (additive)" in cli("run").out
    made(folder, "{'a': ['2'], 'c': ['x'], 'd': [1.5]}")
    assert cli("run", "-o", "json").json["tables"][0]["schema_change"] is None


def test_run_reports_changed_columns_that_are_kept(done: ProjectFolder, cli: Cli) -> None:
    """No plan can say it: they are declared nowhere."""
    done.edit("lakehouse.yaml", "  best:\n", "  best:\n    extra_columns: keep\n")
    done.edit("transforms.py", 'nlargest(count, "total")', 'nlargest(count, "total").assign(rank=1)')
    assert statuses(cli)["best"] == "materialized"
    done.edit("transforms.py", "assign(rank=1)", "assign(place=1)")
    notes = {table["name"]: table["notes"] for table in cli("run", "-o", "json").json["tables"]}
    assert notes["best"] == ["column `rank` removed, column `place` added (breaking)"]


def test_other_types_in_the_same_bytes_run_what_reads_them(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", UNDECLARED + "  seen: {columns: {number: bool}}\n")
    seen = "\n\ndef seen(made):\n    return pd.DataFrame({'number': [pd.api.types.is_numeric_dtype(made['a'])]})\n"
    for values, number in (("[1]", "true"), ("['1']", "false")):
        made(folder, f"{{'a': {values}}}")
        folder.add("transforms.py", seen)
        assert statuses(cli) == {"made": "materialized", "seen": "materialized"}
        assert (folder.read("data/made.csv"), folder.read("data/seen.csv")) == ("a\n1\n", f"number\n{number}\n")


def test_many_column_changes_are_summarized(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", UNDECLARED)
    made(folder, "{'a': [1]}")
    cli("run")
    made(folder, "{f'c{i}': [1] for i in range(500)}")
    note = cli("run", "-o", "json").json["tables"][0]["notes"][0]
    assert note.startswith("column `a` removed, column `c0` added, ")
    assert note.endswith(", column `c4` added and 495 more changes (breaking)")


def test_very_long_names_show_their_ends(done: ProjectFolder, cli: Cli) -> None:
    names = [f"{letter}_{'very' * 60}_long" for letter in "ab"]
    helpers = "".join(f"\n\ndef {name}(n):\n    return n + 0\n" for name in names)
    calls = " + ".join(f"{name}(0)" for name in names)
    done.edit("transforms.py", "nlargest(count,", f"nlargest(count + {calls},")
    done.add("transforms.py", helpers)
    assert cli("run").code == 0
    done.edit("transforms.py", "n + 0", "0 + n")
    [(_, reported)] = reasons(cli)["best"]
    for letter in "ab":
        assert f"`{letter}_{'very' * 7}…{'very' * 6}_long` changed" in reported


def test_contract_change_is_reported_once(done: ProjectFolder, cli: Cli) -> None:
    done.edit("lakehouse.yaml", "columns: {customer: string, total: int64}", "columns: {customer: string}")
    done.edit("transforms.py", 'totals.nlargest(count, "total")', 'totals.nlargest(count, "total")[["customer"]]')
    best = cli("run", "-o", "json").json["tables"][1]
    assert [r["code"] for r in best["reasons"]] == ["function_changed", "contract_changed"]
    assert (best["notes"], best["schema_change"]) == ([], "breaking")


@pytest.mark.parametrize(
    ("before", "after", "planned", "ran"),
    [
        ("  best:\n", "  best:\n    key: customer\n", "compatible", "compatible"),
        ("total: int64}", "total: {type: int64, nullable: false}}", "compatible", "compatible"),
        ("    columns: {customer: string, total: int64}\n", "    extra_columns: drop\n", None, None),
        ("customer: string, total: int64}", "customer: string}\n    extra_columns: keep", "breaking", "breaking"),
        ("customer: string, total: int64}", "customer: string, total: float64}", "breaking", "breaking"),
    ],
)
def test_plan_and_run_report_a_change_alike(
    done: ProjectFolder, cli: Cli, before: str, after: str, planned: str | None, ran: str | None
) -> None:
    done.edit("lakehouse.yaml", before, after)
    reported = [cli(command, "best", "-o", "json").json["tables"][-1] for command in ("plan", "run")]
    assert [table["reasons"][0]["code"] for table in reported] == ["contract_changed"] * 2
    assert [table["schema_change"] for table in reported] == [planned, ran]
    assert cli("plan", "best", "-o", "json").json["tables"][-1]["action"] == "skip"


@pytest.mark.parametrize(
    ("before", "after", "check"),
    [("a: int64", "a: {type: int64, nullable: false}", "null"), ("b: int64}", "b: int64}, key: b", "key")],
)
def test_data_breaking_a_new_rule_stay_out_of_date(
    folder: ProjectFolder, cli: Cli, before: str, after: str, check: str
) -> None:
    folder.write("lakehouse.yaml", UNDECLARED.replace("{uses: {}", "{uses: {}, columns: {a: int64, b: int64}"))
    made(folder, "{'a': pd.array([1, None], 'Int64'), 'b': [1, 1]}")
    assert cli("run").code == 0
    folder.edit("lakehouse.yaml", before, after)
    for _ in range(2):
        assert [code for code, _ in reasons(cli)["made"]] == ["contract_changed"]
        ran = cli("run", "-o", "json")
        assert ran.code == 1
        assert [each["check"] for each in ran.json["tables"][0]["error"]["violations"]] == [check]


def test_columns_that_are_declared_no_more_and_again(done: ProjectFolder, cli: Cli) -> None:
    declared = "    columns: {customer: string, total: int64}\n"
    done.edit("lakehouse.yaml", declared, "")
    planned = cli("plan", "best", "-o", "json").json["tables"][-1]
    assert planned["reasons"] == [{"code": "contract_changed", "message": "no columns are declared any more"}]
    assert planned["schema_change"] is None
    assert cli("run").code == 0
    done.edit("lakehouse.yaml", "  best:\n", "  best:\n    columns: {customer: string, total: float64}\n")
    planned = cli("plan", "best", "-o", "json").json["tables"][-1]
    reported = "columns are declared now (compatible), column `total` int64 → float64 (breaking)"
    assert planned["reasons"] == [{"code": "contract_changed", "message": reported}]
    assert planned["schema_change"] == "breaking"


def test_options_of_the_storage(done: ProjectFolder, cli: Cli) -> None:
    done.edit(
        "lakehouse.yaml",
        "tags: [report, short]",
        'tags: [report, short]\n    options: {line_terminator: "\\r\\n"}',
    )
    assert reasons(cli)["best"] == [("storage_changed", "option `line_terminator` is new")]
    done.edit("lakehouse.yaml", 'options: {line_terminator: "\\r\\n"}', "format: parquet")
    assert ("storage_changed", "format csv → parquet") in reasons(cli)["best"]


def test_data_altered_or_gone(done: ProjectFolder, cli: Cli) -> None:
    done.write("data/best.csv", "customer,total\n999,6\n")
    os.utime(done.path / "data/best.csv", (time.time(), datetime(2026, 1, 2, 3, 4).timestamp()))
    run_id = json.loads(done.read("data/.lakehouse/manifests/best.json"))["run_id"]
    reported = (
        f"data/best.csv was modified outside lakehouse (its time is 2026-01-02 03:04) since run {run_id} stored it"
    )
    assert reasons(cli) == {"best": [("data_changed", reported)]}
    (done.path / "data/best.csv").unlink()
    assert reasons(cli) == {"best": [("missing_data", "data/best.csv is gone")]}
    done.write("data/.lakehouse/manifests/best.json", "nonsense")
    first, second = reasons(cli)["best"]
    assert first == ("missing_data", "data/best.csv is not there")
    assert "manifest" in second[1]
    assert statuses(cli) == {"totals": "unchanged", "best": "materialized"}
    shutil.rmtree(done.path / "data/.lakehouse")
    assert [code for code, _ in reasons(cli)["totals"]] == ["data_changed"]


def test_every_reason_is_reported(done: ProjectFolder, cli: Cli) -> None:
    done.edit("lakehouse.yaml", "count: 1", "count: 2")
    done.edit("transforms.py", "nlargest", "nsmallest")
    done.write("data/orders.csv", "customer,amount\n007,5\n")
    codes = [code for code, _ in reasons(cli, "--exclude", "state:new")["best"]]
    assert codes == ["function_changed", "params_changed", "upstream_runs"]
    forced = cli("run", "--force", "--dry-run", "-o", "json").json["tables"]
    assert all(t["reasons"][-1]["code"] == "forced" for t in forced if t["kind"] == "computed")


def test_an_unreadable_manifest_is_explained_and_replaced(done: ProjectFolder, cli: Cli) -> None:
    done.write("data/.lakehouse/manifests/best.json", "{")
    [(code, message)] = reasons(cli)["best"]
    assert code == "data_changed"
    where = "data/.lakehouse/manifests/best.json"
    assert message == f"{where} cannot be used: it is not JSON (line 1); materializing the table replaces it"
    assert statuses(cli)["best"] == "materialized"
    assert reasons(cli) == {}


def test_a_fresh_clone_plans_the_same(done: ProjectFolder, cli: Cli, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(done.path, clone, copy_function=shutil.copy)  # the times are not copied
    assert cli("plan", "-C", str(clone), "--exit-code").code == 0
    for path in clone.rglob("*"):
        os.utime(path, (1, 1))
    assert cli("plan", "-C", str(clone), "--exit-code").code == 0


def test_version_stands_for_the_code(done: ProjectFolder, cli: Cli) -> None:
    done.edit("lakehouse.yaml", "tags: [report, short]", "tags: [report, short]\n    version: 1.10")
    assert reasons(cli)["best"][0][0] == "function_changed"
    assert statuses(cli)["best"] == "materialized"
    done.edit("transforms.py", "nlargest", "nsmallest")
    assert reasons(cli) == {}
    done.edit("lakehouse.yaml", "version: 1.10", "version: 1.11")
    assert reasons(cli) == {"best": [("function_changed", "version 1.10 → 1.11")]}


def test_selection_by_state(done: ProjectFolder, cli: Cli) -> None:
    def chosen(*terms: str) -> list[str]:
        return [t["name"] for t in cli("ls", *terms, "-o", "json").json["tables"]]

    assert chosen("state:modified") == []
    assert "`state:new` matches no table" in cli("ls", "state:new").out
    done.edit("transforms.py", '"sum"', '"max"')
    assert chosen("state:modified") == ["totals"]
    assert chosen("state:modified+") == ["totals", "best"]
    done.edit(
        "lakehouse.yaml", "  best:", "  fresh: {function: best, inputs: [totals], params: {count: 1}}\n  best:", 1
    )
    assert chosen("state:new") == ["fresh"]
    done.edit("transforms.py", "totals.nlargest", "totals.nlargst")
    assert cli("run").code == 1
    assert set(chosen("state:failed")) == {"best", "fresh"}
    done.edit("transforms.py", "totals.nlargst", "totals.nlargest")
    again = cli("run", "--failed", "-o", "json")
    assert again.statuses == {"fresh": "materialized", "best": "materialized"}


def test_failure_survives_runs_of_other_tables(done: ProjectFolder, cli: Cli) -> None:
    done.edit("transforms.py", "totals.nlargest", "totals.nlargst")
    assert statuses(cli) == {"totals": "unchanged", "best": "failed"}
    assert statuses(cli, "totals") == {"totals": "unchanged"}
    assert statuses(cli, "--failed", "totals") == {}
    none = "failed, was skipped or was cancelled when a run last went for it\n"
    assert f"none of the selected tables {none}" in cli("run", "--failed", "totals").out
    assert statuses(cli, "--failed") == {"best": "failed"}
    assert statuses(cli, "--failed") == {"best": "failed"}
    done.edit("transforms.py", "totals.nlargst", "totals.nlargest")
    assert statuses(cli, "--failed") == {"best": "unchanged"}
    assert statuses(cli, "--failed") == {}
    for argv in (["run", "--failed"], ["run", "--failed", "--dry-run"]):
        assert f"no table {none}" in cli(*argv).out


def test_a_source_read_by_failed_tables_only_is_read_again(done: ProjectFolder, cli: Cli) -> None:
    done.write("data/orders.csv", "customer,amount\n007,x\n")
    assert statuses(cli) == {"orders": "failed", "totals": "skipped", "best": "skipped"}
    done.write("data/orders.csv", "customer,amount\n007,3\n")
    assert statuses(cli) == {"totals": "materialized", "best": "materialized"}


@pytest.mark.parametrize("executor", ["serial", "threads", "processes"])
def test_executors_give_the_same(project: ProjectFolder, cli: Cli, executor: str) -> None:
    result: Any = cli("run", "--executor", executor, "--workers", "2", "-o", "json").json
    assert [t["status"] for t in result["tables"]] == ["materialized", "materialized"]
    assert project.read("data/best.csv") == "customer,total\n007,6\n"
    assert reasons(cli) == {}


def test_code_outside_the_project_is_run_every_time(project: ProjectFolder, cli: Cli) -> None:
    (project.path.parent / "shared").mkdir()
    project.write("../shared/units.py", "FACTOR = 1\n")
    code = project.read("transforms.py")
    added = "sys.path.append(str(Path(__file__).parents[1] / 'shared'))\nimport units\n"
    project.write("transforms.py", f"import sys\nfrom pathlib import Path\n\n{added}\n{code}")
    assert cli("run").code == 0
    reported = "whether `units` changed cannot be determined: it is outside the project"
    for _ in range(2):
        found = reasons(cli)
        assert set(found) == {"totals", "best"}
        assert all(reported in message for code, message in found["totals"] if code == "function_changed")
        assert statuses(cli) == {"totals": "materialized", "best": "materialized"}
    project.edit("lakehouse.yaml", "  totals:\n", "  totals:\n    version: 1\n")
    project.edit("lakehouse.yaml", "  best:\n", "  best:\n    version: 1\n")
    assert cli("run").code == 0
    assert reasons(cli) == {}


def test_edited_code_on_the_python_path_runs_again(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = project.path.parent / "shared" / "units.py"
    project.write("../shared/units.py", "FACTOR = 1\n")
    monkeypatch.syspath_prepend(str(shared.parent))
    project.write("shortest.py", "import units\n\n\ndef best(totals):\n    return totals.head(units.FACTOR)\n")
    project.edit("lakehouse.yaml", "    params: {count: 1}\n", "    function: shortest:best\n")
    for selected in (["totals"], ["totals"], []):  # what the first leave in the cache is used by the last
        assert cli("run", *selected).code == 0
    assert reasons(cli) == {}
    shared.write_text("FACTOR = 2\n")
    assert reasons(cli) == {"best": [("function_changed", "constant `FACTOR` changed (units.py)")]}


def test_file_named_like_a_standard_module_is_ignored(project: ProjectFolder, cli: Cli) -> None:
    project.write("calendar.py", "raise SystemExit('not to be imported')\n")
    project.edit("transforms.py", "import pandas as pd", "import calendar\n\nimport pandas as pd")
    project.edit("transforms.py", "nlargest(count,", "nlargest(count * len(calendar.month_name[1:2]),")
    assert cli("validate").code == 0
    assert cli("run").code == 0
    assert reasons(cli) == {}


@pytest.mark.slow
def test_edit_of_the_same_size_and_second_is_computed(tmp_path: Path) -> None:
    """Bytecode, which Python would believe, is the same for both."""
    (tmp_path / "lakehouse.yaml").write_text("name: x\nmodule: transforms\ntables: {a: {columns: {v: int64}}}\n")
    code = tmp_path / "transforms.py"
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for value in (1, 2):
        code.write_text(f"import pandas as pd\n\n\ndef a():\n    return pd.DataFrame({{'v': [{value}]}})\n")
        os.utime(code, (1_700_000_000, 1_700_000_000))
        preloaded.run([*COMMAND, "run", "-q"], cwd=tmp_path, env=environ, check=True)
        assert (tmp_path / "data/a.csv").read_text() == f"v\n{value}\n"
