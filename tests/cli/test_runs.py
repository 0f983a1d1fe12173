"""`lakehouse runs`, `runs show`, `runs --table`."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import takewhile

import pytest

from lakehouse_cli import Project
from lakehouse_cli.runs.events import RunResult, RunStarted, TableStarted
from lakehouse_cli.runs.history.writing import HistoryWriter
from lakehouse_cli.text.terminal import text_width
from tests.cli.running import COMMAND, on_a_terminal
from tests.cli.test_what_is_loaded import SLOW, loaded
from tests.conftest import Cli, ProjectFolder


def recorded(folder: ProjectFolder, *selection: str) -> RunResult:
    """Run the project with its history."""
    return Project.load(folder.path).run(*selection, force=True)


def test_no_runs_yet(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("runs")
    assert (ran.code, ran.out) == (0, "no run is in the history yet\n")
    assert cli("runs", "-o", "json").json == {"runs": []}
    shown = cli("runs", "show", "last")
    assert shown.code == 2
    assert "there is no run in the history yet" in shown.err
    assert not (project.path / ".lakehouse").exists()


def test_runs_are_listed_newest_first(project: ProjectFolder, cli: Cli) -> None:
    first = recorded(project)
    project.write("data/orders.csv", "customer,amount\n007,x\n")
    second = recorded(project)
    lines = cli("runs").out.splitlines()
    assert lines[0].split() == ["run", "started", "state", "time", "tables"]
    assert lines[1].startswith(f"{second.run_id}  ")
    assert "✗ failed" in lines[1]
    assert lines[1].endswith("✗ 1  ○ 2")
    assert lines[2].startswith(f"{first.run_id}  ")
    assert lines[2].endswith("✓ 2")
    assert cli("runs", "-n", "1").out.splitlines()[2:] == ["… and more; `-n 2` shows them"]
    assert cli("runs", "-n", "0").code == 2
    assert cli("runs", "-o", "json").json == {
        "runs": [
            {
                "run_id": run.run_id,
                "project": "small",
                "environment": "default",
                "status": run.status,
                "started_at": run.started_at,
                "finished_at": run.finished_at,
                "duration_s": run.duration_s,
                "planned": 2,
                "counts": counts,
            }
            for run, counts in ((second, {"failed": 1, "skipped": 2}), (first, {"materialized": 2}))
        ]
    }
    assert cli("runs", "-e", "default").out.splitlines() == lines


def test_show_is_what_the_run_showed(project: ProjectFolder, cli: Cli) -> None:
    project.write("data/orders.csv", "customer,amount\n007,x\n")
    result = recorded(project)
    shown = cli("runs", "show", "last")
    assert shown.code == 0
    assert shown.out.startswith(f"small · default · run {result.run_id} · first run: never materialized\nstarted ")
    ran = cli("run")
    # The same rows and the same failure, times apart.
    rows = [line.split("  ")[0] for line in shown.out.splitlines() if line[:1] in "✓✗○"]
    assert rows == [line.split("  ")[0] for line in ran.out.splitlines() if line[:1] in "✓✗○"]
    assert ran.err in shown.out
    assert cli("runs", "show", result.run_id[-4:]).out == shown.out


def test_show_json_is_the_document_of_the_run(project: ProjectFolder, cli: Cli) -> None:
    from lakehouse_cli.runs.events import result_json

    result = recorded(project)
    for argv in (["runs", "show", "last", "-o", "json"], ["-o", "json", "runs", "show", result.run_id]):
        assert cli(*argv).json == json.loads(json.dumps(result_json(result)))


def test_a_run_that_goes_on_and_one_that_died(project: ProjectFolder, cli: Cli) -> None:
    writer = HistoryWriter(project.path)
    writer.handle(RunStarted("20260101-000000-abcd", "small", "default", ("totals", "best")))
    writer.handle(TableStarted("totals"))
    assert "▸ running" in cli("runs").out
    assert "0 of 2" in cli("runs").out
    shown = cli("runs", "show", "last").out
    assert "\n▸ totals" in shown
    assert "waiting" in shown
    assert shown.endswith("still running: no table ended of 2 tables so far\n")
    writer.close()
    assert "✗ died" in cli("runs").out
    shown = cli("runs", "show", "last").out
    assert "the run died while this table was under way" in shown
    assert "died: 2 cancelled; the run ended without a word" in shown
    document = cli("runs", "show", "last", "-o", "json").json
    assert (document["status"], document["finished_at"]) == ("died", None)


@pytest.mark.parametrize("width", [30, 50, 80])
@pytest.mark.parametrize("argv", [("runs",), ("runs", "--table", "best"), ("graph",)])
def test_on_a_narrow_terminal_no_word_is_broken(project: ProjectFolder, argv: tuple[str, ...], width: int) -> None:
    first = recorded(project)
    lines = on_a_terminal(project.path, *argv, width=width)
    assert max(map(text_width, lines)) <= width
    if argv[0] == "runs":
        assert lines[1].startswith(first.run_id[:5])
        assert first.run_id[-5:] in lines[1]
        assert "✓" in lines[1]


@pytest.mark.parametrize("width", [50, 80])
def test_narrow_terminal_wraps_error_headings_at_words(project: ProjectFolder, width: int) -> None:
    project.edit("transforms.py", "nlargest", "a_method_that_is_not_there")
    lines = on_a_terminal(project.path, "run", width=width, code=1)
    start = next(number for number, line in enumerate(lines) if line.startswith("best  "))
    heading = [lines[start], *takewhile(lambda line: line.startswith("    "), lines[start + 1 :])]
    assert len(heading) > 1
    assert max(map(text_width, heading)) <= width
    assert "a_method_that_is_not_there" in " ".join(heading)


def test_a_table_over_time(project: ProjectFolder, cli: Cli) -> None:
    first, second = recorded(project), recorded(project, "totals")
    lines = cli("runs", "--table", "best").out.splitlines()
    assert lines[1].startswith(f"{first.run_id}  ✓ materialized")
    assert "▇▇▇▇▇▇▇▇▇▇" in lines[1]
    assert "(median of 1 run)" in lines[-1]
    document = cli("runs", "--table", "totals", "-o", "json").json
    assert document["table"] == "totals"
    assert [run["run_id"] for run in document["runs"]] == [second.run_id, first.run_id]
    times = [second["totals"].duration_s, first["totals"].duration_s]
    assert [run["duration_s"] for run in document["runs"]] == times
    assert document["median_s"] == pytest.approx(sum(t for t in times if t) / 2)
    wrong = cli("runs", "--table", "totls")
    assert wrong.code == 2
    assert "did you mean `totals`?" in wrong.err


def test_it_works_where_the_project_is_not_valid(project: ProjectFolder, cli: Cli) -> None:
    result = recorded(project)
    project.write("lakehouse.yaml", "nonsense: [")
    assert result.run_id in cli("runs").out
    assert cli("runs", "show", "last").code == 0
    assert cli("runs", "--table", "best").code == 0


@pytest.mark.parametrize("argv", [("runs",), ("runs", "show", "last"), ("runs", "--table", "best")], ids=" ".join)
def test_unknown_environment_has_close_matches(project: ProjectFolder, cli: Cli, argv: tuple[str, ...]) -> None:
    recorded(project)
    ran = cli(*argv, "-e", "zzz")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no environment `zzz`\n  the project file declares no `environments`" in ran.err
    text = project.read("lakehouse.yaml")
    project.write("lakehouse.yaml", f"{text}environments:\n  prod: {{}}\n  stage: {{}}\n")
    assert "did you mean `prod`?" in cli(*argv, "-e", "prd").err
    Project.load(project.path, env="stage").run()
    project.write("lakehouse.yaml", text)  # what was once declared, and what cannot be determined, is no mistake
    assert cli(*argv, "-e", "stage").code == 0
    assert "did you mean `stage`?" in cli(*argv, "-e", "stge").err


def test_environment_without_runs_is_named(project: ProjectFolder, cli: Cli) -> None:
    recorded(project)
    project.add("lakehouse.yaml", "environments:\n  prod: {}\nnonsense: 1\n")
    ran = cli("runs", "-e", "prod")
    assert (ran.code, ran.out, ran.err) == (0, "no run of environment `prod` is in the history yet\n", "")
    shown = cli("runs", "show", "last", "-e", "prod")
    assert shown.code == 2
    assert "there is no run of environment `prod` in the history yet" in shown.err
    project.write("lakehouse.yaml", "nonsense: [")
    assert cli("runs", "-e", "zzz").out == "no run of environment `zzz` is in the history yet\n"


def test_what_cannot_be_read_is_no_empty_history(project: ProjectFolder, cli: Cli) -> None:
    run_id = recorded(project).run_id
    file = project.path / f".lakehouse/runs/{run_id}.jsonl"
    file.write_text(file.read_text().replace('"rows":2', '"rows":"many"'))
    ran = cli("runs")
    assert (ran.code, ran.out) == (0, "no run in the history can be read\n")
    assert ran.err.startswith(f"run {run_id} cannot be read: line ")
    assert ran.err.endswith(" is not what a run writes\n")
    shown = cli("runs", "show", run_id)
    assert shown.code == 1
    assert ran.err.strip() in shown.err
    earlier = recorded(project)
    file.rename(file.with_name("29990101-000000-bad1.jsonl"))
    for argv in (("runs",), ("runs", "--table", "best"), ("runs", "show", "last")):
        asked = cli(*argv, "-o", "json")
        assert (asked.code, asked.err.count("run 29990101-000000-bad1 cannot be read: line ")) == (0, 1)
    assert asked.json["run_id"] == earlier.run_id


def test_history_of_a_newer_version_is_reported(project: ProjectFolder, cli: Cli) -> None:
    result = recorded(project)
    file = project.path / ".lakehouse/runs/29990101-000000-abcd.jsonl"
    file.write_text('{"event":"run_started","schema":2}\n')
    ran = cli("runs")
    assert ran.code == 0
    assert result.run_id in ran.out
    assert "a newer version of the tool wrote it (schema 2" in ran.err
    assert cli("runs", "-o", "json").json["runs"][0]["run_id"] == result.run_id
    shown = cli("runs", "show", "2999")
    assert shown.code == 1
    assert "update the tool" in shown.err


def test_lines_fit_a_terminal(project: ProjectFolder, cli: Cli) -> None:
    recorded(project)
    from lakehouse_cli.cli.runs import _list_lines, _time_lines
    from lakehouse_cli.runs.history.reading import runs, table_history
    from lakehouse_cli.text.terminal import Terminal

    terminal = Terminal(color=True, width=80)
    lines = _list_lines(terminal, runs(project.path).runs) + _time_lines(terminal, table_history(project.path, "best"))
    assert max(text_width(line) for line in lines) <= 80


@pytest.mark.parametrize(
    "argv", [["runs"], ["runs", "-o", "json"], ["runs", "show", "last"], ["runs", "--table", "best"]], ids=" ".join
)
def test_nothing_slow_is_loaded(project: ProjectFolder, argv: list[str]) -> None:
    recorded(project)
    assert loaded(*argv) & SLOW == set()


def test_half_of_a_surrogate_pair_is_escaped(folder: ProjectFolder) -> None:
    folder.declare("{t: {}}", "def t():\n    raise ValueError('no file \\udcff')\n")
    for argv in (["run"], ["runs", "show", "last"]):
        command, env = [*COMMAND, *argv, "-o", "json"], os.environ | {"LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, cwd=folder.path, capture_output=True, timeout=60, env=env)
        [table] = json.loads(done.stdout)["tables"]
        assert table["error"]["message"] == "`t` raised ValueError: no file \udcff"
