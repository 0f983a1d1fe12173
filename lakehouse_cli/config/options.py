"""The options of a format: read and checked against `lakehouse_cli.formats`, without loading the format."""

from __future__ import annotations

import codecs
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import Invalid, JsonSchema, Reader, ValueType, with_variables
from lakehouse_cli.config.value_types import TEXT_TYPES, Choice, Flag, Number, Text, Texts
from lakehouse_cli.config.yaml_tree import Mapping, Scalar
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats import FORMATS, SERIALIZERS, FormatOption, FormatSpec
from lakehouse_cli.formats.spec import TEXT_COMPRESSION, FormatOptions
from lakehouse_cli.model import Column
from lakehouse_cli.registry import installed
from lakehouse_cli.storage_types import STORAGE_TYPES, StorageType
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text
from lakehouse_cli.text.name_lists import any_of
from lakehouse_cli.text.yaml_text import quote_yaml

#: The option of a source of many files that names a column.
FILE_COLUMN = "file_column"
#: What such sources may set beside the options of their format.
MANY_FILES = FormatSpec(
    "",
    "",
    "",
    options=(
        FormatOption(
            FILE_COLUMN,
            None,
            {"type": "string", "minLength": 1, "examples": ["source_file"]},
            "Of a source of many files: the column that names the file of each row, below the storage's root.",
        ),
    ),
)
#: More options than these are not listed in a hint.
_LISTED = 8

# Keywords of JSON Schema that the options' schemas use, by what they stand on.
_KNOWN_KEYWORDS = {
    "string": {"type", "title", "minLength", "maxLength", "pattern", "examples"},
    "array": {"type", "items", "uniqueItems", "minItems"},
    "boolean": {"type"},
    "integer": {"type", "minimum"},
    "number": {"type", "minimum"},
}

_CHARACTER = Text("one character", pattern=r"[\s\S]", types=("string",))


def options_schema(*, fillable: bool) -> JsonSchema:
    """JSON Schema of the options of all formats; where `fillable`, of storages too, and of values with variables."""
    properties: dict[str, JsonSchema] = {}
    more = [FORMATS[name] for name in installed("formats")] + [SERIALIZERS[name] for name in installed("serializers")]
    for spec in (
        *(FORMATS.values()),
        *SERIALIZERS.values(),
        *more,
        *(STORAGE_TYPES.values() if fillable else (MANY_FILES,)),
    ):
        for option in spec.options:
            schema = value_type(option).schema()
            if fillable:
                schema = with_variables(schema)
            described: JsonSchema = {**schema, "description": option.description}
            if option.default is not None:
                described["default"] = option.default
            same = properties.get(option.name)
            if same is not None and same != described:
                # The same name in two formats: what either accepts.
                described = {"anyOf": [*same.get("anyOf", [same]), described]}
            properties[option.name] = described
    return {"type": "object", "additionalProperties": False, "properties": properties}


def read_options(
    reader: Reader,
    mapping: Mapping,
    specs: Sequence[FormatSpec | StorageType],
    owner: str,
    hint: str | None = None,
) -> dict[str, Any]:
    """The options in a map; those that are wrong left out after being reported.

    Args:
        reader: Of the file they stand in.
        mapping: The node.
        specs: Whose options they may be: a format, a type of storage.
        owner: Whose options they are, for messages.
        hint: What to do about an unknown one that is no misspelling; None to name those that there are.
    """
    read: dict[str, Any] = {}
    for name, (key, node) in mapping.entries.items():
        option = next((option for spec in specs if (option := spec.option(name))), None)
        if option is None:
            from lakehouse_cli.config.brought_words import word_hint  # of unknown options alone

            _report_unknown(reader, key, specs, owner, word_hint({}, name, node) or hint)
            continue
        what = f"option `{name}` of {owner}"
        value = value_type(option).read(reader, node, what)
        if isinstance(value, Invalid):
            continue
        if name == "encoding" and isinstance(node, Scalar) and not _is_text_encoding(value):
            hint = "name it as Python does: `utf-8`, `latin-1`, `cp1252`, …"
            reader.mismatch(node, what, "a text encoding", hint)
            continue
        read[name] = list(value) if isinstance(value, tuple) else value
    return read


