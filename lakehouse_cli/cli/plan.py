"""`lakehouse plan`: the order, and what would be done and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec.structs import replace

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.project.run_request import RunRequest

if TYPE_CHECKING:
    from lakehouse_cli.plan.planned import Plan

EXAMPLES = """\b
Examples:
  lakehouse plan                     every table, in order
  lakehouse plan +summary            `summary` and all it is computed from
  lakehouse plan -e dev summary --defer prod
                                     inputs missing in `dev` are read from `prod`
  lakehouse plan --param month=2025-11
                                     with another value of a param
  lakehouse plan --partition month=2024-01..2024-06
                                     some partitions of those that have them
  lakehouse plan -o markdown         for a pull request
  lakehouse plan --exit-code         exit code 4 when there is something to do"""


@options.with_markdown
def command(
    settings: options.Settings,
    request: RunRequest,
    defer: options.Defer = None,
    param: options.Params = None,
    partition: options.Partitions = None,
    as_of: options.AsOf = None,
    exit_code: Annotated[
        bool, options.option("--exit-code", help="Exit with 4 when there is something to do.")
    ] = False,
) -> int:
    """Show what a run would do, in order, and why.

    Changes nothing and runs none of your code, but a module that declares tables.
    """
    project = settings.project(params=options.given_params(param))
    from lakehouse_cli.project import cluster_notes  # loaded by now, but for a shell that asks

    request = replace(request, defer=defer, partitions=tuple(partition or ()), as_of=as_of)
    plan = project.planner.plan(request, only_shown=not cluster_notes.takes_bundle(project.planner))
    options.Current.plan = plan
    render(cluster_notes.with_bundle_note(project.planner, plan, always=settings.verbose), settings)
    project.planner.keep()
    return exit_codes.DUE if exit_code and any(each.action in ("run", "check") for each in plan.tables) else 0


def render(plan: Plan, settings: options.Settings) -> None:
    """Write a plan to stdout."""
    from lakehouse_cli.rendering.plan_text import plan_lines, plan_note_lines, summed_up, trouble_lines

    if settings.markdown:
        from lakehouse_cli.rendering.pages import plan_page

        output.write_markdown(plan_page(plan))
        return
    if settings.json:
        output.write_stderr(plan.notes)
        output.write_json(plan.to_json())
        return
    if settings.quiet:
        output.write_stderr(trouble_lines(plan, settings.stderr))
        return
    terminal = settings.stdout
    output.write(f"{terminal.style(plan.project, 'bold')} · {plan.environment} · plan")
    output.write_lines(plan.notes)
    if plan.tables:
        output.write()
        output.write_lines(plan_lines(terminal, plan))
        output.write()
    output.write(terminal.wrap(summed_up(plan)))
    output.write_lines(trouble_lines(plan, terminal))
    output.write_lines(plan_note_lines(terminal, plan))
    warned = [(t.name, each) for t in plan.tables for each in t.checks if each.status in ("warned", "errored")]
    if warned:
        from lakehouse_cli.rendering.reporters.check_text import warning_lines

        output.write_lines(warning_lines(terminal, warned))
