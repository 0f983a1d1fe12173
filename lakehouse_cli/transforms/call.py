"""The call of a transform: Arrow in, Arrow out, frames only in between."""

from __future__ import annotations

import copy
import inspect
import threading
import types
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

import pyarrow as pa

from lakehouse_cli.code.failure import failure_of, hint_of, place_of_result
from lakehouse_cli.code.importing import activate
from lakehouse_cli.errors import Interrupted, LakehouseError, Location, TransformError
from lakehouse_cli.executors.forks import forks_end_here
from lakehouse_cli.formats.pieces import joined
from lakehouse_cli.model import Column
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.frame_names import DASK, PANDAS, READER
from lakehouse_cli.text.counts import with_article
from lakehouse_cli.transforms.frames import FrameType, owner_of
from lakehouse_cli.transforms.loading import Parameter, Transform
from lakehouse_cli.transforms.objects import Argument, ObjectInput, serialize
from lakehouse_cli.transforms.open_figures import figures_of_one_call
from lakehouse_cli.transforms.restored_dates import restore_dates, restore_dates_in
from lakehouse_cli.transforms.shared_tables import StreamedTable

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

    def take(
        result: Any, given: Given, scopes: ExitStack, enter: Callable[[FrameType], None]
    ) -> pa.Table | Iterator[pa.Table]:
        if serializer:
            found = object_of(transform, result, serializer)
            given.finish()
            return found
        return to_arrow(transform, result, given, columns, scopes, enter)

    returns = None if serializer or transform.returns is None else transform.return_type
    return call(transform, inputs, params or {}, take, uses_duckdb=uses_duckdb, workers=workers, returns=returns)


def object_of(transform: Transform, result: Any, serializer: str, output: str = "") -> pa.Table:
    """The bytes of a result that is no table.

    Args:
        transform: The transform.
        result: Of it.
        serializer: What writes it.
        output: Its name, where the transform gives several.

    Raises:
        TransformError: It cannot be stored so, or is a None that nobody said was meant.
    """
    found = serialize(transform, result, serializer)
    if result is not None or transform.may_return_none(output):
        return found
    message = f"result of `{transform.name}`: it returned None, to be stored as {serializer}"
    hint = "did it forget to `return`? Where None is meant, annotate it: `-> … | None`"
    if output:
        message = f"`{transform.name}` gave None as `{output}`, to be stored as {serializer}"
        hint = f"where None is meant, annotate it: `-> dict[str, … | None]`, or `{output}: … | None` in a NamedTuple"
    raise TransformError(message, hint=hint, location=place_of_result(transform.fn, transform.folder))


def call(
    transform: Transform,
    inputs: Sequence[tuple[Input, Argument]],
    params: Mapping[str, Any],
    take: Callable[[Any, Given, ExitStack, Callable[[FrameType], None]], _Taken],
    *,
    uses_duckdb: bool,
    workers: int,
    returns: FrameType | None = None,
) -> _Taken:
    """Call a transform, and take what it returned while all that it came from is open.

    Args:
        transform: From `load_transform`.
        inputs: As of `apply`, which the others are of too.
        params: Constants.
        take: Takes the result, the inputs, the scopes of frame types that are open, and what opens that of another.
            Where it returns pieces, these close the scopes at their end.
        uses_duckdb: Whether its code reaches that package.
        workers: How many transforms are called at once.
        returns: The frame type that it is annotated to return; its scope is entered before the call.
    """
    beside: set[str] = set()
    given = Given(transform, inputs)
    scopes = ExitStack()
    with ExitStack() as on_failure:
        on_failure.enter_context(scopes)
        enter = partial(_enter, scopes, workers, set())
        if returns is not None:
            enter(returns)
        with figures_of_one_call():
            with _noted(transform.name, beside) if uses_duckdb else nullcontext():
                result = _called(transform, given, params, beside, scopes, enter)
            found = take(result, given, scopes, enter)
        if isinstance(found, Iterator):
            on_failure.pop_all()  # closed by who reads the last piece
        return found


class Given:
    """The inputs of a call, and the errors that only they can tell.

    Args:
        transform: What is called.
        inputs: Each with its data.

    Attributes:
        folder: The project's.
        guards: What frame types watch the frames by that were made of them.
    """

    def __init__(self, transform: Transform, inputs: Sequence[tuple[Input, Argument]]) -> None:
        self.inputs = inputs
        self.guards: list[Callable[[], BaseException | None]] = []
        self.folder = transform.folder
        self._transform = transform

    def finish(self) -> None:
        """Read what was left of inputs that are read piece by piece, so that all of them is judged."""
        self.raise_error()  # which the transform may have caught
        for _, each in self.inputs:
            if isinstance(each, StreamedTable):
                each.finish()

    def raise_error(self, location: Location | None = None) -> None:
        """Raise what was raised as an input was read, which the transform only passed on; or how it misread one.

        Args:
            location: Where; else where the transform returns what is computed late.
        """
        for _, each in self.inputs:
            if isinstance(each, StreamedTable) and each.error is not None:
                raise each.error from None
        for guard in self.guards:
            if (error := guard()) is not None:
                if isinstance(error, TransformError):
                    error.location = location or place_of_result(self._transform.fn, self._transform.folder)
                raise error from None


