"""`lakehouse init`: a project that runs as it stands, from a template or of data that is there."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_cli.cli import options, output
from lakehouse_cli.errors import ProjectError, UsageError
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import size_text

if TYPE_CHECKING:
    from lakehouse_cli.inference.project import InferredProject
    from lakehouse_cli.scaffold import Scaffolded

EXAMPLES = """\b
Examples:
  lakehouse init                     the minimal template, in this folder
  lakehouse init shop --template shop
  lakehouse init --list-templates
  lakehouse init --from-data raw/*.csv          declare these files, in this folder
  lakehouse init -C shop --from-data crm.sqlite sales.xlsx orders.jsonl
  lakehouse init --from-data orders.csv --dry-run   print lakehouse.yaml"""
# Files of less than so many bytes are read before anybody looks.
_LONG = 32 << 20
_ELSEWHERE = "lakehouse init -C DIR --from-data FILES…"
_SECONDS = 0.2


@options.everywhere
def command(
    settings: options.Settings,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DIR|FILES",
            show_default=False,
            help="Where; made if it is not there. Default: this folder. With --from-data, the files to declare.",
        ),
    ] = None,
    template: Annotated[
        str,
        options.option(
            "-t",
            "--template",
            metavar="NAME",
            help="What to start from.",
            autocompletion=options.completed("templates"),
        ),
    ] = "minimal",
    list_templates: Annotated[bool, options.option("--list-templates", help="List the templates and exit.")] = False,
    from_data: Annotated[
        bool,
        options.option(
            "--from-data",
            help="Declare FILES, or those of folders, as sources: CSV, Parquet, Arrow, Excel, JSON, SQLite, DuckDB, or "
            "a PostgreSQL URL. Every row is read; what is not certain stays text, with a comment.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, options.option("--dry-run", help="With --from-data: print lakehouse.yaml, and write nothing.")
    ] = False,
) -> int | None:
    """Scaffold a project that runs as it stands. Never overwrites a file."""
    from lakehouse_cli.scaffold import scaffold, templates

    named = arguments or []
    if list_templates:
        known = templates()
        if settings.json:
            output.write_json({"templates": [{"name": t.name, "description": t.description} for t in known.values()]})
            return None
        output.write_lines(
            columns(settings.stdout, ("", ""), [[Cell(t.name, "bold"), Cell(t.description)] for t in known.values()])
        )
        return None
    if from_data:
        return _from_data(settings, named, dry_run=dry_run)
    if dry_run:
        raise UsageError("`--dry-run` goes with `--from-data`", hint="`lakehouse init --from-data FILES… --dry-run`")
    if len(named) > 1:
        raise UsageError(
            f"a project has one folder, and {count_text(len(named))} are named",
            hint=f"to declare files: `lakehouse init --from-data {shlex.join(named[:3])}{' …' if named[3:] else ''}`",
        )
    options.work_begins()
    made = scaffold(Path(settings.project_dir or ".") / (named[0] if named else "."), template)
    _report(settings, made, f"made from the template `{template}` in {made.folder}")
    return None


def _from_data(settings: options.Settings, named: Sequence[str], *, dry_run: bool) -> int | None:
    from lakehouse_cli.inference.project import infer_project
    from lakehouse_cli.scaffold import check_absent, project_name, write_project

    if not named:
        raise UsageError("`--from-data` needs files", hint="`lakehouse init --from-data raw/*.csv`")
    folder = Path(settings.project_dir or ".")
    contents = [Path("lakehouse.yaml"), Path("transforms.py")]
    if not dry_run:
        check_absent(folder, contents, _ELSEWHERE)
        options.work_begins()
    progress = _Progress(settings)
    try:
        inferred = infer_project(project_name(folder), folder, named, progress)
    except ProjectError as error:
        return options.report_error(error, would_run=False)
    finally:
        progress.end()
    if dry_run:
        output.write(inferred.project_file.rstrip("\n"))
        return None
    texts = (inferred.project_file, inferred.transforms)
    made = write_project(folder, {path: text.encode() for path, text in zip(contents, texts, strict=True)}, _ELSEWHERE)
    _report(settings, made, f"declares {plural(len(inferred.tables), 'source')} in {made.folder}", inferred)
    return None


def _report(settings: options.Settings, made: Scaffolded, what: str, inferred: InferredProject | None = None) -> None:
    tables = list(zip(inferred.tables, inferred.found, strict=True)) if inferred else []
    if settings.json:
        document: dict[str, Any] = {"project": made.name, "directory": str(made.folder), "files": list(made.files)}
        if inferred:
            document["tables"] = [
                {
                    "name": name,
                    "source": found.table.source,
                    "rows": found.table.rows,
                    "columns": [
                        {"name": each.name, "type": each.type or None, "comment": each.comment or None}
                        for each in found.table.columns
                    ],
                    "comments": list(found.table.comments),
                }
                for name, found in tables
            ]
        output.write_json(document)
        return
    if settings.quiet:
        return
    terminal = settings.stdout
    output.write(f"{terminal.style(made.name, 'bold')}: {what}")
    if tables:
        doubts = {
            name: sum(bool(each.comment) for each in f.table.columns) + len(f.table.comments) for name, f in tables
        }
        rows = [
            [
                Cell(name, "bold"),
                Cell(count_text(found.table.rows)),
                Cell(count_text(len(found.table.columns))),
                Cell(plural(doubts[name], "comment") if doubts[name] else ""),
            ]
            for name, found in tables
        ]
        output.write()
        output.write_lines(columns(terminal, ("table", "rows", "columns", ""), rows, right=frozenset((1, 2))))
        output.write()
    for file in made.files:
        output.write(f"  {terminal.style(file, 'dim')}")
    where = "" if made.folder == Path() else f"cd {shlex.quote(str(made.folder))} && "
    todo = f"lakehouse show {tables[0][0]}" if tables else "lakehouse run"
    output.write(f"next: {where}{todo}")


class _Progress:
    """How far a long file is read, on a terminal in one line that is overwritten, else a line for each file."""

    def __init__(self, settings: options.Settings) -> None:
        self._is_quiet = settings.quiet or settings.json
        self._is_live = output.Streams.stderr.isatty()
        self._done: dict[str, int] = {}
        self._shown_at = 0.0
        self._has_line = False

    def __call__(self, name: str, done: int, size: int) -> None:
        self._done[name] = total = self._done.get(name, 0) + done
        if self._is_quiet or size < _LONG:
            return
        if not self._is_live:
            if total == done:
                output.write_stderr([f"reading {name} ({size_text(size)})"])
            return
        now = time.monotonic()
        if now - self._shown_at >= _SECONDS:
            self._shown_at, self._has_line = now, True
            output.Streams.stderr.write(f"\r\x1b[Kreading {name}  {size_text(total)} of {size_text(size)}")
            output.Streams.stderr.flush()

    def end(self) -> None:
        """Clear the line."""
        if self._has_line:
            output.Streams.stderr.write("\r\x1b[K")
            output.Streams.stderr.flush()
