"""Transforms on `pandas.DataFrame`, the usual ones.

The dtypes are listed in ``docs/contracts.md``: numpy's where they are exact, pandas' nullable ones where a null would
spoil a numpy one, Python objects where pandas has no dtype of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.domains import check_leaves
from lakehouse_cli.arrow.conversion.exact import kind_of, nan_to_null
from lakehouse_cli.arrow.conversion.refusal import InexactError, examples_of, true_rows
from lakehouse_cli.arrow.conversion.timestamp_texts import timestamp_text
from lakehouse_cli.arrow.memory import release_unused
from lakehouse_cli.arrow.types import holds
from lakehouse_cli.errors import TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import PANDAS
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.transforms.frames import FrameType
from lakehouse_cli.transforms.result_columns import ResultColumns

# pandas-stubs knows neither this function nor the dtype of this class.
_create_dataframe_from_blocks: Any = import_module("pandas.api.internals").create_dataframe_from_blocks
_ArrowStringArray: Any = pd.arrays.ArrowStringArray
_STR: Any = pd.StringDtype(na_value=np.nan)
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

_NAT = pa.scalar(-(2**63), pa.int64())


class PandasFrame(FrameType):
    """Frames whose memory is their own, so that they can be changed in place."""

    name = PANDAS

    def from_arrow(self, table: pa.Table) -> Any:
        """Make a frame with a RangeIndex; only text may share memory with the table, which pandas never changes."""
        refuse_nats(table)
        return _frame(table.column_names, table.num_rows, _blocks(table.columns, _views_of(table)))

    def shared(self, table: pa.Table) -> Callable[[], Any] | None:
        """Make frames on the same memory, by pandas' copy-on-write; none if there are Python objects to change."""
        views = _views_of(table)
        if "object" in views:
            return None
        refuse_nats(table)
        return _SharedFrame(table, views)

    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """Make a table of a frame or series: named index levels, then columns; NaN in floats as null."""
        result = ResultColumns(columns)
        levels = _levels(frame.index)
        if isinstance(frame, pd.Series):
            _add_series(result, frame, levels, columns)
            return result.table()
        for name, level in levels:
            if not _is_copy(frame, name, level):
                _add(result, name, level, level=True)
        for label, values in zip(frame.columns, _columns_of(frame), strict=True):
            _add(result, label, values)
        return result.table()

    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether it is pandas.DataFrame or one derived from it; of a result, also pandas.Series."""
        return issubclass(annotation, (pd.DataFrame, pd.Series) if returned else pd.DataFrame)


def partition(table: pa.Table, start: int, with_nulls: Collection[str]) -> Any:
    """Make a frame of some rows of a table, as they are in the frame of all.

    Args:
        table: The rows.
        start: The number of the first in the index.
        with_nulls: Names of the columns that have nulls somewhere.
    """
    views = [
        "nullable" if view == "whole" and name in with_nulls else view
        for name, view in zip(table.column_names, _views_of(table), strict=True)
    ]
    return _frame(table.column_names, table.num_rows, _blocks(table.columns, views), start)


class _SharedFrame:
    """Makes frames on the memory of one, which is made at the first call, from a table that is its own by then.

    Changes past pandas (``series.array[0] = …``) are refused by numpy, the memory being read-only.
    """

    def __init__(self, table: pa.Table, views: Sequence[str]) -> None:
        self._table: pa.Table | None = table
        self._views = views
        self._frame: Any = None

    def __call__(self) -> Any:
        if self._frame is None:
            self._frame = self._made()
        return self._frame.copy(deep=False)

    def _made(self) -> Any:
        if self._table is None:
            raise MemoryError  # as it was raised by the call that had the table
        names, rows, columns = self._table.column_names, self._table.num_rows, self._table.columns
        self._table = None
        blocks = _blocks(columns, self._views)
        for values, _ in blocks:
            _make_read_only(values)
        return _frame(names, rows, blocks)


def _blocks(columns: list[pa.ChunkedArray], views: Sequence[str]) -> list[tuple[Any, Any]]:
    """Columns of such views as pandas holds them, those of one numpy dtype together, each with its positions.

    The list is emptied: where nothing else refers to a column, its memory is free as soon as it was copied.
    """
    rest = dict(enumerate(columns))
    columns.clear()
    alike: dict[pa.DataType, list[int]] = {}
    for position, view in enumerate(views):
        # A numpy dtype holds it exactly, NaN and NaT being null.
        if view == "float or time" or (view == "whole" and not rest[position].null_count):
            alike.setdefault(rest[position].type, []).append(position)
    blocks = [(_block([rest.pop(each) for each in positions]), np.array(positions)) for positions in alike.values()]
    return blocks + [(_extension_array(rest.pop(at), views[at]), np.array([at])) for at in list(rest)]


def refuse_nats(table: pa.Table, rows_before: int = 0) -> None:
    """Refuse values that pandas would take for null.

    Args:
        table: The table, or some rows of it.
        rows_before: How many rows are before these.

    Raises:
        TransformError: There is one.
    """
    for position, kind in enumerate(table.schema.types):
        if _may_be_nat(kind):
            _refuse_nat(table.column_names[position], table.column(position), rows_before)


def _refuse_nat(name: str, column: pa.ChunkedArray, rows_before: int) -> None:
    """Refuse the lowest timestamps and durations: pandas and numpy have NaT in their place."""
    try:
        check_leaves(column, _check_no_nat)
    except InexactError as refusal:
        first = examples_of(refusal, column)[1][0]
        row = count_text(rows_before + (first.row or 0))
        raise TransformError(
            f"pandas cannot hold column `{name}`: row {row} holds {first.value}, its NaT (null)",
            hint="take the table as pyarrow.Table or polars.DataFrame, or have null or another value in its place",
        ) from None


@lru_cache(maxsize=1024)
def _may_be_nat(arrow_type: pa.DataType) -> bool:
    return holds(arrow_type, _is_counted)


def _is_counted(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(arrow_type) or pa.types.is_duration(arrow_type))


def _check_no_nat(values: pa.Array) -> None:
    if not _is_counted(values.type):
        return
    rows = true_rows(av.compute.equal(values.view(pa.int64()), _NAT))
    if len(rows):
        unit = values.type.unit
        text = f"{_NAT} {unit}"
        if pa.types.is_timestamp(values.type):
            text = timestamp_text(_NAT.as_py(), unit, zoned=values.type.tz is not None)
        raise InexactError("NaT in pandas", rows, shown=[text])


def _frame(names: Sequence[str], rows: int, blocks: list[tuple[Any, Any]], start: int = 0) -> Any:
    index = pd.RangeIndex(start, start + rows)
    # The constructor would build the same blocks, and an index of names, at three times the cost.
    return _create_dataframe_from_blocks(blocks, index=index, columns=_labels(tuple(names)).view())


def _make_read_only(values: Any) -> None:
    """Make an array, or the arrays inside an extension array, read-only."""
    if isinstance(values, np.ndarray):
        values.flags.writeable = False
        return
    for name in ("_data", "_mask", "_ndarray"):
        array = getattr(values, name, None)
        if isinstance(array, np.ndarray):
            array.flags.writeable = False


@lru_cache(maxsize=1024)
def _labels(names: tuple[str, ...]) -> Any:
    return pd.Index(names, dtype=_STR)


def _block(columns: list[pa.ChunkedArray]) -> Any:
    """Copy columns of one type into one array, columns × rows; the list is emptied as in `_blocks`."""
    dtype = columns[0].type.to_pandas_dtype()
    if pa.types.is_date32(columns[0].type):
        dtype = "datetime64[s]"
    block = np.empty((len(columns), len(columns[0])), dtype)
    freed = 0
    for row in block[::-1]:
        _copy(columns.pop(), row)
        freed += row.nbytes
        if release_unused(freed):
            freed = 0
    return block


def _copy(column: pa.ChunkedArray, row: Any) -> None:
    """Copy a column straight into a row of a block, chunk by chunk: one of many chunks is copied once, not twice."""
    start = 0
    for chunk in column.chunks:
        row[start : start + len(chunk)] = chunk.to_numpy(zero_copy_only=False)
        start += len(chunk)


def _extension_array(column: pa.ChunkedArray, view: str) -> Any:
    """An array of pandas' own, or one of Python objects (1 × rows)."""
    if view == "text":
        large = [av.with_offsets(chunk, pa.large_string()) for chunk in column.chunks]
        if len(large) > 1:
            # Else Arrow would join them, beside themselves, whenever pandas takes rows of them.
            large = [pa.concat_arrays(large)]
        return _ArrowStringArray(pa.chunked_array(large, pa.large_string()), dtype=_STR)
    if view in ("whole", "nullable"):
        return _NULLABLE[column.type].__from_arrow__(column)
    if view == "pandas":
        return column.to_pandas().array
    if view == "arrow":
        return pd.arrays.ArrowExtensionArray(column)
    values = np.empty((1, len(column)), dtype=object)
    values[0, :] = column.to_pylist()
    return values


