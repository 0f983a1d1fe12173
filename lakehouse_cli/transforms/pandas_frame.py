"""Transforms on `pandas.DataFrame`, the usual ones.

The dtypes are listed in ``docs/contracts.md``: numpy's where they are exact, pandas' nullable ones where a null would
spoid a numpy one, Python objects where pandas has no dtype of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lakehouse_cli.contracts.exact import kind_of, nan_to_null
from lakehouse_cli.model import Column
from lakehouse_cli.transforms.frames import PANDAS, FrameType
from lakehouse_cli.transforms.result_columns import ResultColumns

_STR = pd.StringDtype(na_value=np.nan)
_NULLABLE: dict[pa.DataType, Any] = {
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}


class PandasFrame(FrameType):
    """Frames whose memory is their own, so that they can be changed in place."""

    name = PANDAS

    def from_arrow(self, table: pa.Table) -> Any:
        """The table as a frame with a RangeIndex; only text shares memory with it, which pandas never changes."""
        arrays = {name: _to_pandas(column) for name, column in zip(table.column_names, table.columns, strict=True)}
        return pd.DataFrame(arrays, index=pd.RangeIndex(table.num_rows), copy=False)

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """The frame or series as a table: named index levels, then columns; NaN in floats as null."""
        result = ResultColumns(columns)
        levels = _levels(frame.index)
        if isinstance(frame, pd.Series):
            _add_series(result, frame, levels, columns)
            return result.table()
        labels = frame.columns.tolist()
        for name, level in levels:
            if name not in labels or not _is_copy(frame, labels, name, level):
                _add(result, name, level, level=True)
        for label, (_, series) in zip(labels, frame.items(), strict=True):
            if isinstance(label, str):
                _add(result, label, series)
            else:
                _refuse_label(result, label, len(frame))
        return result.table()

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is pandas.DataFrame or one derived from it; of a result, also pandas.Series."""
        return issubclass(annotation, (pd.DataFrame, pd.Series) if returned else pd.DataFrame)

    def owns(self, value: Any) -> bool:
        """Whether it is a pandas.DataFrame or pandas.Series."""
        return isinstance(value, (pd.DataFrame, pd.Series))


def _to_pandas(column: pa.ChunkedArray) -> Any:
    """An array that pandas keeps as it is, in memory of its own."""
    kind = _view_of(column.type)
    if kind == "text":
        return _STR.__from_arrow__(column)
    if kind == "numpy" and (not column.null_count or pa.types.is_floating(column.type)):
        return _own(column)
    if kind == "numpy":
        return _NULLABLE[column.type].__from_arrow__(column)
    if kind == "date":
        return _own(column.cast(pa.timestamp("s")))
    if kind == "time":
        return _own(column)
    if kind == "zoned":
        return column.to_pandas().array
    if kind == "category":
        return column.to_pandas().array
    if kind == "arrow":
        return pd.arrays.ArrowExtensionArray(column)
    values = np.empty(len(column), dtype=object)
    values[:] = column.to_pylist()
    return values


def _own(column: pa.ChunkedArray) -> Any:
    values = column.to_numpy()
    # A single chunk without nulls comes as a view of Arrow's memory, which others read as well.
    return values if values.flags.writeable else values.copy()


@lru_cache(maxsize=1024)
def _view_of(arrow_type: pa.DataType) -> str:
    kind = kind_of(arrow_type)
    if kind in ("bool", "integer", "float"):
        return "numpy"
    if kind == "timestamp":
        return "time" if arrow_type.tz is None else "zoned"
    if _holds_nanosecond_time(arrow_type):
        return "arrow"
    return {"text": "text", "date": "date", "duration": "time", "dictionary": "category"}.get(kind, "object")


def _holds_nanosecond_time(arrow_type: pa.DataType) -> bool:
    """Whether there are times of day in it that datetime.time would cut."""
    if pa.types.is_nested(arrow_type):
        return any(_holds_nanosecond_time(arrow_type.field(i).type) for i in range(arrow_type.num_fields))
    return pa.types.is_time(arrow_type) and arrow_type.unit == "ns"


def _levels(index: pd.Index) -> list[tuple[str, Any]]:
    """Named levels of an index and their values; a nameless index is only row numbers."""
    if index.nlevels == 1:
        return [] if index.name is None else [(index.name, index)]
    names = enumerate(index.names)
    return [(name, index.get_level_values(position)) for position, name in names if name is not None]


def _is_copy(frame: pd.DataFrame, labels: list[Any], name: str, level: Any) -> bool:
    """Whether an index level repeats the column of its name, as ``set_index(drop=False)`` leaves it."""
    return labels.count(name) == 1 and pd.Index(frame[name]).equals(level)


def _add_series(
    result: ResultColumns, series: Any, levels: list[tuple[str, Any]], columns: Sequence[Column] | None
) -> None:
    for name, level in levels:
        _add(result, name, level, level=True)
    name = series.name
    if name is None:
        taken = {level for level, _ in levels}
        free = [column.name for column in columns or () if column.name not in taken]
        name = free[0] if len(free) == 1 else None
    if isinstance(name, str):
        _add(result, name, series)
    else:
        _refuse_label(result, name, len(series))


def _refuse_label(result: ResultColumns, label: Any, rows: int) -> None:
    from lakehouse_cli.errors import Violation

    if label is None:
        told, hint = "the result is a Series without a name", 'name it: `.rename("…")`'
    elif isinstance(label, tuple):
        told = f"the columns have {len(label)} levels, as in {label!r}"
        hint = 'join them: `frame.columns = ["_".join(map(str, label)) for label in frame.columns]`'
    else:
        told = f"column label `{label}` is {type(label).__name__}, not text"
        hint = "rename it, or all of them with `.rename(columns=str)`"
    result.refuse(str(label), Violation(str(label), "extra", 1, f"{told}; {hint}"), rows)


def _add(result: ResultColumns, name: Any, values: Any, *, level: bool = False) -> None:
    """Add a Series or Index as one column."""
    if not isinstance(name, str):
        _refuse_label(result, name, len(values))
        return
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        _add_numpy(result, name, values.to_numpy(), level)
        return
    if isinstance(dtype, (pd.PeriodDtype, pd.IntervalDtype, pd.SparseDtype)):
        hint = {
            pd.PeriodDtype: "use `.dt.to_timestamp()` or `.astype(str)`",
            pd.IntervalDtype: "use `.astype(str)`, or the ends as two columns",
            pd.SparseDtype: "use `.sparse.to_dense()`",
        }[type(dtype)]
        result.refuse_type(name, f"{dtype}, which no column type holds", hint, len(values))
        return
    array = values.array.__arrow_array__() if hasattr(values.array, "__arrow_array__") else pa.array(values)
    if pa.types.is_floating(array.type):
        array = nan_to_null(array)
    result.add(name, array, level=level)


def _add_numpy(result: ResultColumns, name: str, values: Any, level: bool) -> None:
    kind = values.dtype.kind
    if kind == "O":
        result.add_values(name, values.tolist(), nan_is_null=True, level=level)
    elif kind in "biufmM" and values.dtype != np.longdouble:
        native = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
        result.add(name, pa.array(native, from_pandas=True), level=level)
    else:
        hint = "use `.apply(lambda z: z.real)` and the like" if kind == "c" else "convert it with `.astype`"
        result.refuse_type(name, f"{values.dtype}, which no column type holds", hint, len(values))
