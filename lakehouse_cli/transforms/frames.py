"""The in-memory types that transforms take and return, and how an annotation names one.

A new one is a subclass of `FrameType`, in the table `_FRAME_TYPES` or in a package that names it under the entry point
group ``lakehouse.frames``, as users write it: ``library.Class``. Its library is imported only when a transform is found
to want it.
"""

from __future__ import annotations

import sys
import types
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.types import without_rows
from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.native import NativeFile
from lakehouse_cli.model import Column
from lakehouse_cli.model.frame_names import (
    ARROW,
    DASK,
    IBIS,
    LAZY,
    PANDAS,
    POLARS,
    READER,
    RELATION,
    SPARK,
    is_supported,
    names_in_text,
    unsupported,
)
from lakehouse_cli.registry import install_command, installed, lookup

#: Reads rows of a table by their numbers, of some columns or of all; can be sent to other workers of the cluster.
ReadRows = Callable[["range", "Collection[str] | None"], pa.Table]


class FrameType(ABC):
    """A frame type: an in-memory type of tables, to and from Arrow.

    Attributes:
        name: As users write it: ``pandas.DataFrame``.
        streams: Whether it takes and gives a table piece by piece; then `from_pieces` and `to_pieces` are its own.
        orders_rows: Whether its frames keep the order of rows; engines that do not are given one by the table's key.
        reads_files: The formats of files that `from_file` takes.
        reads_columns: Whether `from_columns` is its own.
        reads_rows: Whether `from_rows` is its own.
    """

    name: str
    streams: bool = False
    orders_rows: bool = True
    reads_files: frozenset[str] = frozenset()
    reads_columns: bool = False
    reads_rows: bool = False

    @abstractmethod
    def from_arrow(self, table: pa.Table) -> Any:
        """Make a frame of the table's rows that its receiver may change in place; the table stays as it is."""

    def shared(self, table: pa.Table) -> Callable[[], Any] | None:
        """Return a maker of frames that share memory until one of them is changed in place.

        None if this type, or this table in it, has no such frames; then each receiver gets one of its own.
        """
        del table
        return None

    @abstractmethod
    def to_arrow(self, frame: Any, columns: Sequence[Column] | None) -> pa.Table:
        """Make a table of a frame that `owns` accepts, for `lakehouse_cli.contracts.enforce`.

        Nothing is converted beyond what Arrow needs; a column that cannot become Arrow comes as
        `lakehouse_cli.arrow.conversion.stand_in.stand_in`.

        Args:
            frame: The result of a transform.
            columns: The contract's, which declare the types of Python objects; None if none are declared.
        """

    def scope(self, workers: int = 1) -> AbstractContextManager[None]:
        """Entered before frames are made for a call of a transform, and left when its result has been read.

        Args:
            workers: How many transforms are called at once, which share cores and memory.
        """
        del workers
        return nullcontext()

    def from_pieces(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]]) -> Any:
        """Make a frame of a table that is read piece by piece, anew at each call; what is raised then is passed on."""
        return self.from_arrow(pa.concat_tables([without_rows(schema), *open_pieces()]))

    def from_columns(self, schema: pa.Schema, open_columns: Callable[[Collection[str]], Iterator[pa.Table]]) -> Any:
        """As `from_pieces`, where fewer columns are read sooner: of those named, and perhaps of others."""
        return self.from_pieces(schema, lambda: open_columns(schema.names))

    def from_rows(self, schema: pa.Schema, open_pieces: Callable[[], Iterator[pa.Table]], read_rows: ReadRows) -> Any:
        """As `from_pieces`, where rows can be read without those before them."""
        del read_rows
        return self.from_pieces(schema, open_pieces)

    def from_file(self, file: NativeFile) -> Any:
        """Make a frame that reads of a file what it needs; None where it would find other types."""
        del file
        return None

    def guard(self, frame: Any, parameter: str) -> Callable[[], BaseException | None] | None:
        """Watch a frame that a transform is given as a parameter, without keeping it.

        Returns:
            What gives the error of a use that loses rows, asked for once the transform failed or has ended; None
            where there is no such use.
        """
        del frame, parameter
        return None

    def to_pieces(self, frame: Any, columns: Sequence[Column] | None) -> Iterator[pa.Table]:
        """Make a table of a frame piece by piece; else as `to_arrow`."""
        yield self.to_arrow(frame, columns)

    @abstractmethod
    def accepts(self, annotation: type, *, returned: bool) -> bool:
        """Whether a class, as an annotation, names this type; `returned` for that of the result."""

    def owns(self, value: Any) -> bool:
        """Whether a value is a frame of this type, as a transform may return it."""
        return self.accepts(type(value), returned=True)


