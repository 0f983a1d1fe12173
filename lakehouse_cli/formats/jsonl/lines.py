"""The records of a file, one a line, and the objects in them, with the places that messages show."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, ClassVar

from msgspec import Struct

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.compression import plain_pieces
from lakehouse_cli.formats.csv.nested import DECODER as JSON
from lakehouse_cli.formats.csv.nested import JsonNumber
from lakehouse_cli.formats.spec import TEXT_COMPRESSIONS
from lakehouse_cli.text.counts import count_text

#: Of JSON to Python; numbers stay text. NaN and Infinity are no JSON, but what some programs write for floats.
DECODER = json.JSONDecoder(
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=JsonNumber,
    object_pairs_hook=JSON.object_pairs_hook,
)
# Levels of objects and lists in a row: what reads them calls itself for each, and Python ends that at some hundreds.
_DEEPEST = 100
_KINDS = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}


class Opened(Struct, frozen=True):
    """A file of lines.

    Attributes:
        open_source: Opens its bytes.
        name: As messages show it.
        compression: As the option says; None where the suffix of the name decides.
    """

    #: The format, a record and the form of one, in messages.
    called: ClassVar[str] = "JSON Lines"
    unit: ClassVar[str] = "line"

    open_source: Opener
    name: str
    compression: str | None

    def pieces(self) -> Iterator[bytes]:
        """Read its bytes, decompressed and without a byte order mark, block by block.

        Raises:
            StorageError: They are not whole, or of another encoding or compression.
        """
        with self.open_source() as file:
            pieces = plain_pieces(file, self.name, self.compression)
            first = next(pieces, b"")
            if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise StorageError(
                    f"`{self.name}` is in UTF-16, and {self.called} is UTF-8",
                    hint="write it again in UTF-8",
                    location=Location(self.name, 1),
                )
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from pieces

    def shape_hint(self) -> str:
        """Say what a record is, to follow a refusal of one that is something else."""
        return f'each line is an object such as {{"id": 1}}; {self.in_format("json")} for a file of one array'

    def in_format(self, name: str) -> str:
        """Say which options read the file in another format, whose files have another ending by default."""
        path = PurePath(self.name)
        suffix = path.with_suffix("").suffix if path.suffix in TEXT_COMPRESSIONS.values() else path.suffix
        return f"set `format: {name}`" + ("" if suffix in ("", f".{name}") else f" and the option `suffix: {suffix}`")

    def where(self, record: int, line: int) -> str:
        """Name the place of a record, by its 1-based number and that of its line."""
        del record
        return f"line {count_text(line)} of `{self.name}`"

    def json_lines(self) -> Iterator[bytes]:
        """Read the records as lines, in pieces of any size."""
        return self.pieces()

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Read the lines that are not blank, with their 1-based numbers."""
        number = 0
        rest: list[bytes] = []
        for piece in self.pieces():
            *whole, last = piece.split(b"\n")
            if whole:
                whole[0] = b"".join([*rest, whole[0]])
                rest = []
            rest.append(last)
            for line in whole:
                number += 1
                if line and not line.isspace():
                    yield number, line
        line = b"".join(rest)
        if line and not line.isspace():
            yield number + 1, line

    def blocks(self, size: int) -> Iterator[bytes]:
        """Read lines in blocks of so many bytes or more, each of whole lines."""
        waiting: list[bytes] = []
        count = 0
        for piece in self.pieces():
            end = piece.rfind(b"\n") + 1
            count += len(piece)
            if end and count >= size:
                yield b"".join([*waiting, piece[:end]])
                waiting, count = [piece[end:]], len(piece) - end
            else:
                waiting.append(piece)
        if count:
            yield b"".join(waiting)

    def objects(self, decoder: json.JSONDecoder) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read the objects, with the 1-based numbers of their lines.

        Raises:
            StorageError: A record that is not a JSON object in UTF-8.
        """
        for record, (number, text) in enumerate(self.records(), start=1):
            try:
                value = decoder.decode(text.decode())
                if b"\\ud" in text or b"\\uD" in text:
                    _check_unicode(value)
                if text.count(b"{") + text.count(b"[") > _DEEPEST:
                    _check_depth(value)
            except (ValueError, RecursionError) as error:
                raise self._not_json(record, number, text, error) from error
            if type(value) is not dict:
                kind = _KINDS.get(type(value), "a number")
                raise StorageError(
                    f"{self.where(record, number)} holds {kind}, and a row is an object",
                    hint=self.shape_hint(),
                    location=Location(self.name, number),
                )
            yield number, value

    def _not_json(self, record: int, number: int, text: bytes, error: Exception) -> StorageError:
        line = number
        if isinstance(error, UnicodeDecodeError):
            why, hint = f"is not UTF-8: byte 0x{text[error.start]:02x}", "write the file again in UTF-8"
        elif isinstance(error, json.JSONDecodeError):
            line += error.lineno - 1
            why = f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]} at character {count_text(error.pos + 1)}"
            # The first line of an array that is spread over lines, or of a single object.
            whole = number == 1 and text.lstrip().startswith(b"[")
            hint = f"{self.in_format('json')} for a file of one array" if whole else "correct it, or remove it"
            hint = (
                "each row is one line: write each object on a line of its own"
                if number == 1 and text.strip() == b"{"
                else hint
            )
        elif isinstance(error, RecursionError):
            why, hint = f"is nested too deep, in more than {_DEEPEST} levels", "flatten it, or remove it"
        else:
            why, hint = f"cannot be read exactly: {error}", "correct it, or have it written anew"
        return StorageError(f"{self.where(record, number)} {why}", hint=hint, location=Location(self.name, line))


def _check_depth(value: Any) -> None:
    """Refuse what is nested beyond `_DEEPEST`; raises RecursionError."""
    level = [value]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level)
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        if not level:
            return
    raise RecursionError


def _check_unicode(value: Any) -> None:
    """Half of a surrogate pair is JSON, and no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"\\u{ord(error.object[error.start]):04x} is half of a character") from None
