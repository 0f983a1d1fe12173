"""Tables on their way between producers and consumers, kept in memory no longer than needed."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from lakehouse_cli.model.frame_names import QUERY

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.model.manifest import InputRecord
    from lakehouse_cli.transforms import SharedTable


class TablesInMemory:
    """Keeps each table until its last consumer is done with it. Safe to use from several threads.

    Args:
        consumers: How many tables of the run read each table.
        frame_types: By table, the frame types its consumers take it as; empty if one is unknown.
        streams: Those of the frame types that take a table piece by piece, from where it is stored.
    """

    def __init__(
        self,
        consumers: Mapping[str, int],
        frame_types: Mapping[str, Collection[str]],
        streams: Collection[str] = (),
    ) -> None:
        self._remaining = dict(consumers)
        self._frame_types = frame_types
        self._streams = frozenset(streams)
        self._tables: dict[str, SharedTable] = {}
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def put(self, name: str, data: pa.Table, content: InputRecord | None) -> SharedTable:
        """Keep a table with the record of its content, if a consumer is still to come."""
        from lakehouse_cli.transforms import SharedTable

        shared = SharedTable(data, self._frame_types.get(name, ()), content)
        with self._lock:
            if self._remaining.get(name, 0) > 0:
                self._tables[name] = shared
        return shared

    def get(self, name: str, load: Callable[[str], tuple[pa.Table, InputRecord]]) -> SharedTable:
        """Return the table; the first caller loads it, while others wait for it."""
        with self._lock:
            loading = self._loading[name]
        with loading:
            kept = self._tables.get(name)
            return kept if kept is not None else self.put(name, *load(name))

    def tables(self, names: Iterable[str]) -> dict[str, pa.Table]:
        """Return those of some tables that are in memory, as Arrow."""
        with self._lock:
            return {name: self._tables[name].arrow() for name in names if name in self._tables}

    def wanted(self, name: str, *, stored: bool) -> bool:
        """Whether a consumer of a table is still to come that does not read it from where it is stored, if it is."""
        types = self._frame_types.get(name, ())
        only_streams = stored and bool(types) and self._streams.issuperset(types)
        return self._remaining.get(name, 0) > 0 and not only_streams

    def wanted_whole(self, name: str, *, stored: bool) -> bool:
        """Whether a consumer of a table is still to come that takes nothing but all of it, from memory."""
        types = self._frame_types.get(name, ())
        as_stored = stored and bool(types) and (self._streams | {QUERY}).issuperset(types)
        return self._remaining.get(name, 0) > 0 and not as_stored

    def has(self, name: str) -> bool:
        """Whether a table is in memory."""
        return name in self._tables

    def streams_some(self, names: Iterable[str]) -> bool:
        """Whether some consumer takes one of these piece by piece."""
        return bool(self._streams) and any(
            not self._streams.isdisjoint(self._frame_types.get(name, ())) for name in names
        )

    def release(self, names: Iterable[str]) -> None:
        """Release each of these for one consumer that is done with it, or will never come."""
        with self._lock:
            for name in names:
                self._remaining[name] = self._remaining.get(name, 0) - 1
                if self._remaining[name] <= 0 and (shared := self._tables.pop(name, None)) is not None:
                    shared.release()

    def __len__(self) -> int:
        """Count the tables in memory."""
        return len(self._tables)
