"""What was found of the partitions of a table, as one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec.structs import replace

from lakehouse_cli.operations.comparing.results import ComparedTable, DiffStatus, RowDifference, SchemaDifference


def united(table: ComparedTable, partitions: Sequence[ComparedTable], limit: int) -> ComparedTable:
    """Sum up the differences of partitions.

    Args:
        table: Their table, as it is stored.
        partitions: Those that were compared, in any order; the others are as they were.
        limit: How many examples of each kind to give.
    """
    parts = sorted(partitions, key=lambda each: each.name)
    failed = next((each for each in parts if each.error is not None), None)
    if failed is not None:
        return replace(table, status="failed", note=f"{failed.name}: {failed.note}", error=failed.error)
    before, after = (
        sum(rows or 0 for rows in found) for found in zip(*((p.rows_before, p.rows) for p in parts), strict=True)
    )
    schema = next((each.schema for each in parts if each.schema), SchemaDifference())
    status: DiffStatus = "equal" if all(each.status == "equal" for each in parts) else "different"
    if not table.rows_before and all(each.status == "added" for each in parts):
        status = "added"
    rows_before = before if table.rows_before is None else table.rows_before
    are_counted = any(each.rows_before is not None or each.rows is not None for each in parts)
    return replace(
        table,
        status=status,
        rows_before=rows_before if are_counted else None,
        rows=rows_before - before + after if are_counted else None,
        schema=schema,
        difference=_rows([each.difference for each in parts], limit),
        note="; ".join(filter(None, (_counted(parts, "added", "new"), _counted(parts, "removed", "gone")))),
    )


def _counted(parts: Sequence[ComparedTable], status: DiffStatus, what: str) -> str:
    names = [each.name for each in parts if each.status == status]
    return "" if not names else f"`{names[0]}` is {what}" if len(names) == 1 else f"{len(names)} partitions are {what}"


def _rows(parts: Sequence[RowDifference], limit: int) -> RowDifference:
    columns: Counter[str] = Counter()
    for each in parts:
        columns.update(each.columns)
    return RowDifference(
        next((each.key for each in parts if each.key), ()),
        sum(each.added for each in parts),
        sum(each.removed for each in parts),
        sum(each.changed for each in parts),
        dict(columns),
        tuple([row for each in parts for row in each.examples_added][:limit]),
        tuple([row for each in parts for row in each.examples_removed][:limit]),
        tuple([row for each in parts for row in each.examples_changed][:limit]),
        frozenset().union(*(each.numeric for each in parts)),
        tuple(dict.fromkeys(note for each in parts for note in each.notes)),
    )
