"""The history of runs: written as it happens, read with care."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import LakehouseError, UsageError
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import (
    RunFinished,
    RunResult,
    RunStarted,
    TableFinished,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.runs.history import reading as history
from lakehouse_cli.runs.history.records import RunList, TableHistory
from lakehouse_cli.runs.history.writing import HistoryWriter
from lakehouse_cli.runs.local_state import hold, let_go
from tests.conftest import ProjectFolder


def run_id(number: int, ending: str = "abcd") -> str:
    """The id of a run begun in that second."""
    return f"20260101-{number:06}-{ending}"


def record(
    folder: Path, name: str, results: Iterable[TableResult] = (), *, env: str = "default", keep: int = 100
) -> HistoryWriter:
    """Write a whole run into the history."""
    tables = tuple(results)
    writer = HistoryWriter(folder, keep=keep)
    writer.handle(RunStarted(name, "shop", env, tuple(t.name for t in tables)))
    for table in tables:
        writer.handle(TableStarted(table.name))
        writer.handle(TableFinished(table))
    bad = any(table.status != "materialized" for table in tables)
    moments = ("2026-01-01T00:00:00.000+00:00", "2026-01-01T00:00:01.000+00:00")
    writer.handle(RunFinished(RunResult(name, "shop", env, "failed" if bad else "success", *moments, 1.0, tables)))
    return writer


def done(name: str, seconds: float = 1.0) -> TableResult:
    return TableResult(name, "materialized", duration_s=seconds, rows=2, bytes=9, uri=f"data/{name}.csv", attempts=1)


def file_of(folder: Path, name: str) -> Path:
    return folder / ".lakehouse/runs" / f"{name}.jsonl"


def test_a_run_is_read_back(tmp_path: Path) -> None:
    failed = TableResult("b", "failed", duration_s=0.1, error=ErrorInfo("TransformError", "boom", "fix it"))
    skipped = TableResult("c", "skipped", error=ErrorInfo("UpstreamError", "`b` failed"))
    record(tmp_path, run_id(1), [done("a"), failed, skipped])
    found = history.read(tmp_path)
    assert found.tables == (done("a"), failed, skipped)
    assert found.planned == ("a", "b", "c")
    assert set(history.unfinished(tmp_path, "default", "abcd")) == {"b", "c"}
    assert found.summary.status == found.result.status == "failed"
    assert found.summary.counts == {"materialized": 1, "failed": 1, "skipped": 1}
    assert history.runs(tmp_path).runs == (found.summary,)
    assert found.to_json()["tables"][1]["error"]["hint"] == "fix it"


def test_events_are_in_the_file_before_the_next_one_comes(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path)
    writer.handle(RunStarted(run_id(1), "shop", "default", ("a", "b", "c")))
    writer.handle(TableStarted("a"))
    writer.handle(TableFinished(done("a")))
    writer.handle(TableStarted("b"))
    assert [json.loads(line)["event"] for line in file_of(tmp_path, run_id(1)).read_text().splitlines()] == [
        "run_started",
        "table_started",
        "table_finished",
        "table_started",
    ]
    going_on = history.read(tmp_path)
    assert going_on.summary.status == "running"
    assert going_on.started == ("b",)
    assert [table.name for table in going_on.tables] == ["a"]
    assert not history.unfinished(tmp_path, "default", "ab")
    writer.close()
    assert history.read(tmp_path).summary.status == "died"


KILLED = """
import os, signal, sys
from pathlib import Path
from lakehouse_cli.runs.events import RunStarted, TableFinished, TableResult, TableStarted
from lakehouse_cli.runs.history.writing import HistoryWriter
writer = HistoryWriter(Path(sys.argv[1]))
writer.handle(RunStarted("20260101-000001-dead", "shop", "default", ("a", "b", "c")))
writer.handle(TableFinished(TableResult("a", "materialized")))
writer.handle(TableStarted("b"))
if os.fork() == 0:
    import time
    # Itself, so that it has let go of what it was given when its number is known.
    print(os.getpid(), flush=True)
    time.sleep(60)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_killed_run_with_a_living_worker_is_dead(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    try:
        assert process.wait(timeout=30) == -9
        found = history.read(tmp_path)
    finally:
        os.kill(child, 9)
        process.stdout.close()
    assert found.summary.status == "died"
    assert found.summary.finished_at is None
    assert [(table.name, table.status) for table in found.tables] == [
        ("a", "materialized"),
        ("b", "cancelled"),
        ("c", "cancelled"),
    ]
    assert found.tables[1].error is not None
    assert "while this table was under way" in found.tables[1].error.message
    assert set(history.unfinished(tmp_path, "default", "abcd")) == {"b", "c"}
    assert found.to_json()["status"] == "died"
    assert found.to_json()["duration_s"] is None


def test_a_last_line_cut_short_is_left_out(tmp_path: Path) -> None:
    record(tmp_path, run_id(1), [done("a"), done("b")])
    file = file_of(tmp_path, run_id(1))
    whole = file.read_bytes()
    for end in range(whole.index(b"\n") + 1, len(whole)):
        file.write_bytes(whole[:end])
        found = history.read(tmp_path)
        assert found.summary.status == "died"
        assert {table.name for table in found.tables} == {"a", "b"}
        assert history.runs(tmp_path).runs[0].status == "died"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"event":"run_started","schema":99}\n', "a newer version of the tool wrote it (schema 99"),
        ("not json\n", "line 1 is not JSON"),
        ("[]\n", "line 1 is not an event"),
        ('{"event":"table_started"}\n', "its first line is not the beginning of a run"),
        ('{"event":"run_st', "its first line has no end"),
        ("", "it is empty"),
        ("[" * 100_000 + "\n", "line 1 is not JSON"),
    ],
)
def test_what_cannot_be_read_is_explained_and_left_out(tmp_path: Path, text: str, why: str) -> None:
    record(tmp_path, run_id(1), [done("a")])
    record(tmp_path, run_id(2))
    file_of(tmp_path, run_id(2)).write_text(text)
    found = history.runs(tmp_path)
    assert [run.run_id for run in found.runs] == [run_id(1)]
    assert len(found.notes) == 1
    assert f"run {run_id(2)} cannot be read: {why}" in found.notes[0]
    last = history.read(tmp_path)
    assert last.summary.run_id == run_id(1)
    assert last.notes == found.notes
    assert history.table_history(tmp_path, "a").notes == found.notes
    assert history.durations(tmp_path) == {"a": 1.0}
    with pytest.raises(LakehouseError) as caught:
        history.read(tmp_path, run_id(2))
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"status":"materialized"', '"status":"eaten"'),
        ('"reasons":[]', '"reasons":7'),
        ('"name":"a",', ""),
        ('"result":{"name"', '"resilt":{"name"'),
        ('{"event":"table_finished"', "}"),
        ('"status":"success"', '"status":[]'),
    ],
)
def test_lines_that_were_edited_by_hand_are_no_traceback(tmp_path: Path, old: str, new: str) -> None:
    record(tmp_path, run_id(1), [done("a")])
    file = file_of(tmp_path, run_id(1))
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(LakehouseError, match=f"run {run_id(1)} cannot be read") as caught:
        history.read(tmp_path, run_id(1))
    assert history.runs(tmp_path) == RunList((), (caught.value.message,))
    assert history.table_history(tmp_path, "a") == TableHistory("a", (), (caught.value.message,))
    history.durations(tmp_path)
    assert not history.unfinished(tmp_path, "default", "ab")


