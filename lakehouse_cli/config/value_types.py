"""The types of values that keys may have: how each is read, and the same as JSON Schema."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from math import isfinite
from typing import Any

from msgspec import Struct

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Reader, as_list, free_value, has_broken
from lakehouse_cli.config.scalars import core_number, core_value
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar, Sequence
from lakehouse_cli.registry import installed
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.name_lists import any_of
from lakehouse_cli.text.yaml_text import quote_yaml

#: Names of tables, storages, dimensions.
NAME_PATTERN = "[A-Za-z_][A-Za-z0-9_]*"
NAME_RULE = "names are letters, digits and `_`, and begin with no digit"
# What an editor may make of a text that stands without quotes; here it stays a text.
TEXT_TYPES = ["string", "number", "boolean"]
_PARAMETER_HINT = "parameters are named as in Python: letters, digits and `_`"
_PARAMETER_SCHEMA: JsonSchema = {
    "pattern": "^[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_\u0080-\U0010ffff]*$",
    "not": {"enum": sorted(keyword.kwlist)},
}


_NO_PATTERNS = "list each table by name, as in `inputs: [a, b]`: patterns are for selections"


def is_parameter(name: str) -> bool:
    """Whether a name can be a parameter of a Python function."""
    return name.isidentifier() and not keyword.iskeyword(name)


class Text(Struct, frozen=True):
    """A text, read as it is written whatever else YAML would make of it.

    Attributes:
        expected: What messages call it, as in "`name` is …".
        pattern: What it must match as a whole; the empty text never does.
        types: JSON types an editor may see for an accepted text.
        null_too: Whether an unquoted ``null`` is that text.
        hint: What to do where it does not match.
        names: Whether the pattern holds for every ASCII name of Python's.
    """

    expected: str = "a text"
    pattern: str | None = None
    types: tuple[str, ...] = tuple(TEXT_TYPES)
    null_too: bool = False
    empty: bool = False
    hint: str | None = None
    names: bool = False

    def _matches(self, text: str) -> bool:
        # A plain name matches every pattern that names may have; compiling those takes as long as all else here.
        if self.pattern is None or (self.names and text.isascii() and is_parameter(text)):
            return True
        return re.fullmatch(self.pattern, text) is not None

    def _hint(self, text: str) -> str | None:
        del text
        return self.hint

    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid:
        """The text."""
        if not isinstance(node, Scalar) or (node.is_null and not (self.null_too and node.text)):
            return reader.mismatch(node, what, self.expected, self.hint)
        text = node.text
        if (not text and not self.empty) or not self._matches(text):
            return reader.mismatch(node, what, self.expected, self._hint(text))
        if len(self.types) == 1 and node.plain and not isinstance(core_value(text), str):
            return reader.mismatch(node, what, self.expected, "put it in quotes")
        return text

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        types = [*self.types, "null"] if self.null_too else list(self.types)
        schema: JsonSchema = {"type": types if len(types) > 1 else types[0]}
        if self.pattern is not None:
            schema["pattern"] = f"^(?:{self.pattern})$"
        elif not self.empty:
            schema["minLength"] = 1
        return schema


class TableName(Text, frozen=True):
    """The name of a table; patterns, which selections take, are refused with a hint of their own."""

    def _hint(self, text: str) -> str | None:
        return _NO_PATTERNS if _looks_like_pattern(text) else self.hint


class CheckedText(Text, frozen=True):
    """A text that a function judges too.

    Attributes:
        check: Returns what is wrong with the text, and what to do; None for nothing.
        rules: The same as a regular expression, for the JSON Schema.
    """

    check: Callable[[str], tuple[str, str] | None] = lambda text: None  # noqa: ARG005
    rules: str = ""

    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid:
        """The text."""
        text = Text.read(self, reader, node, what)
        if not isinstance(text, Invalid) and (wrong := self.check(text)):
            return reader.report(node, f"{what}: {quoted(text)} {wrong[0]}", wrong[1])
        return text

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"type": list(self.types), "pattern": f"^{self.rules}$"}


class Choice(Struct, frozen=True):
    """One of some words, or a name that installed packages give to what they bring.

    Attributes:
        words: The words.
        groups: Of the entry points of packages, as of `lakehouse_cli.registry.installed`; none for words alone.
        hints: What to do in place of words that are close to one of these and mean something else.
    """

    words: tuple[str, ...]
    groups: tuple[str, ...] = ()
    hints: AnyMapping[str, str] = {}

    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid:
        """The word."""
        expected = any_of([quoted(quote_yaml(word)) for word in self.words])
        # The word `null` is meant as it is written.
        if not isinstance(node, Scalar) or (node.is_null and node.text not in self.words):
            return reader.mismatch(node, what, expected, self._hint(node))
        if node.text not in self.words and node.text not in (more := self._installed()):
            close = self._hint(node) or did_you_mean(
                node.shown, [word for word in (*self.words, *more) if word.isprintable()]
            )
            return reader.mismatch(node, what, expected, close or f"write {expected}")
        return node.text

    def _hint(self, node: Node) -> str | None:
        if not self.hints:
            return None
        from lakehouse_cli.config.brought_words import kind_hint  # of other words alone

        return kind_hint(self.hints, node)

    def _installed(self) -> tuple[str, ...]:
        return tuple(name for group in self.groups for name in installed(group))

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"enum": [*self.words, *([None] if "null" in self.words else []), *self._installed()]}


# A time as people write it, in place of a number of seconds.
_SPAN = r"(?i)([0-9]+(?:\.[0-9]+)?) *(s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Number(Struct, frozen=True):
    """A number; a whole one where `whole`, not below `minimum`, above it where `above`."""

    whole: bool = False
    minimum: int | None = None
    above: bool = False

    def read(self, reader: Reader, node: Node, what: str) -> int | float | Invalid:
        """The number."""
        number = core_number(node.text) if isinstance(node, Scalar) and node.plain else None
        if number is None or (isinstance(number, float) and not self._fits(number)):
            return reader.mismatch(node, what, self.expected, self._hint(node))
        if self.minimum is not None and (number < self.minimum or (self.above and number == self.minimum)):
            return reader.mismatch(node, what, self.expected, self._hint(node))
        return int(number) if self.whole else number

    def _fits(self, number: float) -> bool:
        return isfinite(number) and (number.is_integer() or not self.whole)

    @property
    def expected(self) -> str:
        """What messages call it."""
        kind = "a whole number" if self.whole else "a number"
        if self.minimum is None:
            return kind
        return f"{kind} above {self.minimum}" if self.above else f"{kind} from {self.minimum}"

    def _hint(self, node: Node) -> str:
        text = node.text if isinstance(node, Scalar) and node.shown == node.text else ""
        if isinstance(node, Scalar) and not node.plain and core_number(text) is not None:
            return "remove the quotes"
        bare = text.replace("_", "").replace(",", "").lstrip("0")
        if bare != text and bare.isdigit():
            return f"write `{bare}`"
        if (
            not self.whole
            and (span := re.fullmatch(_SPAN, text)) is not None
            and (unit := span[2][:1].lower()) in _SECONDS
        ):
            return f"it is in seconds: write `{float(span[1]) * _SECONDS[unit]:g}`"
        return f"write a number such as `{(self.minimum or 0) + 1}`"

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        schema: JsonSchema = {"type": "integer" if self.whole else "number"}
        if self.minimum is not None:
            schema["exclusiveMinimum" if self.above else "minimum"] = self.minimum
        return schema


_TIME = r"\d{1,6}(?:ms|s|m|h|d|w)"
_TIME_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Duration(Number, frozen=True):
    """A number of seconds, or a time such as ``90s`` or ``5m``, in seconds."""

    def read(self, reader: Reader, node: Node, what: str) -> int | float | Invalid:
        """The seconds."""
        if not isinstance(node, Scalar) or re.fullmatch(_TIME, node.text) is None:
            return super().read(reader, node, what)
        digits = node.text.rstrip("mshdw")
        seconds = int(digits) * _TIME_UNITS[node.text[len(digits) :]]
        return seconds if seconds or not self.above else reader.mismatch(node, what, self.expected)

    @property
    def expected(self) -> str:
        """What messages call it."""
        return f"{super().expected.replace('a number', 'a number of seconds')}, or a time such as `90s`"

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"anyOf": [super().schema(), {"type": "string", "pattern": f"^(?:{_TIME})$"}]}


class Flag:
    """True or false, in YAML 1.2's spellings; ``yes`` and ``on`` are texts."""

    def read(self, reader: Reader, node: Node, what: str) -> bool | Invalid:
        """The flag."""
        value = core_value(node.text) if isinstance(node, Scalar) and node.plain else None
        if isinstance(value, bool):
            return value
        hint = None
        if isinstance(node, Scalar) and node.text.lower() in ("yes", "on", "y", "1", "true"):
            hint = "write `true`, without quotes"
        elif isinstance(node, Scalar) and node.text.lower() in ("no", "off", "n", "0", "false"):
            hint = "write `false`, without quotes"
        return reader.mismatch(node, what, "`true` or `false`", hint)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"type": "boolean"}


