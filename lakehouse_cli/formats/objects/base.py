"""The seam of serializers: how the result of a transform that is no table becomes bytes, and comes back from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, BinaryIO

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.text.counts import with_article


def scratch_path_refused(name: str, place: str = "it") -> TransformError:
    """Make the error of an object that holds the path of an input's scratch copy.

    Args:
        name: The last part of the path.
        place: Where in the object it is.
    """
    message = f"{place} holds the path of a scratch copy, `{name}`, which is removed when the transform returns"
    hint = "return what the file holds, such as `….read_bytes()`; who needs the file takes its asset as an input"
    return TransformError(message, hint=hint)


class Serializer(ABC):
    """How objects become bytes and come back; a serializer needs no path logic and no atomicity.

    Attributes:
        takes: What it takes, for messages: "a str".
    """

    takes: str = "any object"

    @abstractmethod
    def dump(self, value: Any, sink: Sink) -> Collection[str]:
        """Write an object so that `load` gives back an equal one, or its bytes where it is serialised already.

        Args:
            value: What the transform returned.
            sink: Takes the bytes; what was written before an exception is dropped.

        Returns:
            The top-level modules that `load` imports; none for what is plain data.

        Raises:
            TransformError: It takes no such object; `refuse` makes one.
        """

    @abstractmethod
    def load(self, source: BinaryIO) -> Any:
        """Make the object of its bytes, a new one each time."""

    def refuse(self, value: Any, form: str, hint: str | None = None) -> TransformError:
        """Make the error of an object that is not of a type it takes; `form` is what the bytes would be."""
        kind = type(value)
        named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        shown = "None" if value is None else with_article(named)
        hint = "did it forget to `return`?" if value is None else hint or f"return {self.takes}"
        return TransformError(f"{shown} cannot be stored as {form}, which takes {self.takes}", hint=hint)
