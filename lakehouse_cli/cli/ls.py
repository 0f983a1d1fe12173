"""`lakehouse ls`: the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakehouse_cli.cli import options, output
from lakehouse_cli.cli.description import column_lines, declared_column, description_json, description_lines
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    from lakehouse_cli.model import Table
    from lakehouse_cli.project.facade import Project
    from lakehouse_cli.text.terminal import Terminal

EXAMPLES = """\b
Examples:
  lakehouse ls                       every table
  lakehouse ls tag:weather           those with a tag
  lakehouse ls -v                    with descriptions, owners, meta and columns
  lakehouse ls -q                    the names alone, a line each
  lakehouse ls -o json               with columns, types and inputs"""


@options.everywhere
def command(settings: options.Settings, request: RunRequest) -> None:
    """List the tables, with kind, storage and tags."""
    project = settings.project()
    chosen = project.select(*request.selection, exclude=request.exclude)
    if settings.json:
        output.write_stderr(chosen.notes)
        output.write_json({"tables": [_json(project, name) for name in chosen.names]})
        return
    if settings.quiet:
        output.write_stderr(chosen.notes)
        for name in chosen.names:
            output.write(name)
        return
    terminal = settings.stdout
    if settings.verbose:
        output.write_lines(chosen.notes)
        for name in chosen.names:
            output.write_lines(_lines(project, name, terminal))
            output.write()
        output.write(terminal.style(plural(len(chosen.names), "table"), "dim"))
        return
    rows = []
    for name in chosen.names:
        table = project.tables[name]
        style = "cyan" if table.kind == "source" else None
        tags = ", ".join(table.tags)
        rows.append([Cell(name), Cell(_kind(table), style), Cell(table.storage), Cell(table.path), Cell(tags, "dim")])
    output.write_lines(chosen.notes)
    if rows:
        header = ("table", "kind", "storage", "path", "tags")
        output.write_lines(columns(terminal, header, rows, dispensable=(3, 2), shortened=0, shortest=24))
    output.write(terminal.style(plural(len(rows), "table"), "dim"))


def _kind(table: Table) -> str:
    return f"{table.kind} · {table.serializer}" if table.serializer else table.kind


def _lines(project: Project, name: str, terminal: Terminal) -> list[str]:
    """All that is declared of a table for people."""
    table = project.tables[name]
    title = terminal.title(name, f"{_kind(table)} · {table.storage} · {project.storage(name).uri(table)}")
    lines = [title, *description_lines(terminal, table)]
    if table.columns:
        lines += column_lines(terminal, (declared_column(table, column) for column in table.columns))
    return lines


def _json(project: Project, name: str) -> dict[str, Any]:
    table = project.tables[name]
    return {
        "name": name,
        "kind": table.kind,
        "storage": table.storage,
        "path": table.path,
        "format": table.format or None,
        "uri": project.storage(name).uri(table),
        "columns": [
            {
                "name": column.name,
                "type": str(column.type),
                "nullable": table.contract.may_be_null(column.name),
                "description": column.description,
                "from": column.from_,
                "options": dict(column.options),
            }
            for column in table.columns or ()
        ],
        "inputs": list(project.graph.upstream(name)),
        **description_json(table),
    }