def _enter(scopes: ExitStack, workers: int, entered: set[str], of: FrameType) -> None:
    """Enter the scope of a frame type, once for each call."""
    if of.name not in entered:
        entered.add(of.name)
        scopes.enter_context(of.scope(workers))


def to_arrow(
    transform: Transform,
    result: Any,
    given: Given,
    columns: Sequence[Column] | None,
    scopes: ExitStack,
    enter: Callable[[FrameType], None],
) -> pa.Table | Iterator[pa.Table]:
    """What a transform returned, as Arrow; pieces of it close the scopes at their end.

    Raises:
        TransformError: It is no frame, or one that cannot become Arrow; with the place where it is returned.
    """
    try:
        return _arrow_of(transform, result, given, columns, scopes, enter)
    except TransformError as error:
        error.location = error.location or place_of_result(transform.fn, transform.folder)
        raise


def _arrow_of(
    transform: Transform,
    result: Any,
    given: Given,
    columns: Sequence[Column] | None,
    scopes: ExitStack,
    enter: Callable[[FrameType], None],
) -> pa.Table | Iterator[pa.Table]:
    owner = owner_of(result)
    if owner is None and isinstance(result, Iterator) and transform.return_type.streams:
        owner = transform.return_type
    if owner is None:
        raise _no_frame(transform, result)
    enter(owner)
    if owner.streams:
        found = owner.to_pieces(result, columns)
        if owner.name == DASK:
            found = restore_dates_in(found, [each.schema for _, each in given.inputs], columns)
        pieces = _pieces(transform, joined(found), given, scopes)
        return pieces if owner.orders_rows else Unordered(pieces)
    given.finish()
    try:
        data = owner.to_arrow(result, columns)
        return restore_dates(data, [each.schema for _, each in given.inputs], columns) if owner.name == PANDAS else data
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


def _pieces(transform: Transform, pieces: Iterator[pa.Table], given: Given, scopes: ExitStack) -> Iterator[pa.Table]:
    """The pieces of a result, which the transform may compute only as they are asked for."""
    with scopes:
        yield from iterate(transform, pieces, given)


def iterate(transform: Transform, pieces: Iterator[_Taken], given: Given) -> Iterator[_Taken]:
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
            given.raise_error()
            raise TransformError(
                f"result of `{transform.name}`: {error.message}",
                hint=error.hint,
                location=place_of_result(transform.fn, transform.folder),
            ) from error
        except BaseException as error:
            failure = failure_of(error, transform.folder, transform.file)
            given.raise_error(failure.location)
            raise TransformError(
                f"`{transform.name}` raised {failure.headline}",
                exception=failure.exception,
                frames=failure.frames,
                traceback=failure.traceback,
                hint=hint_of(error, ()),
                location=failure.location or place_of_result(transform.fn, transform.folder),
            ) from error
        yield piece
    given.finish()


def _called(
    transform: Transform,
    given: Given,
    params: Mapping[str, Any],
    beside: Collection[str],
    scopes: ExitStack,
    enter: Callable[[FrameType], None],
) -> Any:
    by_position: list[Any] = []
    by_keyword: dict[str, Any] = {}
    shapes = []
    parameters = transform.parameters_of([each for each, _ in given.inputs])
    for (each, table), parameter in zip(given.inputs, parameters, strict=True):
        name = each.parameter or (parameter.name if parameter else str(len(by_position) + 1))
        if parameter is None:
            hint = "name it in the function's signature, or leave it out of `inputs`"
            raise TransformError(f"`{transform.name}` has no parameter `{name}`", hint=hint)
        if not isinstance(table, ObjectInput):
            unread = isinstance(table, StreamedTable) and not table.num_rows
            rows = table.content.rows if unread and table.content is not None else table.num_rows
            shapes.append((name, each.table, rows, table.num_columns))
        try:
            frame = _argument(table, parameter, name, given, scopes, enter)
        except TransformError as error:
            message = f"input `{each.table}`: {error.message}"
            raise TransformError(message, hint=error.hint, location=error.location) from error
        if each.positional:
            by_position.append(frame)
        else:
            by_keyword[name] = frame
    constants = copy.deepcopy(dict(params)) if params else {}
    activate(transform.folder)
    try:
        with forks_end_here():
            return transform.fn(*by_position, **by_keyword, **constants)
    except Interrupted:
        raise
    except BaseException as error:
        failure = failure_of(error, transform.folder, transform.file)
        given.raise_error(failure.location)
        message, advice = f"`{transform.name}` raised {failure.headline}", hint_of(error, beside)
        if isinstance(error, LakehouseError):  # of what it was given
            message, advice = f"`{transform.name}`: {error.message}", error.hint
        raise TransformError(
            message,
            exception=failure.exception,
            frames=failure.frames,
            inputs=shapes,
            traceback=failure.traceback,
            hint=advice,
            location=failure.location,
        ) from error


def _argument(
    table: Argument,
    parameter: Parameter,
    name: str,
    given: Given,
    scopes: ExitStack,
    enter: Callable[[FrameType], None],
) -> Any:
    """What a parameter is given: a frame, or an object as it was stored."""
    if isinstance(table, ObjectInput):
        return table.load(scopes, given.folder)
    frame_type = parameter.frame_type
    enter(frame_type)
    frame = table.frame(frame_type)
    if (guard := frame_type.guard(frame, name)) is not None:
        given.guards.append(guard)
    return frame


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
