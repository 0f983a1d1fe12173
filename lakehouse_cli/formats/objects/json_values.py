"""JSON values, each of which comes back as exactly what it was."""

from __future__ import annotations

import json
import math
from typing import Any, BinaryIO, NoReturn

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer

_DEEPEST = 500
_PLAIN = (str, int, float, bool, type(None), list, dict)
_HINTS = {
    "tuple": "make it a list: `list(…)`",
    "set": "make it a list: `sorted(…)`",
    "frozenset": "make it a list: `sorted(…)`",
    "date": "write it as text: `….isoformat()`",
    "datetime": "write it as text: `….isoformat()`",
    "Decimal": "write it as text: `str(…)`",
    "ndarray": "make it a list: `….tolist()`",
    "Series": "make it a list or dict: `….tolist()`, `….to_dict()`",
    "DataFrame": "declare `columns:` to store a table, or return `….to_dict('records')`",
}


class JsonValues(Serializer):
    """JSON in UTF-8: dict with keys that are str, list, str, int, float, bool and None, of these very types.

    Integers of any size keep every digit. What would come back as something else is refused with its path: NaN and
    infinity, tuples, sets, keys that are no texts, numbers of numpy.
    """

    takes = "dict, list, str, int, float, bool and None"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write a value, after all of it was looked at."""
        _check(value, "$", 0)
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
        except ValueError as error:  # of more digits than Python writes
            raise TransformError(f"the value cannot be written as JSON: {error}", hint="write it as text") from None
        sink.write(text.encode() + b"\n")
        return ()

    def load(self, source: BinaryIO) -> Any:
        """Read a value."""
        return json.loads(source.read(), parse_constant=_constant)


def _constant(name: str) -> NoReturn:
    message = f"{name} is no JSON value"
    raise ValueError(message)


def _check(value: Any, path: str, depth: int) -> None:
    """Refuse what JSON cannot give back as it is.

    Raises:
        TransformError: Naming the path: ``$.scores[3]``.
    """
    kind = type(value)
    if kind not in _PLAIN:
        raise _refused(value, path)
    if depth > _DEEPEST:
        raise TransformError(
            f"`{path[:60]}…` is nested deeper than {_DEEPEST}", hint="JSON cannot hold what holds itself"
        )
    if kind is float and not math.isfinite(value):
        raise TransformError(f"`{path}` is {value}, which is no JSON value", hint="return None in its place, or a text")
    if kind is str and not value.isascii():
        _check_text(value, path)
    if kind is list:
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]", depth + 1)
    elif kind is dict:
        for key, item in value.items():
            if type(key) is not str:
                message = f"`{path}` has the key {key!r}, which is {type(key).__name__} and no text"
                raise TransformError(message, hint="make its keys texts: `{str(key): value …}`")
            if not key.isascii():
                _check_text(key, path)
            _check(item, f"{path}.{key}" if key.isidentifier() else f"{path}[{json.dumps(key)}]", depth + 1)


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        message = f"`{path}` has half of a surrogate pair, which UTF-8 cannot hold"
        raise TransformError(message, hint="decode the text with `errors=` other than `surrogateescape`") from None


def _refused(value: Any, path: str) -> TransformError:
    kind = type(value)
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    hint = _HINTS.get(kind.__name__)
    if hint is None:
        plain = next((each.__name__ for each in (bool, int, float, str, list, dict) if isinstance(value, each)), None)
        if plain is None and kind.__module__.partition(".")[0] == "numpy":
            plain = "float" if "float" in kind.__name__ else "bool" if "bool" in kind.__name__ else "int"
        hint = (
            f"make it one that JSON has: `{plain}(…)`" if plain else "return what JSON has, or choose `format: pickle`"
        )
    return TransformError(f"`{path}` is {named}, and JSON holds {JsonValues.takes}", hint=hint)
