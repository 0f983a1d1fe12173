"""`lakehouse run` as a user sees it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli import Project
from tests.conftest import Cli, ProjectFolder


def test_materializes_every_table_in_order(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("run")
    assert ran.code == 0
    assert project.read("data/totals.csv") == "customer,total\n007,6\n008,2\n"
    assert project.read("data/best.csv") == "customer,total\n007,6\n"
    rows = [line.split()[:3] for line in ran.out.splitlines() if line.startswith("✓")]
    assert rows == [["✓", "totals", "materialized"], ["✓", "best", "materialized"]]
    assert "2 materialized in " in ran.out
    assert ran.err == ""


def test_json_is_one_document_with_the_documented_fields(project: ProjectFolder, cli: Cli) -> None:
    project.edit("transforms.py", "return orders", "print('x'); return orders")
    ran = cli("run", "-o", "json")
    document = ran.json
    assert set(document) == {
        "run_id",
        "project",
        "environment",
        "status",
        "started_at",
        "finished_at",
        "duration_s",
        "tables",
        "deferred",
    }
    assert document["status"] == "success"
    assert document["environment"] == "default"
    totals = document["tables"][0]
    assert set(totals) == {
        "name",
        "status",
        "reasons",
        "rows",
        "bytes",
        "duration_s",
        "uri",
        "attempts",
        "error",
        "notes",
        "schema_change",
        "content_hash",
    }
    assert (totals["name"], totals["status"], totals["rows"], totals["attempts"]) == ("totals", "materialized", 2, 1)
    assert totals["bytes"] == len(project.read("data/totals.csv"))
    assert totals["uri"] == "data/totals.csv"
    assert totals["reasons"] == [{"code": "never_materialized", "message": "never materialized"}]
    # What a transform prints is not part of the document.
    assert "x" in ran.err


def test_broken_contract_publishes_nothing(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    before = project.read("data/totals.csv")
    project.write("data/orders.csv", "customer,amount\n007,5\n007,\n008,\n")
    project.write(
        "transforms.py",
        """
        def totals(orders):
            return orders.rename(columns={"amount": "total"}).drop_duplicates("customer", keep="last")

        def best(totals, count):
            return totals
        """,
    )
    ran = cli("run")
    assert ran.code == 1
    assert project.read("data/totals.csv") == before
    assert "✗ totals  " in ran.out
    assert "○ best  " in ran.out
    assert "`totals` failed" in ran.out
    assert "1 failed, 1 skipped in" in ran.out
    assert "lakehouse.yaml:10:7" in ran.err
    assert "null" in ran.err
    assert "data/totals.csv is as it was on 20" in ran.err
    error = next(t["error"] for t in cli("run", "-o", "json").json["tables"] if t["name"] == "totals")
    place = {"file": "lakehouse.yaml", "line": 10, "column": 7}
    assert error["location"] == place
    assert [violation["location"] for violation in error["violations"]] == [place]


def test_extra_column_error_points_at_the_columns(project: ProjectFolder, cli: Cli) -> None:
    project.edit("transforms.py", 'agg(total=("a', 'agg(n=("amount", "size"), total=("a')
    [totals] = [t for t in cli("run", "-o", "json").json["tables"] if t["name"] == "totals"]
    [violation] = totals["error"]["violations"]
    assert (violation["check"], violation["location"]) == ("extra", None)
    line = project.read("lakehouse.yaml").splitlines()[totals["error"]["location"]["line"] - 1]
    assert line.strip() == "columns:"


def test_independent_tables_run_after_a_failure(project: ProjectFolder, cli: Cli) -> None:
    project.write(
        "lakehouse.yaml",
        """
        name: three
        module: transforms
        tables:
          one: {}
          two: {}
          three: {inputs: [one]}
        """,
    )
    project.write(
        "transforms.py",
        """
        import pandas as pd

        def one():
            raise ValueError("no such day")

        def two():
            return pd.DataFrame({"a": [1]})

        def three(one):
            return one
        """,
    )
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert ran.statuses == {
        "one": "failed",
        "two": "materialized",
        "three": "skipped",
    }
    assert ran.json["tables"][2]["error"]["message"] == "`one` failed"
    stopped = cli("run", "--force", "--fail-fast", "--executor", "serial", "-o", "json")
    assert stopped.code == 1
    assert stopped.statuses == {
        "one": "failed",
        "two": "cancelled",
        "three": "cancelled",
    }


def test_an_exception_is_shown_as_the_users_own_frames(project: ProjectFolder, cli: Cli) -> None:
    project.write("helpers.py", "def check(frame):\n    raise KeyError('amont')\n")
    project.write(
        "transforms.py",
        """
        from helpers import check

        def totals(orders):
            return check(orders)

        def best(totals, count):
            return totals
        """,
    )
    ran = cli("run")
    assert ran.code == 1
    assert "KeyError: 'amont'" in ran.err
    assert "transforms.py:4 in totals" in ran.err
    assert "    return check(orders)" in ran.err
    assert "helpers.py:2 in check" in ran.err
    assert "orders 3 rows × 2 columns" in ran.err
    assert "Traceback" not in ran.err
    assert "lakehouse_cli" not in ran.err
    assert "Traceback (most recent call last)" in cli("run", "-v").err


def test_missing_source_fails_and_skips_downstream(project: ProjectFolder, cli: Cli) -> None:
    (project.path / "data/orders.csv").unlink()
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    statuses = {t["name"]: (t["status"], t["error"]["message"]) for t in ran.json["tables"]}
    assert statuses == {
        "orders": ("failed", "data/orders.csv does not exist"),
        "totals": ("skipped", "`orders` failed"),
        "best": ("skipped", "`totals` was skipped"),
    }
    planned = cli("plan", "-o", "json").json["tables"][0]
    assert planned["reasons"][0]["code"] == "missing_source"


def test_invalid_source_shows_row_and_value(project: ProjectFolder, cli: Cli) -> None:
    project.write("data/orders.csv", "customer,amount\n007,5\n008,two\n009,1.5\n")
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    source = ran.json["tables"][0]
    assert (source["name"], source["status"]) == ("orders", "failed")
    violation = source["error"]["violations"][0]
    assert (violation["column"], violation["count"]) == ("amount", 2)
    examples = [{"row": 2, "value": "two", "line": 3}, {"row": 3, "value": "1.5", "line": 4}]
    assert violation["examples"] == examples


CHAIN = """
name: chain
module: transforms
tables:
  a: {columns: {x: int64}}
  b: {columns: {x: int64}}
  c: {columns: {x: int64}}
  d: {columns: {x: int64}}
