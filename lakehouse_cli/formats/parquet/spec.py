"""Parquet: columns, compressed, with their types."""

from __future__ import annotations

from lakehouse_cli.formats.spec import FormatOption, FormatSpec

PARQUET = FormatSpec(
    name="parquet",
    implementation="lakehouse_cli.formats.parquet.format:ParquetFormat",
    suffix=".parquet",
    options_class="lakehouse_cli.formats.parquet.options:ParquetOptions",
    typed=True,
    options=(
        FormatOption(
            "compression",
            "zstd",
            {"enum": ["zstd", "snappy", "gzip", "brotli", "lz4", "none"]},
            "Of the columns inside of the file; any is read.",
        ),
        FormatOption(
            "compression_level",
            None,
            {"type": "integer", "minimum": 1},
            "Of zstd (1 to 22), gzip (1 to 9) and brotli (1 to 11); unset: the codec's own.",
        ),
        FormatOption(
            "row_group_rows",
            1_048_576,
            {"type": "integer", "minimum": 1},
            "Rows that are written, and can be read, at once; at most: fewer where there are more than 16 columns.",
        ),
        FormatOption(
            "suffix",
            ".parquet",
            {"type": "string", "pattern": r"^(?!.*\.(?:py|ya?ml)$)\.[A-Za-z0-9_.]+$"},
            "The file's ending.",
        ),
    ),
)
