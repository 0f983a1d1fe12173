"""Where tables and their manifests are in a folder: paths, links resolved, refused where they lead astray."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from stat import S_ISLNK
from types import TracebackType

from lakehouse_cli.errors import MissingDataError, ObstructedError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.errors import Cause, OutOfReach, system_cause
from lakehouse_cli.storage.format_storage import MANIFESTS, FormatStorage, Listed
from lakehouse_cli.storage.local.folders import Folder, LinkedFolderError, open_folder

# Folders that are kept open over a run; of a table with many partitions each may have one.
_MOST_KEPT = 16


class FolderStorage(FormatStorage):
    """Tables and manifests under a root folder, as paths; a base, see `FileStorage`."""

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        # The root and folders with links resolved, as they were when a plan, or else a table's turn, first asked.
        self._real_folders: dict[str, str] = {}
        # Folders by their paths, links resolved, which a run opens once; None where each table opens them.
        self._kept_open: dict[str, Folder] | None = None

    def prefetch(self, tables: Iterable[Table]) -> None:
        """Forget where folders led for an earlier plan."""
        del tables
        self._real_folders.clear()
        vars(self).pop("_inside_root", None)

    @property
    def _real_root(self) -> str:
        return self._real_folder(self.spec.root)

    @cached_property
    def _inside_root(self) -> str:
        """What the path of whatever is inside the root starts with."""
        return self._real_root.rstrip(os.sep) + os.sep

    def uri(self, table: Table) -> str:
        """The file's path: under the root as the project file spells it; of one that is there twice, the first."""
        return self._shown(table, self._found_suffixes(table)[0])

    def _missing(self, table: Table) -> MissingDataError:
        error = super()._missing(table)
        if table.kind == "source" and os.path.isdir(f"{self.spec.root}/{table.path}"):
            folder = self._under_root(table.path)
            error.hint = f"{folder} is a folder: `path: {table.path}/` reads all files in it, `{table.path}/name` one"
        elif table.kind == "source" and os.path.isfile(f"{self.spec.root}/{table.path}"):
            error.hint = f"{self._under_root(table.path)} is there, without an ending: rename it to {self.uri(table)}"
        return error

    def _suffix(self, table: Table) -> str:
        """The ending of the stored file, or of the one that would be written where nothing is stored."""
        found = self._found_suffixes(table)
        return found[0] if len(found) == 1 else self._one_of(found, table)

    def _found_suffixes(self, table: Table) -> Sequence[str]:
        """The endings of what is there, of those that may be; the one that would be written where nothing is."""
        suffixes = self._suffixes(table)
        if len(suffixes) == 1:
            return suffixes
        base = f"{self.spec.root}/{table.path}"
        return [suffix for suffix in suffixes if os.path.lexists(base + suffix)] or suffixes[:1]

    def _endings_there(self, table: Table) -> Iterable[str]:
        return endings_there(f"{self.spec.root}/{table.path}")

    def _near_path(self, table: Table) -> str | None:
        folder, slash, name = table.path.rpartition("/")
        ending = self._suffixes(table)[0]
        with suppress(OSError), os.scandir(f"{self.spec.root}/{folder}") as entries:
            stems = sorted(each.name.removesuffix(ending) for each in entries if each.name.endswith(ending))
            return next((f"{folder}{slash}{stem}" for stem in stems if _bare(stem) == _bare(name)), None)
        return None

    def list_files(self, folder: str, depth: int | None) -> Iterable[Listed]:
        """By a walk, which follows no links below the folder."""
        waiting = [(folder, 0)]
        while waiting:
            at, below = waiting.pop()
            try:
                with os.scandir(f"{self.spec.root}/{at}") as found:
                    entries = list(found)
            except (FileNotFoundError, NotADirectoryError):
                continue
            for entry in entries:
                path = f"{at}/{entry.name}" if at else entry.name
                if entry.name.startswith((".", "~$")):  # hidden, or the lock of an open workbook
                    continue
                if entry.is_dir():
                    if depth is not None and below >= depth:
                        continue
                    if entry.is_symlink():
                        yield Listed(f"{path}/", is_link=True)
                    else:
                        waiting.append((path, below + 1))
                elif depth is None or below == depth:
                    yield Listed(path, is_link=entry.is_symlink())

    def _file(self, table: Table) -> str:
        """The stored file; no link is resolved."""
        return f"{self.spec.root}/{table.path}{self._suffix(table)}"

    def _manifest_file(self, table: Table) -> str:
        """The manifest; no link is resolved."""
        return f"{self.spec.root}/{MANIFESTS}/{table.path}.json"

    def _path(self, table: Table) -> str:
        """The stored file as it is read; links resolved and inside the root."""
        return self._inside(self._file(table), table)

    def _replaced(self, path: str, table: Table) -> tuple[str, int | None]:
        """The name that is written, and the mode of what has it, or of what a link there leads to; None for nothing.

        A link is replaced, and what it leads to stays as it is.
        """
        real = self._in_folder(path)
        try:
            mode = os.lstat(real).st_mode
        except (FileNotFoundError, NotADirectoryError):
            mode = None
        if mode is None or not S_ISLNK(mode):
            self._held_inside(real, path, table)
            return real, mode
        self._held_inside(os.path.realpath(real), path, table)
        with suppress(OSError):
            return real, os.stat(real).st_mode
        return real, None

    def _is_link(self, table: Table) -> bool:
        return os.path.islink(self._in_folder(self._file(table)))

    def _inside(self, path: str, table: Table) -> str:
        """The path with links resolved, refused where they lead out of the root."""
        real = self._in_folder(path)
        if os.path.islink(real):
            real = os.path.realpath(real)
        return self._held_inside(real, path, table)

    def _in_folder(self, path: str) -> str:
        """The path with the links of its folder resolved."""
        folder, _, name = path.rpartition("/")
        return f"{self._real_folder(folder)}/{name}"

    def _held_inside(self, real: str, path: str, table: Table) -> str:
        """A path with links resolved, refused where it is out of the root."""
        if not real.startswith(self._inside_root):
            shown = self._under_root(path.removeprefix(f"{self.spec.root}/"))
            hint = "put the data inside the storage's root, or declare a storage whose root is where they are"
            if path.startswith(f"{self.spec.root}/{MANIFESTS}/"):
                hint = f"replace the link by a folder: nothing in {self._under_root(MANIFESTS)} may be one"
            raise ObstructedError(
                f"{shown} leads out of storage `{self.spec.name}` through a link",
                hint=hint,
                location=table.where("path", "storage"),
            )
        return real

    def _refuse_behind_link(self, table: Table) -> None:
        """Refuse to replace what links between the root and the table's folder lead to and no run stored."""
        folder = os.path.dirname(f"{self.spec.root}/{table.path}")
        if self._real_folder(folder) != f"{self._inside_root}{os.path.dirname(table.path)}".rstrip(os.sep):
            raise ObstructedError(
                f"{self.uri(table)} is behind a link, and not what a run stored",
                hint="move it away, or replace the link by a folder; what a link leads to is never written over",
                location=table.where("path", "storage"),
            )

    def _real_folder(self, folder: str) -> str:
        # Resolving costs a system call for every part of the path; a thousand tables share a few folders, and of very
        # many partitions each has one in the same folder.
        real = self._real_folders.get(folder)
        if real is None:
            above, _, name = os.fspath(folder).rpartition("/")
            if above.startswith(f"{self.spec.root}/") and name not in ("", ".", ".."):
                real = f"{self._real_folder(above)}/{name}"
            if real is None or os.path.islink(real):
                real = os.path.realpath(folder)
            self._real_folders[folder] = real
        return real

    def _open_folder(self, path: str, table: Table, *, make: bool = False) -> _OpenFolder:
        """Open the folder of a path under the root: the one that it was found to be, refused if a link is there now."""
        self._held_inside(self._in_folder(path), path, table)
        folder = path.rpartition("/")[0]
        return _OpenFolder(self, table, folder, self._real_folder(folder), make)

    def open_real_folder(self, folder: str, real: str, *, make: bool) -> Folder:
        """Open a folder that was found to be another path, or that itself; or take the one that is kept open.

        Raises:
            LinkedFolderError: It is a link now, or one leads elsewhere than it did.
            OSError: It cannot be opened, or made.
        """
        kept = self._kept_open
        opened = None if kept is None else kept.get(real)
        if opened is None or not opened.is_reached():
            opened = open_folder(self._real_root, real[len(self._inside_root) :], make=make)
            if kept is not None and (real in kept or len(kept) < _MOST_KEPT):
                kept[real], opened.is_kept = opened, True
        if real != folder and os.path.realpath(folder) != real:
            # A link that there was already, and that leads elsewhere now.
            shown = folder.removeprefix(os.fspath(self.spec.root))
            raise LinkedFolderError(errno.ELOOP, os.strerror(errno.ELOOP), f"{self._real_root}{shown}")
        return opened

    def refused_folder(self, error: LinkedFolderError, table: Table, *, was_link: bool) -> ObstructedError:
        """What is said of a folder that a table cannot be stored in; `was_link` where a link led to it before, too."""
        within = error.filename[len(self._inside_root) :]
        shown = self._under_root(within) if within else self.spec.root_text
        became = "became a link" if not was_link and os.path.islink(error.filename) else "was replaced"
        return ObstructedError(
            f"{shown} {became} after `{table.name}` was planned",
            hint="put a folder in its place and run again; nothing is written through a link",
            location=table.where("path", "storage"),
        )

    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """The operating system's errors, of data or of a manifest."""
        if not isinstance(error, OSError):
            return None
        shown = self._shown_manifest(table) if table is not None and self._is_of_ours(error) else None
        # A plan says so, and nothing is computed for what cannot be stored.
        out_of_reach: OutOfReach | None = "table" if error.errno == errno.ELOOP else None
        return system_cause(error)._replace(out_of_reach=out_of_reach, shown=shown)

    def _is_of_ours(self, error: OSError) -> bool:
        """Whether it is manifests that could not be worked with, not data."""
        ours = f"{self._real_root}/{MANIFESTS.partition('/')[0]}"
        paths = [path for path in (error.filename, error.filename2) if isinstance(path, str)]
        return any(path == ours or path.startswith(f"{ours}/") for path in paths)

    def _manifest_path(self, table: Table) -> str:
        """The name of the manifest; a link there is replaced as one in the place of data is."""
        path = self._manifest_file(table)
        self._inside(path, table)
        return self._in_own_folder(path, table)

    def _in_own_folder(self, path: str, table: Table) -> str:
        """The path of a manifest, refused where a link on the way makes it perhaps that of another table."""
        real = self._held_inside(self._in_folder(path), path, table)
        if real != f"{self._inside_root}{path.removeprefix(f'{self.spec.root}/')}":
            raise ObstructedError(
                f"{self._shown_manifest(table)} is behind a link",
                hint=f"replace the link by a folder: nothing in {self._under_root(MANIFESTS)} may be one",
                location=table.where("path", "storage"),
            )
        return real

    def _is_a_folder(self, table: Table) -> ObstructedError:
        return ObstructedError(
            f"{self.uri(table)} is a folder",
            hint="move it away, or give the table another `path:`",
            location=table.where("path"),
        )

    def _manifest_is_a_folder(self, table: Table) -> ObstructedError:
        return ObstructedError(
            f"{self._shown_manifest(table)} is a folder",
            hint=f"move it away; the manifest of `{table.name}` belongs there",
            location=table.where("path"),
        )

    def _no_folder_of_manifests(self, table: Table) -> ObstructedError:
        above = Path(MANIFESTS, f"{table.path}.json").parents
        files = (each.as_posix() for each in reversed(above) if Path(self.spec.root, each).is_file())
        shown = self._under_root(next(files, MANIFESTS)).removesuffix("/.")  # the root itself
        return ObstructedError(
            f"{shown} is a file",
            hint=f"move it away; the manifest of `{table.name}` belongs in a folder of that name",
            location=table.where("path", "storage"),
        )


class _OpenFolder:
    """Opens a folder for a `with` block, after which it is closed unless it is kept open."""

    def __init__(self, storage: FolderStorage, table: Table, folder: str, real: str, make: bool) -> None:
        self._storage, self._table = storage, table
        self._folder, self._real, self._make = folder, real, make

    def __enter__(self) -> Folder:
        try:
            self._opened = self._storage.open_real_folder(self._folder, self._real, make=self._make)
            return self._opened
        except LinkedFolderError as error:
            raise self._refused(error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._opened.__exit__()
        if isinstance(error, LinkedFolderError):
            raise self._refused(error) from error

    def _refused(self, error: LinkedFolderError) -> ObstructedError:
        return self._storage.refused_folder(error, self._table, was_link=self._real != self._folder)


def endings_there(base: str) -> list[str]:
    """The endings of the files whose names begin with that of a path, in order."""
    folder, _, name = base.rpartition("/")
    with suppress(OSError), os.scandir(folder) as entries:
        return sorted(each.name[len(name) :] for each in entries if each.name.startswith(f"{name}.") and each.is_file())
    return []


def _bare(name: str) -> str:
    return re.sub("[-_ ]", "", name).casefold()
