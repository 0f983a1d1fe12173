"""JSON Lines: text, an object a row."""

from __future__ import annotations

from lakehouse_cli.formats.spec import DURATION_UNIT, FormatOption, FormatOptions, FormatSpec


class JsonlOptions(FormatOptions, frozen=True):
    """How a file of JSON Lines is read and written.

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
    compressions={"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst"},
    options=(
        FormatOption(
            "compression",
            None,
            {"enum": ["none", "gzip", "bz2", "zstd"]},
            "Adds .gz, .bz2 or .zst to the file's name; unset: read by suffix, written plain.",
        ),
        DURATION_UNIT,
        FormatOption(
            "suffix",
            ".jsonl",
            {"type": "string", "pattern": r"^(?!.*\.(?:py|ya?ml)$)\.[A-Za-z0-9_.]+$"},
            "The file's ending.",
        ),
    ),
)
