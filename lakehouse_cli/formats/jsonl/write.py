"""Rows to lines, by Arrow's kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import pyarrow as pa

from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.base import Sink
from lakehouse_cli.formats.compression import compressed
from lakehouse_cli.formats.csv.codec import encode
from lakehouse_cli.formats.csv.nested import json_objects, json_text
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.stored_types import storable

_ROWS = 1 << 14
_VALUES = 1 << 20
# Lines beyond this are joined with 64-bit offsets.
_OFFSETS_END = 1 << 30
_BETWEEN = b",\n"


def write_jsonl(
    pieces: Iterable[pa.Table], sink: Sink, compression: str | None, cells_of: Callable[[str], CsvOptions]
) -> None:
    """Write a table batch by batch; see `Format.write_pieces`.

    Args:
        pieces: Of one schema, at least one.
        sink: Written to.
        compression: ``gzip``, ``bz2``, ``zstd`` or ``none``, which is as None.
        cells_of: How the values of a column are spelled, by its name; of `cell_options`.
    """
    with compressed(sink, compression) as target:
        for text in _texts(pieces, "JSON Lines", cells_of):
            target.write(text)


def write_json(
    pieces: Iterable[pa.Table], sink: Sink, compression: str | None, cells_of: Callable[[str], CsvOptions]
) -> None:
    """Write a table as one JSON array, an element a line; else as `write_jsonl`."""
    with compressed(sink, compression) as target:
        target.write(b"[")
        between = b"\n"
        for text in _texts(pieces, "JSON", cells_of, _BETWEEN.decode()):
            target.write(between)
            target.write(text[: -len(_BETWEEN)])
            between = _BETWEEN
        target.write(b"\n]\n" if between is _BETWEEN else b"]\n")


def _texts(
    pieces: Iterable[pa.Table], what: str, cells_of: Callable[[str], CsvOptions], end: str = "\n"
) -> Iterator[memoryview]:
    for piece in pieces:
        table = storable(piece, what)
        cells = [cells_of(name) for name in table.column_names]
        rows = max(1, min(_ROWS, _VALUES // table.num_columns))
        for start in range(0, table.num_rows, rows):
            for batch in table.slice(start, rows).combine_chunks().to_batches():
                yield _lines(batch, cells, end)


def _lines(batch: pa.RecordBatch, cells: Sequence[CsvOptions], end: str) -> memoryview:
    """Make the lines of a batch, in UTF-8, each with its end."""
    texts = []
    for field, values, spelled in zip(batch.schema, batch.columns, cells, strict=True):
        try:
            texts.append(json_text(values, partial(_leaves, cells=spelled), spelled))
        except StorageError as error:
            error.message = f"column `{field.name}`: {error.message}"
            raise
    if sum(text.nbytes for text in texts) + batch.num_rows * sum(map(len, batch.schema.names)) > _OFFSETS_END:
        texts = [text.cast(pa.large_string()) for text in texts]
    lines = json_objects(batch.schema.names, texts, end)
    size = pc.sum(pc.binary_length(lines)).as_py() or 0
    return memoryview(lines.buffers()[2])[:size]


def _leaves(values: pa.Array, cells: CsvOptions) -> pa.Array:
    text = encode(values, cells)
    # With the T of RFC 3339, which is what other readers of JSON look for.
    return pc.replace_substring(text, " ", "T") if pa.types.is_timestamp(values.type) else text
