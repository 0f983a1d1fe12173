"""CSV: text, one line a row."""

from __future__ import annotations

from lakehouse_cli.formats.spec import (
    EVERY_TYPE,
    NUMBERS_WITH_POINT,
    TEXT_COMPRESSION,
    TEXT_COMPRESSIONS,
    FormatOption,
    FormatSpec,
    JsonSchema,
    suffix_option,
)
from lakehouse_cli.formats.value_options import CHARACTER, ONE_OR_MORE_STRINGS, VALUE_OPTIONS

# ASCII characters that are neither letters, digits nor line ends.
_MARKS = r"[\x01-\x09\x0b\x0c\x0e-/:-@\[-`{-\x7f]+"
_STRINGS: JsonSchema = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}

CSV = FormatSpec(
    name="csv",
    implementation="lakehouse_cli.formats.csv.format:CsvFormat",
    suffix=".csv",
    options_class="lakehouse_cli.formats.csv.options:CsvOptions",
    compressions=TEXT_COMPRESSIONS,
    by_position=True,
    options=(
        FormatOption(
            "delimiter",
            ",",
            {
                "type": "string",
                "title": "a text of punctuation",
                "pattern": r"^(?:whitespace|[^0-9A-Za-z\x00\n\r]+)$",
                "examples": [";", "\t", "||"],
            },
            "The characters between values; `whitespace`: runs of blanks.",
        ),
        FormatOption(
            "quote_char",
            '"',
            {"anyOf": [CHARACTER, {"enum": ["none"]}]},
            "The character around values that need it, doubled inside; `none` where quotes are text.",
        ),
        FormatOption(
            "escape_char",
            None,
            {"anyOf": [CHARACTER, {"enum": ["none"]}]},
            "The character before quotes, delimiters, line ends and itself where they are text; `N` behind it is null. "
            "`none` unsets that of the storage.",
        ),
        FormatOption(
            "decimal",
            ".",
            CHARACTER,
            "The decimal point of numbers.",
            by_column=(*NUMBERS_WITH_POINT, "duration"),
        ),
        FormatOption("encoding", "utf-8", {"type": "string", "minLength": 1}, "Of the text, by Python's name for it."),
        TEXT_COMPRESSION,
        suffix_option(".csv"),
        FormatOption(
            "null_values",
            [""],
            _STRINGS,
            "Unquoted spellings of null; the first is written.",
            by_column=EVERY_TYPE,
        ),
        FormatOption(
            "true_values",
            ["true", "True", "TRUE", "1"],
            _STRINGS,
            "Spellings of true; the first is written.",
            by_column=("bool",),
        ),
        FormatOption(
            "false_values",
            ["false", "False", "FALSE", "0"],
            _STRINGS,
            "Spellings of false; the first is written.",
            by_column=("bool",),
        ),
        FormatOption("header", True, {"type": "boolean"}, "Whether the first row names the columns; else by position."),
        FormatOption("skip_rows", 0, {"type": "integer", "minimum": 0}, "Lines before the header that are not data."),
        FormatOption(
            "skip_rows_after_header",
            0,
            {"type": "integer", "minimum": 0},
            "Rows behind the header that are not data, such as units.",
        ),
        FormatOption("skip_footer", 0, {"type": "integer", "minimum": 0}, "Lines at the end that are not data."),
        FormatOption(
            "comment",
            None,
            {
                "type": "string",
                "title": "a text of ASCII punctuation",
                "pattern": rf"^(?:none|{_MARKS})$",
                "examples": ["#"],
            },
            "What lines begin with that are not data; `none` unsets that of the storage.",
        ),
        FormatOption(
            "missing_values", "error", {"enum": ["error", "null"]}, "What values are that a row lacks at its end."
        ),
        FormatOption(
            "extra_values", "error", {"enum": ["error", "ignore"]}, "What becomes of values beyond the last column."
        ),
        FormatOption("trim", False, {"type": "boolean"}, "Whether blanks around values without quotes are left out."),
        FormatOption("quoted_nulls", False, {"type": "boolean"}, "Whether spellings of null are null in quotes too."),
        FormatOption(
            "date_format",
            None,
            ONE_OR_MORE_STRINGS,
            "strptime formats of dates; the first is written.",
            by_column=("date32",),
        ),
        FormatOption(
            "timestamp_format",
            None,
            ONE_OR_MORE_STRINGS,
            "strptime formats of timestamps; the first is written.",
            by_column=("timestamp",),
            replaces=("epoch_unit",),
        ),
        FormatOption(
            "ambiguous",
            "error",
            {"enum": ["error", "first", "last"]},
            "Which instant a time is that its zone has twice, where `timestamp_format` has no %z.",
            by_column=("timestamp",),
        ),
        *VALUE_OPTIONS,
        FormatOption(
            "lists",
            "json",
            {"enum": ["json", "postgresql", "duckdb"]},
            "How lists are spelled: `[1,null]`, `{1,NULL}` or `[1, NULL]`; structs are JSON.",
            by_column=("list",),
        ),
        FormatOption("line_terminator", "\n", {"enum": ["\n", "\r\n"]}, "What ends a written line.", reading=False),
    ),
)
