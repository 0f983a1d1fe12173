"""Checks that a function of Python's makes: how it is called, and what it may return."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.code.failure import failure_of
from lakehouse_cli.errors import Interrupted, Location, TransformError
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.text.counts import plural
from lakehouse_cli.transforms.frames import frame_type, owner_of
from lakehouse_cli.transforms.loading import load_transform

_RETURN = "return True or False, a mask with one truth value a row, or a frame of the rows that are wrong"


def called(name: str, folder: Path, table: pa.Table, location: Location | None) -> pa.Table | pa.ChunkedArray:
    """Call a function with a table.

    Args:
        name: Of the function: ``module:name``.
        folder: The project's.
        table: What it is given, as the frame that its parameter is annotated with.
        location: Of the check.

    Returns:
        The rows that are wrong, or a mask of those that are good, one for each row.

    Raises:
        ConditionError: It failed, or returned something else.
    """
    module, _, function = name.partition(":")
    try:
        transform = load_transform(FunctionRef(module, function, location=location), folder, of_table=False)
        parameter = transform.positional(0)
        kind = parameter.frame_type if parameter is not None else frame_type("pandas.DataFrame")
        frame = kind.from_arrow(table)
    except TransformError as error:
        raise ConditionError(error.message, error.hint, quotes=True) from None
    try:
        with kind.scope():
            return _answer(_as_mask(transform.fn(frame), frame, table.num_rows), table)
    except (ConditionError, Interrupted):
        raise
    except BaseException as error:  # noqa: BLE001  # whatever the user's code raises
        failure = failure_of(error, folder)
        place = f" ({failure.frames[-1][0]}:{failure.frames[-1][1]})" if failure.frames else ""
        raise ConditionError(f"failed: {failure.headline}{place}", quotes=True) from None


def _as_mask(result: Any, given: Any, rows: int) -> Any:
    """What is returned; a mask in the place of rows of pandas whose index and values are those of rows given."""
    pandas = frame_type("pandas.DataFrame")
    if not all(owner_of(each) is pandas and hasattr(each, "columns") for each in (result, given)):
        return result
    columns, index, numbers = list(given.columns), result.index, np.arange(rows)
    if not (given.index.nlevels == index.nlevels == 1 and np.array_equal(given.index, numbers) and index.is_unique):
        return result
    if not index.isin(numbers).all() or not {*columns} <= {*result.columns}:
        return result
    return ~np.isin(numbers, index) if result[columns].equals(given.loc[index, columns]) else result


def _answer(result: Any, given: pa.Table) -> pa.Table | pa.ChunkedArray:
    rows = given.num_rows
    if result is None:
        raise ConditionError("returned None", _RETURN)
    if isinstance(result, bool | np.bool_):
        if not result and not rows:  # there is no row to blame
            raise ConditionError("returned False for a table without rows", "return True where that is right")
        return pa.chunked_array([av.array([bool(result)] * rows, pa.bool_())], pa.bool_())
    mask = _mask(result, rows)
    if mask is None:
        owner = owner_of(result)
        if owner is None:
            raise ConditionError(f"returned {type(result).__name__}", _RETURN)
        table: pa.Table = owner.to_arrow(result, None)
        if twice := [name for name, count in Counter(table.column_names).items() if count > 1]:
            raise ConditionError(f"returned rows with two columns `{twice[0]}`", "rename one")
        flags = {each.name for each in given.schema if pa.types.is_boolean(each.type)}
        if table.num_columns and all(pa.types.is_boolean(e.type) and e.name not in flags for e in table.schema):
            hint = "make one truth value a row of it, as by `.all(axis=1)`; or return the rows that are wrong"
            raise ConditionError("returned a frame of truth values", hint)
        return table
    if not pa.types.is_boolean(mask.type):
        if not (pa.types.is_null(mask.type) and not rows and not len(mask)):
            raise ConditionError(f"returned values of {mask.type} in the place of a mask", _RETURN)
        mask = mask.cast(pa.bool_())
    if len(mask) != rows:
        raise ConditionError(f"returned a mask of {plural(len(mask), 'value')} for {plural(rows, 'row')}", _RETURN)
    if mask.null_count:
        what = f"returned a mask with {plural(mask.null_count, 'null')}"
        raise ConditionError(what, "say of each row whether it is good: `.fillna(True)`")
    return mask if isinstance(mask, pa.ChunkedArray) else pa.chunked_array([mask])


def _mask(result: Any, rows: int) -> pa.Array | pa.ChunkedArray | None:
    """What is returned as an array, where it is one; None for a frame and anything else."""
    if isinstance(result, pa.Array | pa.ChunkedArray):
        return result
    kind = type(result)
    library = kind.__module__.partition(".")[0]
    if isinstance(result, list | tuple | np.ndarray) or (library in ("pandas", "polars") and kind.__name__ == "Series"):
        if library == "pandas" and len(result) == rows:
            result = _aligned(result, rows)
        try:
            array = pa.array(result.to_list() if hasattr(result, "to_list") else list(result), from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise ConditionError(f"returned what is no mask: {error}", _RETURN, quotes=True) from None
        return array
    return None


def _aligned(series: Any, rows: int) -> Any:
    """A series of pandas' in the order of the table's rows: by its index, as `frame[mask]` takes it."""
    import pandas as pd  # loaded by who made the series

    index, numbers = series.index, pd.RangeIndex(rows)
    if index.equals(numbers):
        return series
    if isinstance(index, pd.MultiIndex) or not index.is_unique or not index.isin(numbers).all():
        hint = "keep the index of the frame that it is given; or return `.to_numpy()`, in the order of the frame's rows"
        raise ConditionError("returned a mask with another index than the table has", hint)
    return series.reindex(numbers)
