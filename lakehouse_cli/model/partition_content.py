"""The content of several partitions, as one record."""

from __future__ import annotations

from collections.abc import Iterable

import xxhash

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.partition import Partition


def hash_of_partitions(records: Iterable[tuple[Partition, InputRecord]]) -> str:
    """Return the hash in `content_of_partitions`, alone."""
    return xxhash.xxh3_128_hexdigest(b"".join([_text(each.values, record.content_hash) for each, record in records]))


def _text(values: tuple[str, ...], content_hash: str) -> bytes:
    # A length before each text: no two lists of partitions are the same bytes.
    texts = [f"{len(text)}:{text}" for text in (*values, content_hash)]
    return f"{''.join(texts)}\n".encode(errors="surrogateescape")


def content_of_partitions(records: Iterable[tuple[Partition, InputRecord]]) -> InputRecord:
    """Sum up the content of partitions that are read as one table.

    Args:
        records: Each partition with its content, in the order in which they are read.
    """
    rows, size, records = 0, 0, list(records)
    for _, record in records:
        rows = -1 if rows < 0 or record.rows < 0 else rows + record.rows
        size += record.bytes
    return InputRecord(hash_of_partitions(records), rows, size)
