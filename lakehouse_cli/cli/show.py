"""`lakehouse show`: one stored table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.cli.description import column_lines, description_json, description_lines
from lakehouse_cli.errors import KEPT_ROWS, some_rows
from lakehouse_cli.text.clock import time_text
from lakehouse_cli.text.columns import Cell, columns, data_rows
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import Terminal, moment_text, printable, size_text, text_width, value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse_cli.errors import FailedRow
    from lakehouse_cli.model import Table
    from lakehouse_cli.model.partition import Partition
    from lakehouse_cli.operations.objects import ShownObject
    from lakehouse_cli.operations.preview import Answer, Shown
    from lakehouse_cli.runs.failed_rows import KeptRows

EXAMPLES = """\b
Examples:
  lakehouse show daily_highs
  lakehouse show daily_highs -n 50
  lakehouse show daily_highs --version 3
  lakehouse show daily_highs --failed        the rows that broke its contract
  lakehouse show daily_highs --failed -o json > failed.json    all of them that are kept
  lakehouse show daily_highs -o json | jq .rows
  lakehouse show daily --partition day=2024-03-01..2024-03-07
  lakehouse show sales --files               which files a source is
  lakehouse show model                       no table: type, size, when
  lakehouse show chart --out chart.png       no table: in a file
  lakehouse show site --out - | tar x        no table: a folder on stdout
  lakehouse show model --partition month=2024-01 --out model.pkl"""
# A value has its share of the line, of this where lines have no width, and room for a UUID in any case.
_LINE, _LEAST_WIDE = 200, 40
_MOST_COLUMNS = 40
# Numbers in a row that are shown by their ends.
_RUN = 4


@options.everywhere
def command(
    settings: options.Settings,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", show_default=False, help="A table's name.", autocompletion=options.completed("tables")
        ),
    ],
    count: Annotated[
        int | None,
        options.option(
            "-n", "--rows", metavar="N", help="How many rows to show (10; of failed rows in JSON all that are kept)."
        ),
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(
            "--version",
            metavar="N",
            envvar="LAKEHOUSE_TABLE_VERSION",
            show_envvar=False,
            show_default=False,
            help="An older version, where its storage keeps them.",
        ),
    ] = None,
    partition: options.Partitions = None,
    failed: Annotated[
        bool,
        options.option("--failed", help="The rows that broke its contract when it ran last, with reasons."),
    ] = False,
    files: Annotated[bool, options.option("--files", help="The files that a source of many is.")] = False,
    reveal: Annotated[bool, options.option("--reveal", help="Show the values of sensitive columns.")] = False,
    out: Annotated[
        str | None,
        options.option(
            "--out",
            metavar="FILE",
            help="Write an asset that is no table to a file that is not there yet; `-` is stdout.",
        ),
    ] = None,
) -> None:
    """Show a stored table: columns, place, first rows; or an asset."""
    if count is None:
        count = KEPT_ROWS if failed and settings.json else 10
    _refuse_together(count, version is not None, failed, files, out is not None)
    if partition and (version is not None or files):
        raise typer.BadParameter("it goes with neither `--version` nor `--files`", param_hint="`--partition`")
    if failed:
        _show_failed(table, settings.project().failed_rows(table, partition or ()), count, settings)
        return
    if files:
        _show_files(table, settings)
        return
    if out is not None:
        _write(settings, table, out, partition or ())
        return
    project = settings.project()
    shown = project.show(table, count, version=version, partitions=partition or ())
    declared = project.table(table)
    from lakehouse_cli.operations.objects import ShownObject  # loaded by now

    if isinstance(shown, ShownObject):
        _show_object(shown, declared, settings)
        return
    if not reveal:
        shown = shown.without_values(project.spec.tables[table].contract.sensitive)
    if settings.json:
        output.write_json(shown.to_json() | description_json(declared))
        return
    terminal = settings.stdout
    at = "" if version is None else f" · version {version}"
    rows_there = f"{plural(shown.row_count, 'row')}{_in_partitions(shown)}"
    output.write(terminal.title(shown.name, f"{shown.uri}{at} · {rows_there}"))
    output.write_lines(terminal.wrap(printable(note)) for note in shown.notes)
    output.write_lines(description_lines(terminal, declared))
    output.write()
    output.write_lines(_columns(shown, terminal, every=settings.verbose))
    if shown.rows:
        output.write()
        output.write_lines(rows(shown, terminal))
    output.flush()


def _in_partitions(shown: Shown) -> str:
    """In which partitions the rows are; nothing of a table that has none."""
    there = shown.partitions
    return f" in {plural(len(there), 'partition')} ({_which(there)})" if there else ""


def _which(partitions: Sequence[Partition] | None) -> str:
    """The first partition and the last; nothing where there are none."""
    there = partitions or ()
    return " to ".join(map(str, dict.fromkeys((*there[:1], *there[-1:]))))


def _refuse_together(count: int, version: bool, failed: bool, files: bool, out: bool) -> None:
    """Refuse options that say nothing together."""
    if count < 0:
        raise typer.BadParameter("the number of rows is 0 or more", param_hint="`-n`")
    if out and (failed or version):
        hint = ", or write failed rows by `-o json`" if failed else ""
        message = f"it writes the asset as it is stored; leave out the others{hint}"
        raise typer.BadParameter(message, param_hint="`--out`")
    if failed and version:
        raise typer.BadParameter("failed rows have no versions; leave out one of the two", param_hint="`--version`")
    if files and (failed or version or out):
        raise typer.BadParameter("it lists files alone; leave out the others", param_hint="`--files`")


def _write(settings: options.Settings, name: str, out: str, partitions: Sequence[str]) -> None:
    """An asset that is no table, in a file or on stdout."""
    if out == "-":
        if settings.json:
            raise typer.BadParameter("stdout holds the asset or the document; leave out one of them", param_hint="`-o`")
        with settings.project().stored_bytes(name, partitions=partitions) as parts:
            output.write_bytes(parts)
        return
    size = settings.project().export(name, Path(out), partitions=partitions)
    if settings.json:
        output.write_json({"name": name, "out": str(Path(out)), "bytes": size})
    elif not settings.quiet:
        output.write(f"{printable(str(Path(out)))} · {size_text(size)}")
    output.flush()


def _show_object(shown: ShownObject, declared: Table, settings: options.Settings) -> None:
    """What is known of an asset that is no table."""
    if settings.json:
        output.write_json(shown.to_json() | description_json(declared))
        return
    terminal = settings.stdout
    made_with = ", ".join(f"{name} {version}" for name, version in shown.packages.items())
    when = f"{moment_text(shown.materialized_at)} · run {shown.run_id}" if shown.materialized_at else ""
    facts = (
        ("format", shown.format),
        ("partitions", _which(shown.partitions)),
        ("type", shown.type or ""),
        ("size", size_text(shown.bytes)),
        ("materialized", when),
        ("from", ", ".join(shown.inputs)),
        ("made with", made_with),
    )
    output.write(terminal.title(shown.name, shown.uri))
    output.write_lines(description_lines(terminal, declared))
    output.write()
    output.write_lines(
        columns(terminal, ("", ""), [[Cell(k, "dim"), Cell(printable(v))] for k, v in facts if v], indent="  ")
    )
    output.write_lines(f"  {printable(note)}" for note in shown.notes)
    output.flush()


def _show_files(table: str, settings: options.Settings) -> None:
    """The files that a source is, each with its size and time."""
    project = settings.project()
    found = project.files(table)
    shown = project.spec.storages[project.table(table).storage].shown
    times = [None if each.modified_ns is None else time_text(each.modified_ns) for each in found]
    if settings.json:
        listed = [
            {"path": each.path, "uri": shown(each.path), "bytes": each.bytes, "modified_at": time}
            for each, time in zip(found, times, strict=True)
        ]
        output.write_json({"name": table, "files": listed})
        return
    terminal = settings.stdout
    title = f"{plural(len(found), 'file')}, {size_text(sum(each.bytes for each in found))}"
    output.write(terminal.title(table, f"{project.storage(table).uri(project.table(table))} · {title}"))
    output.write()
    cells = [
        [Cell(printable(shown(each.path))), Cell(size_text(each.bytes)), Cell(moment_text(time) if time else "", "dim")]
        for each, time in zip(found, times, strict=True)
    ]
    output.write_lines(columns(terminal, ("file", "size", "modified"), cells, right=frozenset((1,)), indent="  "))
    output.flush()


def _show_failed(table: str, kept: KeptRows | None, count: int, settings: options.Settings) -> None:
    """The rows that are kept of a table, or that there are none."""
    rows = () if kept is None else some_rows(kept.failed.rows, count)
    if settings.json:
        document = {"name": table, "run_id": kept and kept.run_id, "at": kept and kept.at}
        found = [
            {"row": each.row, "line": each.line, "reasons": each.reasons, "values": each.values}
            | ({"file": each.file} if each.file else {})
            for each in rows
        ]
        count = kept.failed.count if kept else 0
        output.write_json({**document, "count": count, "left_out": count - len(found), "rows": found})
        return
    terminal = settings.stdout
    if kept is None:
        output.write(terminal.title(table, "no failed rows are kept of its last run"))
        output.flush()
        return
    title = f"{plural(kept.failed.count, 'row')} that {'fails' if kept.failed.count == 1 else 'fail'}"
    output.write(terminal.title(table, f"{title} · run {kept.run_id}"))
    reasons = list(dict.fromkeys(reason for each in kept.failed.rows for reason in each.reasons))
    output.write()
    output.write_lines(
        terminal.wrap(f"  why {number}: {printable(reason)}", "    ") for number, reason in enumerate(reasons, 1)
    )
    if rows:
        output.write()
        output.write_lines(_failed_rows(kept, rows, reasons, terminal))
    output.flush()


def _failed_rows(kept: KeptRows, rows: Sequence[FailedRow], reasons: list[str], terminal: Terminal) -> list[str]:
    with_lines = any(each.line is not None for each in rows)
    with_files = any(each.file for each in rows)
    heads = ["why", "row", *(["file"] if with_files else []), *(["line"] if with_lines else [])]
    widest = _widest(terminal, len(kept.failed.columns))
    names = [terminal.cut(printable(name), widest) for name in kept.failed.columns]
    cells = []
    for each in rows:
        why = _numbers_text([reasons.index(reason) + 1 for reason in each.reasons])
        place = [count_text(each.row), *([printable(each.file or "")] if with_files else [])]
        place += [count_text(each.line)] if with_lines else []
        cells.append(
            [
                *(Cell(text) for text in (why, *place)),
                *(_value_cell(each, name, terminal, widest) for name in kept.failed.columns),
            ]
        )
    if terminal.width is not None:  # the number of a row is there, however many reasons it has
        places = [[text_width(head), *(text_width(row[at].text) for row in cells)] for at, head in enumerate(heads)]
        room = terminal.width - 2 - sum(2 + max(widths) for widths in places[1:])
        for row in cells:
            row[0] = Cell(terminal.cut(row[0].text, max(room, 1)))
    needed = [
        [at for at, name in enumerate(kept.failed.columns, len(heads)) if name in each.wrong and name in each.values]
        for each in rows
    ]
    numbers = [at for at, head in enumerate(heads) if head in ("row", "line")]
    lines = data_rows(terminal, [*heads, *names], cells, numbers, marked=False, needed=needed)
    if (more := kept.failed.count - len(rows)) > 0:
        left = len(kept.failed.rows) - len(rows)
        of_these = (
            ""
            if left == more
            else f", of which {count_text(left) if left else 'none'} {'is' if left == 1 else 'are'} kept"
        )
        lines.append(terminal.style(f"  … and {plural(more, 'more row')}{of_these}", "dim"))
    return lines


def _numbers_text(numbers: Sequence[int]) -> str:
    """Numbers in order, long runs of them by their ends.

    >>> _numbers_text([7, 3, 2, 1, 4])
    '1-4, 7'
    """
    runs: list[list[int]] = []
    for number in sorted({*numbers}):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [[f"{run[0]}-{run[-1]}"] if len(run) >= _RUN else map(str, run) for run in runs]
    return ", ".join(text for each in texts for text in each)


def _value_cell(row: FailedRow, name: str, terminal: Terminal, widest: int) -> Cell:
    """A value that is kept of a row; blank for one that is not."""
    if name not in row.values:
        return Cell("")
    value = row.values[name]
    return Cell(terminal.cut(value_text(value), widest), "dim" if value is None else None)


def _columns(shown: Shown, terminal: Terminal, *, every: bool) -> list[str]:
    listed = shown.columns if every else shown.columns[:_MOST_COLUMNS]
    lines = column_lines(terminal, ((each.name, each.type, each.nullable, each.description) for each in listed))
    more = len(shown.columns) - len(listed)
    if more:
        lines.append(
            terminal.style(f"  … and {plural(more, 'more column')}; -v shows {'it' if more == 1 else 'them'}", "dim")
        )
    return lines


def _widest(terminal: Terminal, count: int) -> int:
    return max((terminal.width or _LINE) // max(count, 1) - 2, _LEAST_WIDE)


def rows(shown: Answer, terminal: Terminal) -> list[str]:
    """The first rows as text."""
    names = [column.name for column in shown.columns]
    cells = []
    numeric = ("int", "uint", "float", "decimal")
    # Of a number, what is cut off would make another one.
    widest = _widest(terminal, len(names))
    widths = [None if column.type.startswith(numeric) else widest for column in shown.columns]
    for at, row in enumerate(shown.rows):
        values = [shown.local[name][at] if name in shown.local else row[name] for name in names]
        styles = ["dim" if row[name] is None else None for name in names]
        cells.append(
            [Cell(terminal.cut(value_text(v), w), style) for v, style, w in zip(values, styles, widths, strict=True)]
        )
    heads = [terminal.cut(printable(name), widest) for name in names]
    right = [index for index, column in enumerate(shown.columns) if column.type.startswith(numeric)]
    lines = data_rows(terminal, heads, cells, right, marked=False)
    if shown.row_count > len(shown.rows):
        lines.append(terminal.style(f"  … and {plural(shown.row_count - len(shown.rows), 'more row')}", "dim"))
    return lines
