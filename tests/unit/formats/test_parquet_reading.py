"""Parquet of other programs: INT96 timestamps, checksums of pages, groups without fields."""

from __future__ import annotations

import base64
import io
import itertools
import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats.parquet import reading
from lakehouse_cli.formats.parquet.format import ParquetFormat
from lakehouse_cli.formats.parquet.reading import ParquetReader
from lakehouse_cli.formats.parquet.spec import ParquetOptions
from tests.cases import each_case
from tests.unit.formats.csv_files import columns_of
from tests.unit.formats.test_typed_files import read

FAR, NEAR, FIRST = datetime(9999, 12, 31), datetime(2024, 6, 1, 12), datetime(1, 1, 1)
EPOCH = 2_440_588  # as a Julian day


def int96(table: pa.Table, **how: Any) -> io.BytesIO:
    """A file as Spark writes it by default."""
    sink = io.BytesIO()
    pq.write_table(table, sink, use_deprecated_int96_timestamps=True, store_schema=False, **how)
    return sink


def opened(sink: io.BytesIO) -> Any:
    return lambda: io.BytesIO(sink.getvalue())


def with_days(days: list[int], nanoseconds: list[int]) -> io.BytesIO:
    """A column `t` of INT96 that no Arrow type could be written from."""
    marks = [struct.pack("<qi", at + 1, EPOCH) for at in range(len(days))]
    sink = int96(
        pa.table({"t": pa.array(range(1, len(days) + 1), pa.timestamp("ns"))}),
        compression="none",
        use_dictionary=False,
        write_statistics=False,
    )
    content = sink.getvalue()
    for mark, day, count in zip(marks, days, nanoseconds, strict=True):
        assert content.count(mark) == 1
        content = content.replace(mark, struct.pack("<qi", count, EPOCH + day))
    return io.BytesIO(content)


