"""The seam of reporters: readers of a run's events."""

from __future__ import annotations

from abc import ABC, abstractmethod

from lakehouse_cli.runs.events import Event


class Reporter(ABC):
    """Shows or records what happens in a run."""

    @abstractmethod
    def handle(self, event: Event) -> None:
        """Take the next event; called in the thread of the run, in the order things happen."""

    def close(self) -> None:
        """The run is over, however it ended; called once, also where no `RunFinished` came."""
        return
