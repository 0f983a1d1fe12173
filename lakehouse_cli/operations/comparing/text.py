"""A comparison as text, and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lakehouse_cli.operations.comparing.results import ComparedTable, Comparison
from lakehouse_cli.rendering.pages import PLAIN
from lakehouse_cli.rendering.reporters.run_text import MARKS, STYLES, failure_lines, why_text
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.text.columns import Cell, columns, data_rows
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.page import Block, Page, to_html
from lakehouse_cli.text.terminal import Terminal, printable, value_text

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


def failure_of(table: ComparedTable) -> TableResult | None:
    """Make the result that a run gives a table which could not be computed; None for any other."""
    if table.error is None:
        return None
    return TableResult(table.name, "skipped" if table.status == "skipped" else "failed", error=table.error)


def comparison_lines(terminal: Terminal, found: Comparison) -> list[str]:
    """Format a comparison: its tables, what differs in each, and how many there are."""
    lines = [f"{terminal.style(found.project, 'bold')} · {_compared(found)}", *found.notes]
    if found.tables:
        lines += ["", *_overview(found.tables, terminal)]
    for table in _with_details(found):
        lines += ["", terminal.title(table.name, _matching(table)), *_details(table, _heads(found), terminal)]
    return [*lines, "", _counted(found)]


def comparison_page(found: Comparison) -> Page:
    """What differs; tables that are the same are counted."""
    rows = [(_MARKS[each.status][0], f"`{each.name}`", _MARKS[each.status][2], _summary(each)) for each in found.tables]
    blocks = [
        Block(
            f"`{table.name}` {_matching(table)}", tuple(map(_dedented, _details(table, _heads(found), PLAIN))), "diff"
        )
        for table in _with_details(found)
    ]
    failures = tuple(failure_lines(PLAIN, filter(None, map(failure_of, found.tables))))
    return Page(
        f"{found.project} · {_compared(found)}",
        _counted(found),
        ("", "table", "", ""),
        tuple(row for row, each in zip(rows, found.tables, strict=True) if each.status != "equal"),
        blocks=(*([Block("Failed", failures)] if failures else []), *blocks),
        notes=found.notes,
    )


def comparison_html(found: Comparison) -> str:
    """Format a comparison as HTML, without the values of sensitive columns."""
    return to_html(comparison_page(found.without_values(found.sensitive)))


def _dedented(line: str) -> str:
    return line.removeprefix("  ")  # marks of a diff stand first in their lines


def _compared(found: Comparison) -> str:
    before = f"`{found.against}`" if found.against is not None else "what is stored"
    return f"{found.environment} against {before} · diff"


def _heads(found: Comparison) -> tuple[str, str]:
    return found.against or "stored", found.environment if found.against is not None else "now"


def _with_details(found: Comparison) -> list[ComparedTable]:
    return [each for each in found.tables if each.status == "different" and (each.schema or each.difference)]


def _counted(found: Comparison) -> str:
    counts = Counter(_MARKS[table.status][2] for table in found.tables)
    return ", ".join(f"{count_text(number)} {word}" for word, number in counts.items()) or "nothing to compare"


def _overview(tables: Sequence[ComparedTable], terminal: Terminal) -> list[str]:
    rows = []
    for table in tables:
        mark, style, word = _MARKS[table.status]
        rows.append([Cell(mark, style), Cell(table.name), Cell(word, style), Cell(_summary(table), "dim")])
    return columns(terminal, ("", "table", "", ""), rows, shortened=1)


def _summary(table: ComparedTable) -> str:
    """What differs, or why that is not known, in a line."""
    if (failure := failure_of(table)) is not None:
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


def _matching(table: ComparedTable) -> str:
    key = table.difference.key
    return printable(f"by {', '.join(key)}" if key else "whole rows")


def _details(table: ComparedTable, heads: tuple[str, str], terminal: Terminal) -> list[str]:
    rows = table.difference
    lines = [f"  {printable(note)}" for note in (*rows.notes, table.note) if note]
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