class Texts(Struct, frozen=True):
    """A list of texts; a single text too where `single`."""

    item: Text
    single: bool = False
    unique: bool = False
    minimum: int = 0

    def read(self, reader: Reader, node: Node, what: str) -> tuple[str, ...] | Invalid:
        """The texts in order."""
        if self.single and isinstance(node, Scalar):
            text = self.item.read(reader, node, what)
            return INVALID if isinstance(text, Invalid) else (text,)
        if not isinstance(node, Sequence):
            return reader.mismatch(node, what, "a list of texts", as_list(node))
        if len(node.items) < self.minimum:
            return reader.report(node, f"{what} is an empty list", "name at least one, or remove it")
        found: list[str] = []
        broken = False
        for index, item in enumerate(node.items, 1):
            text = self.item.read(reader, item, f"item {index} of {what}")
            if isinstance(text, Invalid) or not isinstance(item, Scalar):
                broken = True
            elif self.unique and text in found:
                reader.report(item, f"{quoted(item.shown)} is twice in {what}", "remove one of the two")
                broken = True
            else:
                found.append(text)
        return INVALID if broken else tuple(found)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        schema: JsonSchema = {"type": "array", "items": self.item.schema()}
        if self.unique:
            schema["uniqueItems"] = True
        if self.minimum:
            schema["minItems"] = self.minimum
        return {"anyOf": [self.item.schema(), schema]} if self.single else schema


