"""`uses`: files and environment variables beside the inputs decide a re-run, and what is recorded is what was used."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.plan import used_files, uses
from lakehouse_cli.storage.local.stat_cache import Stamp
from tests.cli.running import running
from tests.cli.test_incremental import reasons, statuses
from tests.conftest import Cli, ProjectFolder

WATCHING = "watching for changes; Ctrl-C ends\n"
SECRET = "s3cr3t-market"


@pytest.fixture
def rates(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A table that reads a file and a variable, and one computed from it."""
    monkeypatch.delenv("MARKET", raising=False)
    folder.write(
        "lakehouse.yaml",
        """
        name: rates
        module: transforms
        tables:
          prices:
            columns: {market: string, rate: float64}
            uses: {files: [lookups/*.json], env: [MARKET]}
          best:
            inputs: [prices]
        """,
    )
    folder.write(
        "transforms.py",
        """
        import json
        import os
        from pathlib import Path

        import pandas as pd

        LOOKUPS = Path(__file__).parent / "lookups"


        def prices():
            rate = json.loads((LOOKUPS / "a.json").read_text())["rate"]
            return pd.DataFrame({"market": [os.environ.get("MARKET", "unset")], "rate": [rate]})


        def best(prices):
            return prices
        """,
    )
    folder.write("lookups/a.json", '{"rate": 1.5}')
    return folder


def messages(cli: Cli, table: str = "prices") -> list[tuple[str, str]]:
    return reasons(cli).get(table, [])


def recipe(folder: ProjectFolder, table: str = "prices") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(folder.read(f"data/.lakehouse/manifests/{table}.json"))["recipe"]
    return found


