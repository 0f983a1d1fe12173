"""The bundle of a run: the project's files and what prepares a process, by the hash of its content.

A worker is given it once, and unpacks it into a folder of that name; it is there whole or not at all.
"""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Protocol, runtime_checkable

from msgspec import Struct

from lakehouse_cli.executors.base import ClusterError
from lakehouse_cli.executors.clusters.requirements import Requirements
from lakehouse_cli.text.redaction import Mask, mask_of, unmasked

#: Bytes above which a bundle is noted, and refused.
LARGE, TOO_LARGE = 10_000_000, 100_000_000
#: The folder, below that of a bundle, with the project's files.
FILES = "files"
_PREPARE = "prepare.pickle"
_VARIABLES = "variables"
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
        variables: Names of environment variables whose values are shown nowhere.
        key: What `prepare` does, as bytes that are the same each time; by default, those that it is pickled to.
    """

    prepare: Callable[[Path], None]
    files: Mapping[str, bytes] = {}
    requirements: Requirements = Requirements()
    variables: tuple[str, ...] = ()
    key: bytes = b""

    @classmethod
    def of(cls, prepare: Callable[[], None] | None) -> Bundle:
        """The bundle of a `prepare`: its own where it is portable, else it is called there as it is."""
        return prepare.bundle() if isinstance(prepare, Portable) else cls(_AsItIs(prepare))

    @cached_property
    def packed(self) -> bytes:
        """A zip."""
        target = BytesIO()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(_PREPARE, _TIME), pickle.dumps(self.prepare))
            archive.writestr(zipfile.ZipInfo(_VARIABLES, _TIME), "\n".join(self.variables))
            for path, content in sorted(self.files.items()):
                archive.writestr(zipfile.ZipInfo(f"{FILES}/{path}", _TIME), content, zipfile.ZIP_DEFLATED)
        return target.getvalue()

    @cached_property
    def id(self) -> str:
        """The hash of its content.

        Raises:
            ClusterError: It is too large.
        """
        self._check_size()
        digest = blake2b(self.key or pickle.dumps(self.prepare), digest_size=16)
        for path, content in sorted(self.files.items()):
            digest.update(f"\0{path}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(map(len, self.files.values()))

    def _check_size(self) -> None:
        size = self.size
        if size > TOO_LARGE:
            raise ClusterError(
                f"the project's code has {megabytes(size)}, and no more than {megabytes(TOO_LARGE)} are sent to a"
                f" worker: {self.biggest}",
                hint="keep data in a storage, and large files on the workers; `uses: {files: …}` names what is sent",
            )

    @property
    def biggest(self) -> str:
        """Its biggest files, with their sizes."""
        by_size = sorted(self.files.items(), key=lambda each: (-len(each[1]), each[0]))
        return ", ".join(f"`{path}` {megabytes(len(content))}" for path, content in by_size[:_SHOWN])


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
        for file in filter(Path.is_file, Path(part, FILES).rglob("*")):
            file.chmod(0o444)  # a transform that writes to one would change it for the runs to come
        with suppress(OSError):  # another one was first
            Path(part).rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@cache
def mask_of_bundle(folder: Path) -> Mask:
    """What hides the values that variables of an unpacked bundle have here."""
    names = (folder / _VARIABLES).read_text().split()
    values = {name: os.environ[name] for name in names if os.environ.get(name)}
    return mask_of(values) if values else unmasked


def load(folder: Path) -> None:
    """Prepare this process with an unpacked bundle."""
    prepare: Callable[[Path], None] = pickle.loads((folder / _PREPARE).read_bytes())  # noqa: S301  # our own bytes
    prepare(folder / FILES)
