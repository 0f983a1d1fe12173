"""What a command gave in the place of the params of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class GivenParams(Struct, frozen=True, omit_defaults=True):
    """The params of one table that a command gave.

    Attributes:
        values: By name, as far as they may be kept.
        unkept: Names of the others: of those that are never shown, and of values that JSON does not give back.
    """

    values: Mapping[str, Any] = {}
    unkept: tuple[str, ...] = ()
