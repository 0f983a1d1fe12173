"""How each type is spelled in a file, and what is refused before a byte is misread."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import errno
import gzip
import io
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from lakehouse_cli.formats.csv.write import write_csv
from lakehouse_cli.model import Column, parse_column_type
from tests.cases import each_case
from tests.unit.formats.csv_files import write


def cells(values: pa.Array, **options: Any) -> list[str]:
    data = write(pa.table({"a": values, "b": pa.array(["."] * len(values))}), **options).decode()
    delimiter = options.get("delimiter", ",")
    return [row[0] for row in csv.reader(io.StringIO(data, newline=""), delimiter=delimiter)][1:]


@each_case(
    ("values", "texts"),
    [
        (pa.array([-128, 127, None], pa.int8()), ["-128", "127", ""]),
        (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
        (pa.array([0.1, 52.0, -0.0, 1e300, 5e-324], pa.float64()), ["0.1", "52.0", "-0.0", "1e+300", "5e-324"]),
        (pa.array([float("nan"), float("inf"), -float("inf"), None]), ["nan", "inf", "-inf", ""]),
        (pa.array([0.1, 16777216.0], pa.float32()), ["0.1", "16777216.0"]),
        (pa.array([True, False, None]), ["true", "false", ""]),
        (pa.array([Decimal("1E-10"), Decimal("0E-10")], pa.decimal128(12, 10)), ["0.0000000001", "0.0000000000"]),
        (pa.array([dt.date(2020, 2, 29), dt.date(1, 1, 1)]), ["2020-02-29", "0001-01-01"]),
        (pa.array([2932897, -719529], pa.int32()).cast(pa.date32()), ["+10000-01-01", "-0001-12-31"]),
        (pa.array([0], pa.timestamp("s")), ["1970-01-01 00:00:00"]),
        (pa.array([-1], pa.timestamp("ns")), ["1969-12-31 23:59:59.999999999"]),
        (pa.array([0], pa.timestamp("ms", "America/New_York")), ["1970-01-01 00:00:00.000Z"]),
        (pa.array([86399], pa.time32("s")), ["23:59:59"]),
        (pa.array([1], pa.time64("us")), ["00:00:00.000001"]),
        (pa.array([-1500, 90_000], pa.duration("ms")), ["-1.500", "90.000"]),
        (pa.array([90], pa.duration("s")), ["90"]),
        (pa.array([b"", b"\xff\x00"]), ["", "/wA="]),
        (pa.array(["a", None, "a"]).dictionary_encode(), ["a", "", "a"]),
        (pa.array([[1, None], [], None]), ["[1,null]", "[]", ""]),
        (pa.array([[0.5, float("nan")]]), ['[0.5,"nan"]']),
        (pa.array([{"a": 1, "b": "x"}, None]), ['{"a":1,"b":"x"}', ""]),
        (pa.array([[dt.date(2020, 1, 1)]]), ['["2020-01-01"]']),
        (pa.array([[Decimal("1.20")]]), ['["1.20"]']),
        (pa.array(["x"], pa.large_string()), ["x"]),
        (pa.nulls(1), [""]),
    ],
)
def test_spelling(values: pa.Array, texts: list[str]) -> None:
    assert cells(values) == texts


def test_quotes_only_where_a_reader_would_be_misled() -> None:
    table = pa.table({"a": ["x", "", "a,b", 'q"q', "a\nb", "a\rb", None, " x ", "'"], "n": [1] * 9})
    lines = b'a,n\nx,1\n"",1\n"a,b",1\n"q""q",1\n"a\nb",1\n"a\rb",1\n,1\n x ,1\n\',1\n'
    assert write(table) == lines


def test_text_that_spells_null_is_quoted() -> None:
    table = pa.table({"a": ["M", None, ""], "n": pa.array([-999.0, None, 1.0])})
    assert write(table, null_values=["M", "-999.0"]) == b'a,n\n"M","-999.0"\nM,M\n"",1.0\n'


def test_dialect_options() -> None:
    table = pa.table({"a": pa.array([1.5, None]), "b": ["x;y", "it's"]})
    options = {"delimiter": ";", "quote_char": "'", "decimal": ",", "line_terminator": "\r\n", "header": False}
    assert write(table, **options) == b"1,5;'x;y'\r\n;'it''s'\r\n"
    assert write(table.select(["a"]), true_values=["yes"], skip_rows=2) == b"\n\na\n1.5\n\n"


def test_a_number_that_holds_the_delimiter_is_quoted() -> None:
    assert write(pa.table({"a": [-1.5], "b": [2]}), delimiter="-") == b'a-b\n"-1.5"-2\n'


def test_zero_rows_and_no_header() -> None:
    empty = pa.table({"a": pa.array([], pa.int64())})
    assert write(empty) == b"a\n"
    assert write(empty, header=False) == b""


def test_encodings() -> None:
    table = pa.table({"é": ["ü"]})
    assert write(table, encoding="latin-1") == b"\xe9\n\xfc\n"
    assert write(table, encoding="utf-8-sig") == "\ufeffé\nü\n".encode()
    assert write(table, encoding="utf-16").decode("utf-16") == "é\nü\n"


def test_character_outside_the_encoding_is_refused() -> None:
    with pytest.raises(StorageError, match=r"`€` \(U\+20AC\) cannot be written in iso8859-1"):
        write(pa.table({"a": ["€"]}), encoding="latin-1")


@pytest.mark.parametrize("codec", ["gzip", "bz2", "zstd"])
def test_compression_is_deterministic(codec: str) -> None:
    table = pa.table({"a": list(range(1000))})
    sink = io.BytesIO()
    write_csv(table, sink, CsvOptions(compression=codec))
    assert not sink.closed
    assert sink.getvalue() == write(table, compression=codec)
    back = read_csv(lambda: io.BytesIO(sink.getvalue()), "x", None, CsvOptions(compression=codec))
    assert back.equals(table)
    if codec == "gzip":
        assert gzip.decompress(sink.getvalue()).startswith(b"a\n0\n1\n")


class _FullDisk(io.BytesIO):
    def write(self, _: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("codec", ["none", "gzip", "bz2", "zstd"])
def test_full_disk_is_reported(codec: str) -> None:
    table = pa.table({"a": [str(n * 7919 % 100_003) for n in range(200_000)]})
    with pytest.raises(OSError, match="No space left") as caught:
        write_csv(table, _FullDisk(), CsvOptions(compression=codec))
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("names", "message"),
    [(["a", "b", "a"], "column name `a` is there twice"), (["a", "", "b"], "column 2 of 3 has an empty name")],
)
def test_unclear_names_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(StorageError) as caught:
        write(pa.Table.from_arrays([pa.array([1])] * 3, names=names))
    assert caught.value.message == message


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(StorageError, match="a table without columns"):
        write(pa.table({}))


@each_case(
    ("values", "options", "message"),
    [
        (pa.array([None, 1]), {"null_values": []}, "column `a` holds null, and `null_values` is empty"),
        (pa.array([-1], pa.int64()).cast(pa.time64("ns")), {}, "column `a`: -1 ns is not within a day"),
        (pa.array([86400], pa.int32()).cast(pa.time32("s")), {}, "column `a`: 86400 s is not within a day"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), {}, "which a CSV file cannot hold"),
        (pa.array([61], pa.timestamp("s")), {"timestamp_format": "%Y-%m-%d %H:%M"}, "column `a`: 1970-01-01 00:01:01"),
        (pa.array([dt.date(1950, 1, 1)]), {"date_format": "%d/%m/%y"}, "column `a`: 1950-01-01 would not be read back"),
        (
            pa.array([1603585800], pa.timestamp("s", "Europe/Berlin")),
            {"timestamp_format": "%Y-%m-%d %H:%M"},
            "would not be read back as it is from '2020-10-25 02:30'",
        ),
        (
            pa.array([1603589400], pa.timestamp("s", "Europe/Berlin")),
            {"timestamp_format": "%Y-%m-%d %H:%M", "ambiguous": "first"},
            "would not be read back as it is from '2020-10-25 02:30'",
        ),
        (
            pa.array([dt.date(2024, 4, 3)]),
            {"date_format": ["%d/%m/%Y", "%m/%d/%Y"]},
            "it is 2024-04-03 by `%d/%m/%Y` and 2024-03-04 by `%m/%d/%Y`",
        ),
        (
            pa.array([2**63 - 1], pa.int64()).cast(pa.timestamp("ns", "Asia/Tokyo")),
            {"timestamp_format": "%Y-%m-%d %H:%M:%S.%f"},
            "would not be read back as it is",
        ),
    ],
)
def test_what_the_file_cannot_hold_is_refused(values: pa.Array, options: dict[str, Any], message: str) -> None:
    with pytest.raises(StorageError) as caught:
        write(pa.table({"a": values}), **options)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("kind", "option", "text"),
    [
        ("date32", "%d/%m/%Y", "05/07/2020"),
        ("date32", "%A, %d %B %Y", "Sunday, 05 July 2020"),
        ("timestamp[us]", "%d.%m.%y %H:%M:%S.%f", "05.07.20 23:04:05.678900"),
        ("timestamp[ns]", "%Y-%m-%dT%H:%M:%S.%f", "2020-07-05T23:04:05.678900000"),
        ("timestamp[us]", "%b %d %Y %I:%M:%S.%f %p", "Jul 05 2020 11:04:05.678900 PM"),
        ("timestamp[us, tz=Asia/Tokyo]", "%Y-%m-%dT%H:%M:%S.%f%z", "2020-07-05T23:04:05.678900+0000"),
        ("timestamp[us, tz=Asia/Tokyo]", "%Y-%m-%d %H:%M:%S.%f", "2020-07-06 08:04:05.678900"),
    ],
)
def test_formats_are_written_and_read_back(kind: str, option: str, text: str) -> None:
    column = Column("a", parse_column_type(kind))
    options = {"date_format": option} if kind == "date32" else {"timestamp_format": option}
    moment = pa.array([dt.datetime(2020, 7, 5, 23, 4, 5, 678_900), None], pa.timestamp("us"))
    zoned = "tz" in kind
    values = moment.cast(pa.timestamp("us", "Asia/Tokyo")) if zoned else moment
    values = (
        values.cast(pa.date32()) if kind == "date32" else values.cast(pa.timestamp("ns")) if "ns" in kind else values
    )
    table = pa.table({"a": values, "b": ["x", "y"]})
    data = write(table, **options)
    assert next(csv.DictReader(io.StringIO(data.decode())))["a"] == text
    back = read_csv(lambda: io.BytesIO(data), "x.csv", [column], CsvOptions.from_mapping(options))
    assert back["a"].combine_chunks().equals(values)


TRICKY = ["x", "", "a,b", 'say "hi"', "two\nlines", "cr\rhere", "\u2028", "😀", "007", " x "]


def test_pythons_csv_module_reads_what_is_written() -> None:
    data = write(pa.table({"t": TRICKY, "n": range(10)})).decode()
    rows = list(csv.reader(io.StringIO(data, newline="")))
    assert rows == [["t", "n"], *([text, str(n)] for n, text in enumerate(TRICKY))]


def test_pandas_reads_what_is_written() -> None:
    table = pa.table(
        {
            "t": TRICKY,
            "i": pa.array([2**63 - 1, *range(9)]),
            "f": pa.array([0.1, -0.0, float("inf"), 1e-300, 1e10, 1e15, 123456.75, 5e-324, 1.0, 2.5]),
            "b": [True, False] * 5,
            "d": pa.array([dt.datetime(2020, 1, 1, 2, 3, 4, 5)] * 10, pa.timestamp("us")),
            "z": pa.array([dt.datetime(2020, 1, 1, 2, 3, 4, 5)] * 10, pa.timestamp("us", "UTC")),
        }
    )
    read = pd.read_csv(io.BytesIO(write(table)), parse_dates=["d", "z"], keep_default_na=False)
    expected = table.to_pandas()
    for name in table.column_names:
        assert read[name].tolist() == expected[name].tolist(), name


def test_nested_cells_are_json_and_binary_is_base64() -> None:
    nested = {"a": 2**63 - 1, "b": ['q"\\\n\u2028\x07'], "c": b"\x00\xff", "d": None}
    (cell,) = cells(pa.array([nested]))
    read = json.loads(cell)
    assert read | {"c": base64.b64decode(read["c"])} == nested


def test_many_batches_keep_their_order() -> None:
    rows = 150_000
    table = pa.table({"n": range(rows), "f": [n / 4 for n in range(rows)], "t": [f"t{n % 7}" for n in range(rows)]})
    lines = write(table).decode().splitlines()
    assert lines[1:] == [f"{n},{n / 4},t{n % 7}" for n in range(rows)]


def every_size_of_float() -> list[float]:
    """Numbers of one to four digits around every power of ten that a float32 has."""
    digits = (1, 9, 1.5, 1.25, 9.99, 1.001, 9.999)
    values = [number * 10.0**power for power in range(-45, 38) for number in digits]
    return [0.0, -0.0, float("inf"), *values, *(-value for value in values)]


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()], ids=str)
def test_floats_are_spelled_as_python_spells_them(kind: pa.DataType) -> None:
    column = pa.array(np.array(every_size_of_float(), kind.to_pandas_dtype()))
    # Of numpy's float32 the digits are the shortest; how they are spelled is Python's.
    shortest = [float(str(value)) for value in column.to_numpy()]
    written = write(pa.table({"a": column}))
    assert written.decode().splitlines()[1:] == list(map(repr, shortest))
    undeclared = read_csv(lambda: io.BytesIO(written), "a.csv", None, CsvOptions()).column("a")
    assert undeclared.to_pylist() == shortest
    declared = (Column("a", parse_column_type("float32" if kind == pa.float32() else "float64")),)
    assert (
        read_csv(lambda: io.BytesIO(written), "a.csv", declared, CsvOptions()).column("a").to_pylist()
        == column.to_pylist()
    )
