"""Reporters: one that counts, and one that fails."""

from __future__ import annotations

from pathlib import Path

from lakehouse_cli.rendering.reporters.base import Reporter
from lakehouse_cli.runs.events import Event


class TallyReporter(Reporter):
    """Counts events by their names, and leaves the counts in `tally.txt`."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def handle(self, event: Event) -> None:
        """Count it."""
        name = type(event).__name__
        self.counts[name] = self.counts.get(name, 0) + 1

    def close(self) -> None:
        """Write the counts."""
        Path("tally.txt").write_text("".join(f"{name} {count}\n" for name, count in self.counts.items()))


class BrokenReporter(Reporter):
    """Fails at the first event."""

    def handle(self, event: Event) -> None:
        """Fail."""
        raise ConnectionError("nobody listens")
