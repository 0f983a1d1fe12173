"""The files of the history: where they are, which is the newest, and their lines as documents.

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
from pathlib import Path
from typing import Any, BinaryIO

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.event_json import SCHEMA
from lakehouse_cli.local_state import state_folder

RUNS = "runs"
SUFFIX = ".jsonl"
_NAME = re.compile(r"(\d{8}-\d{6})-[0-9a-f]+\.jsonl")
_BLOCK = 1 << 16


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
        return str(head(path)["at"])
    except LakehouseError:
        return ""


def head(path: Path) -> dict[str, Any]:
    """The first line of a run's file, which tells the schema of the others.

    Raises:
        UnreadableRunError: It is no such line, or of a newer schema.
    """
    with _opened(path) as file:
        line = file.readline()
    return _checked_head(path, line)


def _checked_head(path: Path, line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise UnreadableRunError(path.stem, "its first line is not there")
    document = _parsed(path, line, 1)
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UnreadableRunError(
            path.stem,
            f"a newer version of the tool wrote it (schema {schema}; this one reads up to {SCHEMA})",
            "update the tool",
        )
    texts = all(isinstance(document.get(key), str) for key in ("at", "run_id", "project", "environment"))
    tables = document.get("tables")
    names = isinstance(tables, list) and all(isinstance(name, str) for name in tables)
    if document.get("event") != "run_started" or not isinstance(schema, int) or not texts or not names:
        raise UnreadableRunError(path.stem, "its first line is not the beginning of a run")
    return document


def documents(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a run's file; a last one that was cut short is left out.

    Raises:
        UnreadableRunError: Another line is not what it should be.
    """
    with _opened(path) as file:
        yield _checked_head(path, file.readline())
        for number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                return
            yield _parsed(path, line, number)


def last_document(path: Path) -> dict[str, Any] | None:
    """The last line of a run's file, without reading those before it; None where it is cut short."""
    with _opened(path) as file:
        end = file.seek(0, os.SEEK_END)
        tail = b""
        while end and tail.count(b"\n", 0, -1) == 0:
            start = max(end - _BLOCK, 0)
            file.seek(start)
            tail = file.read(end - start) + tail
            end = start
    lines = tail.splitlines(keepends=True)
    return _parsed(path, lines[-1], None) if lines and lines[-1].endswith(b"\n") else None


def lines_of(path: Path, event: str) -> Iterator[bytes]:
    """The lines of one kind of event, as they stand in the file.

    Raises:
        UnreadableRunError: The file is none of ours.
    """
    start = f'{{"event":"{event}",'.encode()
    with _opened(path) as file:
        _checked_head(path, file.readline())
        yield from (line for line in file if line.startswith(start) and line.endswith(b"\n"))


def _parsed(path: Path, line: bytes, number: int | None) -> dict[str, Any]:
    where = "its last line" if number is None else f"line {number}"
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreadableRunError(path.stem, f"{where} is not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableRunError(path.stem, f"{where} is not an event")
    return document


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file opened for reading; trouble with the operating system is told as of the run."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            yield file
    except OSError as error:
        raise UnreadableRunError(path.stem, (error.strerror or type(error).__name__).lower()) from error
