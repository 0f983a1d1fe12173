"""The live progress table of a terminal: a row per table up to what the screen holds, then a window on them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TextIO

from msgspec.structs import replace
from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from lakehouse_cli.rendering.reporters.lines import TextReporter
from lakehouse_cli.rendering.reporters.run_text import (
    computed_line,
    header_line,
    layout,
    progress_text,
    reading_text,
    result_line,
    retry_text,
    row_line,
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
    TablePlaced,
    TableReading,
    TableResult,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import Terminal, screen_size, time_text

_REFRESHES_PER_SECOND = 8
# Title, blank lines, header, the line of the rest, the summary and the prompt.
_OTHER_LINES = 8


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
        self._tables: tuple[str, ...] = ()
        self._objects: tuple[str, ...] = ()
        self._running: dict[str, float] = {}
        self._retrying: dict[str, tuple[str, str]] = {}
        self._failed: dict[str, int] = {}
        self._progress: dict[str, str] = {}
        self._reading: dict[str, str] = {}
        self._workers: dict[str, str] = {}
        self._computed: dict[str, TableComputed] = {}
        self._results: dict[str, TableResult] = {}
        self._live: Live | None = None
        self._drawing = threading.RLock()
        self._state = "running"

    def handle(self, event: Event) -> None:
        """Show an event in the table."""
        match event:
            case RunStarted():
                self._start(event)
            case RunWaiting():
                self._write(self._terminal.fit(event.message))
            case RunTrouble():
                self.print_above(f"{self._terminal.fit(event.message)}\n")
            case TableStarted():
                self._running[event.table] = time.monotonic()
            case TableRetrying():
                text = f"{event.partition}: {retry_text(event)}" if event.partition else retry_text(event)
                self._retrying[event.table] = event.partition or "", text
            case TableReading() | TablePlaced():
                self._note(event)
            case RunStopping():
                self._state = "finishing"
            case TableComputed():
                self._running.pop(event.table, None)
                self._retrying.pop(event.table, None)
                self._computed[event.table] = event
            case PartitionFinished():
                self._finish_partition(event)
            case TableFinished():
                self._running.pop(event.result.name, None)
                self._retrying.pop(event.result.name, None)
                self._results[event.result.name] = event.result
            case RunFinished():
                self._finish(event.result)

    def _note(self, event: TableReading | TablePlaced) -> None:
        """Note what is said of a table while it is computed."""
        if isinstance(event, TablePlaced):
            self._workers[event.table] = f"on {event.worker}"
            self._retrying.pop(event.table, None)
        else:
            self._reading[event.table] = "" if event.files == event.total else reading_text(event)

    def _finish(self, result: RunResult) -> None:
        self.close()
        rows = self._last_lines()
        self._write(*rows, *([""] if rows else []))
        self._end(result)

    def close(self) -> None:
        """Stop redrawing."""
        with self._drawing:
            live, self._live = self._live, None
            if live is not None:
                live.stop()

    def print_above(self, line: str) -> None:
        """Write a line above the table; called in any thread."""
        with self._drawing:
            if self._live is None:
                self._write(line)
            else:
                self._live.console.print(Text.from_ansi(line), soft_wrap=True)

    def _start(self, event: RunStarted) -> None:
        self._tables, self._objects = event.tables, event.objects or ()
        self._begin(event)
        if not event.tables:
            return
        self._write("")
        console = Console(file=self._stream, force_terminal=True, no_color=not self._terminal.color, highlight=False)
        console.size = screen_size(self._stream)
        self._live = Live(
            console=console,
            get_renderable=self._renderable,
            refresh_per_second=_REFRESHES_PER_SECOND,
            transient=True,
            # The command redirects what is printed meanwhile.
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        self._live.start()

    def _renderable(self) -> RenderableType:
        # Called in the refreshing thread; works on copies, since the run goes on and the window is resized meanwhile.
        width, height = screen_size(self._stream)
        if self._live is not None:
            self._live.console.size = (width, height)
        self._terminal = replace(self._terminal, width=width, height=height)
        self._columns = layout(self._terminal, self._tables, self._objects)
        return Text.from_ansi("\n".join(self._lines()), no_wrap=True, overflow="crop")

    def _lines(self, *, fold: bool = False) -> list[str]:
        """Draw the rows that fit; with `fold` all their reasons, if all tables fit."""
        results, running = dict(self._results), dict(self._running)
        lines = [header_line(self._terminal, self._columns)]
        extra = [name for name in results if name not in set(self._tables)]
        names = [*extra, *self._tables]
        room = max(self._terminal.height - _OTHER_LINES, 3)
        rest = []
        if len(names) > room:
            names = _window(names, results, running, room - 1)
            rest = [self._rest(results, running, set(names))]
            fold = False
        lines += [self._line(name, results, running, fold=fold) for name in names]
        return [*lines, *rest, *self._what_ctrl_c_does(running)]

    def _what_ctrl_c_does(self, running: dict[str, float]) -> list[str]:
        if self._state != "finishing" or not running:
            return []
        text = f"finishing {plural(len(running), 'table')}; Ctrl-C again stops at once"
        return ["", self._terminal.fit(self._terminal.cut(text, self._terminal.width))]

    def _line(
        self, name: str, results: dict[str, TableResult], running: dict[str, float], *, fold: bool = False
    ) -> str:
        if name in results:
            return result_line(self._terminal, self._columns, results[name], fold=fold)
        if name in running:
            seconds = time_text(time.monotonic() - running[name])
            cells = (name, "", "", seconds)
            return row_line(
                self._terminal,
                self._columns,
                self._state,
                cells,
                self._doing(name),
            )
        if name in self._computed:
            return computed_line(self._terminal, self._columns, self._computed[name])
        return row_line(self._terminal, self._columns, "waiting", (name, "", "", ""), "")

    def _finish_partition(self, event: PartitionFinished) -> None:
        table, result = event.table, event.result
        if self._retrying.get(table, ("", ""))[0] == result.text:
            del self._retrying[table]
        failed = self._failed[table] = self._failed.get(table, 0) + (result.status == "failed")
        counted = f", {count_text(failed)} failed" if failed else ""
        self._progress[table] = f"{progress_text(event.done, event.total)}{counted}"

    def _doing(self, name: str) -> str:
        """What is said of a table that is computed now."""
        retrying = self._retrying.get(name, ("", ""))[1]
        how_far = "; ".join(filter(None, (self._progress.get(name), retrying)))
        return self._reading.get(name) or how_far or self._workers.get(name, "")

    def _rest(self, results: dict[str, TableResult], running: dict[str, float], shown: set[str]) -> str:
        hidden = [name for name in self._tables if name not in shown]
        states = {**dict.fromkeys(self._computed, "computed"), **dict.fromkeys(running, "running")}
        states |= {name: result.status for name, result in results.items()}
        counts = Counter(states.get(name, "waiting").replace("_", " ") for name in hidden)
        parts = [f"{count_text(count)} {state}" for state, count in counts.items()]
        text = f"  … and {', '.join(parts)}" if parts else ""
        return self._terminal.fit(self._terminal.style(text, "dim"))

    def _last_lines(self) -> list[str]:
        if not self._results:
            return []
        if not self._verbose:
            return self._lines(fold=True)
        lines = [header_line(self._terminal, self._columns)]
        return lines + [self._line(name, self._results, {}, fold=True) for name in self._results]


def _window(names: list[str], results: dict[str, TableResult], running: dict[str, float], room: int) -> list[str]:
    """Choose the tables that get a row: failed, running, ended last, next to come; in the tables' order."""
    failed = [name for name in names if name in results and results[name].status == "failed"]
    ended = [name for name in results if results[name].status != "failed"]
    waiting = [name for name in names if name not in results and name not in running]
    chosen: dict[str, None] = dict.fromkeys(list(running)[:room])
    for group, share in ((failed, room // 2 if waiting else room), (waiting, max(room // 4, 1)), (ended[::-1], room)):
        for name in group[:share]:
            if len(chosen) < room:
                chosen[name] = None
    return [name for name in names if name in chosen]
