"""Columns that nobody declared get the first type that loses nothing of their text."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from tests.cases import each_case
from tests.unit.formats.csv_files import read, write


def infer(*texts: str, **options: Any) -> tuple[str, list[Any]]:
    data = "a;b\n" + "".join(f"{text};1\n" for text in texts)
    made = CsvOptions.from_mapping({"delimiter": ";", **options})
    column = read_csv(lambda: io.BytesIO(data.encode()), "x.csv", None, made)["a"]
    return str(column.type), [str(value) for value in column.to_pylist()]


@each_case(
    ("texts", "kind"),
    [
        (["1", "-5", "", "0"], "int64"),
        (["9223372036854775807", "-9223372036854775808"], "int64"),
        (["1.5", "2.25", "2.0", "-0.25", "-0.0"], "double"),
        (["1e-07", "5e-324", "1e+16", "1.7976931348623157e+308"], "double"),
        (["12345678901.5", "1000000000000000.0", "0.0001", "1e-05"], "double"),
        (["52.0", "nan", "inf", "-inf", ""], "double"),
        (["0.1", "0.30000000000000004"], "double"),
        (["true", "false", ""], "bool"),
        (["2020-01-01", ""], "date32[day]"),
        (["2020-01-01 05:06:07", "2020-01-01T05:06:07.123456"], "timestamp[us]"),
        (["2020-01-01 05:06:07Z"], "timestamp[us, tz=UTC]"),
        (["2020-01-01 05:06:07.123456789"], "timestamp[ns]"),
        (["TRUE", "FALSE", ""], "bool"),
        (["True", "False"], "bool"),
        ([".5", "-.25", "1.5", "2"], "double"),
        ([".5", "2.0", ""], "double"),
        (["0.10000000000000001", "2", "nan"], "double"),
        (["0.33333333333333331", "1.0000000000000001e-05", "1e+20"], "double"),
        (["1.000000000000000056e-01", "2.000000000000000000e+00"], "double"),
        (["0.30000000000000004", "2", "1e-7", "1e+21", "100000000000000000000", "0.00001", "-2.5"], "double"),
        (["0.333333333333333", "1", "1e-05"], "double"),
        (["3.14159265358979", "1e+05", "123456", "1e-04", "0.0001234", "2", "1e+15"], "double"),
        (["", ""], "string"),
    ],
)
def test_plain_spellings_get_their_type(texts: list[str], kind: str) -> None:
    found, values = infer(*texts)
    assert found == kind
    assert [value == "None" for value in values] == [text == "" for text in texts]


@each_case(
    "texts",
    [
        ["007", "1"],
        ["+1"],
        ["-0", "x"],
        ["1", " 2"],
        ["9223372036854775808", "18446744073709551616"],
        ["12345678901234567890123"],
        ["1,5"],
        ["1.12345678901234567890"],
        ["1e400", "1"],
        ["1E5", "2E7", "12E3"],
        ["1234567", "12345e7", "7654321"],
        ["1.10", "1.20", "2.00"],
        ["1.5", "2"],
        ["1.5", "-0"],
        ["1.5", "2", "1.10"],
        ["1e5"],
        ["1e-7"],
        ["1E-07"],
        ["1.0e+16"],
        ["1.50e+16"],
        ["1e+5"],
        [".50"],
        [".5", "1.10"],
        [".5", "1E5"],
        [".5", "007"],
        [".5", "1.5", "2", "2.0"],
        ["0.10000000000000001", "1.10"],
        ["0.10000000000000001", "1e5"],
        ["3.14159265358979", "1e+05", "1.10"],
        ["0.30000000000000004", "12345678901234567890"],
        ["12345678901234567000", "0.5"],
        ["5."],
        ["1.5", "+2.5"],
        ["1.5", " 2.5"],
        ["1.5", "2.5 "],
        ["00.5"],
        ["0.12345678901234567"],
        ["0.1000000000000000055"],
        ["12345678901234567.0"],
        ["0.00001"],
        ["1.5", "NaN"],
        ["1.5", "Inf"],
        ["1.5", "infinity"],
        ["1.5", "-nan"],
        ["1_000.5"],
        ["1.5", "1e-400"],
        ["1e-400"],
        ["007.5"],
        ["nan", "nan"],
        ["True", "FALSE"],
        ["tRUE"],
        ["T", "F"],
        ["2020-02-30"],
        ["01/02/2020"],
        ["2020-01-01 05:06"],
        ["2020-01-01 05:06:07+01:00"],
        ["1", "x"],
        ["0x10"],
        ["NA", "1"],
        ["[1]"],
    ],
)
def test_what_would_lose_something_stays_text(texts: list[str]) -> None:
    assert infer(*texts) == ("string", texts)


def test_formats_and_decimal_commas_are_heeded() -> None:
    assert infer("31/12/2020", date_format="%d/%m/%Y") == ("date32[day]", ["2020-12-31"])
    assert infer("31/12/2020 10h", timestamp_format="%d/%m/%Y %Hh") == ("timestamp[us]", ["2020-12-31 10:00:00"])
    assert infer("1,5", "2,0", decimal=",") == ("double", ["1.5", "2.0"])
    assert infer("1,50", decimal=",") == ("string", ["1,50"])


def test_booleans_written_otherwise_stay_text() -> None:
    assert infer("true", "false", true_values=["yes", "true"]) == ("string", ["true", "false"])


def test_plain_tables_round_trip_without_a_contract() -> None:
    table = pa.table(
        {
            "id": pa.array([1, None, 2**53 + 1]),
            "whole": pa.array([1.0, 2.0, None]),
            "text": pa.array(["007", "", None]),
            "flag": pa.array([True, None, False]),
        }
    )
    assert read(write(table)).equals(table)


def test_columns_without_a_header_are_numbered() -> None:
    table = read_csv(lambda: io.BytesIO(b"1,x\n2,y\n"), "x.csv", None, CsvOptions(header=False))
    assert table.to_pydict() == {"column_1": [1, 2], "column_2": ["x", "y"]}


@pytest.mark.parametrize(
    ("data", "message"), [(b"a,a\n1,2\n", "has 2 columns named `a`"), (b"a,\n1,2\n", "column 2 of `x.csv` has no name")]
)
def test_names_must_be_clear(data: bytes, message: str) -> None:
    with pytest.raises(StorageError) as caught:
        read_csv(lambda: io.BytesIO(data), "x.csv", None, CsvOptions())
    assert message in caught.value.message
    assert str(caught.value.location) == "x.csv:1"
