"""A reporter of an installed package, which cannot make a run fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.registry import lookup
from lakehouse_cli.rendering.reporters.base import Reporter
from lakehouse_cli.runs.events import Event


class PluginReporter(Reporter):
    """Passes events on until something is raised: the tables matter more.

    Attributes:
        failure: The first exception, as a sentence; None for none.

    Raises:
        UsageError: There is none of that name.
        LakehouseError: It cannot be imported or made.
    """

    def __init__(self, name: str) -> None:
        self.failure: str | None = None
        self._name = name
        reporter_class = lookup({}, "reporters", name, Reporter)
        try:
            self._reporter = reporter_class()
        except Exception as error:
            raise LakehouseError(f"reporter `{name}` cannot be made: {type(error).__name__}: {error}") from error

    def handle(self, event: Event) -> None:
        """Pass an event on."""
        if self.failure is None:
            self._try(partial(self._reporter.handle, event))

    def close(self) -> None:
        """Close it, whether it failed or not."""
        self._try(self._reporter.close)

    def _try(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001  # reported when the run has ended
            self.failure = self.failure or f"reporter `{self._name}` failed: {type(error).__name__}: {error}"
