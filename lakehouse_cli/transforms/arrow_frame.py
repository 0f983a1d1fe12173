"""Transforms on `pyarrow.Table`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import ARROW
from lakehouse_cli.transforms.frames import FrameType


class ArrowFrame(FrameType):
    """Tables as they flow through the tool; they cannot be changed in place, so nothing is copied."""

    name = ARROW

    def from_arrow(self, table: pa.Table) -> Any:
        """The table itself."""
        return table

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The table itself."""
        del columns
        return frame

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is pyarrow.Table."""
        del returned
        return issubclass(annotation, pa.Table)
