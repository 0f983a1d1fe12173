"""JSON values, each of which comes back as exactly what it was."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import PurePath
from typing import Any, BinaryIO, NoReturn

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer, scratch_path_refused
from lakehouse_cli.runs.temporary_files import is_temporary, names_temporary

_DEEPEST = 500
# Keys of a path that is shown of what is nested too deeply.
_SHOWN = 12
# Python reads and writes integers of so many digits whatever its limit is (`sys.set_int_max_str_digits`).
_DIGITS = 640
_PLAIN_INT = 10**_DIGITS
_PLAIN = frozenset((str, int, float, bool, type(None), list, dict))
_HOLD_OTHERS = frozenset((list, dict))
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode
_LIST, _TEXT = "make it a list: ", "write it as text: "
# By the name of a class, also of one that it is derived from.
_HINTS = {
    "tuple": f"{_LIST}`list(…)`",
    "set": f"{_LIST}`sorted(…)`",
    "frozenset": f"{_LIST}`sorted(…)`",
    "bytes": f"{_TEXT}`….decode()`",
    "date": f"{_TEXT}`….isoformat()`",
    "time": f"{_TEXT}`….isoformat()`",
    "timedelta": f"{_TEXT}`str(…)`",
    "timedelta64": f"{_TEXT}`str(…)`",
    "datetime64": f"{_TEXT}`str(…)`",
    "Decimal": f"{_TEXT}`str(…)`",
    "UUID": f"{_TEXT}`str(…)`",
    "PurePath": f"{_TEXT}`str(…)`",
    "ndarray": f"{_LIST}`….tolist()`",
    "NAType": "return None in its place",
    "generator": f"{_LIST}`[… for … in …]` or `list(…)`, and `return` it rather than `yield`",
}
# By the package and the name of a class.
_ROWS = {
    ("pandas", "DataFrame"): "….to_dict('records')",
    ("pandas", "Series"): "….tolist()",
    ("pandas", "Index"): "….tolist()",
    ("polars", "DataFrame"): "….to_dicts()",
    ("polars", "LazyFrame"): "….collect().to_dicts()",
    ("polars", "Series"): "….to_list()",
    ("pyarrow", "Table"): "….to_pylist()",
    ("pyarrow", "RecordBatch"): "….to_pylist()",
    ("pyarrow", "ChunkedArray"): "….to_pylist()",
    ("pyarrow", "Array"): "….to_pylist()",
    ("dask", "DataFrame"): "….compute().to_dict('records')",
    ("dask", "Series"): "….compute().tolist()",
    ("dask", "Scalar"): "….compute().item()",
    ("pyspark", "DataFrame"): "[row.asDict() for row in ….collect()]",
    ("_duckdb", "DuckDBPyRelation"): "….to_arrow_table().to_pylist()",
    ("duckdb", "DuckDBPyRelation"): "….to_arrow_table().to_pylist()",
}
_TABLES = ("DataFrame", "LazyFrame", "Table", "RecordBatch", "DuckDBPyRelation")


class JsonValues(Serializer):
    """JSON in UTF-8: dict with keys that are str, list, str, int, float, bool and None, of these very types.

    Integers of any size keep every digit. What would come back as something else is refused with its path: NaN and
    infinity, tuples, sets, keys that are no texts, numbers of numpy.
    """

    takes = "dict, list, str, int, float, bool and None"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write a value, after all of it was looked at."""
        sink.write(_Writer().text_of(value).encode() + b"\n")
        return ()

    def load(self, source: BinaryIO) -> Any:
        """Read a value."""
        return read_json(source.read())


