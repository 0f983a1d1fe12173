"""One table for several transforms: converted once for each frame type, not once for each transform."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms.frames import FrameType


class SharedTable:
    """A table as the argument of transforms.

    Must be kept until the transforms that have its frames have returned: as long as it exists, a frame that is changed
    in place copies the changed part first.

    Args:
        data: The table.
        wanted: Names of all frame types that consumers take it as, if known. Once all of them share frames, the Arrow
            data are released.
        content: The record of its content; None if it was neither read nor stored.
    """

    def __init__(self, data: pa.Table, wanted: Collection[str] = (), content: InputRecord | None = None) -> None:
        self.content = content
        self.schema: pa.Schema = data.schema
        self.num_rows: int = data.num_rows
        self.num_columns: int = data.num_columns
        # Known at once, where `nbytes` looks at each buffer; of a slice, all that it keeps in memory counts.
        self.nbytes: int = data.get_total_buffer_size()
        self._data: pa.Table | None = data
        self._wanted = frozenset(wanted)
        self._makers: dict[str, Callable[[], Any]] = {}
        self._lock = threading.Lock()

    def arrow(self) -> pa.Table:
        """The Arrow data.

        Raises:
            LookupError: They were released.
        """
        if self._data is None:
            raise LookupError("the Arrow data were released")
        return self._data

    def frame(self, frame_type: FrameType) -> Any:
        """Make a frame that its receiver may change in place without harm to others."""
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
