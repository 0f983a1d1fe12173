"""The progress of a run below a cell of a notebook."""

from __future__ import annotations

from collections.abc import Callable

from lakehouse_cli.rendering.reporters.base import Pace, Reporter
from lakehouse_cli.rendering.reporters.run_text import MARKS, progress_text, summary_line, why_text
from lakehouse_cli.runs.events import Event, RunFinished, RunStarted, TableFinished, TableResult, TableStarted
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.page import Page, to_html
from lakehouse_cli.text.terminal import Terminal

_PAUSE_S = 0.25
_NAMED = 5


class NotebookReporter(Reporter):
    """Shows how many tables are done, which are being computed, and which failed.

    Args:
        show: Puts HTML in the place of what it was called with before.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._pace = Pace(_PAUSE_S)
        self._title = ""
        self._total = 0
        self._running: dict[str, None] = {}
        self._done: list[TableResult] = []

    def handle(self, event: Event) -> None:
        """Show what an event changes, a few times a second at most."""
        match event:
            case RunStarted():
                self._title = f"{event.project} · {event.environment} · run {event.run_id}"
                self._total = len(event.tables)
            case TableStarted():
                self._running[event.table] = None
            case TableFinished():
                self._running.pop(event.result.name, None)
                self._done.append(event.result)
            case RunFinished():
                self._show(to_html(Page(self._title, summary_line(Terminal(), event.result))))
                return
        if self._total and (isinstance(event, RunStarted) or self._pace.is_due("")):
            self._show(to_html(self._page()))

    def _page(self) -> Page:
        running = first_few([f"`{name}`" for name in self._running], _NAMED, "more table")
        failed = [each for each in self._done if each.status == "failed"]
        bar = progress_text(len(self._done), self._total)
        return Page(
            self._title,
            f"{bar} {plural(self._total, 'table')}{f'; running {running}' if running else ''}",
            ("", "table", "why"),
            tuple((MARKS[each.status], f"`{each.name}`", why_text(each)) for each in failed),
        )
