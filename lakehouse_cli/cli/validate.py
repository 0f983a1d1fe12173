"""`lakehouse validate`: everything that can be known without data."""

from __future__ import annotations

from lakehouse_cli.cli import options, output
from lakehouse_cli.errors import ProjectError
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import note_lines

EXAMPLES = """\b
Examples:
  lakehouse validate                 exit code 0, or 3 with every problem and its place
  lakehouse validate -C shop -o json the same for a script"""
# How many notes are shown.
_NOTES = 20


@options.everywhere
def command(settings: options.Settings) -> int:
    """Find every problem that can be known without data.

    Checks the project file, the module's functions and parameters, the modules that these reach, the packages that they
    import, types against the formats of every environment, and cycles. Reads no data, and runs none of your
    code but a module that declares tables: that of `assets`, or of `-m`.
    """
    try:
        project = settings.project(thorough=True)
        imported = project.planner.imported
        ran = (
            (f"{imported} was imported, as it is whenever the project is loaded: it declares tables",)
            if imported
            else ()
        )
        notes = (*ran, *project.planner.notes())
    except ProjectError as error:
        return options.report_error(error, would_run=False)
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
        )
    elif not settings.quiet:
        parts = f"{plural(len(project.tables) - computed, 'source')}, {count_text(computed)} computed"
        environments = len(project.environments)
        of_all = f", in {plural(environments, 'environment')}" if environments > 1 else ""
        output.write(f"{project.name} is valid: {plural(len(project.tables), 'table')} ({parts}){of_all}")
        output.write_lines(note_lines(settings.stdout, notes, _NOTES))
    return 0
