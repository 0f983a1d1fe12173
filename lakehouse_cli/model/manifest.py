"""What was stored, from what, and by which code: a value kept beside the data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from operator import attrgetter
from threading import Lock
from typing import Annotated, Any, NamedTuple

from msgspec import DecodeError, Meta, Raw, Struct, ValidationError, field, to_builtins
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.key_bounds import KeyBounds

MANIFEST_FORMAT = 2
_OLDEST_FORMAT = 1
#: Where stored data were modified, if by no run of this tool.
OUTSIDE = "outside lakehouse"
#: Stands for the hash of data whose storing has begun, in a storage that replaces them in place.
UNFINISHED = "unfinished"
_Text = str | bytes
_Count = Annotated[int, Meta(ge=0)]


class ManifestError(ValueError):
    """A text that is no manifest, or not one that this version can read; says why, in words for people."""


class NewerManifestError(ManifestError):
    """A newer version of the tool wrote it, in a format that this one does not know."""


class FileRecord(NamedTuple):
    """One file of a source of many; a list in JSON.

    Attributes:
        path: Under the root of the storage.
        content_hash: As of `InputRecord`.
        bytes: Its size.
        modified_ns: As of `InputRecord`.
    """

    path: str
    content_hash: str
    bytes: int
    modified_ns: int | None = None


class InputRecord(NamedTuple):
    """What a table was computed from; a list in JSON, as thousands are read for one plan.

    Attributes:
        content_hash: xxh3-128 of the input's stored bytes, hexadecimal.
        rows: How many rows it had; -1 where that is not known.
        bytes: Size of its stored data.
        modified_ns: When those were last written, nanoseconds since 1970, or what the storage has in its place to tell
            one version from another; None where that is not known.
        reading: How it is read: its format and the format's options, a space, and its columns with their types as JSON,
            or their hash where they are many; none where all are read as they come. Empty where it was not recorded.
        files: Those that a source of many files was; empty for any other.
    """

    content_hash: str
    rows: int
    bytes: int
    modified_ns: int | None = None
    reading: str = ""
    files: tuple[FileRecord, ...] = ()


def is_same_content(one: InputRecord | None, other: InputRecord | None) -> bool:
    """Whether two records are of the same bytes, read in the same way; False if one is unknown."""
    if one is None or other is None:
        return False
    return (one.content_hash, one.reading) == (other.content_hash, other.reading)


class ColumnRecord(NamedTuple):
    """One column of a contract as it was; a list in JSON."""

    name: str
    type: str
    nullable: bool = True


class Shape(NamedTuple):
    """What a contract decides of the data.

    Attributes:
        columns: Name and type of each declared column, in order; None where none are declared.
        extra_columns: What becomes of columns the contract does not name.
        order_by: Columns by which rows are stored.
    """

    columns: tuple[tuple[str, str], ...] | None
    extra_columns: str
    order_by: tuple[str, ...] = ()


class Rules(NamedTuple):
    """What a contract judges data by, without changing them.

    Attributes:
        not_null: Columns that are declared to hold no null.
        key: Columns of the key.
    """

    not_null: frozenset[str]
    key: tuple[str, ...]


#: Stands for what changed while a table was computed, so that nobody knows what was used; equals no hash.
UNSETTLED = "changed while computed"


#: Begins what is kept of a param that is never shown, which is no JSON text: a hash of that.
PRIVATE = "#"


class Recipe(Struct, frozen=True, omit_defaults=True):
    """All that decides what a table comes out as, but for the content of its inputs.

    Attributes:
        code: Fingerprint of the transform, or ``version:…`` where a version stands for it.
        code_parts: Name → short hash or version of each thing the fingerprint covers.
        contract: The declared columns; None where none are declared.
        key: Columns of the key.
        extra_columns: What becomes of columns the contract does not name.
        params: Name → value as JSON text; of one that is never shown, `PRIVATE` and a hash.
        storage: Its format, and a hash of each of the format's options, by name.
        inputs: Which table goes into which parameter, as text.
        files: Files under `uses` → hash of their content, or `UNSETTLED`; patterns that no file matched → empty text.
        variables: Environment variables under `uses` → hash of the value, or `UNSETTLED`; None where it was not set.
        order_by: Columns by which rows are stored in order.
        output: Which of several results of the transform, and where it stands among them; empty where it has one.
        is_partial: Whether it is a partition that was computed before its period had ended.
    """

    code: str
    code_parts: Mapping[str, str]
    contract: tuple[ColumnRecord, ...] | None
    key: tuple[str, ...]
    extra_columns: str
    params: Mapping[str, str]
    storage: str
    inputs: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)
    order_by: tuple[str, ...] = ()
    output: str = ""
    is_partial: bool = False

    @property
    def shape(self) -> Shape:
        """What the contract decides of the data."""
        columns = None if self.contract is None else tuple((each.name, each.type) for each in self.contract)
        return Shape(columns, self.extra_columns, self.order_by)

    @property
    def rules(self) -> Rules:
        """What the contract judges the data by.

        A change of these alone would not need another computation, only another look at what is stored; until that is
        done, the table is computed again.
        """
        return Rules(frozenset(each.name for each in self.contract or () if not each.nullable), self.key)


class ObjectRecord(Struct, frozen=True, omit_defaults=True):
    """What is recorded of a stored asset that is no table.

    Attributes:
        type: The full name of its type in Python, before it was serialised.
        packages: Versions of the distributions that reading it imports, by name.
    """

    type: str
    packages: Mapping[str, str] = field(default_factory=dict)


#: What is recorded anew of data that stay as they are: what checks found, or the recipe under which they stand.
Amendment = tuple[CheckRecord, ...] | Recipe


class Manifest(Struct, frozen=True):
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
        object: Of an asset that is no table, which has neither columns nor rows; None for a table.
        checks: What was found by the checks of the contract.
        keys: Of a partition, what is kept of its keys that hold across partitions, by `Unique.id`.
        format: Version of the manifest's own layout.
    """

    table: str
    columns: tuple[tuple[str, str], ...]
    rows: _Count
    bytes: _Count
    modified_ns: int
    content_hash: str
    run_id: str
    started_at: str
    finished_at: str
    tool_version: str
    recipe: Recipe | None = None
    inputs: Mapping[str, InputRecord] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: _Count = 0
    project: str | None = None
    object: ObjectRecord | None = None
    checks: tuple[CheckRecord, ...] = ()
    keys: Mapping[str, KeyBounds] = field(default_factory=dict)
    format: int = MANIFEST_FORMAT

    @property
    def content(self) -> InputRecord:
        """What was stored, as the record of tables computed from it; how it is read is not known here."""
        rows = -1 if self.row_count is None else self.rows
        return InputRecord(self.content_hash, rows, self.bytes, self.modified_ns)

    def with_checks(self, checks: Amendment, seen: Manifest) -> Manifest | None:
        """The manifest with what is recorded anew of the data; None where it is not the one that was seen of these."""
        same = (self.run_id, self.finished_at, self.content_hash) == (seen.run_id, seen.finished_at, seen.content_hash)
        if not same:
            return None
        return replace(self, recipe=checks) if isinstance(checks, Recipe) else replace(self, checks=checks)

    @property
    def row_count(self) -> int | None:
        """How many rows; None of what is no table."""
        return self.rows if self.object is None else None

    def to_text(self) -> str:
        """As JSON, `format` first; a member to a line, which is quick to write and easy to compare."""
        columns = [{"name": name, "type": column_type} for name, column_type in self.columns]
        format_, table, _, *others = _values_to_write(self)
        values = format_, table, columns, *others
        try:
            written = _encode_lines(values).decode().split("\n")[:-1]
        except UnicodeEncodeError:
            written = [_json_of(value) for value in values]
        members = [before + value for before, value in zip(_BEFORE_VALUES, written, strict=True)]
        return "{\n " + ",\n ".join(members) + "\n}\n"

    @classmethod
    def from_text(cls, text: _Text) -> Manifest:
        """Read what `to_text` made, by this version or one before it.

        Raises:
            NewerManifestError: A newer version wrote it.
            ManifestError: It is no manifest, or one that was altered by hand.
        """
        try:
            written = _decoder(_Written).decode(text)
            if _to_encode:
                _encode_known()
            columns, packages = _shared(bytes(written.columns), bytes(written.packages))
            recipe = _known.get(of_recipe := bytes(written.recipe)) or _decoder(Recipe | None).decode(of_recipe)
        except (ValueError, RecursionError) as error:
            with suppress(DecodeError, UnicodeError, RecursionError):
                _check_format(_decoder(_Format).decode(text).format)
            raise ManifestError(_why(error, text)) from error
        _check_format(written.format)
        values = [*_values(written)]
        values[_COLUMNS], values[_RECIPE], values[_PACKAGES] = columns, recipe, packages
        return cls(*values)