# A line of a run's file by its number (0 is the first), what stands there instead, and what is reported of it.
SPOILT = [
    (1, "garbage", "line 2 is not JSON"),
    (2, "[]", "line 3 is not an event"),
    (2, '{"no": "event"}', "line 3 is not what a run writes"),
    (2, '{"event":["x"]}', "line 3 is not what a run writes"),
    (2, '{"event":"table_finished","result":{"name":"a","status":"failed","rows":"many"}}', "line 3 is not what a run"),
    (3, "garbage", "line 4 is not JSON"),
    (3, '{"event":"run_finished","result":{"status":"success","duration_s":"x"}}', "line 4 is not what a run writes"),
]


@pytest.mark.parametrize(("number", "instead", "why"), SPOILT)
def test_foreign_line_is_reported_alike_by_all_readers(tmp_path: Path, number: int, instead: str, why: str) -> None:
    record(tmp_path, run_id(1), [done("a")])
    file = file_of(tmp_path, run_id(1))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:number], instead, *lines[number + 1 :]]) + "\n")
    with pytest.raises(LakehouseError) as caught:
        history.read(tmp_path, run_id(1))
    assert caught.value.message.startswith(f"run {run_id(1)} cannot be read: {why}")
    for of_the_run in (history.runs(tmp_path), history.table_history(tmp_path, "a")):
        assert of_the_run.notes == (caught.value.message,)
    with pytest.raises(UsageError, match="there is no run in the history that can be read") as nothing:
        history.read(tmp_path)
    assert nothing.value.hint == caught.value.message
    for second in (2, 3):
        record(tmp_path, run_id(second), keep=1)
    assert {path.stem for path in file.parent.glob("*.jsonl")} == {run_id(1), run_id(3)}


