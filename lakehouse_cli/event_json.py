"""Events as lines of JSON and back: what the history keeps and `--log-format json` streams. See docs/history.md.

The fields of a line are those of the event's class, so that what an event tells is never left out of the log. A field
more is no new version; one that is gone, renamed or means something else is.
"""

from __future__ import annotations

import json
import types
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lakehouse_cli.events import Event, RunFinished, RunStarted, RunWaiting, TableFinished
from lakehouse_cli.version import __version__

#: Version of the lines' layout, in those that may be the first.
SCHEMA = 1

_Value = TypeVar("_Value")


def event_document(event: Event, at: datetime) -> dict[str, Any]:
    """An event as a JSON document.

    Args:
        event: What happened.
        at: When.
    """
    document: dict[str, Any] = {"event": _event_name(type(event).__name__)}
    if isinstance(event, RunStarted | RunWaiting):
        document["schema"] = SCHEMA
    document["at"] = at.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(event, TableFinished):
        document["table"] = event.result.name
    if isinstance(event, RunFinished):
        # How each table ended was told when it did; the names keep the order.
        result = _plain(replace(event.result, tables=()))
        result["tables"] = [table.name for table in event.result.tables]
        result["counts"] = dict(Counter(table.status for table in event.result.tables))
        return document | {"result": result}
    document |= _plain(event)
    if isinstance(event, RunStarted):
        document["tool_version"] = __version__
    return document


def event_line(event: Event, at: datetime) -> str:
    """The same as one line with its newline, in ASCII: no text in it can end the line or spoil its encoding."""
    return _ENCODER.encode(event_document(event, at)) + "\n"


@cache
def _event_name(class_name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in class_name).lstrip("_")


# A thousand tables are some three thousand events: what is the same each time is looked up once.
_ENCODER = json.JSONEncoder(separators=(",", ":"), default=str)
_ATOMS = {type(None), bool, int, float, str}
_FIELDS: dict[type, tuple[str, ...]] = {}


def _fields(value: Any) -> tuple[str, ...]:
    """The names of a value's fields."""
    kind = type(value)
    if kind not in _FIELDS:
        _FIELDS[kind] = tuple(field.name for field in fields(value))
    return _FIELDS[kind]


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _ATOMS or (not value and kind is tuple):
        return value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {name: _plain(getattr(value, name)) for name in _fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def from_document(kind: type[_Value], document: Any) -> _Value:
    """A frozen value from the document that was made of it; fields that are not known are passed over.

    Raises:
        ValueError: The document is not one of such a value.
    """
    value: _Value = _read(kind, document)
    return value


@cache
def _types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, value: Any) -> Any:
    if is_dataclass(kind):
        return _read_fields(kind, value)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _read(next(a for a in arguments if a is not type(None)), value)
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{value!r} is none of {', '.join(arguments)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{value!r} is not a list")
        if arguments[-1] is ...:
            return tuple(_read(arguments[0], item) for item in value)
        return tuple(_read(argument, item) for argument, item in zip(arguments, value, strict=True))
    if kind is float and type(value) is int:
        return float(value)
    if kind in (str, int, float, bool) and type(value) is not kind:
        raise ValueError(f"{value!r} is not of type {kind.__name__}")
    return value


def _read_fields(kind: Any, document: Any) -> Any:
    if not isinstance(document, dict):
        raise ValueError(f"{document!r} is not a JSON object")
    hints = _types(kind)
    values = {}
    for field in fields(kind):
        if field.name in document:
            values[field.name] = _read(hints[field.name], document[field.name])
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"`{field.name}` is missing")
    return kind(**values)
