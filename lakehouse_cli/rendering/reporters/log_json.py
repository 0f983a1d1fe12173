"""Every event as one line of JSON: for machines that watch a run, the same lines as its history keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from lakehouse_cli.rendering.reporters.base import Pace, Reporter
from lakehouse_cli.runs.event_json import event_line
from lakehouse_cli.runs.events import Event, TableReading


class LogJsonReporter(Reporter):
    """Writes each event as it happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pace = Pace()

    def handle(self, event: Event) -> None:
        """Write an event's line, whole and at once; of a reading that goes on, now and then."""
        if isinstance(event, TableReading) and not self._pace.is_due(event.table):
            return
        self._stream.write(event_line(event, datetime.now(UTC)))
        self._stream.flush()
