"""What transforms use beside their inputs: the files and environment variables under `uses`, at one moment.

Of files the content counts, of variables a hash of the value: no value is kept or shown. A transform reads them at a
moment that nobody knows, so that a record is only made of what stayed the same from the plan until it was computed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import Location, Problem, ProjectError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import UNSETTLED, Recipe
from lakehouse_cli.plan.used_files import MatchError, is_pattern, matches
from lakehouse_cli.storage.local.stat_cache import RACY_MTIME_NS, Stamp
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.regular_files import hash_file


class Used(Struct, frozen=True):
    """What one table's transform uses beside its inputs, at one moment.

    Attributes:
        files: Path below the project's folder → hash of the content; a pattern that no file matches → empty text.
        variables: Name → hash of the value; None for one that is not set.
        stamps: Of each file.
        at_ns: When the files were looked at, nanoseconds since 1970.
    """

    files: Mapping[str, str]
    variables: Mapping[str, str | None]
    stamps: Mapping[str, Stamp]
    at_ns: int

    def recorded(self, recipe: Recipe, table: Table, folder: Path) -> Recipe:
        """The recipe of a table that has just been computed, which never equals another where anything moved."""
        now = UsedContent(folder)
        try:
            stamps = now.stamps(table)
        except ProjectError:
            stamps = {}
        paths = self.stamps.keys() | stamps.keys()
        moved = {path for path in paths if not self._is_still(path, stamps.get(path), folder)}
        files = {**self.files, **dict.fromkeys(sorted(moved), UNSETTLED)}
        after = now.variables(table)
        variables = {name: value if after[name] == value else UNSETTLED for name, value in self.variables.items()}
        return replace(recipe, files=files, variables=variables)

    def on_worker(self, table: Table, folder: Path) -> Used:
        """The same at a worker of a cluster, with the stamps of the files there; one that is another is unsettled."""
        there = UsedContent(folder).of(table)
        assert there is not None  # noqa: S101  # the table declares what it uses
        files = {path: found if there.files.get(path) == found else UNSETTLED for path, found in self.files.items()}
        return replace(there, files=files, variables=self.variables)

    def _is_still(self, path: str, stamp: Stamp | None, folder: Path) -> bool:
        before = self.stamps.get(path)
        if before is None or stamp != before:
            return False
        if max(before.modified_ns, before.changed_ns) < self.at_ns - RACY_MTIME_NS:
            return True
        try:
            return hash_file(folder / path) == self.files[path]
        except OSError:
            return False


class UsedContent:
    """Looks at what tables use, each file once.

    Args:
        folder: The project's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._at_ns = time.time_ns()
        self._matches: dict[str, tuple[str, ...] | MatchError] = {}
        self._files: dict[str, tuple[Stamp, str]] = {}

    def of(self, table: Table) -> Used | None:
        """What a table uses now; None where it declares nothing.

        Raises:
            ProjectError: A file cannot be read, is no regular file, or is reached by a link that leaves the project.
        """
        if table.uses is None:
            return None
        files: dict[str, str] = {}
        stamps: dict[str, Stamp] = {}
        for index, pattern in enumerate(table.uses.files or ()):
            found = self._matching(table, index, pattern)
            if not found:
                files[pattern] = ""
            for path in found:
                if (read := self._read(table, index, path)) is not None:
                    stamps[path], files[path] = read
        return Used(dict(sorted(files.items())), self.variables(table), stamps, self._at_ns)

    def stamps(self, table: Table) -> dict[str, Stamp]:
        """The stamps of a table's files; they are not read.

        Raises:
            ProjectError: As of `of`.
        """
        found: dict[str, Stamp] = {}
        for path in self.files(table):
            try:
                found[path] = Stamp.of(os.stat(self._folder / path))
            except OSError:  # it went away just now
                continue
        return found

    def files(self, table: Table) -> Iterator[str]:
        """The files that a table uses, as paths below the project's folder.

        Raises:
            ProjectError: As of `of`.
        """
        patterns = table.uses.files if table.uses is not None else None
        for index, pattern in enumerate(patterns or ()):
            yield from self._matching(table, index, pattern)

    @staticmethod
    def variables(table: Table) -> dict[str, str | None]:
        """A hash of the value of each variable that a table uses, as this process has it; None where it is not set."""
        names = table.uses.env if table.uses is not None else None
        return {name: value_hash(name, os.environ.get(name)) for name in names or ()}

    def problems(self, tables: Iterable[Table]) -> Iterator[Problem]:
        """What is wrong with the files of tables, of which none is read."""
        for table in tables:
            try:
                for _ in self.files(table):
                    pass
            except ProjectError as error:
                yield from error.problems

    def missing(self, table: Table) -> Iterator[str]:
        """A note for each file that is not there, and each pattern that no file matches.

        Raises:
            ProjectError: As of `of`.
        """
        patterns = table.uses.files if table.uses is not None else None
        for index, pattern in enumerate(patterns or ()):
            if self._matching(table, index, pattern):
                continue
            place = table.where(f"uses.files.{index}")
            what = "matches no file" if is_pattern(pattern) else "is not there"
            close = did_you_mean(pattern, self._beside(pattern)) if not is_pattern(pattern) else None
            at, hint = f" ({place})" if place else "", f": {close}" if close else ""
            yield f"`{pattern}` under `uses` of `{table.name}` {what}{at}{hint}"

    def _beside(self, path: str) -> list[str]:
        parent = path.rpartition("/")[0]
        try:
            names = sorted(os.listdir(self._folder / parent))[:1000]
        except OSError:
            return []
        return [f"{parent}/{name}" if parent else name for name in names]

    def _matching(self, table: Table, index: int, pattern: str) -> tuple[str, ...]:
        if pattern not in self._matches:
            try:
                self._matches[pattern] = tuple(matches(self._folder, pattern))
            except MatchError as error:
                self._matches[pattern] = error
        found = self._matches[pattern]
        if isinstance(found, MatchError):
            raise ProjectError([Problem(f"`uses` of table `{table.name}`: {found}", found.hint, _place(table, index))])
        return found

    def _read(self, table: Table, index: int, path: str) -> tuple[Stamp, str] | None:
        if path not in self._files:
            try:
                # The stamp first: what changes while it is read has another one afterwards.
                stamp = Stamp.of(os.stat(self._folder / path))
                self._files[path] = stamp, hash_file(self._folder / path)
            except FileNotFoundError:  # it went away just now
                return None
            except OSError as error:
                why = system_reason(error)
                message = f"`uses` of table `{table.name}`: `{path}` cannot be read: {why}"
                raise ProjectError(
                    [Problem(message, "make it readable, or leave it out", _place(table, index))]
                ) from error
        return self._files[path]


def value_hash(name: str, value: str | None) -> str | None:
    """A hash that distinguishes values and from which they cannot be computed back."""
    if value is None:
        return None
    from hashlib import blake2b  # slow to load, and seldom needed

    return blake2b(os.fsencode(value), key=os.fsencode(name)[:64], digest_size=16).hexdigest()


def _place(table: Table, index: int) -> Location | None:
    return table.where(f"uses.files.{index}", "uses")
