"""Reading other people's CSV: dialects, encodings, compression, nulls, positions."""

from __future__ import annotations

import bz2
import codecs
import datetime as dt
import gzip
import io
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.model import Column
from tests.cases import each_case
from tests.unit.formats.csv_files import AB, columns_of, read, refusal, set_block


def values(data: bytes | str, columns: list[Column] | None = None, **options: Any) -> dict[str, list[Any]]:
    return read(data, columns=columns, **options).to_pydict()


WANTED = {"a": [1, 2], "b": ["x", "y"]}


@each_case(
    ("data", "options"),
    [
        ("a,b\n1,x\n2,y\n", {}),
        ("a,b\n1,x\n2,y", {}),
        ("a,b\r\n1,x\r\n2,y\r\n", {}),
        ("a,b\r1,x\r2,y\r", {}),
        ("\ufeffa,b\n1,x\n2,y\n", {}),
        ('\ufeff"a","b"\n"1","x"\n"2","y"\n', {}),
        ("a;b\n1;x\n2;y\n", {"delimiter": ";"}),
        ("a\tb\n1\tx\n2\ty\n", {"delimiter": "\t"}),
        ("a^b\n1^x\n2^y\n", {"delimiter": "^"}),
        ("'a','b'\n1,'x'\n2,'y'\n", {"quote_char": "'"}),
        ("a,b\n\n1,x\n\n\n2,y\n\n", {}),
        ("\n\na,b\n1,x\n2,y\n", {}),
        ("b,zzz,a\nx,?,1\ny,?,2\n", {}),
        ("1,x\n2,y\n", {"header": False}),
        ("1,x,more\n2,y,more\n", {"header": False}),
        ("made by hand\n\na,b\n1,x\n2,y\n", {"skip_rows": 2}),
        ("made by hand\r\n1,x\r\n2,y\r\n", {"skip_rows": 1, "header": False}),
        ("a,b\n 1 ,x\n\t2,y\n", {}),
        ("a,b\n+1,x\n2,y\n", {}),
    ],
)
def test_dialects_give_the_same_table(data: str, options: dict[str, Any]) -> None:
    assert values(data, AB, **options) == WANTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"])
def test_encodings(encoding: str) -> None:
    data = "a,b\n1,é\n2,ü\n".encode(encoding)
    assert values(data, AB, encoding=encoding) == {"a": [1, 2], "b": ["é", "ü"]}


def test_an_encoding_survives_block_boundaries(monkeypatch: pytest.MonkeyPatch) -> None:
    set_block(monkeypatch, (1 << 16) + 1)
    rows = 20_000
    data = ("a,b\n" + "".join(f"{n},é€\n" for n in range(rows))).encode("utf-16")
    table = read(data, columns=AB, encoding="utf-16")
    assert table.num_rows == rows
    assert table["a"].to_pylist() == list(range(rows))
    assert set(table["b"].to_pylist()) == {"é€"}


@pytest.mark.parametrize(
    ("suffix", "packed"),
    [
        (".gz", gzip.compress(b"a,b\n1,x\n", mtime=0) + gzip.compress(b"2,y\n", mtime=0)),
        (".bz2", bz2.compress(b"a,b\n1,x\n2,y\n")),
        (".zst", pa.compress(b"a,b\n1,x\n2,y\n", codec="zstd", asbytes=True)),
    ],
)
def test_compression_follows_suffix_or_option(suffix: str, packed: bytes) -> None:
    codec = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd"}[suffix]
    assert read(packed, AB, f"x.csv{suffix}").to_pydict() == WANTED
    assert read(packed, AB, "x.csv", compression=codec).to_pydict() == WANTED
    assert read(packed, AB, "x.csv").to_pydict() == WANTED
    with pytest.raises(StorageError, match=rf"`x.csv{suffix}` is not whole {codec} data"):
        read(packed[:-6], AB, f"x.csv{suffix}")


