"""Texts and bytes as they are."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any, BinaryIO

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer, scratch_path_refused
from lakehouse_cli.runs.temporary_files import names_temporary


def encoded(text: str) -> bytes:
    """A text in UTF-8.

    Raises:
        TransformError: It has half of a surrogate pair, which UTF-8 cannot hold.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        message = f"character {error.start + 1} of the text is half of a surrogate pair, which UTF-8 cannot hold"
        raise TransformError(message, hint="decode it with `errors=` other than `surrogateescape`") from None


class PlainText(Serializer):
    """A text in UTF-8, line breaks as they are."""

    takes = "a str"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write a text."""
        if not isinstance(value, str):
            hint = "decode them: `….decode()`" if isinstance(value, bytes) else None
            raise self.refuse(value, "text", hint)
        if names_temporary(value):
            raise scratch_path_refused(PurePath(value).name)
        sink.write(encoded(value))
        return ()

    def load(self, source: BinaryIO) -> str:
        """Read a text."""
        return source.read().decode()


class PlainBytes(Serializer):
    """Bytes as they are."""

    takes = "bytes"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write bytes."""
        if not isinstance(value, bytes | bytearray | memoryview):
            hint = "encode it: `….encode()`, or choose `format: text`" if isinstance(value, str) else None
            raise self.refuse(value, "bytes", hint)
        sink.write(bytes(value))
        return ()

    def load(self, source: BinaryIO) -> bytes:
        """Read bytes."""
        return source.read()
