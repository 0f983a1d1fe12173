"""What every `Serializer` must do. Subclass `SerializerConformance`, and give it one, objects, and what it refuses.

class TestMine(SerializerConformance):
    @pytest.fixture
    def serializer(self): ...
    values = ("what it takes", "and gives back")
    refused = (object(),)
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pytest

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.objects.base import Serializer


class SerializerConformance:
    """The suite; each test is what a run relies on.

    Attributes:
        values: Objects that come back equal.
        refused: Objects that it does not take; empty where it takes any.
    """

    values: Sequence[Any] = ()
    refused: Sequence[Any] = ()

    def written(self, serializer: Serializer, value: Any) -> bytes:
        """Return the bytes of an object."""
        sink = io.BytesIO()
        serializer.dump(value, sink)
        return sink.getvalue()

    def test_there_are_values(self) -> None:
        """Without some, nothing would be tested."""
        assert self.values

    def test_values_come_back(self, serializer: Serializer) -> None:
        """Equal, and of the same type; a new one each time."""
        for value in self.values:
            data = self.written(serializer, value)
            found = serializer.load(io.BytesIO(data))
            assert type(found) is type(value)
            assert found == value

    def test_bytes_are_the_same_each_time(self, serializer: Serializer) -> None:
        """On which early cut-off rests: what is computed again, and comes out the same, stops there."""
        for value in self.values:
            assert self.written(serializer, value) == self.written(serializer, value)

    def test_bytes_that_come_back_are_the_same(self, serializer: Serializer) -> None:
        """An object that was loaded is written as the one that was stored."""
        for value in self.values:
            data = self.written(serializer, value)
            assert self.written(serializer, serializer.load(io.BytesIO(data))) == data

    def test_modules_are_names(self, serializer: Serializer) -> None:
        """Top-level ones, of which the versions are recorded."""
        for value in self.values:
            modules = serializer.dump(value, io.BytesIO())
            assert all(name.isidentifier() for name in modules)

    def test_others_are_refused(self, serializer: Serializer) -> None:
        """By an error that says what it takes."""
        for value in self.refused:
            with pytest.raises(TransformError) as caught:
                serializer.dump(value, io.BytesIO())
            assert caught.value.hint
            assert serializer.takes in f"{caught.value.message} {caught.value.hint}"
