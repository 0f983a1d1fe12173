"""`lakehouse run`: materialize."""

from __future__ import annotations

import contextlib
import gc
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_cli.cli import options
from lakehouse_cli.cli.plan import render

if TYPE_CHECKING:
    from lakehouse_cli.reporters.base import Reporter

EXAMPLES = """\b
Examples:
  lakehouse run                      every table
  lakehouse run +summary             `summary` and all it is computed from
  lakehouse run daily+ --exclude tag:slow
  lakehouse run --dry-run            what it would do; the same as `lakehouse plan`
  lakehouse run -o json > run.json   one document, for scripts

\b
Exit codes:
  0 done · 1 a table failed · 2 usage · 3 the project is invalid · 130 interrupted"""


def command(
    selection: options.Selection = None,
    select: options.SelectOption = None,
    exclude: options.Exclude = None,
    force: Annotated[
        bool,
        typer.Option(
            "-f",
            "--force",
            envvar="LAKEHOUSE_FORCE",
            show_envvar=False,
            help="Run what is selected though it is up to date.",
        ),
    ] = False,
    fail_fast: Annotated[
        bool,
        typer.Option(
            "-x",
            "--fail-fast",
            envvar="LAKEHOUSE_FAIL_FAST",
            show_envvar=False,
            help="Start nothing more once a table has failed.",
        ),
    ] = False,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed",
            envvar="LAKEHOUSE_FAILED",
            show_envvar=False,
            help="Only what failed, was skipped or was cancelled in the last run.",
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", envvar="LAKEHOUSE_WORKERS", show_envvar=False, help="How many tables at once."
        ),
    ] = None,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor",
            metavar="NAME",
            envvar="LAKEHOUSE_EXECUTOR",
            show_envvar=False,
            help="threads, serial or processes.",
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", envvar="LAKEHOUSE_WAIT", show_envvar=False, help="Wait for another run of this project to end."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", envvar="LAKEHOUSE_DRY_RUN", show_envvar=False, help="Show the plan and change nothing."
        ),
    ] = False,
    project_dir: options.ProjectDir = None,
    env: options.Env = None,
    output: options.OutputOption = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Materialize tables, each held to its contract.

    In dependency order; each result is checked before it is published. What needs a table that failed is skipped, the
    rest goes on. A failed or interrupted run leaves the stored tables as they were.
    """
    if workers is not None and workers < 1:
        raise typer.BadParameter("the number of workers is 1 or more", param_hint="--workers")
    settings = options.settings(project_dir, env, output, quiet, verbose)
    project = settings.project()
    terms = options.chosen(selection, select)
    if dry_run:
        render(project.plan(*terms, exclude=exclude or (), force=force, failed=failed), settings)
        return 0
    gc.freeze()
    gc.enable()
    with contextlib.ExitStack() as stack:
        reporter = _reporter(settings)
        stack.callback(reporter.close)
        if settings.json:
            # What transforms print is not part of the document.
            stack.enter_context(contextlib.redirect_stdout(sys.stderr))
        result = project.run(
            *terms,
            exclude=exclude or (),
            force=force,
            failed=failed,
            fail_fast=fail_fast,
            executor=executor,
            workers=workers,
            wait=wait,
            on_event=reporter.handle,
        )
    if settings.json:
        from lakehouse_cli.events import result_json

        options.write_json(result_json(result))
    else:
        from lakehouse_cli.reporters.run_text import failure_lines

        sys.stdout.flush()
        options.complain(failure_lines(settings.stderr, result.tables, verbose=settings.verbose))
    if result.status == "cancelled":
        return 130
    return 0 if result.status == "success" else 1


def _reporter(settings: options.Settings) -> Reporter:
    from lakehouse_cli.reporters.base import SilentReporter
    from lakehouse_cli.reporters.lines import LinesReporter

    terminal = settings.stdout
    if settings.json or settings.quiet:
        return SilentReporter()
    if terminal.interactive:
        from lakehouse_cli.reporters.live import LiveReporter

        return LiveReporter(sys.stdout, terminal, verbose=settings.verbose)
    return LinesReporter(sys.stdout, terminal)
