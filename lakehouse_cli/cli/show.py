"""`lakehouse show`: one stored table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.text.columns import Cell, columns, data_rows
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import Terminal, printable, value_text

if TYPE_CHECKING:
    from lakehouse_cli.operations.preview import Shown

EXAMPLES = """\b
Examples:
  lakehouse show daily_highs
  lakehouse show daily_highs -n 50
  lakehouse show daily_highs --version 3
  lakehouse show daily_highs -o json | jq .rows"""
_WIDEST = 32
_MOST_COLUMNS = 40


@options.everywhere
def command(
    settings: options.Settings,
    table: Annotated[str, typer.Argument(metavar="TABLE", show_default=False, help="A table's name.")],
    count: Annotated[int, options.option("-n", "--rows", metavar="N", help="How many rows to show.")] = 10,
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
) -> None:
    """Show a stored table: columns, place, first rows."""
    if count < 0:
        raise typer.BadParameter("the number of rows is 0 or more", param_hint="`-n`")
    shown = settings.project().show(table, count, version=version)
    if settings.json:
        output.write_json(shown.to_json())
        return
    terminal = settings.stdout
    at = "" if version is None else f" · version {version}"
    output.write(f"{terminal.style(shown.name, 'bold')} · {shown.uri}{at} · {plural(shown.row_count, 'row')}")
    output.write()
    output.write_lines(_columns(shown, terminal, every=settings.verbose))
    if shown.rows:
        output.write()
        output.write_lines(_rows(shown, terminal))
    output.flush()


def _columns(shown: Shown, terminal: Terminal, *, every: bool) -> list[str]:
    listed = shown.columns if every else shown.columns[:_MOST_COLUMNS]
    rows = [
        [
            Cell(printable(c.name)),
            Cell(c.type, "cyan"),
            Cell("" if c.nullable else "not null"),
            Cell(c.description, "dim"),
        ]
        for c in listed
    ]
    lines = columns(terminal, ("column", "type", "", ""), rows, indent="  ")
    more = len(shown.columns) - len(listed)
    if more:
        lines.append(
            terminal.style(f"  … and {plural(more, 'more column')}; -v shows {'it' if more == 1 else 'them'}", "dim")
        )
    return lines


def _rows(shown: Shown, terminal: Terminal) -> list[str]:
    """The first rows as text."""
    names = [column.name for column in shown.columns]
    cells = []
    for at, row in enumerate(shown.rows):
        values = [shown.local[name][at] if name in shown.local else row[name] for name in names]
        styles = ["dim" if row[name] is None else None for name in names]
        cells.append(
            [Cell(terminal.cut(value_text(v), _WIDEST), style) for v, style in zip(values, styles, strict=True)]
        )
    heads = [terminal.cut(printable(name), _WIDEST) for name in names]
    numeric = ("int", "uint", "float", "decimal")
    right = [index for index, column in enumerate(shown.columns) if column.type.startswith(numeric)]
    lines = data_rows(terminal, heads, cells, right, marked=False)
    if shown.row_count > len(shown.rows):
        lines.append(terminal.style(f"  … and {plural(shown.row_count - len(shown.rows), 'more row')}", "dim"))
    return lines
