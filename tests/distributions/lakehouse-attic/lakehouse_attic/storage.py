"""A storage whose every file is packed with zlib."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, BinaryIO, ClassVar
from urllib.parse import quote, unquote

from lakehouse_cli.storage import Head, KeyedStorage


def packed(data: bytes, level: int = 6) -> bytes:
    """What a file holds."""
    return len(data).to_bytes(8, "big") + zlib.compress(data, level)


def _head(file: IO[bytes]) -> Head:
    status = os.fstat(file.fileno())
    return Head(int.from_bytes(file.read(8), "big"), status.st_mtime_ns, f"{status.st_mtime_ns}-{status.st_ino}")


class Attic(KeyedStorage):
    """Tables in a folder, packed; a key is the name of a file.

    Attributes:
        level: How hard zlib tries, 1 to 9.
        label: What every file's name begins with.
    """

    root_is: ClassVar[str] = "folder"
    cannot_hold: ClassVar[tuple[str, ...]] = ("duration",)

    label: str
    level: int = 6

    def _file(self, key: str) -> Path:
        return Path(self.spec.root, f"{self.label}-{quote(key, safe='')}")

    def head_key(self, key: str) -> Head | None:
        """By the file: its first eight bytes are the size of what is packed in it."""
        try:
            with self._file(key).open("rb") as file:
                return _head(file)
        except FileNotFoundError:
            return None

    def get_key(self, key: str) -> bytes | None:
        """Unpacked."""
        try:
            return zlib.decompress(self._file(key).read_bytes()[8:])
        except FileNotFoundError:
            return None

    def put_key(self, key: str, data: BinaryIO, seen: Head | None) -> Head:
        """Packed, aside, then renamed; whatever was there."""
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".") as aside:
            aside.write(packed(data.read(), self.level))
            aside.flush()
            aside.seek(0)
            head = _head(aside)
            whole = Path(f"{aside.name}.whole")
            whole.hardlink_to(aside.name)
            whole.replace(file)
            return head

    def delete_key(self, key: str) -> None:
        """Remove the file."""
        self._file(key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterable[str]:
        """By the names of files."""
        found = Path(self.spec.root).glob(f"{self.label}-{quote(prefix, safe='')}*")
        return [unquote(file.name.removeprefix(f"{self.label}-")) for file in found]
