"""What tests of text formats share: columns by name and type, CSV read from bytes, and smaller blocks."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.formats import compression
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from lakehouse_cli.formats.csv.write import write_csv
from lakehouse_cli.formats.jsonl import elements, fast
from lakehouse_cli.formats.jsonl import format as jsonl
from lakehouse_cli.model import Column, parse_column_type


def columns_of(**types: str) -> list[Column]:
    return [Column(name, parse_column_type(text)) for name, text in types.items()]


def set_block(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Have text read in blocks of so many bytes, so that a small file has several."""
    for module in (compression, elements, fast, jsonl):
        monkeypatch.setattr(module, "BLOCK", size)


AB = columns_of(a="int64", b="string")


def read(data: bytes | str, columns: list[Column] | None = None, name: str = "x.csv", **options: Any) -> pa.Table:
    raw = data.encode() if isinstance(data, str) else data
    return read_csv(lambda: io.BytesIO(raw), name, columns, CsvOptions.from_mapping(options))


def refusal(data: bytes | str, columns: list[Column] | None = None, name: str = "x.csv", **options: Any) -> Any:
    """The error of a file that is not read."""
    with pytest.raises(LakehouseError) as caught:
        read(data, columns, name, **options)
    return caught.value


def write(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    write_csv(table, sink, CsvOptions.from_mapping(options))
    return sink.getvalue()
