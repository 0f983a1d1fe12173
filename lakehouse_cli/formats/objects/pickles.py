"""Pickles: any object that Python can write by reference to its class, with the modules that reading it imports."""

from __future__ import annotations

import io
import pickle
import types
from functools import partial
from pathlib import PurePath
from typing import Any, BinaryIO

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer, scratch_path_refused
from lakehouse_cli.runs.temporary_files import is_temporary

# Fixed, so that the same object has the same bytes whatever Python writes by default.
_PROTOCOL = 5
_BY_REFERENCE = (type, types.FunctionType, types.BuiltinFunctionType)
# What has no rows in it, by the package and the name of its class, and what computes them.
_LAZY = {
    ("polars", "LazyFrame"): "collect()",
    ("dask", "DaskMethodsMixin"): "compute()",
    ("pyspark", "DataFrame"): "toArrow()",
    ("duckdb", "DuckDBPyRelation"): "to_arrow_table()",
    ("_duckdb", "DuckDBPyRelation"): "to_arrow_table()",
    ("pyarrow", "RecordBatchReader"): "read_all()",
    ("ibis", "Table"): "to_pyarrow()",
}


class _Pickler(pickle.Pickler):
    """Notes the modules of all that is written by reference: of classes and functions, and of what is made by them.

    Lazy frames are refused: a pickle of one says how to compute its rows, of inputs which are others by then. So are
    the paths that a transform is given, which are gone when it has returned.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.modules: set[str] = set()
        self._types: set[type] = set()

    def reducer_override(self, value: Any) -> Any:
        """Note where an object comes from, and have it written as it is.

        Raises:
            TransformError: It is a lazy frame, or a path in a scratch folder.
        """
        if isinstance(value, PurePath) and is_temporary(value):
            raise scratch_path_refused(value.name)
        if isinstance(value, _BY_REFERENCE):
            self._note(value)
        kind = type(value)
        if kind not in self._types:
            self._types.add(kind)
            self._note(kind)
            _refuse_lazy(kind)
        return NotImplemented

    def _note(self, named: type | types.FunctionType | types.BuiltinFunctionType) -> None:
        if isinstance(named.__module__, str):
            self.modules.add(named.__module__.partition(".")[0])


def _refuse_lazy(kind: type) -> None:
    names = ((each.__module__.partition(".")[0], each.__name__) for each in kind.__mro__)
    rows = next((_LAZY[each] for each in names if each in _LAZY), None)
    if rows is not None:
        named = f"{kind.__module__.partition('.')[0]} {kind.__name__}"
        message = f"a {named} is lazy: its pickle would hold how it is computed, and no values"
        raise TransformError(message, hint=f"return what it computes: `….{rows}`")


class _Unpickler(pickle.Unpickler):
    """Makes arrays of numpy that can be changed, as those are that were pickled from memory of their own.

    One that was read-only, such as a column of a frame that transforms share, would be so again.
    """

    def find_class(self, module: str, name: str, /) -> Any:
        """Find what something is made by; callers see to it that the bytes are ours."""
        found = super().find_class(module, name)
        is_array = name == "_frombuffer" and module.partition(".")[0] == "numpy"
        return partial(_changeable_array, found) if is_array else found


def _changeable_array(make: Any, *arguments: Any) -> Any:
    array = make(*arguments)
    return array if array.flags.writeable else array.copy(order="K")


class _Nowhere:
    def write(self, data: Any, /) -> int:
        return len(data)


class Pickle(Serializer):
    """A pickle of protocol 5."""

    takes = "any object that can be pickled"

    def dump(self, value: Any, sink: Sink) -> set[str]:
        """Write an object."""
        pickler = _Pickler(sink, _PROTOCOL)
        pickler.dump(value)
        return pickler.modules

    def load(self, source: BinaryIO) -> Any:
        """Read an object, which imports its classes."""
        return _Unpickler(source).load()


class Joblib(Serializer):
    """A pickle as joblib writes it: arrays of numpy as they lie in memory."""

    takes = "any object that can be pickled"

    def dump(self, value: Any, sink: Sink) -> set[str]:
        """Write an object."""
        import joblib

        # joblib's own pickler says nothing; arrays are left where they are here.
        modules = _Pickler(_Nowhere(), _PROTOCOL, buffer_callback=lambda _: None)
        modules.dump(value)
        buffer = io.BytesIO()
        joblib.dump(value, buffer, protocol=_PROTOCOL)
        sink.write(buffer.getbuffer())
        return {"joblib", *modules.modules}

    def load(self, source: BinaryIO) -> Any:
        """Read an object, which imports its classes."""
        import joblib

        return joblib.load(source)
