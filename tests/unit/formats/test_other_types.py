"""Types of other programs' Parquet and Arrow files that have no name here, read as those that have."""

from __future__ import annotations

import io
import uuid
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.errors import DataError
from lakehouse_cli.formats.ipc.format import IpcFormat
from lakehouse_cli.formats.ipc.spec import IpcOptions
from lakehouse_cli.formats.parquet.format import ParquetFormat
from lakehouse_cli.formats.parquet.spec import ParquetOptions
from lakehouse_cli.model import Column
from tests.unit.formats.csv_files import columns_of

KNOWN = uuid.UUID("5dd0ba6a-93ed-47a9-b3cb-9ec2f9a5d8d5")


def read_parquet(data: bytes, declared: list[Column] | None = None) -> pa.Table:
    return ParquetFormat().read(lambda: io.BytesIO(data), "t.parquet", declared, ParquetOptions())


def read_ipc(column: pa.Array, declared: list[Column] | None = None) -> pa.ChunkedArray:
    sink = io.BytesIO()
    table = pa.table({"a": column})
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return IpcFormat().read(lambda: io.BytesIO(sink.getvalue()), "t.arrow", declared, IpcOptions())["a"]


def uuids() -> bytes:
    sink = io.BytesIO()
    values = pa.array([KNOWN.bytes, None, bytes(16), b"\xff" * 16], pa.uuid())
    pq.write_table(pa.table({"u": values}), sink)
    return sink.getvalue()


def test_uuids_are_text() -> None:
    texts = [str(KNOWN), None, str(uuid.UUID(int=0)), "ffffffff-ffff-ffff-ffff-ffffffffffff"]
    for declared in (None, columns_of(u="string"), columns_of(u="dictionary<string>")):
        assert read_parquet(uuids(), declared)["u"].to_pylist() == texts
    assert read_parquet(uuids(), columns_of(u="binary"))["u"].to_pylist()[0] == KNOWN.bytes
    with pytest.raises(DataError, match=r"column `u` of `t\.parquet` is stored as string, declared int64"):
        read_parquet(uuids(), columns_of(u="int64"))


def test_uuids_inside_of_others_are_text(tmp_path: Any) -> None:
    file = tmp_path / "t.parquet"
    query = "[u, null] l, {'a': u, 'n': 1} s, map {u: [u]} m"
    duckdb.connect().sql(f"copy (select u, {query} from (select '{KNOWN}'::uuid u)) to '{file}' (format parquet)")
    table = read_parquet(file.read_bytes())
    text = str(KNOWN)
    assert table.to_pylist() == [{"u": text, "l": [text, None], "s": {"a": text, "n": 1}, "m": [(text, [text])]}]
    assert str(table.schema.field("m").type) == "map<string, list<item: string>>"


def test_uuids_beside_a_slice_do_not_count() -> None:
    column = pa.concat_arrays([pa.array([bytes(16), KNOWN.bytes], pa.uuid()) for _ in range(2)])
    assert read_ipc(column.slice(1, 2)).to_pylist() == [str(KNOWN), str(uuid.UUID(int=0))]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (pa.decimal32(5, 2), "decimal128(5, 2)"),
        (pa.decimal64(10, 2), "decimal128(10, 2)"),
        (pa.decimal256(20, 2), "decimal128(20, 2)"),
        (pa.decimal256(76, 2), "decimal128(38, 2)"),
        (pa.decimal256(76, 50), "decimal128(38, 38)"),
    ],
)
def test_decimals_of_other_widths_are_read(kind: pa.DataType, found: str) -> None:
    value = Decimal("0.25") if kind.scale == 50 else Decimal("1.25")
    column = read_ipc(pa.array([value, None], kind))
    assert str(column.type) == found
    assert column.to_pylist() == [value, None]
    assert (
        read_ipc(
            pa.array([[value], None], pa.list_(kind))
            if kind.scale == 2 and kind.precision < 38
            else column.combine_chunks()
        )
        is not None
    )


def test_wider_decimals_that_do_not_fit_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"column `a` of `t\.arrow` is stored as decimal256\(60, 2\), and holds 1"
    ) as caught:
        read_ipc(pa.array([Decimal(1), Decimal(10) ** 50], pa.decimal256(60, 2)))
    assert caught.value.violations[0].examples[0].row == 2


@pytest.mark.parametrize("kind", [pa.list_view(pa.int64()), pa.large_list_view(pa.int64()), pa.large_list(pa.int64())])
def test_views_of_lists_are_lists(kind: pa.DataType) -> None:
    column = read_ipc(pa.array([[1, None], None, []], kind))
    assert column.type == pa.list_(pa.int64())
    assert column.to_pylist() == [[1, None], None, []]
