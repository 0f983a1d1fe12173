"""What a run's file tells, if every line of it is what a run writes: the one judgement on what can be read.

Lists, the showing of a run and the removal of old ones all rest on it, so that nothing is listed that cannot be shown,
and nothing removed that may be somebody's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from msgspec import Struct, convert, field
from msgspec.json import Decoder

from lakehouse_cli.runs.events import RunStatus, TableResult
from lakehouse_cli.runs.history.files import Beginning, UnreadableRunError, beginning, opened, parse_json, parsed


class Finish(Struct, frozen=True):
    """How a run ended; its tables are those of the lines before.

    Attributes:
        status: Of the run.
        started_at: ISO 8601 in UTC.
        finished_at: Likewise.
        duration_s: Seconds.
        tables: Names, in the order in which they are shown.
        counts: How many tables ended how, by status.
        cancelled_by: How it was cancelled, perhaps by a word of a later version.
    """

    status: RunStatus
    started_at: str
    finished_at: str
    duration_s: float
    tables: tuple[str, ...]
    counts: dict[str, int]
    cancelled_by: str | None = None


class RunReplay(Struct):
    """What the lines of a file have told so far.

    Attributes:
        run: Its beginning.
        results: How tables ended, by name.
        started: Of what was started and has not ended, how often it was tried.
        finish: How the run ended; None until it does.
    """

    run: Beginning
    results: dict[str, TableResult] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    finish: Finish | None = None

    def take(self, line: bytes) -> None:
        """Take the next line; an event that is not known is passed over.

        Raises:
            ValueError: No run writes it.
        """
        match _event(line):
            case _TableStarted(table, attempt) | _TableRetrying(table, attempt):
                self.started[table] = attempt
            case _TableFinished(result):
                self.results[result.name] = result
                self.started.pop(result.name, None)
            case _RunFinished(finish):
                self.finish = finish


class _TableStarted(Struct, tag_field="event", tag="table_started"):
    table: str
    attempt: int


class _TableRetrying(Struct, tag_field="event", tag="table_retrying"):
    table: str
    attempt: int


class _TableFinished(Struct, tag_field="event", tag="table_finished"):
    result: TableResult


class _RunFinished(Struct, tag_field="event", tag="run_finished"):
    result: Finish


_Event = _TableStarted | _TableRetrying | _TableFinished | _RunFinished
_KNOWN = {kind.__struct_config__.tag for kind in get_args(_Event)}
_DECODER: Decoder[_Event] = Decoder(_Event)


def _event(line: bytes) -> _Event | None:
    """The event that a line tells; None for one that is not known."""
    try:
        return _DECODER.decode(line)
    except ValueError:
        # What Python writes as JSON is more than others read, such as halves of surrogate pairs in names of files.
        document = json.loads(line)
    name = document.get("event") if isinstance(document, dict) else None
    return None if isinstance(name, str) and name not in _KNOWN else convert(parse_json(line), _Event)


def replay(path: Path) -> RunReplay:
    """All that a run's file tells; a last line that was cut short belongs to a run that died while writing it.

    Raises:
        UnreadableRunError: It is not a run's, in whichever line.
    """
    with opened(path) as file:
        found = RunReplay(beginning(path, file.readline()))
        for number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                break
            try:
                found.take(line)
            except (ValueError, RecursionError):
                parsed(path, line, number)
                raise UnreadableRunError(path.stem, f"line {number} is not what a run writes") from None
    return found


def is_run(path: Path) -> bool:
    """Whether a file is a run's, to its last line."""
    try:
        replay(path)
    except UnreadableRunError:
        return False
    return True
