"""One table for several transforms: made into a frame once for each in-memory type, not once for each transform."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms.frames import FrameType


class SharedTable:
    """A table that is handed to transforms.

    Must be kept until the transforms that were given its frames have returned: as long as it is there, a frame that is
    changed in place takes a copy of what is changed first.

    Args:
        data: The table.
        wanted: Names of all the in-memory types it will be asked for, where these are known. Once all of them share
            frames of their own, the Arrow data are let go.
        content: The record of what was read or stored; None where it is neither.
    """

    def __init__(self, data: pa.Table, wanted: Collection[str] = (), content: InputRecord | None = None) -> None:
        self.content = content
        self.num_rows: int = data.num_rows
        self.num_columns: int = data.num_columns
        self.nbytes: int = data.nbytes
        self._data: pa.Table | None = data
        self._wanted = frozenset(wanted)
        self._makers: dict[str, Callable[[], Any]] = {}
        self._lock = threading.Lock()

    @property
    def holds_arrow(self) -> bool:
        """Whether the Arrow data are still held."""
        return self._data is not None

    def arrow(self) -> pa.Table:
        """The Arrow data.

        Raises:
            LookupError: They were let go.
        """
        if self._data is None:
            raise LookupError("the Arrow data were let go")
        return self._data

    def frame(self, frame_type: FrameType) -> Any:
        """A frame that its receiver may change in place without harm to anybody else's."""
        with self._lock:
            make = self._makers.get(frame_type.name)
            if make is None:
                if self._data is None:
                    raise LookupError(f"{frame_type.name} was not among the types wanted")
                make = frame_type.shared(self._data)
                if make is None:
                    return frame_type.from_arrow(self._data)
                self._makers[frame_type.name] = make
                if self._wanted and self._wanted <= self._makers.keys():
                    self._data = None
        return make()