_FRAME_TYPES = {
    PANDAS: "lakehouse_cli.transforms.pandas_frame:PandasFrame",
    ARROW: "lakehouse_cli.transforms.arrow_frame:ArrowFrame",
    POLARS: "lakehouse_cli.transforms.polars_frame:PolarsFrame",
    LAZY: "lakehouse_cli.transforms.lazy_frame:LazyFrame",
    RELATION: "lakehouse_cli.transforms.relation_frame:RelationFrame",
    IBIS: "lakehouse_cli.transforms.ibis_frame:IbisFrame",
    DASK: "lakehouse_cli.transforms.dask_frame:DaskFrame",
    SPARK: "lakehouse_cli.transforms.spark_frame:SparkFrame",
    READER: "lakehouse_cli.transforms.reader_frame:ReaderFrame",
}


@cache
def frame_type(name: str) -> FrameType:
    """Look up the frame type of a name such as ``pandas.DataFrame``.

    Raises:
        TransformError: Its library is not installed.
    """
    if name not in _FRAME_TYPES:
        return lookup({}, "frames", name, FrameType)()
    module, _, attribute = _FRAME_TYPES[name].partition(":")
    try:
        found: FrameType = getattr(import_module(module), attribute)()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if install_command(missing) is None:
            raise
        hint = install_command(name.partition(".")[0])
        raise TransformError(f"`{name}` needs {missing}, which is not installed", hint=hint) from error
    return found


def frame_type_of(annotation: Any, *, returned: bool = False) -> FrameType:
    """Find the frame type that an annotation names; pandas if there is no annotation.

    Args:
        annotation: A class, a union or other form of `typing`, the text of one that could not be evaluated, None.
        returned: Whether it annotates the result, which may also be a pandas.Series.

    Raises:
        TransformError: It names no supported type, or one whose library is not installed.
    """
    if annotation is None or annotation is Any:
        return frame_type(PANDAS)
    # A run asks for a plain class with every input of every table; `typing` would take most of that time.
    if type(annotation) is type and (plain := _frame_type_of_class(annotation, returned)) is not None:
        return plain
    if isinstance(annotation, str):
        for name in names_in_text(annotation):
            if is_supported(name, returned=returned):
                return frame_type(name if name in _FRAME_TYPES else PANDAS)
            if name in installed("frames"):
                return frame_type(name)
        raise _unsupported(annotation.strip().strip("\"'"), returned)
    if _yields_batches(annotation):
        return frame_type(READER)
    for candidate in _classes(annotation):
        found = _frame_type_of_class(candidate, returned)
        if found is not None:
            return found
    raise _unsupported(_spelled(annotation), returned)


@lru_cache(maxsize=256)
def _frame_type_of_class(candidate: type, returned: bool) -> FrameType | None:
    root = candidate.__module__.partition(".")[0]
    for name in _names():
        # Only a class of that very library (or derived from one, hence loaded) can be meant.
        library = name.partition(".")[0]
        if library == root or any(base.__module__.partition(".")[0] == library for base in candidate.__mro__):
            found = frame_type(name)
            if found.accepts(candidate, returned=returned):
                return found
    return None


def owner_of(value: Any) -> FrameType | None:
    """Find the frame type of a value, None if it has none."""
    for name in _names():
        if name.partition(".")[0] in sys.modules and frame_type(name).owns(value):
            return frame_type(name)
    return None


def _names() -> Iterator[str]:
    """List all names, the tool's own first: packages are looked through for a type that is none of these."""
    yield from _FRAME_TYPES
    yield from installed("frames")


def _yields_batches(annotation: Any) -> bool:
    """Whether it is an iterator of pyarrow.RecordBatch."""
    of = typing.get_args(annotation)
    return typing.get_origin(annotation) in (Iterator, Iterable, Generator) and of[:1] == (pa.RecordBatch,)


def _classes(annotation: Any) -> list[type]:
    """List the classes that an annotation allows, without None."""
    if isinstance(annotation, typing.TypeVar):
        annotation = annotation.__bound__
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [] if annotation is type(None) else [annotation]
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [found for part in typing.get_args(annotation) for found in _classes(part)]
    if origin is typing.Annotated:
        return _classes(typing.get_args(annotation)[0])
    return [origin] if isinstance(origin, type) else []


def _spelled(annotation: Any) -> str:
    if annotation is types.NoneType:
        return "None"
    if isinstance(annotation, type):
        module = annotation.__module__
        return (
            annotation.__qualname__ if module == "builtins" else f"{module.partition('.')[0]}.{annotation.__qualname__}"
        )
    return str(annotation)


def _unsupported(text: str, returned: bool) -> TransformError:
    message, hint = unsupported(text, returned=returned)
    return TransformError(message, hint=hint)
