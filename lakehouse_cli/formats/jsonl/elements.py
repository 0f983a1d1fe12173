"""The elements of one JSON array, found without parsing it as a whole, with the lines on which they begin."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.compression import BLOCK
from lakehouse_cli.formats.jsonl.lines import Opened
from lakehouse_cli.text.counts import count_text

_BLANK = b" \t\r\n"
# No text of JSON holds a line end. Nothing here can be matched in two ways, so that nothing is tried twice.
_TEXT = rb'"[^"\\\n\r]*+(?:\\[^\n\r][^"\\\n\r]*+)*"'
# To the next bracket that is not in a text; to the next bracket or comma.
_TO_BRACKET = re.compile(rb'[^"\[\]{}]*+(?:' + _TEXT + rb'[^"\[\]{}]*+)*')
_TO_COMMA = re.compile(rb'[^"\[\]{},]*+(?:' + _TEXT + rb'[^"\[\]{},]*+)*')
# An object without objects and lists, as most elements are.
_FLAT = re.compile(rb'[ \t\r\n]*(\{[^"\[\]{}]*+(?:' + _TEXT + rb'[^"\[\]{}]*+)*\})[ \t\r\n]*,')
_LINE_END = re.compile(rb"[\n\r]")
_TO_SPACES = bytes.maketrans(b"\r\n", b"  ")


class OpenedArray(Opened, frozen=True):
    """A file of one JSON array, whose elements are its records."""

    called = "JSON"
    unit = "object"

    def shape_hint(self) -> str:
        """Say what an element is."""
        return 'each element is an object: [{"id": 1}, {"id": 2}]'

    def where(self, record: int, line: int) -> str:
        """Name the place of an element."""
        return f"element {count_text(record)} of `{self.name}` (line {count_text(line)})"

    def json_lines(self) -> Iterator[bytes]:
        """Read the elements as lines, many at once."""
        return self.blocks(BLOCK)

    def blocks(self, size: int) -> Iterator[bytes]:
        """Read the elements as lines, in blocks of so many bytes or more."""
        lines: list[bytes] = []
        count = 0
        for _, element in self.records():
            broken = b"\n" in element or b"\r" in element
            lines.append(element.translate(_TO_SPACES) if broken else element)
            count += len(element) + 1
            if count >= size:
                yield b"\n".join(lines) + b"\n"
                lines, count = [], 0
        if lines:
            yield b"\n".join(lines) + b"\n"

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Read the elements, with the 1-based numbers of the lines on which they begin.

        Raises:
            StorageError: The file is not one array. What its elements are is not looked at.
        """
        pieces = self.pieces()
        line, data = self._after_bracket(pieces)
        # Where the element begins, and where what is not yet looked at does; how many brackets are open in between.
        start = position = depth = 0
        record = 1
        while True:
            if position == start and (flat := _FLAT.match(data, start)):
                yield line + data.count(b"\n", start, flat.start(1)), flat[1]
                end = flat.end()
                line += data.count(b"\n", start, end)
                start = position = end
                record += 1
                continue
            found = (_TO_BRACKET if depth else _TO_COMMA).match(data, position)
            end = found.end() if found else position
            mark = data[end : end + 1]
            if mark == b'"' and _LINE_END.search(data, end):
                raise self._error(
                    line + data.count(b"\n", start, end),
                    f"holds a text in element {record} that does not end on its line",
                    r"close its quotes, or write the line end in it as \n",
                )
            if mark in (b"", b'"'):
                more = _at_least(pieces, len(data) - start)
                if not more:
                    raise self._error(line, f"ends within element {record}", "fetch it, or have it written, again")
                data, position, start = data[start:] + more, position - start, 0
                continue
            position = end + 1
            if mark in (b"{", b"["):
                depth += 1
            elif depth:
                depth -= 1
            elif mark == b"}":
                raise self._error(line + data.count(b"\n", start, end), "closes an object twice", "remove the `}`")
            else:
                raw = data[start:end]
                element = raw.strip(_BLANK)
                if element:
                    yield line + raw.count(b"\n", 0, len(raw) - len(raw.lstrip(_BLANK))), element
                elif record > 1 or mark == b",":
                    raise self._error(line + raw.count(b"\n"), f"has nothing as element {record}", "remove the comma")
                line += raw.count(b"\n")
                start = position
                record += 1
                if mark == b"]":
                    break
        self._check_end(line, data[start:], pieces)

    def _after_bracket(self, pieces: Iterator[bytes]) -> tuple[int, bytes]:
        """Read up to the bracket that opens the array: the number of its line, and the bytes behind it."""
        line = 1
        for piece in pieces:
            data = piece.lstrip(_BLANK)
            line += piece.count(b"\n", 0, len(piece) - len(data))
            if data.startswith(b"["):
                return line, data[1:]
            if data:
                hint = f"{self.in_format('jsonl')} if each line is an object; else have the array written by itself"
                if (name := _name_of_array(data)) is not None:
                    hint = f"have the array {name} in it written by itself, to a file of its own"
                raise self._error(line, "does not begin with `[`, and is no array", hint)
        raise self._error(line, "is empty, and no array", "an array without rows is []")

    def _check_end(self, line: int, rest: bytes, pieces: Iterator[bytes]) -> None:
        if rest.strip(_BLANK) or any(piece.strip(_BLANK) for piece in pieces):
            raise self._error(line, "goes on after its array", "one file holds one array")

    def _error(self, line: int, what: str, hint: str) -> StorageError:
        return StorageError(f"`{self.name}` {what}", hint=hint, location=Location(self.name, line))


def _name_of_array(data: bytes) -> str | None:
    """The name, as JSON, of an array of objects in data that are one object; None for none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    arrays = ((name, each) for name, each in value.items() if isinstance(each, list)) if isinstance(value, dict) else ()
    return next(
        (json.dumps(name) for name, each in arrays if each and all(isinstance(row, dict) for row in each)), None
    )


def _at_least(pieces: Iterator[bytes], size: int) -> bytes:
    """Join the next pieces; so many bytes that it is quick to look at the same ones again. Empty at the end."""
    taken: list[bytes] = []
    count = 0
    for piece in pieces:
        taken.append(piece)
        count += len(piece)
        if count >= size:
            break
    return b"".join(taken)
