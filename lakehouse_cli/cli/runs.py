"""`lakehouse runs` and `lakehouse runs show`: the history."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import Terminal, moment_text, printable, size_text, time_text

if TYPE_CHECKING:
    from lakehouse_cli.model.given_params import GivenParams
    from lakehouse_cli.runs.history.records import RunRecord, RunSummary, TableHistory

EXAMPLES = """\b
Examples:
  lakehouse runs                     the last runs, newest first
  lakehouse runs show last           one run: its tables, and what went wrong
  lakehouse runs show 7f3a           the same by a part of its id
  lakehouse runs --table summary     how long a table took, over time
  lakehouse runs -o json | jq '.runs[0]'"""
SHOW_EXAMPLES = """\b
Examples:
  lakehouse runs show last
  lakehouse runs show 20261122-150102-7f3a
  lakehouse runs show 7f3a -v        the last part of an id is enough; with full tracebacks
  lakehouse runs show last -o json   the document of `lakehouse run -o json`"""
_STATES = {
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("○", "yellow"),
    "running": ("▸", "cyan"),
    "died": ("✗", "red"),
}
_BAR = 10  # columns of the longest bar
# Columns of a screen below which a state is its mark alone, as there is no room beside a run's id.
_NARROW_LIST, _NARROW_TABLE = 44, 58

app = typer.Typer(
    name="runs", rich_markup_mode=None, add_completion=False, invoke_without_command=True, no_args_is_help=False
)


def _at_least_one(value: int) -> int:
    if value < 1:
        raise typer.BadParameter("the number of runs is 1 or more")
    return value


@app.callback(epilog=EXAMPLES)
@options.everywhere
def command(
    settings: options.Settings,
    context: typer.Context,
    limit: Annotated[
        int, options.option("-n", "--limit", metavar="N", callback=_at_least_one, help="How many runs to list.")
    ] = 20,
    table: Annotated[
        str | None,
        options.option(
            "--table",
            metavar="NAME",
            help="What each run did with this table, and how long it took.",
            autocompletion=options.completed("computed_tables"),
        ),
    ] = None,
) -> None:
    """List past runs, or show one.

    Newest first; reads the history and nothing else, so it works beside a run that goes on and in a project that is not
    valid. With -e: only runs of that environment.
    """
    if context.invoked_subcommand is not None:
        return
    from lakehouse_cli.runs.history import reading as history

    folder, environment = _asked(settings)
    if table is not None:
        _show_table(settings, _table_history(folder, table, environment, limit))
        return
    # One more than is shown, to see whether there are more.
    found = history.runs(folder, environment=environment, limit=limit + 1)
    runs = found.runs[:limit]
    if settings.json:
        output.write_json({"runs": [run.to_json() for run in runs]})
        output.write_stderr(list(found.notes))
        return
    terminal = settings.stdout
    output.write_lines(_list_lines(terminal, runs))
    if not settings.quiet:
        if not runs:
            of = f" of environment `{environment}`" if environment is not None else ""
            output.write(f"no run{of} {'in the history can be read' if found.notes else 'is in the history yet'}")
        elif len(found.runs) > limit:
            output.write(terminal.style(f"… and more; `-n {2 * limit}` shows them", "dim"))
    output.write_stderr(list(found.notes))


def _asked(settings: options.Settings) -> tuple[Path, str | None]:
    """The project's folder and the environment that is asked for, None for any.

    Raises:
        UsageError: No run was in such an environment, and the project declares none; with close matches.
    """
    from lakehouse_cli.runs.history.reading import environments

    file, environment = settings.project_file(), settings.env
    if environment is not None and environment not in (past := environments(file.parent)):
        from lakehouse_cli.project.loading import declared_environments, no_environment

        declared = declared_environments(file, os.environ, settings.module)
        if declared is not None and environment not in declared:
            raise no_environment(environment, dict.fromkeys([*declared, *past]))
    return file.parent, environment


def _list_lines(terminal: Terminal, runs: tuple[RunSummary, ...]) -> list[str]:
    if not runs:
        return []
    environments = {run.environment for run in runs} - {"default"}
    rows = []
    for run in runs:
        mark, style = _STATES[run.status]
        row = [Cell(run.run_id), Cell(moment_text(run.started_at), "dim")]
        row += [Cell(printable(run.environment))] if environments else []
        row += [_state(terminal, _NARROW_LIST, mark, run.status, style), Cell(time_text(run.duration_s), "dim")]
        rows.append([*row, Cell(_counts(run.counts, run.planned))])
    header = ["run", "started", *(["environment"] if environments else []), "state", "time", "tables"]
    time = len(header) - 2
    dispensable = (1, time, *range(2, time - 1))
    return columns(terminal, header, rows, right=frozenset({time}), dispensable=dispensable, shortened=0)


def _state(terminal: Terminal, narrow: int, mark: str, status: str, style: str) -> Cell:
    fits = terminal.width is None or terminal.width >= narrow
    return Cell(f"{mark} {status}" if fits else mark, style)


def _counts(counts: Mapping[str, int], planned: int) -> str:
    """How many tables ended how, by the marks of a run's table."""
    from lakehouse_cli.rendering.reporters.run_text import MARKS

    by_mark: dict[str, int] = {}
    for status in ("materialized", "unchanged", "failed", "skipped", "cancelled", "held_back"):
        if counts.get(status):
            by_mark[MARKS[status]] = by_mark.get(MARKS[status], 0) + counts[status]
    ended = sum(counts.values())
    parts = [f"{mark} {count_text(count)}" for mark, count in by_mark.items()]
    if ended < planned:
        parts.append(f"{count_text(ended)} of {count_text(planned)}")
    return "  ".join(parts) or "nothing to do"


