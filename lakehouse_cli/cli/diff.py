"""`lakehouse diff`: tables of two environments, or as they would come out now and as they are stored."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.rendering.reporters.run_text import failure_lines, retry_line
from lakehouse_cli.runs.events import Event, TableRetrying
from lakehouse_cli.text.terminal import Terminal

EXAMPLES = """\b
Examples:
  lakehouse diff summary                     as it would come out now, against what is stored
  lakehouse diff --env dev --against prod    every table of `dev` against that of `prod`
  lakehouse diff +summary --against prod -n 20
  lakehouse diff daily --partition day=2024-03-01..2024-03-07 --against prod
  lakehouse diff --against prod -o json      every count, and the first examples
  lakehouse diff -o markdown                 for a pull request

\b
Exit codes:
  0 the same · 1 they differ, or one could not be compared · 2 usage"""


@options.with_markdown
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
    heard = None if settings.is_document or settings.quiet else partial(_report_retry, settings.stderr)
    found = project.diff(
        *request.selection,
        against=against,
        exclude=request.exclude,
        partitions=partition or (),
        limit=count,
        on_event=heard,
    )
    if not reveal:
        found = found.without_values(found.sensitive)
    if settings.json:
        output.write_stderr(found.notes)
        output.write_json(found.to_json())
        return 0 if found.equal else exit_codes.FAILED
    # Not loaded before something was compared.
    from lakehouse_cli.operations.comparing.text import comparison_lines, comparison_page, failure_of

    if settings.markdown:
        output.write_markdown(comparison_page(found))
    else:
        if not settings.quiet:
            output.write_lines(comparison_lines(settings.stdout, found))
        failed = filter(None, map(failure_of, found.tables))
        output.write_stderr(failure_lines(settings.stderr, failed, verbose=settings.verbose))
    return 0 if found.equal else exit_codes.FAILED


def _report_retry(terminal: Terminal, event: Event) -> None:
    if isinstance(event, TableRetrying):
        output.write_stderr([retry_line(terminal, event)])
