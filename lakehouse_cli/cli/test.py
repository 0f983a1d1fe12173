"""`lakehouse test`: the tests of transforms."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.plan.selection import mentions_state
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.text.terminal import note_lines

if TYPE_CHECKING:
    from lakehouse_cli.operations.transform_tests.results import TestResult

EXAMPLES = """\b
Examples:
  lakehouse test                        every test under `tests:` of a table
  lakehouse test daily_highs tag:report the tests of these tables
  lakehouse test state:modified         of tables that an edit would run again
  lakehouse test -o json                every row that differs
  lakehouse test daily_highs --record "as stored" --rows 5    write a test into lakehouse.yaml
  lakehouse test daily_highs --record "as stored" --update    what comes now is right

\b
Exit codes:
  0 all passed, or there are none · 1 one failed · 2 usage · 3 a test, or the project, is wrong"""

_ROWS = 5


_NONE = "a table's `tests:` are rows on which its function is called; `lakehouse check` validates what is stored"


@options.everywhere
def command(
    settings: options.Settings,
    request: RunRequest,
    record: Annotated[
        str | None,
        options.option("--record", metavar="NAME", help="Write a test of this name: stored rows, and what comes."),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            metavar="N",
            envvar="LAKEHOUSE_RECORD_ROWS",  # that of `--rows` says how many to show
            show_envvar=False,
            help=f"How many rows to record of each input ({_ROWS}).",
        ),
    ] = None,
    update: Annotated[
        bool, options.option("--update", help="Record anew what the test expects, of the rows that it gives.")
    ] = False,
    param: options.Params = None,
) -> int:
    """Call transforms on the rows that their tests give, and compare what comes.

    Needs no storage, no variable and no network; but `state:` and --record ask what is stored.
    """
    params = options.given_params(param)
    if record is not None:
        return _record(settings, request, record, rows, params, update=update)
    if rows is not None or update:
        raise typer.BadParameter("it says how to record: add `--record NAME`", param_hint="`--rows`, `--update`")
    has_state = mentions_state((*request.selection, *request.exclude))
    project = settings.project(incomplete=not has_state, with_tests=True, params=params)
    output.take_printed(project.planner.mask)
    options.work_begins()

    from lakehouse_cli.operations.transform_tests import report  # loads Arrow

    gc.enable()  # what tests leave is let go, as in a run
    terminal, began = settings.stdout, perf_counter()
    shows = not settings.json and not settings.quiet

    def show(result: TestResult) -> None:
        output.write(report.result_line(terminal, result))
        output.flush()

    found = project.test(*request.selection, exclude=request.exclude, on_test=show if shows else None)
    if settings.json:
        output.write_json(found.to_json())
        return 0 if found.passed else 1
    output.write_lines(report.report_lines(terminal, found.tests, verbose=settings.verbose))
    if shows:
        output.write_stderr(list(note_lines(settings.stderr, found.notes)))
        if not found.tests:
            output.write("No tests selected")
            if not request.selection:
                output.write_stderr(list(note_lines(settings.stderr, [_NONE])))
            return 0
        output.write()
        output.write(report.summary_line(terminal, found, perf_counter() - began))
    return 0 if found.passed else 1


def _record(
    settings: options.Settings,
    request: RunRequest,
    name: str,
    rows: int | None,
    params: Mapping[str, Any],
    *,
    update: bool,
) -> int:
    if len(request.selection) != 1 or request.exclude:
        raise typer.BadParameter("name the one table that is tested", param_hint="`--record`")
    if rows is not None and (update or rows < 0):
        problem = "a test that is updated keeps the rows that it gives" if update else "the number of rows is 0 or more"
        raise typer.BadParameter(problem, param_hint="`--rows`")
    project = settings.project(incomplete=update, with_tests=True, params=params)
    output.take_printed(project.planner.mask)
    options.work_begins()
    recorded = project.record_test(request.selection[0], name, _ROWS if rows is None else rows, update=update)
    if recorded.left_out:
        columns = first_named(recorded.left_out, 5)
        output.write_stderr([f"note: left out, as their values are sensitive: {columns}; add made-up ones by hand"])
    if settings.json:
        document = {"table": recorded.table, "name": name, "file": recorded.file, "yaml": "\n".join(recorded.lines)}
        output.write_json(document)
        return 0
    if recorded.file is None:
        output.write_stderr([f"note: `{recorded.table}` is not declared in lines of YAML of its own; put this there:"])
        output.write_lines(recorded.lines)
    elif not settings.quiet:
        output.write(
            f"{'updated' if update else 'recorded'} test `{name}` in {recorded.file}: {plural(recorded.rows, 'row')}"
        )
    return 0
