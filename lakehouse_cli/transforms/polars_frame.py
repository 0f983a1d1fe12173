"""Transforms on `polars.DataFrame` (optional)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from lakehouse_cli.errors import TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import POLARS
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.result_columns import ResultColumns


class PolarsFrame(FrameType):
    """Frames that share Arrow's buffers; polars itself copies what a method changes in place."""

    name = POLARS

    def from_arrow(self, table: pa.Table) -> Any:
        """The table as a polars frame, null and NaN apart."""
        try:
            return pl.DataFrame(pl.from_arrow(in_units_of_polars(table)))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError) as error:
            hint = "annotate the parameter with pyarrow.Table or pandas.DataFrame"
            raise TransformError(f"polars cannot hold the table: {error}", hint=hint) from error

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The frame as a table, null and NaN apart."""
        result = ResultColumns(columns)
        for series in frame.get_columns():
            if series.dtype == pl.Object:
                result.add_values(series.name, series.to_list(), nan_is_null=False)
            else:
                result.add(series.name, series.to_arrow())
        return result.table()

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is polars.DataFrame."""
        del returned
        return issubclass(annotation, pl.DataFrame)


def in_units_of_polars(table: pa.Table) -> pa.Table:
    """Seconds as milliseconds, by a checked cast: polars has no seconds, and its own conversion wraps around."""
    for position, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "s":
            finer = pa.timestamp("ms", field.type.tz)
        elif pa.types.is_duration(field.type) and field.type.unit == "s":
            finer = pa.duration("ms")
        else:
            continue
        table = table.set_column(position, field.name, table.column(position).cast(finer))
    return table
