"""The lines of a file and the objects in them, with the places that messages show."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from msgspec import Struct

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.compression import plain_pieces
from lakehouse_cli.formats.csv.nested import DECODER as JSON
from lakehouse_cli.formats.csv.nested import JsonNumber

#: Of JSON to Python; numbers stay text. NaN and Infinity are no JSON, but what some programs write for floats.
DECODER = json.JSONDecoder(
    parse_int=JsonNumber,
    parse_float=JsonNumber,
    parse_constant=JsonNumber,
    object_pairs_hook=JSON.object_pairs_hook,
)
_KINDS = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}


class Opened(Struct, frozen=True):
    """A file of lines.

    Attributes:
        open_source: Opens its bytes.
        name: As messages show it.
        compression: As the option says; None where the suffix of the name decides.
    """

    open_source: Callable[[], BinaryIO]
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
                    f"`{self.name}` is in UTF-16, and JSON Lines are UTF-8",
                    hint="write it again in UTF-8",
                    location=Location(self.name, 1),
                )
            yield first.removeprefix(codecs.BOM_UTF8)
            yield from pieces

    def lines(self) -> Iterator[tuple[int, bytes]]:
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

    def objects(self, decoder: json.JSONDecoder) -> Iterator[tuple[int, dict[str, Any]]]:
        """Read the objects, with the 1-based numbers of their lines.

        Raises:
            StorageError: A line that is not a JSON object in UTF-8.
        """
        for number, line in self.lines():
            try:
                value = decoder.decode(line.decode())
                if b"\\ud" in line or b"\\uD" in line:
                    _check_unicode(value)
            except (ValueError, RecursionError) as error:
                raise self._not_json(number, line, error) from error
            if type(value) is not dict:
                kind = _KINDS.get(type(value), "a number")
                raise StorageError(
                    f"line {number} of `{self.name}` holds {kind}, and a row is an object",
                    hint='each line is an object such as {"id": 1}',
                    location=Location(self.name, number),
                )
            yield number, value

    def _not_json(self, number: int, line: bytes, error: Exception) -> StorageError:
        if isinstance(error, UnicodeDecodeError):
            why, hint = f"is not UTF-8: byte 0x{line[error.start]:02x}", "write the file again in UTF-8"
        elif isinstance(error, json.JSONDecodeError):
            why = f"is not JSON: {error.msg[:1].lower()}{error.msg[1:]} at character {error.colno}"
            whole = number == 1 and line.strip() in (b"[", b"{", b"[{")
            hint = "each row is one line, without brackets around the file" if whole else "correct it, or remove it"
        elif isinstance(error, RecursionError):
            why, hint = "is nested too deep", "correct it, or remove it"
        else:
            why, hint = f"cannot be read exactly: {error}", "correct it, or have it written anew"
        return StorageError(f"line {number} of `{self.name}` {why}", hint=hint, location=Location(self.name, number))


def _check_unicode(value: Any) -> None:
    """Half of a surrogate pair is JSON, and no text."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"\\u{ord(error.object[error.start]):04x} is half of a character") from None