def test_unknown_events_and_python_only_json_are_read(tmp_path: Path) -> None:
    record(tmp_path, run_id(1), [TableResult("a", "failed", error=ErrorInfo("E", "no file \udcff"))])
    file = file_of(tmp_path, run_id(1))
    lines = file.read_text().splitlines()
    lines.insert(2, '{"event":"table_measured","table":7,"result":{"of":NaN}}')
    file.write_text("\n".join(lines) + "\n")
    [table] = history.read(tmp_path, run_id(1)).tables
    assert table.error is not None
    assert table.error.message == "no file \udcff"
    for second in (2, 3):
        record(tmp_path, run_id(second), keep=1)
    assert not file.exists()


def test_a_copied_file_goes_by_its_own_name(tmp_path: Path) -> None:
    record(tmp_path, run_id(1), [done("a")])
    file_of(tmp_path, run_id(2, "c0")).write_bytes(file_of(tmp_path, run_id(1)).read_bytes())
    ids = [run_id(2, "c0"), run_id(1)]
    assert [run.run_id for run in history.runs(tmp_path).runs] == ids
    assert [time.run_id for time in history.table_history(tmp_path, "a").times] == ids
    assert history.read(tmp_path, "c0").result.run_id == ids[0]


def test_a_file_that_a_run_only_begins_is_no_trouble(tmp_path: Path) -> None:
    record(tmp_path, run_id(1))
    file = file_of(tmp_path, run_id(2))
    file.touch()
    descriptor = os.open(file, os.O_RDONLY)
    hold(descriptor, wait=True)
    assert [run.run_id for run in history.runs(tmp_path).runs] == [run_id(1)]
    assert history.runs(tmp_path).notes == ()
    let_go(descriptor)
    assert history.runs(tmp_path).notes == (f"run {run_id(2)} cannot be read: it is empty",)


def test_the_newest_are_kept_and_other_files_left_alone(tmp_path: Path) -> None:
    going_on = HistoryWriter(tmp_path)
    going_on.handle(RunStarted(run_id(0), "shop", "default", ("a",)))
    for number in range(1, 6):
        record(tmp_path, run_id(number), keep=3)
    mine = file_of(tmp_path, run_id(3)).with_name("notes.txt")
    mine.write_text("mine")
    record(tmp_path, run_id(6), keep=3)
    names = [run.run_id for run in history.runs(tmp_path).runs]
    assert names == [run_id(6), run_id(5), run_id(4), run_id(0)]
    assert mine.exists()
    going_on.close()


