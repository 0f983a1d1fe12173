"""`lakehouse validate`: everything that can be known without data."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.errors import ProjectError
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import note_lines

if TYPE_CHECKING:
    from lakehouse_cli.operations.transform_tests.rehearsal import RehearsedTable
    from lakehouse_cli.project.facade import Project

EXAMPLES = """\b
Examples:
  lakehouse validate                 exit code 0, or 3 with every problem and its place
  lakehouse validate -C shop -o json the same for a script
  lakehouse validate --rehearse      each transform on rows made up; exit code 1 if one fails
  lakehouse validate --accept daily --dry-run    how its `columns:` differ from its result
  lakehouse validate --accept daily  writes that into lakehouse.yaml"""
# How many notes are shown.
_NOTES = 20
_ROWS, _SEED = 20, 0


@options.everywhere
def command(
    settings: options.Settings,
    rehearse: Annotated[
        bool, options.option("--rehearse", help="Call each transform on rows made up by its inputs' contracts.")
    ] = False,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            metavar="N",
            envvar="LAKEHOUSE_REHEARSE_ROWS",  # that of `--rows` says how many to show
            show_envvar=False,
            help=f"How many to make up for each input ({_ROWS}).",
        ),
    ] = None,
    seed: Annotated[int | None, options.option("--seed", metavar="S", help=f"Decides their values ({_SEED}).")] = None,
    accept: Annotated[
        str | None,
        options.option(
            "--accept",
            metavar="TABLE",
            help="Declare the columns that its transform returns on them.",
            autocompletion=options.completed("computed_tables"),
        ),
    ] = None,
    dry_run: Annotated[bool, options.option("--dry-run", help="Show what --accept would write.")] = False,
    param: options.Params = None,
) -> int:
    """Find every problem that can be known without data.

    Checks the project file, the module's functions and parameters, the modules that these reach, the packages that they
    import, types against the formats of every environment, and cycles. Reads no data, and runs none of your
    code but a module that declares tables: that of `assets`, or of `-m`; --rehearse and --accept run transforms.
    """
    if accept is not None and rehearse:
        raise typer.BadParameter("leave out `--rehearse`: it rehearses the one table", param_hint="`--accept`")
    if not rehearse and accept is None and (rows is not None or seed is not None):
        raise typer.BadParameter("it says how to rehearse: add `--rehearse`", param_hint="`--rows`, `--seed`")
    if rows is not None and rows < 0:
        raise typer.BadParameter("the number of rows is 0 or more", param_hint="`--rows`")
    try:
        project = settings.project(thorough=True, params=options.given_params(param))
        imported = project.planner.imported
        ran = (
            (f"{imported} was imported, as it is whenever the project is loaded: it declares tables",)
            if imported
            else ()
        )
        notes = (*ran, *project.planner.notes())
    except ProjectError as error:
        return options.report_error(error, would_run=False)
    rows, seed = _ROWS if rows is None else rows, _SEED if seed is None else seed
    if accept is not None:
        return _accept(settings, project, accept, rows, seed, write=not dry_run)
    rehearsed = _rehearsed(project, rows, seed) if rehearse else ()
    failed = any(each.status == "failed" for each in rehearsed)
    computed = sum(table.kind == "computed" for table in project.tables.values())
    if settings.json:
        sources = len(project.tables) - computed
        counts = {"tables": len(project.tables), "sources": sources, "computed": computed}
        output.write_json(
            {
                "project": project.name,
                "valid": True,
                **counts,
                "environments": list(project.environments),
                "notes": list(notes),
            }
            | ({"rehearsal": _document(rehearsed, rows, seed)} if rehearse else {})
        )
    elif not settings.quiet:
        parts = f"{plural(len(project.tables) - computed, 'source')}, {count_text(computed)} computed"
        environments = len(project.environments)
        of_all = f", in {plural(environments, 'environment')}" if environments > 1 else ""
        output.write(f"{project.name} is valid: {plural(len(project.tables), 'table')} ({parts}){of_all}")
        output.write_lines(note_lines(settings.stdout, notes, _NOTES))
        output.write_lines(_lines(settings, rehearsed, rows, seed) if rehearse else ())
    if failed and not settings.json:
        _report_failures(settings, rehearsed)
    return 1 if failed else 0


def _accept(settings: options.Settings, project: Project, table: str, rows: int, seed: int, *, write: bool) -> int:
    output.take_printed(project.planner.mask)
    options.work_begins()
    found = project.accept_columns(table, rows, seed, write=write)
    written = write and found.text is not None
    if settings.json:
        output.write_json(found.to_json(written=written))
        return 0
    if not found.changes:
        output.write_lines(() if settings.quiet else (f"`{table}` declares what its transform returns",))
        return 0
    if found.text is None:
        output.write_stderr(
            [f"note: the columns of `{table}` are not written where they can be edited; put these there:"]
        )
        shown = {"added": "+", "removed": "-", "changed": "~"}
        output.write_lines(f"{shown[each.change]} {each.column}: {each.type or each.before}" for each in found.changes)
        return 0
    if not settings.quiet:
        output.write_lines(found.diff)
        columns = plural(len(found.changes), "column")
        output.write(f"{'accepted' if written else 'would accept'} {columns} of `{table}` in {found.file}")
    return 0


def _rehearsed(project: Project, rows: int, seed: int) -> tuple[RehearsedTable, ...]:
    output.take_printed(project.planner.mask)
    options.work_begins()
    return project.rehearse(rows, seed)


def _document(rehearsed: tuple[RehearsedTable, ...], rows: int, seed: int) -> dict[str, object]:
    return {"rows": rows, "seed": seed, "tables": [each.to_json() for each in rehearsed]}


def _lines(settings: options.Settings, rehearsed: tuple[RehearsedTable, ...], rows: int, seed: int) -> list[str]:
    counts = Counter(each.status for each in rehearsed)
    of_status = ", ".join(f"{count_text(number)} {status}" for status, number in counts.items())
    skipped = [f"`{each.name}` was not rehearsed: {each.note}" for each in rehearsed if each.status == "skipped"]
    head = f"rehearsed on {plural(rows, 'row')} of each input, seed {seed}: {of_status or 'nothing to compute'}"
    return [head, *note_lines(settings.stdout, skipped, _NOTES)]


def _report_failures(settings: options.Settings, rehearsed: tuple[RehearsedTable, ...]) -> None:
    from lakehouse_cli.rendering.reporters.run_text import failure_lines
    from lakehouse_cli.runs.events import TableResult

    failed = [TableResult(each.name, "failed", error=each.error) for each in rehearsed if each.error is not None]
    output.write_stderr(failure_lines(settings.stderr, failed, verbose=settings.verbose))
