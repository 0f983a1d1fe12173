"""A storage of another environment, which is only read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.base import AssetStorage, Provenance, Stray
from lakehouse_cli.storage.wrapper import WrapperStorage

if TYPE_CHECKING:
    import pyarrow as pa


class ReadOnlyStorage(WrapperStorage):
    """Reads everything of a storage and changes nothing.

    Args:
        inner: The storage.
        environment: Whose it is, for messages.
    """

    def __init__(self, inner: AssetStorage, environment: str) -> None:
        super().__init__(inner)
        self._environment = environment

    def publish(self, table: Table, data: pa.Table, origin: Provenance) -> Manifest:
        """Refused."""
        del data, origin
        self._refuse(table)

    def delete(self, table: Table) -> None:
        """Refused."""
        self._refuse(table)

    def may_replace(self, table: Table, *, forced: bool) -> None:
        """Refused."""
        del forced
        self._refuse(table)

    def remove_leftovers(self, tables: Iterable[Table]) -> None:
        """Refused."""
        for table in tables:
            self._refuse(table)

    def remove_stray(self, stray: Stray) -> str | None:
        """Refused."""
        del stray
        return f"environment `{self._environment}` is read-only"

    def _refuse(self, table: Table) -> NoReturn:
        raise StorageError(f"`{table.name}` is read from environment `{self._environment}`, where nothing is changed")
