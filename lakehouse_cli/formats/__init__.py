"""The formats tables may have, as data: their options, their file names and the types they can hold.

The project file is checked against this without loading any of the code that reads or writes a format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehouse_cli.formats.objects.spec import SerializerSpec
from lakehouse_cli.formats.spec import FormatOption, FormatSpec, LazySpecs
from lakehouse_cli.model import Table

__all__ = [
    "FORMATS",
    "SERIALIZERS",
    "FormatOption",
    "FormatSpec",
    "SerializerSpec",
    "file_suffixes",
    "find_form",
    "form_of",
]

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

#: The formats of assets that are not tables. What `format: json` is depends on whether there are columns.
SERIALIZERS: Mapping[str, SerializerSpec] = LazySpecs(
    {
        name: f"lakehouse_cli.formats.objects.spec:{name.upper()}"
        for name in ("pickle", "joblib", "json", "text", "bytes", "png", "html", "onnx", "file", "folder")
    },
    SerializerSpec,
    "serializers",
)


def find_form(table: Table) -> FormatSpec | None:
    """As `form_of`; None where it is not known, or the tables of its storage are no files."""
    return SERIALIZERS.get(table.serializer) if table.serializer else FORMATS.get(table.format)


def form_of(table: Table) -> FormatSpec:
    """The format of a table's files; the serializer of an asset that is no table."""
    return SERIALIZERS[table.serializer] if table.serializer else FORMATS[table.format]


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
