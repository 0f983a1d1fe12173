"""`lakehouse show`: one stored table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import Cell, Terminal, columns, pad, printable, text_width, value_text

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
    told = shown.columns if every else shown.columns[:_MOST_COLUMNS]
    rows = [
        [
            Cell(printable(c.name)),
            Cell(c.type, "cyan"),
            Cell("" if c.nullable else "not null"),
            Cell(c.description, "dim"),
        ]
        for c in told
    ]
    lines = columns(terminal, ("column", "type", "", ""), rows, indent="  ")
    more = len(shown.columns) - len(told)
    if more:
        lines.append(
            terminal.style(f"  … and {plural(more, 'more column')}; -v shows {'it' if more == 1 else 'them'}", "dim")
        )
    return lines


def _rows(shown: Shown, terminal: Terminal) -> list[str]:
    """The first rows as text; the columns that do not fit on the screen are counted."""
    names = [column.name for column in shown.columns]
    texts = [
        [
            terminal.cut(value_text(shown.local[name][at] if name in shown.local else row[name]), _WIDEST)
            for name in names
        ]
        for at, row in enumerate(shown.rows)
    ]
    heads = [terminal.cut(printable(name), _WIDEST) for name in names]
    widths = [max(text_width(h), *(text_width(row[i]) for row in texts)) for i, h in enumerate(heads)]
    fitting = len(names)
    if terminal.width is not None:
        used = 2
        fitting = 0
        for width in widths:
            if used + width > terminal.width and fitting:
                break
            used += width + 2
            fitting += 1
    right = [column.type.startswith(("int", "uint", "float", "decimal")) for column in shown.columns]
    head = "  ".join(pad(heads[i], widths[i], right=right[i]) for i in range(fitting))
    lines = [terminal.style(f"  {head}", "dim")]
    for source, row in zip(shown.rows, texts, strict=True):
        parts = [
            terminal.style(pad(row[i], widths[i], right=right[i]), "dim" if source[names[i]] is None else None)
            for i in range(fitting)
        ]
        lines.append(("  " + "  ".join(parts)).rstrip())
    if fitting < len(names):
        lines.append(terminal.style(f"  … and {plural(len(names) - fitting, 'more column')}", "dim"))
    if shown.row_count > len(shown.rows):
        lines.append(terminal.style(f"  … and {plural(shown.row_count - len(shown.rows), 'more row')}", "dim"))
    return lines
