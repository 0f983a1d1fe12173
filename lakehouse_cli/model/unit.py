"""Units: one partition of a table, which is computed and stored as a table is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

from msgspec.structs import replace

from lakehouse_cli.model.dimension import EVERY, Every
from lakehouse_cli.model.file_pattern import Placeholder, parse_moment
from lakehouse_cli.model.partition import HIVE_NULL, Partition
from lakehouse_cli.model.period import first_moment, period_at, period_key
from lakehouse_cli.model.project import Table

#: The name of the file of a partition, in its folder, without an ending.
DATA = "data"
_PLACEHOLDER = re.compile(r"\{([^{}/:]*)(?::([^{}/]*))?\}")
# The parts of a strptime format by which the periods that it makes are known, from the shortest.
_PARTS: tuple[tuple[Every, tuple[str, ...]], ...] = (
    ("hour", ("%H", "%I", "%X", "%c")),
    ("day", ("%d", "%j", "%x", "%a", "%A", "%w", "%u")),
    ("week", ("%V", "%U", "%W")),
    ("month", ("%m", "%b", "%B")),
)


def unit_of(table: Table, partition: Partition) -> Table:
    """Return one partition of a table, as a table: its own name and path, and all else as declared."""
    return replace(
        table,
        name=f"{table.name}/{partition.path}",
        path=unit_path(table.path, partition),
        base_path=table.path,
        partition=partition,
        selected=None,
    )


def selection_of(table: Table, partitions: Iterable[Partition]) -> Table:
    """Return the rows of some partitions of a table, in their order, as a table to read."""
    return replace(table, partition=None, selected=tuple(partitions))


def as_selected(table: Table) -> str:
    """Return what selects a table, or one of its partitions, and what it needs, on the command line."""
    if table.partition is None:
        return f"+{table.name}"
    options = " ".join([f"--partition {shlex.quote(f'{name}={value}')}" for name, value in table.partition.key.items()])
    return f"+{table.name.partition('/')[0]} {options}"


def unit_path(path: str, partition: Partition) -> str:
    """Return where a partition is stored, without an ending.

    Args:
        path: Of its table; with placeholders, which its values take the place of, or without.
        partition: The partition.
    """
    if "{" not in path:
        return f"{path}/{partition.path}/{DATA}"
    key = partition.key
    return _PLACEHOLDER.sub(lambda found: _filled(key[found[1]], found[2]), path)


def _filled(value: str, form: str | None) -> str:
    if form is None:
        # A part of a path that is empty, or that begins with a dot, is no name of a file that all read.
        return re.sub(r"^\.", "%2E", quote(value, safe="")) or HIVE_NULL
    return _written(value, form)


@lru_cache(maxsize=4096)
def _written(value: str, form: str) -> str:
    return first_moment(value, every_of(form)).strftime(form)


@lru_cache(maxsize=256)
def every_of(form: str) -> Every:
    """Return the kind of period that a strptime format tells from its neighbours."""
    return next((every for every, parts in _PARTS if any(part in form for part in parts)), EVERY[0])


@lru_cache(maxsize=1 << 16)
def key_in_path(text: str | None, form: str | None) -> str:
    """Return the value of a dimension that a part of a file's path is: text as it is, a time as the key of its period.

    Args:
        text: The part; None for what Hive writes as null.
        form: The strptime format of its placeholder; None for text.

    Raises:
        PatternError: The text is not of that format.
    """
    if text is None:
        return HIVE_NULL
    if form is None:
        return text
    every = every_of(form)
    return period_key(period_at(parse_moment(text, Placeholder("", form)), every), every)
