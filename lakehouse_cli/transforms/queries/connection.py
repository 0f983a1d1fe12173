"""A connection of DuckDB in which there is nothing but what it is given, and from which nothing outside is reached."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

from lakehouse_cli.engines.duckdb_queries import clocks
from lakehouse_cli.errors import TransformError
from lakehouse_cli.executors.threads import default_workers
from lakehouse_cli.registry import install_command
from lakehouse_cli.runs.temporary_files import spill_folder
from lakehouse_cli.text.sql import literal

# No variables of Python, or extensions that are not built in.
_LOCKED = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
# DuckDB's words where a temporary folder is full.
_FULL = ("offload data block", "No space left")
# Percent of the memory that is shared.
_MEMORY = 80


def share_of(workers: int) -> dict[str, Any]:
    """The settings of one of so many connections that are used at once: its part of the cores, and of the memory."""
    return {"threads": max(default_workers() // workers, 1), "memory_limit": f"{max(_MEMORY // workers, 1)}%"}


@contextmanager
def private_connection(
    now: datetime | None = None,
    *,
    spills: bool = True,
    files: Sequence[str] = (),
    prepare: Callable[[Any], object] | None = None,
    **settings: Any,
) -> Iterator[Any]:
    """Open a database in memory of which nobody else knows.

    Args:
        now: What `now()` and its like return; the time of each query by default.
        spills: Whether what does not fit into memory goes to a temporary folder.
        files: Paths of those that it may read.
        prepare: Called with the connection before its settings are locked.
        settings: Of DuckDB, such as ``threads``.

    Raises:
        TransformError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ModuleNotFoundError as error:
        raise TransformError("queries need duckdb, which is not installed", hint=install_command("duckdb")) from error
    # One of its own: by default all connections of a folder spill into the same.
    with spill_folder() if spills else nullcontext("") as spill:
        config = {**_LOCKED, **{name: str(value) for name, value in settings.items()}, "temp_directory": spill}
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            # To stdout, in what it takes for a prompt: a process without a file of its own.
            connection.execute("SET enable_progress_bar = false")
            if files:
                connection.execute(f"SET allowed_paths = [{', '.join(map(literal, files))}]")
            connection.execute("SET enable_external_access = false")
            for statement in () if now is None else clocks(now):
                connection.execute(statement)
            if prepare is not None:
                prepare(connection)
            connection.execute("SET lock_configuration = true")
            yield connection
        finally:
            connection.close()


def no_room(text: str) -> tuple[str, str] | None:
    """What an error of DuckDB says of a full temporary folder, in words, and what to do; None for any other."""
    if not any(words in text for words in _FULL):
        return None
    hint = f"make room in `{tempfile.gettempdir()}`, or set TMPDIR to a folder on a larger disk"
    return "no space left for what does not fit into memory", hint
