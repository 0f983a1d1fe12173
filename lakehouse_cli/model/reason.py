"""Why a table is planned as it is."""

from __future__ import annotations

from msgspec import Struct


class Reason(Struct, frozen=True):
    """A stable code for scripts, and a message for people."""

    code: str
    message: str

    def to_json(self) -> dict[str, str]:
        """As `cli.md` documents it."""
        return {"code": self.code, "message": self.message}
