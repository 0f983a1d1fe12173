"""A column of which some values cannot be converted exactly; without Arrow, which is slow to load."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.arrow.conversion.refusal import InexactError


class RefusedColumn(Struct, frozen=True):
    """A column of which some values cannot be converted exactly, whatever its declared type.

    Attributes:
        refusal: Why.
        column: As it came, or as texts of what is refused, for the examples.
        rest: The other values, where there are any, for which what is refused is null.
    """

    refusal: InexactError
    column: pa.ChunkedArray
    rest: pa.ChunkedArray | Sequence[Any] | RefusedColumn | None = None
