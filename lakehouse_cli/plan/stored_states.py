"""What is known of a stored table, with what was found besides."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, MissingDataError, StorageError
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.format_storage import columns_of


def stored_columns(state: TableState) -> tuple[Column, ...] | None:
    """The columns of a table by its manifest; None where there is none, or a type that cannot be declared."""
    if state.manifest is None:
        return None
    try:
        return columns_of(state.manifest, None, state.uri)
    except StorageError:
        return None


def gone_data(error: MissingDataError, table: Table, shown: str) -> MissingDataError:
    """The error of a table that a run stored, of which nothing is there but the manifest."""
    message = f"what was stored of `{table.name}` is gone: {shown} does not exist"
    return MissingDataError(message, hint=error.hint, location=error.location)


def described(state: TableState, manifest: Manifest | StorageError | None) -> TableState:
    """What is known of a table, with its manifest."""
    if isinstance(manifest, StorageError):
        return replace(state, manifest_trouble=manifest)
    return replace(state, manifest=manifest)


def with_rows(state: TableState, rows: int) -> TableState:
    """What is known of a table, with the number of its rows."""
    return state if state.content is None else replace(state, content=state.content._replace(rows=rows))


def changed_input(name: str, states: Mapping[str, TableState], graph: AssetGraph, computed: Collection[str]) -> bool:
    """Whether it is not known how many rows an input has now, and its content is another than it was computed from."""
    content = states[name].content
    if content is None or content.rows >= 0:
        return False
    manifests = [states[consumer].manifest for consumer in graph.downstream(name) if consumer in computed]
    records = [manifest.inputs.get(name) for manifest in manifests if manifest is not None]
    return any(record is not None and record.content_hash != content.content_hash for record in records)


def lacks_source(table: Table, state: TableState) -> bool:
    """Whether a table is a source of which nothing is there."""
    return table.kind == "source" and not state.exists and state.trouble is None


def absence(storage: AssetStorage, table: Table) -> MissingDataError | None:
    """The error of a source that is not there, with what is there in its place; None where it has come since."""
    try:
        storage.scan(table, table.columns).table()
    except MissingDataError as error:
        return error
    except LakehouseError:
        return None
    return None
