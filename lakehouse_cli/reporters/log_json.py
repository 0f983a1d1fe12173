"""Every event as one line of JSON: for machines that watch a run, the same lines as its history keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

from lakehouse_cli.event_json import event_line
from lakehouse_cli.events import Event
from lakehouse_cli.reporters.base import Reporter
from lakehouse_cli.secret_values import Mask, unmasked


class LogJsonReporter(Reporter):
    """Writes each event as it happens.

    Args:
        stream: Where the lines go, such as stderr.
        mask: Takes secret values out of texts.
    """

    def __init__(self, stream: TextIO, mask: Mask = unmasked) -> None:
        self._stream = stream
        self._mask = mask

    def handle(self, event: Event) -> None:
        """Write an event's line, whole and at once."""
        self._stream.write(event_line(event, datetime.now(UTC), self._mask))
        self._stream.flush()
