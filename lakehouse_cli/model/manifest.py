"""What was stored, from what, and by which code: a value kept beside the data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MANIFEST_FORMAT = 2
_OLDEST_FORMAT = 1
#: Who alters stored data, if it was no run of this tool.
ANOTHER_HAND = "another hand"
_Text = str | bytes


class ManifestError(ValueError):
    """A text that is no manifest, or not one that this version can read; says why, in words for people."""


class NewerManifestError(ManifestError):
    """A newer version of the tool wrote it, in a format that this one does not know."""


class InputRecord(NamedTuple):
    """What a table was computed from; a list in JSON, as thousands are read for one plan.

    Attributes:
        content_hash: xxh3-128 of the input's stored bytes, hexadecimal.
        rows: How many rows it had; -1 where that is not known.
        bytes: Size of its stored data.
        modified_ns: When those were last written, nanoseconds since 1970; None where that tells nothing, because it was
            too recent to tell a later change from.
        reading: How it is read: its format and the format's options, a space, and its columns with their types as JSON,
            or their hash where they are many; none where all are read as they come. Empty where it was not recorded.
    """

    content_hash: str
    rows: int
    bytes: int
    modified_ns: int | None = None
    reading: str = ""


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
        storage: Its format, and a hash of each of the format's options, by name.
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
        project: Name of the project that stored it; None where that was not recorded.
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
    project: str | None = None
    format: int = MANIFEST_FORMAT

    @property
    def content(self) -> InputRecord:
        """What was stored, as the record of whoever computes from it; how it is read is not known here."""
        return InputRecord(self.content_hash, self.rows, self.bytes, self.modified_ns)

    def to_text(self) -> str:
        """As JSON, `format` first; a member to a line, which is quick to write and easy to compare."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "format"}
        values["columns"] = [{"name": name, "type": column_type} for name, column_type in self.columns]
        if self.recipe is not None:
            values["recipe"] = {name: getattr(self.recipe, name) for name in Recipe.__slots__}
        members = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in values.items())
        return "{\n " + ",\n ".join((f'"format": {self.format}', *members)) + "\n}\n"

    @classmethod
    def from_text(cls, text: _Text) -> Manifest:
        """Read what `to_text` made, by this version or one before it.

        Raises:
            NewerManifestError: A newer version wrote it.
            ManifestError: It is no manifest, or one that was altered by hand.
        """
        document = _parsed(text)
        _hold(document, {"format": _WHOLE})
        version = document["format"]
        if version > MANIFEST_FORMAT:
            raise NewerManifestError(
                f"a newer version of lakehouse wrote it (format {version}, this version reads {MANIFEST_FORMAT})"
            )
        if version < _OLDEST_FORMAT:
            raise ManifestError(f"there is no format {version}")
        document.setdefault("project", None)
        _hold(document, _MANIFEST)
        for name in ("rows", "bytes", "memory_bytes"):
            if document[name] < 0:
                raise ManifestError(f"`{name}` is less than none")
        _hold_texts("packages", document["packages"].values())
        values = {name: document[name] for name in ("format", *_MANIFEST)}
        values["columns"] = tuple(_column(column) for column in document["columns"])
        values["inputs"] = {name: _input(name, record) for name, record in document["inputs"].items()}
        values["recipe"] = None if document["recipe"] is None else _recipe(document["recipe"])
        return cls(**values)


def _parsed(text: _Text) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ManifestError(f"it is not JSON (line {error.lineno})") from error
    except (ValueError, RecursionError) as error:
        raise ManifestError("it is not JSON") from error
    if not isinstance(document, dict):
        raise ManifestError("it is not a JSON object")
    return document


# What a member may be, by the type Python's JSON makes of it, and in words. True and false are of a type of their own.
_Kind = tuple[tuple[type, ...], str]
_NONE = type(None)
_TEXT: _Kind = ((str,), "a text")
_WHOLE: _Kind = ((int,), "a whole number")
_LIST: _Kind = ((list,), "a list")
_OBJECT: _Kind = ((dict,), "an object")
_MANIFEST: Mapping[str, _Kind] = {
    "table": _TEXT,
    "columns": _LIST,
    "rows": _WHOLE,
    "bytes": _WHOLE,
    "modified_ns": _WHOLE,
    "content_hash": _TEXT,
    "run_id": _TEXT,
    "started_at": _TEXT,
    "finished_at": _TEXT,
    "tool_version": _TEXT,
    "recipe": ((dict, _NONE), "an object"),
    "inputs": _OBJECT,
    "packages": _OBJECT,
    "memory_bytes": _WHOLE,
    "project": ((str, _NONE), "a text"),
}
_RECIPE: Mapping[str, _Kind] = {
    "code": _TEXT,
    "code_parts": _OBJECT,
    "contract": ((list, _NONE), "a list"),
    "key": _LIST,
    "extra_columns": _TEXT,
    "params": _OBJECT,
    "storage": _TEXT,
    "inputs": _LIST,
}
_TEXTS = {str}


def _hold(document: Mapping[str, Any], members: Mapping[str, _Kind], prefix: str = "") -> None:
    for name, (types, what) in members.items():
        # Not isinstance: thousands of members are looked at for one plan.
        if type(document.get(name, ...)) not in types:
            raise ManifestError(f"`{prefix}{name}` is {f'not {what}' if name in document else 'missing'}")


def _hold_texts(name: str, values: Iterable[Any]) -> None:
    if not _TEXTS.issuperset(map(type, values)):
        raise ManifestError(f"`{name}` holds what is not a text")


def _column(column: Any) -> tuple[str, str]:
    if type(column) is not dict or not type(column.get("name")) is type(column.get("type")) is str:
        raise ManifestError("`columns` holds what is not a name and a type")
    return column["name"], column["type"]


# Four members in the first format.
_INPUTS = {(str, int, int, modified, *reading) for modified in (int, _NONE) for reading in ((), (str,))}


def _input(name: str, record: Any) -> InputRecord:
    if type(record) is not list or tuple(map(type, record)) not in _INPUTS:
        raise ManifestError(f"`inputs.{name}` is not the record of an input")
    return InputRecord(*record)


def _contract_column(column: Any) -> ColumnRecord:
    if type(column) is not list or tuple(map(type, column)) != (str, str, bool):
        raise ManifestError("`recipe.contract` holds what is not a column")
    return ColumnRecord(*column)


def _recipe(document: Mapping[str, Any]) -> Recipe:
    _hold(document, _RECIPE, "recipe.")
    for name in ("code_parts", "params"):
        _hold_texts(f"recipe.{name}", document[name].values())
    for name in ("key", "inputs"):
        _hold_texts(f"recipe.{name}", document[name])
    contract = document["contract"]
    return Recipe(
        code=document["code"],
        code_parts=document["code_parts"],
        contract=None if contract is None else tuple(_contract_column(column) for column in contract),
        key=tuple(document["key"]),
        extra_columns=document["extra_columns"],
        params=document["params"],
        storage=document["storage"],
        inputs=tuple(document["inputs"]),
    )
