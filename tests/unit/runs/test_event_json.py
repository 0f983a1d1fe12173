"""Events as lines of JSON, and back."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, fields

from lakehouse_cli.errors import Example, Location, Violation
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.rendering.reporters.log_json import LogJsonReporter
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.event_json import Beginning, Ending, event_line, read_line
from lakehouse_cli.runs.events import (
    Event,
    PartitionResult,
    RunFinished,
    RunResult,
    RunStarted,
    RunWaiting,
    TableFinished,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.text.redaction import mask_of, masked

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)
TEXTS = st.text(max_size=8)
PLACES = st.builds(Location, TEXTS, st.none() | st.integers(1), st.none() | st.integers(1), st.integers(1), TEXTS)
ERRORS = st.builds(
    ErrorInfo,
    TEXTS,
    TEXTS,
    st.none() | TEXTS,
    st.none() | PLACES,
    st.lists(
        st.builds(
            Violation,
            st.none() | TEXTS,
            TEXTS,
            st.integers(0),
            TEXTS,
            st.lists(st.builds(Example, st.none() | st.integers(1), TEXTS, st.none() | st.integers(1)), max_size=2).map(
                tuple
            ),
            st.none() | PLACES,
        ),
        max_size=2,
    ).map(tuple),
    st.lists(st.tuples(TEXTS, st.integers(1), TEXTS, TEXTS), max_size=2).map(tuple),
    st.lists(st.tuples(TEXTS, TEXTS, st.integers(0), st.integers(0)), max_size=2).map(tuple),
    TEXTS,
    st.none() | TEXTS,
)
RESULTS = st.builds(
    TableResult,
    TEXTS,
    st.sampled_from(["materialized", "unchanged", "failed", "skipped", "cancelled"]),
    st.lists(st.builds(Reason, TEXTS, TEXTS), max_size=2).map(tuple),
    st.none() | st.integers(0),
    st.none() | st.integers(0),
    st.none() | st.floats(0, 1e9),
    TEXTS,
    st.integers(0),
    st.none() | ERRORS,
    st.lists(TEXTS, max_size=2).map(tuple),
)


@given(RESULTS)
def test_a_result_is_one_line_of_ascii_and_read_back_as_it_was(result: TableResult) -> None:
    line = event_line(TableFinished(result), AT)
    assert line.isascii()
    assert line.count("\n") == 1
    assert len(line.splitlines()) == 1
    assert read_line(line.encode()) == TableFinished(result)


def test_file_names_that_are_no_text_do_not_spoil_a_line() -> None:
    line = event_line(TableFinished(TableResult("t", "failed", uri="data/\udcff.csv")), AT)
    assert json.loads(line)["result"]["uri"] == "data/\udcff.csv"


def test_the_lines_of_a_run() -> None:
    result = TableResult("a", "materialized", rows=3, duration_s=0.5, uri="data/a.csv", attempts=2)
    run = RunResult("id", "shop", "default", "success", "s", "f", 1.0, (result,))
    stream = io.StringIO()
    reporter = LogJsonReporter(stream)
    for event in (
        RunStarted("id", "shop", "default", ("a",), ("a note",)),
        TableStarted("a"),
        TableRetrying("a", 1, 2.0, ErrorInfo("TransformError", "boom")),
        TableFinished(result),
        RunFinished(run),
    ):
        reporter.handle(event)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "run_started",
        "table_started",
        "table_retrying",
        "table_finished",
        "run_finished",
    ]
    assert lines[0]["schema"] == 1
    assert lines[0]["tables"] == ["a"]
    assert all(datetime.fromisoformat(line["at"]).tzinfo is not None for line in lines)
    assert [line.get("table") for line in lines[1:4]] == ["a", "a", "a"]
    assert lines[2]["error"]["message"] == "boom"
    assert lines[3]["result"]["rows"] == 3
    assert lines[4]["result"]["tables"] == ["a"]
    assert lines[4]["result"]["counts"] == {"materialized": 1}


def test_unknown_fields_are_ignored_missing_ones_refused() -> None:
    line = '{"event":"table_retrying","table":"t","attempt":1,"delay_s":1,"error":%s,"new":[1]}'
    error = {"type": "E", "message": "m", "later": {}}
    assert read_line((line % json.dumps(error)).encode()) == TableRetrying("t", 1, 1.0, ErrorInfo("E", "m"))
    for wrong in ({"type": "E"}, {"type": 1, "message": "m"}, [], None):
        with pytest.raises(ValueError):
            read_line((line % json.dumps(wrong)).encode())
    with pytest.raises(ValueError, match="Invalid enum value 'eaten'"):
        read_line(b'{"event":"table_finished","result":{"name":"t","status":"eaten"}}')
    assert read_line(b'{"event":"table_measured","table":7}') is None


def test_lines_of_0_1_0_are_read_and_written_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_cli.runs.event_json.__version__", "0.1.0")
    lines = (Path(__file__).parent / "history_0_1_0.jsonl").read_text().splitlines(keepends=True)
    read = [read_line(line.encode()) for line in lines]
    results = [event.result for event in read if isinstance(event, TableFinished)]
    for line, event in zip(lines, read, strict=True):
        at = datetime.fromisoformat(json.loads(line)["at"])
        match event:
            case Beginning():
                again: Event = RunStarted(event.run_id, event.project, event.environment, event.tables, event.notes)
            case Ending(end):
                tables = sorted(results, key=lambda result: end.tables.index(result.name))
                values = {name: value for name, value in asdict(end).items() if name != "counts"}
                again = RunFinished(RunResult(**values | {"tables": tuple(tables)}))
            case _:
                assert event is not None
                again = event
        assert event_line(again, at) == line


def test_variables_are_masked_in_texts_not_in_names() -> None:
    mask = mask_of({"LAKE": "/srv/s3cr3t lake", "WORKERS": "8", "STAGE": "failed"})
    error = ErrorInfo(
        "StorageError",
        "cannot open '/srv/s3cr3t lake/a.csv': 8 message",
        traceback="url /srv/s3cr3t%20lake, %2Fsrv%2Fs3cr3t%20lake",
        frames=(("/srv/s3cr3t lake/t.py", 8, "failed", ""),),
    )
    event = masked(TableFinished(TableResult("failed", "failed", error=error)), mask)
    document = json.loads(event_line(event, AT))
    assert "s3cr3t" not in json.dumps(document)
    assert document["result"]["error"]["message"] == "cannot open '${LAKE}/a.csv': 8 message"
    assert document["result"]["error"]["traceback"] == "url ${LAKE}, ${LAKE}"
    assert (document["table"], document["result"]["status"]) == ("failed", "failed")


def test_each_line_of_a_value_is_masked_by_itself() -> None:
    mask = mask_of({"KEY": "-----BEGIN-----\nc2VjcmV0\n}\n"})
    assert mask("line 2 is c2VjcmV0 }") == "line 2 is ${KEY} }"
    assert mask("all: -----BEGIN-----\nc2VjcmV0\n}\n.") == "all: ${KEY}."


def test_the_docs_name_every_field() -> None:
    text = (Path(__file__).parents[3] / "docs/history.md").read_text(encoding="utf-8")
    for kind in (
        RunStarted,
        TableStarted,
        TableRetrying,
        TableResult,
        PartitionResult,
        ErrorInfo,
        RunResult,
        Violation,
        Location,
        Reason,
    ):
        for field in fields(kind):
            assert f"`{field.name}`" in text, f"{kind.__name__}.{field.name}"


def test_every_event_is_documented() -> None:
    documented = (Path(__file__).parents[3] / "docs/history.md").read_text(encoding="utf-8")
    for kind in get_args(Event):
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind.__name__).lstrip("_")
        assert f"| `{name}`" in documented


def test_first_line_has_the_layout_version() -> None:
    for event in (RunStarted("1", "small", "default", ()), RunWaiting("another run holds `default`")):
        assert json.loads(event_line(event, AT))["schema"] == 1
