"""Relations of DuckDB that a transform returned: the columns of which Arrow would lose something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# What DuckDB hands to Arrow as a number with another sign, a time without its offset, or plain bytes.
_BENT = {
    "uhugeint": "UHUGEINT",
    "bit": "BIT",
    "time with time zone": "TIME WITH TIME ZONE",
    "variant": "VARIANT",
    "bignum": "BIGNUM",
}
_NESTED = frozenset(("list", "array", "struct", "map", "union"))


def bent_columns(relation: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the columns that do not keep their values in Arrow, and the types in them that are the reason."""
    found = {name: tuple(_bent(kind)) for name, kind in zip(relation.columns, relation.types, strict=True)}
    names = tuple(name for name, types in found.items() if types)
    return names, tuple(dict.fromkeys(kind for types in found.values() for kind in types))


def _bent(kind: Any) -> Iterator[str]:
    if str(kind.id).lower() in _NESTED:
        for _, child in kind.children:
            if hasattr(child, "id"):  # an array's size is none
                yield from _bent(child)
    elif (word := str(kind).lower()) in _BENT:
        yield _BENT[word]
