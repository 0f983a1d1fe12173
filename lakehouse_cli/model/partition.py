"""Partitions of a table: the units in which it is computed, stored and planned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from urllib.parse import quote

from msgspec import Struct

from lakehouse_cli.model.dimension import Every
from lakehouse_cli.model.period import SAMPLES, first_moment

#: The dimension that stands for each file of a source of many files.
FILE = "file"
#: Stands for whatever dimensions there are, where what is recorded of a table is asked for.
ANY = ("*",)
#: Matches values that need no encoding: of very many partitions, nearly all.
is_plain = re.compile(r"[A-Za-z0-9_-]+", re.ASCII).fullmatch
#: What Hive, Spark and Athena write as the value of a folder where it is null.
HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


class Partition(Struct, frozen=True, order=True, cache_hash=True):
    """One partition: a value of each dimension of its table.

    Attributes:
        dimensions: Their names, in the order of `partitions`.
        values: Their canonical texts: ``2024``, ``2024-01``, ``2024-W05``, ``2024-01-03``, ``2024-01-03T14``, or as
            they are.
    """

    dimensions: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def key(self) -> dict[str, str]:
        """Value by dimension, as JSON documents have it."""
        return dict(zip(self.dimensions, self.values, strict=True))

    @property
    def path(self) -> str:
        """Its folder below that of its table, such as ``region=eu/month=2024-01``; each value percent-encoded."""
        if len(self.values) == 1:  # as of nearly all, of very many
            return f"{self.dimensions[0]}={quoted_value(self.values[0])}"
        pairs = zip(self.dimensions, self.values, strict=True)
        return "/".join([f"{name}={quoted_value(value)}" for name, value in pairs])

    def __str__(self) -> str:
        """As messages name it: ``region=eu, month=2024-01``."""
        return ", ".join(f"{name}={value}" for name, value in self.key.items())

    def only(self, dimensions: tuple[str, ...]) -> Partition:
        """The same with some of its dimensions."""
        key: Mapping[str, str] = self.key
        return Partition(dimensions, tuple([key[name] for name in dimensions]))


def quoted_value(value: str) -> str:
    """A value as a part of a path: percent-encoded, but for what every path may hold."""
    return value if is_plain(value) else quote(value, safe="")


#: A partition, and the name and type of each of its columns.
PartitionColumns = tuple[Partition, tuple[tuple[str, str], ...]]


def dimension_params(periods: Mapping[str, Every | None], partition: Partition | None) -> dict[str, date | str | None]:
    """The values of dimensions as transforms get them.

    Args:
        periods: The dimensions that are wanted, as of `Table.dimension_params`.
        partition: The partition that has them; None for values that stand for any.
    """
    key: Mapping[str, str] = {} if partition is None else partition.key
    return {name: _param(key.get(name, SAMPLES[every] if every else ""), every) for name, every in periods.items()}


def _param(text: str, every: Every | None) -> date | str | None:
    if text == HIVE_NULL:
        return None
    return text if every is None else first_moment(text, every)
