"""The live progress table of a terminal: a row per table up to what the screen holds, then a window on them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from math import ceil
from typing import TextIO

from msgspec.structs import replace

from lakehouse_cli.rendering.reporters.lines import TextReporter
from lakehouse_cli.rendering.reporters.region import LiveRegion
from lakehouse_cli.rendering.reporters.run_text import (
    clock_text,
    computed_line,
    header_line,
    is_plain,
    layout,
    left_text,
    next_attempt_text,
    progress_text,
    reading_text,
    result_line,
    row_line,
    state_counts,
    why_text,
)
from lakehouse_cli.runs.events import (
    Event,
    PartitionFinished,
    RunEstimated,
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
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import Terminal, screen_size, text_width, time_text

# Title, blank lines, header, the line of the rest, the footer and the prompt.
_OTHER_LINES = 8
_LEAST_ROWS = 3
_WITH_BARS = 60


class LiveReporter(TextReporter):
    """Redraws the table in place while the run goes on, and leaves its last state on the screen.

    Args:
        stream: A terminal.
        terminal: Its abilities.
        verbose: Leave every table's row at the end, however many there are.
    """

    def __init__(self, stream: TextIO, terminal: Terminal, *, verbose: bool = False) -> None:
        super().__init__(stream, terminal)
        self._verbose = verbose
        self._tables: dict[str, None] = {}  # sources that failed come first
        self._objects: tuple[str, ...] = ()
        self._began = 0.0
        self._expected: dict[str, float] = {}  # of tables that have not ended
        self._expected_all = self._expected_s = 0.0
        self._running: dict[str, float] = {}
        self._retrying: dict[str, tuple[TableRetrying, float]] = {}  # and when the next attempt begins
        self._failed_partitions: Counter[str] = Counter()
        self._progress: dict[str, str] = {}
        self._reading: dict[str, str] = {}
        self._workers: dict[str, str] = {}
        self._computed: dict[str, TableComputed] = {}
        self._results: dict[str, TableResult] = {}
        self._region: LiveRegion | None = None
        self._has_printed = False
        self._reasons = True  # whether any table has one to be shown
        self._shape = 0, 0, True
        self._state = "running"

    def handle(self, event: Event) -> None:
        """Show an event in the table."""
        match event:
            case RunStarted():
                self._start(event)
            case RunWaiting() | RunTrouble():
                self.print_above(self._terminal.fit(event.message))
            case TableStarted():
                self._running[event.table] = time.monotonic()
            case TableRetrying():
                self._reasons = True
                self._retrying[event.table] = event, time.monotonic() + event.delay_s
            case RunEstimated() | TableReading() | TablePlaced() | RunStopping():
                self._note(event)
            case TableComputed(name):
                self._computed[name] = event
                self._leave(name)
            case PartitionFinished():
                self._finish_partition(event)
            case TableFinished(result):
                if result.name not in self._tables:
                    self._tables = {result.name: None, **self._tables}
                self._results[result.name] = result
                self._reasons |= bool(why_text(result, first_run=self._first_run))
                self._leave(result.name)
            case RunFinished():
                self._finish(event.result)

    def _note(self, event: RunEstimated | TableReading | TablePlaced | RunStopping) -> None:
        """Note what is said of the run, or of a table, while it goes on."""
        match event:
            case RunEstimated(duration, tables):
                self._expected, self._expected_s = dict(tables), duration
                self._expected_all = sum(tables.values())
            case RunStopping():
                self._state = "finishing"
            case TablePlaced(table, worker):
                self._reasons = True
                self._workers[table] = f"on {worker}"
                if table in self._running:  # and has waited until now
                    self._running[table] = time.monotonic()
                self._retrying.pop(table, None)
            case TableReading(table):
                self._reasons = True
                self._reading[table] = "" if event.files == event.total else reading_text(event)

    def _leave(self, name: str) -> None:
        """Note that nothing more is computed of a table."""
        for each in (self._running, self._retrying, self._expected):
            each.pop(name, None)

    def _finish_partition(self, event: PartitionFinished) -> None:
        table, result = event.table, event.result
        self._reasons = True
        if table in self._retrying and self._retrying[table][0].partition == result.text:
            self._retrying.pop(table)
        self._failed_partitions[table] += result.status == "failed"
        failed = self._failed_partitions[table]
        counted = f", {count_text(failed)} failed" if failed else ""
        # On a narrow screen there is room for the numbers alone.
        is_narrow = (self._terminal.width or _WITH_BARS) < _WITH_BARS
        bar = progress_text(event.done, event.total, 0 if is_narrow else 10)
        self._progress[table] = f"{bar}{counted}"

    def _finish(self, result: RunResult) -> None:
        self.close()
        rows = self._last_lines()
        self._write(*(["", *rows, ""] if self._tables else []))
        self._end(result)

    def close(self) -> None:
        """Stop redrawing."""
        region, self._region = self._region, None
        if region is not None:
            region.close()

    def print_above(self, line: str) -> None:
        """Write a line above the table, and apart from it; called in any thread."""
        region = self._region
        if region is None:
            self._write(line)
            return
        if not self._has_printed:
            self._has_printed = True
            region.write_above("")
        region.write_above(line)

    def _start(self, event: RunStarted) -> None:
        self._tables, self._objects = dict.fromkeys(event.tables), event.objects or ()
        self._began = time.monotonic()
        self._reasons = event.first_run is not True
        self._begin(event)
        if event.tables:
            self._region = LiveRegion(self._stream, self._frame, color=self._terminal.color)

    def _frame(self) -> list[str]:
        # Called in the thread that redraws; works on copies, since the run goes on and the window is resized meanwhile.
        self._fit()
        return ["", *self._lines(), "", *self._footer()][: max(self._terminal.height - 1, 1)]

    def _fit(self) -> None:
        """Lay the columns out anew where the window is another, or the first table has a reason."""
        width, height = screen_size(self._stream)
        if (width, height, self._reasons) != self._shape:
            self._shape = width, height, self._reasons
            self._terminal = replace(self._terminal, width=width, height=height)
            self._columns = layout(self._terminal, self._tables, self._objects, reasons=self._reasons)

    def _lines(self, *, fold: bool = False) -> list[str]:
        """Draw the rows that fit; with `fold` all their reasons, if all tables fit."""
        results, running, names = dict(self._results), dict(self._running), list(self._tables)
        room = max(self._terminal.height - _OTHER_LINES, _LEAST_ROWS)
        rest = []
        if len(names) > room:
            shown = _window(results, running, room - 1)
            rest = [self._rest(set(names).difference(shown), results, running)]
            names, fold = shown, False
        rows = [self._line(name, results, running, fold=fold) for name in names]
        return [header_line(self._terminal, self._columns), *rows, *rest]

    def _footer(self) -> list[str]:
        """How far the run is, and what Ctrl-C does while it is stopping."""
        failed, done = sum(each.status == "failed" for each in list(self._results.values())), len(self._results)
        now = time.monotonic()
        counts = [
            self._terminal.style(f"{count_text(failed)} failed" if failed else "", "red"),
            time_text(now - self._began),
            left_text(self._left_s(now)) if self._state == "running" else "",
        ]
        lines = [" · ".join(filter(None, (progress_text(done, len(self._tables), bar), *counts))) for bar in (10, 0)]
        fits = self._terminal.width is None or text_width(lines[0]) <= self._terminal.width
        lines = lines[:1] if fits else lines[1:]
        if self._state == "finishing" and self._running:
            lines.append(f"finishing {plural(len(self._running), 'table')}; Ctrl-C again stops at once")
        return [self._terminal.fit(self._terminal.cut(line, self._terminal.width)) for line in lines]

    def _left_s(self, now: float) -> float:
        """How long the run is expected to go on: the share of the work that is left; 0 where that is not known."""
        if not self._expected_all:
            return max(self._expected_s - (now - self._began), 0)
        expected = dict(self._expected)
        begun = sum(min(now - at, expected.get(name, 0)) for name, at in dict(self._running).items())
        return self._expected_s * (sum(expected.values()) - begun) / self._expected_all

    def _line(
        self, name: str, results: dict[str, TableResult], running: dict[str, float], *, fold: bool = False
    ) -> str:
        terminal, columns = self._terminal, self._columns
        if name in results:
            return result_line(terminal, columns, results[name], fold=fold, first_run=self._first_run)
        if name in running:
            now = time.monotonic()
            retrying, at = self._retrying.get(name, (None, 0.0))
            waits = retrying is not None and not retrying.partition and now < at
            cells = (name, "", "", clock_text(now - running[name]))
            return row_line(terminal, columns, "retrying" if waits else self._state, cells, self._doing(name, now))
        if name in self._computed:
            return computed_line(terminal, columns, self._computed[name])
        return row_line(terminal, columns, "waiting", (name, "", "", ""), "")

    def _doing(self, name: str, now: float) -> str:
        """What is said of a table that is computed now."""
        parts = [self._progress.get(name)]
        retrying, at = self._retrying.get(name, (None, 0.0))
        if retrying is not None:
            of = f"{retrying.partition}: " if retrying.partition else ""
            parts.append(f"{of}{next_attempt_text(retrying, max(ceil(at - now), 0))}")
        how_far = "; ".join(filter(None, parts))
        return self._reading.get(name) or how_far or self._workers.get(name, "")

    def _rest(self, hidden: Iterable[str], results: dict[str, TableResult], running: dict[str, float]) -> str:
        """Count the tables that have no row, by state."""
        states = {**dict.fromkeys(self._computed, "computed"), **dict.fromkeys(running, self._state)}
        states |= {name: result.status for name, result in results.items()}
        counted = state_counts(Counter(states.get(name, "waiting") for name in hidden))
        line = self._terminal.cut(f"  … and {counted}", self._terminal.width)
        return self._terminal.fit(self._terminal.style(line, "dim"))

    def _last_lines(self) -> list[str]:
        self._fit()
        if not self._verbose:
            return self._lines(fold=True)
        lines = [header_line(self._terminal, self._columns)]
        return lines + [self._line(name, self._results, {}, fold=True) for name in self._results]


def _window(results: dict[str, TableResult], running: dict[str, float], room: int) -> list[str]:
    """Choose the tables that get a row: those that failed, those that run, and those that ended last.

    While any run, those that failed have a third of the rows, and what the others leave.
    """
    failed = [name for name, each in results.items() if each.status == "failed"]
    ended = [name for name, each in results.items() if each.status != "failed" and not is_plain(each)]
    failed = failed[: max(room - len(running) - len(ended), room // 3 if running else room)]
    return [*failed, *running, *ended[::-1]][:room]
