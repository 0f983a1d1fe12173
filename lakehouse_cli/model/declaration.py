"""The base of everything that a project file declares."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from lakehouse_cli.errors import Location

# Where things are declared; the same declared elsewhere is the same.
_PLACES = frozenset(("location", "locations", "module_location", "places"))


class Declaration(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands in a project file.

    Two that say the same are equal wherever they stand.

    Attributes:
        location: Where it is declared; None where it is not written anywhere.
    """

    location: Location | None = None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, name) == getattr(other, name) for name in _said(self))

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in _said(self)))


def _said(declared: Declaration) -> Iterator[str]:
    return (name for name in declared.__struct_fields__ if name not in _PLACES)
