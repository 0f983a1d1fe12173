"""Tables in whose place some of their stored partitions are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.errors import MissingDataError, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.partition import HIVE_NULL, Partition
from lakehouse_cli.model.period import period_at, period_key
from lakehouse_cli.model.unit import selection_of
from lakehouse_cli.plan.partition_choice import PartitionChoice
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.partition_capability import contents, partitions
from lakehouse_cli.storage.partitioned import refuse_other_division
from lakehouse_cli.text.name_lists import first_named


def partition_texts(partition: Mapping[str, Any], dimensions: Mapping[str, Dimension]) -> tuple[str, ...]:
    """What `--partition` would be given for a value of each dimension: a text, or a date or time of the period.

    Raises:
        UsageError: It is no mapping.
    """
    if not isinstance(partition, Mapping):
        hint = "write `partition={'day': '2024-01-31'}`; `read` gives a pandas.DataFrame, `read_arrow` a pyarrow.Table"
        raise UsageError("`partition` is no mapping of dimensions to values", hint=hint)
    return tuple(f"{name}={_text(value, dimensions.get(name))}" for name, value in partition.items())


def _text(value: Any, dimension: Dimension | None) -> str:
    if isinstance(value, date) and dimension is not None and dimension.every is not None:
        return period_key(period_at(value, dimension.every), dimension.every)
    return HIVE_NULL if value is None else str(value)


def stored_partitions(storage: AssetStorage, table: Table) -> tuple[Partition, ...]:
    """The partitions of a table that are stored, or of a source that are there, in order.

    Raises:
        StorageError: They cannot be looked at.
    """
    return tuple(partitions(storage, table) if table.kind == "computed" else contents(storage, table, {}))


def those_there(partitions: Sequence[Partition]) -> str:
    """Which partitions there are, of at least one, as a hint says it."""
    first, last = partitions[0], partitions[-1]
    return f"there is {first} alone" if first == last else f"there are {first} to {last}"


def chosen_of(storage: AssetStorage, table: Table, choice: PartitionChoice) -> tuple[Partition, ...]:
    """The stored partitions of a table that are chosen.

    Raises:
        UsageError: It has none of the dimensions, or no such partition.
        MissingDataError: Nothing of it is stored.
    """
    if not choice.names(table.partitions):
        names = ", ".join(f"`{each}`" for each in choice.chosen)
        has = ", ".join(f"`{each}`" for each in table.partitions)
        hint = f"it is partitioned by {has}" if has else "leave out `--partition`"
        raise UsageError(f"`{table.name}` has no partitions by {names}", hint=hint)
    there = stored_partitions(storage, table)
    found = tuple(each for each in there if choice.includes(each))
    if not there:
        refuse_other_division(storage, table)
        message = f"nothing is stored of `{table.name}`"
        raise MissingDataError(message, hint=f"`lakehouse run +{table.name}` computes it")
    if not found:
        raise UsageError(f"no partition of `{table.name}` is {choice}", hint=those_there(there))
    return found


def narrowed(
    stored: StoredEnvironment, names: Iterable[str], choice: PartitionChoice, *, lenient: bool = False
) -> StoredEnvironment:
    """An environment in which only the chosen partitions of some tables are.

    Args:
        stored: The environment.
        names: The tables.
        choice: The partitions.
        lenient: Whether none of a table are read where it has none of them.

    Raises:
        UsageError: One has none of the dimensions, or no such partition.
        MissingDataError: Nothing of one is stored.
    """
    tables = dict(stored.tables)
    for name in names:
        table = tables[name]
        try:
            found = chosen_of(stored.storages[table.storage], table, choice)
        except (UsageError, MissingDataError):
            if not lenient:
                raise
            found = ()
        tables[name] = selection_of(table, found)
    return replace(stored, tables=tables, graph=replace(stored.graph, tables=tables))


def narrowed_selection(
    stored: StoredEnvironment, chosen: Selection, choice: PartitionChoice
) -> tuple[StoredEnvironment, Selection]:
    """The same of those tables of a selection that have such partitions; the others are left out of it.

    What is stored of a table as a whole, and so nothing, stays.

    Raises:
        UsageError: A table that is named has no such partitions, or none has.
    """
    names: list[str] = []
    left: list[str] = []
    refused: list[UsageError] = []
    for name in chosen.names:
        if not choice.names(stored.tables[name].partitions) and name not in chosen.named:
            left.append(name)
            continue
        try:
            stored = narrowed(stored, [name], choice)
        except MissingDataError:
            pass
        except UsageError as error:
            refused.append(error)
            if name in chosen.named:
                raise
            continue
        names.append(name)
    if not names and refused:
        raise refused[0]
    if not names:
        dimensions = ", ".join(f"`{each}`" for each in choice.chosen)
        hint = "leave out `--partition`, or select tables that are partitioned by it"
        raise UsageError(f"no table of the selection has partitions by {dimensions}", hint=hint)
    note = f"left out, having no such partitions: {first_named(left, 3)}"
    notes = (*chosen.notes, note) if left else chosen.notes
    return stored, replace(chosen, names=tuple(names), notes=notes)
