"""Why a table is planned as it is."""

from __future__ import annotations

import re

from msgspec import Struct

_NAMED = re.compile("`([^`]*)`")
# Of a longer name its ends are shown, which tell names apart.
_SHOWN = 60


class Reason(Struct, frozen=True):
    """A stable code for scripts, and a message for people."""

    code: str
    message: str

    def to_json(self) -> dict[str, str]:
        """As `cli.md` documents it."""
        return {"code": self.code, "message": self.message}


def short_names(message: str) -> str:
    """A message with the names in it no longer than can be read at a glance."""
    return _NAMED.sub(lambda found: f"`{_short(found[1])}`", message)


def _short(name: str) -> str:
    half = _SHOWN // 2
    return name if len(name) <= _SHOWN else f"{name[:half]}…{name[1 - half :]}"