"""


def test_missing_inputs_are_described_correctly(folder: ProjectFolder, cli: Cli) -> None:
    one = "\n\ndef {}({}):\n    return pd.DataFrame({{'x': [1]}})\n"
    made = [one.format("a", ""), one.format("b", ""), one.format("c", "a, b"), one.format("d", "a, b")]
    folder.write("lakehouse.yaml", CHAIN)
    folder.write("transforms.py", "import pandas as pd\n" + "".join(made))
    reported = cli("plan", "c", "d").err
    assert "error: `a`, `b` were never materialized, and `c`, `d` need them\n" in reported
    assert "`lakehouse run +c +d` materializes everything they need" in reported
    assert cli("run", "a").code == 0
    (folder.path / "data/a.csv").unlink()
    reported = cli("run", "c").err
    assert "error: `b` was never materialized, what was stored of `a` is gone, and `c` needs them\n" in reported
    assert cli("run", "+c").code == 0
    (folder.path / "data/a.csv").unlink()
    assert "error: what was stored of `a` is gone, and `c` needs it\n" in cli("plan", "c").err
    folder.write("lakehouse.yaml", CHAIN.replace("  a: {", "  a: {format: parquet, "))
    reported = cli("plan", "c").err
    assert (
        "error: `a` was stored in another way than it is declared now (format csv → parquet), and `c` needs" in reported
    )


def test_unselected_inputs_are_read_as_stored(project: ProjectFolder, cli: Cli) -> None:
    refused = cli("run", "best")
    assert refused.code == 2
    assert "`totals` was never materialized, and `best` needs it" in refused.err
    assert "lakehouse run +best" in refused.err
    assert cli("run", "+best").code == 0
    project.write("data/totals.csv", "customer,total\n042,99\n")
    ran = cli("run", "best", "-o", "json")
    assert [t["name"] for t in ran.json["tables"]] == ["best"]
    assert project.read("data/best.csv") == "customer,total\n042,99\n"
    assert cli("run", "totals+", "--exclude", "best", "-o", "json").json["tables"][0]["name"] == "totals"


def test_unknown_names_are_usage_errors_with_close_matches(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("run", "totls")
    assert ran.code == 2
    assert "there is no table `totls`" in ran.err
    assert "did you mean `totals`?" in ran.err
    as_json = cli("run", "totls", "-o", "json")
    assert as_json.code == 2
    assert as_json.json["error"]["problems"][0]["hint"] == "did you mean `totals`?"
    assert as_json.err == ""
    assert cli("run", "--frce").code == 2
    assert cli("run", "--env", "prod").code == 2


def test_dry_run_is_plan_and_changes_nothing(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run", "--dry-run").out == cli("plan").out
    assert project.files() == ["orders.csv"]


def test_quiet_says_only_what_went_wrong(project: ProjectFolder, cli: Cli) -> None:
    quiet = cli("run", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    project.write("data/orders.csv", "customer\n007\n")
    failed = cli("run", "-q")
    assert (failed.code, failed.out) == (1, "")
    assert "amount" in failed.err


def test_an_empty_frame_is_a_result(project: ProjectFolder, cli: Cli) -> None:
    project.write("data/orders.csv", "customer,amount\n")
    assert cli("run").code == 0
    assert project.read("data/totals.csv") == "customer,total\n"


def test_a_transform_may_change_its_argument(project: ProjectFolder, cli: Cli) -> None:
    project.declare(
        """
        orders: {kind: source, columns: {customer: string, amount: int64}}
        first: {columns: {customer: string, amount: int64}}
        second: {columns: {customer: string, amount: int64}}
        """,
        """
        def first(orders):
            orders["amount"] *= 10
            orders.loc[0, "customer"] = "x"
            return orders

        def second(orders):
            return orders
        """,
    )
    assert cli("run").code == 0
    assert project.read("data/first.csv") == "customer,amount\nx,50\n008,20\n007,10\n"
    assert project.read("data/second.csv") == project.read("data/orders.csv")


def test_retries_are_reported_and_counted(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "key: [customer]", "key: [customer]\n    retries: 2\n    retry_delay: 0")
    flaky = """
        calls = []

        def totals(orders):
            calls.append(1)
            if len(calls) < 3:
                raise OSError("the day is not over")
            return orders.groupby("customer").agg(total=("amount", "sum"))

        def best(totals, count):
            return totals
        """
    project.write("transforms.py", flaky)
    ran = cli("run")
    assert ran.code == 0
    assert "totals: attempt 1 failed: " in ran.out
    assert "the day is not over" in ran.out
    project.write("transforms.py", flaky.replace("< 3", "< 4"))
    failed = cli("run", "-o", "json")
    assert failed.code == 1
    assert failed.json["tables"][0]["attempts"] == 3


def test_repeated_frames_are_shown_once(project: ProjectFolder, cli: Cli) -> None:
    project.write(
        "transforms.py",
        """
        def down(left):
            if not left:
                raise ValueError("at the bottom")
            around(left)

        def around(left):
            down(left - 1)

        def totals(orders):
            down(50)

        def best(totals, count):
            raise ValueError
        """,
    )
    [*_, end] = cli("run").err.split("at the bottom", 1)
    assert end.splitlines()[1:10] == [
        "  transforms.py:10 in totals",
        "      down(50)",
        "  transforms.py:4 in down",
        "      around(left)",
        "  transforms.py:7 in around",
        "      down(left - 1)",
        "  … the same 2 lines, 49 times more",
        "  transforms.py:3 in down",
        '      raise ValueError("at the bottom")',
    ]
    project.write("transforms.py", "def totals(orders):\n    return totals(orders)\n\ndef best(totals, count): ...\n")
    reported = cli("run").err
    assert "  … the same line, " in reported
    assert reported.count("transforms.py:2 in totals") == 1


def test_a_transform_over_its_timeout_fails(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "key: [customer]", "key: [customer]\n    timeout: 0.05")
    project.write(
        "transforms.py",
        "import time\n" + project.read("transforms.py").replace("return", "time.sleep(1)\n    return", 1),
    )
    ran = cli("run")
    assert ran.code == 1
    assert "`totals` took longer than its timeout of 0.05 s" in ran.err
    assert "lakehouse.yaml:12:14" in ran.err
    assert "totals.csv" not in project.files()


@pytest.mark.parametrize(
    ("policy", "code", "header"),
    [("error", 1, None), ("drop", 0, "customer,total\n"), ("keep", 0, "customer,total,first\n")],
)
def test_extra_columns(project: ProjectFolder, cli: Cli, policy: str, code: int, header: str | None) -> None:
    project.edit("lakehouse.yaml", "key: [customer]", f"key: [customer]\n    extra_columns: {policy}")
    project.write(
        "transforms.py",
        """
        def totals(orders):
            return orders.groupby("customer").agg(total=("amount", "sum"), first=("amount", "first"))

        def best(totals, count):
            return totals[["customer", "total"]]
        """,
    )
    ran = cli("run")
    assert ran.code == code
    if header is None:
        assert "`first`" in ran.err
    else:
        assert project.read("data/totals.csv").startswith(header)
        assert ("dropped `first`" in ran.out) == (policy == "drop")


def test_undeclared_types_are_kept_from_run_to_run(project: ProjectFolder, cli: Cli) -> None:
    project.declare(
        """
        made: {}
        again: {}
        """,
        """
        import pandas as pd

        def made():
            return pd.DataFrame({"id": ["1", "2"], "n": [1.0, 2.0]})

        def again(made):
            assert list(made["id"]) == ["1", "2"], made["id"]
            assert made["n"].dtype == "float64"
            return made
        """,
    )
    assert cli("run").code == 0
    assert cli("run", "again").code == 0


def test_what_a_killed_run_left_is_removed_by_the_next(project: ProjectFolder, cli: Cli) -> None:
    left = project.path / "data" / ".totals.csv.123-0.lakehouse-tmp"
    left.write_text("half a ta")
    assert cli("run").code == 0
    assert not left.exists()


def test_results_survive_in_manifests_beside_the_data(project: ProjectFolder, cli: Cli) -> None:
    run_id = cli("run", "-o", "json").json["run_id"]
    manifest = json.loads(Path("data/.lakehouse/manifests/totals.json").read_text())
    assert manifest["format"] == 2
    assert (manifest["project"], manifest["run_id"]) == ("small", run_id)
    assert manifest["rows"] == 2
    assert manifest["columns"] == [{"name": "customer", "type": "string"}, {"name": "total", "type": "int64"}]


def test_selected_source_whose_file_is_missing_fails(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert cli("run", "orders").code == 0
    (project.path / "data/orders.csv").unlink()
    ran = cli("run", "orders", "-o", "json")
    assert (ran.code, ran.json["status"]) == (1, "failed")
    (found,) = ran.json["tables"]
    assert (found["name"], found["status"]) == ("orders", "failed")
    assert found["error"]["message"] == "data/orders.csv does not exist"
    assert "data/orders.csv does not exist" in cli("run", "orders").err
    assert cli("run", "orders", "--dry-run").code == 0


def test_nothing_selected_is_not_an_error(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("run", "state:failed")
    assert ran.code == 0
    assert "`state:failed` matches no table" in ran.out
    assert "nothing to do" in ran.out
    assert project.files() == ["orders.csv"]


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_memory_estimate_counts_inputs_of_the_same_run(folder: ProjectFolder, cli: Cli, executor: str) -> None:
    folder.write(
        "lakehouse.yaml",
        """
        name: large
        module: transforms
        execution: {memory: 20 kB, workers: 3}
        tables:
          big: {}
          one: {inputs: [big], function: use}
          two: {inputs: [big], function: use}
          three: {inputs: [big], function: use}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import time
        import pandas as pd

        def big():
            return pd.DataFrame({"a": range(10_000)})

        def use(frame):
            with open("log", "a") as log:
                print("begin", file=log, flush=True)
                time.sleep(0.05)
                print("end", file=log)
            return frame
        """,
    )
    assert cli("run", "--executor", executor).code == 0
    assert folder.read("log").split() == ["begin", "end"] * 3


@pytest.mark.parametrize("raised", ["ValueError('odd')", "SystemExit(3)"])
def test_failure_is_the_same_with_a_timeout(folder: ProjectFolder, cli: Cli, raised: str) -> None:
    folder.write("transforms.py", f"def t():\n    raise {raised}\n")
    errors = []
    for key in ("", "timeout: 60"):
        folder.declare(f"{{t: {{{key}}}}}")
        errors.append(cli("run", "-o", "json", "--executor", "serial").json["tables"][0]["error"])
    assert errors[0] == errors[1]
    assert raised.partition("(")[0] in errors[0]["message"]


def test_each_retry_waits_twice_as_long(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", "name: odd\nmodule: transforms\ntables: {t: {retries: 3, retry_delay: 0.01}}\n")
    folder.write("transforms.py", "def t():\n    raise ValueError('odd')\n")
    lines = cli("run", "-v", "--executor", "serial").out.splitlines()
    waits = [line.rpartition("; next in ")[2] for line in lines if "; next in " in line]
    assert waits == ["0.01 s", "0.02 s", "0.04 s"]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_retry_is_one_line_of_a_log(folder: ProjectFolder, cli: Cli, executor: str) -> None:
    folder.declare(
        "{t: {retries: 1, retry_delay: 0}}",
        """
        def t():
            raise ValueError("red \\x1b[31mred\\r over\\x07" + "x" * 300 + "\\ntwo")
        """,
    )
    ran = cli("run", "-v", "--executor", executor)
    lines = ran.out.splitlines()
    assert lines[2].startswith("  table ")
    assert lines[3].startswith(r"  t: attempt 1 failed: `t` raised ValueError: red \x1b[31mred\r over\x07xxx")
    assert lines[3].endswith("xxx…; next in 0 s")
    assert len(lines[3]) < 120
    assert lines[4].startswith("✗ t ")
    assert all(line.isprintable() for line in (ran.out + ran.err).split("\n"))


def test_run_time_includes_loading(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("run").code == 0
    load, begun = Project.load, list[datetime]()

    def noted(*args: Any, **how: Any) -> Project:
        begun.append(datetime.now(UTC))
        return load(*args, **how)

    monkeypatch.setattr(Project, "load", noted)
    document = cli("run", "-o", "json").json
    assert [table["status"] for table in document["tables"]] == ["unchanged", "unchanged"]
    [loading] = begun
    assert datetime.fromisoformat(document["started_at"]) <= loading
    finished = datetime.fromisoformat(document["finished_at"])
    assert document["duration_s"] >= (finished - loading).total_seconds()


@pytest.mark.parametrize("declared", ["decimal128(4, 1)", "decimal128(9, 0)", "decimal128(20, 4)"])
def test_hint_for_inexact_decimals_works(folder: ProjectFolder, cli: Cli, declared: str) -> None:
    columns = f"{{amount: {{type: '{declared}'}}}}"
    folder.declare(f"t: {{columns: {columns}}}")
    module = "import pandas as pd\n\n\ndef t():\n    return pd.DataFrame({'amount': pd.Series([1.23456, 2.5])HOW})\n"
    folder.write("transforms.py", module.replace("HOW", ""))
    failed = cli("run")
    assert failed.code == 1
    how = re.search(r"text such as `([^`]*)`", " ".join(failed.err.split()))
    assert how is not None, failed.err
    folder.write("transforms.py", module.replace("HOW", how[1]))
    assert cli("run").code == 0