@app.command(name="show", epilog=SHOW_EXAMPLES)
@options.everywhere
def show(
    settings: options.Settings,
    run_id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            show_default=False,
            help="A run's id, the beginning or the last part of it, or `last`.",
            autocompletion=options.completed("runs"),
        ),
    ],
) -> None:
    """Show one run: how each table ended, and what went wrong.

    With -e, `last` is the last run of that environment.
    """
    from lakehouse_cli.runs.history import reading as history

    folder, environment = _asked(settings)
    record = history.read(folder, run_id, environment=environment)
    if settings.json:
        output.write_json(record.to_json())
        output.write_stderr(list(record.notes))
        return
    output.write_lines(_run_lines(settings.stdout, record, verbose=settings.verbose))


def _run_lines(terminal: Terminal, record: RunRecord, *, verbose: bool) -> list[str]:
    from lakehouse_cli.rendering.reporters.run_text import (
        failure_lines,
        header_line,
        layout,
        result_line,
        result_note_lines,
        row_line,
        title_line,
        why_text,
    )

    run = record.summary
    first = record.first_run
    lines = [title_line(terminal, run.project, run.environment, run.run_id, first_run=first)]
    lines.append(terminal.style(f"started {moment_text(run.started_at)}", "dim"))
    if record.params:
        lines.append(terminal.style(f"given {', '.join(_given(record.params.values()))}", "dim"))
    lines += [printable(note) for note in record.notes]
    results = {result.name: result for result in record.tables}
    waiting = [name for name in record.planned if name not in results] if run.status == "running" else []
    if results or waiting:
        reasons = any(why_text(each, first_run=first) for each in results.values())
        widths = layout(terminal, [*results, *waiting], record.objects, reasons=reasons)
        lines += ["", header_line(terminal, widths)]
        lines += [result_line(terminal, widths, result, fold=True, first_run=first) for result in results.values()]
        for name in waiting:
            state = "running" if name in record.started else "waiting"
            lines.append(row_line(terminal, widths, state, (name, "", "", ""), ""))
        lines.append("")
    lines += [_end_line(terminal, record), *result_note_lines(terminal, record.tables)]
    return lines + failure_lines(terminal, record.tables, verbose=verbose)


def _given(tables: Iterable[GivenParams]) -> Iterator[str]:
    """The params that the command gave, each value once."""
    seen: dict[str, None] = {}
    for each in tables:
        for name, value in each.values.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            seen[printable(f"{name}={text}")] = None
        seen.update(dict.fromkeys(f"{name} (not kept)" for name in each.unkept))
    yield from seen


def _end_line(terminal: Terminal, record: RunRecord) -> str:
    from lakehouse_cli.rendering.reporters.run_text import summary_line

    run = record.summary
    if run.status not in ("running", "died"):
        return summary_line(terminal, record.result)
    ended = ", ".join(f"{count_text(count)} {status}" for status, count in run.counts.items()) or "no table ended"
    if run.status == "running":
        still = terminal.style("still running: ", "cyan")
        return terminal.wrap(f"{still}{ended} of {plural(run.planned, 'table')} so far")
    died = terminal.style("died: ", "red")
    return terminal.wrap(f"{died}{ended}; the run ended without a word (killed, or the machine went down)")


def _table_history(folder: Path, table: str, environment: str | None, limit: int) -> TableHistory:
    """A table's history; one that is in none and not declared is an error with close matches."""
    from lakehouse_cli.runs.history import reading as history

    found = history.table_history(folder, table, environment=environment, limit=limit)
    if not found.times:
        from lakehouse_cli.project.facade import Project

        Project.load(folder, incomplete=True).table(table)
    return found


def _show_table(settings: options.Settings, found: TableHistory) -> None:
    if settings.json:
        output.write_json(found.to_json())
        output.write_stderr(list(found.notes))
        return
    terminal = settings.stdout
    if not found.times:
        output.write(f"no run in the history has come to `{found.table}`")
    else:
        output.write_lines(_time_lines(terminal, found))
    if found.median_s is not None and not settings.quiet:
        output.write()
        count = plural(len(found.materialized_s), "run")
        median, last = time_text(found.median_s), time_text(found.materialized_s[0])
        output.write(terminal.wrap(f"materialized in {median} (median of {count}); the last took {last}"))
    output.write_stderr(list(found.notes))


def _time_lines(terminal: Terminal, found: TableHistory) -> list[str]:
    from lakehouse_cli.rendering.reporters.run_text import MARKS, STYLES

    longest = max(found.materialized_s, default=0.0)
    block = "▇" if terminal.unicode else "#"
    rows = []
    for time in found.times:
        result = time.result
        seconds = result.duration_s if result.status == "materialized" else None
        bar = block * max(round(_BAR * seconds / longest), 1) if seconds is not None and longest > 0 else ""
        rows.append(
            [
                Cell(time.run_id),
                _state(terminal, _NARROW_TABLE, MARKS[result.status], result.status, STYLES[result.status]),
                Cell(count_text(result.rows)),
                Cell(size_text(result.bytes)),
                Cell(time_text(result.duration_s)),
                Cell(bar, "cyan"),
            ]
        )
    return columns(
        terminal,
        ("run", "state", "rows", "size", "time", ""),
        rows,
        right=frozenset({2, 3, 4}),
        dispensable=(3, 2),
        shortened=0,
        least=_BAR,
    )
