"""JSON Lines: text, an object a row."""

from __future__ import annotations

from lakehouse_cli.formats.spec import DURATION_UNIT, FormatOption, FormatSpec

JSONL = FormatSpec(
    name="jsonl",
    implementation="lakehouse_cli.storage.jsonl:JsonlFormat",
    suffix=".jsonl",
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
