"""`lakehouse sql`: a query over the stored tables."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.cli.show import rows
from lakehouse_cli.text.counts import plural

EXAMPLES = """\b
Examples:
  lakehouse sql "select station, max(high) from daily_highs group by station"
  lakehouse sql -n 0 "from daily_highs"        all rows
  lakehouse sql - < report.sql
  lakehouse sql 'from sales where month = $month' --param month=2025-11
                                               a param of the project
  lakehouse sql -o json "from daily_highs limit 3" | jq .rows"""


@options.everywhere
def command(
    settings: options.Settings,
    query: Annotated[
        str,
        typer.Argument(
            metavar="QUERY",
            show_default=False,
            help="One SELECT in DuckDB's SQL; `-`: from stdin.",
            autocompletion=options.completed("query"),
        ),
    ],
    count: Annotated[
        int, options.option("-n", "--rows", metavar="N", help="How many rows to show; 0 for all of them.")
    ] = 50,
    param: options.Params = None,
) -> None:
    """Ask the stored tables by SQL; reads, and changes nothing. `$name` is a param of the project."""
    if count < 0:
        raise typer.BadParameter("the number of rows is 0 or more", param_hint="`-n`")
    text = sys.stdin.read() if query == "-" else query
    options.work_begins()  # what a query spills is removed in the end
    answer = settings.project(params=options.given_params(param)).ask(text, count or None)
    if settings.json:
        output.write_json(answer.to_json())
        return
    terminal = settings.stdout
    output.write_lines(rows(answer, terminal))
    output.write()
    output.write(terminal.style(plural(answer.row_count, "row"), "dim"))
    output.flush()
