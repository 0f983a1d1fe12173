"""The files of the history: where they are, which is the newest, and what their first lines tell.

Nothing in a file is believed before it has been looked at: people copy them, edit them, and use several versions of
the tool.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from math import isfinite
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError, system_reason
from lakehouse_cli.runs.event_json import SCHEMA, from_document
from lakehouse_cli.runs.local_state import state_folder
from lakehouse_cli.text.regular_files import open_regular

RUNS = "runs"
SUFFIX = ".jsonl"
_NAME = re.compile(r"(\d{8}-\d{6})-[0-9a-f]+\.jsonl")


class UnreadableRunError(LakehouseError):
    """A file of the history that cannot be read, or that a newer version of the tool wrote."""

    def __init__(self, run_id: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"run {run_id} cannot be read: {reason}", hint=hint)


def run_files(folder: Path) -> list[Path]:
    """The files of a project's runs, newest first."""
    try:
        entries = list(os.scandir(state_folder(folder, RUNS)))
    except OSError:
        return []
    names = [e.name for e in entries if _NAME.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
    names.sort(key=_second, reverse=True)
    files: list[Path] = []
    for _, group in groupby(names, key=_second):
        paths = [state_folder(folder, RUNS) / name for name in group]
        # An id tells the second; within it, the first line tells which came first.
        files += sorted(paths, key=_beginning, reverse=True) if len(paths) > 1 else paths
    return files


def _second(name: str) -> str:
    return name[:15]


def _beginning(path: Path) -> str:
    try:
        return head(path).at
    except LakehouseError:
        return ""


class Beginning(Struct, frozen=True):
    """The first line of a run's file.

    Attributes:
        schema: Version of the layout of all its lines.
        at: When it was written, ISO 8601 in UTC.
        run_id: Its id when it ran; a file that was copied or renamed goes by its own name.
        project: Name of the project.
        environment: Name of the environment.
        tables: The computed tables the run goes through, in order.
        notes: What its selection had to tell.
    """

    schema: int
    at: str
    run_id: str
    project: str
    environment: str
    tables: tuple[str, ...]
    notes: tuple[str, ...] = ()


def head(path: Path) -> Beginning:
    """The first line of a run's file, which tells the schema of the others.

    Raises:
        UnreadableRunError: It is no such line, or of a newer schema.
    """
    with opened(path) as file:
        return beginning(path, file.readline())


def beginning(path: Path, line: bytes) -> Beginning:
    """The first line of a run's file, given that line.

    Raises:
        UnreadableRunError: It is no such line, or of a newer schema.
    """
    if not line.endswith(b"\n"):
        raise UnreadableRunError(path.stem, "its first line has no end" if line else "it is empty")
    document = parsed(path, line, 1)
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UnreadableRunError(
            path.stem,
            f"a newer version of the tool wrote it (schema {schema}; this one reads up to {SCHEMA})",
            "update the tool",
        )
    try:
        found = from_document(Beginning, document)
    except ValueError:
        found = None
    if found is None or document.get("event") != "run_started":
        raise UnreadableRunError(path.stem, "its first line is not the beginning of a run")
    return found


def lines_of(path: Path, event: str) -> Iterator[bytes]:
    """The lines of one kind of event, as they stand in the file.

    Raises:
        UnreadableRunError: The file is none of ours.
    """
    start = f'{{"event":"{event}",'.encode()
    with opened(path) as file:
        beginning(path, file.readline())
        yield from (line for line in file if line.startswith(start) and line.endswith(b"\n"))


def parse_json(line: bytes) -> Any:
    """Parse a line as JSON has it, without what Python's parser takes besides: NaN, and numbers beyond a float's.

    Raises:
        ValueError: It is none.
        RecursionError: It is nested too deeply.
    """
    return json.loads(line, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(f"{text} is no number in JSON")
    return number


def parsed(path: Path, line: bytes, number: int) -> dict[str, Any]:
    """One line of a run's file, as a document.

    Raises:
        UnreadableRunError: It is none.
    """
    try:
        document = parse_json(line)
    except (ValueError, RecursionError):
        raise UnreadableRunError(path.stem, f"line {number} is not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableRunError(path.stem, f"line {number} is not an event")
    return document


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A file opened for reading; trouble with the operating system is told as of the run."""
    try:
        with os.fdopen(open_regular(path, follow=False), "rb") as file:
            yield file
    except OSError as error:
        raise UnreadableRunError(path.stem, system_reason(error)) from error
