"""`lakehouse diff`: tables of two environments, or as they would come out now and as they are stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.model.run_request import RunRequest
from lakehouse_cli.rendering.reporters.run_text import MARKS, STYLES, failure_lines, retry_line, why_text
from lakehouse_cli.runs.events import Event, TableResult, TableRetrying
from lakehouse_cli.text.columns import Cell, columns, data_rows
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import Terminal, printable, value_text

if TYPE_CHECKING:
    from lakehouse_cli.operations.comparing import ComparedTable, Comparison

EXAMPLES = """\b
Examples:
  lakehouse diff summary                     as it would come out now, against what is stored
  lakehouse diff --env dev --against prod    every table of `dev` against that of `prod`
  lakehouse diff +summary --against prod -n 20
  lakehouse diff daily --partition day=2024-03-01..2024-03-07 --against prod
  lakehouse diff --against prod -o json      every count, and the first examples

\b
Exit codes:
  0 the same · 1 they differ, or one could not be compared · 2 usage"""
_MARKS = {
    "equal": ("=", "dim", "same"),
    "different": ("~", "yellow", "different"),
    "added": ("+", "green", "new"),
    "removed": ("-", "red", "gone"),
    "missing": ("·", "dim", "missing"),
    "failed": (MARKS["failed"], STYLES["failed"], "failed"),
    "skipped": (MARKS["skipped"], STYLES["skipped"], "skipped"),
}
_WIDEST = 24


@options.everywhere
def command(
    settings: options.Settings,
    request: RunRequest,
    against: Annotated[
        str | None,
        options.option(
            "--against",
            metavar="ENV",
            help="Environment to compare against; none: compute, and compare against what is stored.",
            autocompletion=options.ENVIRONMENTS,
        ),
    ] = None,
    param: options.Params = None,
    partition: options.Partitions = None,
    count: Annotated[int, options.option("-n", "--rows", metavar="N", help="How many examples of each.")] = 5,
    reveal: Annotated[bool, options.option("--reveal", help="Show the values of sensitive columns.")] = False,
) -> int:
    """Compare tables: columns, counts and rows.

    Of two environments; or, without --against, each table that is out of date as it would come out now, computed and
    not published, against what is stored. Rows are matched by the table's key, else as a whole.
    """
    if count < 0:
        raise typer.BadParameter("the number of examples is 0 or more", param_hint="`-n`")
    if param and against is not None:
        raise typer.BadParameter("with `--against` nothing is computed", param_hint="`--param`")
    project = settings.project(params=options.given_params(param))
    output.take_printed(project.planner.mask)
    options.work_begins()
    heard = None if settings.json or settings.quiet else partial(_report_retry, settings.stderr)
    found = project.diff(
        *request.selection,
        against=against,
        exclude=request.exclude,
        partitions=partition or (),
        limit=count,
        on_event=heard,
    )
    if not reveal:
        tables = project.spec.tables
        found = found.without_values({name: table.contract.sensitive for name, table in tables.items()})
    if settings.json:
        output.write_stderr(found.notes)
        output.write_json(found.to_json())
    else:
        if not settings.quiet:
            output.write_lines(_lines(found, settings.stdout))
        failed = filter(None, map(_failure, found.tables))
        output.write_stderr(failure_lines(settings.stderr, failed, verbose=settings.verbose))
    return 0 if found.equal else exit_codes.FAILED


def _report_retry(terminal: Terminal, event: Event) -> None:
    if isinstance(event, TableRetrying):
        output.write_stderr([retry_line(terminal, event)])


def _failure(table: ComparedTable) -> TableResult | None:
    """The result that a run gives a table which could not be computed; None for any other."""
    if table.error is None:
        return None
    return TableResult(table.name, "skipped" if table.status == "skipped" else "failed", error=table.error)


def _lines(found: Comparison, terminal: Terminal) -> list[str]:
    before = f"`{found.against}`" if found.against is not None else "what is stored"
    lines = [f"{terminal.style(found.project, 'bold')} · {found.environment} against {before} · diff", *found.notes]
    if found.tables:
        lines += ["", *_overview(found.tables, terminal)]
    heads = (found.against or "stored", found.environment if found.against is not None else "now")
    for table in found.tables:
        if table.status == "different" and (table.schema or table.difference):
            lines += ["", *_details(table, heads, terminal)]
    counts = Counter(_MARKS[table.status][2] for table in found.tables)
    summary = ", ".join(f"{count_text(number)} {word}" for word, number in counts.items())
    return [*lines, "", summary or "nothing to compare"]


def _overview(tables: Sequence[ComparedTable], terminal: Terminal) -> list[str]:
    rows = []
    for table in tables:
        mark, style, word = _MARKS[table.status]
        rows.append([Cell(mark, style), Cell(table.name), Cell(word, style), Cell(_summary(table), "dim")])
    return columns(terminal, ("", "table", "", ""), rows, shortened=1)


def _summary(table: ComparedTable) -> str:
    """What differs, or why that is not known, in a line."""
    if (failure := _failure(table)) is not None:
        return printable(why_text(failure))
    if table.status != "different":
        rows = table.rows if table.rows is not None else table.rows_before
        counted = [plural(rows, "row")] if rows is not None else []
        return printable("; ".join([*counted, *([table.note] if table.note else [])]))
    parts = []
    if table.rows is None and table.rows_before is None:
        parts.append(table.note)
    elif table.rows_before == table.rows:
        parts.append(plural(table.rows or 0, "row"))
    else:
        parts.append(f"{count_text(table.rows_before)} → {count_text(table.rows)} rows")
    rows_ = table.difference
    changes_of_rows = (("added", rows_.added), ("removed", rows_.removed), ("changed", rows_.changed))
    parts += [f"{count_text(number)} {word}" for word, number in changes_of_rows if number]
    schema = table.schema
    changes = len(schema.added) + len(schema.removed) + len(schema.changed)
    if changes:
        parts.append("columns differ")
    return ", ".join(parts)


def _details(table: ComparedTable, heads: tuple[str, str], terminal: Terminal) -> list[str]:
    rows = table.difference
    by = f"by {', '.join(rows.key)}" if rows.key else "whole rows"
    lines = [terminal.title(table.name, printable(by))]
    lines += [f"  {printable(note)}" for note in rows.notes]
    schema = table.schema
    changed = [("+", "green", name, type_) for name, type_ in schema.added]
    changed += [("-", "red", name, type_) for name, type_ in schema.removed]
    changed += [("~", "yellow", name, f"{old} → {new}") for name, old, new in schema.changed]
    if changed:
        cells = [[Cell(mark, style), Cell(printable(name)), Cell(text, "cyan")] for mark, style, name, text in changed]
        lines += columns(terminal, ("", "column", "type"), cells, indent="  ")
    if rows.columns:
        counted = ", ".join(f"{printable(name)} {count_text(number)}" for name, number in rows.columns.items())
        lines.append(terminal.cut(f"  changed: {counted}", terminal.width))
    lines += _changed(table, heads, terminal)
    examples = [("+", "green", row) for row in rows.examples_added]
    examples += [("-", "red", row) for row in rows.examples_removed]
    lines += _rows(examples, rows.numeric, terminal)
    lines += _more(rows.added - len(rows.examples_added), "added row", terminal)
    lines += _more(rows.removed - len(rows.examples_removed), "removed row", terminal)
    return lines


def _changed(table: ComparedTable, heads: tuple[str, str], terminal: Terminal) -> list[str]:
    """A line for each value that changed, before and after side by side; the key stands at the first of its row."""
    rows = table.difference
    if not rows.examples_changed:
        return []
    cells = []
    keys = _side_by_side([list(row.key.values()) for row in rows.examples_changed], terminal)
    for row, of_row in zip(rows.examples_changed, keys, strict=True):
        mark, key = Cell("~", "yellow"), [Cell(text) for text in of_row]
        for name, (before, after) in row.values.items():
            old, new = terminal.cut_apart([value_text(before), value_text(after)], _WIDEST)
            values = [Cell(old, "red"), Cell(new, "green")]
            cells.append([mark, *key, Cell(printable(name), "dim"), *values])
            mark, key = Cell(""), [Cell("")] * len(key)
    header = ("", *(printable(name) for name in rows.key), "column", *heads)
    right = [index for index, name in enumerate(rows.key, 1) if name in rows.numeric]
    if all(name in rows.numeric for row in rows.examples_changed for name in row.values):
        right += [len(header) - 2, len(header) - 1]
    lines = columns(terminal, header, cells, right=frozenset(right), indent="  ")
    return [*lines, *_more(rows.changed - len(rows.examples_changed), "changed row", terminal)]


def _rows(
    examples: Sequence[tuple[str, str, Mapping[str, Any]]], numeric: frozenset[str], terminal: Terminal
) -> list[str]:
    """Rows that only one has; the columns that do not fit on the screen are counted."""
    if not examples:
        return []
    names = list(examples[0][2])
    heads = [terminal.cut(printable(name), _WIDEST) for name in names]
    texts = _side_by_side([[row[name] for name in names] for _, _, row in examples], terminal)
    cells = [
        [Cell(mark, style), *(Cell(text) for text in row)]
        for (mark, style, _), row in zip(examples, texts, strict=True)
    ]
    right = [index for index, name in enumerate(names, 1) if name in numeric]
    return data_rows(terminal, ("", *heads), cells, right, marked=True)


def _more(number: int, noun: str, terminal: Terminal) -> list[str]:
    return [terminal.style(f"     … and {plural(number, f'more {noun}')}", "dim")] if number > 0 else []


def _side_by_side(rows: Sequence[Sequence[Any]], terminal: Terminal) -> list[tuple[str, ...]]:
    """The values of some rows as texts, none too wide; what differs within a column looks different."""
    cut = [terminal.cut_apart([value_text(value) for value in column], _WIDEST) for column in zip(*rows, strict=True)]
    return list(zip(*cut, strict=True))