def _report_unknown(
    reader: Reader, key: Scalar, specs: Sequence[FormatSpec | StorageType], owner: str, hint: str | None
) -> None:
    names = [option.name for spec in specs for option in spec.options]
    more = f", … ({count_text(len(names))} in all; see docs)" if len(names) > _LISTED else ""
    known = f"its options are {', '.join(names[:_LISTED])}{more}" if names else "remove it: it has no options"
    kinds = {spec.name: "format" if isinstance(spec, FormatSpec) else "storage type" for spec in specs if spec.name}
    of = " and ".join(f"{kind} {name}" for name, kind in kinds.items())
    message = f"unknown option {quoted(key.text)} of {of} in {owner}"
    reader.report(key, message, did_you_mean(key.text, names) or hint or known)


def option_conflict(options: AnyMapping[str, Any], spec: FormatSpec) -> tuple[str, str | None] | None:
    """What the format refuses of options that are each of the right form: message and hint."""
    try:
        spec.checked(options)
    except StorageError as error:
        return error.message, error.hint
    return None


def column_conflict(options: FormatOptions, column: Column) -> tuple[str, str | None] | None:
    """What is refused of the options that hold for a column, with its type: message and hint."""
    try:
        options.check_column(column.type, column.options)
    except StorageError as error:
        return error.message, error.hint
    return None


@lru_cache(maxsize=256)
def value_type(option: FormatOption) -> ValueType:
    """How an option is read."""
    kind = _from_schema(option.schema)
    # A default of one character shows nothing that the kind does not say.
    examples = option.schema.get("examples", [option.default] if len(str(option.default or "")) > 1 else [])
    if isinstance(kind, Text) and kind.pattern is not None and examples:
        written = [f"`{quote_yaml(example)}`" for example in examples]
        return replace(kind, expected=f"{kind.expected} such as {written[0]}", hint=f"write it like {any_of(written)}")
    if isinstance(kind, Choice) and option is TEXT_COMPRESSION:
        return replace(kind, hints={"zip": "unpack the file, and remove it: zip archives are not read"})
    return kind


def _from_schema(schema: JsonSchema) -> ValueType:
    """The value type with the meaning of a JSON Schema; of the few forms that options use."""
    if "enum" in schema and len(schema) == 1:
        return Choice(tuple(schema["enum"]))
    if "oneOf" in schema and len(schema) == 1:
        text, texts = (_from_schema(part) for part in schema["oneOf"])
        if isinstance(text, Text) and isinstance(texts, Texts):
            return Texts(text, single=True, unique=texts.unique, minimum=texts.minimum)
    if "anyOf" in schema and len(schema) == 1:
        character, words = schema["anyOf"]
        if _from_schema(character) == _CHARACTER and isinstance(choice := _from_schema(words), Choice):
            listed = " or ".join(f"`{word}`" for word in choice.words)
            return Text(f"one character, or {listed}", pattern="|".join([r"[\s\S]", *choice.words]), types=("string",))
    kind = schema.get("type")
    if kind not in _KNOWN_KEYWORDS or not set(schema) <= _KNOWN_KEYWORDS[kind]:
        raise ValueError(f"no value type for {schema}")
    if kind == "boolean":
        return Flag()
    if kind in ("integer", "number"):
        return Number(whole=kind == "integer", minimum=schema.get("minimum"))
    if kind == "array":
        item = _from_schema(schema["items"])
        if not isinstance(item, Text):
            raise ValueError(f"no value type for {schema}")
        # Spellings such as `null` are meant as they are written.
        spelling = Text(item.expected, item.pattern, item.types, null_too=True, empty=item.empty)
        return Texts(spelling, unique=schema.get("uniqueItems", False), minimum=schema.get("minItems", 0))
    return _text_from_schema(schema)


def _text_from_schema(schema: JsonSchema) -> Text:
    least, most, pattern = schema.get("minLength", 0), schema.get("maxLength"), schema.get("pattern")
    if most == 1:
        return _CHARACTER
    if most is not None or least > 1:
        raise ValueError(f"no value type for {schema}")
    if pattern is not None:
        return Text(schema.get("title", "a text"), pattern.removeprefix("^").removesuffix("$"))
    return Text(types=tuple(TEXT_TYPES), empty=not least)


def _is_text_encoding(name: str) -> bool:
    try:
        "a".encode(name)
    except (LookupError, ValueError, TypeError):
        return False
    return codecs.lookup(name).name != "idna"