def _views_of(table: pa.Table) -> list[str]:
    return list(map(_view_of, table.schema.types))


@lru_cache(maxsize=1024)
def _view_of(arrow_type: pa.DataType) -> str:
    """Classify a type: ``float or time``, ``whole``, ``text``, ``pandas``, ``arrow`` or ``object``."""
    kind = kind_of(arrow_type)
    if kind in ("float", "date", "duration") or (kind == "timestamp" and arrow_type.tz is None):
        return "float or time"
    if kind in ("bool", "integer"):
        return "whole"
    if kind in ("timestamp", "dictionary"):
        return "pandas"
    if holds(arrow_type, _is_nanosecond_time):
        return "arrow"
    return "text" if kind == "text" else "object"


def _is_nanosecond_time(arrow_type: pa.DataType) -> bool:
    """Whether it is of times of day that datetime.time would truncate."""
    return bool(pa.types.is_time(arrow_type) and arrow_type.unit == "ns")


def _levels(index: Any) -> list[tuple[Any, Any]]:
    """Named levels of an index and their values; a nameless index is only row numbers."""
    if index.nlevels == 1:
        return [] if index.name is None else [(index.name, index)]
    names = enumerate(index.names)
    return [(name, index.get_level_values(position)) for position, name in names if name is not None]


