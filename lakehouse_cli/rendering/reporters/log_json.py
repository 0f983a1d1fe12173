"""Every event as one line of JSON: for machines that watch a run, the same lines as its history keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from lakehouse_cli.rendering.reporters.base import Reporter
from lakehouse_cli.runs.event_json import event_line
from lakehouse_cli.runs.events import Event


class LogJsonReporter(Reporter):
    """Writes each event as it happens."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def handle(self, event: Event) -> None:
        """Write an event's line, whole and at once."""
        self._stream.write(event_line(event, datetime.now(UTC)))
        self._stream.flush()
