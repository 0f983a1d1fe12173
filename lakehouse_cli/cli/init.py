"""`lakehouse init`: a project that runs as it stands."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.text.columns import Cell, columns

EXAMPLES = """\b
Examples:
  lakehouse init                     the minimal template, in this folder
  lakehouse init shop --template shop
  lakehouse init --list-templates"""


@options.everywhere
def command(
    settings: options.Settings,
    directory: Annotated[
        str,
        typer.Argument(
            metavar="[DIR]", show_default=False, help="Where; made if it is not there. Default: this folder."
        ),
    ] = ".",
    template: Annotated[
        str, options.option("-t", "--template", metavar="NAME", help="What to start from.")
    ] = "minimal",
    list_templates: Annotated[bool, options.option("--list-templates", help="List the templates and exit.")] = False,
) -> None:
    """Scaffold a project that runs as it stands. Never overwrites a file."""
    from lakehouse_cli.scaffold import scaffold, templates

    if list_templates:
        known = templates()
        if settings.json:
            output.write_json({"templates": [{"name": t.name, "description": t.description} for t in known.values()]})
            return
        output.write_lines(
            columns(settings.stdout, ("", ""), [[Cell(t.name, "bold"), Cell(t.description)] for t in known.values()])
        )
        return
    options.work_begins()
    made = scaffold(Path(settings.project_dir or ".") / directory, template)
    if settings.json:
        output.write_json({"project": made.name, "directory": str(made.folder), "files": list(made.files)})
        return
    if settings.quiet:
        return
    terminal = settings.stdout
    output.write(f"{terminal.style(made.name, 'bold')}: made from the template `{template}` in {made.folder}")
    for file in made.files:
        output.write(f"  {terminal.style(file, 'dim')}")
    where = "" if made.folder == Path() else f"cd {shlex.quote(str(made.folder))} && "
    output.write(f"next: {where}lakehouse run")