@pytest.mark.parametrize("block", [1 << 6, 4 << 20])
def test_zeros_behind_gzip_data_are_padding(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    set_block(monkeypatch, block)
    first = b"a,b\n" + b"1,x\n" * 10_000
    packed = gzip.compress(first) + bytes(700) + gzip.compress(b"2,y\n") + bytes(3)
    assert read(packed, AB, "x.csv.gz").num_rows == 10_001
    with pytest.raises(StorageError, match=r"`x\.csv\.gz` is not whole gzip data"):
        read(packed + b"x", AB, "x.csv.gz")


def test_a_suffix_is_ignored_where_the_option_says_none() -> None:
    assert read(b"a,b\n1,x\n2,y\n", AB, "x.csv.gz", compression="none").to_pydict() == WANTED


def test_null_values_are_unquoted_spellings() -> None:
    data = 'a,b\nM,M\n,\n3,"M"\n4,""\n5,NA\n'
    assert values(data, AB, null_values=["M", ""]) == {"a": [None, None, 3, 4, 5], "b": [None, None, "M", "", "NA"]}
    assert values("a,b\n1,\n", AB, null_values=["M"]) == {"a": [1], "b": [""]}


def test_empty_quoted_text_is_null_except_in_strings() -> None:
    assert values('"a","b"\n"","x"\n"2",""\n', AB) == {"a": [None, 2], "b": ["x", ""]}


def test_booleans_are_spelled_as_the_options_say() -> None:
    columns = columns_of(a="bool")
    assert values("a\ntrue\nFALSE\n1\n0\n\n", columns) == {"a": [True, False, True, False, None]}
    assert values("a\nja\nnein\n", columns, true_values=["ja"], false_values=["nein"]) == {"a": [True, False]}


def test_decimal_comma_in_floats_decimals_and_durations() -> None:
    columns = columns_of(f="float64", d="decimal128(5, 2)", s="duration[ms]")
    table = read("f;d;s\n1,5;-2,25;0,125\n", columns=columns, delimiter=";", decimal=",")
    assert [str(v) for v in table.to_pylist()[0].values()] == ["1.5", "-2.25", "0:00:00.125000"]


def test_quoted_newlines_and_doubled_quotes() -> None:
    data = 'a,b\r\n1,"two\r\nlines"\r\n2,"say ""hi"""\r\n'
    assert values(data, AB) == {"a": [1, 2], "b": ["two\r\nlines", 'say "hi"']}


def test_quoted_newlines_survive_block_boundaries(monkeypatch: pytest.MonkeyPatch) -> None:
    set_block(monkeypatch, 1 << 16)
    rows = 5_000
    text = 'one\n"two",\r\nthree' * 3
    data = "a,b\n" + "".join('{},"{}"\n'.format(n, text.replace('"', '""')) for n in range(rows))
    table = read(data, columns=AB)
    assert table["a"].to_pylist() == list(range(rows))
    assert set(table["b"].to_pylist()) == {text}


def test_the_first_quote_may_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    set_block(monkeypatch, 1 << 16)
    rows = 20_000
    data = "a,b\n" + "".join(f"{n},row\n" for n in range(rows)) + '7,"two\nlines, and ""quotes"""\n' * 3
    table = read(data, columns=AB)
    assert table.num_rows == rows + 3
    assert table.slice(rows).to_pydict() == {"a": [7] * 3, "b": ['two\nlines, and "quotes"'] * 3}


def test_a_row_longer_than_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    set_block(monkeypatch, 1 << 16)
    long = "x" * 200_000
    assert values(f"a,b\n1,{long}\n2,y\n", AB) == {"a": [1, 2], "b": [long, "y"]}


def test_only_declared_columns_are_parsed() -> None:
    assert values(b"a,bad\n1,\xff\n2,\xfe\n", columns_of(a="int64")) == {"a": [1, 2]}


def test_ambiguous_columns_that_nobody_declared_do_no_harm() -> None:
    assert values("a,x,x,,\n1,2,3,4,5\n", columns_of(a="int8")) == {"a": [1]}


def test_an_ambiguous_declared_column_is_an_error() -> None:
    with pytest.raises(StorageError, match=r"`x.csv` has 2 columns named `a`") as caught:
        read("a,a\n1,2\n", columns=columns_of(a="int64"))
    assert str(caught.value.location) == "x.csv:1"


def test_thousands_of_columns() -> None:
    names = [f"c{n}" for n in range(5000)]
    data = ",".join(names) + "\n" + "".join(",".join(str(row + n) for n in range(5000)) + "\n" for row in range(20))
    table = read(data, columns=columns_of(c4999="int64", c0="string"))
    assert table.column_names == ["c4999", "c0"]
    assert table.to_pylist()[3] == {"c4999": 5002, "c0": "3"}


def test_missing_columns_have_close_matches() -> None:
    with pytest.raises(DataError, match=r"`x.csv` lacks columns `station`, `Valid`") as caught:
        read("STATION,valid,tmpf\n", columns=columns_of(station="string", Valid="string", tmpf="float64"))
    assert [(v.column, v.check, v.count) for v in caught.value.violations] == [
        ("station", "missing", 1),
        ("Valid", "missing", 1),
    ]
    # Each is reported once.
    reported = [violation.message for violation in caught.value.violations]
    assert reported == [
        "column `station`: the file has no such column; did you mean `STATION`?",
        "column `Valid`: the file has no such column; did you mean `valid`?",
    ]
    assert caught.value.hint == "its columns are `STATION`, `valid`, `tmpf`"
    assert str(caught.value.location) == "x.csv:1"


def test_the_delimiter_is_suggested() -> None:
    assert refusal("a;b\n1;x\n", columns=AB).hint == "its header is `a;b`: set `delimiter: ';'` in its options"


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_first_line_for_excel_is_named(delimiter: str) -> None:
    text = "sep=;\r\na;b\r\n1;x\r\n"
    error = refusal(text, columns=AB, delimiter=delimiter)
    other = " and `delimiter: ';'`" if delimiter == "," else ""
    assert f"set `skip_rows: 1`{other} in its options" in (error.hint or "")
    assert read(text, columns=AB, delimiter=";", skip_rows=1).num_rows == 1


def test_a_quote_inside_a_value_is_a_character_like_others() -> None:
    assert values('a,b\n1,5" pipe\n2,"x"\n', AB) == {"a": [1, 2], "b": ['5" pipe', "x"]}


def test_fewer_columns_by_position_than_declared() -> None:
    with pytest.raises(DataError, match="lacks column `b`") as caught:
        read("1\n2\n", columns=AB, header=False)
    assert "it has 1 column, 2 are declared" in caught.value.violations[0].message


@pytest.mark.parametrize("data", ["a,b\n", "a,b", "\ufeffa,b\r\n", "a,b\n\n"])
def test_zero_rows_keep_the_types(data: str) -> None:
    columns = columns_of(a="dictionary<int64>", b="list<decimal128(5, 2)>")
    table = read(data, columns=columns)
    assert table.num_rows == 0
    assert [str(kind) for kind in table.schema.types] == [
        "dictionary<values=int64, indices=int32, ordered=0>",
        "list<item: decimal128(5, 2)>",
    ]


def test_an_empty_file_without_header_is_an_empty_table() -> None:
    assert values(b"", AB, header=False) == {"a": [], "b": []}


@pytest.mark.parametrize("data", [b"", b"\n\n", codecs.BOM_UTF8])
def test_an_empty_file_lacks_its_header(data: bytes) -> None:
    with pytest.raises(StorageError, match=r"`x.csv` is empty, it has no header"):
        read(data, columns=AB)


def test_a_blank_line_is_null_in_a_file_of_one_column() -> None:
    assert values("a\n1\n\n3\n", columns_of(a="int64")) == {"a": [1, None, 3]}
    assert values('a\n\n""\n', columns_of(a="string")) == {"a": [None, ""]}
    assert values("\n\n", columns_of(a="string"), header=False) == {"a": [None, None]}


def test_text_is_kept_to_the_letter() -> None:
    texts = ["007", " x ", "NA", "null", "1e5", "true", '5"', "a'b", "\u2028", "😀", "0x1F", "\x0b"]
    assert values("b\n" + "\n".join(texts) + "\n", columns_of(b="string")) == {"b": texts}


@each_case(
    ("kind", "text", "meant"),
    [
        ("date32", "31/12/2020", dt.date(2020, 12, 31)),
        ("date32", "1/2/2020", dt.date(2020, 2, 1)),
        ("date32", "3 March 2021", dt.date(2021, 3, 3)),
        ("timestamp[s]", "31/12/2020 23:59", dt.datetime(2020, 12, 31, 23, 59)),
        ("timestamp[us]", "2020-12-31 11:59:01.25 PM", dt.datetime(2020, 12, 31, 23, 59, 1, 250_000)),
        ("timestamp[us]", "12/31/99 12:00 am", dt.datetime(1999, 12, 31)),
        ("timestamp[s, tz=UTC]", "Thu, 31 Dec 2020 23:59:00 +0130", "2020-12-31T22:29:00+00:00"),
        ("timestamp[s, tz=Europe/Berlin]", "31/12/2020 23:59", "2020-12-31T23:59:00+01:00"),
    ],
)
def test_strptime_formats(kind: str, text: str, meant: Any) -> None:
    options = {
        "date_format": ["%d/%m/%Y", "%d %B %Y"],
        "timestamp_format": [
            "%d/%m/%Y %H:%M",
            "%Y-%m-%d %I:%M:%S.%f %p",
            "%m/%d/%y %I:%M %p",
            "%a, %d %b %Y %T %z",
        ],
    }
    table = read(f'a,b\n"{text}",1\n', columns=columns_of(a=kind), **options)
    found = table["a"][0].as_py()
    assert (found.isoformat() if isinstance(meant, str) else found) == meant


@pytest.mark.parametrize("text", ["31/02/2020", "2020-12-31", "31/12/2020x", "00/01/2020", "31/13/2020"])
def test_date_in_another_format_is_refused(text: str) -> None:
    assert refusal(f"a,b\n{text},1\n", columns=columns_of(a="date32"), date_format="%d/%m/%Y").violations[0].count == 1


def test_ambiguous_or_missing_local_time_is_refused() -> None:
    data = "a,b\n2020-10-25 02:30,1\n2020-03-29 02:30,1\n2020-03-29 03:30,1\n"
    error = refusal(data, columns=columns_of(a="timestamp[s, tz=Europe/Berlin]"), timestamp_format="%Y-%m-%d %H:%M")
    assert [example.line for example in error.violations[0].examples] == [2, 3]


@each_case(
    ("kind", "text", "utc"),
    [
        ("timestamp[s, tz=Europe/Berlin]", "2050-07-01 12:00:00", "2050-07-01 10:00:00Z"),
        ("timestamp[s, tz=Europe/Berlin]", "2050-01-01 12:00:00", "2050-01-01 11:00:00Z"),
        ("timestamp[us, tz=America/New_York]", "2037-11-01 12:00:00", "2037-11-01 17:00:00.000000Z"),
        ("timestamp[s, tz=America/New_York]", "9999-07-01 00:00:00", "9999-07-01 04:00:00Z"),
        ("timestamp[s, tz=+05:30]", "2050-07-01 12:00:00", "2050-07-01 06:30:00Z"),
        ("timestamp[ns, tz=America/New_York]", "2262-04-11 19:47:16", "2262-04-11 23:47:16.000000000Z"),
        ("timestamp[s, tz=Europe/Berlin]", "1800-01-01 00:00:00", "1799-12-31 23:06:32Z"),
        ("timestamp[s, tz=Europe/Berlin]", "0000-01-01 00:00:00", "-0001-12-31 23:06:32Z"),
    ],
)
def test_wall_clock_times_far_away_are_right(kind: str, text: str, utc: str) -> None:
    table = read(f"a,b\n{text},1\n", columns=columns_of(a=kind), timestamp_format="%Y-%m-%d %H:%M:%S")
    unit = table["a"].type.unit
    assert table["a"].cast(pa.timestamp(unit, "UTC")).cast(pa.string())[0].as_py() == utc


def test_wall_clock_time_beyond_the_type_is_refused() -> None:
    with pytest.raises(DataError):
        read(
            "a,b\n2262-04-11 23:47:16,1\n",
            columns=columns_of(a="timestamp[ns, tz=America/New_York]"),
            timestamp_format="%Y-%m-%d %H:%M:%S",
        )


@pytest.mark.parametrize(("ambiguous", "hours"), [("first", [0, 1, 0]), ("last", [1, 1, 1])])
def test_ambiguous_times_by_their_option(ambiguous: str, hours: list[int]) -> None:
    table = read(
        "a,b\n2020-10-25 02:30,1\n2020-10-25 01:30,1\n2049-10-31 02:30,1\n",
        columns=columns_of(a="timestamp[s, tz=Europe/Berlin]"),
        timestamp_format="%Y-%m-%d %H:%M",
        ambiguous=ambiguous,
    )
    found = table["a"].cast(pa.timestamp("s", "UTC")).cast(pa.string()).to_pylist()
    assert [int(text[11:13]) for text in found] == [hours[0], 23, hours[2]]


@pytest.mark.parametrize(
    ("formats", "text"),
    [
        (["%d/%m/%Y", "%m/%d/%Y"], "03/04/2024"),
        (["%Y-%m-%d", "%d/%m/%y", "%y/%m/%d"], "03/04/24"),
        (["%d/%m/%y", "%m/%d/%y", "%y/%m/%d"], "01/01/24"),
        (["%d%m%Y"], "1112020"),
        (["%Y%m%d"], "2024111"),
    ],
)
def test_dates_with_two_readings_do_not_fit(formats: list[str], text: str) -> None:
    assert refusal(f"a,b\n{text},1\n", columns=columns_of(a="date32"), date_format=formats).violations[0].count == 1


def test_two_formats_of_one_day_are_no_clash() -> None:
    formats = ["%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y"]
    table = read("a,b\n04/04/2024,1\n13/04/2024,1\n", columns=columns_of(a="date32"), date_format=formats)
    assert table["a"].to_pylist() == [dt.date(2024, 4, 4), dt.date(2024, 4, 13)]


def test_gap_in_one_format_is_a_reading_too() -> None:
    with pytest.raises(DataError) as caught:
        read(
            "a,b\n03/10/2024 02:30,1\n",
            columns=columns_of(a="timestamp[s, tz=America/New_York]"),
            timestamp_format=["%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"],
        )
    assert "2024-03-10 02:30 by" in caught.value.message
    assert "2024-10-03 02:30 by" in caught.value.message


@each_case(
    ("kind", "unit", "text", "microseconds"),
    [
        ("duration[ms]", "ms", "93600000", 93_600_000_000),
        ("duration[us]", "ms", "1500.25", 1_500_250),
        ("duration[s]", "ms", "1000", 1_000_000),
        ("duration[s]", "ms", "-1000.000", -1_000_000),
        ("duration[ms]", "ns", "2000000", 2_000),
        ("duration[ms]", "us", "9e3", 9_000),
        ("duration[s]", "s", "1", 1_000_000),
        ("list<duration[ms]>", "ms", '"[93600000,""5""]"', [93_600_000_000, 5_000]),
    ],
)
def test_durations_in_another_unit(kind: str, unit: str, text: str, microseconds: Any) -> None:
    table = read(f"a,b\n{text},1\n", columns=columns_of(a=kind), duration_unit=unit)
    column = table["a"].combine_chunks()
    found = column.flatten() if isinstance(microseconds, list) else column
    spans = [span // dt.timedelta(microseconds=1) for span in found.to_pylist()]
    assert spans == (microseconds if isinstance(microseconds, list) else [microseconds])


@pytest.mark.parametrize(
    ("kind", "unit", "text"),
    [
        ("duration[s]", "ms", "1500"),
        ("duration[ms]", "ms", "0.5"),
        ("duration[ms]", "ns", "1"),
        ("duration[ns]", "ms", "9223372036855"),
        ("duration[s]", "ns", "1e40"),
        ("list<duration[s]>", "ms", "[1500]"),
        ("list<duration[s]>", None, "[1500]"),
    ],
)
def test_durations_the_type_does_not_hold_are_refused(kind: str, unit: str | None, text: str) -> None:
    options = {"duration_unit": unit} if unit else {}
    with pytest.raises(DataError):
        read(f"a,b\n{text},1\n", columns=columns_of(a=kind), **options)


def test_options_are_checked_once_and_frozen() -> None:
    options = FORMATS["csv"].checked({"delimiter": ";", "null_values": ["M"]})
    assert options is FORMATS["csv"].checked({"null_values": ["M"], "delimiter": ";"})
    table = CsvFormat().read(lambda: io.BytesIO(b"a;b\n1;M\n"), "x.csv", AB, options)
    sink = io.BytesIO()
    CsvFormat().write(table, sink, FORMATS["csv"].checked({"delimiter": "|", "null_values": ["NULL"]}))
    assert sink.getvalue() == b"a|b\n1|NULL\n"
