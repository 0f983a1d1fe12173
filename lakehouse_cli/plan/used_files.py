"""The files below a project's folder that a path or a pattern of `uses` names.

`*`, `?` and `[…]` stand for what they do in a shell, `**` for folders at any depth. A folder stands for all files
below it. As in a shell, names that begin with a dot are matched only where the pattern says so.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from fnmatch import translate
from pathlib import Path

from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.counts import count_text

#: More files than this are no lookup tables, and would be hashed for every plan.
MOST_FILES = 10_000
_MOST_ENTRIES = 200_000
_MAGIC = r"[*?\[]"
_ANYWHERE = "**"
_BYTECODE = "__pycache__"


class MatchError(Exception):
    """What a pattern names cannot be used; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def is_pattern(text: str) -> bool:
    """Whether a text may match more than one path."""
    return re.search(_MAGIC, text) is not None


def escaped(path: str) -> str:
    """The pattern that a path alone matches.

    >>> escaped("lookups/a[1].csv")
    'lookups/a[[]1].csv'
    """
    return re.sub(_MAGIC, r"[\g<0>]", path)


def matches(folder: Path, pattern: str) -> list[str]:
    """The files that a pattern names, sorted, as paths below the folder; empty where there are none.

    Args:
        folder: The project's.
        pattern: Relative, without `..`.

    Raises:
        MatchError: A path is no regular file, is a link that leaves the folder, or there are too many files.
    """
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return sorted(dict.fromkeys(_Walk(folder).files("", parts)))


class _Walk:
    """One walk below a folder, which ends whatever links there are."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fspath(folder)
        self._inside = os.path.realpath(folder)
        self._entered: set[tuple[str, int]] = set()
        self._seen = 0
        self._files = 0

    def files(self, parent: str, parts: list[str]) -> Iterator[str]:
        """The files that the rest of a pattern names below a folder that matched what comes before."""
        if not parts:
            yield from self._named(parent)
            return
        part, rest = parts[0], parts[1:]
        if part == _ANYWHERE and not rest:
            yield from self._named(parent)
        elif part == _ANYWHERE:
            if self._enter(parent, len(rest)):
                yield from self.files(parent, rest)
                for name in self._names(parent):
                    path = _join(parent, name)
                    if not name.startswith(".") and name != _BYTECODE and os.path.isdir(self._at(path)):
                        yield from self.files(path, parts)
        elif is_pattern(part):
            fits = re.compile(translate(part)).match
            hidden = part.startswith(".")
            for name in self._names(parent):
                if (fits(name) or name == part) and (hidden or not name.startswith(".")) and name != _BYTECODE:
                    yield from self.files(_join(parent, name), rest)
        else:
            yield from self.files(_join(parent, part), rest)

    def _named(self, path: str) -> Iterator[str]:
        """A file, or all files below a folder."""
        try:
            mode = os.stat(self._at(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(self._at(path)):
                self._hold_inside(path)
            return
        except OSError as error:
            raise MatchError(
                f"`{path}` cannot be looked at: {system_reason(error)}", "make it readable, or leave it out"
            ) from error
        self._hold_inside(path)
        if stat.S_ISDIR(mode):
            if self._enter(path, -1):
                for name in self._names(path):
                    if not name.startswith(".") and name != _BYTECODE:
                        yield from self._named(_join(path, name))
        elif stat.S_ISREG(mode):
            try:
                path.encode()
            except UnicodeEncodeError:
                raise MatchError(f"the name of `{os.fsencode(path)!r}` is not UTF-8", "rename the file") from None
            self._files += 1
            if self._files > MOST_FILES:
                raise MatchError(f"there are more than {count_text(MOST_FILES)} files", "name fewer of them")
            yield path
        else:
            raise MatchError(f"`{path}` is not a regular file", "leave it out: its content cannot be known beforehand")

    def _enter(self, path: str, depth: int) -> bool:
        """Whether a folder is met for the first time at a place in the pattern, by whatever path."""
        key = os.path.realpath(self._at(path)), depth
        if key in self._entered:
            return False
        self._entered.add(key)
        return True

    def _names(self, parent: str) -> list[str]:
        try:
            names = sorted(os.listdir(self._at(parent)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            shown = parent or "."
            raise MatchError(
                f"`{shown}` cannot be looked at: {system_reason(error)}", "make it readable, or leave it out"
            ) from error
        self._seen += len(names)
        if self._seen > _MOST_ENTRIES:
            hint = "name the folder that the files are in"
            raise MatchError(f"there are more than {count_text(_MOST_ENTRIES)} files and folders to look through", hint)
        return names

    def _hold_inside(self, path: str) -> None:
        real = os.path.realpath(self._at(path))
        if real != self._inside and not real.startswith(self._inside.rstrip(os.sep) + os.sep):
            hint = "copy the file into the project, or declare it as a source table"
            raise MatchError(f"`{path}` is reached by a link that leaves the project's folder", hint)

    def _at(self, path: str) -> str:
        return os.path.join(self._folder, path)


def _join(parent: str, name: str) -> str:
    return f"{parent}/{name}" if parent else name
