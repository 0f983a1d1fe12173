"""All rows of a CSV file as text, judged block by block in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pyarrow as pa
from msgspec import Struct, field
from pyarrow import csv

from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.source import CsvSource
from lakehouse_cli.formats.pieces import in_order
from lakehouse_cli.inference.evidence import BlockEvidence, ColumnEvidence
from lakehouse_cli.inference.keys import KeyEvidence

_THREADS = os.cpu_count() or 1
_SHOWN = 60
#: Is called with the bytes that were read since it was called last.
Progress = Callable[[int], None]


class RaggedRow(Struct, frozen=True):
    """A row of another length: how many values it has, and its text."""

    values: int
    text: str


class CsvReading(Struct):
    """What all rows of a file say.

    Attributes:
        header: As it stands in the file; without one the values of the first row.
        columns: By position.
        rows: All there are, without the header, and without those of another length.
        short: Rows that end early; the first ones, and how many.
        long: The same, of rows with more values than the header.
        key: Whether a column is unique.
    """

    header: tuple[str, ...]
    columns: list[ColumnEvidence]
    key: KeyEvidence
    rows: int = 0
    short: list[RaggedRow] = field(default_factory=list)
    long: list[RaggedRow] = field(default_factory=list)
    ragged: int = 0


def read_all(
    open_source: Opener,
    name: str,
    options: Mapping[str, Any],
    progress: Progress,
    only: Mapping[int, Sequence[str]] | None = None,
) -> CsvReading | None:
    """Judge every value of a file.

    Args:
        open_source: Opens its bytes.
        name: The file as messages show it.
        options: Its dialect.
        progress: Is told of each block.
        only: Columns by position to be judged once more, each with the values that its candidates are chosen by;
            None for all.

    Returns:
        What they say; None for a file without any record.

    Raises:
        StorageError: It cannot be divided into records by these options.
    """
    made = CsvOptions.from_mapping(dict(options))
    with CsvSource(open_source, name, made) as source:
        width = len(source.header or ()) or source.width
        if width is None:
            return None
        columns = [ColumnEvidence() for _ in range(width)]
        for at, seeds in (only or {}).items():
            columns[at].choose_by(seeds)
        reading = CsvReading(source.header or (), columns, KeyEvidence(0 if only is None else None))
        wanted = range(width) if only is None else sorted(only)
        with reading.key, ThreadPoolExecutor(_THREADS, thread_name_prefix="infer") as pool:
            for rows, blocks, ragged, key in _judged(source, made, columns, wanted, pool, progress, reading.key):
                for at, block in zip(wanted, blocks, strict=True):
                    if block is not None:
                        columns[at].add(block, rows)
                reading.key.add(key)
                for row in ragged:
                    kept = reading.short if row.values < width else reading.long
                    if len(kept) < _SHOWN:
                        kept.append(row)
                reading.ragged += len(ragged)
                reading.rows += rows
            reading.key.finish()
    return reading


_Judged = tuple[int, list[BlockEvidence | None], list[RaggedRow], pa.Array | None]


def _judged(
    source: CsvSource,
    options: CsvOptions,
    columns: Sequence[ColumnEvidence],
    wanted: Sequence[int],
    pool: ThreadPoolExecutor,
    progress: Progress,
    key: KeyEvidence,
) -> Iterator[_Judged]:
    """The evidence of each block in order; the candidates of columns are chosen by the first one alone."""

    def judge(block: bytes) -> _Judged:
        ragged: list[RaggedRow] = []
        table = _parsed(
            block, source, options, [at for at in wanted if columns[at].is_open or at == key.column], ragged
        )
        texts = dict(zip(table.column_names, table.columns, strict=True))
        blocks = [columns[at].judge(texts[str(at)].combine_chunks()) if str(at) in texts else None for at in wanted]
        return table.num_rows, blocks, ragged, key.values_of(table, columns)

    def read() -> Iterator[bytes]:
        while block := source.read():
            progress(len(block))
            yield block

    blocks = read()
    yield from map(judge, islice(blocks, 1))  # what it refutes, no other block has to
    yield from in_order((pool.submit(judge, block) for block in blocks), _THREADS)


def _parsed(
    block: bytes, source: CsvSource, options: CsvOptions, included: Sequence[int], ragged: list[RaggedRow]
) -> pa.Table:
    """The columns of a block that are still open, at least one; `ragged` takes its rows of another length."""
    width = source.width or 1

    def skip(row: Any) -> str:
        ragged.append(RaggedRow(row.actual_columns, row.text or ""))
        return "skip"

    names = [str(at) for at in included if at < width] or ["0"]
    return csv.read_csv(
        pa.BufferReader(block),
        csv.ReadOptions(use_threads=False, block_size=len(block) + 1, column_names=[str(at) for at in range(width)]),
        csv.ParseOptions(
            delimiter=options.arrow_delimiter,
            quote_char=options.arrow_quote,
            newlines_in_values=False,
            ignore_empty_lines=width != 1,
            invalid_row_handler=skip,
        ),
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=names,
            null_values=list(options.null_spellings),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,  # nothing in quotes is null of all types but text,
        ),
    )
