"""Keys that hold across the partitions of a table."""

from __future__ import annotations

import json
from collections.abc import Collection

from msgspec import Struct
from xxhash import xxh3_64_hexdigest

from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.project import Table

#: Of how digests are made; others are made anew.
_FORMAT = 1
#: The name of the key among what must not be there twice; checks have names.
KEY = ""


class Unique(Struct, frozen=True):
    """Columns that no two rows of a table have alike, whatever their partitions.

    Attributes:
        name: Of the check; `KEY` for the key.
        columns: Their names.
        id: What stands for them, their types and the rows that are judged, wherever digests are kept.
        equal_nulls: Whether nulls are alike.
        blocks: Whether a row more is always too many.
    """

    name: str
    columns: tuple[str, ...]
    id: str
    equal_nulls: bool
    blocks: bool


def across_partitions(table: Table) -> tuple[Unique, ...]:
    """The key of a table and its checks `unique`, without those that tell the partitions of rows apart by themselves.

    Args:
        table: By partition, or one of its partitions.
    """
    if not table.partitions or table.kind != "computed":
        return ()
    found = []
    if table.key and not _has_dimensions(table, table.key):
        found.append(Unique(KEY, table.key, _id(table, table.key, "key"), equal_nulls=False, blocks=True))
    for check in table.contract.checks:
        if check.kind == "unique" and not _has_dimensions(table, check.columns):
            always = check.severity == "error" and check.error_above is None and check.warn_above is None
            is_equal = check.nulls == "equal"
            id_ = _id(table, check.columns, check.judged_as())
            found.append(Unique(check.name, check.columns, id_, equal_nulls=is_equal, blocks=always))
    return tuple(found)


def _has_dimensions(table: Table, columns: Collection[str]) -> bool:
    declared = {column.name for column in table.columns or ()}
    return all(each in declared and each in columns for each in table.partitions)


def _id(table: Table, columns: Collection[str], judged_as: str) -> str:
    types = {column.name: str(column.type) for column in table.columns or ()}
    parts = [_FORMAT, judged_as, [(name, types.get(name)) for name in columns]]
    return xxh3_64_hexdigest(json.dumps(parts).encode())


def digests_name(partition: Partition, content_hash: str) -> str:
    """Return what the digests of a stored partition are called beside the index of its table."""
    return f"{xxh3_64_hexdigest(json.dumps([partition.dimensions, partition.values]).encode())}-{content_hash}"
