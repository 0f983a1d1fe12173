"""A column that cannot be converted exactly: how its reason travels, and its message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lakehouse_cli.errors import Example, Violation
from lakehouse_cli.text.abbreviation import cut_end
from lakehouse_cli.text.counts import plural

EXAMPLES = 5
"""How many offending rows a violation shows."""

_LONGEST = 60
_INDEX_LEVEL = b"lakehouse.index_level"


class InexactError(Exception):
    """Some values of a column have no exact counterpart in the type they should become.

    Attributes:
        quality: What the values are: to follow "2 values that are" (``not whole``), or "holds" if `noun`.
        noun: Whether `quality` names the values instead (``integers``).
        rows: 0-based positions of all of them, ascending; int64 or uint64. None for all that are not null.
        hint: What to do in the transform.
        shown: Text of the first values, where the column itself cannot show them.
    """

    def __init__(
        self,
        quality: str,
        rows: pa.Array | None = None,
        *,
        hint: str | None = None,
        shown: Sequence[str] | None = None,
        noun: bool = False,
    ) -> None:
        super().__init__(quality)
        self.quality = quality
        self.noun = noun or rows is None
        self.rows = rows
        self.hint = hint
        self.shown = shown

    def found(self, count: int) -> str:
        """Describe the values, of which there are so many; to follow "holds"."""
        if self.noun:
            return self.quality
        return f"{plural(count, 'value')} that {'is' if count == 1 else 'are'} {self.quality}"


def refuse_where(bad: pa.ChunkedArray | pa.Array, quality: str, *, hint: str | None = None) -> None:
    """Raise `InexactError` if any element of a boolean mask is true; null counts as false."""
    rows = true_rows(bad)
    if len(rows):
        raise InexactError(quality, rows, hint=hint)


def true_rows(mask: pa.ChunkedArray | pa.Array) -> pa.Array:
    """0-based positions, uint64, where a boolean mask is true; null counts as false."""
    from lakehouse_cli.arrow.values import compute as pc

    return pc.indices_nonzero(mask)


def shorten(value: Any) -> str:
    """Print a value for display: strings quoted, lists and structs as in JSON, long ones cut."""
    return cut_end(repr(value) if isinstance(value, str) else printed(value), _LONGEST)


def printed(value: Any) -> str:
    """Print a value in full: text as it is, lists and structs as in JSON."""
    try:
        return _nested_text(value) if isinstance(value, (list, tuple, dict)) else str(value)
    except Exception:  # noqa: BLE001  # whatever a method of the user's own class raises
        return f"a value of type {type(value).__name__}"


def _nested_text(value: Any) -> str:
    """What lists and dicts hold, as in JSON; what that has no form for is a text."""
    if isinstance(value, dict):
        fields = (f"{_nested_text(str(name))}: {_nested_text(each)}" for name, each in value.items())
        return f"{{{', '.join(fields)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_nested_text, value))}]"
    if value is None or isinstance(value, (bool, int, float, str)):
        return json.dumps(value, ensure_ascii=False)
    return str(value) if isinstance(value, Decimal) else json.dumps(str(value), ensure_ascii=False)


def python_value(scalar: pa.Scalar) -> Any:
    """Return a value as Python has it; None where it has none."""
    try:
        return scalar.as_py()
    except (ValueError, ArithmeticError, LookupError, pa.ArrowException):
        return None


def shown_values(column: pa.ChunkedArray, rows: Sequence[int]) -> list[str]:
    """Print the values of some rows, of any type (also those Python's own types cannot hold)."""
    texts = []
    for row in rows:
        scalar, value = column[row], python_value(column[row])
        texts.append("null" if not scalar.is_valid else shorten(value) if value is not None else beyond_python(scalar))
    return texts


def texts_at(column: pa.ChunkedArray, rows: Sequence[int]) -> list[str | None]:
    """Print the values of some 0-based rows in full, text as it is; None for null."""
    texts: list[str | None] = []
    for row in rows:
        scalar, value = column[row], python_value(column[row])
        if not scalar.is_valid:
            texts.append(None)
        elif value is None:
            texts.append(beyond_python(scalar))
        else:
            texts.append(printed(value))
    return texts


def beyond_python(scalar: pa.Scalar) -> str:
    """Print a value that Python's own types cannot hold, as Arrow does; where it cannot either, as the count it is."""
    try:
        return shorten(f"{scalar}")
    except (ValueError, ArithmeticError, LookupError, pa.ArrowException):
        kind = scalar.type
    if isinstance(scalar, pa.DictionaryScalar):
        scalar = scalar.value
    count = getattr(scalar, "value", None)
    return f"{count} ({kind})" if isinstance(count, int) else f"a value of {kind}"


def examples_at(column: pa.ChunkedArray, rows: Sequence[int], most: int = EXAMPLES) -> tuple[Example, ...]:
    """Make examples of the first few of some 0-based rows."""
    first = list(rows[:most])
    return tuple(Example(row + 1, text) for row, text in zip(first, shown_values(column, first), strict=True))


def examples_of(
    refusal: InexactError, source: pa.ChunkedArray | None, most: int = EXAMPLES
) -> tuple[int, tuple[Example, ...]]:
    """Count the rows of a refusal, and make examples of the first; none where neither it nor a source has any."""
    rows = refusal.rows
    if rows is None:
        if source is None:
            return 0, ()
        rows = true_rows(source.is_valid())
    first = rows[:most].to_pylist()
    if refusal.shown is None:
        return len(rows), () if source is None else examples_at(source, first, most)
    return len(rows), tuple(Example(row + 1, text) for row, text in zip(first, refusal.shown, strict=False))


def violation_of(refusal: InexactError, name: str, declared: object, source: pa.ChunkedArray | None) -> Violation:
    """Make the violation that reports a refusal.

    Args:
        refusal: What was refused.
        name: The column.
        declared: Its declared type, None where none is declared.
        source: The column as it came, for the examples; None where only `InexactError.shown` knows.
    """
    count, examples = examples_of(refusal, source)
    return Violation(name, "type", count, refusal_text(refusal, name, declared, count), examples)


def refusal_text(refusal: InexactError, name: str, declared: object, count: int) -> str:
    """Say that so many values of a column were refused; the arguments are those of `violation_of`."""
    subject = f"`{name}` holds" if declared is None else f"`{name}` is declared {declared} and holds"
    hint = f"; {refusal.hint}" if refusal.hint else ""
    rows = f" in {plural(count, 'row')}" if refusal.noun and refusal.rows is not None else ""
    return f"{subject} {refusal.found(count)}{rows}{hint}"


def index_level(field: pa.Field) -> pa.Field:
    """Mark a field as coming from a level of a pandas index."""
    return field.with_metadata({**(field.metadata or {}), _INDEX_LEVEL: b"1"})


def is_index_level(field: pa.Field) -> bool:
    """Whether a field came from a level of a pandas index."""
    return field.metadata is not None and _INDEX_LEVEL in field.metadata
