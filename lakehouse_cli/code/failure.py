"""Exceptions of the user's own code, as values for messages."""

from __future__ import annotations

import dis
import inspect
import linecache
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from msgspec import Struct

from lakehouse_cli.code.importing import is_own_file
from lakehouse_cli.errors import Interrupted, Location

_DUCKDB = ("duckdb", "_duckdb")
# DuckDB's words where two threads use one connection; the last are those of versions before 2.
_SHARED_CONNECTION = ("connection is busy", "connection has an unfinished result", "closed pending query result")
_OTHER_CONNECTION = ("relations of different connections", "Connection has already been closed")


class Failure(Struct, frozen=True):
    """An exception as a value.

    Attributes:
        exception: ``Type: message``.
        frames: The user's own, innermost last: (file, line, function, source line); files relative to the folder.
        traceback: All of it.
    """

    exception: str
    frames: tuple[tuple[str, int, str, str], ...]
    traceback: str

    @property
    def location(self) -> Location | None:
        """The innermost place in the user's own code, None if there is none."""
        if not self.frames:
            return None
        file, line, _, source = self.frames[-1]
        return Location(file, line, source=source)

    @property
    def headline(self) -> str:
        """The exception; its further lines follow it."""
        kind, colon, text = self.exception.partition(": ")
        return f"{kind}{colon}{text.strip()}" if colon else kind


def failure_of(error: BaseException, folder: Path, module_file: str | None = None) -> Failure:
    """Make a value of an exception.

    Args:
        error: As caught.
        folder: The project's; frames of files under it are the user's.
        module_file: File of the transform's module, whose folder counts as the user's also where it is installed.
    """
    own_folder = str(Path(module_file).parent) if module_file else None
    frames = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if is_own_file(file, folder) or (own_folder and str(Path(file).parent) == own_folder):
            linecache.checkcache(file)  # it may have been edited since an earlier failure in this process
            source = linecache.getline(file, line, frame.f_globals).strip()
            frames.append((_shown(file, folder), line, frame.f_code.co_name, source))
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        frames.append((_shown(error.filename, folder), error.lineno, "<module>", (error.text or "").strip()))
        exception = f"{type(error).__name__}: {error.msg}"
    else:
        text = _text_of(error)
        exception = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return Failure(exception, tuple(frames), "".join(traceback.format_exception(error)))


def place_of_result(fn: Callable[..., Any], folder: Path) -> Location | None:
    """Where a function returns what is computed only later: its one `return`, else its first line.

    None for what is not the user's own, or no function of Python.
    """
    code = getattr(inspect.unwrap(fn), "__code__", None)
    if code is None or not is_own_file(code.co_filename, folder):
        return None
    at = {
        found.positions.lineno
        for found in dis.get_instructions(code)
        if found.opname == "RETURN_VALUE" and found.positions is not None and found.positions.lineno is not None
    }
    line = at.pop() if len(at) == 1 else code.co_firstlineno
    return Location(_shown(code.co_filename, folder), line, source=linecache.getline(code.co_filename, line).strip())


def hint_of(error: BaseException, beside: Collection[str]) -> str | None:
    """Advise on an exception of DuckDB's about connections, and on numpy's about shared memory; None for any other.

    Args:
        error: As caught.
        beside: The transforms whose code uses DuckDB and that were called at the same time in this process.
    """
    cause: BaseException | None = error
    while cause is not None:
        text = _text_of(cause) if type(cause).__module__ in _DUCKDB else ""
        if beside and any(part in text for part in _SHARED_CONNECTION):
            others = ", ".join(f"`{name}`" for name in sorted(beside)[:3])
            return (
                f"{others} ran at the same time and may have used the same DuckDB connection, such as the one behind"
                " `duckdb.sql`, which serves one thread; use a `duckdb.connect()` of its own in each function, or run"
                " with `--executor processes`"
            )
        if any(part in text for part in _OTHER_CONNECTION):
            return (
                "use relations of one open connection: those that the function is given are on one of their own, which"
                " is closed when its table is stored"
            )
        if isinstance(cause, ValueError) and "read-only" in _text_of(cause):
            return "arrays of inputs and frames share their memory; change a copy: `array = array.copy()`"
        cause = cause.__cause__ or cause.__context__
    return None


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Interrupted:
        raise
    except BaseException as trouble:  # noqa: BLE001  # the user's own method
        return f"<str() raised {type(trouble).__name__}>"


def _shown(file: str, folder: Path) -> str:
    path = Path(file)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else file
