"""`Rows` to and from Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from lakehouse_annex.rows import Rows
from lakehouse_cli.errors import TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.transforms import FrameType
from lakehouse_cli.transforms.result_columns import ResultColumns


class RowsFrame(FrameType):
    """Lists of rows whose values are Python's."""

    name = "lakehouse_annex.Rows"

    def from_arrow(self, table: pa.Table) -> Rows:
        """A list of its own each time."""
        for field in table.schema:
            if field.type == pa.time64("ns"):
                hint = "annotate the parameter with pyarrow.Table"
                raise TransformError(f"a row cannot hold the nanoseconds of `{field.name}`", hint=hint)
        return Rows(table.to_pylist(), table.column_names)

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """By the declared types, where there are such."""
        result = ResultColumns(columns)
        for name in frame.names:
            result.add_values(name, [row[name] for row in frame], nan_is_null=False)
        return result.table()

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is `Rows`."""
        del returned
        return issubclass(annotation, Rows)
