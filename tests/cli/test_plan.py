"""What `lakehouse plan` shows of what stands in the way of a run, and of params."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lakehouse_cli import Project
from lakehouse_cli.project.run_request import RunRequest
from tests.cli.running import on_a_terminal
from tests.cli.test_incremental import reasons
from tests.conftest import Cli, ProjectFolder

MISSING = "`orders` cannot be read: data/orders.csv does not exist"


def test_a_missing_source_and_what_needs_it(project: ProjectFolder, cli: Cli) -> None:
    (project.path / "data/orders.csv").unlink()
    ran = cli("plan")
    assert ran.code == 0
    assert ran.out.splitlines()[2:] == [
        "   table   action   why",
        "✗  orders  missing  data/orders.csv does not exist",
        f"○  totals  blocked  {MISSING}; never materialized",
        f"○  best    blocked  {MISSING}; never materialized; `totals` runs",
        "",
        "2 tables blocked, 1 source missing",
        f"a run would fail: 2 of these could not be materialized; {MISSING}",
        "next: put the file there, or correct `path:` or the storage's `root:`",
    ]
    quiet = cli("plan", "-q")
    assert (quiet.code, quiet.out, quiet.err.splitlines()) == (0, "", ran.out.splitlines()[-2:])
    tables = cli("plan", "-o", "json").json["tables"]
    assert [(t["action"], t["would_fail"]) for t in tables] == [("read", MISSING), ("run", MISSING), ("run", MISSING)]
    assert cli("plan", "--exit-code").code == 4
    assert cli("run").code == 1


def test_only_what_needs_a_missing_source_is_marked(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "tables:\n", "tables:\n  other: {kind: source}\n  copy: {inputs: [other]}\n")
    project.edit(
        "transforms.py",
        "import pandas as pd\n",
        "import pandas as pd\n\n\ndef copy(other):\n    return other\n",
    )
    out = cli("plan").out
    assert "○  copy    blocked" in out
    assert "▸  totals  run" in out
    assert (
        "2 tables to materialize, 1 table blocked, 1 source to read, 1 source missing\na run would fail: 1 of these"
        in out
    )
    (project.path / "data/orders.csv").unlink()
    assert "data/other.csv does not exist and 1 more\n" in cli("plan").out


def test_a_missing_source_that_nothing_is_computed_from(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "tables:\n", "tables:\n  other: {kind: source}\n")
    out = cli("plan").out
    assert "✗  other   missing  data/other.csv does not exist" in out
    assert "would fail" not in out
    assert cli("run").code == 0
    assert cli("plan").out.endswith("\nnothing to do: 2 tables up to date; 1 source missing\n")


def test_missing_source_is_reported_once(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    (project.path / "data/orders.csv").unlink()
    out = cli("plan").out
    assert f"○  totals  blocked  {MISSING}\n" in out
    assert f"○  best    blocked  {MISSING}; `totals` runs\n" in out
    assert reasons(cli)["totals"] == [("input_changed", "`orders` is gone")]


def test_a_plan_of_no_tables(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", "name: empty\ntables: {}\n")
    assert cli("plan").out.splitlines()[-1] == "nothing to do"


def test_sources_that_are_named_say_what_to_do_next(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare("a: {kind: source, columns: {x: int64}}\nb: {inputs: [a]}", "def b(a):\n    return a\n")
    folder.write("data/a.csv", "x\n1\n")
    note = "`a` is a source, which nothing computes: `lakehouse check` validates it; `lakehouse run a+` computes what"
    for command in ("plan", "run"):
        found = cli(command, "a")
        assert (found.code, note in " ".join((found.out + found.err).split())) == (0, True)
    assert "which nothing computes" not in cli("run", "a+").out


def test_sources_alone_say_what_to_do_next(folder: ProjectFolder, cli: Cli) -> None:
    folder.write("lakehouse.yaml", "name: raw\ntables: {orders: {kind: source}}\n")
    folder.write("data/orders.csv", "a\n1\n")
    for command in ("plan", "run"):
        told = cli(command)
        assert "nothing to do" in told.out
        assert "no table is computed: declare one with `function` or `sql`; `lakehouse check`" in told.out
    assert cli("check").code == 0


LONG = ", ".join(f"item{i}" for i in range(30))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[cancelled, returned]", "[cancelled]", '["cancelled", "returned"] → ["cancelled"]'),
        (
            "[cancelled, lost, returned]",
            "[cancelled, lost]",
            '["cancelled", "lost", "returned"] → ["cancelled", "lost"]',
        ),
        (f"[{LONG}]", f"[{LONG}, more]", '…8", "item29"] → …8", "item29", "more"]'),
        (f"[a, {LONG}]", f"[b, {LONG}]", None),
    ],
)
def test_params_are_shown_where_they_differ(
    project: ProjectFolder, cli: Cli, before: str, after: str, message: str | None
) -> None:
    project.edit("lakehouse.yaml", "params: {count: 1}", f"params: {{count: 1, unsold: {before}}}")
    project.edit("transforms.py", "def best(totals, count):", "def best(totals, count, unsold):")
    assert cli("run").code == 0
    project.edit("lakehouse.yaml", f"unsold: {before}", f"unsold: {after}")
    [(code, reported)] = reasons(cli)["best"]
    assert code == "params_changed"
    old, new = reported.removeprefix("param `unsold`: ").split(" → ")
    assert old != new
    assert max(len(old), len(new)) <= 50
    if message is not None:
        assert reported == f"param `unsold`: {message}"


def test_nothing_to_do_is_said(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert cli("plan").out.splitlines()[-1] == "nothing to do: 2 tables up to date"


def test_the_order_of_params_counts_as_a_transform_sees_it(project: ProjectFolder, cli: Cli) -> None:
    project.edit("lakehouse.yaml", "params: {count: 1}", "params: {count: 1, names: {a: 1, b: 2}}")
    project.edit("transforms.py", "def best(totals, count):", "def best(totals, count, names):")
    assert cli("run").code == 0
    project.edit("lakehouse.yaml", "{a: 1, b: 2}", "{b: 2, a: 1}")
    assert reasons(cli)["best"] == [("params_changed", 'param `names`: {"a": 1, "b": 2} → {"b": 2, "a": 1}')]
    assert cli("run").code == 0
    project.edit("lakehouse.yaml", "{count: 1, names: {b: 2, a: 1}}", "{names: {b: 2, a: 1}, count: 1}")
    assert reasons(cli)["best"] == [("params_changed", "the params are in another order")]


def test_foreign_file_is_replaced_only_by_force(project: ProjectFolder, cli: Cli) -> None:
    mine = project.path / "data/totals.csv"
    mine.write_text("mine\n1\n")
    reported = "data/totals.csv was not created by lakehouse (no manifest)"
    [planned] = [t for t in cli("plan", "-o", "json").json["tables"] if t["name"] == "totals"]
    assert reported in planned["would_fail"]
    [row] = [line for line in cli("plan").out.splitlines() if line.startswith("✗  totals")]
    assert row.endswith(f"  {reported}")
    ran = cli("run")
    assert ran.code == 1
    assert reported in ran.err
    assert "`lakehouse run --force totals` replaces what is there" in " ".join(ran.err.split())
    assert mine.read_text() == "mine\n1\n"
    assert cli("run", "--force", "totals").code == 0
    assert cli("run").code == 0
    assert mine.read_text().startswith("customer")


def test_tables_whose_manifests_are_gone_are_all_named(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    shutil.rmtree(project.path / "data/.lakehouse")
    shown = " ".join(cli("plan").out.split())
    assert "did not make it" not in shown
    assert "outside lakehouse" not in shown
    reported = "data/totals.csv was not created by lakehouse (no manifest)"
    assert shown.count(reported) == 2  # in the table, and as why a run would fail
    assert ("data_changed", reported) in reasons(cli)["totals"]
    reported = "next: give the tables another `path:`; `lakehouse run --force totals best` replaces what is there"
    assert reported in shown
    assert cli("run", "--force", "totals", "best").code == 0
    assert cli("plan", "--exit-code").code == 0


def test_no_more_tables_are_named_than_can_be_read(folder: ProjectFolder, cli: Cli) -> None:
    names = [f"t{number}" for number in range(11)]
    tables = "\n".join(f"  {name}: {{}}" for name in names)
    folder.declare(tables)
    code = "\n".join(f"def {name}(): ..." for name in names)
    folder.write("transforms.py", code)
    for name in names:
        folder.write(f"data/{name}.csv", "a\n1\n")
    assert (
        "`lakehouse run --force t0 t1 t2 t3 t4 t5 t6 t7` replaces what is there, and so on for 3 more"
        in cli("plan").out
    )


@pytest.mark.parametrize("name", ["totals.csv", ".lakehouse/manifests/totals.json"])
def test_plan_and_run_report_an_outside_link_alike(project: ProjectFolder, cli: Cli, name: str) -> None:
    assert cli("run").code == 0
    file, outside = project.path / "data" / name, project.path / "outside"
    file.rename(outside)
    file.symlink_to(outside)
    message = f"data/{name} leads out of storage `default` through a link"
    planned = {table["name"]: table for table in cli("plan", "-o", "json").json["tables"]}
    assert planned["totals"]["would_fail"] == f"`totals` stays as it is: {message}"
    assert planned["totals"]["reasons"][0]["message"].startswith(message)
    assert f"✗  totals  refused  {message}" in cli("plan").out
    ran = cli("run", "-o", "json")
    assert ran.code == 1
    assert ran.json["tables"][0]["error"]["message"] == message


@pytest.mark.parametrize("manifest", [True, False])
def test_plan_and_run_report_a_folder_in_the_way_alike(project: ProjectFolder, cli: Cli, manifest: bool) -> None:
    if manifest:
        assert cli("run").code == 0
        (project.path / "data/totals.csv").unlink()
    (project.path / "data/totals.csv").mkdir(parents=True)
    assert "✗  totals  refused  data/totals.csv is a folder" in cli("plan").out
    assert cli("run", "-o", "json").json["tables"][0]["error"]["message"] == "data/totals.csv is a folder"


def changed(project: ProjectFolder, cli: Cli) -> None:
    """Have a table with several reasons, one of them long."""
    assert cli("run").code == 0
    project.edit("transforms.py", '("amount", "sum")', '("amount", "max")')
    project.edit("lakehouse.yaml", "customer: string\n      total: {type: int64, nullable: false}", "customer: string")
    project.edit("lakehouse.yaml", "    key: [customer]\n", "    extra_columns: drop\n")


REASONS = (
    "`totals` changed (transforms.py)",
    "column `total` removed (breaking), there is no key any more (breaking), extra_columns error → drop (compatible)",
)


def test_on_a_terminal_no_reason_is_cut(project: ProjectFolder, cli: Cli) -> None:
    changed(project, cli)
    assert on_a_terminal(project.path, "plan", width=80)[2:10] == [
        "   table   action  why",
        "·  orders  read",
        "▸  totals  run     `totals` changed (transforms.py)",
        "                   column `total` removed (breaking), there is no key any more",
        "                     (breaking), extra_columns error → drop (compatible)",
        "▸  best    run     `totals` runs",
        "",
        "2 tables to materialize, 1 source to read",
    ]
    assert f"▸  totals  run     {'; '.join(REASONS)}\n" in cli("plan").out


@pytest.mark.parametrize("width", [40, 60, 120, 240])
def test_at_any_width_all_words_are_there(project: ProjectFolder, cli: Cli, width: int) -> None:
    changed(project, cli)
    lines = on_a_terminal(project.path, "plan", width=width)
    assert all(len(line) <= width for line in lines)
    head = next(line for line in lines if line.startswith("   table"))
    reported = " ".join(line[head.index("why") :].strip() for line in lines)
    assert all(reason in reported for reason in REASONS)


def test_in_another_format_a_table_is_not_gone(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    project.edit("lakehouse.yaml", "  best:\n", "  best:\n    format: parquet\n")
    assert ("missing_data", "data/best.parquet is not there yet") in reasons(cli)["best"]


def test_plan_and_run_name_the_package_a_source_needs(
    project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.edit("lakehouse.yaml", "    kind: source\n", "    kind: source\n    format: excel\n")
    monkeypatch.setattr("lakehouse_cli.storage.opening.find_spec", lambda name: None)
    planned = cli("plan", "-o", "json").json["tables"]
    assert "table `orders` needs `openpyxl`, which is not installed" in planned[0]["would_fail"]
    assert planned[1]["would_fail"] == planned[0]["would_fail"]
    tables = {t["name"]: t for t in cli("run", "-o", "json").json["tables"]}
    assert tables["orders"]["error"]["message"] == "table `orders` needs `openpyxl`, which is not installed"
    assert tables["orders"]["error"]["hint"] == "pip install 'lakehouse-cli[excel]'"
    assert tables["totals"]["status"] == "skipped"


def test_ambiguous_source_is_reported_with_its_uri(project: ProjectFolder, cli: Cli) -> None:
    project.write("data/orders.csv.gz", "")
    result = {t["name"]: t for t in cli("run", "-o", "json").json["tables"]}["orders"]
    assert result["error"]["message"].startswith("source `orders` is there twice")
    assert result["uri"] == "data/orders.csv"
    assert cli("ls", "-o", "json").code == 0


def test_tables_that_are_kept_show_the_same(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    kept = project.path / ".lakehouse/cache/tables-default.json"
    shown = cli("plan").out
    project.edit("transforms.py", "def totals(orders", "def totals(ordesr")
    with_kept = cli("plan")
    kept.unlink()
    assert (with_kept.code, with_kept.err) == (3, cli("plan").err)
    assert f"{project.path}" not in with_kept.err
    project.edit("transforms.py", "def totals(ordesr", "def totals(orders")
    assert cli("plan").out == shown


def test_plan_keeps_what_it_read_and_changes_nothing_else(project: ProjectFolder, cli: Cli) -> None:
    cache = project.path / ".lakehouse/cache"

    def files() -> dict[str, tuple[bytes, int]]:
        found = (path for path in project.path.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found if cache not in path.parents}

    before = files()
    shown = cli("plan").out
    assert {"code.json", "tables-default.json"} <= {path.name for path in cache.iterdir()}
    assert cli("plan").out == shown
    assert files() == before


def test_code_of_what_was_never_stored_is_compared_once_it_is(project: ProjectFolder, cli: Cli) -> None:
    code = project.path / ".lakehouse/cache/code.json"
    for _ in range(2):  # the second time, the code as it was kept
        assert cli("plan", "-o", "json").json == Project.load(project.path).plan().to_json()
        assert b'"fingerprints":{}' in code.read_bytes()
    assert cli("run").code == 0
    assert b'"fingerprints":{}' not in code.read_bytes()
    assert cli("plan", "--exit-code").code == 0
    project.edit("lakehouse.yaml", "tables:", "tables:\n  more: {function: totals}")
    project.edit("transforms.py", '"sum"', '"max"')
    assert reasons(cli) == {
        "more": [("never_materialized", "never materialized")],
        "totals": [("function_changed", "`totals` changed (transforms.py)")],
        "best": [("upstream_runs", "`totals` runs")],
    }


def test_a_plan_to_run_has_all_recipes_also_after_one_to_show(project: ProjectFolder) -> None:
    planner = Project.load(project.path).planner
    shown = planner.plan(RunRequest(), only_shown=True)
    assert [table.recipe for table in shown.runs] == [None, None]
    to_run = planner.plan(RunRequest())
    assert [bool(table.recipe and table.recipe.code) for table in to_run.runs] == [True, True]


@pytest.mark.parametrize("kept", [False, True])
def test_what_is_wrong_with_code_is_said_before_anything_is_stored(
    project: ProjectFolder, cli: Cli, kept: bool
) -> None:
    project.write("helpers.py", "def tidy(frame): return frame\n")
    project.add("transforms.py", "\n\ndef late(totals):\n    from helpers import tidy\n    return tidy(totals)\n")
    project.edit("lakehouse.yaml", "tables:", "tables:\n  late: {}")
    if kept:
        assert cli("plan").code == 0
    project.write("helpers.py", "LIMIT = open('limit.txt').read()\ndef tidy(frame): return frame[:int(LIMIT)]\n")
    assert "`late` opens `limit.txt`" in cli("plan").out
    project.write("helpers.py", "def tidy(")
    ran = cli("plan")
    assert (ran.code, "syntax error in helpers.py" in ran.err) == (3, True)


def test_code_is_read_again_once_a_package_is_another(
    project: ProjectFolder, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    (installed / "tooling-1.dist-info").mkdir(parents=True)
    (installed / "tooling-1.dist-info/METADATA").write_text("Name: tooling\nVersion: 1\n", encoding="utf-8")
    (installed / "tooling-1.dist-info/RECORD").write_text("tooling/__init__.py,,\n", encoding="utf-8")
    (installed / "tooling").mkdir()
    (installed / "tooling/__init__.py").touch()
    (installed / "tooling/sizes.py").write_text("def size(", encoding="utf-8")
    monkeypatch.syspath_prepend(installed)
    project.edit("transforms.py", "import pandas as pd", "import pandas as pd\nimport tooling")
    project.edit("transforms.py", "return orders.", "return tooling.sizes.size(orders).")
    assert cli("plan").code == 0
    shutil.rmtree(installed / "tooling-1.dist-info")  # it is the user's own by now, and followed
    assert (cli("plan").code, "syntax error in" in cli("plan").err) == (3, True)
