"""The content of several partitions, as one record."""

from __future__ import annotations

from collections.abc import Iterable

import xxhash

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition


def content_of_partitions(records: Iterable[tuple[Partition, InputRecord]]) -> InputRecord:
    """Sum up the content of partitions that are read as one table.

    Args:
        records: Each partition with its content, in the order in which they are read.
    """
    digest, rows, size = xxhash.xxh3_128(), 0, 0
    for partition, record in records:
        # A length before each text: no two lists of partitions are the same bytes.
        texts = (*partition.values, record.content_hash)
        digest.update("".join([f"{len(text)}:{text}" for text in texts]).encode(errors="surrogateescape") + b"\n")
        rows = -1 if rows < 0 or record.rows < 0 else rows + record.rows
        size += record.bytes
    return InputRecord(digest.hexdigest(), rows, size)
