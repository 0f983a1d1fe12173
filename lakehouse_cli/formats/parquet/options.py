"""The options of the Parquet format as one checked value."""

from __future__ import annotations

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.spec import FormatOptions

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