class FreeMap(Struct, frozen=True):
    """A map of whatever YAML can say.

    Attributes:
        parameters: Whether its keys are names of Python parameters.
        item: What its values are, if that is known.
    """

    parameters: bool = False
    item: Text | None = None

    def read(self, reader: Reader, node: Node, what: str) -> dict[str, Any] | Invalid:
        """The values by name."""
        if not isinstance(node, Mapping):
            return reader.mismatch(node, what, "a map of names to values")
        broken = has_broken(node)
        values: dict[str, Any] = {}
        for name, (key, value) in node.entries.items():
            values[name] = (
                self.item.read(reader, value, f"{quoted(name)} in {what}") if self.item else free_value(value)
            )
            if self.parameters and not is_parameter(name):
                values[name] = reader.report(
                    key, f"{quoted(name)} in {what} is not a parameter's name", _PARAMETER_HINT
                )
            broken |= values[name] is INVALID
        return INVALID if broken else values

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        names: JsonSchema = {"propertyNames": _PARAMETER_SCHEMA} if self.parameters else {}
        return {"type": "object", **names, **({"additionalProperties": self.item.schema()} if self.item else {})}


class Arguments(Struct, frozen=True):
    """A list of texts, matched to the parameters of a function in order, or a map of its parameters to texts."""

    item: Text
    expected: str

    def read(self, reader: Reader, node: Node, what: str) -> tuple[str, ...] | dict[str, Any] | Invalid:
        """The texts by number or parameter."""
        if isinstance(node, Sequence | Mapping):
            kind = Texts(self.item) if isinstance(node, Sequence) else FreeMap(parameters=True, item=self.item)
            return kind.read(reader, node, what)
        pattern = isinstance(node, Scalar) and _looks_like_pattern(node.text)
        return reader.mismatch(node, what, self.expected, _NO_PATTERNS if pattern else as_list(node))

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"anyOf": [Texts(self.item).schema(), FreeMap(parameters=True, item=self.item).schema()]}


def _looks_like_pattern(text: str) -> bool:
    return "*" in text or "?" in text


class Section(Struct, frozen=True):
    """A map that is read later, by what else is known then.

    Attributes:
        expected: What messages call it.
        ref: Name of its JSON Schema under ``$defs``.
    """

    expected: str
    ref: str

    def read(self, reader: Reader, node: Node, what: str) -> Mapping | Invalid:
        """The node itself."""
        return node if isinstance(node, Mapping) else reader.mismatch(node, what, self.expected)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {"$ref": f"#/$defs/{self.ref}"}
