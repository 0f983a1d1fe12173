"""`lakehouse accept`: what is stored stands under today's code."""

from __future__ import annotations

from msgspec.structs import replace

from lakehouse_cli.cli import options, output
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.text.terminal import printable

EXAMPLES = """\b
Examples:
  lakehouse plan                     says which tables are due, and why
  lakehouse accept daily             `daily` as it is stored stands under today's code
  lakehouse accept daily --partition month=2024-01..2024-06
  lakehouse accept daily --param month=2025-11"""


@options.everywhere
def command(
    settings: options.Settings,
    request: RunRequest,
    partition: options.Partitions = None,
    param: options.Params = None,
) -> int:
    """Record that stored tables stand under today's code, params and packages.

    They are then not computed again for these. Changes no data. A changed input stays due, and so does a changed
    contract. The history has it.
    """
    from lakehouse_cli.project.accepting import accept_project

    project = settings.project(params=options.given_params(param))
    found = accept_project(project.planner, replace(request, partitions=tuple(partition or ())), None)
    if settings.json:
        output.write_stderr(found.notes)
        output.write_json(found.to_json())
        return 0
    if settings.quiet:
        return 0
    terminal = settings.stdout
    output.write(f"{terminal.style(found.run.project, 'bold')} · {found.run.environment} · accept {found.run.run_id}")
    output.write_lines(found.notes)
    for each in found.tables:
        output.write(terminal.wrap(f"{each.name}  {printable(each.note)}"))
        for reason in each.left:
            output.write(terminal.wrap(f"  still due: {printable(reason.message)}"))
    return 0
