"""Files and folders that a transform writes itself: what is stored of them, and how they come back."""

from __future__ import annotations

import shutil
import tarfile
from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NoReturn

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer

_READ_ONLY = 0o444
_FOLDER_MODE, _EXECUTABLE, _PLAIN = 0o755, 0o755, 0o644


class PathSerializer(Serializer):
    """What a transform wrote to a path that it was given, in the place of a result that it returns."""

    @abstractmethod
    def prepare(self, target: Path) -> None:
        """Make what is to be there before the transform is called."""

    @abstractmethod
    def pack(self, target: Path, scratch: Path) -> Path:
        """Return the file whose bytes are stored.

        Args:
            target: Where the transform was to write.
            scratch: A folder for what has to be made.

        Raises:
            TransformError: Nothing was written, or something that cannot be stored.
        """

    @abstractmethod
    def unpack(self, source: BinaryIO, path: Path) -> None:
        """Make what was packed at a path that is not there; its files are read-only.

        Raises:
            ValueError: The bytes are not what `pack` made.
        """

    def dump(self, value: Any, sink: Sink) -> NoReturn:
        """Refuse a result: it is written to a path."""
        del sink
        raise self.refuse(value, "a path")

    def load(self, source: BinaryIO) -> NoReturn:
        """Refuse to make an object of what has a path."""
        del source
        message = "it is a path"
        raise TypeError(message)


class WrittenFile(PathSerializer):
    """One file of any kind."""

    takes = "what is written to its Target"

    def prepare(self, target: Path) -> None:
        """Leave it to the transform to make the file."""

    def pack(self, target: Path, scratch: Path) -> Path:
        """Store the file itself."""
        del scratch
        if target.is_symlink() or (target.exists() and not target.is_file()):
            kind = "a link" if target.is_symlink() else "a folder" if target.is_dir() else "no regular file"
            hint = "write one file there, or choose `format: folder`"
            raise TransformError(f"what was written to its Target is {kind}", hint=hint)
        if not target.exists():
            raise TransformError(
                "nothing was written to its Target", hint="write the file to the very path it is given"
            )
        return target

    def unpack(self, source: BinaryIO, path: Path) -> None:
        """Copy the bytes."""
        with path.open("xb") as file:
            shutil.copyfileobj(source, file)
        path.chmod(_READ_ONLY)


class WrittenFolder(PathSerializer):
    """A folder of files, as a tar archive that depends on their names and contents alone."""

    takes = "what is written to its Target"

    def prepare(self, target: Path) -> None:
        """Make the folder."""
        target.mkdir()

    def pack(self, target: Path, scratch: Path) -> Path:
        """Put names, contents and whether a file is executable into an archive, in the order of the names."""
        if target.is_symlink() or not target.is_dir():
            what = "is gone" if not target.exists() else "is no folder any more"
            raise TransformError(f"its Target {what}", hint="write files into the folder it is given")
        paths = sorted(target.rglob("*"), key=lambda path: path.relative_to(target).as_posix())
        if all(path.is_dir() and not path.is_symlink() for path in paths):
            raise TransformError("nothing was written to its Target", hint="write files into the folder it is given")
        archive = scratch / "archive"
        with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
            for path in paths:
                _add(tar, path, path.relative_to(target).as_posix())
        return archive

    def unpack(self, source: BinaryIO, path: Path) -> None:
        """Make the folder, and nothing beyond it whatever the archive says."""
        path.mkdir()
        try:
            with tarfile.open(fileobj=source, mode="r:") as tar:
                for member in tar:
                    _extract(tar, member, path)
                # Without the blocks of its end, members behind the last one may be missing.
                source.seek(tar.offset)
                if source.read(2 * tarfile.BLOCKSIZE) != bytes(2 * tarfile.BLOCKSIZE):
                    message = "the archive is cut off"
                    raise ValueError(message)
        except tarfile.TarError as error:
            message = f"it is no tar archive ({error})"
            raise ValueError(message) from error


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        kind = "a link" if path.is_symlink() else "no regular file"
        raise TransformError(f"`{name}` in its Target is {kind}", hint="write files and folders there, nothing else")
    member = tarfile.TarInfo(name)
    if path.is_dir():
        member.type, member.mode = tarfile.DIRTYPE, _FOLDER_MODE
        tar.addfile(member)
        return
    status = path.stat()
    member.size, member.mode = status.st_size, _EXECUTABLE if status.st_mode & 0o100 else _PLAIN
    with path.open("rb") as file:
        tar.addfile(member, file)


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    data = tar.extractfile(member) if member.isfile() else None
    if name.is_absolute() or ".." in name.parts or (data is None and not member.isdir()):
        message = f"it has `{member.name}`, which no folder of ours has"
        raise ValueError(message)
    path = folder / name
    if data is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        shutil.copyfileobj(data, file)
    path.chmod(_READ_ONLY | (0o111 if member.mode & 0o100 else 0))
