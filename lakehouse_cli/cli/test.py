"""`lakehouse test`: the tests of transforms."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from lakehouse_cli.cli import options, output
from lakehouse_cli.model.run_request import RunRequest
from lakehouse_cli.plan.selection import mentions_state
from lakehouse_cli.text.terminal import note_lines

if TYPE_CHECKING:
    from lakehouse_cli.operations.transform_tests.results import TestResult

EXAMPLES = """\b
Examples:
  lakehouse test                        every test under `tests:` of a table
  lakehouse test daily_highs tag:report the tests of these tables
  lakehouse test state:modified         of tables that an edit would run again
  lakehouse test -o json                every row that differs

\b
Exit codes:
  0 all passed, or there are none · 1 one failed · 2 usage · 3 a test, or the project, is wrong"""


@options.everywhere
def command(settings: options.Settings, request: RunRequest) -> int:
    """Call transforms on the rows that their tests give, and compare what comes.

    Needs no storage, no variable and no network; but `state:` asks what is stored.
    """
    has_state = mentions_state((*request.selection, *request.exclude))
    project = settings.project(incomplete=not has_state, with_tests=True)
    output.take_printed(project.planner.mask)
    options.work_begins()

    from lakehouse_cli.operations.transform_tests import report  # loads Arrow

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
            return 0
        output.write()
        output.write(report.summary_line(terminal, found, perf_counter() - began))
    return 0 if found.passed else 1
