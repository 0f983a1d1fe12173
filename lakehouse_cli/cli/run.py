"""`lakehouse run`: materialize."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.cli.plan import render
from lakehouse_cli.cli.run_output import RunOutput
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    from lakehouse_cli.project.facade import Project
    from lakehouse_cli.runs.events import Event, Moment

EXAMPLES = """\b
Examples:
  lakehouse run                      every table
  lakehouse run +summary             `summary` and all it is computed from
  lakehouse run daily+ --exclude tag:slow
  lakehouse run --param month=2025-11
                                     with another value of a param
  lakehouse run --partition month=2024-01
                                     one partition of those that have it
  lakehouse run --failed             what failed or was skipped the last time
  lakehouse run -e dev summary --defer prod
  lakehouse run --replay daily__quarantine     judges rows that were put aside again
  lakehouse run --together           publish all of it, or nothing
  lakehouse run --watch              again whenever something changes
  lakehouse run --executor processes --workers 4
  lakehouse run --dry-run            what it would do; the same as `lakehouse plan`
  lakehouse run -o json > run.json   one document, for scripts
  lakehouse run -o markdown          one for a pull request

\b
Exit codes:
  0 done · 1 a table failed · 2 usage · 3 the project is invalid · 130 interrupted"""


@options.with_markdown
def command(
    settings: options.Settings,
    request: RunRequest,
    defer: options.Defer = None,
    param: options.Params = None,
    partition: options.Partitions = None,
    as_of: options.AsOf = None,
    max_partitions: Annotated[
        int | None,
        options.option("--max-partitions", metavar="N", help="How many partitions of a table to make; the rest waits."),
    ] = None,
    newest_first: Annotated[
        bool, options.option("--newest-first", help="The last partitions of a table come first.")
    ] = False,
    force: Annotated[
        bool,
        options.option(
            "-f",
            "--force",
            help="Run what is selected though it is up to date, or a newer version of lakehouse stored it.",
        ),
    ] = False,
    fail_fast: Annotated[
        bool,
        options.option(
            "-x", "--fail-fast", help="Start nothing more, nor try anything again, once a table has failed."
        ),
    ] = False,
    failed: Annotated[
        bool,
        options.option(
            "--failed", help="Only tables that failed, were skipped or were cancelled when a run last went for them."
        ),
    ] = False,
    workers: Annotated[int | None, options.option("--workers", metavar="N", help="How many tables at once.")] = None,
    executor: options.Executor = None,
    wait: Annotated[bool, options.option("--wait", help="Wait for another run of this project to end.")] = False,
    watch: Annotated[
        bool, options.option("--watch", help="Run again whenever the project file, the code or a source changes.")
    ] = False,
    log_format: Annotated[
        str | None,
        options.option(
            "--log-format",
            metavar="json",
            help="json: stream the run's events to stderr, a line each.",
            autocompletion=options.completed(("json",)),
        ),
    ] = None,
    reporter: Annotated[
        list[str] | None,
        options.option(
            "--reporter",
            metavar="NAME",
            help="Report to one that a package brings as well; repeatable.",
            autocompletion=options.completed("reporters"),
        ),
    ] = None,
    replay: Annotated[
        list[str] | None,
        options.option(
            "--replay",
            metavar="TABLE__quarantine",
            help="Run the table of a quarantine, and say how many of the rows put aside pass now; repeatable.",
            autocompletion=options.completed("quarantines"),
        ),
    ] = None,
    together: Annotated[
        bool,
        options.option("--together", help="Publish nothing until every table has passed; if one fails, none."),
    ] = False,
    warnings_as_errors: Annotated[
        bool, options.option("--warnings-as-errors", help="Exit with 1 where a check warned in this run.")
    ] = False,
    dry_run: Annotated[bool, options.option("--dry-run", help="Show the plan and change nothing.")] = False,
) -> int:
    """Materialize tables, each validated against its contract.

    In dependency order; each result is checked before it is published. What needs a table that failed is skipped, the
    rest goes on. A failed or interrupted run leaves the stored tables as they were.
    """
    from lakehouse_cli.runs.events import Moment

    now = Moment.now()
    if workers is not None and workers < 1:
        raise typer.BadParameter("the number of workers is 1 or more", param_hint="`--workers`")
    if max_partitions is not None and max_partitions < 1:
        raise typer.BadParameter("the number of partitions is 1 or more", param_hint="`--max-partitions`")
    if log_format not in (None, "json"):
        raise typer.BadParameter(f"`{log_format}` is not a log format; it is json", param_hint="`--log-format`")
    if log_format is not None:
        options.Current.json_lines = True
    request = replace(request, defer=defer, force=force, failed=failed, fail_fast=fail_fast, wait=wait)
    request = replace(request, executor=executor, workers=workers, together=together, replay=tuple(replay or ()))
    request = replace(request, partitions=tuple(partition or ()), as_of=as_of)
    request = replace(request, max_partitions=max_partitions, newest_first=newest_first)
    load = partial(options.Settings.project, params=options.given_params(param))
    if dry_run:
        render(load(settings).planner.plan(request), settings)
        return 0
    shown = partial(_run, log_format=log_format, reporters=tuple(reporter or ()), strict=warnings_as_errors)
    if not watch:
        return shown(settings, load(settings), request, now)
    if settings.is_document:
        hint = f"`-o {settings.output}`"
        raise typer.BadParameter("one document cannot hold the runs of --watch", param_hint=hint)
    return _watch(settings, request, load, shown)


def _run(
    settings: options.Settings,
    project: Project,
    request: RunRequest,
    asked: Moment,
    *,
    log_format: str | None,
    reporters: tuple[str, ...],
    strict: bool,
) -> int:
    from lakehouse_cli.project.execution import run_project
    from lakehouse_cli.rendering.reporters.plugin import PluginReporter
    from lakehouse_cli.runs.events import RunStarted, TableStarted

    nothing_begun = True

    def handle(event: Event) -> None:
        nonlocal nothing_begun
        if isinstance(event, RunStarted):
            options.work_begins()
            if settings.is_document and log_format is None:
                output.write_stderr(event.notes)
        elif isinstance(event, TableStarted) and nothing_begun:
            nothing_begun = False
            # The project, its plan and the modules of its transforms, pandas among them, stay; from here on there is
            # garbage.
            gc.freeze()
            gc.enable()
        reports.handle(event)

    project.planner.behind(request.defer)  # whose variables are masked too
    mask = project.planner.mask
    more = [PluginReporter(name) for name in reporters]
    with RunOutput(settings, mask, log_json=log_format is not None, more=more) as reports:
        result = run_project(project.planner, request, handle, asked)
    if settings.json:
        from lakehouse_cli.runs.events import result_json

        output.write_json(result_json(result))
    elif settings.markdown:
        from lakehouse_cli.rendering.pages import run_page

        output.write_markdown(run_page(result))
    else:
        from lakehouse_cli.rendering.reporters.run_text import failure_lines

        output.flush()
        if log_format is None:
            output.write_stderr(failure_lines(settings.stderr, result.tables, verbose=settings.verbose))
        else:
            # stderr is the events', which have it all; what people read is on stdout.
            output.write_lines(failure_lines(settings.stdout, result.tables, verbose=settings.verbose))
    if log_format is None:
        output.write_stderr([f"note: {mask(each.failure)}" for each in more if each.failure is not None])
    if reports.trouble is not None:
        raise output.UnwrittenError(reports.trouble.errno, reports.trouble.strerror)
    if result.status == "cancelled":
        options.Current.interruption_reported = True
        return exit_codes.INTERRUPTED
    warned = [each for table in result.tables for each in table.warnings if not each.earlier]
    if strict and warned:
        names = ", ".join(dict.fromkeys(f"`{each.name}`" for each in warned[:5]))
        output.write_stderr([f"error: {plural(len(warned), 'warning')} ({names}), and --warnings-as-errors was given"])
        return 1
    return 0 if result.status == "success" else 1


def _watch(
    settings: options.Settings,
    request: RunRequest,
    load: Callable[[options.Settings], Project],
    run: Callable[..., int],
) -> int:
    """Run, wait for a change, run again, until Ctrl-C; an invalid project is reported and waited for."""
    from lakehouse_cli.cli.watching import signature, wait_for_change
    from lakehouse_cli.config.files import all_files
    from lakehouse_cli.errors import LakehouseError
    from lakehouse_cli.runs.events import Moment

    # Found once: while it is away for a moment, as some editors and `git` have it, it is neither given up nor is one in
    # a folder above taken for it.
    file = settings.project_file()
    settings = replace(settings, project_dir=str(file if settings.module is None else file.parent))
    project: Project | None = None

    def watched() -> Iterable[str]:
        return project.planner.watched_files() if project is not None else all_files(file.parent)

    while True:
        before = signature(watched())
        now = Moment.now()
        try:
            project = load(settings)
            # Sources that were not known before count from now on as they are.
            before = {**signature(watched()), **before}
            if run(settings, project, request, now) == exit_codes.INTERRUPTED:
                return exit_codes.INTERRUPTED
        except LakehouseError as error:
            options.report_error(error)
        if not settings.quiet:
            output.write(settings.stdout.style("watching for changes; Ctrl-C ends", "dim"))
            output.flush()
        changed = wait_for_change(before, watched)
        if not settings.quiet:
            names = ", ".join(os.path.relpath(name, file.parent) for name in changed[:5])
            output.write(f"changed: {names if project is None else project.planner.mask(names)}")
            output.flush()
