"""The JSON Schema that editors find by the first line of a project file: kept in the project's state, never stale."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lakehouse_cli.runs.local_state import STATE, keep, make_state_folder
from lakehouse_cli.text.regular_files import open_regular
from lakehouse_cli.version import __version__

_FOLDER, _FILE = "cache", "schema.json"
_PATH = f"{STATE}/{_FOLDER}/{_FILE}"
#: What project files begin with. Editors that know YAML look for the schema from the file's own folder.
SCHEMA_LINE = f"# yaml-language-server: $schema={_PATH}\n"
_HEAD_BYTES = 1_000


def keep_schema(file: Path) -> None:
    """Write the schema that a project file names, if there is none or another version wrote it.

    Trouble in writing is no trouble for anybody: it is for editors alone.

    Args:
        file: The project file.
    """
    version = {"$comment": f"lakehouse-cli {__version__}"}
    with suppress(OSError):
        if _PATH.encode() not in _head(file):
            return
        make_state_folder(file.parent, _FOLDER)
        from msgspec import json

        if _head(file.parent / _PATH).startswith(json.encode(version)[:-1]):
            return
        from lakehouse_cli.config.schema import json_schema  # takes as long as a plan

        keep(file.parent, _FOLDER, _FILE, json.encode({**version, **json_schema()}))


def _head(path: Path) -> bytes:
    """The first bytes of a file; none where it is not there."""
    try:
        descriptor = open_regular(path)
    except FileNotFoundError:
        return b""
    try:
        return os.read(descriptor, _HEAD_BYTES)
    finally:
        os.close(descriptor)
