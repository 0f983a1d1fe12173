"""JSON Lines, an object a line, and JSON, one array of objects: text, an object a row."""

from __future__ import annotations

from lakehouse_cli.formats.csv.values import ValueOptions
from lakehouse_cli.formats.spec import TEXT_COMPRESSION, TEXT_COMPRESSIONS, FormatSpec, suffix_option
from lakehouse_cli.formats.value_options import VALUE_OPTIONS


class JsonlOptions(ValueOptions, frozen=True):
    """How a file of JSON Lines or JSON is read and written.

    Attributes:
        compression: ``none``, ``gzip``, ``bz2``, ``zstd``; None reads by suffix and writes plain.
    """

    compression: str | None = None


JSONL = FormatSpec(
    name="jsonl",
    implementation="lakehouse_cli.formats.jsonl.format:JsonlFormat",
    suffix=".jsonl",
    options_class=f"{__name__}:JsonlOptions",
    compressions=TEXT_COMPRESSIONS,
    options=(
        TEXT_COMPRESSION,
        *VALUE_OPTIONS,
        suffix_option(".jsonl"),
    ),
)

JSON = FormatSpec(
    name="json",
    implementation="lakehouse_cli.formats.jsonl.format:JsonFormat",
    suffix=".json",
    options_class=f"{__name__}:JsonlOptions",
    compressions=TEXT_COMPRESSIONS,
    options=(
        TEXT_COMPRESSION,
        *VALUE_OPTIONS,
        suffix_option(".json"),
    ),
)
