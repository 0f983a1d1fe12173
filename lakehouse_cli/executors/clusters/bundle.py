"""The bundle of a run: the project's files and what prepares a process, by the hash of its content.

A worker is given it once, and unpacks it into a folder of that name; it is there whole or not at all.
"""

from __future__ import annotations

import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Protocol, runtime_checkable

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.executors.clusters.requirements import Requirements

#: Bytes above which a bundle is noted, and refused.
LARGE, TOO_LARGE = 10_000_000, 100_000_000
#: The folder, below that of a bundle, with the project's files.
FILES = "files"
_PREPARE = "prepare.pickle"
# The oldest time that a zip can hold: what is unpacked is the same at all times.
_TIME = (1980, 1, 1, 0, 0, 0)
_SHOWN = 3


@runtime_checkable
class Portable(Protocol):
    """A `prepare` that can be taken to other machines, where the files of this one are not."""

    def bundle(self) -> Bundle:
        """What is taken there."""
        ...


class Bundle(Struct, frozen=True, dict=True):
    """What is taken to workers.

    Attributes:
        prepare: Called in each process, with the folder of the unpacked files; can be pickled, and holds no secret.
        files: Bytes by path, `/`-separated.
        requirements: What a worker must have.
    """

    prepare: Callable[[Path], None]
    files: Mapping[str, bytes] = {}
    requirements: Requirements = Requirements()

    @classmethod
    def of(cls, prepare: Callable[[], None] | None) -> Bundle:
        """The bundle of a `prepare`: its own where it is portable, else it is called there as it is."""
        return prepare.bundle() if isinstance(prepare, Portable) else cls(_AsItIs(prepare))

    @cached_property
    def packed(self) -> bytes:
        """A zip, the same for the same content.

        Raises:
            LakehouseError: It is too large.
        """
        size = sum(map(len, self.files.values()))
        if size > TOO_LARGE:
            raise LakehouseError(
                f"the project's code has {megabytes(size)}, and no more than {megabytes(TOO_LARGE)} are sent to a"
                f" worker: {self.biggest}",
                hint="keep data in a storage, and large files on the workers; `uses: {files: …}` names what is sent",
            )
        target = BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(_PREPARE, _TIME), pickle.dumps(self.prepare))
            for path, content in sorted(self.files.items()):
                archive.writestr(zipfile.ZipInfo(f"{FILES}/{path}", _TIME), content, zipfile.ZIP_DEFLATED)
        return target.getvalue()

    @cached_property
    def id(self) -> str:
        """The hash of its content."""
        return blake2b(self.packed, digest_size=16).hexdigest()

    @property
    def biggest(self) -> str:
        """Its biggest files, with their sizes."""
        by_size = sorted(self.files.items(), key=lambda each: (-len(each[1]), each[0]))
        return ", ".join(f"`{path}` {megabytes(len(content))}" for path, content in by_size[:_SHOWN])

    @property
    def note(self) -> str | None:
        """A remark on its size; None where it is small."""
        if len(self.packed) <= LARGE:
            return None
        return f"{megabytes(len(self.packed))} of code are sent to each worker: {self.biggest}"


class _AsItIs(Struct, frozen=True):
    prepare: Callable[[], None] | None

    def __call__(self, folder: Path) -> None:
        del folder
        if self.prepare is not None:
            self.prepare()


def megabytes(size: int) -> str:
    """A size as messages show it.

    >>> megabytes(12_345_678), megabytes(999)
    ('12.3 MB', '0.0 MB')
    """
    return f"{size / 1e6:,.1f} MB"


def unpack(packed: bytes, folder: Path) -> None:
    """Unpack a bundle into a folder, unless it is there; others may do the same at the same time.

    Raises:
        OSError: It cannot be written.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
    try:
        with zipfile.ZipFile(BytesIO(packed)) as archive:
            archive.extractall(part)
        Path(part, FILES).mkdir(exist_ok=True)
        with suppress(OSError):  # another one was first
            Path(part).rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def load(folder: Path) -> None:
    """Prepare this process with an unpacked bundle."""
    prepare: Callable[[Path], None] = pickle.loads((folder / _PREPARE).read_bytes())  # noqa: S301  # our own bytes
    prepare(folder / FILES)