def test_changed_file_runs_its_table(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert reasons(cli) == {}
    rates.write("lookups/a.json", '{"rate": 2.5}')
    reported = [("file_changed", "lookup file `lookups/a.json` changed")]
    assert reasons(cli) == {"prices": reported, "best": [("upstream_runs", "`prices` runs")]}
    assert cli("ls", "state:modified").out.split()[:1] != []
    assert statuses(cli) == {"prices": "materialized", "best": "materialized"}
    assert rates.read("data/best.csv") == "market,rate\nunset,2.5\n"
    assert reasons(cli) == {}


def test_new_and_gone_files_run_their_table(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    rates.write("lookups/b.json", "{}")
    assert messages(cli) == [("file_changed", "lookup file `lookups/b.json` is new")]
    # The result is the same, so nothing downstream runs.
    assert statuses(cli) == {"prices": "materialized", "best": "unchanged"}
    (rates.path / "lookups/b.json").unlink()
    assert messages(cli) == [("file_changed", "lookup file `lookups/b.json` is gone")]
    assert statuses(cli)["prices"] == "materialized"
    assert reasons(cli) == {}


def test_touched_or_replaced_by_the_same_is_no_change(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    copy = rates.write("lookups/new", '{"rate": 1.5}')
    copy.replace(rates.path / "lookups/a.json")
    assert reasons(cli) == {}


def test_same_size_and_mtime_is_a_change(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    file = rates.path / "lookups/a.json"
    before = file.stat()
    rates.write("lookups/a.json", '{"rate": 9.5}')
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert messages(cli) == [("file_changed", "lookup file `lookups/a.json` changed")]


def test_files_in_trouble_are_reported_for_all_tables(rates: ProjectFolder, cli: Cli) -> None:
    os.mkfifo(rates.path / "lookups/pipe.json")
    rates.edit("lakehouse.yaml", "inputs: [prices]", "inputs: [prices]\n    uses: {files: [lookups/pipe.json]}")
    refused = cli("validate")
    assert refused.code == 3
    for table in ("prices", "best"):
        assert f"`uses` of table `{table}`: `lookups/pipe.json` is not a regular file" in refused.err


def test_file_that_cannot_be_read_is_refused(rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))

    monkeypatch.setattr(uses, "hash_file", refuse)
    for command in ("plan", "run"):
        refused = cli(command)
        assert refused.code == 3
        assert "`uses` of table `prices`: `lookups/a.json` cannot be read: permission denied" in refused.err
        assert "lakehouse.yaml:6:" in refused.err
        assert "make it readable, or leave it out" in refused.err


def test_change_in_the_tick_of_the_last_one_is_seen(
    rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the table is computed, on a file system whose clock does not move on: neither size nor times show it."""
    now, stamp = time.time_ns(), Stamp.of
    still = {"modified_ns": now, "changed_ns": now}
    monkeypatch.setattr(uses, "Stamp", SimpleNamespace(of=lambda status: stamp(status)._replace(**still)))
    monkeypatch.setattr(uses, "RACY_MTIME_NS", 3_600_000_000_000)
    assert statuses(cli)["prices"] == "materialized"
    assert messages(cli) == []
    rates.edit("transforms.py", "    rate = ", "    (LOOKUPS / 'a.json').write_text('{\"rate\": 9.5}')\n    rate = ")
    assert statuses(cli)["prices"] == "materialized"
    assert messages(cli) == [("file_changed", "lookup file `lookups/a.json` changed while this was computed")]


def test_many_changed_files_are_summarized(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    for number in range(300):
        rates.write(f"lookups/n{number:03}.json", "{}")
    ((_, message),) = messages(cli)
    assert message.startswith("lookup file `lookups/n000.json` is new, ")
    assert message.endswith(" and 294 more changes")
    assert len(message) < 400


def test_variable_runs_its_table(rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("run").code == 0
    for value, reported in (
        ("", "variable `MARKET` was not set before"),
        ("ch", "variable `MARKET` changed"),
        (None, "variable `MARKET` is not set any more"),
    ):
        if value is None:
            monkeypatch.delenv("MARKET")
        else:
            monkeypatch.setenv("MARKET", value)
        assert messages(cli) == [("variable_changed", reported)]
        assert statuses(cli)["prices"] == "materialized"
        assert reasons(cli) == {}
        shown = {None: "unset", "": '""'}.get(value, value)
        assert rates.read("data/prices.csv") == f"market,rate\n{shown},1.5\n"


def test_values_of_variables_are_kept_nowhere(rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    rates.edit("transforms.py", 'os.environ.get("MARKET", "unset")', 'str(len(os.environ["MARKET"]))')
    monkeypatch.setenv("MARKET", SECRET)
    said = [cli("run"), cli("plan", "-o", "json")]
    monkeypatch.setenv("MARKET", SECRET + "x")
    said += [cli("plan", "-o", "json"), cli("run", "-o", "json"), cli("runs", "show", "last")]
    assert not any(SECRET in text for each in said for text in (each.out, each.err))
    kept = [file for file in rates.path.rglob("*") if file.is_file()]
    assert not any(SECRET.encode() in file.read_bytes() for file in kept)


def test_dot_env_sets_no_variable_for_transforms(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    rates.write(".env", "MARKET=ch\n")
    assert reasons(cli) == {}
    assert cli("run", "--force").code == 0
    assert rates.read("data/prices.csv") == "market,rate\nunset,1.5\n"


def test_value_that_is_no_utf8_text(rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    rates.edit("transforms.py", 'os.environ.get("MARKET", "unset")', '"x"')
    monkeypatch.setenv("MARKET", os.fsdecode(b"\xff\xfe"))
    assert cli("run").code == 0
    assert reasons(cli) == {}


# What somebody does to the files before and after they are read.
EDITS = {
    "edited": ("pass", """(LOOKUPS / "a.json").write_text('{"rate": 7.0}')"""),
    "undone": ("""(LOOKUPS / "a.json").write_text('{"rate": 8.0}')""", """(LOOKUPS / "a.json").write_text(text)"""),
    "new": ("pass", """(LOOKUPS / "c.json").write_text("{}")"""),
    "replaced": ("""(LOOKUPS / "x").write_text('{"rate": 7.0}')""", """(LOOKUPS / "x").replace(LOOKUPS / "a.json")"""),
    "gone": ("pass", """(LOOKUPS / "a.json").unlink()"""),
}


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
@pytest.mark.parametrize("change", EDITS)
def test_file_edited_while_computed_is_due(rates: ProjectFolder, cli: Cli, change: str, executor: str) -> None:
    before, after = EDITS[change]
    read = 'rate = json.loads((LOOKUPS / "a.json").read_text())["rate"]'
    body = f"""    rate = 0.0
    if not (LOOKUPS / "done").exists():
        (LOOKUPS / "done").touch()
        text = (LOOKUPS / "a.json").read_text()
        {before}
        {read}
        {after}
    elif (LOOKUPS / "a.json").exists():
        {read}
"""
    rates.edit("transforms.py", '    rate = json.loads((LOOKUPS / "a.json").read_text())["rate"]\n', body)
    assert cli("run", "--executor", executor).code == 0
    ((code, message),) = messages(cli)
    assert code == "file_changed"
    name = "c" if change == "new" else "a"
    assert message == f"lookup file `lookups/{name}.json` changed while this was computed"
    assert statuses(cli, "--executor", executor)["prices"] == "materialized"
    assert reasons(cli) == {}


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_variable_set_while_computed_is_due(
    rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch, executor: str
) -> None:
    monkeypatch.setenv("MARKET", "ch")
    rates.edit("transforms.py", "def prices():\n", 'def prices():\n    os.environ["MARKET"] = "de"\n')
    assert cli("run", "--executor", executor).code == 0
    monkeypatch.setenv("MARKET", "ch")
    assert messages(cli) == [("variable_changed", "variable `MARKET` changed while this was computed")]


def test_what_a_module_read_as_it_was_imported(rates: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    rates.edit(
        "transforms.py",
        "\n\ndef prices",
        '\nRATE = json.loads((LOOKUPS / "a.json").read_text())["rate"]\n\n\ndef prices',
    )
    rates.edit("transforms.py", 'json.loads((LOOKUPS / "a.json").read_text())["rate"]\n    return', "RATE\n    return")
    rates.edit("lakehouse.yaml", "  best:\n", "  later: {uses: {files: [lookups/a.json]}, function: prices}\n  best:\n")
    project = Project.load()
    assert project.run("prices")["prices"].status == "materialized"
    rates.write("lookups/a.json", '{"rate": 2.5}')
    # One that is due for the change, and one that is due for another reason.
    assert project.run("later")["later"].status == "materialized"
    assert project.run("prices")["prices"].status == "materialized"
    assert rates.read("data/later.csv") == rates.read("data/prices.csv") == "market,rate\nunset,2.5\n"


def test_module_read_is_computed_anew_by_diff(rates: ProjectFolder) -> None:
    rates.edit(
        "transforms.py",
        "\n\ndef prices",
        '\nRATE = json.loads((LOOKUPS / "a.json").read_text())["rate"]\n\n\ndef prices',
    )
    rates.edit("transforms.py", 'json.loads((LOOKUPS / "a.json").read_text())["rate"]\n    return', "RATE\n    return")
    project = Project.load()
    project.run()
    rates.write("lookups/a.json", '{"rate": 2.5}')
    assert [table.status for table in project.diff("prices").tables] == ["different"]


def test_tables_without_the_key_are_as_before(project: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    assert not {"files", "variables"} & recipe(project, "totals").keys()
    assert reasons(cli) == {}


def test_added_key_runs_the_table_once(rates: ProjectFolder, cli: Cli) -> None:
    uses = "    uses: {files: [lookups/*.json], env: [MARKET]}\n"
    rates.edit("lakehouse.yaml", uses, "")
    assert cli("run").code == 0
    rates.edit("lakehouse.yaml", "  best:\n", f"{uses}  best:\n")
    assert messages(cli) == [
        ("file_changed", "there is no record of lookup file `lookups/a.json` from when this was computed"),
        ("variable_changed", "there is no record of variable `MARKET` from when this was computed"),
    ]
    assert cli("run").code == 0
    assert reasons(cli) == {}
    rates.edit("lakehouse.yaml", uses, "")
    rates.write("lookups/a.json", '{"rate": 2.5}')
    assert reasons(cli) == {}


def test_one_more_file_or_variable(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    rates.write("other/x.csv", "1")
    rates.edit("lakehouse.yaml", "[lookups/*.json], env: [MARKET]", "[lookups/*.json, other], env: [MARKET, LEVEL]")
    assert messages(cli) == [
        ("file_changed", "lookup file `other/x.csv` is new"),
        ("variable_changed", "there is no record of variable `LEVEL` from when this was computed"),
    ]
    # Named in another way, the same file is the same.
    rates.edit("lakehouse.yaml", "[lookups/*.json, other], env: [MARKET, LEVEL]", "[lookups/a.json], env: []")
    assert reasons(cli) == {}


def test_version_does_not_stand_for_files(rates: ProjectFolder, cli: Cli) -> None:
    rates.edit("lakehouse.yaml", "    uses:", "    version: '1'\n    uses:")
    assert cli("run").code == 0
    rates.write("lookups/a.json", '{"rate": 2.5}')
    assert [code for code, _ in messages(cli)] == ["file_changed"]


def test_defaults_and_own_keys_are_merged(rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    rates.edit("lakehouse.yaml", "tables:\n", "defaults: {uses: {env: [LEVEL]}}\ntables:\n  raw: {kind: source}\n")
    rates.edit("lakehouse.yaml", ", env: [MARKET]}", "}")
    assert cli("run").code == 0
    monkeypatch.setenv("LEVEL", "1")
    assert [name for name, found in reasons(cli).items() if "variable_changed" in [code for code, _ in found]] == [
        "prices",
        "best",
    ]


def test_failed_table_is_due_for_the_change_again(rates: ProjectFolder, cli: Cli) -> None:
    assert cli("run").code == 0
    rates.write("lookups/a.json", "no json")
    assert cli("run").code == 1
    assert [code for code, _ in messages(cli)] == ["file_changed"]
    rates.write("lookups/a.json", '{"rate": 2.5}')
    assert cli("run", "--failed").code == 0
    assert rates.read("data/best.csv") == "market,rate\nunset,2.5\n"
    assert reasons(cli) == {}


def test_copy_keeps_what_was_used(rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    rates.edit("lakehouse.yaml", "tables:\n", "environments: {dev: {storages: {default: {root: dev}}}}\ntables:\n")
    assert cli("run").code == 0
    assert cli("copy", "--from", "default", "--to", "dev").code == 0
    assert reasons(cli, "-e", "dev") == {}
    monkeypatch.setenv("MARKET", "ch")
    assert [code for code, _ in reasons(cli, "-e", "dev")["prices"]] == ["variable_changed"]


def problem(cli: Cli, *argv: str) -> dict[str, Any]:
    ran = cli(*argv, "-o", "json")
    assert ran.code == 3, ran.out
    (found,) = ran.json["error"]["problems"]
    assert (found["file"], found["line"], found["column"]) == ("lakehouse.yaml", 6, 20)
    return dict(found)


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
@pytest.mark.parametrize("link", ["file", "folder"])
def test_link_that_leaves_the_project_is_refused(
    rates: ProjectFolder, cli: Cli, tmp_path: Path, command: str, link: str
) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "b.json").write_text("{}")
    if link == "file":
        (rates.path / "lookups/b.json").symlink_to(outside / "b.json")
    else:
        (rates.path / "lookups/b.json").symlink_to(outside)
    assert problem(cli, command)["message"] == (
        "`uses` of table `prices`: `lookups/b.json` is reached by a link that leaves the project's folder"
    )


def test_link_within_the_project_is_followed(rates: ProjectFolder, cli: Cli) -> None:
    rates.write("shared/rates.json", "{}")
    (rates.path / "lookups/b.json").symlink_to("../shared/rates.json")
    assert cli("run").code == 0
    rates.write("shared/rates.json", "{ }")
    assert messages(cli) == [("file_changed", "lookup file `lookups/b.json` changed")]


@pytest.mark.parametrize("command", ["validate", "plan", "run"])
def test_pipe_is_refused_and_does_not_hang(rates: ProjectFolder, cli: Cli, command: str) -> None:
    os.mkfifo(rates.path / "lookups/b.json")
    assert problem(cli, command)["message"] == "`uses` of table `prices`: `lookups/b.json` is not a regular file"


def test_unreadable_file_is_a_problem(rates: ProjectFolder, cli: Cli) -> None:
    file = rates.write("lookups/b.json", "{}")
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read everything")
    assert (
        problem(cli, "plan")["message"]
        == "`uses` of table `prices`: `lookups/b.json` cannot be read: permission denied"
    )


def test_too_many_files_are_a_problem(rates: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(used_files, "MOST_FILES", 2)
    for name in "bcd":
        rates.write(f"lookups/{name}.json", "{}")
    assert problem(cli, "plan")["message"] == "`uses` of table `prices`: there are more than 2 files"


def test_missing_file_is_a_note_with_its_place(rates: ProjectFolder, cli: Cli) -> None:
    rates.edit("lakehouse.yaml", "[lookups/*.json]", "[lookups/a.jsn, lookups/*.csv]")
    reported = [
        "`lookups/a.jsn` under `uses` of `prices` is not there (lakehouse.yaml:6:20): did you mean `lookups/a.json`?",
        "`lookups/*.csv` under `uses` of `prices` matches no file (lakehouse.yaml:6:35)",
    ]
    validated = cli("validate", "-o", "json")
    assert (validated.code, validated.json["notes"][:2]) == (0, reported)
    assert cli("plan", "-o", "json").json["tables"][0]["notes"][:2] == reported
    ran = cli("run", "-o", "json").json["tables"][0]
    assert (ran["status"], ran["notes"][:2]) == ("materialized", reported)
    assert all(f"\nnote: {note}\n" in cli(command).out for command in ("plan", "validate") for note in reported)
    assert reasons(cli) == {}
    rates.write("lookups/a.jsn", "{}")
    rates.write("lookups/b.csv", "")
    assert messages(cli) == [
        ("file_changed", "lookup file `lookups/a.jsn` is new, lookup file `lookups/b.csv` is new"),
    ]
    assert cli("run").code == 0
    (rates.path / "lookups/a.jsn").unlink()
    assert messages(cli) == [("file_changed", "lookup file `lookups/a.jsn` is gone")]


def test_documented_example(folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "project-file.md").read_text("utf-8")
    tables = re.findall(r"```yaml\n(tables:\n  price_list:\n.*?)```", docs, re.DOTALL)[0]
    folder.write("lakehouse.yaml", f"name: shop\nmodule: transforms\n{tables}  products: {{kind: source}}\n")
    folder.write(
        "transforms.py",
        """
        import json
        import os
        from pathlib import Path

        import pandas as pd

        HERE = Path(__file__).parent


        def price_list(products):
            rates = json.loads((HERE / "lookups" / "rates.json").read_text())
            return products.assign(price=products["price"] * rates[os.environ["MARKET"]])


        def exchange_rates():
            return pd.DataFrame({"market": ["ch"], "rate": [2]})
        """,
    )
    folder.write("data/products.csv", "name,price\ntea,3\n")
    folder.write("lookups/rates.json", '{"ch": 2, "de": 1}')
    folder.write("models/v2/weights", "")
    assert cli("validate", "-o", "json").json["notes"] == []
    monkeypatch.setenv("MARKET", "ch")
    assert cli("run").code == 0
    assert folder.read("data/price_list.csv") == "name,price\ntea,6\n"
    monkeypatch.setenv("MARKET", "de")
    folder.write("models/v2/weights", "1")
    assert {name: [code for code, _ in found] for name, found in reasons(cli).items()} == {
        "price_list": ["file_changed", "variable_changed"]
    }


@pytest.mark.slow
def test_watch_runs_when_a_used_file_changes(rates: ProjectFolder) -> None:
    rates.edit("lakehouse.yaml", "    uses:", "    refresh: always\n    uses:")
    with running(rates.path, "run", "--watch") as run:
        assert "2 materialized in" in run.says(WATCHING)
        rates.write("lookups/a.json", '{"rate": 2.5}')
        # `refresh: always` has not run it meanwhile.
        assert run.says("changed: lookups/a.json\n") == ""
        run.says(WATCHING)
        assert rates.read("data/best.csv") == "market,rate\nunset,2.5\n"
        run.interrupt()
        run.ends()
