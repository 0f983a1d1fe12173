"""Reading nodes as the values a key expects; every mismatch becomes a problem at its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from collections.abc import Mapping as AnyMapping
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.scalars import core_value
from lakehouse_cli.config.source import PlacedMark, SourceFile
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.errors import Location
from lakehouse_cli.text.close_names import close_names, did_you_mean, suggestion

JsonSchema = dict[str, Any]


class Invalid(Enum):
    """Stands for a value about which a problem is reported."""

    INVALID = "invalid"


INVALID = Invalid.INVALID

EMPTY = "an empty text"


class Reader:
    """One file being read: its text for the places, and where its problems go.

    Attributes:
        source: The file.
        problems: Takes what is found.
        types: The named column types of the project; None for those that are wrong.
    """

    def __init__(self, source: SourceFile, problems: Problems) -> None:
        self.source = source
        self.problems = problems
        self.types: AnyMapping[str, Mapping | None] = {}

    def at(self, node: Node) -> Location:
        """Where a node stands."""
        return self.source.location(node.start, node.end)

    def place(self, key: Scalar, value: Node) -> Location:
        """Where the value of a key stands; the key's place where the value is empty or spans lines."""
        if isinstance(value, Scalar) and (value.text or not value.plain):
            return self.at(value)
        return self.at(key)

    def text_place(self, node: Node) -> tuple[Location, bool]:
        """Where the first line of a text stands, and whether each line of the text is a line of the file."""
        start, end = node.start, node.end
        if isinstance(start, PlacedMark):
            return start.location, False
        first = self.source.line(start.line)[start.column :]
        if first.startswith("|"):
            line = self.source.line(start.line + 1)
            indent = len(line) - len(line.lstrip(" "))
            return Location(self.source.name, start.line + 2, indent + 1, max(len(line) - indent, 1), line), True
        quoted_by = first[:1] if first[:1] in ("'", '"') else ""
        at = self.source.location(start, end)
        if not quoted_by:
            return at, start.line == end.line
        written = self.source.line(start.line)[start.column + 1 : end.column - 1]
        as_it_is = start.line == end.line and isinstance(node, Scalar) and node.text == written
        return (replace(at, column=(at.column or 0) + 1, length=max(at.length - 2, 1)) if as_it_is else at), as_it_is

    @staticmethod
    def value(key: Scalar, value: Node) -> Node:
        """The value of a key; one that is empty, and has no place of its own, at the place of the key."""
        if isinstance(value, Scalar) and value.plain and not value.shown:
            return Scalar("", True, key.start, key.end)
        return value

    def section(self, mapping: Mapping, key: str) -> Node | None:
        """As `value`, of a key that may not be there."""
        return self.value(*mapping.entries[key]) if key in mapping.entries else None

    def report(self, node: Node, message: str, hint: str | None = None) -> Invalid:
        """Report a problem at a node."""
        self.problems.report(message, hint, self.at(node))
        return INVALID

    def mismatch(self, node: Node, what: str, expected: str, hint: str | None = None) -> Invalid:
        """Report that a value is not what is expected there; nothing more is said of a broken one."""
        if isinstance(node, Broken):
            return INVALID
        if isinstance(node, Scalar) and node.is_null:
            return self.report(node, f"{what} has no value: it is {expected}", hint or "give it one, or remove it")
        if shown(node) == EMPTY:
            return self.report(node, f"{what} is empty: it is {expected}", hint or "write one, or remove it")
        return self.report(node, f"{what} is {expected}, not {shown(node)}", hint or _shape_hint(node, expected))


def near_key(name: str, written: Collection[str], known: Iterable[str]) -> str | None:
    """A hint naming the known keys that an unknown one is close to; None where there are none.

    Args:
        name: The unknown key.
        written: All keys of its map.
        known: Those that it may have.
    """
    close = close_names(name, known)
    if close and close[0] in written:
        return f"`{close[0]}` is here as well: keep one of them, under that name"
    return suggestion(close) if close else None


def is_misspelt(key: str, written: Iterable[str], known: Collection[str]) -> bool:
    """Whether an unknown name is close to `key`, which is then not missing as well."""
    return any(did_you_mean(name, [key]) for name in written if name not in known)


