"""`lakehouse run --log-format json`: on stderr what the history keeps, a line for each event, and no secret in it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Running, running
from tests.conftest import Cli, ProjectFolder

SECRET = "s3cr3t/pass word"


def finished(folder: ProjectFolder, *argv: str, environ: dict[str, str] | None = None) -> Running:
    with running(folder.path, *argv, environ=environ) as run:
        run.ends()
        return run


def documents(text: str) -> list[dict[str, Any]]:
    """Each line as the JSON object it must be."""
    found = [json.loads(line) for line in text.splitlines()]
    assert all(isinstance(document, dict) for document in found)
    return found


def kept(folder: ProjectFolder) -> str:
    """The history's file of the only run."""
    [file] = (folder.path / ".lakehouse/runs").glob("*.jsonl")
    return file.read_text()


def without_times(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same without when each was written, which is there twice."""
    return [{key: value for key, value in line.items() if key != "at"} for line in lines]


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_the_same_events_as_the_history(project: ProjectFolder, executor: str) -> None:
    run = finished(project, "run", "--log-format", "json", "--executor", executor)
    assert run.process.returncode == 0
    lines = documents(run.err)
    assert without_times(lines) == without_times(documents(kept(project)))
    assert [(line["event"], line.get("table")) for line in lines] == [
        ("run_started", None),
        ("table_started", "totals"),
        ("table_finished", "totals"),
        ("table_started", "best"),
        ("table_finished", "best"),
        ("run_finished", None),
    ]
    assert lines[0]["tables"] == ["totals", "best"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    # stdout is for people as ever.
    assert "2 materialized in" in run.out


def test_failure_events_stay_machine_readable(project: ProjectFolder) -> None:
    project.edit("transforms.py", "nlargest", "nlargst")
    run = finished(project, "run", "--log-format", "json")
    assert run.process.returncode == 1
    lines = documents(run.err)
    assert without_times(lines) == without_times(documents(kept(project)))
    [failed] = [line for line in lines if line["event"] == "table_finished" and line["result"]["status"] == "failed"]
    assert failed["table"] == "best"
    assert "nlargst" in failed["result"]["error"]["message"]
    assert lines[-1]["result"]["status"] == "failed"
    # What a person needs to fix it is where the rest of what they read is.
    assert "transforms.py:9 in best" in run.out


def test_with_the_document_on_stdout(project: ProjectFolder) -> None:
    run = finished(project, "run", "--log-format", "json", "-o", "json")
    assert json.loads(run.out)["status"] == "success"
    assert documents(run.err)[-1]["event"] == "run_finished"


def test_retries_and_what_is_skipped(project: ProjectFolder) -> None:
    project.edit("lakehouse.yaml", "    key: [customer]\n", "    retries: 1\n    retry_delay: 0.01\n")
    project.edit("transforms.py", '"sum"', '"smu"')
    run = finished(project, "run", "--log-format", "json", "-q")
    lines = documents(run.err)
    assert without_times(lines) == without_times(documents(kept(project)))
    [again] = [line for line in lines if line["event"] == "table_retrying"]
    assert (again["table"], again["attempt"], again["delay_s"]) == ("totals", 1, 0.01)
    results = {line["table"]: line["result"] for line in lines if line["event"] == "table_finished"}
    assert (results["totals"]["status"], results["totals"]["attempts"]) == ("failed", 2)
    assert results["best"]["status"] == "skipped"


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_retry_is_reported_at_once(project: ProjectFolder, executor: str) -> None:
    project.edit("lakehouse.yaml", "    key: [customer]\n", "    retries: 2\n    retry_delay: 0.4\n")
    project.edit("transforms.py", '"sum"', '"smu"')
    run = finished(project, "run", "--log-format", "json", "--executor", executor)
    reported = [line for line in documents(run.err) if line.get("table") == "totals"]
    events = ["table_started", "table_retrying", "table_retrying", "table_finished"]
    assert [line["event"] for line in reported] == events
    first, second, last = (datetime.fromisoformat(line["at"]) for line in reported[1:])
    # The second delay is twice the first; times are kept in whole milliseconds.
    assert (second - first).total_seconds() > 0.39
    assert (last - second).total_seconds() > 0.79


LEAKING = """
import os

import pyarrow as pa


def totals(orders: pa.Table) -> pa.Table:
    secret = os.environ["LAKE"]
    try:
        open(secret + "/nothing")
    except OSError as error:
        raise RuntimeError(f"cannot log in at {secret!r} ({error})") from error


def best(totals: pa.Table, count: int) -> pa.Table:
    return totals
"""


@pytest.mark.parametrize("executor", ["threads", "serial", "processes"])
def test_secrets_never_appear(project: ProjectFolder, tmp_path: Path, executor: str) -> None:
    text = project.read("lakehouse.yaml").replace("tables:\n", 'storages: {default: {root: "${LAKE}"}}\ntables:\n', 1)
    text = text.replace("    key: [customer]\n", "    retries: 1\n    retry_delay: 0.01\n")
    project.write("lakehouse.yaml", text)
    project.write("transforms.py", LEAKING)
    root = tmp_path / SECRET
    root.mkdir(parents=True)
    (root / "orders.csv").write_text(project.read("data/orders.csv"))
    environ = {"LAKE": str(root)}

    run = finished(project, "run", "--log-format", "json", "--executor", executor, environ=environ)
    assert run.process.returncode == 1
    lines = documents(run.err)
    assert without_times(lines) == without_times(documents(kept(project)))
    reported = [line for line in lines if "${LAKE}" in json.dumps(line)]
    assert [line["event"] for line in reported] == ["table_retrying", "table_finished", "table_finished"]
    traceback = reported[1]["result"]["error"]["traceback"]
    assert "cannot log in at '${LAKE}'" in traceback
    assert "No such file or directory: '${LAKE}/nothing'" in traceback

    everything = [run.out, run.err, kept(project)]
    commands = [["run", "-v", "--executor", executor], ["runs", "show", "last", "-v"]]
    if executor == "threads":  # of the others, the history has what it has of threads
        commands += [["run", "-o", "json"], ["run", "-q"], ["plan"], ["ls", "-o", "json"]]
        commands += [["runs", "show", "last", "-o", "json"]]
    for argv in commands:
        run = finished(project, *argv, environ=environ)
        everything += [run.out, run.err]
    for text in everything:
        assert "s3cr3t" not in text
        assert "pass word" not in text


def test_secret_as_a_column_name_is_masked(project: ProjectFolder) -> None:
    """Also in JSON; a declared column that is called as a value is stays."""
    text = project.read("lakehouse.yaml").replace(
        "tables:\n", 'storages: {other: {root: "${LAKE}/${WORD}"}}\ntables:\n', 1
    )
    project.write("lakehouse.yaml", text)
    made = "orders.assign(total=None)[['total']].assign(**{__import__('os').environ['LAKE']: 1})"
    project.edit("transforms.py", 'orders.groupby("customer").agg(total=("amount", "sum"))', made)
    environ = {"LAKE": SECRET, "WORD": "total"}
    streaming = finished(project, "run", "--log-format", "json", environ=environ)
    everything = [streaming.out, streaming.err, kept(project)]
    document = finished(project, "run", "-o", "json", environ=environ)
    everything += [document.out, document.err]
    assert not [text for text in everything if "s3cr3t" in text]
    violations = json.loads(document.out)["tables"][0]["error"]["violations"]
    assert [(each["column"], each["check"]) for each in violations] == [
        ("customer", "missing"),
        ("total", "null"),
        ("${LAKE}", "extra"),
    ]


def test_a_run_is_estimated_by_those_before_it(project: ProjectFolder, cli: Cli) -> None:
    first, second = (documents(cli("run", "--force", "--log-format", "json").err) for _ in range(2))
    assert first[0]["first_run"] is True
    assert "run_estimated" not in {line["event"] for line in first}
    assert "first_run" not in second[0]
    took = {line["table"]: line["result"]["duration_s"] for line in first if line["event"] == "table_finished"}
    [estimated] = (line for line in second if line["event"] == "run_estimated")
    assert estimated["tables"] == took
    assert estimated["duration_s"] == pytest.approx(sum(took.values()), abs=0.001), "one after the other"
    kept = "".join(file.read_text() for file in (project.path / ".lakehouse/runs").glob("*.jsonl"))
    assert "run_estimated" not in kept
    assert cli("run", "best", "-f").out.count("first run") == 0
    project.add("transforms.py", "\n\ndef one(best):\n    return best\n\n\ndef two(best):\n    return best\n")
    project.add("lakehouse.yaml", "  one: {}\n  two: {}\n")
    more = cli("run").out
    assert ("first run" in more, more.count("never materialized")) == (False, 2), "beside those that are stored"
    assert cli("runs", "show", "last").code == 0
