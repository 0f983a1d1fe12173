"""Parquet and Arrow IPC: files that carry their types, validated against the declared columns."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.parquet import reading
from lakehouse_cli.formats.parquet.format import ParquetFormat
from lakehouse_cli.formats.parquet.spec import ParquetOptions
from lakehouse_cli.model import Column, parse_column_type
from lakehouse_cli.registry import Entry, load
from tests.cases import each_case
from tests.unit.formats.csv_files import columns_of

FORMATS_OF_TYPES = ["parquet", "ipc"]
Opener = Callable[[], BinaryIO]


def stored(name: str, table: pa.Table) -> Opener:
    """A file as another program would write it."""
    sink = io.BytesIO()
    if name == "parquet":
        pq.write_table(table, sink)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    return lambda: io.BytesIO(sink.getvalue())


def read(name: str, opener: Opener, declared: list[Column] | None) -> pa.Table:
    table: pa.Table = load(Entry(FORMATS[name].implementation))().read(
        opener, f"data/t.{name}", declared, FORMATS[name].checked({})
    )
    return table


@each_case("name", FORMATS_OF_TYPES)
@each_case(
    ("values", "declared"),
    [
        (pa.array([1, 2**31 - 1, None]), "int32"),
        (pa.array([1, 2], pa.int8()), "uint64"),
        (pa.array([1, 2], pa.int32()), "float64"),
        (pa.array([1.5, 2.0]), "float32"),
        (pa.array([3.0, None]), "int64"),
        (pa.array([Decimal("1.50")], pa.decimal128(20, 4)), "decimal128(5, 2)"),
        (pa.array([7]), "decimal128(5, 2)"),
        (pa.array([date(2020, 1, 2)]), "timestamp[us]"),
        (pa.array([datetime(2020, 1, 2)]), "date32"),
        (pa.array([datetime(2020, 1, 2, 3)], pa.timestamp("ns")), "timestamp[s]"),
        (pa.array([0, 1]).cast(pa.timestamp("ms", "UTC")), "timestamp[us, tz=Europe/Zurich]"),
        (pa.array(["a", None, "a"], pa.large_string()), "dictionary<string>"),
        (pa.array(["a", "b", "a"]).dictionary_encode(), "string"),
        (pa.array([b"ab"], pa.binary(2)), "binary"),
        (pa.array([None, None], pa.null()), "date32"),
        (pa.array([None, None], pa.string()), "int64"),
        (pa.array([[1, None], None], pa.list_(pa.int64())), "list<int8>"),
        (
            pa.array([{"b": 1, "a": "x"}], pa.struct([("b", pa.int64()), ("a", pa.string())])),
            "struct<a: string, b: int32>",
        ),
    ],
)
def test_stored_types_that_lose_nothing_are_read(name: str, values: pa.Array, declared: str) -> None:
    back = read(name, stored(name, pa.table({"x": values})), columns_of(x=declared))
    assert [str(parse_column_type(str(field.type))) for field in back.schema] == [declared]
    expected = values.to_pylist()
    if declared.startswith("date32") and expected[0] is not None:
        expected = [date(2020, 1, 2)]
    if declared == "timestamp[us]":
        expected = [datetime(2020, 1, 2)]
    assert back["x"].to_pylist() == expected


@each_case("name", FORMATS_OF_TYPES)
@each_case(
    ("values", "declared", "reported"),
    [
        (pa.array(["1", "2"]), "int64", "is stored as string, declared int64"),
        (pa.array(["2020-01-01"]).dictionary_encode(), "date32", "is stored as dictionary<string>, declared date32"),
        (pa.array([["1"]]), "list<int64>", "is stored as list<string>, declared list<int64>"),
        (pa.array([1, 2]), "string", "is stored as int64, declared string"),
        (pa.array([True]), "int8", "is stored as bool, declared int8"),
        (pa.array([[1]]), "int64", "is stored as list<int64>, declared int64"),
        (
            pa.array([0]).cast(pa.timestamp("us")),
            "timestamp[us, tz=UTC]",
            "timestamp[us], declared timestamp[us, tz=UTC]",
        ),
        (
            pa.array([1, 300, None, -200]),
            "int8",
            "is stored as int64, declared int8, and holds 2 values that are outside",
        ),
        (pa.array([1.5, 2.0]), "int64", "is stored as float64, declared int64, and holds 1 value that is not whole"),
        (pa.array([datetime(2020, 1, 1, 5)]), "date32", "stored as timestamp[us], declared date32, and holds 1 value"),
        (pa.array([Decimal("1.234")]), "decimal128(5, 2)", "is stored as decimal128(4, 3), declared decimal128(5, 2)"),
    ],
)
def test_drifted_schema_is_refused(name: str, values: pa.Array, declared: str, reported: str) -> None:
    with pytest.raises(DataError) as caught:
        read(name, stored(name, pa.table({"x": values, "y": values})), columns_of(x=declared))
    assert caught.value.message.startswith(f"column `x` of `data/t.{name}` is stored as ")
    assert reported in caught.value.message
    (violation,) = caught.value.violations
    assert (violation.column, violation.check) == ("x", "type")
    assert violation.examples
    assert all(example.row for example in violation.examples)


def test_all_drifted_columns_are_reported_with_rows() -> None:
    table = pa.table({"a": [1, 1000], "b": ["x", "y"], "c": [1, 2]})
    with pytest.raises(DataError, match=r"column `a` of .* is stored as int64, declared int8, and .*; 1 more column"):
        read("parquet", stored("parquet", table), columns_of(c="int64", a="int8", b="bool"))
    with pytest.raises(DataError) as caught:
        read("parquet", stored("parquet", table), columns_of(c="int64", a="int8", b="bool"))
    rows = {v.column: [(e.row, e.value) for e in v.examples] for v in caught.value.violations}
    assert rows == {"a": [(2, "1000")], "b": [(1, "'x'"), (2, "'y'")]}


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_misfits_are_the_same_in_any_pieces(name: str) -> None:
    table = pa.table({"a": [1, 1000, 3, 2000, 5, 3000, 7], "b": ["x"] * 7, "c": range(7)})
    declared = columns_of(c="int64", a="int8", b="bool")
    with pytest.raises(DataError) as whole:
        read(name, stored(name, table), declared)
    sink = io.BytesIO()
    if name == "parquet":
        pq.write_table(table, sink, row_group_size=2)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    reader, shown = load(Entry(FORMATS[name].implementation))(), f"data/t.{name}"
    pieces = reader.read_pieces(lambda: io.BytesIO(sink.getvalue()), shown, declared, FORMATS[name].checked({}))
    with pytest.raises(DataError) as caught:
        list(pieces)
    assert (str(caught.value), caught.value.violations) == (str(whole.value), whole.value.violations)
    assert [example.row for example in whole.value.violations[0].examples] == [2, 4, 6]


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_missing_columns_have_close_names(name: str) -> None:
    with pytest.raises(DataError, match=r"`data/t\..*` lacks columns `staton`, `zzz`") as caught:
        read(name, stored(name, pa.table({"station": [1]})), columns_of(staton="int64", zzz="int64"))
    assert caught.value.hint == "its columns are `station`"
    assert [violation.check for violation in caught.value.violations] == ["missing", "missing"]
    assert [violation.message for violation in caught.value.violations] == [
        "column `staton`: the file has no such column; did you mean `station`?",
        "column `zzz`: the file has no such column",
    ]


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_missing_and_drifted_columns_are_reported_at_once(name: str) -> None:
    table = pa.table({"station": ["x"], "n": ["1"], "ok": [1], "big": [300]})
    declared = columns_of(ok="int64", staton="string", n="int64", big="int8")
    with pytest.raises(DataError) as caught:
        read(name, stored(name, table), declared)
    drift = f"column `n` of `data/t.{name}` is stored as string, declared int64; 1 more column differs"
    assert caught.value.message == f"`data/t.{name}` lacks column `staton`, and {drift}"
    found = [(violation.column, violation.check) for violation in caught.value.violations]
    assert found == [("staton", "missing"), ("n", "type"), ("big", "type")]
    assert (caught.value.hint or "").startswith("did you mean `station`?; declare the stored type")


def test_columns_that_are_not_declared_are_not_read() -> None:
    """Their bytes may even be spoilt."""
    table = pa.table({"big": [f"{i:0100}" for i in range(5000)], "x": list(range(5000))})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none", use_dictionary=False)
    data = bytearray(sink.getvalue())
    chunk = pq.ParquetFile(io.BytesIO(data)).metadata.row_group(0).column(0)
    start = chunk.data_page_offset
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    assert read("parquet", lambda: io.BytesIO(bytes(data)), columns_of(x="int64"))["x"].to_pylist() == list(range(5000))
    with pytest.raises(StorageError, match="is not a Parquet file, or is damaged"):
        read("parquet", lambda: io.BytesIO(bytes(data)), columns_of(big="string"))


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_names_with_dots_are_columns_not_paths(name: str) -> None:
    table = pa.table({"a.b": [1], "a": [{"b": 2, "c": 3}], "a.b.c": ["x"]})
    for declared in ({"a.b": "int64"}, {"a": "struct<b: int64, c: int64>"}, {"a.b.c": "string", "a.b": "int64"}):
        back = read(name, stored(name, table), [Column(n, parse_column_type(t)) for n, t in declared.items()])
        assert back.to_pydict() == {n: table[n].to_pylist() for n in declared}


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_undeclared_columns_have_declarable_types(name: str) -> None:
    table = pa.table(
        {"a": pa.array(["x"], pa.large_string()), "n": pa.nulls(1), "d": pa.array(["x"]).dictionary_encode()}
    )
    back = read(name, stored(name, table), None)
    assert [str(kind) for kind in back.schema.types][:2] == ["string", "string"]
    assert pa.types.is_dictionary(back.schema.types[2])
    assert back.to_pydict() == {"a": ["x"], "n": [None], "d": ["x"]}
    maps = pa.table({"m": pa.array([[(1.5, 2)]], pa.map_(pa.float64(), pa.int64())), "x": [1]})
    with pytest.raises(DataError, match=r"column `m` of .* is stored as map<double, int64.*no name"):
        read(name, stored(name, maps), None)
    assert read(name, stored(name, maps), columns_of(x="int64")).to_pydict() == {"x": [1]}


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_duplicate_columns_are_refused_if_read(name: str) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2]), pa.array([3])], names=["x", "x", "y"])
    opener = stored(name, table)
    with pytest.raises(StorageError, match="has 2 columns named `x`"):
        read(name, opener, columns_of(x="int64"))
    assert read(name, opener, columns_of(y="int64")).to_pydict() == {"y": [3]}
    with pytest.raises(StorageError, match="column name `x` is there twice"):
        load(Entry(FORMATS[name].implementation))().write(table, io.BytesIO(), FORMATS[name].checked({}))


@each_case("name", FORMATS_OF_TYPES)
@each_case("spoil", [lambda b: b"", lambda b: b"id,text\n1,a\n", lambda b: b[:-40], lambda b: b[: len(b) // 2]])
def test_bytes_of_something_else_are_refused(name: str, spoil: Callable[[bytes], bytes]) -> None:
    whole = stored(name, pa.table({"x": list(range(1000))}))().read()
    with pytest.raises(StorageError, match=rf"`data/t.{name}` is not an? (Parquet|Arrow IPC) file, or is damaged: ."):
        read(name, lambda: io.BytesIO(spoil(whole)), columns_of(x="int64"))


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
@pytest.mark.parametrize("spoilt", [b"value", b"named"])
def test_invalid_text_bytes_are_refused(name: str, spoilt: bytes) -> None:
    sink = io.BytesIO()
    table = pa.table({"named": ["value"], "x": [1]})
    load(Entry(FORMATS[name].implementation))().write(table, sink, FORMATS[name].checked({"compression": "none"}))
    assert spoilt in sink.getvalue()
    data = sink.getvalue().replace(spoilt, b"\xff" * 5)
    # In Parquet the statistics in the footer have the bytes too.
    reported = (
        "column `named` of .* holds text that is not UTF-8"
        if (name, spoilt) == ("ipc", b"value")
        else "or is damaged: "
    )
    with pytest.raises(StorageError, match=reported):
        read(name, lambda: io.BytesIO(data), None)


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_an_error_of_the_operating_system_stays_what_it_is(name: str) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as caught:
        read(name, lambda: Broken(b"x" * 1000), columns_of(x="int64"))
    assert caught.value.errno == 5


def test_extension_types_are_read_as_what_they_hold() -> None:
    table = pa.table({"id": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"x" * 16], pa.binary(16)))})
    assert read("ipc", stored("ipc", table), columns_of(id="binary")).to_pydict() == {"id": [b"x" * 16]}


def test_seconds_outside_parquet_are_refused_with_row() -> None:
    table = pa.table({"t": pa.array([0, 2**60]).cast(pa.timestamp("s"))})
    with pytest.raises(
        StorageError, match=r"column `t`, row 2: a Parquet file cannot hold a value that is outside the"
    ):
        ParquetFormat().write(table, io.BytesIO(), ParquetOptions(row_group_rows=1))


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "brotli", "lz4", "none"])
def test_parquet_options_are_heeded(codec: str) -> None:
    sink = io.BytesIO()
    options = {"compression": codec, "row_group_rows": 300}
    if codec in ("zstd", "gzip", "brotli"):
        options["compression_level"] = 2
    ParquetFormat().write(pa.table({"x": list(range(1000))}), sink, ParquetOptions.from_mapping(options))
    metadata = pq.ParquetFile(sink).metadata
    assert [metadata.row_group(at).num_rows for at in range(metadata.num_row_groups)] == [300, 300, 300, 100]
    assert metadata.row_group(0).column(0).compression == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())


def test_zstd_is_the_default_of_parquet() -> None:
    sink = io.BytesIO()
    ParquetFormat().write(pa.table({"x": [1]}), sink, ParquetOptions())
    assert pq.ParquetFile(sink).metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        ({"compression": "snappy", "compression_level": 3}, "means nothing to snappy"),
        ({"compression_level": 23}, "is 23, zstd has 1 to 22"),
        ({"compression": "gzip", "compression_level": 10}, "is 10, gzip has 1 to 9"),
    ],
)
def test_parquet_options_that_cannot_stand_together(options: dict[str, Any], reported: str) -> None:
    with pytest.raises(StorageError, match=reported):
        ParquetOptions.from_mapping(options)


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
def test_other_programs_read_the_files(name: str) -> None:
    import pandas as pd
    import polars as pl

    sink = io.BytesIO()
    table = pa.table({"x": [1, None], "s": ["a", ""], "t": pa.array([1, 2]).cast(pa.timestamp("ms", "UTC"))})
    load(Entry(FORMATS[name].implementation))().write(table, sink, FORMATS[name].checked({}))
    readers = [pd.read_parquet, pl.read_parquet] if name == "parquet" else [pd.read_feather, pl.read_ipc]
    for reader in readers:
        sink.seek(0)
        assert reader(sink)["s"].to_list() == ["a", ""]  # type: ignore[operator]


@pytest.mark.parametrize("declared", [columns_of(v="decimal128(38, 1)"), columns_of(v="string"), None])
def test_hint_for_type_without_name_names_no_such_type(declared: list[Column] | None) -> None:
    sink = io.BytesIO()
    values = pa.array([Decimal("9" * 49 + ".5")], pa.decimal256(50, 1))
    pq.write_table(pa.table({"v": values, "k": [1]}), sink)
    with pytest.raises(DataError) as caught:
        read("parquet", lambda: io.BytesIO(sink.getvalue()), declared)
    assert ("declared" in caught.value.message) == (declared is not None)
    assert caught.value.hint == (
        "have the file written in a type that can be declared, such as string, or declare the others alone"
    )
    assert read("parquet", lambda: io.BytesIO(sink.getvalue()), columns_of(k="int64")).to_pylist() == [{"k": 1}]


def test_ipc_type_unknown_to_arrow_is_refused() -> None:
    sink = io.BytesIO()
    pl.DataFrame({"id": [1], "v": [5]}, schema={"id": pl.Int64, "v": pl.Int128}).write_ipc(sink)
    with pytest.raises(
        StorageError, match="holds a column of a type that pyarrow cannot read: Integers with more"
    ) as caught:
        read("ipc", lambda: io.BytesIO(sink.getvalue()), columns_of(id="int64"))
    assert "pyarrow reads no column of the file, whichever are declared" in str(caught.value.hint)


def test_ipc_without_columns_is_read() -> None:
    sink = io.BytesIO()
    pa.ipc.new_file(sink, pa.schema([])).close()
    assert read("ipc", lambda: io.BytesIO(sink.getvalue()), None).num_columns == 0


@pytest.mark.parametrize("name", FORMATS_OF_TYPES)
@pytest.mark.parametrize("declared", [None, "k: int8, a: int64", "k: int64, a: int8", "k: int8, a: int8, b: string"])
def test_pieces_are_what_the_whole_is(monkeypatch: pytest.MonkeyPatch, name: str, declared: str | None) -> None:
    monkeypatch.setattr(reading, "_ROWS", 7)
    odd = {40: 300.0, 41: 300.0, 88: 300.0, 50: 50.0 if declared == "k: int8, a: int64" else 1.5}
    values = {"k": range(90), "a": [odd.get(row, float(row % 100)) for row in range(90)]}
    table = pa.table({**values, "s": [{"x": str(row), "y": [row] * (row % 3)} for row in range(90)]})
    sink = io.BytesIO()
    if name == "parquet":
        pq.write_table(table, sink, row_group_size=30)
    else:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
    columns = None if declared is None else columns_of(**dict(each.split(": ") for each in declared.split(", ")))
    form, options = load(Entry(FORMATS[name].implementation))(), FORMATS[name].checked({})
    pieces = form.read_pieces(lambda: io.BytesIO(sink.getvalue()), f"data/t.{name}", columns, options)
    if declared in (None, "k: int8, a: int64"):
        given = list(pieces)
        assert len(given) > 9
        assert pa.concat_tables(given).equals(read(name, lambda: io.BytesIO(sink.getvalue()), columns))
        return
    with pytest.raises(DataError) as whole:
        read(name, lambda: io.BytesIO(sink.getvalue()), columns)
    with pytest.raises(DataError) as caught:
        list(pieces)
    assert caught.value.message == whole.value.message
    assert caught.value.violations == whole.value.violations
    assert caught.value.hint == whole.value.hint