def _is_copy(frame: pd.DataFrame, name: Any, level: Any) -> bool:
    """Whether an index level repeats the column of its name, as ``set_index(drop=False)`` leaves it."""
    labels = frame.columns.tolist()
    return labels.count(name) == 1 and bool(pd.Index(frame[name]).equals(level))


def _columns_of(frame: Any) -> Iterable[Any]:
    """The values of each column: arrays, as making a Series of each takes most of the time of small frames."""
    arrays = getattr(frame, "_iter_column_arrays", None)  # pandas' own; of a version without it, Series
    return arrays() if arrays is not None else (series for _, series in frame.items())


def _add_series(
    result: ResultColumns, series: Any, levels: list[tuple[Any, Any]], columns: Sequence[Column] | None
) -> None:
    for level_name, level in levels:
        _add(result, level_name, level, level=True)
    name: Any = series.name
    if name is None:
        taken = {level for level, _ in levels}
        free = [column.name for column in columns or () if column.name not in taken]
        name = free[0] if len(free) == 1 else None
    _add(result, name, series)


def _refuse_label(result: ResultColumns, label: Any, values: Any) -> None:
    from lakehouse_cli.errors import Violation

    if label is None:
        message, hint = "the result is a Series without a name", 'name it: `.rename("…")`'
    elif isinstance(label, tuple):
        message = f"the columns have {len(label)} levels, as in {label!r}"
        hint = 'join them: `frame.columns = ["_".join(map(str, label)) for label in frame.columns]`'
    else:
        message = f"column label `{label}` is {type(label).__name__}, not text"
        hint = "rename it, or all of them with `.rename(columns=str)`"
    result.refuse(str(label), Violation(str(label), "extra", 1, f"{message}; {hint}"), pd.Series(values))


def _add(result: ResultColumns, name: Any, values: Any, *, level: bool = False) -> None:
    """Add a Series, an Index or an array as one column."""
    if not isinstance(name, str):
        _refuse_label(result, name, values)
        return
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        _add_numpy(result, name, values if isinstance(values, np.ndarray) else values.to_numpy(), level)
        return
    if isinstance(dtype, (pd.PeriodDtype, pd.IntervalDtype, pd.SparseDtype)):
        hint = {
            pd.PeriodDtype: "use `.dt.to_timestamp()` or `.astype(str)`",
            pd.IntervalDtype: "use `.astype(str)`, or the ends as two columns",
            pd.SparseDtype: "use `.sparse.to_dense()`",
        }[type(dtype)]
        result.refuse_type(name, f"{dtype}, which no column type holds", hint, pd.Series(values))
        return
    try:
        held = values.array if isinstance(values, (pd.Series, pd.Index)) else values
        array = held.__arrow_array__() if hasattr(held, "__arrow_array__") else pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, NotImplementedError):
        hint = "convert it with `.astype`"
        if dtype.name == "geometry":
            hint = "return `frame.to_wkb()`, which has it as binary"
        result.refuse_type(name, f"{dtype}, which no column type holds", hint, pd.Series(values))
        return
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
        result.refuse_type(name, f"{values.dtype}, which no column type holds", hint, pd.Series(values))
