"""Calling a transform: Arrow in, Arrow out, frames only in between."""

from __future__ import annotations

import copy
import inspect
import threading
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from lakehouse_cli.code.importing import activate
from lakehouse_cli.errors import Interrupted, TransformError
from lakehouse_cli.executors.forks import forks_end_here
from lakehouse_cli.model import Column, FunctionRef, Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.transforms.failure import failure_of, hint_of
from lakehouse_cli.transforms.frames import owner_of
from lakehouse_cli.transforms.loading import Parameter, Transform, load_transform
from lakehouse_cli.transforms.sharing import SharedTable

Handed: TypeAlias = pa.Table | SharedTable

_lock = threading.Lock()
_under_way: dict[object, tuple[str, set[str]]] = {}
_LazyKinds = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)


def call_function(
    ref: FunctionRef, folder: Path, table: Table, inputs: Sequence[tuple[Input, Handed]], *, uses_duckdb: bool
) -> pa.Table:
    """Import the function that computes a table, and call it; see `apply`.

    Args:
        ref: The function.
        folder: The project's.
        table: Tells params and columns.
        inputs: Each with its data.
        uses_duckdb: As for `apply`.
    """
    return apply(
        load_transform(ref, folder),
        {each.parameter: data for each, data in inputs if each.parameter and not each.positional},
        positional=[data for each, data in inputs if each.positional],
        params=table.params,
        columns=table.columns,
        table_names={each.parameter or each.table: each.table for each, _ in inputs},
        uses_duckdb=uses_duckdb,
    )


def apply(
    transform: Transform,
    inputs: Mapping[str, Handed],
    positional: Sequence[Handed] = (),
    params: Mapping[str, Any] | None = None,
    columns: Sequence[Column] | None = None,
    *,
    table_names: Mapping[str, str] | None = None,
    uses_duckdb: bool = False,
) -> pa.Table:
    """Call a transform on tables.

    Args:
        transform: From `load_transform`.
        inputs: Parameter → table, passed by keyword.
        positional: Tables passed by position, before those.
        params: Constants, passed by keyword; copied, so that a call cannot change them for the next.
        columns: The contract's, which say what columns of Python objects are meant to be; None where none are
            declared. The result is not judged here but by `lakehouse_cli.contracts.hold`.
        table_names: Parameter → name of the table it is given, for messages; the parameter's own where it is not in.
        uses_duckdb: Whether its code reaches that package, of which all transforms may share one connection.

    Returns:
        The result, of whatever Arrow types its frame has.

    Raises:
        TransformError: The function raised, or returned no frame.
        Interrupted: Passed on.
    """
    shapes = _shapes(transform, inputs, positional, table_names)
    beside: set[str] = set()
    with _noted(transform.name, beside) if uses_duckdb else nullcontext():
        result = _called(transform, inputs, positional, params or {}, shapes, beside)
    owner = owner_of(result)
    if owner is None:
        raise _no_frame(transform, result)
    try:
        return owner.to_arrow(result, columns)
    except (TransformError, Interrupted):
        raise
    except BaseException as error:
        failure = failure_of(error, transform.folder, transform.file)
        raise TransformError(
            f"what `{transform.name}` returned cannot become Arrow: {failure.headline}",
            exception=failure.exception,
            traceback=failure.traceback,
            hint="convert its columns to plain dtypes in the transform",
        ) from error


def _called(
    transform: Transform,
    inputs: Mapping[str, Handed],
    positional: Sequence[Handed],
    params: Mapping[str, Any],
    shapes: Sequence[tuple[str, str, int, int]],
    beside: Collection[str],
) -> Any:
    by_position = []
    for position in range(len(positional)):
        parameter = transform.positional(position)
        by_position.append(_frame(transform, parameter, str(position + 1), positional[position]))
    by_keyword = {}
    for name, table in inputs.items():
        by_keyword[name] = _frame(transform, transform.keyword(name), name, table)
    constants = copy.deepcopy(dict(params))
    activate(transform.folder)
    try:
        with forks_end_here():
            return transform.fn(*by_position, **by_keyword, **constants)
    except Interrupted:
        raise
    except BaseException as error:
        failure = failure_of(error, transform.folder, transform.file)
        raise TransformError(
            f"`{transform.name}` raised {failure.headline}",
            exception=failure.exception,
            frames=failure.frames,
            inputs=shapes,
            traceback=failure.traceback,
            hint=hint_of(error, beside),
            location=failure.location,
        ) from error


@contextmanager
def _noted(name: str, beside: set[str]) -> Iterator[None]:
    """Note which transforms that use DuckDB are called at the same time in this process: each in every other's set."""
    me = object()
    with _lock:
        for other, of_other in _under_way.values():
            beside.add(other)
            of_other.add(name)
        _under_way[me] = (name, beside)
    try:
        yield
    finally:
        with _lock:
            del _under_way[me]


def _frame(transform: Transform, parameter: Parameter | None, name: str, table: Handed) -> Any:
    if parameter is None:
        hint = "name it in the function's signature, or leave it out of `inputs`"
        raise TransformError(f"`{transform.name}` has no parameter `{name}`", hint=hint)
    if isinstance(table, SharedTable):
        return table.frame(parameter.frame_type)
    return parameter.frame_type.from_arrow(table)


def _shapes(
    transform: Transform,
    inputs: Mapping[str, Handed],
    positional: Sequence[Handed],
    table_names: Mapping[str, str] | None,
) -> list[tuple[str, str, int, int]]:
    named = []
    for position, table in enumerate(positional):
        parameter = transform.positional(position)
        named.append((parameter.name if parameter else str(position + 1), table))
    named += inputs.items()
    names = table_names or {}
    return [(name, names.get(name, name), table.num_rows, table.num_columns) for name, table in named]


def _no_frame(transform: Transform, result: Any) -> TransformError:
    wanted = frame_type_name(transform)
    kind = type(result).__name__
    told = f"`{transform.name}` returned {'None' if result is None else f'a {kind}'}"
    if isinstance(result, types.CoroutineType):
        result.close()  # or Python warns that nobody awaited it
    if result is None:
        hint = "did it forget to `return`?"
    elif isinstance(result, _LazyKinds) or inspect.isawaitable(result):
        hint = f"define it with plain `def`, and return one {wanted}"
    elif kind == "LazyFrame":
        hint = "call `.collect()` before returning"
    elif kind == "DuckDBPyRelation":
        hint = "call `.to_arrow_table()` before returning, which keeps every value; `.df()` rounds large integers"
    elif kind == "DuckDBPyConnection":
        hint = "return `connection.sql(query).to_arrow_table()`"
    elif kind in ("RecordBatch", "RecordBatchReader"):
        hint = "make a table of it, as with `pyarrow.Table.from_batches`"
    elif isinstance(result, (list, dict)):
        hint = "make a frame of it, as with `pandas.DataFrame(…)`"
    else:
        hint = f"return a {wanted}"
    return TransformError(f"{told}; a transform returns a {wanted}", hint=hint)


def frame_type_name(transform: Transform) -> str:
    """Name of the in-memory type that a transform should return."""
    return transform.return_type.name if transform.returns is not None else "pandas.DataFrame"
