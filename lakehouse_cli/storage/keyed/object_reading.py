"""An object read like a file: by ranges, few of them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

_FIRST = 1 << 20
_MOST = 8 << 20


class RangeReader(io.RawIOBase):
    """Reads ahead where it is read from one end to the other, and no more than asked for where it is not.

    Args:
        get: Gets the bytes from one place up to another.
        size: Of the object.
    """

    def __init__(self, get: Callable[[int, int], Any], size: int) -> None:
        self._get = get
        self._size = size
        self._at = 0
        self._block = memoryview(b"")
        self._block_at = 0
        self._ahead = _FIRST

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Return where the next byte is read from."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go somewhere; nothing is read for it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a place before the beginning")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer, short only at the end."""
        target = memoryview(buffer).cast("B")
        done = 0
        while done < len(target) and self._at < self._size:
            piece = self._from_block(len(target) - done)
            target[done : done + len(piece)] = piece
            done += len(piece)
            self._at += len(piece)
        return done

    def _from_block(self, wanted: int) -> memoryview:
        start = self._at - self._block_at
        if not 0 <= start < len(self._block):
            in_order = start == len(self._block)
            length = max(wanted, self._ahead) if in_order else wanted
            self._ahead = min(2 * self._ahead, _MOST) if in_order else _FIRST
            self._block = memoryview(self._get(self._at, min(self._at + length, self._size)))
            self._block_at, start = self._at, 0
            if not self._block:
                raise EOFError("the server sent nothing")
        return self._block[start : start + wanted]
