"""Events as lines of JSON and back: the lines of the history and of `--log-format json`. See docs/history.md.

The members of a line are the fields of the event's class. A new member keeps the version of the layout; one that is
removed, renamed or changes its meaning raises it.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import get_args

from msgspec import Struct, convert, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import asdict, replace

from lakehouse_cli.model.deferred_input import DeferredInput
from lakehouse_cli.runs.events import (
    Event,
    RunFinished,
    RunStarted,
    RunStatus,
    RunStopping,
    RunWaiting,
    TableFinished,
    TableReading,
    TableRetrying,
    TableStarted,
)
from lakehouse_cli.runs.kept_partitions import kept_partitions
from lakehouse_cli.version import __version__

#: Version of the lines' layout, in those that may be the first.
SCHEMA = 1


class Beginning(RunStarted, frozen=True, kw_only=True, tag="run_started"):
    """The first line of a run's file.

    Attributes:
        schema: Version of the layout of all its lines.
        at: When it was written, ISO 8601 in UTC.
    """

    schema: int
    at: str


class RunEnd(Struct, frozen=True, kw_only=True):
    """A `RunResult` whose tables are in lines of their own.

    Attributes:
        tables: Names, in the order in which they are shown.
        cancelled_by: How it was cancelled, perhaps by a word of a later version.
        counts: How many tables ended how, by status.
    """

    run_id: str
    project: str
    environment: str
    status: RunStatus
    started_at: str
    finished_at: str
    duration_s: float
    tables: tuple[str, ...]
    deferred: tuple[DeferredInput, ...] = ()
    cancelled_by: str | None = None
    counts: dict[str, int]


class Ending(Struct, frozen=True, tag_field="event", tag="run_finished"):
    """The last line of a run's file."""

    result: RunEnd


Line = Beginning | TableStarted | TableReading | TableRetrying | TableFinished | RunStopping | Ending
_KNOWN = {kind.__struct_config__.tag for kind in get_args(Line)}
_DECODER: Decoder[Line] = Decoder(Line)
_ENCODER = json.JSONEncoder(separators=(",", ":"))
_encode = Encoder(enc_hook=str).encode


def event_line(event: Event, at: datetime) -> str:
    """Write an event as one line with its newline, in ASCII: no text in it can end the line or spoil its encoding."""
    line: Event | Ending = event
    if isinstance(event, TableFinished):
        line = replace(event, result=kept_partitions(event.result))
    if isinstance(event, RunFinished):
        tables = event.result.tables
        names, counts = tuple(table.name for table in tables), dict(Counter(table.status for table in tables))
        line = Ending(RunEnd(**asdict(event.result) | {"tables": names, "counts": counts}))
    try:
        text = _encode(line).decode()
    except UnicodeEncodeError:  # the name of a file that is no text, which only an escape can represent
        text = _ENCODER.encode(to_builtins(line, str_keys=True, enc_hook=str))
    schema = f'"schema":{SCHEMA},' if isinstance(event, (RunStarted, RunWaiting)) else ""
    table = f'"table":{_ENCODER.encode(event.result.name)},' if isinstance(event, TableFinished) else ""
    at_text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    name, members = text.split(",", 1)  # the event's name comes first
    text = f'{name},{schema}"at":"{at_text}",{table}{members}'
    if isinstance(event, RunStarted):
        text = f'{text[:-1]},"tool_version":"{__version__}"}}'
    return (text if text.isascii() else _ENCODER.encode(json.loads(text))) + "\n"


def read_line(line: bytes) -> Line | None:
    """Read a line of a run's file; unknown members are ignored.

    Returns:
        None for an unknown event.

    Raises:
        ValueError: No run writes it.
        RecursionError: It is nested too deeply.
    """
    try:
        return _DECODER.decode(line)
    except ValueError:
        # What Python writes as JSON is more than others read, such as halves of surrogate pairs in names of files.
        document = json.loads(line)
    name = document.get("event") if isinstance(document, dict) else None
    if isinstance(name, str) and name not in _KNOWN:
        return None
    json.dumps(document, allow_nan=False)  # NaN, and numbers beyond a float's, which only Python reads, are errors
    found: Line = convert(document, Line)
    return found