def with_empty_group() -> io.BytesIO:
    """A column `x` and a group `g` without fields, which Arrow itself does not write."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), sink, store_schema=False)
    content = sink.getvalue()
    length = int.from_bytes(content[-8:-4], "little")
    body, footer = content[: -8 - length], content[-8 - length : -8]
    # Thrift's compact protocol: a list of two elements, whose root has one child.
    root = b"\x35\x00\x18\x06schema\x15"
    assert footer.count(b"\x2c" + root + b"\x02\x00") == 1
    group = b"\x35\x02\x18\x01g\x15\x00\x00"
    footer = footer.replace(b"\x2c" + root + b"\x02\x00", b"\x3c" + root + b"\x04\x00" + group)
    return io.BytesIO(body + footer + len(footer).to_bytes(4, "little") + b"PAR1")


def moments() -> pa.Table:
    """INT96 at every depth, beside a timestamp that is none."""
    values = pa.array([FAR, NEAR, None, FIRST], pa.timestamp("us"))
    offsets = pa.array([0, 2, 2, 3, 4], pa.int32())
    pairs = pa.StructArray.from_arrays([values, pa.array(range(4))], ["t", "n"], mask=pa.array([False] * 3 + [True]))
    return pa.table(
        {
            "id": range(4),
            "t": values,
            "list": pa.ListArray.from_arrays(offsets, values, mask=pa.array([False, True, False, False])),
            "struct": pairs,
            "deep": pa.ListArray.from_arrays(offsets, pairs),
            "a.b": values,
        }
    )


@each_case("zone", ["", ", tz=UTC", ", tz=Europe/Berlin"])
@each_case("unit", ["us", "ms", "s"])
def test_int96_of_any_year(unit: str, zone: str) -> None:
    kind = f"timestamp[{unit}{zone}]"
    declared = columns_of(
        id="int64",
        t=kind,
        list=f"list<{kind}>",
        struct=f"struct<t: {kind}, n: int64>",
        deep=f"list<struct<t: {kind}, n: int64>>",
        **{"a.b": kind},
    )
    found = read("parquet", opened(int96(moments())), declared)
    assert found.schema == pa.schema([(column.name, to_arrow(column.type)) for column in declared])
    # Arrow's cast, too, takes wall-clock times for UTC.
    assert found.equals(moments().cast(found.schema))


def test_undeclared_int96_is_read_in_microseconds() -> None:
    found = read("parquet", opened(int96(moments())), None)
    assert found.to_pylist() == moments().to_pylist()
    assert found.schema.field("t").type == pa.timestamp("us")


def test_nanoseconds_of_int96_are_kept() -> None:
    values = pa.array([1, None, -1, 1_717_243_200_123_456_789], pa.timestamp("ns"))
    data = pa.table(
        {"t": values, "l": [[value] for value in values]}, pa.schema([("t", values.type), ("l", pa.list_(values.type))])
    )
    for declared in (columns_of(t="timestamp[ns]", l="list<timestamp[ns]>"), None):
        assert read("parquet", opened(int96(data)), declared).equals(data)
    with pytest.raises(DataError, match="3 values that are finer than timestamp"):
        read("parquet", opened(int96(data)), columns_of(t="timestamp[us]"))


def test_int96_beyond_the_declared_type_shows_true_dates() -> None:
    with pytest.raises(DataError, match="2 values that are outside the range of timestamp") as caught:
        read("parquet", opened(int96(moments())), columns_of(t="timestamp[ns]"))
    (violation,) = caught.value.violations
    assert [(each.row, each.value[:10]) for each in violation.examples] == [(1, "9999-12-31"), (4, "0001-01-01")]


def test_int96_that_no_type_holds_is_refused() -> None:
    far = (FAR - datetime(1970, 1, 1)).days
    with pytest.raises(StorageError, match=r"column `t` of `data/t\.parquet` holds an INT96 timestamp that is outside"):
        read("parquet", opened(with_days([far, 0], [0, 1])), None)
    with pytest.raises(StorageError, match=r"others have nanoseconds \(row 2: 9999-12-31 00:00:00\.000000\)"):
        read("parquet", opened(with_days([0, far], [1, 0])), columns_of(t="timestamp[us]"))
    with pytest.raises(StorageError, match="is outside of the years 1677 to 2262 and has nanoseconds"):
        read("parquet", opened(with_days([far], [1])), columns_of(t="timestamp[us]"))
    with pytest.raises(StorageError, match="too far from 1970 for timestamp"):
        read("parquet", opened(with_days([2**31 - 1 - EPOCH, 0], [0, 0])), None)
    edge = read("parquet", opened(with_days([far, -719_162], [999_000, 0])), None)
    assert edge["t"].to_pylist() == [FAR.replace(microsecond=999), FIRST]


def test_int96_of_a_large_row_group_is_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_ROWS", 2)

    def pieces(data: pa.Table, **declared: str) -> list[pa.Table]:
        source = opened(int96(data))
        columns = columns_of(**declared) if declared else None
        return list(ParquetFormat().read_pieces(source, "data/t.parquet", columns, ParquetOptions()))

    wanted = "struct<t: timestamp[us, tz=UTC], n: int64>"
    declared = {"id": "int64", "t": "timestamp[us]", "deep": f"list<{wanted}>", "a.b": "timestamp[s]"}
    found = pieces(moments(), **declared)
    assert [piece.num_rows for piece in found] == [2, 2]
    assert pa.concat_tables(found).equals(read("parquet", opened(int96(moments())), columns_of(**declared)))
    fine = pa.array([1_000, 2_000, 3, None, 4_000], pa.timestamp("ns"))
    found = pieces(pa.table({"t": fine}), t="timestamp[ns]")
    assert [piece["t"].to_pylist() for piece in found] == [
        fine[:2].to_pylist(),
        fine[2:4].to_pylist(),
        fine[4:].to_pylist(),
    ]
    with pytest.raises(DataError, match="1 value that is finer than timestamp") as caught:
        pieces(pa.table({"t": fine}), t="timestamp[us]")
    assert [each.row for each in caught.value.violations[0].examples] == [3]
    [whole] = pieces(pa.table({"t": fine}))
    assert whole.equals(pa.table({"t": fine})), "undeclared, it has one unit"
    far = with_days([0, 0, (FAR - datetime(1970, 1, 1)).days, 0], [0, 0, 1, 0])
    with pytest.raises(StorageError, match=r"has nanoseconds \(row 3: 9999-12-31"):
        list(ParquetFormat().read_pieces(opened(far), "t", columns_of(t="timestamp[us]"), ParquetOptions()))


@pytest.mark.parametrize("at_once", [2, 1 << 15])
def test_rows_by_their_numbers(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Those and no others, whatever the row groups; of none, the columns."""
    monkeypatch.setattr(reading, "_ROWS", at_once)
    data = pa.table({"id": range(11), "t": pa.array(range(11), pa.timestamp("ns"))})
    source = opened(int96(data, row_group_size=4))
    columns = columns_of(id="int64", t="timestamp[ns]")
    for start, stop in itertools.combinations_with_replacement(range(12), 2):
        found = pa.concat_tables(
            ParquetFormat().read_some(source, "t", columns, ParquetOptions(), range(start, stop)),
        )
        assert found.equals(data.slice(start, stop - start)), (start, stop)


