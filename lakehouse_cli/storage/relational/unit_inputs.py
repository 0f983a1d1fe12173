"""Partitions that a query reads in the database in which they are: which rows, and what their content is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.storage.format_storage import missing_data
from lakehouse_cli.storage.relational.session import UNIT_COLUMN, Found, Relation, Session, unit_columns
from lakehouse_cli.storage.relational.unit_rows import contents_of
from lakehouse_cli.text.sql import literal, quote

if TYPE_CHECKING:
    from lakehouse_cli.storage.relational.base import RelationalStorage


class UnitInput(NamedTuple):
    """The rows of some partitions of a table.

    Attributes:
        base: The table.
        found: The columns of the rows; None where there are no partitions.
        source: What has the rows, as SQL that can stand in FROM.
        record: Their content, as this transaction sees it.
        untouched: Whether the database shows that nobody altered them since they were stored.
    """

    base: Relation
    found: Found | None
    source: str
    record: InputRecord
    untouched: bool


def look_at_units(storage: RelationalStorage, session: Session, table: Table) -> UnitInput:
    """Look at the partitions that a query reads: one, those that are selected, or all.

    Args:
        storage: Of the table.
        session: The transaction.
        table: A partition, or a table by partition.

    Raises:
        MissingDataError: One of them is not there.
    """
    base = storage.relation(table).base
    kept = session.units(base)
    recorded = kept.index.of(table.partitions)
    wanted = _wanted(table, recorded)
    lacking = next((each for each in wanted if each not in recorded), None)
    if lacking is not None or (not wanted and table.selected is None):
        lacks = table if lacking is None or table.partition is not None else unit_of(table, lacking)
        raise missing_data(lacks, storage.uri(lacks))
    if not wanted:
        return UnitInput(base, None, "", content_of_partitions([]), untouched=True)
    contents, unsure = contents_of(session, base, kept, wanted)
    if unsure:
        session.expect_digests(unsure)
        digests = storage.digests(session, unsure)
        contents |= contents_of(session, base, kept, [each.partition for each in unsure], digests)[0]
    gone = next((each for each in wanted if each not in contents), None)
    there = session.find_one(base)
    names = dict.fromkeys(name for each in wanted for name, _ in recorded[each].shared.columns)
    found = None if there is None or gone is not None else unit_columns(there, names)
    if found is None:
        lacks = table if gone is None or table.partition is not None else unit_of(table, gone)
        raise missing_data(lacks, storage.uri(lacks))
    counted = [(each, _counted(session, base.of_unit(each), contents[each])) for each in wanted]
    record = counted[0][1] if table.partition is not None else content_of_partitions(counted)
    columns = ", ".join(quote(name) for name, _ in found.columns)
    units = ", ".join(literal(base.of_unit(each).unit) for each in wanted)
    source = f"(SELECT {columns} FROM {session.sql(base)} WHERE {UNIT_COLUMN} IN ({units})) AS source"
    return UnitInput(base, found, source, record, not unsure)


def _wanted(table: Table, recorded: Iterable[Partition]) -> tuple[Partition, ...]:
    if table.partition is not None:
        return (table.partition,)
    return tuple(recorded) if table.selected is None else table.selected


def _counted(session: Session, relation: Relation, record: InputRecord) -> InputRecord:
    return record if record.rows >= 0 else record._replace(rows=session.count(relation))