def read_json(data: bytes) -> Any:
    """Read a JSON value.

    Raises:
        ValueError: It is none, or has a number beyond those of `float`.
    """
    try:
        return json.loads(data, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        message = "it is nested too deeply to be read"
        raise ValueError(message) from None
    except ValueError:  # Python's own `int` reads no more than some thousand digits
        return json.loads(data, parse_constant=_constant, parse_float=_float, parse_int=_int)


def json_scalar(value: str | float | None) -> str:
    """The JSON of a value that holds no others."""
    if type(value) is int:
        return repr(value) if -_PLAIN_INT < value < _PLAIN_INT else str(Decimal(value))
    return repr(value) if type(value) is float else _ENCODE(value)


def _constant(name: str) -> NoReturn:
    message = f"{name} is no JSON value"
    raise ValueError(message)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        message = f"{text} is beyond the largest float64"
        raise ValueError(message)
    return value


def _int(text: str) -> int:
    # `int` of a text takes time that grows with the square of its length, for which Python limits it.
    return int(text) if len(text) < _DIGITS else int(Decimal(text))


class _Writer:
    """Writes one value as `json.dumps(value, ensure_ascii=False, indent=2)` does, or refuses it with its path."""

    def __init__(self) -> None:
        self._path: list[str | int] = []
        self._open: list[int] = []
        self._parts: list[str] = []

    def text_of(self, value: Any) -> str:
        """The JSON of a value.

        Raises:
            TransformError: JSON cannot give it back as it is; naming the path: ``$.scores[3]``.
        """
        self._write(value)
        return "".join(self._parts)

    def _write(self, value: Any) -> None:
        # Calls itself once for each level, of which Python allows some hundred.
        kind = type(value)
        if kind not in _HOLD_OTHERS or not value:
            self._parts.append(self._scalar(value, kind))
            return
        self._open.append(id(value))
        if len(self._open) > _DEEPEST:
            raise self._too_deep()
        parts, path = self._parts, self._path
        line = "\n" + "  " * len(self._open)
        separator, end = ("{" + line, "}") if kind is dict else ("[" + line, "]")
        for key, item in value.items() if kind is dict else enumerate(value):
            parts.append(separator)
            separator = f",{line}"
            if kind is dict:
                parts.append(f"{self._key(key)}: ")
            path.append(key)
            if type(item) in _HOLD_OTHERS:
                self._write(item)
            else:
                parts.append(self._scalar(item, type(item)))
            path.pop()
        self._open.pop()
        parts.append(line[:-2] + end)

    def _scalar(self, value: Any, kind: type) -> str:
        """The JSON of what holds no others."""
        if kind is str:
            return self._text(value)
        if kind is float and not math.isfinite(value):
            message = f"`{self._place()}` is {value}, which is no JSON value"
            raise TransformError(message, hint="return None in its place, or a text")
        if kind not in _PLAIN:
            if isinstance(value, PurePath) and is_temporary(value):
                raise scratch_path_refused(value.name, f"`{self._place()}`")
            raise _refused(value, self._place())
        return json_scalar(value)

    def _key(self, key: Any) -> str:
        if type(key) is not str:
            message = f"`{self._place()}` has the key {key!r}, which is {type(key).__name__} and no text"
            raise TransformError(message, hint="make its keys texts: `{str(key): value …}`")
        return self._text(key)

    def _text(self, text: str) -> str:
        if names_temporary(text):
            raise scratch_path_refused(PurePath(text).name, f"`{self._place()}`")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                message = f"`{self._place()}` has half of a surrogate pair, which UTF-8 cannot hold"
                hint = "decode the text with `errors=` other than `surrogateescape`"
                raise TransformError(message, hint=hint) from None
        return _ENCODE(text)

    def _place(self) -> str:
        return json_path(self._path)

    def _too_deep(self) -> TransformError:
        place = json_path(self._path[:_SHOWN])
        if len(set(self._open)) < len(self._open):
            return TransformError(f"`{place}…` holds itself, which JSON cannot", hint="leave out what leads back to it")
        message = f"`{place}…` is nested deeper than {_DEEPEST}"
        return TransformError(message, hint="return it flatter, such as a list of what is nested")


def json_path(keys: Iterable[str | int]) -> str:
    """The path of keys and positions: ``$.scores[3]``."""
    return "$" + "".join(
        f"[{key}]" if type(key) is int else f".{key}" if str(key).isidentifier() else f"[{json.dumps(key)}]"
        for key in keys
    )


def _refused(value: Any, path: str) -> TransformError:
    kind = type(value)
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return TransformError(f"`{path}` is {named}, and JSON holds {JsonValues.takes}", hint=_hint(kind))


def _hint(kind: type) -> str:
    """What to return in the place of an object of that type."""
    package = kind.__module__.partition(".")[0]
    rows = next((_ROWS[package, each.__name__] for each in kind.__mro__ if (package, each.__name__) in _ROWS), None)
    if rows is not None:
        table = "declare `columns:` to store a table, or " if kind.__name__ in _TABLES else ""
        return f"{table}return `{rows}`"
    hint = next((_HINTS[each.__name__] for each in kind.__mro__ if each.__name__ in _HINTS), None)
    if hint is not None:
        return hint
    plain = next((each.__name__ for each in (bool, int, float, str, list, dict) if issubclass(kind, each)), None)
    if plain is None and package == "numpy":
        plain = next((each for each in ("float", "bool", "int") if each in kind.__name__), None)
    if plain is not None:
        return f"make it one that JSON has: `{plain}(…)`"
    if issubclass(kind, Iterable):
        return "make it a dict: `dict(…)`" if issubclass(kind, Mapping) else f"{_LIST}`list(…)`"
    return "return what JSON has; `format: pickle` takes what Python can pickle"