def test_each_field_of_int96_has_its_own_unit() -> None:
    far, fine = pa.array([FAR, None, FIRST], pa.timestamp("us")), pa.array([1, 2, None], pa.timestamp("ns"))
    kind = pa.struct([("f", far.type), ("n", fine.type)])
    pairs = pa.StructArray.from_arrays([far, fine], fields=list(kind), mask=pa.array([False, True, False]))
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3], pa.int32()), pairs)
    named = "struct<f: timestamp[us], n: timestamp[ns]>"
    data = pa.table({"s": pairs, "l": lists})
    for declared in (columns_of(s=named, l=f"list<{named}>"), None):
        sink = int96(data)
        found = read("parquet", opened(sink), declared)
        assert found.schema.types == [kind, pa.list_(kind)]
        assert found.to_pylist() == data.to_pylist()


def test_int96_in_lists_is_refused_by_row() -> None:
    lists = pa.array([[1, None], None, [], [2]], pa.list_(pa.timestamp("ns")))
    sink = int96(pa.table({"l": lists}), compression="none", use_dictionary=False, write_statistics=False)
    mark = struct.pack("<qi", 2, EPOCH)
    assert sink.getvalue().count(mark) == 1
    content = sink.getvalue().replace(mark, struct.pack("<qi", 0, EPOCH + (FAR - datetime(1970, 1, 1)).days))
    with pytest.raises(StorageError, match=r"row 4: 9999-12-31 00:00:00"):
        read("parquet", opened(io.BytesIO(content)), None)


@pytest.mark.parametrize("unit", ["us", "ms"])
def test_int64_timestamps_beyond_nanoseconds_are_refused(unit: str) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"t": pa.array([FAR, NEAR], pa.timestamp(unit))}), sink)
    with pytest.raises(DataError, match="1 value that is outside the range of timestamp") as caught:
        read("parquet", opened(sink), columns_of(t="timestamp[ns]"))
    assert caught.value.violations[0].examples[0].value.startswith("9999-12-31")


def test_row_groups_are_read_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(int96(moments(), row_group_size=3).getvalue())
    with ParquetReader(str(path), "t.parquet") as reader:
        assert reader.read(["t"], 1)["t"].to_pylist() == [FIRST]
        assert reader.metadata.num_rows == 4


