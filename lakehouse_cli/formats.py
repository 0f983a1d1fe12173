"""The formats a storage may have, as data: their options, their file names and the types they can hold.

The project file is checked against this without loading any of the code that reads or writes a format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse_cli.errors import did_you_mean

JsonSchema = dict[str, Any]

_CHARACTER: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 1}
_STRINGS: JsonSchema = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
_ONE_OR_MORE_STRINGS: JsonSchema = {
    "oneOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}


@dataclass(frozen=True, slots=True)
class FormatOption:
    """One option of a format.

    Attributes:
        name: The key under ``options``.
        default: What holds where it is not set.
        schema: JSON Schema (2020-12) of its value.
        description: For docs and editors.
    """

    name: str
    default: Any
    schema: JsonSchema
    description: str


@dataclass(frozen=True, slots=True)
class FormatSpec:
    """A format by name.

    Attributes:
        name: What ``format:`` calls it.
        implementation: ``module:Class`` that reads and writes it.
        options_class: ``module:Class`` whose ``from_mapping`` raises StorageError for options it cannot work with.
        suffix: File name ending, dot included.
        options: What ``options`` may hold.
        refused_types: Ids of column types it cannot hold.
    """

    name: str
    implementation: str
    options_class: str
    suffix: str
    options: tuple[FormatOption, ...]
    refused_types: frozenset[str] = frozenset()

    def option(self, name: str) -> FormatOption | None:
        """The option of that name, None where there is none."""
        return next((option for option in self.options if option.name == name), None)


CSV = FormatSpec(
    name="csv",
    implementation="lakehouse_cli.storage.csv:CsvFormat",
    options_class="lakehouse_cli.storage.csv_options:CsvOptions",
    suffix=".csv",
    options=(
        FormatOption("delimiter", ",", _CHARACTER, "The character between values."),
        FormatOption("quote_char", '"', _CHARACTER, "The character around values that need it; doubled inside."),
        FormatOption("decimal", ".", _CHARACTER, "The decimal point of numbers."),
        FormatOption("encoding", "utf-8", {"type": "string", "minLength": 1}, "Of the text, by Python's name for it."),
        FormatOption(
            "compression",
            None,
            {"enum": ["none", "gzip", "bz2", "zstd"]},
            "Adds .gz, .bz2 or .zst to the file's name; unset: read by suffix, written plain.",
        ),
        FormatOption(
            "suffix",
            ".csv",
            {"type": "string", "pattern": r"^(?!.*\.(?:py|ya?ml)$)\.[A-Za-z0-9_.]+$"},
            "The file's ending.",
        ),
        FormatOption("null_values", [""], _STRINGS, "Unquoted spellings of null; the first is written."),
        FormatOption(
            "true_values", ["true", "True", "TRUE", "1"], _STRINGS, "Spellings of true; the first is written."
        ),
        FormatOption(
            "false_values", ["false", "False", "FALSE", "0"], _STRINGS, "Spellings of false; the first is written."
        ),
        FormatOption("header", True, {"type": "boolean"}, "Whether the first row names the columns; else by position."),
        FormatOption("skip_rows", 0, {"type": "integer", "minimum": 0}, "Lines before the header that are not data."),
        FormatOption("date_format", None, _ONE_OR_MORE_STRINGS, "strptime formats of dates; the first is written."),
        FormatOption(
            "timestamp_format", None, _ONE_OR_MORE_STRINGS, "strptime formats of timestamps; the first is written."
        ),
        FormatOption("line_terminator", "\n", {"enum": ["\n", "\r\n"]}, "What ends a written line."),
    ),
)

FORMATS: Mapping[str, FormatSpec] = {spec.name: spec for spec in (CSV,)}


def option_names(spec: FormatSpec) -> Iterable[str]:
    """Names of the options of a format, for close matches."""
    return [option.name for option in spec.options]


def unknown_option(spec: FormatSpec, name: str) -> tuple[str, str]:
    """Message and hint for an option that a format does not have."""
    known = ", ".join(option_names(spec))
    return (
        f"unknown option `{name}` of format {spec.name}",
        did_you_mean(name, option_names(spec)) or f"its options are {known}",
    )


COMPRESSION_SUFFIXES: Mapping[str, str] = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst"}


def file_suffixes(spec: FormatSpec, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The endings a table's file may have: the first is what is written, any may be read.

    >>> file_suffixes(CSV, {})
    ('.csv', '.csv.gz', '.csv.bz2', '.csv.zst')
    >>> file_suffixes(CSV, {"compression": "gzip"})
    ('.csv.gz',)
    """
    suffix = str(options.get("suffix", spec.suffix))
    compression = options.get("compression")
    if compression is None:
        return (suffix, *(suffix + ending for ending in COMPRESSION_SUFFIXES.values()))
    return (suffix + COMPRESSION_SUFFIXES.get(compression, ""),)
