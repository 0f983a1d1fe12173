"""Units: one partition of a table, which is computed and stored as a table is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from urllib.parse import quote

from msgspec.structs import replace
from xxhash import xxh3_128_hexdigest

from lakehouse_cli.model.contract import Column
from lakehouse_cli.model.file_pattern import Placeholder
from lakehouse_cli.model.partition import HIVE_NULL, Partition, is_plain
from lakehouse_cli.model.period import first_moment
from lakehouse_cli.model.project import Table

#: The name of the file of a partition, in its folder, without an ending.
DATA = "data"
# A name of a file has 255 bytes; an ending follows, and around it what a file aside is called.
_LONGEST = 180
_PLACEHOLDER = re.compile(r"\{([^{}/:]*)(?::([^{}]*))?\}")


def unit_name(table: str, partition: Partition) -> str:
    """Return what messages, manifests and events call a partition of a table."""
    return f"{table}/{partition.path}"


def unit_of(table: Table, partition: Partition) -> Table:
    """Return one partition of a table, as a table: its own name and path, and all else as declared."""
    return replace(
        table,
        name=unit_name(table.name, partition),
        path=unit_path(table.path, partition),
        base_path=table.path,
        partition=partition,
        selected=None,
        contract=table.contract.of_partition if table.is_partitioned else table.contract,
        quarantine_of=f"{table.quarantine_of}/{partition.path}" if table.quarantine_of else "",
    )


def selection_of(table: Table, partitions: Iterable[Partition]) -> Table:
    """Return the rows of some partitions of a table, in their order, as a table to read."""
    return replace(table, partition=None, selected=tuple(partitions))


def as_selected(table: Table) -> str:
    """Return what selects a table, or one of its partitions, and what it needs, on the command line."""
    return f"+{selected_alone(table)}"


def selected_alone(table: Table) -> str:
    """Return what selects a table, or one of its partitions, and nothing else, on the command line."""
    if table.partition is None:
        return table.name
    options = " ".join([f"--partition {shlex.quote(f'{name}={value}')}" for name, value in table.partition.key.items()])
    return f"{table.name.partition('/')[0]} {options}"


def unit_path(path: str, partition: Partition) -> str:
    """Return where a partition is stored, without an ending.

    Args:
        path: Of its table; with placeholders, which its values take the place of, or without.
        partition: The partition.
    """
    if "{" not in path:
        within = partition.path
        if len(within) > _LONGEST:
            within = "/".join(map(_short, within.split("/")))
        return f"{path}/{within}/{DATA}"
    key = partition.key
    filled = _PLACEHOLDER.sub(lambda found: _filled(key[found[1]], found[2]), path)
    return filled if len(filled) <= _LONGEST else "/".join(map(_short, filled.split("/")))


def unit_paths(path: str, partitions: Iterable[Partition]) -> Iterator[str]:
    """Yield `unit_path` of each partition of a table; with less work for each of very many."""
    dimensions, begin, room = None, "", 0
    for each in partitions:
        if each.dimensions is not dimensions:
            dimensions = each.dimensions
            begin = f"{path}/{dimensions[0]}="
            room = 0 if len(dimensions) > 1 or "{" in path else _LONGEST - len(dimensions[0]) - 1
        value = each.values[0]
        yield f"{begin}{value}/{DATA}" if len(value) <= room and is_plain(value) else unit_path(path, each)


def _short(part: str) -> str:
    """A part of a path that is too long for a name of a file, such as of an encoded text: its begin and a hash."""
    return part if len(part) <= _LONGEST else f"{part[: _LONGEST - 33]}~{xxh3_128_hexdigest(part.encode())}"


def _filled(value: str, form: str | None) -> str:
    if form is None:
        # A part of a path that is empty, or that begins with a dot, is no name of a file that all read.
        return re.sub(r"^\.", "%2E", quote(value, safe="")) or HIVE_NULL
    return _written(value, form)


@lru_cache(maxsize=4096)
def _written(value: str, form: str) -> str:
    every = Placeholder("", form).every
    return value if every is None or value == HIVE_NULL else first_moment(value, every).strftime(form)


def as_returned(table: Table, names: Collection[str]) -> Table:
    """Return a table as its result is by itself: without the columns that are dimensions and are filled in.

    Args:
        table: The table, or a partition of it.
        names: Of the columns of the result.
    """
    filled = {each.name for each in table.columns or () if each.name in table.partitions and each.name not in names}
    if not filled:
        return table
    columns = tuple([each for each in table.columns or () if each.name not in filled])
    key, order_by = (tuple([each for each in some if each not in filled]) for some in (table.key, table.order_by))
    return replace(table, contract=replace(table.contract, columns=columns, key=key), order_by=order_by)


def table_of(unit: Table) -> Table:
    """Return the table that a partition is of, as it is declared."""
    if unit.partition is None:
        return unit
    name, path = unit.name.partition("/")[0], unit.base_path
    of = unit.quarantine_of.partition("/")[0]
    return replace(unit, name=name, path=path, base_path="", partition=None, quarantine_of=of)


def needs_manifest(table: Table, columns: Sequence[Column] | None) -> bool:
    """Return whether what is stored of a table has columns whose types only its manifest knows."""
    is_open = columns is None or table.extra_columns == "keep"
    return table.kind == "computed" and is_open and not table.serializer
