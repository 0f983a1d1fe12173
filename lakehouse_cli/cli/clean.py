"""`lakehouse clean`: what failed runs left, and stored tables that are no longer declared."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.errors import UsageError
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import Terminal, printable, size_text

if TYPE_CHECKING:
    from lakehouse_cli.model import ProjectSpec
    from lakehouse_cli.project.facade import Project
    from lakehouse_cli.storage.base import Stray

EXAMPLES = """\b
Examples:
  lakehouse clean                    lists what there is, asks, removes
  lakehouse clean --dry-run          only lists
  lakehouse clean daily --partition day=2024-03-01
                                     a stored partition, such as one whose source is gone
  lakehouse clean --yes              for scripts: does not ask

\b
Exit codes:
  0 nothing is left to remove, or only listed · 1 something that could be removed is still there"""
_WHAT = {"unfinished": "left half-written by a run", "undeclared": "not declared", "partition": "to be removed"}


@options.everywhere
def command(
    settings: options.Settings,
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SELECTION",
            help="Tables of which to remove partitions.",
            show_default=False,
            autocompletion=options.SELECTION,
        ),
    ] = None,
    partition: options.Partitions = None,
    yes: Annotated[bool, options.option("-y", "--yes", help="Remove what is listed without asking.")] = False,
    dry_run: Annotated[bool, options.option("--dry-run", help="List, and remove nothing.")] = False,
) -> int:
    """Remove leftovers of runs, and tables no longer declared.

    What failed runs left half-written, and stored tables that the project file does not declare any more: listed with
    their sizes, and asked about, before anything is removed. Where nobody can be asked (no terminal, -o json),
    nothing is removed without --yes. What no manifest of ours describes, another project stored, or was modified
    outside lakehouse, is left alone. With --partition, stored partitions of tables in their place: a run computes them
    again where their sources are there.
    """
    if bool(tables) != bool(partition):
        message = (
            "which partitions of the tables is not said" if tables else "of which tables the partitions are is not said"
        )
        named = "name the tables, and which of their partitions: `lakehouse clean daily --partition day=2024-03-01`"
        raise UsageError(message, hint=f"{named}; or neither, to remove leftovers alone")
    project = settings.project()
    found = project.stored_partitions(*(tables or ()), partitions=partition) if partition else project.leftovers()
    removable = [stray for stray in found if stray.keep is None]
    if not settings.json and (not settings.quiet or removable):
        output.write_lines(_lines(found, settings.stdout, project.spec))
    if not removable or dry_run:
        _finish(project, settings, found, ())
        return 0
    if not yes and not _agreed(settings, removable):
        _finish(project, settings, found, ())
        return exit_codes.FAILED
    options.work_begins()
    after = project.clean(removable)
    _finish(project, settings, found, after)
    return exit_codes.FAILED if any(stray.keep is not None for stray in after) else 0


def _agreed(settings: options.Settings, removable: Sequence[Stray]) -> bool:
    if settings.json:
        return False
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        them = "it" if len(removable) == 1 else "them"
        text = f"nothing was removed: {plural(len(removable), 'thing')} to remove; `--yes` removes {them}"
        output.write_stderr([text])
        return False
    sys.stdout.write(f"remove {plural(len(removable), 'thing')} ({_total(removable)})? [y/N] ")
    output.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        output.write()
    if answer.strip().lower() in ("y", "yes"):
        return True
    output.write("nothing was removed")
    return False


def _total(strays: Sequence[Stray]) -> str:
    return size_text(sum(stray.bytes for stray in strays))


def _former(stray: Stray, spec: ProjectSpec) -> str | None:
    """What a partition is of a table that is declared with other ones, or with none; None for anything else."""
    name, _, path = (stray.table or "").partition("/")
    table = spec.tables.get(name)
    if stray.kind != "undeclared" or table is None or table.kind == "source":
        return None
    if not path:
        by = ", ".join(table.partitions)
        return f"was stored without partitions, and is by {by}" if by else None
    dimensions = tuple([each.partition("=")[0] for each in path.split("/")])
    if dimensions == table.partitions:
        return None
    now = f"is by {', '.join(table.partitions)}" if table.partitions else "has no partitions"
    return f"was stored by {', '.join(dimensions)}, and `{name}` {now}"


def _lines(found: Sequence[Stray], terminal: Terminal, spec: ProjectSpec) -> list[str]:
    if not found:
        return ["nothing to clean"]
    rows = []
    for some, what in _by_table(found, spec):
        first, stays = some[0], some[0].keep is not None
        written = max(each.modified_ns for each in some)
        moment = datetime.fromtimestamp(written / 1e9, UTC).astimezone()
        place = first.uri if len(some) == 1 else _common_place([each.uri for each in some])
        rows.append(
            [
                Cell(printable(place)),
                Cell(_total(some)),
                Cell(f"{moment:%Y-%m-%d %H:%M}", "dim"),
                Cell(printable(what), "yellow" if stays else "dim"),
            ]
        )
    return columns(
        terminal,
        ("file", "size", "written", "what"),
        rows,
        right=frozenset({1}),
        dispensable=(2,),
        shortened=0,
        least=30,
        fold=True,
    )


def _by_table(found: Sequence[Stray], spec: ProjectSpec) -> Iterator[tuple[list[Stray], str]]:
    """What is listed as one, and what it is: partitions that nothing declares any more, of which there may be many."""
    groups: dict[tuple[str, str, str], list[Stray]] = {}
    for stray in found:
        what = _former(stray, spec) or _WHAT[stray.kind]
        what = what if stray.keep is None else f"stays: {_why_it_stays(stray)}"
        table, _, partition = (stray.table or "").partition("/")
        alone = stray.uri if not partition or stray.kind != "undeclared" else ""
        groups.setdefault((alone, table, what), []).append(stray)
    for (_, table, what), some in groups.items():
        named = f"`{some[0].table}`: " if some[0].table else ""
        yield some, f"{named}{what}" if len(some) == 1 else f"`{table}` ({plural(len(some), 'partition')}): {what}"


def _common_place(uris: Sequence[str]) -> str:
    """The folder of several."""
    return os.path.commonprefix(uris).rpartition("/")[0] + "/"  # noqa: RUF071  # the other one changes URLs


def _why_it_stays(stray: Stray) -> str:
    """The reason, without its place, which stands beside it."""
    why, place = stray.keep or "", f"{stray.uri} "
    return f"it {why.removeprefix(place)}" if why.startswith(place) else why


def _finish(project: Project, settings: options.Settings, found: Sequence[Stray], after: Sequence[Stray]) -> None:
    """Report what was removed, and what could not be."""
    removed = [stray for stray in after if stray.keep is None]
    if settings.json:
        output.write_json(_json(project, found, after, removed))
        return
    terminal = settings.stderr
    failed = [stray for stray in after if stray.keep is not None]
    output.write_stderr(
        [f"{terminal.style('error:', 'error')} {s.uri} was not removed: {_why_it_stays(s)}" for s in failed]
    )
    if removed and not settings.quiet:
        output.write(f"removed {plural(len(removed), 'thing')}, {_total(removed)}")


def _json(project: Project, found: Sequence[Stray], after: Sequence[Stray], removed: Sequence[Stray]) -> dict[str, Any]:
    now = {stray.uri: stray for stray in after}
    return {
        "project": project.name,
        "environment": project.environment,
        "removed": len(removed),
        "bytes": sum(stray.bytes for stray in removed),
        "found": [
            {
                "kind": stray.kind,
                "storage": stray.storage,
                "table": stray.table,
                "uri": stray.uri,
                "bytes": stray.bytes,
                "modified_at": datetime.fromtimestamp(stray.modified_ns / 1e9, UTC).isoformat(timespec="milliseconds"),
                "removed": stray.uri in now and now[stray.uri].keep is None,
                "note": now.get(stray.uri, stray).keep,
            }
            for stray in found
        ],
    }
