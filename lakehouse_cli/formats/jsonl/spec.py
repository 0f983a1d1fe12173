"""JSON Lines, an object a line, and JSON, one array of objects: text, an object a row."""

from __future__ import annotations

from lakehouse_cli.formats.spec import (
    DURATION_UNIT,
    TEXT_COMPRESSION,
    TEXT_COMPRESSIONS,
    FormatOptions,
    FormatSpec,
    suffix_option,
)


class JsonlOptions(FormatOptions, frozen=True):
    """How a file of JSON Lines or JSON is read and written.

    Attributes:
        compression: ``none``, ``gzip``, ``bz2``, ``zstd``; None reads by suffix and writes plain.
        duration_unit: Of the numbers of durations; None where a bare number is no duration.
    """

    compression: str | None = None
    duration_unit: str | None = None


JSONL = FormatSpec(
    name="jsonl",
    implementation="lakehouse_cli.formats.jsonl.format:JsonlFormat",
    suffix=".jsonl",
    options_class=f"{__name__}:JsonlOptions",
    compressions=TEXT_COMPRESSIONS,
    options=(
        TEXT_COMPRESSION,
        DURATION_UNIT,
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
        DURATION_UNIT,
        suffix_option(".json"),
    ),
)
