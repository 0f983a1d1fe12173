"""Pickles: any object that Python can write by reference to its class, with the modules that reading it imports."""

from __future__ import annotations

import io
import pickle
import types
from typing import Any, BinaryIO

from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer

# Fixed, so that the same object has the same bytes whatever Python writes by default.
_PROTOCOL = 5
_BY_REFERENCE = (type, types.FunctionType, types.BuiltinFunctionType)


class _Pickler(pickle.Pickler):
    """Notes the modules of all that is written by reference: of classes and functions, and of what is made by them."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.modules: set[str] = set()

    def reducer_override(self, value: Any) -> Any:
        """Note where an object comes from, and have it written as it is."""
        by_reference = (value, type(value)) if isinstance(value, _BY_REFERENCE) else (type(value),)
        for each in by_reference:
            module = each.__module__
            if isinstance(module, str):
                self.modules.add(module.partition(".")[0])
        return NotImplemented


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
        return pickle.load(source)  # noqa: S301  # callers see to it that the bytes are ours


class Joblib(Serializer):
    """A pickle as joblib writes it: arrays of numpy as they lie in memory."""

    takes = "any object that can be pickled"

    def dump(self, value: Any, sink: Sink) -> set[str]:
        """Write an object."""
        import joblib

        buffer = io.BytesIO()
        joblib.dump(value, buffer, protocol=_PROTOCOL)
        sink.write(buffer.getbuffer())
        # joblib's own pickler says nothing; arrays are left where they are here.
        modules = _Pickler(_Nowhere(), _PROTOCOL, buffer_callback=lambda _: None)
        modules.dump(value)
        return {"joblib", *modules.modules}

    def load(self, source: BinaryIO) -> Any:
        """Read an object, which imports its classes."""
        import joblib

        return joblib.load(source)
