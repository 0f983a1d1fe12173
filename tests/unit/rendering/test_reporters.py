"""Reporters of logs and of packages: what of a run each writes, from its events alone."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.rendering.reporters import plugin
from lakehouse_cli.rendering.reporters.base import Reporter
from lakehouse_cli.rendering.reporters.lines import LinesReporter
from lakehouse_cli.rendering.reporters.log_json import LogJsonReporter
from lakehouse_cli.rendering.reporters.plugin import PluginReporter
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import (
    Event,
    RunFinished,
    RunResult,
    RunStarted,
    RunStopping,
    RunTrouble,
    RunWaiting,
    TableFinished,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.text.terminal import Terminal
from tests.cli.running import until

NEW = (Reason("never_materialized", "never materialized"),)
RESULTS = (
    TableResult("orders", "materialized", NEW, 1_234, 56_789, 0.25, "data/orders.csv", 2),
    TableResult("highs", "failed", NEW, error=ErrorInfo.of(LakehouseError("no", hint="try again"))),
    TableResult("same", "unchanged"),
)
EVENTS: list[Event] = [
    RunWaiting("waiting for run x"),
    RunStarted("20260101-000000-abcd", "shop", "dev", ("orders", "highs", "same"), ("a note",)),
    TableStarted("orders"),
    TableRetrying("orders", 1, 2.0, ErrorInfo.of(LakehouseError("busy"))),
    TableFinished(RESULTS[0]),
    RunStopping(("highs",)),
    TableFinished(RESULTS[1]),
    TableFinished(RESULTS[2]),
    RunTrouble("the history cannot be written"),
]
END = RunFinished(RunResult("20260101-000000-abcd", "shop", "dev", "failed", "", "", 1.5, RESULTS))


def test_log_says_what_goes_on_where_nothing_else_was_said() -> None:
    """At once where nothing was said for long as a table starts; and later, where it goes on."""
    stream = io.StringIO()
    reporter = LinesReporter(stream, Terminal(), pause_s=0)
    reporter.handle(EVENTS[1])
    reporter.handle(TableStarted("orders"))
    until(lambda: "▸ orders" in stream.getvalue(), "the line of a table that runs")
    reporter.handle(TableFinished(RESULTS[0]))
    reporter.handle(TableStarted("highs"))
    until(lambda: "▸ highs" in stream.getvalue(), "the line of a table that started after nothing ran for long")
    reporter.close()
    lines = stream.getvalue().splitlines()
    assert [line.split()[:3] for line in lines[4:]] == [
        ["▸", "orders", "running"],
        ["✓", "orders", "materialized"],
        ["▸", "highs", "running"],
    ]
    patient = LinesReporter(quiet := io.StringIO(), Terminal())
    for event in (*EVENTS, END):
        patient.handle(event)
    patient.close()
    assert "running" not in quiet.getvalue()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_lines_are_plain_and_fit(width: int) -> None:
    stream = io.StringIO()
    reporter = LinesReporter(stream, Terminal(color=False, width=width, height=24, interactive=False))
    for event in (*EVENTS, END):
        reporter.handle(event)
    text = stream.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.splitlines()
    assert all(len(line) <= width for line in lines)
    assert lines[0] == "waiting for run x"
    order = [next(i for i, line in enumerate(lines) if word in line) for word in ("shop", "a note", "orders: ", "✗")]
    assert order == sorted(order)
    rows = sum("1,234" in line for line in lines)
    assert rows == (width >= 80), "digits are grouped; where there is no room, rows go first"
    assert not any("same" in line for line in lines), "what did not change has no line"
    assert "stopping; finishing highs; Ctrl-C again stops at once" in lines
    assert "the history cannot be written" in lines


def test_lines_head_nothing_where_nothing_ran() -> None:
    stream = io.StringIO()
    reporter = LinesReporter(stream, Terminal(color=False, width=80, height=24, interactive=False))
    reporter.handle(RunStarted("20260101-000000-abcd", "shop", "dev", ("same",)))
    reporter.handle(TableFinished(RESULTS[2]))
    reporter.handle(RunFinished(RunResult("20260101-000000-abcd", "shop", "dev", "success", "", "", 0.1, RESULTS[2:])))
    assert "rows" not in stream.getvalue()
    assert "1 unchanged" in stream.getvalue()


def test_each_event_is_a_line_of_json_at_once() -> None:
    stream = io.StringIO()
    reporter = LogJsonReporter(stream)
    for number, event in enumerate((*EVENTS, END), 1):
        reporter.handle(event)
        assert stream.getvalue().count("\n") == number
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [each["event"] for each in written][1:5] == [
        "run_started",
        "table_started",
        "table_retrying",
        "table_finished",
    ]
    assert written[4]["result"]["rows"] == 1234
    assert all("at" in each for each in written)


def test_reporter_of_a_package_cannot_fail_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Fragile(Reporter):
        def handle(self, event: Event) -> None:
            seen.append(event)
            if len(seen) == 2:
                raise ValueError("no disk")

        def close(self) -> None:
            seen.append("closed")
            raise OSError("still none")

    monkeypatch.setattr(plugin, "lookup", lambda *_: Fragile)
    reporter = PluginReporter("fragile")
    for event in EVENTS:
        reporter.handle(event)
    reporter.close()
    assert seen == [*EVENTS[:2], "closed"], "nothing more after the first failure, but that it is closed"
    assert reporter.failure == "reporter `fragile` failed: ValueError: no disk"


def test_reporter_that_cannot_be_made_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Reporter:
        raise RuntimeError("no key")

    monkeypatch.setattr(plugin, "lookup", lambda *_: broken)
    with pytest.raises(LakehouseError, match="reporter `fragile` cannot be made: RuntimeError: no key"):
        PluginReporter("fragile")
