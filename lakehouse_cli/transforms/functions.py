"""Python functions as they are run: each as what it computes has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from lakehouse_cli.formats.objects.paths import PathSerializer
from lakehouse_cli.model import FunctionRef, Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.transforms.call import apply
from lakehouse_cli.transforms.loading import load_transform
from lakehouse_cli.transforms.objects import Argument, serializer_named
from lakehouse_cli.transforms.paths import call_for_path


def call_function(
    ref: FunctionRef,
    folder: Path,
    table: Table,
    inputs: Sequence[tuple[Input, Argument]],
    *,
    uses_duckdb: bool,
    workers: int = 1,
) -> pa.Table | Iterator[pa.Table]:
    """Import the function that computes a table, and call it; see `apply` and `call_for_path`."""
    transform = load_transform(ref, folder, of_table=table.returns_table)
    serializer = serializer_named(table.serializer) if table.serializer else None
    if isinstance(serializer, PathSerializer):
        return call_for_path(transform, serializer, table, inputs, uses_duckdb=uses_duckdb, workers=workers)
    return apply(
        transform,
        inputs,
        table.params,
        table.columns,
        serializer=table.serializer,
        uses_duckdb=uses_duckdb,
        workers=workers,
    )
