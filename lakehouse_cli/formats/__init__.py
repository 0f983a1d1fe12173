"""The formats tables may have, as data: their options, their file names and the types they can hold.

The project file is checked against this without loading any of the code that reads or writes a format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehouse_cli.formats.spec import FormatOption, FormatSpec, LazySpecs

__all__ = ["FORMATS", "FormatOption", "FormatSpec", "file_suffixes"]

FORMATS: Mapping[str, FormatSpec] = LazySpecs(
    {
        "csv": "lakehouse_cli.formats.csv.spec:CSV",
        "parquet": "lakehouse_cli.formats.parquet.spec:PARQUET",
        "ipc": "lakehouse_cli.formats.ipc.spec:IPC",
        "jsonl": "lakehouse_cli.formats.jsonl.spec:JSONL",
        "json": "lakehouse_cli.formats.jsonl.spec:JSON",
        "excel": "lakehouse_cli.formats.excel.spec:EXCEL",
    },
    FormatSpec,
    "formats",
)


def file_suffixes(spec: FormatSpec, options: Mapping[str, Any]) -> tuple[str, ...]:
    """List the endings a table's file may have: the first is what is written, any may be read.

    >>> file_suffixes(FORMATS["csv"], {})
    ('.csv', '.csv.gz', '.csv.bz2', '.csv.zst')
    >>> file_suffixes(FORMATS["csv"], {"compression": "gzip"})
    ('.csv.gz',)
    """
    if not options:
        return spec.suffixes
    suffix = str(options.get("suffix", spec.suffix))
    if spec.compressions is None:
        return (suffix,)
    compression = options.get("compression")
    if compression is None:
        return (suffix, *(suffix + ending for ending in spec.compressions.values()))
    return (suffix + spec.compressions.get(compression, ""),)
