"""Tables on their way between producers and consumers, kept in memory no longer than someone needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lakehouse_cli.transforms import SharedTable


class TablesInMemory:
    """Holds each table until its last consumer has taken it.

    Args:
        consumers: How many tables of the run read each table.
    """

    def __init__(self, consumers: Mapping[str, int]) -> None:
        self._remaining = dict(consumers)
        self._tables: dict[str, SharedTable] = {}

    def put(self, name: str, data: SharedTable) -> None:
        """Keep a table, if anybody is still to read it."""
        if self._remaining.get(name, 0) > 0:
            self._tables[name] = data

    def get(self, name: str) -> SharedTable | None:
        """The table, if it is held."""
        return self._tables.get(name)

    def release(self, names: Iterable[str]) -> None:
        """One consumer of each of these is done with it, or will never come."""
        for name in names:
            self._remaining[name] -= 1
            if self._remaining[name] <= 0:
                self._tables.pop(name, None)

    def __len__(self) -> int:
        """How many tables are held."""
        return len(self._tables)
