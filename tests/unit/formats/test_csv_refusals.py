"""What does not fit is refused with file, line, column, value and type; nothing is rounded, wrapped or cut."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import Example, StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.model import parse_column_type
from tests.cases import each_case
from tests.unit.formats import csv_files


def read(data: bytes | str, types: dict[str, str], **options: Any) -> pa.Table:
    return csv_files.read(data, csv_files.columns_of(**types), "raw/x.csv", **options)


def refusal(data: bytes | str, types: dict[str, str]) -> Any:
    return csv_files.refusal(data, csv_files.columns_of(**types), "raw/x.csv")


@each_case(
    ("kind", "bad"),
    [
        ("int8", ["128", "-129", "1.5", "1.000", "1.", "1e3", "1e-1", "0x10", "0xFF", "1 000", "x", "٣", "--1", "1_0"]),
        ("int64", ["9223372036854775808", "0xFFFFFFFFFFFFFFFF", "1.5"]),
        ("uint64", ["18446744073709551616", "-1"]),
        ("float64", ["1e400", "-1e400", "1,5", "0x1p3", "1.5.2", "1d5", "NAN(1)", "$5"]),
        ("float32", ["1e39"]),
        ("bool", ["yes", "2", "tRUE"]),
        ("date32", ["2020-02-30", "2020-1-1", "20200101", "01/02/2020", "2020-01-01 00:00", "99999999-01-01"]),
        ("timestamp[s]", ["2020-01-01 05:06:07.5", "2020-01-01 24:00:00", "2020-01-01 05:06:07Z", "2020-02-30 00:00"]),
        ("timestamp[us]", ["2020-01-01 05:06:07.1234567", "2020-01-01 23:59:60"]),
        ("timestamp[ns]", ["1600-01-01 00:00:00", "2262-04-12 00:00:00"]),
        ("timestamp[us, tz=UTC]", ["2020-01-01 05:06:07", "2020-01-01 05:06:07+24:00", "2020-01-01"]),
        ("time32[s]", ["05:06:07.5", "24:00:00", "5:06"]),
        ("time64[us]", ["05:06:07.1234567", "-01:00:00"]),
        ("duration[ms]", ["0.0001", "1:00", "1e30", "nan", "10000000000000000"]),
        ("decimal128(5, 2)", ["1.234", "1234.5", "-1000", "1e3", "nan", "1,5"]),
        ("decimal128(38, 0)", ["9" * 39, "0.1", "17014118346046923173168730371588410572800", "1e38"]),
        ("decimal128(38, 34)", ["-6333839.8651548127159266215", "1" + "0" * 36]),
        ("binary", ["a", "a=b=", "é", "YQ"]),
        ("dictionary<int64>", ["x", "1.5"]),
        ("list<int64>", ["[1", "1", "{}", "[1.5]", '["x"]', "[true]", "[[1]]", "null", "NaN"]),
        ("list<string>", ["[1]", "[null, true]"]),
        ("list<float64>", ["[NaN]", "[1e400]"]),
        ("struct<a: int64>", ['{"b": 1}', "[1]", '{"a": "x"}', '{"a": 1, "a": 2}']),
        ("list<timestamp[s]>", ['["2020-02-30 00:00:00"]', "[5]"]),
    ],
)
def test_values_that_do_not_fit_are_reported(kind: str, bad: list[str]) -> None:
    lines = ["a,n"] + [f'"{value.replace(chr(34), chr(34) * 2)}",1' for value in bad]
    (violation,) = refusal("\n".join(lines), {"n": "int64", "a": kind}).violations
    assert (violation.column, violation.check, violation.count) == ("a", "type", len(bad))
    assert [(e.row, e.line) for e in violation.examples] == [(n + 1, n + 2) for n in range(len(bad))][:5]
    assert violation.message.startswith(f"{len(bad)} of {len(bad)} value")
    assert violation.message.endswith(f"not {parse_column_type(kind)}")


@each_case(
    ("kind", "text", "meant"),
    [
        ("float64", "0.1", "0.1"),
        ("float64", "1e-400", "0.0"),
        ("float64", "inf", "inf"),
        ("float64", "-Infinity", "-inf"),
        ("decimal128(5, 2)", "1.2300", "1.23"),
        ("decimal128(5, 2)", "1e2", "100.00"),
        ("decimal128(2, 0)", "5." + "0" * 50, "5"),
        ("timestamp[s]", "2020-01-01T05:06:07.000", "2020-01-01 05:06:07"),
        ("timestamp[ms]", "2020-01-01 05:06:07.120000", "2020-01-01 05:06:07.120000"),
        ("timestamp[s, tz=UTC]", "2020-01-01 05:06:07.000+01:30", "2020-01-01 03:36:07+00:00"),
        ("timestamp[s]", "2020-01-01", "2020-01-01 00:00:00"),
        ("time32[s]", "05:06:07.000", "05:06:07"),
        ("duration[s]", "90.000", "0:01:30"),
        ("list<decimal128(5, 2)>", "[1.5]", "[Decimal('1.50')]"),
        ("list<int64>", "[ ]", "[]"),
        ("struct<a: int64, b: string>", '{"b": "x"}', "{'a': None, 'b': 'x'}"),
    ],
)
def test_what_says_the_same_in_other_words_is_read(kind: str, text: str, meant: str) -> None:
    quoted = text.replace('"', '""')
    assert str(read(f'a,b\n"{quoted}",1\n', {"a": kind})["a"][0].as_py()) == meant


def test_all_columns_are_judged_with_counts_and_places() -> None:
    data = 'a,b,c\n1,x,1\n\n"two\nlines",y,2\nz,,no\n'
    error = refusal(data, {"c": "int8", "a": "int64", "b": "string"})
    assert [v.column for v in error.violations] == ["c", "a"]
    assert error.violations[0].examples == (Example(3, "no", 6),)
    assert error.violations[1].examples == (Example(2, "'two\\nlines'", 4), Example(3, "z", 6))
    assert error.violations[1].message == "2 of 3 values of column `a` are not int64"
    assert error.message == "`no` in column `c` of `raw/x.csv` is not int8, and 2 more values do not fit"
    assert str(error.location) == "raw/x.csv:6"


def test_a_late_value_among_many_has_its_line() -> None:
    rows = 400_000
    data = "a,b\n" + "".join(f"{n},row\n" for n in range(rows)) + '1,"quoted"\nM,row\n' + "5,row\n" * 10
    error = refusal(data, {"a": "int64", "b": "string"})
    assert error.violations[0].examples == (Example(rows + 2, "M", rows + 3),)
    assert error.hint == 'if \'M\' stands for null, set `null_values: ["", "M"]` in the column'


def test_a_column_that_is_all_wrong_is_counted_quickly() -> None:
    data = "a,b\n" + "2020-02-30,x\n" * 5_000 + "word,x\n" * 50_000
    error = refusal(data, {"a": "date32"})
    assert error.violations[0].count == 55_000
    assert len(error.violations[0].examples) == 5


def test_a_long_value_is_shortened() -> None:
    assert len(refusal("a,b\n" + "x" * 10_000 + ",1\n", {"a": "int64"}).message) < 150


@each_case(
    ("kind", "text", "hint"),
    [
        ("timestamp[s]", "2020-01-01 00:00:00Z", "declare `timestamp[s, tz=UTC]`"),
        ("timestamp[s, tz=UTC]", "2020-01-01 00:00:00", "lacks a time zone"),
        ("timestamp[s]", "2020-01-01 00:00:00+01", "declare `timestamp[s, tz=UTC]`"),
        ("timestamp[s]", "2020-01-01 00:00:00 UTC", "declare `timestamp[s, tz=UTC]`"),
        ("timestamp[s, tz=UTC]", "2020-01-01 00:00:00+24:00:00", "ISO 8601 is expected"),
        ("timestamp[s]", "2024-01-01 00:00:00.000 Asia/Tokyo", 'timestamp_format: "%Y-%m-%d %H:%M:%S.%f Asia/Tokyo"`'),
        ("timestamp[s]", "NULL,1\n0000-00-00 00:00:00", 'set `null_values: ["", "NULL", "0000-00-00 00:00:00"]`'),
        ("timestamp[s]", "-infinity", 'set `null_values: ["", "-infinity"]` in the column'),
        ("date32", "0000-00-00", 'set `null_values: ["", "0000-00-00"]` in the column'),
        ("timestamp[s]", "1/2/2020", '`timestamp_format: "%d/%m/%Y"` or `timestamp_format: "%m/%d/%Y"` in the options'),
        ("timestamp[s]", "2020-01-01 00:00:00.25", "declare `timestamp[ms]`"),
        ("timestamp[s, tz=UTC]", "2020-01-01T00:00:00.123456Z", "declare `timestamp[us, tz=UTC]`"),
        ("date32", "1/2/2020", '`date_format: "%d/%m/%Y"` or `date_format: "%m/%d/%Y"` in the options'),
        ("float64", "-", 'set `null_values: ["", "-"]` in the column'),
    ],
)
def test_hints_say_what_to_do(kind: str, text: str, hint: str) -> None:
    assert hint in str(refusal(f"a,b\n{text},1\n", {"a": kind}).hint)


@pytest.mark.parametrize(("row", "count"), [("3", "1 value"), ("4,5,6", "3 values")])
def test_ragged_rows(row: str, count: str) -> None:
    error = refusal(f'a,b\n1,"x\ny"\n\n{row}\n5,6\n', {"a": "int64", "b": "string"})
    assert error.message == f"line 5 of `raw/x.csv` has {count} where 2 are expected: {row}"
    assert str(error.location) == "raw/x.csv:5"


def test_ragged_rows_are_counted() -> None:
    with pytest.raises(StorageError, match=r"line 3 of .* \(and 2 more such rows\)"):
        read("a,b\n1,2\n3\n4\n5,6\n7\n", {"a": "int64"})


@pytest.mark.parametrize("data", ['a,b\n1,x\n2,"never\n3,y\n', 'b,a\n1,x\n2,"never\n3\n', 'a\n1\n"never\n'])
def test_a_quote_that_never_closes(data: str) -> None:
    with pytest.raises(StorageError, match=r"a quote that opens on line 3 of `raw/x.csv` is never closed"):
        read(data, {"a": "string"})


def test_a_quote_that_never_closes_in_the_header() -> None:
    with pytest.raises(StorageError, match=r"a quote that opens on line 1 of `raw/x.csv` is never closed"):
        read('"a,b\n1,x\n', {"a": "string"})


@pytest.mark.parametrize(
    ("data", "encoding", "line"),
    [
        (b"a,b\n1,x\n2,\xff\n", "utf-8", 3),
        (b"\xff,b\n1,x\n", "utf-8", 1),
        (b"a,b\n1,x\n2,y\n3,\x81\n", "cp1252", 4),
        (b"a,b\n1,x\n2,\xe9\n", "ascii", 3),
    ],
)
def test_bytes_that_are_not_text(data: bytes, encoding: str, line: int) -> None:
    with pytest.raises(StorageError, match=f"line {line} of `raw/x.csv` is not {encoding}") as caught:
        read(data, {"a": "int64", "b": "string"}, encoding=encoding)
    assert "`encoding`" in str(caught.value.hint)
    assert str(caught.value.location) == f"raw/x.csv:{line}"


def test_bytes_that_are_not_text_far_into_a_file() -> None:
    data = b"a,b\n" + b"1,some text\n" * 900_000 + b"2,\x81\n"
    with pytest.raises(StorageError, match=r"line 900,002 of `raw/x.csv` is not cp1252"):
        read(data, {"a": "int64"}, encoding="cp1252")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le"])
def test_utf_16_taken_for_utf_8(codec: str) -> None:
    with pytest.raises(StorageError, match="UTF-16") as caught:
        read("a,b\n1,x\n".encode(codec), {"a": "int64"})
    assert "utf-16" in str(caught.value.hint)


def test_damaged_compression() -> None:
    with pytest.raises(StorageError, match=r"`raw/x.csv` is not gzip data") as caught:
        read(b"not gzip at all", {"a": "int64"}, compression="gzip")
    assert caught.value.hint == "remove `compression: gzip` from its options"


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_compressed_data_that_are_said_to_be_plain(codec: str) -> None:
    data = pa.compress(b"a,b\n1,2\n", codec=codec, asbytes=True)
    with pytest.raises(StorageError, match=f"is {codec} data") as caught:
        read(data, {"a": "int64"}, compression="none")
    assert caught.value.hint == "remove `compression: none` from its options"
    assert read(data, {"a": "int64"}).to_pydict() == {"a": [1]}


@each_case(
    ("options", "message"),
    [
        ({"delimiter": "é"}, "`delimiter` of format csv cannot be 'é', values are made of it"),
        ({"delimiter": "\n"}, "`delimiter` of format csv must be characters"),
        ({"delimiter": "§", "escape_char": "\\"}, "is '§', and `escape_char` stands before ASCII alone"),
        ({"delimiter": "a|"}, "`delimiter` of format csv cannot be 'a|'"),
        ({"delimiter": '|"'}, "`delimiter` and `quote_char` of format csv overlap"),
        ({"delimiter": "#|", "comment": "#"}, "`delimiter` and `comment` of format csv overlap"),
        ({"escape_char": "#", "comment": "##"}, "`escape_char` and `comment` of format csv overlap"),
        ({"comment": "x"}, "`comment` of format csv cannot be 'x'"),
        ({"comment": "#", "null_values": ["#N/A"]}, "'#N/A', first in `null_values` of format csv, would need quotes"),
        ({"delimiter": "||", "null_values": ["|"]}, "'|', first in `null_values` of format csv, would need quotes"),
        ({"missing_values": "null", "null_values": []}, "needs a spelling of null"),
        ({"delimiter": '"'}, "`delimiter` and `quote_char` of format csv are both"),
        ({"delimiter": "1"}, "`delimiter` of format csv cannot be '1'"),
        ({"decimal": "e"}, "`decimal` of format csv cannot be 'e'"),
        ({"quote_char": "x"}, "`quote_char` of format csv cannot be 'x'"),
        ({"escape_char": '"'}, "`quote_char` and `escape_char` of format csv are both '\"'"),
        ({"escape_char": ","}, "`delimiter` and `escape_char` of format csv are both"),
        ({"escape_char": "é"}, "`escape_char` of format csv must be one ASCII character"),
        ({"escape_char": "\n"}, "`escape_char` of format csv must be one ASCII character"),
        ({"escape_char": "-"}, "`escape_char` of format csv cannot be '-'"),
        ({"escape_char": ":", "quote_char": "none"}, "`escape_char` of format csv cannot be ':'"),
        ({"escape_char": ".", "decimal": ",", "delimiter": ";"}, "`escape_char` of format csv cannot be '.'"),
        ({"quote_char": "None"}, "`quote_char` of format csv must be one ASCII character"),
        ({"encoding": "latin-99"}, "`latin-99` is not a text encoding"),
        ({"encoding": "base64"}, "`base64` is not a text encoding"),
        ({"null_values": ["a,b"]}, "'a,b', first in `null_values` of format csv, would need quotes"),
        ({"true_values": []}, "`true_values` of format csv is empty"),
        ({"true_values": ["1"], "false_values": ["1"]}, "`1` is in `true_values` and in `false_values`"),
        ({"date_format": "%d.%m"}, "does not say the year"),
        ({"date_format": "%Q"}, "directive `%Q`"),
        ({"time_format": "xx"}, "says neither hours, minutes nor seconds"),
        ({"timestamp_format": "%Y-%m-%d %I"}, "only one of %I and %p"),
        ({"timestamp_format": "%Y %Y"}, "a directive twice"),
    ],
)
def test_options_that_cannot_stand(options: dict[str, Any], message: str) -> None:
    with pytest.raises(StorageError) as caught:
        CsvOptions.from_mapping(options)
    assert message in caught.value.message
    assert caught.value.hint


@each_case(
    ("option", "letters", "meant"),
    [
        ("date_format", "dd/mm/yyyy", "%d/%m/%Y"),
        ("date_format", "YYYY-MM-DD", "%Y-%m-%d"),
        ("date_format", "d. MMM yy", "%d. %b %y"),
        ("timestamp_format", "dd/MM/yyyy HH:mm:ss", "%d/%m/%Y %H:%M:%S"),
        ("timestamp_format", "yyyy-MM-ddTHH:mm:ss.SSS", "%Y-%m-%dT%H:%M:%S.%f"),
        ("timestamp_format", "M/d/yyyy h:mm tt", "%m/%d/%Y %I:%M %p"),
        ("timestamp_format", "never", None),
        ("time_format", "HH:mm", "%H:%M"),
        ("time_format", "mm:ss.fff", "%M:%S.%f"),
    ],
)
def test_format_in_letters_names_its_directives(option: str, letters: str, meant: str | None) -> None:
    with pytest.raises(StorageError) as caught:
        CsvOptions.from_mapping({option: letters})
    if meant is None:
        assert caught.value.hint == "add %Y"
    else:
        assert caught.value.hint == f"write it as `{meant}`"
        assert getattr(CsvOptions.from_mapping({option: meant}), option) == (meant,)


def test_spelling_of_null_in_quotes_is_read_as_the_hint_says() -> None:
    with pytest.raises(StorageError) as caught:
        CsvOptions.from_mapping({"null_values": ["x,y"]})
    assert caught.value.hint == (
        'put another first, such as `""`; where values in quotes are null, set `quoted_nulls: true` too'
    )
    table = read('a,b\n"x,y",1\n', {"a": "string"}, null_values=["", "x,y"], quoted_nulls=True)
    assert table["a"].to_pylist() == [None]
