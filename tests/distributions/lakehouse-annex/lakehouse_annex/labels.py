"""Labels: a set of words, a line each in the order of the alphabet."""

from __future__ import annotations

from typing import Any, BinaryIO

from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.objects.base import Serializer


class Labels(Serializer):
    """A file of lines."""

    takes = "a set of str"

    def dump(self, value: Any, sink: Sink) -> tuple[str, ...]:
        """Write the words."""
        if not isinstance(value, set) or not all(isinstance(each, str) for each in value):
            raise self.refuse(value, "labels")
        sink.write("".join(f"{each}\n" for each in sorted(value)).encode())
        return ()

    def load(self, source: BinaryIO) -> set[str]:
        """Read the words."""
        return set(source.read().decode().splitlines())
