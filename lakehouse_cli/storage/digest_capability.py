"""What storages can do that keep digests of keys beside the partitions of a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from lakehouse_cli.model import Table


@runtime_checkable
class KeepsDigests(Protocol):
    """Keeps bytes beside the index of a partitioned table, by name."""

    def keep_digests(self, table: Table, name: str, content: bytes) -> None:
        """Keep bytes; those that had the name are replaced."""

    def kept_digests(self, table: Table, name: str) -> bytes | None:
        """Return bytes that were kept; None where there are none."""

    def drop_digests(self, table: Table, names: Iterable[str]) -> None:
        """Remove bytes, if there."""
