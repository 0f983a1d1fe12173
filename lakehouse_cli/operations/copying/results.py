"""The result of a copy, as frozen values and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import asdict

from lakehouse_cli.runs.error_info import ErrorInfo, error_json

CopyStatus = Literal["copied", "planned", "unchanged", "missing", "refused", "held_back", "failed"]
#: Statuses of tables that were selected and are not in the target.
NOT_DONE = frozenset(("missing", "refused", "held_back", "failed"))


#: The status of a table is the first of these that a partition of it has.
GRAVEST: tuple[CopyStatus, ...] = ("failed", "refused", "held_back", "missing", "copied", "planned", "unchanged")


class CopiedPartition(Struct, frozen=True):
    """The result of one partition of a table.

    Attributes:
        key: Value by dimension.
        status: As of `CopiedTable`, and so the others.
        from_uri: Its location in the source.
        uri: Its location in the target.
        note: The reason, in words; empty where the status suffices.
        hint: The remedy for one that was refused; empty for the others.
        rows: How many, if known.
        bytes: Stored size of the copy.
        duration_s: Seconds it took.
        error: Why it failed.
    """

    key: Mapping[str, str]
    status: CopyStatus
    from_uri: str
    uri: str
    note: str = ""
    hint: str = ""
    rows: int | None = None
    bytes: int | None = None
    duration_s: float | None = None
    error: ErrorInfo | None = None

    @property
    def text(self) -> str:
        """As messages name it: ``region=eu, month=2024-01``."""
        return ", ".join(f"{name}={value}" for name, value in self.key.items())

    def to_json(self) -> dict[str, Any]:
        """As in the document of `lakehouse copy -o json`."""
        return asdict(self) | {"hint": self.hint or None, "error": error_json(self.error)}


class CopiedTable(Struct, frozen=True):
    """The result of one table.

    Attributes:
        name: The table.
        kind: ``source`` or ``computed``.
        status: ``copied``; ``planned`` in a dry run; ``unchanged``: it is there already; ``missing`` in the source;
            ``refused``: it would overwrite a newer or foreign table; ``held_back`` because another one is refused;
            ``failed``.
        from_uri: Its location in the source.
        uri: Its location in the target.
        note: The reason, in words; empty where the status suffices.
        hint: The remedy for a table that was refused; empty for the others.
        rows: How many, if known.
        bytes: Stored size of the copy.
        duration_s: Seconds it took.
        error: Why it failed.
        partitions: Of a table that is stored by partition, those that were looked at and are not ``unchanged``; None
            for any other.
        partitions_unchanged: How many are there already.
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
    partitions: tuple[CopiedPartition, ...] | None = None
    partitions_unchanged: int = 0

    def to_json(self) -> dict[str, Any]:
        """As in the document of `lakehouse copy -o json`."""
        document = asdict(self) | {"hint": self.hint or None, "error": error_json(self.error)}
        if self.partitions is None:
            del document["partitions"], document["partitions_unchanged"]
        else:
            document["partitions"] = [each.to_json() for each in self.partitions]
        return document


class CopyResult(Struct, frozen=True):
    """All tables of one copy.

    Attributes:
        project: Name of the project.
        source: Name of the environment copied from.
        target: Name of the environment copied to.
        dry_run: Whether nothing was to be copied.
        tables: In the order in which they are computed.
        notes: Remarks.
    """

    project: str
    source: str
    target: str
    dry_run: bool
    tables: tuple[CopiedTable, ...]
    notes: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether every selected table is in the target now, or would be."""
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
