"""Two tables in one place, one of them computed: on one path, or on two of which a link on the disk makes one."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from lakehouse_cli.config.paths import ending_of
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.formats import FORMATS, SERIALIZERS, file_suffixes, find_form
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage_types import STORAGE_TYPES, StorageType, scheme_of


class Collisions:
    """Where the tables seen so far are stored, to find two in one place."""

    def __init__(self) -> None:
        self._taken: dict[str, Table] = {}
        # Places to which only a link leads, with the table whose path it is on.
        self._linked: dict[str, Table] = {}
        # Roots and folders with links resolved.
        self._real: dict[str, str] = {}
        # Database files by device and inode: the names under which they are known, each with a table.
        self._files: dict[tuple[int, int], dict[str, Table]] = {}
        # Of storages by name: the root, links resolved; its type, where it is on this machine, which links need.
        self._roots: dict[str, tuple[str, StorageType | None]] = {}

    def of(self, table: Table, storage: StorageSpec) -> Problem | None:
        """A problem where another table is stored at the same place; case and Unicode form do not count.

        Sources may share a path, such as two sheets of a workbook, or a file that is read with two sets of options.
        """
        root, known = self._roots.get(storage.name) or self._root(storage)
        suffix = ending_of(table)
        stem = _folded(f"{root}/{_qualified(table, storage)}")
        own = (stem + "/", stem + suffix.casefold())
        # By stem too: manifests and what failed runs leave are named by it.
        for place in own:
            other = self._taken.setdefault(place, table)
            # Sources only read what is there.
            if other is not table and "computed" in (table.kind, other.kind):
                return _on_one_path(table, other)
        if known is None:
            return None
        if known.root == "file":
            return self._hard_link(table, root)
        if known.root not in ("folder", "folder or url"):
            return None
        return self._link(table, own, tuple(self._behind_links(table, storage, root)))

    def _root(self, storage: StorageSpec) -> tuple[str, StorageType | None]:
        # What has no root is a place of its own.
        root, known = storage.root or f"{storage.name}:", None
        if storage.root and scheme_of(root) is None:
            # Two roots may be one folder by way of a link.
            root, known = self._resolved(root), STORAGE_TYPES.get(storage.type)
        self._roots[storage.name] = root, known
        return root, known

    def _resolved(self, path: str) -> str:
        # Resolving costs a system call for every part of the path; a thousand tables share a few folders.
        if path not in self._real:
            self._real[path] = os.path.realpath(path)
        return self._real[path]

    def _link(self, table: Table, own: tuple[str, ...], behind: tuple[str, ...]) -> Problem | None:
        """A problem where a link leads from this table to another one, or from that one to this; sources may share."""
        if not behind and not self._linked:
            return None
        found: Problem | None = None
        for place in (*own, *behind):
            other = self._linked.get(place) or self._taken[place] if place in own else self._other(place)
            if found is None and other is not None and other is not table and "computed" in (table.kind, other.kind):
                found = _by_a_link(*((table, other) if place in behind else (other, table)), _place(table))
        for place in behind:
            self._linked.setdefault(place, table)
        return found

    def _other(self, place: str) -> Table | None:
        return self._taken.get(place) or self._linked.get(place)

    def _behind_links(self, table: Table, storage: StorageSpec, root: str) -> Iterator[str]:
        """The places to which links lead from a table's path.

        A link in place of the file of a computed table is not among them: a run replaces the link itself.
        """
        folder, _, name = f"{root}/{table.path}".rpartition("/")
        path = f"{self._resolved(folder)}/{name}"
        if path != f"{folder}/{name}":
            yield _folded(path) + "/"
        if not STORAGE_TYPES[storage.type].formats:
            if os.path.islink(path):  # noqa: PTH114 - which takes a name of any length
                yield _folded(os.path.realpath(path)) + "/"
        elif table.kind == "source" and (form := find_form(table)) is not None:
            for suffix in file_suffixes(form, table.options):
                if os.path.islink(path + suffix):  # noqa: PTH114
                    yield from map(_folded, _stems(os.path.realpath(path + suffix)))

    def _hard_link(self, table: Table, file: str) -> Problem | None:
        """A problem where a database file, which is written in place, has another name in this project."""
        try:
            status = Path(file).stat()
        except OSError:
            return None
        names = self._files.setdefault((status.st_dev, status.st_ino), {})
        others = [other for name, other in names.items() if name != file]
        if file not in names or table.kind == "computed":
            names[file] = table
        for other in others:
            if "computed" in (table.kind, other.kind):
                message = f"tables {quoted(other.name)} and {quoted(table.name)} are in one database file"
                message += f": `{Path(file).name}` is a hard link"
                hint = f"replace one of the two names by a copy of the file; {_the_other(other)}"
                return Problem(message, hint, _place(table))
        return None


def _folded(path: str) -> str:
    return (path if path.isascii() else unicodedata.normalize("NFC", path)).casefold()


def _stems(file: str) -> Iterator[str]:
    """The places of tables that may be stored in a file: its own, and those that its endings leave."""
    yield file
    endings = {ending for spec in (*FORMATS.values(), *SERIALIZERS.values()) for ending in file_suffixes(spec, {})}
    yield from (f"{file.removesuffix(ending)}/" for ending in endings if file.endswith(ending))


def _qualified(table: Table, storage: StorageSpec) -> str:
    """The path of a table with the schema that a database takes where it names none."""
    known = STORAGE_TYPES.get(storage.type)
    if known is None or not known.schema or "/" in table.path:
        return table.path
    return f"{storage.connection.get('schema') or known.schema}/{table.path}"


def _on_one_path(table: Table, other: Table) -> Problem:
    return Problem(
        f"tables `{other.name}` and `{table.name}` are stored on one path, {quoted(table.path)}",
        f"give one of them another `path`; {_the_other(other)}",
        _place(table),
    )


def _by_a_link(linked: Table, to: Table, place: Location | None) -> Problem:
    return Problem(
        f"tables `{to.name}` and `{linked.name}` are stored in one place: "
        f"the path of `{linked.name}`, {quoted(linked.path)}, leads through a link to that of `{to.name}`",
        "replace the link by a folder or a file of its own, or give one of the tables another `path`",
        place,
    )


def _the_other(other: Table) -> str:
    return f"the other is `{other.name}`{f' ({other.location})' if other.location else ''}"


def _place(table: Table) -> Location | None:
    if "path" in table.locations and table.location and table.locations["path"].file == table.location.file:
        # A path from the defaults stands far from both tables.
        own = table.locations["path"]
        return own if (own.line or 0) >= (table.location.line or 0) else table.location
    return table.location
