"""The values of sensitive columns of a job's inputs, kept out of what its transform raises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from lakehouse_cli.contracts.hiding import hide_given
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Table
from lakehouse_cli.transforms import SharedTable, StreamedTable


def hide_inputs(
    error: LakehouseError, tables: Mapping[str, Table], given: Mapping[str, SharedTable | StreamedTable]
) -> None:
    """Mask the values of sensitive columns in an error of what was given them.

    Args:
        error: To be changed.
        tables: The inputs, by name.
        given: Their data; without those that stayed in their database.
    """
    columns = [(name, column) for name, table in tables.items() for column in sorted(table.contract.sensitive)]
    hide_given(error, [partial(_values, given, name, column) for name, column in columns])


def _values(given: Mapping[str, SharedTable | StreamedTable], name: str, column: str) -> Iterator[Any]:
    return given[name].values(column) if column in given[name].schema.names else iter(())
