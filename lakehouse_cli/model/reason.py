"""Why a table is planned as it is."""

from __future__ import annotations

import re

from msgspec import Struct

from lakehouse_cli.text.abbreviation import cut_middle

_NAMED = re.compile("`([^`]*)`")
# Of a longer name its ends are shown, which distinguish names.
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
    return _NAMED.sub(lambda found: f"`{cut_middle(found[1], _SHOWN)}`", message)
