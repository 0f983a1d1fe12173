"""The text of a project file, read once, with the places in it."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.text.redaction import without_secrets
from lakehouse_cli.text.regular_files import read_regular

#: Larger files are refused: a project of thousands of tables takes a tenth of this.
MAX_BYTES = 10_000_000

# Patterns as texts are compiled by `re` where they are first used: most files need none of them.
_LINE_BREAK = "\r\n|[\n\r]"
# What a YAML stream may not hold (https://yaml.org/spec/1.2.2/#51-character-set), and what PyYAML's parsers, of YAML
# 1.1, take for a line break (https://yaml.org/spec/1.1/#b-generic): in a text in quotes it would become a space.
# Compiling the whole class takes longer than anything else here, and most files need only its first part.
_UNPRINTABLE_ASCII = re.compile("[^\t\n\r\x20-\x7e]")
_UNPRINTABLE = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_LONE_RETURN = "\r(?!\n)"
# Line breaks that are refused, and how they are written in double quotes.
_BREAKS = {"\r": "\\r", "\x85": "\\N", "\u2028": "\\L", "\u2029": "\\P"}
# An anchor or a tag before a value, which a caret should not stand under.
_PROPERTIES = r"(?:[&!]\S*\s+)+(?=\S)"
_TAG = r"![^\s,\[\]{}]*"
# A line without any of these, whatever their case, has nothing to hide.
_BESIDE_SECRETS = ("://", "secret", "token", "passw", "pwd", "credential", "key", "sig", "address")


class Mark(Protocol):
    """A place in the text as the YAML parser gives it: 0-based line and column, in characters."""

    line: int
    column: int


class PlacedMark(Struct):
    """A mark that knows the place which is shown for it: of what is declared in Python, that of the call."""

    line: int
    column: int
    location: Location


class SourceFile:
    """One YAML file: where it is, what messages call it, and its text.

    Attributes:
        path: The file, absolute.
        name: As shown to the user, relative to the project's folder.
        text: All of it, without a byte order mark.
        parsed: The same, or with blank lines where something is known already.
    """

    def __init__(self, path: Path, name: str, text: str, parsed: str | None = None) -> None:
        self.path = path
        self.name = name
        self.text = text
        self.parsed = text if parsed is None else parsed
        self._shown: dict[int, str] = {}

    @cached_property
    def lines(self) -> list[str]:
        """The text's lines without their breaks."""
        return re.split(_LINE_BREAK, self.text) if "\r" in self.text else self.text.split("\n")

    def line(self, number: int) -> str:
        """The text of the 0-based line; empty past the end of the file."""
        return self.lines[number] if number < len(self.lines) else ""

    @cached_property
    def _beside(self) -> Callable[[str], object] | None:
        """Finds what may stand beside a secret in a line, its case folded; None where the text has nothing such."""
        text = self.text.casefold()
        words = [word for word in _BESIDE_SECRETS if word in text]
        return re.compile("|".join(words)).search if words else None

    def shown(self, number: int) -> str:
        """A 0-based line without the secrets in it: problems, logs and the history show lines."""
        shown = self._shown.get(number)  # most lines have several places
        if shown is None:
            line = self.line(number)
            has_none = self._beside is None or self._beside(line.casefold()) is None
            shown = self._shown[number] = line if has_none else without_secrets(line)
        return shown

    def location(self, start: Any, end: Mark) -> Location:
        """The place from `start` to `end`, cut at the end of its first line."""
        if start.__class__ is PlacedMark:
            placed: Location = start.location
            return placed
        number, column = start.line, start.column
        lines = self.lines
        source = lines[number] if number < len(lines) else ""
        if source[column : column + 1] in ("&", "!"):
            properties = re.compile(_PROPERTIES).match(source, column)
            column = properties.end() if properties else column
        last = end.column if end.line == number else len(source.rstrip())
        return Location(
            self.name, number + 1, column + 1, max(last - column, 1), self._shown.get(number) or self.shown(number)
        )

    def tag(self, start: Mark) -> Location:
        """The place of the tag of a value that begins at `start`, an anchor perhaps before it."""
        found = re.compile(_TAG).search(self.line(start.line), start.column)
        if found is None:
            return self.point(start.line, start.column)
        return self.point(start.line, found.start(), len(found.group()))

    def point(self, line: int, column: int, length: int = 1) -> Location:
        """The place at a 0-based line and column, moved back into the text where it lies behind its end."""
        if line >= len(self.lines) or (line == len(self.lines) - 1 and not self.lines[line] and line > 0):
            line = max(len(self.lines) - 2, 0)
            column = len(self.lines[line])
        source = self.line(line)
        return Location(self.name, line + 1, min(column, len(source)) + 1, length, self.shown(line))


def read_source(path: Path, name: str) -> SourceFile | Problem:
    """Read a YAML file, or say what keeps it from being read.

    Args:
        path: The file.
        name: What messages call it.
    """
    data = _read_bytes(path, name)
    if isinstance(data, Problem):
        return data
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(f"`{name}` is UTF-16, not UTF-8", "save it as UTF-8", Location(name))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Counted in the bytes the error speaks of, which lack the byte order mark.
        before = error.object[: error.start].decode("utf-8")
        lines = re.split(_LINE_BREAK, before)
        message = f"`{name}` is not UTF-8: byte 0x{error.object[error.start]:02x}"
        return Problem(message, "save it as UTF-8", Location(name, len(lines), len(lines[-1]) + 1))
    source = SourceFile(path, name, text)
    at = refused_character(text)
    if at is None:
        return source
    before_it = re.split(_LINE_BREAK, text[:at])
    message = f"character U+{ord(text[at]):04X} may not stand in a YAML file"
    hint = 'remove it, or write it as an escape in double quotes: "\\u0001"'
    if escape := _BREAKS.get(text[at]):
        message += ": YAML takes it for the end of a line, and makes it a space in a text"
        hint = f'remove it, or write it as an escape in double quotes: "{escape}"'
        if text[at] == "\r":
            hint = f'end each line with a line feed, or write it as an escape in double quotes: "{escape}"'
    return Problem(message, hint, source.point(len(before_it) - 1, len(before_it[-1])))


def refused_character(text: str) -> int | None:
    """Where the first character of a text stands that YAML may not hold, or would read as another; None for none."""
    found = (_UNPRINTABLE_ASCII if text.isascii() else re.compile(_UNPRINTABLE)).search(text)
    if text.count("\r") != text.count("\r\n"):
        lone = re.compile(_LONE_RETURN).search(text, 0, found.start() if found else len(text))
        found = lone or found
    return None if found is None else found.start()


def _read_bytes(path: Path, name: str) -> bytes | Problem:
    hint: str | None = "put the project file in its place"
    try:
        return read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        message, hint = f"there is no `{name}`", "create it with `lakehouse init`"
    except IsADirectoryError:
        message = f"`{name}` is a folder, not a file"
    except PermissionError:
        message, hint = f"`{name}` may not be read", "give yourself permission to read it"
    except OSError as error:
        message = f"`{name}` cannot be read: {error.strerror or error}"
        if error.errno == errno.EINVAL:
            message = f"`{name}` is not a regular file"
        elif error.errno == errno.EFBIG:
            message = f"`{name}` is larger than {MAX_BYTES // 1_000_000} MB"
            hint = "split its tables over files named in `include`"
        else:
            hint = None
    return Problem(message, hint, Location(name))
