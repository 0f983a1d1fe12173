"""The values of sensitive columns of a job's inputs, kept out of what its transform raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from lakehouse_cli.contracts.hiding import hide_given
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Table
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.transforms import SharedTable, StreamedTable


def hide_inputs(
    error: LakehouseError,
    tables: Mapping[str, Table],
    given: Mapping[str, SharedTable | StreamedTable],
    storages: Mapping[str, AssetStorage] = {},
) -> None:
    """Mask the values of sensitive columns in an error of what was given them.

    Args:
        error: To be changed.
        tables: The inputs, by name.
        given: Their data; without those that stayed in their database.
        storages: Where these are read.
    """

    def values(name: str, column: str) -> Iterator[Any]:
        if name not in given:
            yield from _stored(storages[tables[name].storage], tables[name], column)
        elif column in given[name].schema.names:
            yield from given[name].values(column)

    columns: list[Callable[[], Iterator[Any]]] = [
        partial(values, name, column) for name, table in tables.items() for column in sorted(table.contract.sensitive)
    ]
    hide_given(error, columns)


def _stored(storage: AssetStorage, table: Table, column: str) -> Iterator[Any]:
    declared = [each for each in table.columns or () if each.name == column]
    pieces, _ = scan(storage, table, declared).pieces_with_content(())
    for piece in pieces():
        yield from piece.column(column).to_pylist()
