"""Notes on the tables of a plan: what their storages and transforms do that one should know."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from msgspec.structs import replace

from lakehouse_cli.formats.objects.spec import PATHS
from lakehouse_cli.model import Table
from lakehouse_cli.model.file_pattern import notes_on_years
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.plan.uses import Used, UsedContent


def with_note(planned: PlannedTable, note: str | None) -> PlannedTable:
    """A planned table with a note on its storage, where it would run."""
    return planned if note is None or planned.action != "run" else replace(planned, notes=(*planned.notes, note))


def with_used(
    planned: PlannedTable,
    table: Table,
    used: Used | None,
    content: UsedContent,
    code: ProjectCode,
    shared: Mapping[str, str],
) -> PlannedTable:
    """A planned table with what its transform uses beside its inputs, and what there is to say of that."""
    advice = advice_on(table, code, planned.inputs, () if used is None else used.files, shared)
    if used is None:
        return replace(planned, notes=(*planned.notes, *advice)) if advice else planned
    return replace(planned, notes=(*planned.notes, *content.missing(table), *advice), used=used)


def advice_on(
    table: Table,
    project: ProjectCode,
    inputs: Collection[str],
    files: Collection[str],
    shared: Mapping[str, str],
) -> tuple[str, ...]:
    """What there is to say of a table's transform."""
    if table.quarantine_of:  # it is said of the table
        return ()
    return (*_texts_for_dates(table, project, inputs), *_advice_on_code(table, project, inputs, files, shared))


def _texts_for_dates(table: Table, project: ProjectCode, inputs: Collection[str]) -> Iterator[str]:
    for source in (project.spec.tables[name] for name in inputs) if table.partitions else ():
        if source.kind == "source" and "{" in source.path:
            for note in notes_on_years(source.path, table.partitions):
                yield f"`{table.name}`, by `{source.name}`: {note}"


def _advice_on_code(
    table: Table,
    project: ProjectCode,
    inputs: Collection[str],
    files: Collection[str],
    shared: Mapping[str, str],
) -> tuple[str, ...]:
    found = project.reads(table)
    engine = project.unordered_type(table)
    unordered = None if table.key or table.order_by else engine
    random = table.query.reading.random if table.query is not None and table.query.reading is not None else ()
    if inputs and not found and not random and unordered is None:
        return ()  # nearly every table of a plan
    from lakehouse_cli.plan.advice import advice_for, not_reproducible

    has_paths = any(project.spec.tables[name].serializer in PATHS for name in (*inputs, table.name))
    reads = () if table.order_by or engine is not None else found
    order = not_reproducible(table, random, unordered, reads)
    notes = (advice_for(table, found, inputs, files, has_paths=has_paths), shared.get(table.name), order)
    return tuple(each for each in notes if each is not None)


def shared_connections(code: ProjectCode, tables: Iterable[Table]) -> Mapping[str, str]:
    """The note on tables that may use DuckDB's module-wide connection at once, by the first of them."""
    if not code.anything_reads:
        return {}
    reads = [(table.name, found) for table in tables if (found := code.reads(table))]
    names = [name for name, found in reads if any(read.kind == "duckdb" for read in found)]
    if len(names) < 2 or code.executor != "threads":
        return {}
    from lakehouse_cli.executors.threads import default_workers  # slow to load, and seldom needed
    from lakehouse_cli.plan.advice import at_once, shared_connection

    names = at_once(code.graph, names) if (code.workers or default_workers()) > 1 else []
    return {names[0]: shared_connection(names)} if names else {}
