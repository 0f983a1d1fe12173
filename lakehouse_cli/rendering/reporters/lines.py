"""One line per table, as it ends: for logs, pipes and CI."""

from __future__ import annotations

from typing import TextIO

from lakehouse_cli.rendering.reporters.base import Reporter
from lakehouse_cli.rendering.reporters.run_text import (
    Layout,
    header_line,
    is_plain,
    layout,
    result_line,
    result_note_lines,
    retry_text,
    summary_line,
    title_line,
)
from lakehouse_cli.runs.events import (
    Event,
    RunFinished,
    RunStarted,
    RunStopping,
    RunTrouble,
    RunWaiting,
    TableFinished,
    TableRetrying,
)
from lakehouse_cli.text.terminal import Terminal


class LinesReporter(Reporter):
    """Writes nothing that a log cannot hold: no redrawing, no cursor movement.

    Args:
        stream: Where the lines go.
        terminal: What that stream can show.
    """

    def __init__(self, stream: TextIO, terminal: Terminal) -> None:
        self._stream = stream
        self._terminal = terminal
        self._columns = Layout(0)
        self._headed = False

    def handle(self, event: Event) -> None:
        """Write the line of an event that has one."""
        terminal = self._terminal
        match event:
            case RunStarted():
                self._columns = layout(terminal, event.tables)
                self._write(title_line(terminal, event.project, event.environment, event.run_id))
                for note in event.notes:
                    self._write(note)
            case TableRetrying():
                self._head()
                self._write(terminal.fit(f"  {event.table}: {retry_text(event)}"))
            case RunStopping():
                finishing = f"; finishing {', '.join(event.finishing)}" if event.finishing else ""
                self._write(f"stopping{finishing}; Ctrl-C again stops at once")
            case RunWaiting() | RunTrouble():
                self._write(event.message)
            case TableFinished(result) if is_plain(result):
                return
            case TableFinished():
                self._head()
                self._write(result_line(terminal, self._columns, event.result))
            case RunFinished():
                if self._headed:
                    self._write("")
                for line in (summary_line(terminal, event.result), *result_note_lines(terminal, event.result.tables)):
                    self._write(line)

    def _head(self) -> None:
        """Write the names of the columns before the first line that has something to tell of a table."""
        if not self._headed:
            self._headed = True
            self._write("")
            self._write(header_line(self._terminal, self._columns))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
