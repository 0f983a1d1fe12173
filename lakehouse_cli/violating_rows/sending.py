"""All rows that break a contract, on their way from another machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from io import BufferedReader, BytesIO, RawIOBase
from pathlib import Path
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.errors import FailedRows
from lakehouse_cli.violating_rows.writing import Hide, ViolatingRows


class _Parts(RawIOBase):
    """A file that is given in parts, by the byte at which they begin."""

    def __init__(self, part: Callable[[int], bytes]) -> None:
        super().__init__()
        self._part, self._at, self._rest = part, 0, memoryview(b"")

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, into: Any) -> int:
        self._rest = self._rest or memoryview(self._part(self._at))
        count = min(len(into), len(self._rest))
        into[:count], self._rest = self._rest[:count], self._rest[count:]
        self._at += count
        return count


def send(failed: FailedRows, most: int, leave: Callable[[str], Any]) -> FailedRows:
    """Rows with their file as bytes, as they travel to another machine.

    Args:
        failed: The rows.
        most: Bytes up to which a file travels with them.
        leave: Gives what stands for a larger one, which is then fetched: there, a function that gives the part from a
            byte on.
    """
    if failed.written is None:
        return failed
    path, sent = Path(failed.written.file), None
    with suppress(OSError):
        if path.stat().st_size > most:
            return replace(failed, written=replace(failed.written, content=leave(str(path))))
        sent = replace(failed.written, content=path.read_bytes())
        path.unlink()
    return replace(failed, written=sent)


def receive(failed: FailedRows, prefix: Callable[[], Path], hide: Hide) -> FailedRows:
    """Rows that were sent, in a file here; without one that is not there any more.

    Args:
        failed: The rows.
        prefix: As of `keeping_rows`.
        hide: As of `keeping_rows`.
    """
    if failed.written is None:
        return failed
    content = failed.written.content
    sent = BytesIO(content) if isinstance(content, bytes) else BufferedReader(_Parts(content))
    with closing(ViolatingRows(prefix, hide)) as here:
        try:
            written = here.copy(failed.written, sent)
        except (OSError, pa.ArrowException):
            written = None
        return replace(failed, written=written)
