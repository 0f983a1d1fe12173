"""What was stored, from what, and by which code: a value kept beside the data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MANIFEST_FORMAT = 1


class InputRecord(NamedTuple):
    """What a table was computed from; a list in JSON, as thousands are read for one plan.

    Attributes:
        content_hash: xxh3-128 of the input's stored bytes, hexadecimal.
        rows: How many rows it had.
        bytes: Size of its stored data.
        modified_ns: When those were last written, nanoseconds since 1970; None where that tells nothing, because it was
            too recent to tell a later change from.
    """

    content_hash: str
    rows: int
    bytes: int
    modified_ns: int | None = None


class ColumnRecord(NamedTuple):
    """One column of a contract as it was; a list in JSON."""

    name: str
    type: str
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what a table comes out as, but for the content of its inputs.

    Attributes:
        code: Fingerprint of the transform, or ``version:…`` where a version stands for it.
        code_parts: Name → short hash or version of each thing the fingerprint covers.
        contract: The declared columns; None where none are declared.
        key: Columns of the key.
        extra_columns: What becomes of columns the contract does not name.
        params: Name → value as JSON text.
        storage: Fingerprint of format and options.
        inputs: Which table goes into which parameter, as text.
    """

    code: str
    code_parts: Mapping[str, str]
    contract: tuple[ColumnRecord, ...] | None
    key: tuple[str, ...]
    extra_columns: str
    params: Mapping[str, str]
    storage: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The record of one stored table.

    Attributes:
        table: Its name.
        columns: Name and type of each stored column, in order.
        rows: How many rows.
        bytes: Size of the stored data.
        modified_ns: When they were written, nanoseconds since 1970.
        content_hash: xxh3-128 of the stored bytes, hexadecimal.
        run_id: The run that stored it.
        started_at: ISO 8601 in UTC.
        finished_at: ISO 8601 in UTC.
        tool_version: Of this tool.
        recipe: What it was made by; None where it was stored by something other than a run.
        inputs: What it was made from, by table.
        packages: Versions of the packages that shape data on their way, by name.
        memory_bytes: What its inputs and its result took in memory, together.
        format: Version of the manifest's own layout.
    """

    table: str
    columns: tuple[tuple[str, str], ...]
    rows: int
    bytes: int
    modified_ns: int
    content_hash: str
    run_id: str
    started_at: str
    finished_at: str
    tool_version: str
    recipe: Recipe | None = None
    inputs: Mapping[str, InputRecord] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 0
    format: int = MANIFEST_FORMAT

    def to_text(self) -> str:
        """As JSON, `format` first; a member to a line, which is quick to write and easy to compare."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "format"}
        values["columns"] = [{"name": name, "type": column_type} for name, column_type in self.columns]
        if self.recipe is not None:
            values["recipe"] = {name: getattr(self.recipe, name) for name in Recipe.__slots__}
        members = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
        return "{\n " + ",\n ".join((f'"format": {self.format}', *members)) + "\n}\n"

    @classmethod
    def from_text(cls, text: str) -> Manifest:
        """Read what `to_text` made.

        Raises:
            ValueError: It is of another format version, or not a manifest.
        """
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
        version = document.get("format")
        if version != MANIFEST_FORMAT:
            newer = isinstance(version, int) and version > MANIFEST_FORMAT
            why = "a newer version of lakehouse wrote it" if newer else "it is not a manifest"
            raise ValueError(f"{why} (format {version!r}, this version reads {MANIFEST_FORMAT})")
        try:
            values = dict(document)
            values["columns"] = tuple((str(c["name"]), str(c["type"])) for c in document["columns"])
            values["inputs"] = {name: InputRecord(*_list(record)) for name, record in document["inputs"].items()}
            recipe = document["recipe"]
            values["recipe"] = None if recipe is None else _recipe(recipe)
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is not a manifest: {error}") from error


def _list(record: Any) -> list[Any]:
    # A map would give its keys.
    if not isinstance(record, list):
        raise TypeError("a record is a list")
    return record


def _recipe(document: Mapping[str, Any]) -> Recipe:
    contract = document["contract"]
    return Recipe(
        code=document["code"],
        code_parts=document["code_parts"],
        contract=None if contract is None else tuple(ColumnRecord(*_list(column)) for column in contract),
        key=tuple(document["key"]),
        extra_columns=document["extra_columns"],
        params=document["params"],
        storage=document["storage"],
        inputs=tuple(document["inputs"]),
    )
