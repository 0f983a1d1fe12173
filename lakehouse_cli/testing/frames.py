"""What every `FrameType` must do. Subclass `FrameConformance`, and give it a frame type and a way to change a frame.

class TestMine(FrameConformance):
    @pytest.fixture
    def frames(self): ...
    def change(self, frame): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

import pyarrow as pa

from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import TransformError
from lakehouse_cli.model import Column
from lakehouse_cli.testing.every_type import VALUES
from lakehouse_cli.testing.storage import column, data_of
from lakehouse_cli.testing.storage import table as declared_table
from lakehouse_cli.transforms import FrameType

COLUMNS = (column("id", "int64"), column("text", "string"))


def numbers(rows: int = 3) -> pa.Table:
    """Return a table of an id and a text."""
    return pa.table({"id": pa.array(range(rows), pa.int64()), "text": pa.array(map(str, range(rows)), pa.string())})


class FrameConformance(ABC):
    """The suite; each test is what a transform relies on."""

    @abstractmethod
    def change(self, frame: Any) -> bool:
        """Change a value of a frame of `numbers` in place; returns whether such frames can be changed at all."""

    def back(self, frames: FrameType, frame: Any, columns: tuple[Column, ...] | None) -> pa.Table:
        """Return what the tool stores of a frame that a transform returned: the table, as its contract has it."""
        return enforce(frames.to_arrow(frame, columns), columns).table

    def test_name_begins_with_the_library(self, frames: FrameType) -> None:
        """By which a value or an annotation is known before anything is imported for it."""
        frame = frames.from_arrow(numbers())
        assert frames.name.partition(".")[0] == type(frame).__module__.partition(".")[0]

    def test_own_frames_are_known(self, frames: FrameType) -> None:
        """As annotations and as values."""
        frame = frames.from_arrow(numbers())
        assert frames.owns(frame)
        for returned in (False, True):
            assert frames.accepts(type(frame), returned=returned)

    def test_other_values_are_not_its_own(self, frames: FrameType) -> None:
        """Whatever a transform returns by mistake."""
        for value in (None, 1, "text", [], {}, object()):
            assert not frames.owns(value), value
            assert not frames.accepts(type(value), returned=True), value

    def test_every_type_comes_back_exactly_or_is_refused(self, frames: FrameType) -> None:
        """Values at the edges of each type, a null among them."""
        for type_name, values in VALUES.items():
            declared = declared_table("typed", column("id", "int64"), column("value", type_name))
            data = data_of(declared, *enumerate(values))
            try:
                frame = frames.from_arrow(data)
            except TransformError as refusal:
                assert refusal.message.strip(), type_name  # noqa: PT017  # most types are not refused
                continue
            back = self.back(frames, frame, declared.columns)
            assert back.schema == data.schema, type_name
            assert back.equals(data), type_name

    def test_columns_keep_their_order(self, frames: FrameType) -> None:
        """Also where none are declared."""
        data = pa.table({name: pa.array([1, 2], pa.int64()) for name in ("b", "a", "c")})
        back = self.back(frames, frames.from_arrow(data), None)
        assert back.column_names == ["b", "a", "c"]
        assert back.equals(data)

    def test_no_rows(self, frames: FrameType) -> None:
        """An empty table is a table."""
        assert self.back(frames, frames.from_arrow(numbers(0)), COLUMNS).equals(numbers(0))

    def test_pieces_are_the_table(self, frames: FrameType) -> None:
        """Whether it streams or not, in and out, and as often as it is read."""
        pieces = [numbers(0), numbers(2), numbers(3)]
        whole = pa.concat_tables(pieces)
        frame = frames.from_pieces(whole.schema, lambda: iter(pieces))
        found = [enforce(piece, COLUMNS).table for piece in frames.to_pieces(frame, COLUMNS)]
        assert pa.concat_tables(found).equals(whole)
        empty = frames.from_pieces(whole.schema, lambda: iter(pieces[:1]))
        assert pa.concat_tables(frames.to_pieces(empty, COLUMNS)).column_names == ["id", "text"]

    def test_many_chunks(self, frames: FrameType) -> None:
        """As files are read."""
        data = pa.concat_tables([numbers(2), numbers(0), numbers(5)])
        assert self.back(frames, frames.from_arrow(data), COLUMNS).equals(data)

    def test_a_frame_is_its_receivers_own(self, frames: FrameType) -> None:
        """What one transform does to it, no other sees."""
        data = numbers()
        first, second = frames.from_arrow(data), frames.from_arrow(data)
        changed = self.change(first)
        assert data.equals(numbers())
        assert self.back(frames, second, COLUMNS).equals(numbers())
        if changed:
            assert not self.back(frames, first, COLUMNS).equals(numbers())

    def test_frames_that_share_memory_are_apart(self, frames: FrameType) -> None:
        """A change of one is refused, or is seen by itself alone."""
        make = frames.shared(numbers())
        if make is None:
            return
        first, second = make(), make()
        assert frames.owns(first)
        with suppress(Exception):  # however the library refuses it
            self.change(first)
        for frame in (second, make()):
            assert self.back(frames, frame, COLUMNS).equals(numbers())
