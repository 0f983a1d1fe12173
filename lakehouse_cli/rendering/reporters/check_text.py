"""Checks that warn, as text: below the tables of a run, and of a plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lakehouse_cli.errors import Violation
from lakehouse_cli.model.check import CheckResult
from lakehouse_cli.rendering.reporters.problems import violation_lines
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import HANGING, Terminal, printable

_MOST = 10


def run_warning_lines(terminal: Terminal, results: Iterable[TableResult]) -> Iterator[str]:
    """The warnings of the tables of a run."""
    yield from warning_lines(terminal, [(table.name, each) for table in results for each in table.warnings])


def warning_lines(terminal: Terminal, found: list[tuple[str, CheckResult]]) -> Iterator[str]:
    """Warnings, each with its table: what, how many of how many, where, and the first rows."""
    for table, result in found[:_MOST]:
        share = f" of {count_text(result.rows)}" if "/" in (result.value or "") and result.count else ""
        earlier = ", as an earlier run found" if result.earlier else ""
        message = f"{result.message}{f' ({count_text(result.count)}{share})' if share else ''}{earlier}"
        head = f"{terminal.style('warning:', 'bold')} {terminal.style(table, 'bold')}  {printable(message)}"
        yield terminal.fit(terminal.wrap(head, HANGING))
        violation = Violation(result.column, result.check, result.count, message, result.examples, result.location)
        for line in violation_lines(terminal, violation, above=message):
            yield terminal.fit(terminal.wrap(f"  {line}", HANGING))
    if len(found) > _MOST:
        yield f"and {plural(len(found) - _MOST, 'warning')} more; `-o json` has them all"
