"""Digests of the keys of partitions, in the folder of their Delta table."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from lakehouse_cli.model import Table
from lakehouse_cli.storage.delta.files import new_file
from lakehouse_cli.storage.delta.log import filesystem
from lakehouse_cli.storage.delta.storage import DeltaTables
from lakehouse_cli.storage.errors import translate_errors
from lakehouse_cli.storage.local.folders import make_folder

#: In the folder of a table.
_DIGESTS = "_lakehouse_keys"


class DeltaDigests(DeltaTables):
    """What is kept beside Delta tables; a base, see `DeltaStorage`."""

    def keep_digests(self, table: Table, name: str, content: bytes) -> None:
        """In a folder of the table that no reader of Delta Lake looks at."""
        place = self._place(table.base_path or table.path)
        with translate_errors(self, table, "written"):
            if self._local:
                make_folder(f"{place}/{_DIGESTS}")
            files, within = filesystem(place, self._settings), "" if self._local else f"{_DIGESTS}/"
            where = f"{place}/{_DIGESTS}" if self._local else place
            with new_file(where, within + name, files, local=self._local) as sink:
                sink.write(content)

    def kept_digests(self, table: Table, name: str) -> bytes | None:
        """From the folder of the table."""
        place, path = self._place(table.base_path or table.path), f"{_DIGESTS}/{name}"
        with translate_errors(self, table, "read"), suppress(FileNotFoundError):
            if self._local:
                return Path(place, path).read_bytes()
            with filesystem(place, self._settings).open_input_stream(path) as stream:
                return bytes(stream.read())
        return None

    def drop_digests(self, table: Table, names: Iterable[str]) -> None:
        """Remove the files."""
        place = self._place(table.base_path or table.path)
        for name in names:
            with translate_errors(self, table, "removed"), suppress(FileNotFoundError):
                if self._local:
                    Path(place, _DIGESTS, name).unlink()
                else:
                    filesystem(place, self._settings).delete_file(f"{_DIGESTS}/{name}")