@pytest.mark.parametrize("text", ['{"event":"run_started","schema":99}\n', "not json\n", ""])
def test_what_cannot_be_read_as_a_run_is_not_removed(tmp_path: Path, text: str) -> None:
    for number in (1, 2):
        record(tmp_path, run_id(number))
    file_of(tmp_path, run_id(1)).write_text(text)
    file_of(tmp_path, run_id(0)).mkdir()
    for number in (3, 4):
        record(tmp_path, run_id(number), keep=2)
    left = {path.stem for path in (tmp_path / ".lakehouse/runs").glob("*.jsonl")}
    assert left == {run_id(number) for number in (0, 1, 3, 4)}


def test_run_without_room_to_begin_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.write", without_room)
        writer = HistoryWriter(tmp_path)
        writer.handle(RunStarted(run_id(1), "shop", "default", ()))
    assert writer.trouble == (
        "the history of this run is not complete: `.lakehouse/runs` cannot be written: no space left on device"
    )
    assert not file_of(tmp_path, run_id(1)).exists()
    assert history.runs(tmp_path).notes == ()


def test_how_many_are_kept_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_RUNS_KEPT", "1")
    for number in (1, 2):
        HistoryWriter(tmp_path).handle(RunStarted(run_id(number), "shop", "default", ()))
    monkeypatch.setenv("LAKEHOUSE_RUNS_KEPT", "none")
    with pytest.raises(UsageError, match="LAKEHOUSE_RUNS_KEPT is `none`"):
        HistoryWriter(tmp_path)


def test_runs_of_one_second_are_in_the_order_they_began(tmp_path: Path) -> None:
    for ending in ("ffff", "0000", "8888"):
        record(tmp_path, run_id(1, ending))
        text = file_of(tmp_path, run_id(1, ending)).read_text()
        moment = json.loads(text.splitlines()[0])["at"]
        later = f"2026-01-01T00:00:00.{['ffff', '0000', '8888'].index(ending)}00+00:00"
        file_of(tmp_path, run_id(1, ending)).write_text(text.replace(moment, later))
    assert [run.run_id[-4:] for run in history.runs(tmp_path).runs] == ["8888", "0000", "ffff"]
    assert history.read(tmp_path, "last").summary.run_id.endswith("8888")


