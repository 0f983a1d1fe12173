"""What a plan says of stored partitions whose source has gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import selected_alone, unit_of
from lakehouse_cli.plan.domains import Domain
from lakehouse_cli.plan.partitioning import LinkIndex


def why_gone(table: Table, partition: Partition, indexes: Iterable[LinkIndex | None], domains: Sequence[Domain]) -> str:
    """Why a table does not have a partition that is stored.

    Args:
        table: The table.
        partition: The partition.
        indexes: The partitions of its inputs; None for an input that comes whole.
        domains: Of its dimensions.
    """
    if partition.dimensions != table.partitions:
        return f"`{table.name}` is partitioned by {', '.join(table.partitions)} now"
    for index in indexes:
        if index is not None and index.link.makes_partitions and (of := index.lacks(partition.values)) is not None:
            return without_source(index.link.table, of)
    for domain, name, value in zip(domains, partition.dimensions, partition.values, strict=True):
        if not domain.has(value):
            return f"dimension `{name}` does not have {value} any more"
    return "its source is gone"


def without_source(table: str, period: str) -> str:
    """Say that an input has no partition of a period any more."""
    return f"its source `{table}` has no {period} any more"


def refuse_gone(table: Table, partition: Partition, why: str) -> StorageError:
    """Make the error of a stored partition whose source has gone, with the ways out."""
    unit, declared = unit_of(table, partition), table.quarantine_of or table.name
    return StorageError(
        f"`{unit.name}` is stored, and {why}",
        hint=f"`gone: keep` in table `{declared}` keeps such partitions, `gone: drop` removes them;"
        f" `lakehouse clean {selected_alone(unit)}` removes this one",
        location=table.where("gone", "partitions"),
    )
