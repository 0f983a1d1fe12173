"""`lakehouse copy`: stored tables and their manifests, from one environment to another."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from lakehouse_cli.cli import options, output
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.rendering.reporters.problems import violation_lines
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.terminal import HANGING, Terminal, printable, size_text, time_text

if TYPE_CHECKING:
    from lakehouse_cli.operations.copying import CopiedTable, CopyResult

EXAMPLES = """\b
Examples:
  lakehouse copy --from default --to prod            every computed table
  lakehouse copy +summary --from dev --to prod --dry-run
  lakehouse copy --from prod --to dev --sources      sources as well
  lakehouse copy summary --to prod --force           over what is newer there
  lakehouse copy daily --to prod --partition month=2024-03

\b
Exit codes:
  0 all there · 1 a table is missing, refused or failed, or a run goes on there · 2 usage"""
_WIDEST_NAME = 40
_EXPLAINED = ("missing", "refused", "failed")
_MARKS = {
    "copied": ("✓", "green", "copied"),
    "planned": ("▸", "cyan", "to copy"),
    "unchanged": ("=", "dim", "unchanged"),
    "missing": ("✗", "red", "missing"),
    "refused": ("✗", "red", "refused"),
    "held_back": ("○", "yellow", "held back"),
    "failed": ("✗", "red", "failed"),
}


@options.everywhere
def command(
    settings: options.Settings,
    request: RunRequest,
    source: Annotated[
        str | None,
        options.option(
            "--from",
            metavar="ENV",
            help="Environment to copy from (else that of --env).",
            autocompletion=options.ENVIRONMENTS,
        ),
    ] = None,
    target: Annotated[
        str | None,
        options.option(
            "--to", metavar="ENV", help="Environment to copy to; required.", autocompletion=options.ENVIRONMENTS
        ),
    ] = None,
    partition: options.Partitions = None,
    sources: Annotated[bool, options.option("--sources", help="Copy sources too: what they declare.")] = False,
    force: Annotated[
        bool, options.option("-f", "--force", help="Overwrite also what is newer there, or another's.")
    ] = False,
    dry_run: Annotated[bool, options.option("--dry-run", help="Show what would be copied; copy nothing.")] = False,
) -> int:
    """Copy stored tables and their manifests to another environment.

    What was computed here is not computed again there: a plan there finds it up to date, as far as its inputs are the
    same. What is newer there, and what has no manifest there, is not overwritten, and then nothing is copied.
    """
    if target is None:
        raise typer.BadParameter("name the environment to copy to", param_hint="`--to`")
    project = replace(settings, env=source or settings.env).project()
    shown = not (settings.json or settings.quiet)
    title = f"{settings.stdout.style(project.name, 'bold')} · {project.environment} → {target} · copy"
    progress = _Progress(settings.stdout, title, tuple(project.tables)) if shown else None
    options.work_begins()
    try:
        result = project.copy(
            *request.selection,
            to=target,
            exclude=request.exclude,
            partitions=partition or (),
            sources=sources,
            force=force,
            dry_run=dry_run,
            on_table=progress.ended if progress is not None else None,
            on_begin=progress.begun if progress is not None else None,
        )
    finally:
        if progress is not None:
            progress.redraw()
    if settings.json:
        output.write_stderr(result.notes)
        output.write_json(result.to_json())
    elif progress is not None:
        progress.head()  # of what had nothing to copy too
        _finish(result)
    if not settings.json:
        _explain(result, settings.stderr)
    return 0 if result.succeeded else 1


class _Progress:
    """A line for each table that has ended; on a terminal, also the one that is under way.

    The title comes with the first of them: where nothing can be begun, an error is all there is to report.
    """

    def __init__(self, terminal: Terminal, title: str, names: tuple[str, ...]) -> None:
        self._terminal = terminal
        self._names = names
        self._title: str | None = title  # until it is written
        self._headed = False

    def head(self) -> None:
        """Write the title, once."""
        if self._title is not None:
            output.write(self._title)
        self._title = None

    def begun(self, name: str) -> None:
        """Show what is under way, where a line can be redrawn."""
        self.head()
        self.redraw(self._terminal.fit(self._terminal.style(f"  copying {name} …", "dim")))

    def redraw(self, text: str = "") -> None:
        """Replace the line of what is under way."""
        if self._terminal.interactive:
            sys.stdout.write("\r\x1b[K" + text)
            output.flush()

    def ended(self, table: CopiedTable) -> None:
        """Write a table's line."""
        self.redraw()
        self.head()
        head, line = self._lines(table)
        output.write_lines([line] if self._headed else ["", head, line])
        self._headed = True
        output.flush()

    def _lines(self, table: CopiedTable) -> list[str]:
        mark, style, word = _MARKS[table.status]
        width = min(max((len(name) for name in self._names), default=5), _WIDEST_NAME)
        parts = [_counted(table)] if table.partitions else []
        parts += [plural(table.rows, "row")] if table.rows is not None else []
        if table.status == "copied":
            parts += [size_text(table.bytes), time_text(table.duration_s), table.uri]
        # What did not come about is explained below.
        parts += [table.note] if table.note and table.status not in _EXPLAINED else []
        row = [
            Cell(mark, style),
            Cell(self._terminal.cut_middle(table.name, width).ljust(width)),
            Cell(word.ljust(9), style),
            Cell(printable(", ".join(parts)), "dim"),
        ]
        return columns(self._terminal, ("", "table", "", ""), [row])


def _counted(table: CopiedTable) -> str:
    """How many partitions of a table ended as it did, of how many: ``10 partitions``, ``2 of 120 partitions``."""
    parts = table.partitions or ()
    here, total = sum(each.status == table.status for each in parts), len(parts) + table.partitions_unchanged
    if here == total:
        return plural(total, "partition")
    copied = sum(each.status == "copied" for each in parts) if table.status != "copied" else 0
    return f"{count_text(here)} of {plural(total, 'partition')}" + (f" ({count_text(copied)} copied)" if copied else "")


def _finish(result: CopyResult) -> None:
    if result.tables:
        output.write()
    output.write_lines(result.notes)
    counts = Counter(table.status for table in result.tables)
    summary = ", ".join(f"{count_text(count)} {_MARKS[status][2]}" for status, count in counts.items())
    output.write(summary or "nothing to copy")


def _copied(result: CopyResult) -> Iterator[str]:
    """What was copied all the same, where something was not."""
    for table in result.tables:
        parts = sum(each.status == "copied" for each in table.partitions or ())
        if table.status == "copied":
            yield f"`{table.name}`"
        elif parts:
            yield f"{plural(parts, 'partition')} of `{table.name}`"


def _explain(result: CopyResult, terminal: Terminal) -> None:
    """What did not come about, and what to do about it."""
    lines = []
    for table in result.tables:
        if table.status in _EXPLAINED:
            lines.append(f"{terminal.style('error:', 'error')} `{table.name}`: {printable(table.note)}")
            for violation in table.error.violations if table.error is not None else ():
                shown = violation_lines(terminal, violation, above=table.note or "")
                lines += [terminal.wrap(f"  {line}", HANGING) for line in shown]
            hint = table.error.hint if table.error is not None else table.hint
            lines += [f"  {printable(hint)}"] if hint else []
    if lines:
        copied = list(_copied(result))
        rest = "; once this is mended, the same command copies the rest"
        lines.append(f"copied: {first_few(copied, 5)}{rest}" if copied else "nothing was copied")
    output.write_stderr(lines)
