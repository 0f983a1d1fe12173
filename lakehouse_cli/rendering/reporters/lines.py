"""Reporters that write text: what they share, and one line per table for logs, pipes and CI."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TextIO

from msgspec.structs import replace

from lakehouse_cli.rendering.reporters.base import Pace, Reporter
from lakehouse_cli.rendering.reporters.run_text import (
    Layout,
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
    TableReading,
    TableResult,
    TableRetrying,
)
from lakehouse_cli.text.terminal import Terminal


class TextReporter(Reporter):
    """Writes the title and the end of a run."""

    def __init__(self, stream: TextIO, terminal: Terminal) -> None:
        self._stream = stream
        self._terminal = terminal
        self._columns = Layout(0)

    def _begin(self, event: RunStarted) -> None:
        self._columns = layout(self._terminal, event.tables, event.objects or ())
        self._write(title_line(self._terminal, event.project, event.environment, event.run_id), *event.notes)

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
    """Writes plain lines, for logs: no redrawing, no cursor movement. Its arguments are those of `TextReporter`."""

    def __init__(self, stream: TextIO, terminal: Terminal) -> None:
        super().__init__(stream, terminal)
        self._headed = False
        self._pace = Pace()
        self._causes = set[Hashable]()

    def handle(self, event: Event) -> None:
        """Write the line of an event that has one."""
        terminal = self._terminal
        match event:
            case RunStarted():
                self._begin(event)
            case TableRetrying():
                self._head()
                self._write(retry_line(terminal, event))
            case TableReading():
                if self._pace.is_due(event.table):
                    self._head()
                    self._write(terminal.fit(f"  {event.table}: {reading_text(event)}"))
            case RunStopping():
                self._stop(event)
            case RunWaiting() | RunTrouble():
                self._write(event.message)
            case TableComputed():
                self._head()
                self._write(computed_line(terminal, self._columns, event))
            case PartitionFinished(_, result) if result.status == "failed":
                self._failed(event)
            case TableFinished(result) if is_plain(result):
                return
            case TableFinished():
                self._head()
                self._write(result_line(terminal, self._columns, _brief(event.result)))
            case RunFinished():
                self._write(*([""] if self._headed else []))
                self._end(event.result)

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

    def _head(self) -> None:
        """Write the names of the columns before the first line of a table."""
        if not self._headed:
            self._headed = True
            self._write("", header_line(self._terminal, self._columns))


def _brief(result: TableResult) -> TableResult:
    """The same without the error of the one partition that failed, which has a line of its own."""
    failed = [each for each in result.partitions or () if each.status == "failed"]
    if result.error is None or len(failed) != 1:
        return result
    return replace(result, error=replace(result.error, message="1 partition failed"))
