"""What the bytes of a text file say before its values are looked at: encoding, marks in it, its ends."""

from __future__ import annotations

import codecs
import re
import shlex
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

from msgspec import Struct

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.compression import plain_pieces

#: Bytes at the beginning in which dialects are compared, and at the end in which a footer is looked for.
HEAD, TAIL = 1 << 20, 1 << 16
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Delimiters by which values are divided, the likelier first.
DELIMITERS = (",", ";", "\t", "|")
# What Western European text has none of: sequences of UTF-8, words of letters that all have accents.
_FOREIGN = re.compile(rb"[\xc2-\xf4][\x80-\xbf]|[\xc0-\xff]{4}")
_UNDEFINED = b"\x81\x8d\x8f\x90\x9d"


class TextSample(Struct, frozen=True):
    """A text file, of which all bytes were looked at.

    Attributes:
        head: Its beginning, a byte order mark left out; all of it where `is_whole`.
        tail: Its end; empty where the head is all.
        is_whole: Whether the head is all of it.
        encoding: Python's name for it.
        comment: What is in doubt of the encoding.
        unused: A delimiter that stands nowhere in the file, for a file of one column; None where all do.
    """

    head: str
    tail: str
    is_whole: bool
    encoding: str
    comment: str
    unused: str | None


def read_sample(open_source: Callable[[], BinaryIO], name: str) -> TextSample:
    """Read a whole file, in bounded memory.

    Raises:
        StorageError: It is empty, holds NUL bytes or is compressed in a way that is not read.
    """
    head, last, size = b"", deque[bytes](), 0
    utf8, is_utf8, has_nul, seen = codecs.getincrementaldecoder("utf-8")(), True, False, set[str]()
    is_foreign = is_latin = False
    with open_source() as file:
        for piece in plain_pieces(file, name, None):
            if len(head) < HEAD:
                head += piece[: HEAD - len(head)]
            last.append(piece)
            if sum(map(len, last)) - len(last[0]) > TAIL:
                last.popleft()
            size += len(piece)
            has_nul = has_nul or b"\0" in piece
            seen |= {each for each in DELIMITERS if each not in seen and each.encode() in piece}
            try:
                if is_utf8 and not (piece.isascii() and not utf8.getstate()[0]):
                    utf8.decode(piece)
            except UnicodeDecodeError:
                is_utf8 = False
            if not piece.isascii():
                is_foreign = is_foreign or _FOREIGN.search(piece) is not None
                is_latin = is_latin or any(each in piece for each in _UNDEFINED)
    if not size or not (head.strip(b"\r\n \t\0") or size > len(head)):
        raise StorageError(f"`{name}` is empty", hint="leave it out, or export it again", location=Location(name))
    is_utf8 = is_utf8 and not utf8.getstate()[0]
    if not is_utf8 and is_foreign and not has_nul and not head.startswith(_UTF16):
        raise _undecided(name)
    encoding, comment = _encoding(head, name, is_utf8=is_utf8, has_nul=has_nul, is_latin=is_latin)
    unused = next((each for each in (",", "\t", ";", "|") if each not in seen), None)
    is_whole = size == len(head)
    text = head.decode(encoding, errors="replace" if is_whole else "ignore").removeprefix("\ufeff")
    end = b"" if is_whole else b"".join(last)[-TAIL:]
    if encoding.startswith("utf-16") and len(end) % 2:
        end = end[1:]
    tail = "" if is_whole else end.decode("utf-16-le" if encoding == "utf-16" else encoding, errors="replace")
    return TextSample(text, tail, is_whole, encoding, comment, unused)


def _encoding(head: bytes, name: str, *, is_utf8: bool, has_nul: bool, is_latin: bool) -> tuple[str, str]:
    """The encoding, and what is in doubt of it."""
    if head.startswith(_UTF16):
        return "utf-16", ""
    if has_nul:
        even, odd = head[::2].count(0), head[1::2].count(0)
        # Of Latin text in UTF-16, nearly every other byte is NUL.
        if max(even, odd) > len(head) // 4 and min(even, odd) < len(head) // 100 + 1:
            return "utf-16-le" if odd > even else "utf-16-be", "UTF-16 without a byte order mark"
        hint = "remove them, as with `tr -d '\\000'`, or export it again"
        raise StorageError(f"`{name}` holds NUL bytes, so it is no text", hint=hint, location=Location(name))
    if is_utf8:
        return "utf-8", ""
    if b"\r\n" not in head and head.count(b"\r") > head.count(b"\n"):
        return "mac-roman", "not UTF-8: taken for Mac Roman, as its lines end in CR; see whether names look right"
    if is_latin:
        return "latin-1", "not UTF-8: taken for Latin-1; see whether names look right"
    return "cp1252", "not UTF-8: taken for Windows' Western European; see whether names look right"


def _undecided(name: str) -> StorageError:
    return StorageError(
        f"`{name}` is neither UTF-8 throughout nor Western European text",
        hint=f"find out its encoding and convert it: `iconv -f ENCODING -t UTF-8 {shlex.quote(name)} > FILE`",
        location=Location(name),
    )
