"""Reporters that write text: what they share, and one line per table for logs, pipes and CI."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from typing import TextIO

from msgspec.structs import replace

from lakehouse_cli.rendering.reporters.base import Pace, Reporter
from lakehouse_cli.rendering.reporters.run_text import (
    Layout,
    clock_text,
    computed_line,
    failure_cause,
    header_line,
    held_back_lines,
    is_plain,
    layout,
    partition_line,
    reading_text,
    result_line,
    result_note_lines,
    retry_line,
    row_line,
    summary_line,
    title_line,
)
from lakehouse_cli.runs.events import (
    Event,
    PartitionFinished,
    RunFinished,
    RunResult,
    RunStarted,
    RunStopping,
    RunTrouble,
    RunWaiting,
    TableComputed,
    TableFinished,
    TablePlaced,
    TableReading,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import Terminal

_PAUSE_S = 10.0


class TextReporter(Reporter):
    """Writes the title and the end of a run."""

    def __init__(self, stream: TextIO, terminal: Terminal) -> None:
        self._stream = stream
        self._terminal = terminal
        self._columns = Layout(0)
        self._first_run = False

    def _begin(self, event: RunStarted) -> None:
        self._first_run = event.first_run is True
        self._columns = layout(self._terminal, event.tables, event.objects or ())
        title = title_line(self._terminal, event.project, event.environment, event.run_id, first_run=self._first_run)
        self._write(title, *event.notes)

    def _end(self, result: RunResult) -> None:
        self._write(summary_line(self._terminal, result), *held_back_lines(self._terminal, result.tables))
        self._write(*result_note_lines(self._terminal, result.tables))
        if any(table.warnings for table in result.tables):
            from lakehouse_cli.rendering.reporters.check_text import run_warning_lines

            self._write(*run_warning_lines(self._terminal, result.tables))

    def _write(self, *lines: str) -> None:
        self._stream.writelines(line + "\n" for line in lines)
        self._stream.flush()


class LinesReporter(TextReporter):
    """Writes plain lines, for logs: no redrawing, no cursor movement.

    Args:
        stream: Takes the lines.
        terminal: What it can show.
        pause_s: Where nothing was written for so many seconds, the tables that are computed get a line each.
    """

    def __init__(self, stream: TextIO, terminal: Terminal, *, pause_s: float = _PAUSE_S) -> None:
        super().__init__(stream, terminal)
        self._headed = False
        self._pace = Pace()
        self._pause_s = pause_s
        self._causes = set[Hashable]()
        self._started: dict[str, float] = {}  # those that are computed and have no line yet
        self._written_at = time.monotonic()
        self._turn = threading.Condition()
        self._is_idle = False  # waits until a table is started
        self._watcher: threading.Thread | None = None

    def handle(self, event: Event) -> None:
        """Write the line of an event that has one."""
        with self._turn:
            self._handle(event)
            if self._is_idle and self._started:  # awake for every event, it would take turns with what computes
                self._turn.notify()

    def close(self) -> None:
        """Write no more lines."""
        with self._turn:
            self._started.clear()
            watcher, self._watcher = self._watcher, None
            self._turn.notify()
        if watcher is not None:
            watcher.join()

    def _handle(self, event: Event) -> None:
        terminal = self._terminal
        match event:
            case RunStarted():
                self._begin(event)
            case TableStarted() | TablePlaced():
                self._start(event)
            case TableRetrying():
                self._started.pop(event.table, None)
                self._head()
                self._write(retry_line(terminal, event))
            case TableReading():
                if self._pace.is_due(event.table):
                    self._started.pop(event.table, None)
                    self._head()
                    self._write(terminal.fit(f"  {event.table}: {reading_text(event)}"))
            case RunStopping():
                self._stop(event)
            case RunWaiting() | RunTrouble():
                self._write(event.message)
            case TableComputed():
                self._started.pop(event.table, None)
                self._head()
                self._write(computed_line(terminal, self._columns, event))
            case PartitionFinished(_, result) if result.status == "failed":
                self._failed(event)
            case TableFinished():
                self._finished(event.result)
            case RunFinished():
                self._write(*([""] if self._headed else []))
                self._end(event.result)

    def _finished(self, result: TableResult) -> None:
        self._started.pop(result.name, None)
        if not is_plain(result):
            self._head()
            self._write(result_line(self._terminal, self._columns, _brief(result), first_run=self._first_run))

    def _failed(self, event: PartitionFinished) -> None:
        """Write the line of a partition that failed, unless another one failed for the same: its table counts them."""
        cause = event.table, failure_cause(event.result)
        if cause not in self._causes:
            self._causes.add(cause)
            self._head()
            self._write(partition_line(self._terminal, self._columns, event))

    def _stop(self, event: RunStopping) -> None:
        finishing = f"; finishing {', '.join(event.finishing)}" if event.finishing else ""
        self._write(f"stopping{finishing}; Ctrl-C again stops at once")

    def _start(self, event: TableStarted | TablePlaced) -> None:
        """Take note that a table begins, which one has not until then that waits for a worker of a cluster."""
        if isinstance(event, TablePlaced) and event.table not in self._started:
            return
        self._started[event.table] = time.monotonic()
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="lakehouse log", daemon=True)
            self._watcher.start()

    def _watch(self) -> None:
        """Write the lines of tables that go on while nothing else is written."""
        with self._turn:
            while self._watcher is threading.current_thread():
                left_s = self._written_at + self._pause_s - time.monotonic()
                self._is_idle = not self._started and left_s <= 0
                if self._is_idle or left_s > 0:
                    self._turn.wait(None if self._is_idle else left_s)
                    continue
                try:
                    self._head()
                    self._write(*map(self._running_line, self._started))
                except OSError:  # the next event meets it, too
                    return
                self._started.clear()

    def _running_line(self, table: str) -> str:
        cells = (table, "", "", clock_text(time.monotonic() - self._started[table]))
        return row_line(self._terminal, self._columns, "running", cells, "")

    def _write(self, *lines: str) -> None:
        super()._write(*lines)
        self._written_at = time.monotonic()

    def _head(self) -> None:
        """Write the names of the columns before the first line of a table."""
        if not self._headed:
            self._headed = True
            self._write("", header_line(self._terminal, self._columns))


def _brief(result: TableResult) -> TableResult:
    """The same without the error of partitions that failed, which have a line of each cause."""
    failed = [each for each in result.partitions or () if each.status == "failed"]
    counted = f"{plural(len(failed), 'partition')} failed"
    if result.error is None or not result.error.message.startswith(f"{counted}: "):
        return result
    return replace(result, error=replace(result.error, message=counted))
