"""What came of a copying, as frozen values and as JSON."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from lakehouse_cli.runs.events import ErrorInfo, error_json

CopyStatus = Literal["copied", "planned", "unchanged", "missing", "refused", "held_back", "failed"]
#: What did not come about though it was asked for.
NOT_DONE = frozenset(("missing", "refused", "held_back", "failed"))


class CopiedTable(Struct, frozen=True):
    """What became of one table.

    Attributes:
        name: The table.
        kind: ``source`` or ``computed``.
        status: ``copied``; ``planned`` where it would be, in a dry run; ``unchanged``: it is there already;
            ``missing`` where it is to come from; ``refused``: it would overwrite what is newer or another's;
            ``held_back`` because another one is refused; ``failed``.
        from_uri: Where it comes from.
        uri: Where it is copied to.
        note: Why, in words; empty where the status says it all.
        hint: What to do about a table that was refused; empty for the others.
        rows: How many, where that is known.
        bytes: Stored size of the copy.
        duration_s: Seconds it took.
        error: Why it failed.
    """

    name: str
    kind: str
    status: CopyStatus
    from_uri: str
    uri: str
    note: str = ""
    hint: str = ""
    rows: int | None = None
    bytes: int | None = None
    duration_s: float | None = None
    error: ErrorInfo | None = None

    def to_json(self) -> dict[str, Any]:
        """As in the document of `lakehouse copy -o json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "status": self.status,
            "from_uri": self.from_uri,
            "uri": self.uri,
            "note": self.note,
            "hint": self.hint or None,
            "rows": self.rows,
            "bytes": self.bytes,
            "duration_s": self.duration_s,
            "error": error_json(self.error),
        }


class CopyResult(Struct, frozen=True):
    """All tables of one copying.

    Attributes:
        project: Name of the project.
        source: Name of the environment copied from.
        target: Name of the environment copied to.
        dry_run: Whether nothing was to be copied.
        tables: In the order in which they are computed.
        notes: What else there is to tell.
    """

    project: str
    source: str
    target: str
    dry_run: bool
    tables: tuple[CopiedTable, ...]
    notes: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether all that was asked for is there now, or would be."""
        return not any(table.status in NOT_DONE for table in self.tables)

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse copy -o json`."""
        return {
            "project": self.project,
            "from": self.source,
            "to": self.target,
            "dry_run": self.dry_run,
            "status": "success" if self.succeeded else "failed",
            "tables": [table.to_json() for table in self.tables],
        }