# Recipes by the text of each in a manifest, and those whose text nobody has asked for yet.
_known: dict[bytes, Recipe] = {}
_to_encode: list[Iterable[Recipe]] = []
_encoding = Lock()


def _encode_known() -> None:
    with _encoding:  # recipes may be made as they are asked for, which is for one thread
        for recipes in _to_encode:
            with suppress(UnicodeEncodeError):  # the name of a file that is not UTF-8
                _known.update([(_encode(each), each) for each in recipes])
        _to_encode.clear()


@contextmanager
def known_recipes(recipes: Iterable[Recipe]) -> Iterator[None]:
    """Give manifests that are read in the block these very recipes, where theirs are equal, and decode only others.

    Nearly all tables of a plan have the recipe that they would be made by now; in the first one there are no manifests.
    """
    _to_encode.append(recipes)
    try:
        yield
    finally:
        _to_encode.clear()
        _known.clear()


_FIELDS = Manifest.__struct_fields__
_values = attrgetter(*_FIELDS)
_COLUMNS, _RECIPE, _PACKAGES = map(_FIELDS.index, ("columns", "recipe", "packages"))
_WRITTEN_FIRST_TO_LAST = ("format", *(name for name in _FIELDS if name != "format"))
_values_to_write = attrgetter(*_WRITTEN_FIRST_TO_LAST)
_BEFORE_VALUES = [f'"{name}": ' for name in _WRITTEN_FIRST_TO_LAST]


