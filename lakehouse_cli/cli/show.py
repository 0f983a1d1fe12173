"""`lakehouse show`: one stored table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.cli.description import column_lines, description_json, description_lines
from lakehouse_cli.cli.failed_rows import show_failed, widest, write_failed
from lakehouse_cli.text.clock import time_text
from lakehouse_cli.text.columns import Cell, columns, data_rows
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import Terminal, moment_text, printable, size_text, value_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse_cli.model import Table
    from lakehouse_cli.model.partition import Partition
    from lakehouse_cli.operations.objects import ShownObject
    from lakehouse_cli.operations.preview import Answer, Shown

EXAMPLES = """\b
Examples:
  lakehouse show daily_highs
  lakehouse show daily_highs -n 50
  lakehouse show daily_highs --version 3
  lakehouse show daily_highs --failed        the rows that broke its contract
  lakehouse show daily_highs --failed --out failed.csv    all of them, in a file
  lakehouse show daily_highs -o json | jq .rows
  lakehouse show daily --partition day=2024-03-01..2024-03-07
  lakehouse show sales --files               which files a source is
  lakehouse show model                       no table: type, size, when
  lakehouse show chart --out chart.png       no table: in a file
  lakehouse show site --out - | tar x        no table: a folder on stdout
  lakehouse show model --partition month=2024-01 --out model.pkl"""
_MOST_COLUMNS = 40


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
            "-n", "--rows", metavar="N", help="How many rows to show (10; of failed rows in JSON and files all)."
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
            help="Write an asset that is no table, or failed rows (`.csv`, `.json`), to a file that is not there yet; "
            "`-` is stdout.",
        ),
    ] = None,
) -> None:
    """Show a stored table: columns, place, first rows; or an asset."""
    _refuse_together(count or 0, version is not None, failed, files, out is not None)
    if partition and (version is not None or files):
        raise typer.BadParameter("it goes with neither `--version` nor `--files`", param_hint="`--partition`")
    if failed and out is not None:
        write_failed(settings, table, partition or (), count, out)
        return
    if failed:
        show_failed(settings, table, partition or (), count)
        return
    count = 10 if count is None else count
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
    if out and version:
        raise typer.BadParameter("it writes the asset as it is stored; leave out the others", param_hint="`--out`")
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


def _columns(shown: Shown, terminal: Terminal, *, every: bool) -> list[str]:
    listed = shown.columns if every else shown.columns[:_MOST_COLUMNS]
    lines = column_lines(terminal, ((each.name, each.type, each.nullable, each.description) for each in listed))
    more = len(shown.columns) - len(listed)
    if more:
        lines.append(
            terminal.style(f"  … and {plural(more, 'more column')}; -v shows {'it' if more == 1 else 'them'}", "dim")
        )
    return lines


def rows(shown: Answer, terminal: Terminal) -> list[str]:
    """The first rows as text."""
    names = [column.name for column in shown.columns]
    cells = []
    numeric = ("int", "uint", "float", "decimal")
    # Of a number, what is cut off would make another one.
    most = widest(terminal, len(names))
    widths = [None if column.type.startswith(numeric) else most for column in shown.columns]
    for at, row in enumerate(shown.rows):
        values = [shown.local[name][at] if name in shown.local else row[name] for name in names]
        styles = ["dim" if row[name] is None else None for name in names]
        cells.append(
            [Cell(terminal.cut(value_text(v), w), style) for v, style, w in zip(values, styles, widths, strict=True)]
        )
    heads = [terminal.cut(printable(name), most) for name in names]
    right = [index for index, column in enumerate(shown.columns) if column.type.startswith(numeric)]
    lines = data_rows(terminal, heads, cells, right, marked=False)
    if shown.row_count > len(shown.rows):
        lines.append(terminal.style(f"  … and {plural(shown.row_count - len(shown.rows), 'more row')}", "dim"))
    return lines
