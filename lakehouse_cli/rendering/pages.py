"""Plans, runs and errors as pages: for pull requests, and for notebooks."""

from __future__ import annotations

from typing import Any

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.rendering.plan_text import plan_note_lines, plan_rows, summed_up, trouble_lines
from lakehouse_cli.rendering.reporters.check_text import run_warning_lines, warning_lines
from lakehouse_cli.rendering.reporters.problems import error_lines
from lakehouse_cli.rendering.reporters.run_text import (
    MARKS,
    failure_lines,
    held_back_lines,
    result_note_lines,
    summary_line,
    why_text,
)
from lakehouse_cli.runs.events import RunFailedError, RunResult
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.page import Block, Page, to_html
from lakehouse_cli.text.terminal import Terminal, size_text, time_text

#: Of the lines of blocks.
PLAIN = Terminal(width=100)
_UNCUT = Terminal()
# What is counted alone.
_QUIET = ("skip", "read")


def plan_page(plan: Plan) -> Page:
    """What would be done, and why; tables that are up to date, and sources to read, are counted."""
    rows = [(f"`{row.table.name}`", row.shown, row.why) for row in plan_rows(plan) if row.shown not in _QUIET]
    warned = [(t.name, each) for t in plan.tables for each in t.checks if each.status in ("warned", "errored")]
    warnings = tuple(warning_lines(PLAIN, warned))
    return Page(
        f"{plan.project} · {plan.environment} · plan",
        summed_up(plan),
        ("table", "action", "why"),
        tuple(rows),
        blocks=(Block("Warnings", warnings),) if warnings else (),
        notes=(*trouble_lines(plan, _UNCUT), *plan.notes, *plan_note_lines(_UNCUT, plan)),
    )


def run_page(result: RunResult) -> Page:
    """What came of each table; those that are up to date are counted."""
    rows = [
        (
            MARKS.get(each.status, ""),
            f"`{each.name}`",
            each.status.replace("_", " "),
            count_text(each.rows),
            size_text(each.bytes),
            time_text(each.duration_s),
            why_text(each),
        )
        for each in result.tables
        if each.status != "unchanged" or each.reasons
    ]
    failures = tuple(failure_lines(PLAIN, result.tables))
    warnings = tuple(run_warning_lines(PLAIN, result.tables))
    return Page(
        f"{result.project} · {result.environment} · run {result.run_id}",
        summary_line(_UNCUT, result),
        ("", "table", "state", "rows", "size", "time", "why"),
        tuple(rows),
        frozenset((3, 4, 5)),
        tuple(Block(title, lines) for title, lines in (("Failed", failures), ("Warnings", warnings)) if lines),
        (*held_back_lines(_UNCUT, result.tables), *result_note_lines(_UNCUT, result.tables)),
    )


def error_page(error: LakehouseError, *, would_run: bool) -> Page:
    """What is wrong with the project, or the command."""
    lines = error_lines(PLAIN, error, would_run=would_run)
    return Page("lakehouse", "The command failed.", blocks=(Block("Problems", tuple(lines)),))


def run_failure(result: RunResult) -> RunFailedError:
    """Make the error of a run that did not end well, with what failed and why."""
    lines = [summary_line(_UNCUT, result), *failure_lines(_UNCUT, result.tables)]
    return RunFailedError("\n".join(lines), result)


def plan_html(plan: Any) -> str:
    """Format a plan as HTML."""
    return to_html(plan_page(plan))


def run_html(result: Any) -> str:
    """Format a run as HTML."""
    return to_html(run_page(result))