def test_runs_are_found_by_parts_of_their_id(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run in the history yet"):
        history.read(tmp_path)
    record(tmp_path, run_id(1, "aaaa"))
    record(tmp_path, run_id(2, "bbbb"))
    assert history.read(tmp_path, "20260101-000001").summary.run_id == run_id(1, "aaaa")
    assert history.read(tmp_path, "bbbb").summary.run_id == run_id(2, "bbbb")
    with pytest.raises(UsageError, match="`2026` could be"):
        history.read(tmp_path, "2026")
    with pytest.raises(UsageError) as caught:
        history.read(tmp_path, run_id(1, "aaab"))
    assert run_id(1, "aaaa") in (caught.value.hint or "")
    for wrong in ("", "../x", "aaa"):
        with pytest.raises(UsageError, match="there is no run"):
            history.read(tmp_path, wrong)


def test_environments_are_apart(tmp_path: Path) -> None:
    record(tmp_path, run_id(1), [done("a", 1.0)])
    record(tmp_path, run_id(2), [done("a", 3.0)], env="prod")
    assert [run.run_id for run in history.runs(tmp_path, environment="default").runs] == [run_id(1)]
    assert history.durations(tmp_path, environment="prod") == {"a": 3.0}
    assert history.table_history(tmp_path, "a", environment="prod").median_s == 3.0
    assert history.read(tmp_path, environment="default").summary.run_id == run_id(1)


def test_durations_are_medians_of_recent_runs(tmp_path: Path) -> None:
    for number, seconds in enumerate([50.0, 60.0, 1.0, 2.0, 3.0, 4.0, 100.0], 1):
        failed = TableResult("b", "failed", duration_s=9.0)
        record(tmp_path, run_id(number), [done("a", seconds), failed])
    record(tmp_path, run_id(8), [TableResult("a", "unchanged")])
    assert history.durations(tmp_path) == {"a": 3.0}
    times = history.table_history(tmp_path, "a", limit=3)
    assert [time.result.status for time in times.times] == ["unchanged", "materialized", "materialized"]
    assert times.materialized_s == (100.0, 4.0)


def test_trouble_in_writing_never_fails_a_run(tmp_path: Path) -> None:
    (tmp_path / ".lakehouse").write_text("in the way")
    writer = record(tmp_path, run_id(1), [done("a")])
    assert writer.trouble is not None
    assert "the history of this run is not complete" in writer.trouble
    assert history.runs(tmp_path).runs == ()


def test_the_folder_keeps_itself_out_of_version_control(tmp_path: Path) -> None:
    record(tmp_path, run_id(1))
    assert (tmp_path / ".lakehouse/runs/.gitignore").read_text() == "*\n"


def test_links_are_not_followed(tmp_path: Path) -> None:
    record(tmp_path, run_id(1))
    file_of(tmp_path, run_id(2)).symlink_to(file_of(tmp_path, run_id(1)))
    assert [run.run_id for run in history.runs(tmp_path).runs] == [run_id(1)]


def test_values_of_variables_never_appear(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = str(folder.path / "s3cr3t")
    folder.write(
        "lakehouse.yaml",
        """
        name: hidden
        module: transforms
        storages:
          default: {root: "${LAKE}"}
        tables:
          orders: {kind: source, columns: {a: int64}}
          one: {columns: {a: int64}}
          two: {columns: {a: int64}, inputs: []}
          three: {columns: {a: int64}, inputs: []}
        """,
    )
    folder.write(
        "transforms.py",
        textwrap.dedent("""
        import os

        def one(orders):
            return orders

        def two():
            raise RuntimeError("cannot log in at " + os.environ["LAKE"])

        def three():
            open(os.environ["LAKE"] + "/nothing")
        """),
    )
    folder.write("s3cr3t/orders.csv", "a\n1\nx\n")
    monkeypatch.setenv("LAKE", secret)
    project = Project.load(folder.path)
    result = project.run()
    assert result["two"].error is not None
    # Notebooks print results.
    assert result["two"].error.message == "`two` raised RuntimeError: cannot log in at ${LAKE}"
    assert "s3cr3t" not in repr(result)
    written = file_of(folder.path, result.run_id).read_text()
    assert "s3cr3t" not in written
    assert "cannot log in at ${LAKE}" in written
    assert history.read(folder.path).summary.counts == {"failed": 3, "skipped": 1}


def test_dead_run_shows_its_attempts(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path)
    writer.handle(RunStarted(run_id(1), "shop", "default", ("a", "b")))
    writer.handle(TableStarted("a"))
    for attempt in (1, 2):
        writer.handle(TableRetrying("a", attempt, 1.0, ErrorInfo("TransformError", "boom")))
    writer.close()
    assert [(table.name, table.attempts) for table in history.read(tmp_path).tables] == [("a", 2), ("b", 0)]


def test_what_failed_is_remembered_until_it_succeeds(tmp_path: Path) -> None:
    def ended(*statuses: str, env: str = "default") -> list[str]:
        results = [TableResult(text[0], text[2:]) for text in statuses]  # type: ignore[arg-type]
        record(tmp_path, run_id(next(numbers)), results, env=env)
        return sorted(history.unfinished(tmp_path, "default", "abcd"))

    numbers = iter(range(1, 99))
    assert ended("a failed", "b skipped", "c cancelled", "d materialized") == ["a", "b", "c"]
    assert ended("d materialized") == ["a", "b", "c"]
    assert ended() == ["a", "b", "c"]
    assert ended("a materialized", env="prod") == ["a", "b", "c"]
    assert ended("a failed", "b materialized") == ["a", "c"]
    assert ended("c unchanged", "d failed") == ["a", "d"]
    assert set(history.unfinished(tmp_path, "default", "ab")) == {"a"}
    file_of(tmp_path, run_id(5)).write_text("{}")
    assert set(history.unfinished(tmp_path, "default", "abcd")) == {"a", "b", "d"}