def shown(node: Node) -> str:
    """A node as it may be shown in a message."""
    if isinstance(node, Scalar):
        if not node.text:
            return EMPTY
        meant = node.plain or isinstance(core_value(node.text), str)
        return quoted(node.shown) if meant else f"the text {quoted(node.shown)}"
    return "a list" if isinstance(node, Sequence) else "a map"


def _shape_hint(node: Node, expected: str) -> str:
    """A hint how to write what is expected where something else stands."""
    if not expected.startswith("a map"):
        return f"make it {expected}"
    items = ", without `- `" if isinstance(node, Sequence) else ""
    return f"write `name: value`, each indented on a line of its own{items}"


def as_list(node: Node) -> str | None:
    """A hint how to write a list where a single text stands; None where nothing stands."""
    if isinstance(node, Scalar) and node.is_null:
        return None
    single = isinstance(node, Scalar) and re.fullmatch(r"[\w./*-]+", node.shown)
    return f"write `[{node.shown}]`" if single and isinstance(node, Scalar) else "write a list such as `[a, b]`"


class ValueType(Protocol):
    """What a key may hold: how it is read, and the same as JSON Schema."""

    def read(self, reader: Reader, node: Node, what: str) -> Any:
        """The value, or INVALID after a problem was reported. `what` names the key in messages."""

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""


class Key(Struct, frozen=True):
    """One key of a map.

    Attributes:
        type: How its value is read.
        description: What it means.
        default: What holds where it is not set; None where that is nothing.
        examples: For editors.
        computed: Whether it belongs to computed tables alone.
    """

    type: ValueType
    description: str
    default: Any = None
    examples: tuple[Any, ...] = ()
    computed: bool = False


def read_keys(
    reader: Reader, node: Mapping, known: AnyMapping[str, Key], owner: str, words: AnyMapping[str, str] = {}
) -> tuple[dict[str, Any], set[str]]:
    """Read the known keys of a map: their values, and the names of those that could not be read.

    Args:
        reader: Of its file.
        node: The map.
        known: The keys that it may have.
        owner: What messages call it.
        words: What to do in place of words that people bring.
    """
    values: dict[str, Any] = {}
    invalid: set[str] = set()
    for name, (key, value) in node.entries.items():
        if name not in known and isinstance(value, Broken):
            continue
        if name not in known:
            from lakehouse_cli.config.brought_words import word_hint  # of unknown keys alone

            hint = word_hint(words, name, value) or near_key(name, node.entries, known)
            hint = hint or f"its keys are {', '.join(f'`{each}`' for each in known)}"
            reader.report(key, f"unknown key {quoted(name)} in {owner}", hint)
            continue
        kind = known[name].type
        read = kind.read(reader, reader.value(key, value), f"`{name}` of {owner}")
        if read is INVALID:
            invalid.add(name)
        else:
            values[name] = read
    return values, invalid


def keys_schema(
    keys: AnyMapping[str, Key], description: str, required: Collection[str] = (), filled_in: Collection[str] = ()
) -> JsonSchema:
    """JSON Schema of a map of these keys; those of `filled_in` may hold variables."""
    properties: dict[str, JsonSchema] = {}
    for name, key in keys.items():
        schema = key.type.schema()
        schema = {**(with_variables(schema) if name in filled_in else schema), "description": key.description}
        if key.default is not None:
            schema["default"] = key.default
        if key.examples:
            schema["examples"] = list(key.examples)
        properties[name] = schema
    whole: JsonSchema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**whole, "description": description, **({"required": list(required)} if required else {})}


def with_variables(schema: JsonSchema) -> JsonSchema:
    """A schema that also accepts a text with ``${VAR}`` in it."""
    return {"anyOf": [schema, {"type": "string", "pattern": r"\$\{"}]}


def free_value(node: Node) -> Any:
    """What a node means by YAML 1.2's core schema; see `lakehouse_cli.config.scalars`."""
    if isinstance(node, Scalar):
        return core_value(node.text) if node.plain else node.text
    if isinstance(node, Sequence):
        return [free_value(item) for item in node.items]
    if isinstance(node, Mapping):
        return {name: free_value(value) for name, (_, value) in node.entries.items()}
    return None


def has_broken(node: Node) -> bool:
    """Whether a problem is already reported somewhere in a node."""
    if isinstance(node, Sequence):
        return any(has_broken(item) for item in node.items)
    if isinstance(node, Mapping):
        return any(has_broken(value) for _, value in node.entries.values())
    return isinstance(node, Broken)
