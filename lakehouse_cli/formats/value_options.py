"""Options about the values of text formats: how numbers, times, timestamps and bytes are spelled.

`none` unsets one that the storage or the table sets.
"""

from __future__ import annotations

from lakehouse_cli.formats.spec import DURATION_UNIT, NUMBERS, FormatOption, JsonSchema

CHARACTER: JsonSchema = {"type": "string", "minLength": 1, "maxLength": 1}
ONE_OR_MORE_STRINGS: JsonSchema = {
    "oneOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}

THOUSANDS = FormatOption(
    "thousands",
    None,
    {"anyOf": [CHARACTER, {"enum": ["none"]}]},
    "The character between groups of digits; read, and not written. A blank: no-break too.",
    by_column=NUMBERS,
)
PERCENT = FormatOption(
    "percent",
    None,
    {"enum": ["fraction", "number", "none"]},
    "What `50%` is: `fraction` 0.5, `number` 50; read, and not written. Unset: refused.",
    by_column=NUMBERS,
)
CURRENCY = FormatOption(
    "currency",
    None,
    ONE_OR_MORE_STRINGS,
    "Spellings of the one currency that may stand before or after numbers; read, and not written.",
    by_column=NUMBERS,
)
NEGATIVE = FormatOption(
    "negative",
    None,
    {"enum": ["parentheses", "trailing", "none"]},
    "How negative numbers may be spelled beside `-5`: `(5)` or `5-`; read, and not written.",
    by_column=NUMBERS,
)
EPOCH_UNIT = FormatOption(
    "epoch_unit",
    None,
    {"enum": ["s", "ms", "us", "ns", "none"]},
    "Timestamps are numbers of this unit since 1970-01-01 in UTC; unset: text.",
    by_column=("timestamp",),
    nested=True,
    replaces=("timestamp_format",),
)
TIME_FORMAT = FormatOption(
    "time_format",
    None,
    ONE_OR_MORE_STRINGS,
    "strptime formats of times and durations, `interval` and `iso8601` of durations; the first is written.",
    by_column=("time32", "time64", "duration"),
    nested=True,
    replaces=("duration_unit",),
)
BINARY = FormatOption(
    "binary",
    "base64",
    {"enum": ["base64", "hex", "text"]},
    "How bytes are spelled; `text` is UTF-8.",
    by_column=("binary",),
    nested=True,
)
#: Of numbers in text.
NUMBER_OPTIONS = (THOUSANDS, PERCENT, CURRENCY, NEGATIVE)
#: Of all values, in formats that are text.
VALUE_OPTIONS = (*NUMBER_OPTIONS, TIME_FORMAT, DURATION_UNIT, EPOCH_UNIT, BINARY)
