"""What was stored, as a value kept beside the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

MANIFEST_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record of one stored table.

    Attributes:
        table: Its name.
        columns: Name and type of each stored column, in order.
        rows: How many rows.
        bytes: Size of the stored data.
        content_hash: xxh3-128 of the stored bytes, hexadecimal.
        run_id: The run that stored it.
        finished_at: When, ISO 8601 in UTC.
        tool_version: Of this tool.
        format: Version of the manifest's own layout.
    """

    table: str
    columns: tuple[tuple[str, str], ...]
    rows: int
    bytes: int
    content_hash: str
    run_id: str
    finished_at: str
    tool_version: str
    format: int = MANIFEST_FORMAT

    def to_json(self) -> dict[str, Any]:
        """As a JSON document; `format` first."""
        document = asdict(self)
        document["columns"] = [{"name": name, "type": column_type} for name, column_type in self.columns]
        return {"format": document.pop("format"), **document}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Manifest:
        """Read a document that `to_json` made.

        Raises:
            ValueError: It is of another format version, or not a manifest.
        """
        if document.get("format") != MANIFEST_FORMAT:
            raise ValueError(f"manifest format {document.get('format')!r} is not {MANIFEST_FORMAT}")
        try:
            columns = tuple((str(c["name"]), str(c["type"])) for c in document["columns"])
            return cls(**{**document, "columns": columns})
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a manifest: {error}") from error
