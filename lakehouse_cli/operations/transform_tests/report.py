"""Results of tests as text: a line each, and the cells that differ where one failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from lakehouse_cli.operations.transform_tests.comparer import Cell as Value
from lakehouse_cli.operations.transform_tests.comparer import ChangedRow, Difference
from lakehouse_cli.operations.transform_tests.results import TestResult, TestRun
from lakehouse_cli.rendering.reporters.run_text import MARKS, STYLES, failure_lines
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.text.columns import Cell, data_rows
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import HANGING, Terminal, printable, time_text, value_text

_WIDEST = 24
# Lines of a screen that are not rows of a difference, and the fewest rows of one.
_OTHER_LINES, _FEWEST = 10, 5
_STATES = {"passed": "materialized", "failed": "failed", "errored": "failed"}


def result_line(terminal: Terminal, result: TestResult) -> str:
    """Format one test: its mark, its table and its name."""
    state = _STATES[result.status]
    name = f"{terminal.style(MARKS[state], STYLES[state])} {result.table} · {printable(result.name)}"
    return terminal.fit(terminal.wrap(name, HANGING))


def summary_line(terminal: Terminal, run: TestRun, duration_s: float) -> str:
    """Format how many tests passed, failed and errored."""
    counts = Counter(each.status for each in run.tests)
    texts = [
        terminal.style(f"{count_text(counts[status])} {status}", STYLES[_STATES[status]])
        for status in ("passed", "failed", "errored")
        if counts[status]
    ]
    return terminal.fit(f"{', '.join(texts)} in {time_text(duration_s)}")


def failed_lines(terminal: Terminal, result: TestResult, *, verbose: bool = False) -> Iterator[str]:
    """Format why a test did not pass, on at most about a screen: the cells that differ, or the error."""
    name = f"{result.table} · {printable(result.name)}"
    if result.error is not None and result.status == "errored":
        failed = TableResult(name, "failed", error=result.error)
        yield from failure_lines(terminal, [failed], verbose=verbose)
        yield f"  test: {terminal.style(str(result.location), 'cyan')}"
        return
    yield terminal.fit(terminal.wrap(f"{terminal.style(name, 'bold')}  {terminal.style(str(result.location), 'cyan')}"))
    yield terminal.fit(terminal.wrap(f"  {printable(result.message)}", HANGING))
    if result.error is not None:
        failed = TableResult("came", "failed", error=result.error)
        yield from (f"  {line}" for line in failure_lines(terminal, [failed], verbose=verbose))
    limit = max((terminal.height - _OTHER_LINES) // max(len(result.differences), 1), _FEWEST)
    for output, found in result.differences.items():
        if output:
            yield f"  {terminal.style(output, 'bold')}"
        yield from (terminal.fit(line) for line in _difference(terminal, found, limit))


def _difference(terminal: Terminal, found: Difference, limit: int) -> Iterator[str]:
    rows = _rows(terminal, found, limit)
    lines = _table(terminal, found, rows)
    while len(lines) > limit + 1 and len(rows) > 1:  # with lines of their own for values that do not fit beside others
        rows = rows[: max(len(rows) * limit // len(lines), 1)]
        lines = _table(terminal, found, rows)
    yield from lines
    more = len(found.changed) + len(found.missing) + len(found.unexpected) - len(rows)
    if more > 0:
        yield terminal.style(f"     … and {plural(more, 'more row')}; `-o json` has all", "dim")
    marks = [("~", found.changed, "expected → came"), ("-", found.missing, "expected"), ("+", found.unexpected, "came")]
    legend = ", ".join(f"{mark} {meaning}" for mark, of_mark, meaning in marks if of_mark)
    yield terminal.style(f"     {legend}", "dim")


class _Row(Struct, frozen=True):
    cells: list[Cell]
    number: int | None = None
    differing: tuple[int, ...] = ()


def _rows(terminal: Terminal, found: Difference, limit: int) -> list[_Row]:
    """The first rows that differ: those with other values, then the missing, then those not expected."""
    rows = [_Row(_changed(each, found, terminal), each.row, each.columns) for each in found.changed[:limit]]
    for mark, style, of_mark in (("-", "green", found.missing), ("+", "red", found.unexpected)):
        for row in of_mark[: limit - len(rows)]:
            values = [_value(value, name, found) for value, name in zip(row, found.columns, strict=True)]
            rows.append(_Row([Cell(mark, style), *(Cell(terminal.cut(value, _WIDEST), style) for value in values)]))
    return rows


def _table(terminal: Terminal, found: Difference, rows: Sequence[_Row]) -> list[str]:
    heads = [terminal.cut(printable(name), _WIDEST) for name in found.columns]
    cells, first = [row.cells for row in rows], 1
    right = [index for index, name in enumerate(found.columns, 1) if name in found.numeric]
    if any(row.number is not None for row in rows):
        heads.insert(0, "row")
        cells = [[each.cells[0], Cell(count_text(each.number), "dim"), *each.cells[1:]] for each in rows]
        right, first = [1, *(index + 1 for index in right)], 2
    needed = [[index + first for index in row.differing] for row in rows]
    return data_rows(terminal, ("", *heads), cells, right, marked=True, needed=needed)


def _changed(row: ChangedRow, found: Difference, terminal: Terminal) -> list[Cell]:
    cells = [Cell("~", "yellow")]
    for index, name in enumerate(found.columns):
        expected, came = (_value(values[index], name, found) for values in (row.expected, row.result))
        if index in row.columns:
            before, after = terminal.cut_apart([expected, came], _WIDEST)
            cells.append(Cell(f"{before} → {after}", "yellow"))
        else:
            cells.append(Cell(terminal.cut(came, _WIDEST)))
    return cells


def _value(value: Value, name: str, found: Difference) -> str:
    """A value as it is: null, NaN, or its text, in quotes where it would look like something else."""
    if name in found.numeric and value == "nan":
        return "NaN"
    return value_text(value)


def report_lines(terminal: Terminal, results: Sequence[TestResult], *, verbose: bool = False) -> Iterator[str]:
    """Format all tests that did not pass, with a blank line before each."""
    for result in results:
        if result.status != "passed":
            yield ""
            yield from failed_lines(terminal, result, verbose=verbose)
