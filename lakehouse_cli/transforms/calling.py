"""Calling a transform: Arrow in, Arrow out, frames only in between."""

from __future__ import annotations

import copy
import inspect
import threading
import types
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from lakehouse_cli.code.failure import failure_of, hint_of, place_of_result
from lakehouse_cli.code.importing import activate
from lakehouse_cli.errors import Interrupted, TransformError
from lakehouse_cli.executors.forks import forks_end_here
from lakehouse_cli.model import Column
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.frame_names import PANDAS, READER
from lakehouse_cli.text.counts import with_article
from lakehouse_cli.transforms.frames import FrameType, owner_of
from lakehouse_cli.transforms.loading import Parameter, Transform
from lakehouse_cli.transforms.objects import Argument, ObjectInput, serialize
from lakehouse_cli.transforms.restored_dates import restore_dates
from lakehouse_cli.transforms.sharing import StreamedTable

_Taken = TypeVar("_Taken")
_lock = threading.Lock()
_under_way: dict[object, tuple[str, set[str]]] = {}
_LazyKinds = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)


def apply(
    transform: Transform,
    inputs: Sequence[tuple[Input, Argument]],
    params: Mapping[str, Any] | None = None,
    columns: Sequence[Column] | None = None,
    *,
    serializer: str = "",
    uses_duckdb: bool = False,
    workers: int = 1,
) -> pa.Table | Iterator[pa.Table]:
    """Call a transform on tables.

    Args:
        transform: From `load_transform`.
        inputs: Each with its data.
        params: Constants, passed by keyword; copied, so that a call cannot change them for the next.
        columns: The contract's, which declare the types of Python objects; None if none are declared. They are enforced
            by `lakehouse_cli.contracts.enforce`, not here.
        serializer: What writes the result, where that is no table; empty for a table.
        uses_duckdb: Whether its code reaches that package, of which all transforms may share one connection.
        workers: How many transforms are called at once.

    Returns:
        The result, of whatever Arrow types its frame has; its pieces where it is of a type that streams, which raise
        the same as they come.

    Raises:
        TransformError: The function raised, or returned no frame.
        Interrupted: Passed on.
    """

    def take(result: Any, scopes: ExitStack, enter: Callable[[FrameType], None]) -> pa.Table | Iterator[pa.Table]:
        if serializer:
            found = serialize(transform, result, serializer)
            finish_inputs(table for _, table in inputs)
            return found
        return to_arrow(transform, result, inputs, columns, scopes, enter)

    return call(transform, inputs, params or {}, take, uses_duckdb=uses_duckdb, workers=workers)


def call(
    transform: Transform,
    inputs: Sequence[tuple[Input, Argument]],
    params: Mapping[str, Any],
    take: Callable[[Any, ExitStack, Callable[[FrameType], None]], _Taken],
    *,
    uses_duckdb: bool,
    workers: int,
) -> _Taken:
    """Call a transform, and take what it returned while all that it came from is open.

    Args:
        transform: From `load_transform`.
        inputs: As of `apply`, which the others are of too.
        params: Constants.
        take: Takes the result, the scopes of frame types that are open, and what opens that of another. Where it
            returns pieces, these close the scopes at their end.
        uses_duckdb: Whether its code reaches that package.
        workers: How many transforms are called at once.
    """
    beside: set[str] = set()
    scopes = ExitStack()
    with ExitStack() as on_failure:
        on_failure.enter_context(scopes)
        enter = partial(_enter, scopes, workers, set())
        with _noted(transform.name, beside) if uses_duckdb else nullcontext():
            result = _called(transform, inputs, params, beside, scopes, enter)
        found = take(result, scopes, enter)
        if isinstance(found, Iterator):
            on_failure.pop_all()  # closed by who reads the last piece
        return found


def _enter(scopes: ExitStack, workers: int, entered: set[str], of: FrameType) -> None:
    """Enter the scope of a frame type, once for each call."""
    if of.name not in entered:
        entered.add(of.name)
        scopes.enter_context(of.scope(workers))


def to_arrow(
    transform: Transform,
    result: Any,
    inputs: Sequence[tuple[Input, Argument]],
    columns: Sequence[Column] | None,
    scopes: ExitStack,
    enter: Callable[[FrameType], None],
) -> pa.Table | Iterator[pa.Table]:
    """What a transform returned, as Arrow; pieces of it close the scopes at their end."""
    owner = owner_of(result)
    if owner is None and isinstance(result, Iterator) and transform.return_type.streams:
        owner = transform.return_type
    if owner is None:
        raise _no_frame(transform, result)
    enter(owner)
    if owner.streams:
        pieces = _pieces(transform, owner.to_pieces(result, columns), [table for _, table in inputs], scopes)
        return pieces if owner.orders_rows else Unordered(pieces)
    finish_inputs(table for _, table in inputs)
    try:
        data = owner.to_arrow(result, columns)
        return restore_dates(data, [each.schema for _, each in inputs], columns) if owner.name == PANDAS else data
    except (TransformError, Interrupted):
        raise
    except BaseException as error:
        failure = failure_of(error, transform.folder, transform.file)
        raise TransformError(
            f"the result of `{transform.name}` cannot become Arrow: {failure.headline}",
            exception=failure.exception,
            traceback=failure.traceback,
            hint="convert its columns to plain dtypes in the transform",
        ) from error


