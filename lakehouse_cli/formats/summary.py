"""What a stored file says of its columns without their values being read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import pyarrow as pa


class ColumnSummary(Struct, frozen=True):
    """One column.

    Attributes:
        nulls: How many values are null.
        extremes: The least and the greatest value, in the declared type; none where all are null. None where the file
            does not say them exactly, as of floats, whose NaN it leaves out, and of texts, which it cuts.
    """

    nulls: int
    extremes: pa.Array | None = None


class Summary(Struct, frozen=True):
    """A table.

    Attributes:
        rows: How many there are.
        columns: Those of which something is known, by name.
    """

    rows: int
    columns: Mapping[str, ColumnSummary]
