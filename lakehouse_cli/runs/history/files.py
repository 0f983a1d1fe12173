"""The files of the history: their places, their order and their first lines.

Every line is validated: people copy files, edit them, and use several versions of the tool.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.runs.event_json import SCHEMA, Beginning, read_line
from lakehouse_cli.runs.local_state import state_folder
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.regular_files import open_regular

RUNS = "runs"
SUFFIX = ".jsonl"
_NAME = re.compile(r"(\d{8}-\d{6})-[0-9a-f]+\.jsonl")


class UnreadableRunError(LakehouseError):
    """A file of the history that cannot be read, or that a newer version of the tool wrote."""

    def __init__(self, run_id: str, reason: str, hint: str | None = None) -> None:
        super().__init__(f"run {run_id} cannot be read: {reason}", hint=hint)


def run_files(folder: Path) -> list[Path]:
    """List the files of a project's runs, newest first."""
    try:
        entries = list(os.scandir(state_folder(folder, RUNS)))
    except OSError:
        return []
    names = [e.name for e in entries if _NAME.fullmatch(e.name) and e.is_file(follow_symlinks=False)]
    names.sort(key=_second, reverse=True)
    files: list[Path] = []
    for _, group in groupby(names, key=_second):
        paths = [state_folder(folder, RUNS) / name for name in group]
        # An id has the second; within it, the first line decides.
        files += sorted(paths, key=_beginning, reverse=True) if len(paths) > 1 else paths
    return files


def _second(name: str) -> str:
    return name[:15]


def _beginning(path: Path) -> str:
    try:
        return head(path).at
    except LakehouseError:
        return ""


def head(path: Path) -> Beginning:
    """Read the first line of a run's file, which has the schema of the others.

    Raises:
        UnreadableRunError: It is no such line, or of a newer schema.
    """
    with opened(path) as file:
        return beginning(path, file.readline())


def beginning(path: Path, line: bytes) -> Beginning:
    """Read the first line of a run's file, given that line.

    Raises:
        UnreadableRunError: It is no such line, or of a newer schema.
    """
    if not line.endswith(b"\n"):
        raise UnreadableRunError(path.stem, "its first line has no end" if line else "it is empty")
    with suppress(ValueError, RecursionError):
        found = read_line(line)
        if isinstance(found, Beginning) and found.schema <= SCHEMA:
            return found
    schema = parse_line(path, line, 1).get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UnreadableRunError(
            path.stem,
            f"a newer version of the tool wrote it (schema {schema}; this one reads up to {SCHEMA})",
            "update the tool",
        )
    raise UnreadableRunError(path.stem, "its first line is not the beginning of a run")


def parse_line(path: Path, line: bytes, number: int) -> dict[str, Any]:
    """Parse a line that is none of a run's, as far as it can be parsed.

    Raises:
        UnreadableRunError: It is not even a JSON object.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise UnreadableRunError(path.stem, f"line {number} is not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableRunError(path.stem, f"line {number} is not an event")
    return document


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading; raise errors of the operating system as errors of the run."""
    try:
        with os.fdopen(open_regular(path, follow=False), "rb") as file:
            yield file
    except OSError as error:
        raise UnreadableRunError(path.stem, system_reason(error)) from error
