"""Events as lines of JSON and back: what the history keeps and `--log-format json` streams. See docs/history.md.

The fields of a line are those of the event's class, so that what an event tells is never left out of the log. A field
more is no new version; one that is gone, renamed or means something else is.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from msgspec import convert, to_builtins
from msgspec.json import Encoder
from msgspec.structs import replace

from lakehouse_cli.runs.events import Event, RunFinished, RunStarted, RunWaiting, TableFinished
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
    document = event_document(event, at)
    with suppress(UnicodeEncodeError):  # the name of a file that is no text, which only an escape can hold
        line = _encode(document)
        if line.isascii():
            return line.decode() + "\n"
    return _ENCODER.encode(document) + "\n"


@cache
def _event_name(class_name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in class_name).lstrip("_")


_ENCODER = json.JSONEncoder(separators=(",", ":"))
_encode = Encoder().encode


def _plain(value: Any) -> Any:
    """A value as what JSON has; what it has no such type for as text."""
    return to_builtins(value, str_keys=True, enc_hook=str)


def from_document(kind: type[_Value], document: Any) -> _Value:
    """A frozen value from the document that was made of it; fields that are not known are passed over.

    Raises:
        ValueError: The document is not one of such a value.
    """
    return convert(document, kind)
