"""Scans of stored tables, to compute, show or compare them: names and errors as the project has them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lakehouse_cli.errors import DataError, LakehouseError, MissingDataError, StorageError, UnreachableError
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.model.unit import as_selected
from lakehouse_cli.storage.base import AssetStorage, Pieces, Scan
from lakehouse_cli.storage.capabilities import altered_by
from lakehouse_cli.storage.source_columns import renamed_scan

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.time_span import TimeSpan


def scan(storage: AssetStorage, table: Table, columns: Sequence[Column] | None) -> Scan:
    """Scan a stored table as `AssetStorage.scan`, which knows neither other names nor who wrote what it reads."""
    found = renamed_scan(storage, table, columns)
    if table.kind == "source" and not table.contract.sensitive:
        return found
    return _ExplainedScan(storage, table, found)


class _ExplainedScan(Scan):
    """A scan whose errors say that what a run stored is to be computed anew, and show nothing sensitive."""

    def __init__(self, storage: AssetStorage, table: Table, inner: Scan) -> None:
        read_pieces = None if inner.read_pieces is None else self._read_pieces
        super().__init__(storage, table, self._read, read_pieces)
        self.native, self.summary, self.reads_columns = inner.native, inner.summary, inner.reads_columns
        self.read_within = None if inner.read_within is None else self._read_within
        self.read_rows = None if inner.read_rows is None else self._read_rows
        self._inner = inner

    def _read(self, known: tuple[InputRecord, ...] | None) -> tuple[pa.Table, InputRecord | None]:
        with self._explaining():
            return self._inner.read(known)

    def _read_pieces(self, known: tuple[InputRecord, ...]) -> Pieces:
        return self._explained(lambda: self._inner.pieces_with_content(known))

    def _read_within(self, known: tuple[InputRecord, ...], span: TimeSpan) -> Pieces:
        return self._explained(lambda: self._inner.pieces_within(known, span))

    def _read_rows(self, known: tuple[InputRecord, ...], rows: range) -> Pieces:
        return self._explained(lambda: self._inner.pieces_of(known, rows))

    def _explained(self, open_pieces: Callable[[], Pieces]) -> Pieces:
        with self._explaining():
            opened, record = open_pieces()

        def pieces() -> Iterator[pa.Table]:
            with self._explaining():
                yield from opened()

        return pieces, record

    def read_columns(self, record: InputRecord, names: Collection[str]) -> Iterator[pa.Table]:
        """As of any scan."""
        with self._explaining():
            yield from super().read_columns(record, names)

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except (DataError, StorageError) as error:
            if isinstance(error, DataError) and self._table.contract.sensitive:
                from lakehouse_cli.contracts.hiding import hide_sensitive  # seldom needed

                hide_sensitive(error, self._table.contract.sensitive, self._table.key)
            explain_stored(error, self._storage, self._table)
            raise


def same_columns_hint(table: Table) -> str:
    """Return what makes partitions of a table that have other columns readable together."""
    return (
        f"declare all `columns:` of `{table.name}`, or let its transform return the same for each partition; then "
        f"`lakehouse run --force {table.name}`"
    )


def explain_stored(error: LakehouseError, storage: AssetStorage, table: Table) -> None:
    """Let the error of a table that cannot be read say that it was modified, and how it is stored anew.

    Args:
        error: As it was raised, in words for who declares a source.
        storage: Of the table.
        table: The table; of a source nothing else is said.
    """
    if table.kind == "source" or isinstance(error, MissingDataError | UnreachableError):
        return
    modified = _modified(storage, table)
    if modified is not None:
        error.message = f"`{table.name}` was modified {modified}: {error.message}"
    if modified is not None or (isinstance(error, DataError) and error.hint != same_columns_hint(table)):
        error.hint = f"`lakehouse run {as_selected(table)}` stores it anew"


def _modified(storage: AssetStorage, table: Table) -> str | None:
    """Where or by what a table was modified since a run stored it; None where it was not, or nobody knows."""
    try:
        manifest = storage.read_manifest(table)
        content = None if manifest is None else storage.content(table, (manifest.content,))
        if manifest is None or content is None or content.content_hash == manifest.content_hash:
            return None
        return altered_by(storage, table, content)
    except LakehouseError:
        return None
