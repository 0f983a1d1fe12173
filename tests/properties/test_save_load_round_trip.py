"""Whatever a storage with `save` and `load` alone makes of values: they are read as they were, or never published."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import event, given, settings
from msgspec.structs import replace

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import Contract
from lakehouse_cli.testing.storage import ORIGIN, storage_of, table
from tests.properties.drawn_tables import CHANCES, LAW, Chance, plain, tables

Kept = dict[tuple[str, ...], Any]


class OfPandas:
    """Keeps what a function makes of frames, in memory."""

    def __init__(self, spec: Any) -> None:
        self.kept: Kept = {}

    def save(self, obj: pd.DataFrame, path: tuple[str, ...], _: None) -> None:
        self.kept[path] = vars(self)["write"](obj)

    def load(self, _type: type, path: tuple[str, ...], _: None) -> Any:
        return vars(self)["read"](self.kept[path])


class OfPolars(OfPandas):
    """The same for frames of polars."""

    def save(self, obj: pl.DataFrame, path: tuple[str, ...], _: None) -> None:  # type: ignore[override]
        self.kept[path] = vars(self)["write"](obj)


class OfArrow(OfPandas):
    """The same for tables of Arrow."""

    def save(self, obj: pa.Table, path: tuple[str, ...], _: None) -> None:  # type: ignore[override]
        self.kept[path] = vars(self)["write"](obj)


WAYS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "pandas csv": (OfPandas, lambda f: f.to_csv(index=False), lambda text: pd.read_csv(io.StringIO(text))),
    "pandas as it is": (OfPandas, lambda f: f, lambda f: f),
    "polars csv": (OfPolars, lambda f: f.write_csv(), lambda text: pl.read_csv(io.StringIO(text))),
    "polars lines": (OfPolars, lambda f: f.write_ndjson(), lambda text: pl.read_ndjson(io.StringIO(text))),
    "polars as it is": (OfPolars, lambda f: f, lambda f: f),
    "arrow lists": (OfArrow, lambda t: (t.to_pylist(), t.schema.names), lambda kept: pa.Table.from_pylist(kept[0])),
}


@pytest.mark.parametrize("way", WAYS)
@settings(LAW, max_examples=25)
@given(chance=CHANCES)
def test_values_are_read_as_they_were_or_refused(way: str, chance: Chance) -> None:
    data, columns = tables(chance)
    kind, write, read = WAYS[way]
    declared = replace(table(), contract=Contract(tuple(columns)))
    with tempfile.TemporaryDirectory() as folder:
        storage: Any = storage_of(kind, "", Path(folder))
        vars(storage._kept).update(write=write, read=read)
        try:
            manifest = storage.publish(declared, data, ORIGIN)
        except (LakehouseError, ValueError, TypeError, OverflowError, AttributeError, NotImplementedError) as error:
            event(f"refused: {type(error).__name__}")
            return
        except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            event(f"refused: {type(error).__name__}")
            return
        event("kept")
        back, record = storage.scan(declared, columns).table_with_content(())
        assert record.content_hash == manifest.content_hash == storage.content(declared, ()).content_hash
        assert back.schema == data.schema
        for column in columns:
            none = pa.nulls(0, to_arrow(column.type))
            before, after = (pa.concat_arrays([none, *t[column.name].chunks]) for t in (data, back))
            assert plain(after, column.type) == plain(before, column.type)
