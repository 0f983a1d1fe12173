"""Files that carry the types of their columns: Parquet, Arrow IPC, JSON Lines and JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.types import from_arrow
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.base import Format, Opener
from lakehouse_cli.formats.jsonl.format import JsonlFormat
from lakehouse_cli.inference.candidates import iso_candidates
from lakehouse_cli.inference.decision import decide
from lakehouse_cli.inference.description import InferredColumn, InferredTable
from lakehouse_cli.inference.evidence import ColumnEvidence
from lakehouse_cli.inference.keys import KeyEvidence
from lakehouse_cli.inference.names import column_names, is_id
from lakehouse_cli.model import Column
from lakehouse_cli.registry import Entry, load

_KEYS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "string")


def infer_typed(open_source: Opener, name: str, format_name: str, options: Mapping[str, Any]) -> InferredTable:
    """Read the types that a file has; of JSON, which has no dates, texts that are ones as well.

    Args:
        open_source: Opens its bytes; called more than once.
        name: The file as messages show it.
        format_name: Of `FORMATS`, but CSV and Excel.
        options: Of the format.

    Raises:
        LakehouseError: It is none of the format, or a column has no type that a project can declare.
    """
    spec = FORMATS[format_name]
    form: Format[Any] = load(Entry(spec.implementation, spec.install))()
    made = spec.checked(options)
    if isinstance(form, JsonlFormat):
        table, left_out = form.read_fitting(open_source, name, made)
        inferred = table_of_pieces(name, [table], has_dates=False, options=options)
        found = [_left_out(each, left_out.get(str(each.from_ or each.name))) for each in inferred.columns]
        return replace(inferred, columns=found)
    schema = next(iter(form.read_pieces(open_source, name, None, made))).schema
    columns = columns_of(schema, {})
    found = [each for each in columns if each.type]
    key, rows = "", form.count_rows(open_source, name, made)
    if found and found[0].type in _KEYS and found[0].from_ is None:
        first = Column(found[0].name, from_arrow(schema.field(0).type))  # type: ignore[arg-type]  # it has one
        with KeyEvidence(0) as evidence:
            for piece in form.read_pieces(open_source, name, [first], made):
                evidence.add(key_values(piece.column(0)))
            evidence.finish()
        key = first.name if evidence.is_unique else ""
    return InferredTable(name, columns, dict(options), rows, key, is_id(key))


def _left_out(column: InferredColumn, why: str | None) -> InferredColumn:
    return column if why is None else replace(column, type="", comment=why)


def table_of_pieces(
    source: str, pieces: Iterable[pa.Table], *, has_dates: bool, options: Mapping[str, Any] | None = None
) -> InferredTable:
    """Describe a table that is read piece by piece.

    Args:
        source: What it is read from, as messages show it.
        pieces: At least one, of one schema.
        has_dates: Whether dates have types of their own there; else texts that are dates are found.
        options: Of the format.
    """
    evidence: dict[str, ColumnEvidence] = {}
    schema, rows, key = pa.schema([]), 0, KeyEvidence(0)
    with key:
        for piece in pieces:
            if not evidence:
                schema = piece.schema
                texts = [each.name for each in schema if not has_dates and pa.types.is_string(each.type)]
                evidence = {each: ColumnEvidence(iso_candidates()) for each in texts}
            for column, found in evidence.items():
                for chunk in piece.column(column).chunks:
                    found.add(found.judge(chunk), len(chunk))
            if piece.num_columns and piece.num_rows:
                key.add(key_values(piece.column(0)))
            rows += piece.num_rows
        key.finish()
    decisions = dict(zip(evidence, decide(evidence), strict=True))
    plain = {each: decision.type for each, decision in decisions.items() if not decision.options and decision.type}
    columns = columns_of(schema, plain)
    is_key = key.is_unique and bool(columns) and columns[0].type in _KEYS
    name = columns[0].name if is_key else ""
    return InferredTable(source, columns, dict(options or {}), rows, name, is_id(name))


def columns_of(schema: pa.Schema, types: Mapping[str, str]) -> Sequence[InferredColumn]:
    """Describe the columns of a schema; `types` has those that values are of in truth."""
    names = column_names(schema.names, len(schema.names))
    columns = []
    for name, stored in zip(names, schema, strict=True):
        known = from_arrow(stored.type)
        type_ = types.get(stored.name) or (str(known) if known else "")
        comment = "" if known else f"{stored.type} has no type here"
        columns.append(InferredColumn(name, type_, None if name == stored.name else stored.name, {}, comment))
    return columns


def key_values(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column where it may be a key; None where it holds null."""
    is_plain = pa.types.is_integer(column.type) or pa.types.is_string(column.type)
    return column if is_plain and not column.null_count else None
