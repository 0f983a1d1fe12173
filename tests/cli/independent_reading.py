"""A reader of CSV files that shares nothing with lakehouse: Python's `csv`, and each value parsed by hand."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse_cli.model import Column, ProjectSpec, Table
from lakehouse_cli.project.loading import load_valid_project
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.source_columns import renamed_scan


def load(folder: Path) -> ProjectSpec:
    """The project of a folder."""
    return load_valid_project(folder / "lakehouse.yaml", {}, "default").spec


def read_by_lakehouse(spec: ProjectSpec, table: Table) -> pa.Table:
    """What a run reads of a source."""
    return renamed_scan(open_storage(spec.storages[table.storage]), table, table.columns).table()


def text_of(file: Path, encoding: str = "utf-8-sig") -> str:
    data = file.read_bytes()
    unpack = {".gz": gzip.decompress, ".bz2": bz2.decompress}.get(file.suffix, bytes)
    return unpack(data).decode(encoding)


def rows_of(text: str, **dialect: Any) -> list[list[str]]:
    """The records of a text, without blank lines."""
    return [row for row in csv.reader(io.StringIO(text, newline=""), **dialect) if row]


def misread(
    table: pa.Table, columns: Sequence[Column], rows: Sequence[Sequence[str]], positions: Sequence[int]
) -> Iterator[str]:
    """The values that differ from those of the text, and types that the text of a column does not have.

    Python's `csv` keeps no quotes: of nothing and `""` it makes the same.
    """
    if table.num_rows != len(rows):
        yield f"{table.num_rows} rows for {len(rows)}"
        return
    for column, at in zip(columns, positions, strict=True):
        texts = [row[at] if at < len(row) else "" for row in rows]
        values = table.column(column.name).to_pylist()
        for number, (text, value) in enumerate(zip(texts, values, strict=True), 1):
            wanted = parsed(text, str(column.type), column.options)
            if text.strip().lower() == "nan" and str(column.type) == "float64":
                wanted = float("nan") if value is not None else None  # in quotes it is a value, whatever is null
            same = value == wanted or (value == "" and not text) or (value != value and wanted != wanted)
            same = same and (not isinstance(value, float) or math.copysign(1, value) == math.copysign(1, wanted))
            if not same:
                yield f"row {number} of {column.name} ({column.type}): {text!r} read as {value!r}, wanted {wanted!r}"
                break
        stray = stray_type(texts, str(column.type), column.options)
        if stray:
            yield f"{column.name} is {column.type}: {stray}"


def parsed(text: str, type_: str, options: Mapping[str, Any]) -> Any:
    """One value as the text of a cell says."""
    if type_ == "string":
        return text or None
    bare = text.strip(" \t")
    if not bare or bare in options.get("null_values", ()):
        return None
    bare = bare.replace(str(options.get("thousands", "\0")), "")
    if type_ == "int64":
        return int(bare)
    if type_ == "float64":
        comma = options.get("decimal") == "," or options.get("thousands") == "."
        return float(bare.replace(",", ".") if comma else bare)
    if type_ == "bool":
        return {"true": True, "false": False}[bare.lower()]
    if type_ == "date32":
        form = options.get("date_format", "%Y-%m-%d")
        return dt.datetime.strptime(bare, form if isinstance(form, str) else form[0]).date()
    form = options.get("timestamp_format")
    if form:
        return dt.datetime.strptime(bare, form if isinstance(form, str) else form[0])
    return dt.datetime.fromisoformat(bare)


def stray_type(texts: Sequence[str], type_: str, options: Mapping[str, Any]) -> str:
    """What speaks against the type of a column, though its values may be read as such."""
    nulls = {"", *options.get("null_values", ())}
    bare = [text.strip(" \t") for text in texts if text.strip(" \t") not in nulls]
    if not bare and type_ != "string":
        return "no value"
    if type_ == "int64" and not options.get("thousands") and any(str(int(text)) != text for text in bare):
        return "digits that are lost"
    if type_ == "float64" and all(text.lstrip("-").isdigit() for text in bare):
        return "no value that needs it"
    if type_ == "float64" and any(len(text.lstrip("-0")) > 15 and text.lstrip("-").isdigit() for text in bare):
        return "integers that a float rounds"
    if type_ == "float64" and any(text.lstrip("-")[:1] == "0" and text.lstrip("-")[1:2].isdigit() for text in bare):
        return "leading zeros"
    return ""
