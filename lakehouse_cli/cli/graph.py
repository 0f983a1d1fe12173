"""`lakehouse graph`: the lineage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from lakehouse_cli.cli import options, output
from lakehouse_cli.errors import UsageError
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.text.counts import count_text, plural

if TYPE_CHECKING:
    from lakehouse_cli.model.column_lineage import TableLineage
    from lakehouse_cli.project.facade import Project
    from lakehouse_cli.rendering.lineage import Lineage

FORMATS = ("tree", "mermaid", "dot")
EXAMPLES = """\b
Examples:
  lakehouse graph                    every table, from sources to what is computed from them
  lakehouse graph +summary           `summary` and all it is computed from
  lakehouse graph orders+ --format mermaid
  lakehouse graph --format dot | dot -Tsvg > graph.svg
  lakehouse graph --columns summary  what each column of `summary` is computed from"""
_STATES = {"source": "to read", "run": "to run", "skip": "up to date", "missing": "missing", "outside": "not selected"}


@options.everywhere
def command(
    settings: options.Settings,
    request: RunRequest,
    format_: Annotated[
        str,
        options.option(
            "--format",
            metavar="tree|mermaid|dot",
            callback=options.choice(FORMATS, "a format"),
            help="How it is drawn.",
            autocompletion=options.completed(FORMATS),
        ),
    ] = "tree",
    columns: Annotated[
        bool,
        options.option("--columns", help="Show the lineage of columns: of each, what it is computed from."),
    ] = False,
) -> None:
    """Show the lineage, coloured by what a run would do.

    Each table with what is computed from it below it; changes nothing and runs none of your code, but a
    module that declares tables. With -o json: the tables and the edges between them.

    With --columns: of each selected table, the columns of its inputs that its columns are computed from, and those that
    decide which rows there are. Known for queries; a function may use all columns of its inputs.
    """
    if columns and format_ != "tree":
        raise UsageError(f"--columns is not drawn as {format_}", hint="leave out --format, or ask for -o json")
    project = settings.project()
    chosen = project.select(*request.selection, exclude=request.exclude)
    if columns:
        output.write_stderr(chosen.notes)
        _show_columns(settings, project, project.planner.code.column_lineage(chosen.names))
        return
    from lakehouse_cli.rendering.lineage import dot_lines, lineage, mermaid_lines, tree_lines

    shown = lineage(project.graph, chosen.names, project.plan())
    # Not on stdout, where a document or a picture's text may be.
    output.write_stderr(chosen.notes)
    if settings.json:
        output.write_json(shown.to_json())
        return
    if format_ != "tree":
        output.write_lines(mermaid_lines(shown) if format_ == "mermaid" else dot_lines(shown))
        return
    output.write_lines(tree_lines(settings.stdout, shown))
    if not settings.quiet:
        output.write(settings.stdout.style(settings.stdout.wrap(_summed_up(shown)), "dim"))


def _show_columns(settings: options.Settings, project: Project, tables: Sequence[TableLineage]) -> None:
    from lakehouse_cli.rendering.column_lineage import column_lineage_json, column_lineage_lines

    if settings.json:
        output.write_json(column_lineage_json(project.name, project.environment, tables))
    else:
        output.write_lines(column_lineage_lines(settings.stdout, tables))


def _summed_up(shown: Lineage) -> str:
    counts = Counter(table.shown_as for table in shown.tables)
    parts = [f"{count_text(counts[state])} {text}" for state, text in _STATES.items() if counts[state]]
    return f"{plural(len(shown.tables), 'table')}{': ' if parts else ''}{', '.join(parts)}"
