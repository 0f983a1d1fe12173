"""A column that was read and cannot be had exactly; without Arrow, which is slow to load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.arrow.conversion.refusal import InexactError


class Refused(Struct, frozen=True):
    """A column that cannot be had exactly, whatever it is declared as.

    Attributes:
        refusal: Why.
        column: As it came, or as texts of what is refused, for the examples.
    """

    refusal: InexactError
    column: pa.ChunkedArray
