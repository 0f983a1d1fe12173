"""Tables on their way between processes: files of Arrow in the run's own folder, which consumers map into memory.

What is handed over is what a storage would return, as where tables pass in memory. Whatever keeps a file from being
written or read sends the consumer to the storage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import Struct

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.runs.temporary_files import spill_folder

if TYPE_CHECKING:
    import pyarrow as pa


class Handover(Struct, frozen=True):
    """A table that was written for its consumers.

    Attributes:
        path: Of its file.
        content: The record of its content.
    """

    path: str
    content: InputRecord


class HandedTables:
    """Keeps the file of each table until its last consumer is done with it.

    Args:
        folder: Where files go; None where nothing is handed over.
        wanted: Whether a consumer of a table is still to come.
    """

    def __init__(self, folder: str | None, wanted: Callable[[str], bool]) -> None:
        self._folder = None if folder is None else Path(folder)
        self._wanted = wanted
        self._tables: dict[str, Handover] = {}

    def path_of(self, name: str) -> str | None:
        """Where a table is to be written; None where nobody takes it."""
        return (
            None
            if self._folder is None or not self._wanted(name)
            else str(self._folder / f"{quote(name, safe='')}.arrow")
        )

    def put(self, name: str, content: InputRecord) -> None:
        """Take note of a table that was written, with the record of its content."""
        if (path := self.path_of(name)) is not None:
            self._tables[name] = Handover(path, content)

    def of(self, names: Iterable[str]) -> dict[str, Handover]:
        """Those of some tables that were written."""
        return {name: self._tables[name] for name in names if name in self._tables}

    def drop_unwanted(self) -> None:
        """Remove the files of which no consumer is still to come."""
        for name in [name for name in self._tables if not self._wanted(name)]:
            with suppress(OSError):
                Path(self._tables.pop(name).path).unlink()


@contextmanager
def handover_folder(*, is_needed: bool) -> Iterator[str | None]:
    """Make a folder of the run's own, removed at its end; None where it is not needed, or cannot be made."""
    with ExitStack() as stack:
        folder = None
        if is_needed:
            with suppress(OSError):
                folder = stack.enter_context(spill_folder())
        yield folder


def write_handover(table: pa.Table, path: str) -> bool:
    """Write a table for its consumers; returns whether that could be done, as it cannot on a full disk."""
    import pyarrow as pa

    try:
        options = pa.ipc.IpcWriteOptions(unify_dictionaries=True)
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
            writer.write_table(table)
    except (OSError, pa.ArrowException):
        Path(path).unlink(missing_ok=True)
        return False
    return True


def read_handover(path: str) -> pa.Table | None:
    """Map a table that was written into memory; None where that cannot be done."""
    import pyarrow as pa

    try:
        return pa.ipc.open_file(pa.memory_map(path)).read_all()
    except (OSError, pa.ArrowException):
        return None