class Unordered(Iterator[pa.Table]):
    """The pieces of a result whose rows come in another order each time.

    Args:
        pieces: Themselves.
    """

    def __init__(self, pieces: Iterator[pa.Table]) -> None:
        self._pieces = pieces

    def __next__(self) -> pa.Table:
        return next(self._pieces)

    def close(self) -> None:
        """Let go of what the others would be computed from."""
        if isinstance(self._pieces, Generator):
            self._pieces.close()


def _pieces(
    transform: Transform, pieces: Iterator[pa.Table], inputs: Sequence[Argument], scopes: ExitStack
) -> Iterator[pa.Table]:
    """The pieces of a result, which the transform may compute only as they are asked for."""
    with scopes:
        yield from iterate(transform, pieces, inputs)


def iterate(transform: Transform, pieces: Iterator[_Taken], inputs: Sequence[Argument]) -> Iterator[_Taken]:
    """What a transform gives one by one, which it may compute only as it is asked for.

    Raises:
        TransformError: It raised, as it is called too.
        LakehouseError: What was raised as an input was read.
    """
    activate(transform.folder)
    while True:
        try:
            with forks_end_here():
                piece = next(pieces)
        except StopIteration:
            break
        except Interrupted:
            raise
        except TransformError as error:
            raise TransformError(
                f"result of `{transform.name}`: {error.message}",
                hint=error.hint,
                location=place_of_result(transform.fn, transform.folder),
            ) from error
        except BaseException as error:
            _raise_of_input(inputs)
            failure = failure_of(error, transform.folder, transform.file)
            raise TransformError(
                f"`{transform.name}` raised {failure.headline}",
                exception=failure.exception,
                frames=failure.frames,
                traceback=failure.traceback,
                location=failure.location or place_of_result(transform.fn, transform.folder),
            ) from error
        yield piece
    finish_inputs(inputs)


def finish_inputs(inputs: Iterable[Argument]) -> None:
    """Read what was left of inputs that are read piece by piece, so that all of them is judged."""
    for each in inputs:
        if isinstance(each, StreamedTable):
            each.finish()


def _raise_of_input(inputs: Iterable[Argument]) -> None:
    """Raise what was raised as an input was read, which the transform only passed on."""
    for each in inputs:
        if isinstance(each, StreamedTable) and each.error is not None:
            raise each.error from None


def _called(
    transform: Transform,
    inputs: Sequence[tuple[Input, Argument]],
    params: Mapping[str, Any],
    beside: Collection[str],
    scopes: ExitStack,
    enter: Callable[[FrameType], None],
) -> Any:
    by_position: list[Any] = []
    by_keyword: dict[str, Any] = {}
    shapes = []
    parameters = transform.parameters_of([each for each, _ in inputs])
    for (each, table), parameter in zip(inputs, parameters, strict=True):
        name = each.parameter or (parameter.name if parameter else str(len(by_position) + 1))
        if parameter is None:
            hint = "name it in the function's signature, or leave it out of `inputs`"
            raise TransformError(f"`{transform.name}` has no parameter `{name}`", hint=hint)
        if not isinstance(table, ObjectInput):
            shapes.append((name, each.table, table.num_rows, table.num_columns))
        try:
            frame = _argument(table, parameter, scopes, enter, transform.folder)
        except TransformError as error:
            raise TransformError(f"input `{each.table}`: {error.message}", hint=error.hint) from error
        if each.positional:
            by_position.append(frame)
        else:
            by_keyword[name] = frame
    constants = copy.deepcopy(dict(params))
    activate(transform.folder)
    try:
        with forks_end_here():
            return transform.fn(*by_position, **by_keyword, **constants)
    except Interrupted:
        raise
    except BaseException as error:
        _raise_of_input([table for _, table in inputs])
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


def _argument(
    table: Argument, parameter: Parameter, scopes: ExitStack, enter: Callable[[FrameType], None], folder: Path
) -> Any:
    """What a parameter is given: a frame, or an object as it was stored."""
    if isinstance(table, ObjectInput):
        activate(folder)  # where its classes may be
        return table.load(scopes)
    enter(parameter.frame_type)
    return table.frame(parameter.frame_type)


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


def _no_frame(transform: Transform, result: Any) -> TransformError:
    wanted = transform.return_type.name if transform.returns is not None else "pandas.DataFrame"
    kind = type(result).__name__
    returned = f"`{transform.name}` returned {'None' if result is None else with_article(kind)}"
    if isinstance(result, types.CoroutineType):
        result.close()  # or Python warns that nobody awaited it
    if result is None:
        hint = "did it forget to `return`?"
    elif isinstance(result, _LazyKinds) or inspect.isawaitable(result):
        hint = f"define it with plain `def`, and return one {wanted}; to yield batches, annotate the result with"
        hint += " `Iterator[pyarrow.RecordBatch]`"
    elif kind == "DuckDBPyConnection":
        hint = "return `connection.sql(query).to_arrow_table()`"
    elif kind == "RecordBatch":
        hint = "make a table of it, as with `pyarrow.Table.from_batches`"
    elif isinstance(result, list) and transform.return_type.name == READER:
        hint = "yield the batches one by one, or return `iter(…)` of them"
    elif isinstance(result, (list, dict)):
        hint = "make a frame of it, as with `pandas.DataFrame(…)`"
    else:
        hint = f"return {with_article(wanted)}"
    return TransformError(f"{returned}; a transform returns {with_article(wanted)}", hint=hint)
