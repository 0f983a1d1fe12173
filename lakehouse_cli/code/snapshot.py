"""The Python files of a project as they were first read: what a plan takes fingerprints of is what its run imports."""

from __future__ import annotations

import os
import time
from functools import cache

from lakehouse_cli.text.regular_files import read_regular


class CodeSnapshot:
    """The bytes of files, each read once.

    Attributes:
        files: By `file_key`.
        taken_ns: When the first was read, or before; nanoseconds since 1970.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.taken_ns = time.time_ns()

    def read(self, file: str | os.PathLike[str]) -> bytes:
        """The bytes of a file as they were when it was first asked for.

        Raises:
            OSError: It cannot be read.
        """
        key = file_key(os.fspath(file))
        if key not in self.files:
            self.files[key] = read_regular(file)
        return self.files[key]


def file_key(file: str) -> str:
    """The key of a file, by whichever links its folder is reached."""
    folder, _, name = file.rpartition("/")
    return f"{_real_folder(folder)}/{name}"


@cache
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)