def _json_of(value: Any) -> str:
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:  # the name of a file that is not UTF-8, which only an escape can hold
        return json.dumps(to_builtins(value))


class _Format(Struct):
    """What every manifest has, of whatever format."""

    format: int


class _Column(Struct):
    """A stored column as a manifest has it."""

    name: str
    type: str


class _Whole(Manifest, frozen=True, kw_only=True):
    """A manifest as it is written: its columns are objects, and only the last but `format` may be missing."""

    columns: tuple[_Column, ...]  # type: ignore[assignment]
    recipe: Recipe | None
    inputs: Mapping[str, InputRecord]
    packages: Mapping[str, str]
    memory_bytes: _Count
    format: int


class _Written(_Whole, frozen=True, kw_only=True):
    """The same, without a look at what is mostly known by its text."""

    columns: Raw  # type: ignore[assignment]
    recipe: Raw  # type: ignore[assignment]
    packages: Raw  # type: ignore[assignment]


_encode = Encoder().encode
_encode_lines = Encoder().encode_lines


@cache
def _decoder(kind: Any) -> Decoder[Any]:
    # What reads manifests takes a while to make, and the first plan of a project has none.
    return Decoder(kind)


@lru_cache(maxsize=256)
def _shared(columns: bytes, packages: bytes) -> tuple[tuple[tuple[str, str], ...], Mapping[str, str]]:
    """The columns and packages of a manifest by their texts; thousands of tables have the same."""
    found = _decoder(tuple[_Column, ...]).decode(columns)
    return tuple([(each.name, each.type) for each in found]), _decoder(Mapping[str, str]).decode(packages)


def _check_format(number: int) -> None:
    if number > MANIFEST_FORMAT:
        raise NewerManifestError(
            f"a newer version of lakehouse wrote it (format {number}, this version reads {MANIFEST_FORMAT})"
        )
    if number < _OLDEST_FORMAT:
        raise ManifestError(f"there is no format {number}")


def _why(error: Exception, text: _Text) -> str:
    """Why it is no manifest: the library's words, with members named as they are written."""
    try:
        _decoder(_Whole).decode(text)
    except (ValueError, RecursionError) as whole:
        error = whole
    if isinstance(error, ValidationError):
        said, _, place = str(error).partition(" - at ")
        member = place.strip("`").removeprefix("$").removeprefix(".")
        return f"`{member}`: {said[:1].lower()}{said[1:]}" if member else said[:1].lower() + said[1:]
    try:
        json.loads(text)
    except json.JSONDecodeError as wrong:
        return f"it is not JSON (line {wrong.lineno})"
    except (ValueError, RecursionError):
        pass
    return "it is not JSON"
