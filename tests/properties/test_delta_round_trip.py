"""In Delta tables: each type that is not refused comes back as it was, and the same data have the same hash."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import ColumnType, ColumnTypeError, Contract, StorageSpec, Table, parse_column_type
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.delta.partitioned import DeltaStorage
from lakehouse_cli.storage_types.delta import DELTA
from lakehouse_cli.testing.storage import ORIGIN
from tests.properties.drawn_tables import CHANCES, LAW, Chance, plain, tables

REFUSED = [
    "map<string, timestamp[us]>",
    "uint64",
    "timestamp[ns]",
    "timestamp[ns, tz=UTC]",
    "time32[s]",
    "time64[us]",
    "duration[ms]",
    "list<uint64>",
    "dictionary<time64[ns]>",
    "struct<a: int64, b: list<timestamp[ns]>>",
    "struct<a: int64, A: int64>",
]


def refused(kind: ColumnType) -> str | None:
    assert DELTA.refusal is not None
    return DELTA.refusal(kind)


def is_named_in_full(kind: ColumnType) -> bool:
    """Whether the name of a type says all of it; a struct's fields may have names that no declaration can."""
    try:
        return parse_column_type(str(kind)) == kind
    except ColumnTypeError:
        return False


def is_coarse(kind: ColumnType) -> bool:
    return (kind.id == "timestamp" and kind.unit in ("s", "ms")) or any(is_coarse(child) for _, child in kind.fields)


def published(storage: DeltaStorage, declared: Table, data: pa.Table) -> Manifest | None:
    """None where a value was refused."""
    try:
        return storage.publish(declared, data, ORIGIN)
    except StorageError as error:
        if "cannot hold a value that is" not in error.message:
            raise
        return None


@LAW
@given(CHANCES)
def test_every_type_comes_back_as_it_was(chance: Chance) -> None:
    table, columns = tables(chance)
    kept = [column for column in columns if refused(column.type) is None and "\0" not in column.name]
    names = [column.name.lower() for column in kept]
    kept = [column for column in kept if names.count(column.name.lower()) == 1]
    if not kept:
        return
    data = table.select([column.name for column in kept])
    declared = Table("t", path="t", contract=Contract(tuple(kept)))
    with tempfile.TemporaryDirectory() as folder:
        storage = DeltaStorage(StorageSpec("d", folder, folder, "", type="delta"))
        manifest = published(storage, declared, data)
        if manifest is None:
            # Delta counts microseconds: 300 thousand years, where coarser types have more.
            assert any(is_coarse(column.type) for column in kept)
            assert not list(Path(folder, "t").glob("*.parquet"))
            return
        reads = [storage.scan(declared, declared.columns).table()]
        if all(is_named_in_full(column.type) for column in kept):
            reads.append(storage.read_version(declared, 0))
        for read in reads:
            read.validate(full=True)
            assert read.schema == data.schema
            assert read.num_rows == data.num_rows
            for column in kept:
                none = pa.nulls(0, to_arrow(column.type))
                before, after = (pa.concat_arrays([none, *t.column(column.name).chunks]) for t in (data, read))
                assert plain(after, column.type) == plain(before, column.type)
        whole = pa.concat_tables([data.slice(0, 1), data.slice(1)]).combine_chunks()
        assert storage.publish(declared, whole, ORIGIN).content_hash == manifest.content_hash


@pytest.mark.parametrize("text", REFUSED)
def test_what_delta_would_change_is_refused(text: str) -> None:
    assert refused(parse_column_type(text)) is not None


def test_field_names_with_a_nul_are_refused() -> None:
    kind = ColumnType("list", fields=(("item", ColumnType("struct", fields=(("a\0b", ColumnType("int64")),))),))
    assert str(refused(kind)).endswith("has a field with a NUL character in its name")


@pytest.mark.parametrize("text", [each for each in REFUSED if "A: int64" not in each])
def test_what_is_not_declared_is_refused_too(text: str, tmp_path: Path) -> None:
    storage = DeltaStorage(StorageSpec("d", str(tmp_path), "lake", "", type="delta"))
    data = pa.table({"x": pa.nulls(1, to_arrow(parse_column_type(text)))})
    with pytest.raises(StorageError, match="Delta Lake has no"):
        storage.publish(Table("t", path="t"), data, ORIGIN)
    assert storage.stat(Table("t", path="t")) is None