@pytest.mark.parametrize("compression", ["none", "zstd", "snappy"])
def test_pages_are_written_and_checked_with_checksums(compression: str) -> None:
    sink = io.BytesIO()
    data = pa.table({"x": range(1000), "text": [f"text {at}" for at in range(1000)]})
    ParquetFormat().write(data, sink, ParquetOptions(compression=compression))
    for name in ("x", "text"):
        content = bytearray(sink.getvalue())
        chunk = pq.read_metadata(sink).row_group(0).column(data.column_names.index(name))
        start = chunk.dictionary_page_offset or chunk.data_page_offset
        content[start + chunk.total_compressed_size // 2] ^= 0x10
        with pytest.raises(StorageError, match=r"`data/t\.parquet` is not a Parquet file, or is damaged: ") as caught:
            read("parquet", opened(io.BytesIO(content)), None)
        assert "checksum" in caught.value.message
        assert caught.value.hint == "write or fetch it again, or correct `format:`"
    assert read("parquet", opened(sink), None).equals(data)


def test_group_without_fields_is_named() -> None:
    sink = with_empty_group()
    assert read("parquet", opened(sink), columns_of(x="int64")).num_rows == 1
    for declared in (None, columns_of(x="int64", g="struct<a: int64>")):
        with pytest.raises(StorageError, match=r"column `g` of `data/t\.parquet` is a group without fields") as caught:
            read("parquet", opened(sink), declared)
        assert caught.value.hint == "declare the columns to read, without this one"


@pytest.mark.slow
def test_flipped_bits_of_a_footer_lose_no_rows() -> None:
    """The footer has no checksum: what it says of names and types may change, but no value of a column."""
    sink, data = io.BytesIO(), pa.table({"x": pa.array([1, 2, None] * 20)})
    ParquetFormat().write(data, sink, ParquetOptions(row_group_rows=40))
    content = sink.getvalue()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    refused = 0
    for at, bit in itertools.product(range(footer, len(content) - 8), range(8)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << bit
        try:
            found = read("parquet", opened(io.BytesIO(damaged)), None)
        except StorageError:
            refused += 1
            continue
        assert found.schema != data.schema or found.equals(data), (at - footer, bit)
    assert refused > 100


class Keys(encryption.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    """Keys that anybody could read."""

    def wrap_key(self, key: bytes, _: str) -> bytes:
        return base64.b64encode(key)

    def unwrap_key(self, wrapped: bytes, _: str) -> bytes:
        return base64.b64decode(wrapped)


def encrypted(*, plaintext_footer: bool) -> io.BytesIO:
    """Column `a` encrypted, `x` not."""
    settings = encryption.EncryptionConfiguration("key", column_keys={"key": ["a"]}, plaintext_footer=plaintext_footer)
    factory = encryption.CryptoFactory(lambda _: Keys())
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
    data, sink = pa.table({"a": [1, 2], "x": ["y", "z"]}), io.BytesIO()
    with pq.ParquetWriter(sink, data.schema, encryption_properties=properties) as writer:
        writer.write_table(data)
    return sink


def test_encryption_is_named_with_its_column() -> None:
    sink = encrypted(plaintext_footer=True)
    assert read("parquet", opened(sink), columns_of(x="string")).num_rows == 2
    with pytest.raises(StorageError, match=r"column `a` of `data/t\.parquet` is encrypted") as caught:
        read("parquet", opened(sink), columns_of(x="string", a="int64"))
    assert caught.value.hint == "have it written without encryption, or declare the columns to read, without this one"
    with pytest.raises(StorageError, match=r"`data/t\.parquet` is encrypted"):
        read("parquet", opened(encrypted(plaintext_footer=False)), columns_of(x="string"))


@pytest.mark.parametrize("nested", [False, True])
def test_text_that_is_not_utf_8_names_its_column(nested: bool) -> None:
    offsets = pa.array([0, 2, 4], pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ok\xff\xfe")])
    column = pa.ListArray.from_arrays([0, 1, 2], text) if nested else text
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": column, "x": [1, 2]}), sink)
    assert read("parquet", opened(sink), columns_of(x="int64"))["x"].to_pylist() == [1, 2]
    with pytest.raises(StorageError, match=r"column `text` of `data/t\.parquet` holds text that is not UTF-8"):
        read("parquet", opened(sink), None)


def test_damage_names_its_column() -> None:
    sink = io.BytesIO()
    ParquetFormat().write(pa.table({"x": range(1000), "y": range(1000)}), sink, ParquetOptions())
    content = bytearray(sink.getvalue())
    chunk = pq.read_metadata(sink).row_group(0).column(1)
    content[(chunk.dictionary_page_offset or chunk.data_page_offset) + chunk.total_compressed_size // 2] ^= 0x10
    with pytest.raises(StorageError, match=r"is not a Parquet file, or is damaged: column `y`: .*checksum"):
        read("parquet", opened(io.BytesIO(content)), None)
