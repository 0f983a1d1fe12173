"""Parquet: columns, compressed, with their types."""

from __future__ import annotations

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.spec import FormatOption, FormatOptions, FormatSpec, suffix_option

_LEVELS = {"zstd": 22, "gzip": 9, "brotli": 11}


class ParquetOptions(FormatOptions, frozen=True):
    """How a Parquet file is written; read is any.

    Attributes:
        compression: ``zstd``, ``snappy``, ``gzip``, ``brotli``, ``lz4`` or ``none``.
        compression_level: None for the codec's own.
        row_group_rows: Rows that are written, and can be read, at once; at most.
    """

    compression: str = "zstd"
    compression_level: int | None = None
    row_group_rows: int = 1_048_576

    def __post_init__(self) -> None:
        if self.compression_level is None:
            return
        highest = _LEVELS.get(self.compression)
        if highest is None:
            raise StorageError(
                f"option `compression_level` of format parquet means nothing to {self.compression}",
                hint=f"remove it, or set `compression` to {', '.join(_LEVELS)}",
            )
        if self.compression_level > highest:
            raise StorageError(
                f"option `compression_level` of format parquet is {self.compression_level}, "
                f"{self.compression} has 1 to {highest}",
                hint=f"choose one of 1 to {highest}",
            )


PARQUET = FormatSpec(
    name="parquet",
    implementation="lakehouse_cli.formats.parquet.format:ParquetFormat",
    suffix=".parquet",
    options_class=f"{__name__}:ParquetOptions",
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
        suffix_option(".parquet"),
    ),
)
