"""Columns in place of those that cannot be made into Arrow: their values as texts, and what is wrong with them.

A frame's edge puts them into the table it hands on; they are reported among the other columns' violations, so that one
bad column does not hide the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import (
    InexactError,
    beyond_python,
    printed,
    python_value,
    refusal_text,
    true_rows,
)
from lakehouse_cli.errors import Violation

_VIOLATIONS, _PARTS = b"lakehouse.refused", b"lakehouse.refusal"
_AT_ONCE = 65_536


class Printed:
    """A value that is no text, of which only the text is known."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        """How it is displayed."""
        return self._text


class _Scalar(pa.ExtensionScalar):  # type: ignore[misc]
    def as_py(self, **options: Any) -> str | Printed | None:
        """Text as it is, any other value as one that is displayed the same."""
        value = None if self.value is None else self.value.as_py(**options)
        if value is None:
            return None
        return str(value["text"]) if value["is_text"] else Printed(value["text"])


class StandInType(pa.ExtensionType):  # type: ignore[misc]
    """The type of columns of texts, each with the number of the refusal that it is in, null for none."""

    def __init__(self) -> None:
        fields = [("text", pa.large_string()), ("is_text", pa.bool_()), ("refusal", pa.int32())]
        super().__init__(pa.struct(fields), "lakehouse.stand_in")

    def __arrow_ext_serialize__(self) -> bytes:
        """There is one such type."""
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> StandInType:
        """There is one such type."""
        del storage_type, serialized
        return cls()

    def __arrow_ext_scalar_class__(self) -> type[pa.ExtensionScalar]:
        """What its values become in Python."""
        return _Scalar


def stand_in(
    name: str, values: Sequence[Any], refused: Sequence[tuple[Violation, InexactError | None]]
) -> tuple[pa.Field, pa.ChunkedArray]:
    """Make a column that stands for one which could not be made into Arrow at all.

    Args:
        name: The column.
        values: Python's; None for null.
        refused: What is reported; and what it is made of, for those of several pieces to become one, None where they
            are the same. No row is in two of them.
    """
    of_row: dict[int, int] = {}
    of_others: int | None = None
    for number, (_, refusal) in enumerate(refused):
        if refusal is not None and refusal.rows is not None:
            of_row.update(dict.fromkeys(refusal.rows.to_pylist(), number))
        elif refusal is not None:
            of_others = number
    kind = StandInType()
    chunks = []
    for start in range(0, len(values), _AT_ONCE):
        some = values[start : start + _AT_ONCE]
        is_null = av.array([value is None for value in some], pa.bool_())
        children = [
            av.array([None if value is None else _text(value) for value in some], pa.large_string()),
            av.array([isinstance(value, str) for value in some], pa.bool_()),
            av.array(
                [None if v is None else of_row.get(row, of_others) for row, v in enumerate(some, start)], pa.int32()
            ),
        ]
        storage = pa.StructArray.from_arrays(children, fields=list(kind.storage_type), mask=is_null)
        chunks.append(pa.ExtensionArray.from_storage(kind, storage))
    return _field(name, refused), pa.chunked_array(chunks, kind)


def python_values(column: pa.ChunkedArray) -> list[Any]:
    """List the values of a column, those that Python's own types cannot hold as `Printed`; None for null."""
    values = ((scalar, python_value(scalar)) for scalar in column)
    return [Printed(beyond_python(scalar)) if value is None and scalar.is_valid else value for scalar, value in values]


def refused_field(name: str, violation: Violation) -> pa.Field:
    """Make the field of a column that cannot be made into Arrow, for a table without rows."""
    return _field(name, [(violation, None)])


def _field(name: str, refused: Sequence[tuple[Violation, InexactError | None]]) -> pa.Field:
    parts = [
        None if refusal is None else (refusal.quality, refusal.hint, refusal.noun, refusal.rows is not None)
        for _, refusal in refused
    ]
    violations = [violation for violation, _ in refused]
    metadata = {_VIOLATIONS: msgspec.json.encode(violations), _PARTS: msgspec.json.encode(parts)}
    return pa.field(name, StandInType(), metadata=metadata)


def _text(value: Any) -> str:
    text = printed(value)
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def violations_in(field: pa.Field) -> list[Violation]:
    """Return the violations that the field of a stand-in carries, none for any other field."""
    found = (field.metadata or {}).get(_VIOLATIONS)
    return [] if found is None else msgspec.json.decode(found, type=list[Violation])


def refusals_in(
    field: pa.Field, column: pa.ChunkedArray, declared: object
) -> list[tuple[Violation, pa.Array | None, Callable[[int], str] | None]]:
    """Return what a stand-in reports, nothing for any other column.

    Args:
        field: Of the column.
        column: The same.
        declared: Its declared type, None where none is declared.

    Returns:
        Each violation; the 0-based positions of its rows, None where it has none; and what says that so many values
        were refused, None where that is all the same.
    """
    found: list[tuple[Violation, pa.Array | None, Callable[[int], str] | None]] = []
    for number, violation in enumerate(violations_in(field)):
        parts = msgspec.json.decode(field.metadata[_PARTS])[number]
        if parts is None:
            found.append((violation, None, None))
            continue
        quality, hint, noun, has_rows = parts
        rows = _rows_of(column, number)
        refusal = InexactError(quality, rows if has_rows else None, hint=hint, noun=noun)
        found.append((violation, rows, partial(refusal_text, refusal, field.name, declared)))
    return found


def _rows_of(column: pa.ChunkedArray, number: int) -> pa.Array:
    wanted = av.scalar(number, pa.int32())
    is_in = [av.compute.equal(chunk.storage.field("refusal"), wanted) for chunk in column.chunks]
    return true_rows(pa.chunked_array(is_in, pa.bool_()))
