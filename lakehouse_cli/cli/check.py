"""`lakehouse check`: what is stored, validated without computing anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.cli.run_output import RunOutput
from lakehouse_cli.project.run_request import RunRequest

if TYPE_CHECKING:
    from lakehouse_cli.runs.events import Event


EXAMPLES = """\b
Examples:
  lakehouse check                    everything that is stored, sources included
  lakehouse check kind:source        the data that came in, before anything is computed
  lakehouse check daily -e prod
  lakehouse check daily --partition day=2024-03-01
  lakehouse check -o json | jq '.tables[] | select(.status != "passed")'

\b
Exit codes:
  0 passed, or warnings alone · 1 a contract or check failed or errored, or a table that was
  named is not materialized · 2 usage · 3 the project is invalid · 130 interrupted"""


@options.everywhere
def command(
    settings: options.Settings,
    request: RunRequest,
    partition: options.Partitions = None,
    fail_fast: Annotated[
        bool, options.option("-x", "--fail-fast", help="Start nothing more once a table has failed.")
    ] = False,
    workers: Annotated[int | None, options.option("--workers", metavar="N", help="How many tables at once.")] = None,
    executor: options.Executor = None,
    param: options.Params = None,
) -> int:
    """Validate stored data, sources included: types, nulls, keys and checks.

    Nothing is computed and no data are changed. `lakehouse show TABLE --failed` shows the rows that fail.
    """
    from lakehouse_cli.project.checking import check_project
    from lakehouse_cli.runs.events import Moment, RunStarted

    now = Moment.now()
    if workers is not None and workers < 1:
        raise typer.BadParameter("the number of workers is 1 or more", param_hint="`--workers`")
    project = settings.project(params=options.given_params(param))
    request = replace(request, executor=executor, workers=workers, fail_fast=fail_fast)
    request = replace(request, partitions=tuple(partition or ()))

    def handle(event: Event) -> None:
        if isinstance(event, RunStarted):
            options.work_begins()
            if settings.json:
                output.write_stderr(event.notes)
        reports.handle(event)

    with RunOutput(settings, project.planner.mask, log_json=False) as reports:
        found = check_project(project.planner, request, handle, now)
    if settings.json:
        output.write_json(found.to_json())
    else:
        from lakehouse_cli.rendering.reporters.run_text import failure_lines

        output.flush()
        output.write_stderr(failure_lines(settings.stderr, found.run.tables, verbose=settings.verbose))
    if reports.trouble is not None:
        raise output.UnwrittenError(reports.trouble.errno, reports.trouble.strerror)
    if found.status == "cancelled":
        options.Current.interruption_reported = True
        return exit_codes.INTERRUPTED
    return 0 if found.status == "success" else 1
