"""Partitions of assets that are no tables, read together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_cli.formats.objects.partitions import gathered
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_content import content_of_partitions
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.format_storage import missing_data
from lakehouse_cli.storage.partition_capability import partitions
from lakehouse_cli.storage.table_scan import scan

if TYPE_CHECKING:
    import pyarrow as pa


def read_objects(storage: AssetStorage, table: Table) -> tuple[pa.Table, InputRecord]:
    """Read the bytes of all partitions of an asset, or of those that are selected, as of `gathered`, and their content.

    Raises:
        MissingDataError: One is not stored, or none is.
        StorageError: They cannot be read.
    """
    records = partitions(storage, table)
    chosen = tuple(records) if table.selected is None else table.selected
    if not chosen and table.selected is None:
        raise missing_data(table, storage.uri(table))
    parts: list[tuple[Partition, pa.Table]] = []
    contents: list[tuple[Partition, InputRecord]] = []
    for each in chosen:
        known = (records[each].content,) if each in records else ()
        data, content = scan(storage, unit_of(table, each), None).table_with_content(known)
        parts.append((each, data))
        contents.append((each, content))
    return gathered(parts), content_of_partitions(contents)
