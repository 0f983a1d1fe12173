"""The bytes of several partitions of an asset that is no table, as one table that keeps them apart."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING

from msgspec import json

from lakehouse_cli.model.partition import Partition

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMN = "partition"


def gathered(parts: Iterable[tuple[Partition, pa.Table]]) -> pa.Table:
    """Return the bytes of partitions, each part with the partition that it is of."""
    import pyarrow as pa

    from lakehouse_cli.formats.objects.stored import table_of

    marked = []
    for partition, data in parts:
        text = json.encode(partition).decode()
        marked.append(data.append_column(_COLUMN, pa.array([text] * data.num_rows, pa.string())))
    nothing = table_of([b""]).slice(0, 0)
    return pa.concat_tables(marked or [nothing.append_column(_COLUMN, pa.nulls(0, pa.string()))])


def divided(data: pa.Table) -> list[tuple[Partition, pa.Table]]:
    """Return the bytes of each partition, as of `gathered`."""
    texts = data.column(_COLUMN).to_pylist()
    found, at = [], 0
    for text, some in groupby(texts):
        size = len(list(some))
        found.append((json.decode(text, type=Partition), data.slice(at, size).drop_columns([_COLUMN])))
        at += size
    return found
