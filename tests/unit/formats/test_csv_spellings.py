"""Values as people write them, by option: numbers, times, durations, epochs, bytes."""

from __future__ import annotations

import base64
import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from tests.cases import each_case
from tests.unit.formats.csv_files import columns_of, read, write


def values(kind: str, texts: list[str], **options: Any) -> list[Any]:
    lines = [f'"{text.replace(chr(34), chr(34) * 2)}";1\n' for text in texts]
    return read("a;b\n" + "".join(lines), columns_of(a=kind), delimiter=";", **options)["a"].to_pylist()


def refused(kind: str, texts: list[str], **options: Any) -> int:
    with pytest.raises(DataError) as caught:
        values(kind, texts, **options)
    return caught.value.violations[0].count


def hours(count: float) -> dt.timedelta:
    return dt.timedelta(hours=count)


@pytest.mark.parametrize("kind", ["int64", "uint8", "int32"])
def test_integers_written_as_floats_are_read(kind: str) -> None:
    assert values(kind, ["1.0", "1.00", "1e+02", "1E2", "1.2e1", "+3.0", "4", "2500e-2"]) == [
        1,
        1,
        100,
        100,
        12,
        3,
        4,
        25,
    ]


def test_large_integers_written_with_exponents_are_exact() -> None:
    assert values("int64", ["9.223372036854775807e18", "-9223372036854775808.0"]) == [2**63 - 1, -(2**63)]
    assert values("uint64", ["18446744073709551615.0"]) == [2**64 - 1]
    assert refused("int64", ["9223372036854775808.0", "1e19", "1e999999999", "1e-1", "1.5", ".0", "1.000"]) == 7


def test_decimal_comma_in_integers_written_as_floats() -> None:
    assert values("int64", ["1,0", "1,5e1"], decimal=",") == [1, 15]
    assert refused("int64", ["1.0"], decimal=",") == 1


@each_case(
    ("options", "texts", "meant"),
    [
        (
            {"thousands": ","},
            ["1,234.5", "-1,234,567", "12,34,567", "1234", "1e3"],
            [1234.5, -1234567, 1234567, 1234, 1e3],
        ),
        ({"thousands": ".", "decimal": ","}, ["1.234,5", "1,5"], [1234.5, 1.5]),
        ({"thousands": " "}, ["1 234", "1\u00a0234", "1\u202f234.5"], [1234, 1234, 1234.5]),
        ({"thousands": "'"}, ["1'234'567.25"], [1234567.25]),
        (
            {"percent": "fraction"},
            ["50%", "8.1 %", "-.5%", "0.5", "1e-7", "123.456%"],
            [0.5, 0.081, -0.005, 0.5, 1e-7, 1.23456],
        ),
        ({"percent": "number"}, ["50%", "8.1 %", "7"], [50, 8.1, 7]),
        ({"currency": "$"}, ["$12.50", "-$12.50", "$-12.50", "12.50 $", "+1", "nan"], [12.5, -12.5, -12.5, 12.5, 1]),
        ({"currency": ["€", "EUR"]}, ["12.50\u00a0€", "EUR 3"], [12.5, 3]),
        (
            {"currency": ["Fr.", "CHF"]},
            ["Fr. 12.50", "Fr.5", "-Fr.5", "CHF 3", "4.5 Fr.", "6Fr."],
            [12.5, 5, -5, 3, 4.5, 6],
        ),
        ({"currency": "Rs.", "thousands": ".", "decimal": ","}, ["Rs.1.234,5", "1.234 Rs."], [1234.5, 1234]),
        ({"negative": "parentheses"}, ["(12.50)", "-1", "2"], [-12.5, -1, 2]),
        ({"negative": "trailing"}, ["12.50-", "-1", "2"], [-12.5, -1, 2]),
        (
            {"negative": "parentheses", "currency": "$", "thousands": ",", "percent": "number"},
            ["($1,234.50)", "-$5", "(3%)", "$(0.5)", "$ (1,000.00)"],
            [-1234.5, -5, -3, -0.5, -1000],
        ),
    ],
)
def test_numbers_are_read_as_people_write_them(options: dict[str, Any], texts: list[str], meant: list[float]) -> None:
    assert values("float64", texts, **options)[: len(meant)] == meant
    exact = [Decimal(str(value)) for value in meant if not 0 < abs(value) < 1e-6]
    plain = [text for text in texts if text not in ("nan", "1e-7")]
    assert values("decimal128(20, 6)", plain, **options) == exact


@each_case(
    ("options", "texts"),
    [
        ({"thousands": ","}, ["1,23", "0,123", ",123", "1,,234", "1,2345", "1.5,000", "12,34", "1 234"]),
        ({"percent": "fraction"}, ["50%%", "%", "1e2%", "% 50", "nan%"]),
        ({"currency": "Fr."}, ["Fr.", "Fr 5", "Fr..", "5 Fr", ".Fr.5"]),
        ({"currency": "$"}, ["$", "$1$", "€1", "$$1", "--1", "-$-1", "1 USD"]),
        ({"negative": "parentheses"}, ["(1", "1)", "(-1)", "()", "((1))", "1-"]),
        (
            {"negative": "parentheses", "currency": "$"},
            ["($(1))", "$(1", "$1)", "$(-1)", "-$(1)", "($1", "$(1)$", "$-", "$()"],
        ),
        ({"negative": "trailing"}, ["-1-", "(1)", "-", "1+"]),
        ({}, ["1,234", "50%", "$1", "(1)", "1-"]),
    ],
)
@each_case("kind", ["float64", "int64", "decimal128(9, 3)"])
def test_numbers_that_may_be_others_are_refused(kind: str, options: dict[str, Any], texts: list[str]) -> None:
    assert refused(kind, texts, **options) == len(texts)


def test_percent_of_integers_must_be_whole() -> None:
    assert values("int64", ["200%", "300.0%", "5"], percent="fraction") == [2, 3, 5]
    assert refused("int64", ["50%", "1e2%"], percent="fraction") == 2


@pytest.mark.parametrize(
    ("format_", "texts", "meant"),
    [
        ("%H:%M", ["8:05", "08:05", "23:59"], [dt.time(8, 5), dt.time(8, 5), dt.time(23, 59)]),
        ("%I:%M %p", ["1:02 PM", "12:00 am"], [dt.time(13, 2), dt.time(0)]),
        ("%H%M", ["0700"], [dt.time(7)]),
        (["%H:%M:%S.%f", "%T"], ["08:05:06.5", "08:05:06"], [dt.time(8, 5, 6, 500000), dt.time(8, 5, 6)]),
    ],
)
def test_times_are_read_in_formats(format_: Any, texts: list[str], meant: list[dt.time]) -> None:
    assert values("time64[us]", texts, time_format=format_) == meant


@pytest.mark.parametrize(
    ("kind", "format_", "texts"),
    [
        ("time32[s]", "%H:%M", ["26:00", "24:00", "8:60", "08:05:00", "1:02 PM"]),
        ("time32[s]", "%H%M", ["700", "07:00"]),
        ("time32[s]", "%H:%M:%S.%f", ["08:05:06.5"]),
        (
            "duration[s]",
            "%H:%M:%S",
            ["26:60:00", "26:00:60", "26:00", "1 days 02:00:00", "--1:00:00", "99999999999999999999:00:00"],
        ),
        (
            "duration[s]",
            "interval",
            ["1 mon", "1 year 2 days", "1", "02", "days", "1 days 2", "26:5", "00:00:00.5", "+", "@"],
        ),
        ("duration[ns]", "interval", ["9999999999 days", "-106752 days", "00:00:00.0000000001"]),
        ("duration[s]", "iso8601", ["P", "PT", "P1DT", "P1M", "P1Y", "2H", "PT2", "PT0.5S", "P1H", "PTS"]),
    ],
)
def test_times_and_durations_that_do_not_fit_are_refused(kind: str, format_: str, texts: list[str]) -> None:
    assert refused(kind, texts, time_format=format_) == len(texts)


@pytest.mark.parametrize(
    ("format_", "texts", "meant"),
    [
        (
            "%H:%M:%S",
            ["26:00:00", "8:05:00", "-00:30:00", "838:59:59"],
            [hours(26), hours(8 + 1 / 12), hours(-0.5), dt.timedelta(hours=838, seconds=3599)],
        ),
        ("%M:%S", ["90:00"], [hours(1.5)]),
        (
            "interval",
            [
                "1 days 02:00:00",
                "-1 days +23:00:00",
                "1 day, 2:00:00",
                "26:00:00",
                "2 days",
                "-00:30:00",
                "-1 days 02:00:00",
            ],
            [hours(26), hours(-1), hours(26), hours(26), hours(48), hours(-0.5), hours(-22)],
        ),
        (
            "interval",
            ["1d2h", "2 hours 30 mins", "@ 1 day 2 hours ago", "1 day -00:30:00"],
            [hours(26), hours(2.5), hours(-26), hours(23.5)],
        ),
        (
            "interval",
            ["0 days 00:00:01.500000", "1.5 secs", "-1.5s"],
            [dt.timedelta(seconds=s) for s in (1.5, 1.5, -1.5)],
        ),
        (
            "iso8601",
            ["PT2H", "P1DT2H", "-PT1H", "PT-1H", "P1W", "P0Y0M1D", "-PT-1H"],
            [hours(h) for h in (2, 26, -1, -1, 168, 24, 1)],
        ),
        ("iso8601", ["PT1.5S", "-PT0.5S", "PT-0.5S"], [dt.timedelta(seconds=s) for s in (1.5, -0.5, -0.5)]),
    ],
)
def test_durations_are_read_in_formats(format_: str, texts: list[str], meant: list[dt.timedelta]) -> None:
    assert values("duration[us]", texts, time_format=format_) == meant


@given(st.timedeltas(-dt.timedelta(10**8), dt.timedelta(10**8)))
def test_durations_of_python_are_read_as_they_print(value: dt.timedelta) -> None:
    assert values("duration[us]", [str(value)], time_format="interval") == [value]


def test_formats_of_other_types_do_not_count() -> None:
    options = {"time_format": ["%H:%M", "interval"]}
    table = read("t,d\n8:05,1 days\n,26:00\n", columns_of(t="time32[s]", d="duration[s]"), **options)
    assert table["t"].to_pylist() == [dt.time(8, 5), None]
    assert table["d"].to_pylist() == [hours(24), hours(26)]
    assert values("duration[s]", ["90"], time_format="%I:%M %p") == [dt.timedelta(seconds=90)]
    assert values("time32[s]", ["05:06"], time_format="interval") == [dt.time(5, 6)]


def test_ambiguous_duration_of_two_formats_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        values("duration[s]", ["01:30"], time_format=["%H:%M", "%M:%S"])
    assert "0 days 01:30:00 by `%H:%M` and 0 days 00:01:30 by `%M:%S`" in caught.value.message
    assert values("duration[s]", ["00:00"], time_format=["%H:%M", "%M:%S"]) == [hours(0)]


@pytest.mark.parametrize(
    ("kind", "value", "format_"),
    [("time32[ms]", 1, "%H:%M:%S"), ("duration[s]", 61, "%H:%M"), ("duration[ms]", 1, "%H:%M:%S")],
)
def test_what_a_format_would_cut_is_not_written(kind: str, value: int, format_: str) -> None:
    from lakehouse_cli.arrow.types import to_arrow

    to = to_arrow(columns_of(a=kind)[0].type)
    table = pa.table({"a": pa.array([value], to)})
    with pytest.raises(StorageError, match="would not be read back as it is") as caught:
        write(table, time_format=[format_])
    assert "%H:%M:%S.%f" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("unit", "kind", "text", "meant"),
    [
        ("s", "timestamp[ms]", "1700000000.5", dt.datetime(2023, 11, 14, 22, 13, 20, 500000)),
        ("ms", "timestamp[s, tz=UTC]", "1700000000000", dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC)),
        ("us", "timestamp[us]", "-1", dt.datetime(1969, 12, 31, 23, 59, 59, 999999)),
        ("s", "timestamp[us]", "1.7e9", dt.datetime(2023, 11, 14, 22, 13, 20)),
    ],
)
def test_epoch_numbers_are_timestamps(unit: str, kind: str, text: str, meant: dt.datetime) -> None:
    assert values(kind, [text], epoch_unit=unit) == [meant]


def test_epoch_numbers_that_would_be_cut_are_refused() -> None:
    assert refused("timestamp[s]", ["1700000000500", "2023-11-14", "1e30", "x"], epoch_unit="ms") == 4


def test_bytes_are_spelled_as_the_option_says() -> None:
    data = [b"ab\x00\xff", b""]
    assert values("binary", ["616200ff", "\\x616200FF", "0x616200ff", ""], binary="hex") == [data[0]] * 3 + [b""]
    assert values("binary", [base64.b64encode(data[0]).decode()]) == data[:1]
    assert values("binary", ["é", "61"], binary="text") == ["é".encode(), b"61"]
    assert refused("binary", ["6", "61 62", "xy", "\\x\\x61"], binary="hex") == 4


def test_bytes_that_are_no_text_are_not_written_as_text() -> None:
    with pytest.raises(StorageError, match="is not UTF-8, and `binary` is text"):
        write(pa.table({"a": [b"ok", b"\xff"]}), binary="text")


@each_case(
    ("options", "message"),
    [
        ({"thousands": "1"}, "`thousands` cannot be '1'"),
        ({"thousands": ".", "decimal": "."}, "`thousands` and `decimal` are both '.'"),
        ({"currency": "5"}, "`currency` cannot be '5'"),
        ({"currency": ".Fr"}, "`currency` cannot be '.Fr'"),
        ({"currency": ["Fr", "Fr."]}, "`currency` cannot be both 'Fr' and 'Fr.': `Fr.5` may be two numbers"),
        ({"currency": ["CHF", "CHF'"], "thousands": "'"}, "cannot be both 'CHF'"),
        ({"time_format": "%Y"}, "directive `%Y`, which is not of a time or duration"),
        ({"time_format": "hours"}, "says neither hours, minutes nor seconds"),
        ({"time_format": "%H:%H"}, "a directive twice"),
        ({"time_format": "%I:%M"}, "%I and %p"),
        ({"time_format": "%H%f"}, "%f"),
        ({"timestamp_format": "%Y", "epoch_unit": "s"}, "`timestamp_format` and `epoch_unit`"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(StorageError, match=message.replace("(", "\\(")):
        CsvOptions.from_mapping(options)


@pytest.mark.parametrize("options", [{"date_format": "%Y%\t"}, {"time_format": "%H\x01%\t"}])
def test_formats_that_are_refused_are_printed_visibly(options: dict[str, Any]) -> None:
    with pytest.raises(StorageError) as caught:
        CsvOptions.from_mapping(options)
    assert caught.value.message.isprintable()


@each_case(
    ("kind", "text", "iso"),
    [
        ("date32", "12345-06-07", "+12345-06-07"),
        ("date32", "0044-03-15 BC", "-0043-03-15"),
        ("date32", "0044-03-15 (BC)", "-0043-03-15"),
        ("date32", "0001-02-29 BC", "+0000-02-29"),
        ("date32", "4714-11-24 BC", "-4713-11-24"),
        ("timestamp[us]", "294246-12-31 23:59:59.5", "+294246-12-31 23:59:59.500000"),
        ("timestamp[s]", "0044-03-15 12:00:00 BC", "-0043-03-15 12:00:00"),
        ("timestamp[s]", "0044-03-15 (BC) 12:00:00", "-0043-03-15 12:00:00"),
        ("timestamp[s, tz=UTC]", "0044-03-15 12:00:00+01 BC", "-0043-03-15 11:00:00Z"),
        ("timestamp[s, tz=UTC]", "12345-03-15 12:00:00+00", "+12345-03-15 12:00:00Z"),
        ("timestamp[s, tz=UTC]", "1850-01-01 00:34:08+00:34:08", "1850-01-01 00:00:00Z"),
        ("timestamp[us, tz=UTC]", "1883-11-18 12:03:57.5-04:56:02", "1883-11-18 16:59:59.5Z"),
        ("timestamp[s, tz=UTC]", "0044-03-15 12:34:08+00:34:08 BC", "-0043-03-15 12:00:00Z"),
        ("timestamp[us, tz=UTC]", "2024-02-29 23:59:59.5 UTC", "2024-02-29 23:59:59.5Z"),
        ("timestamp[s, tz=UTC]", "2024-02-29 23:59:59.000 UTC", "2024-02-29 23:59:59Z"),
        ("timestamp[ms, tz=UTC]", "2024-02-29 15:59:59.000 -0800", "2024-02-29 23:59:59Z"),
        ("timestamp[ms, tz=UTC]", "2024-02-29 23:59:59.000 Z", "2024-02-29 23:59:59Z"),
    ],
)
def test_moments_are_read_as_databases_print_them(kind: str, text: str, iso: str) -> None:
    counts = [read(f"a,b\n{each},1\n", columns_of(a=kind))["a"].cast(_count(kind)).to_pylist() for each in (text, iso)]
    assert counts[0] == counts[1]


def _count(kind: str) -> pa.DataType:
    return pa.int32() if kind == "date32" else pa.int64()


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (
            "date32",
            ["0000-01-01 BC", "44-03-15 BC", "0044-03-15BC", "BC", "-0044-03-15 BC", "0044-02-30 BC", "9999999-01-01"],
        ),
        ("date32", ["0044-03-15 (BC) BC", "0044-03-15 AD", "0044-03-15 bc"]),
        ("timestamp[ns]", ["0044-03-15 12:00:00 BC", "12345-01-01 00:00:00"]),
        ("timestamp[s]", ["0044-03-15 12:00:00+01 BC", "0044-03-15 25:00:00 BC", "0044-03-15 (BC)12:00:00"]),
        ("timestamp[s]", ["2024-02-29 12:00:00 UTC", "2024-02-29 12:00:00 +00", "2024-02-29 12:00:00 CET"]),
        ("timestamp[s, tz=UTC]", ["2024-02-29 12:00:00.5 UTC", "2024-02-29 12:00:00 CET", "2024-02-29 UTC"]),
    ],
)
def test_moments_of_databases_that_do_not_fit_are_refused(kind: str, texts: list[str]) -> None:
    assert refused(kind, texts) == len(texts)


@each_case(
    ("style", "kind", "text", "meant"),
    [
        ("postgresql", "list<int64>", "{1,NULL,2}", [1, None, 2]),
        ("postgresql", "list<dictionary<bool>>", "{t,f,NULL}", [True, False, None]),
        ("duckdb", "list<dictionary<bool>>", "[true, false, NULL]", [True, False, None]),
        ("postgresql", "list<int64>", "{}", []),
        (
            "postgresql",
            "list<string>",
            r"""{a,"b c",it's,"x,y","","NULL",NULL,"\"q\"","{"," lead","back\\slash",nullx}""",
            ["a", "b c", "it's", "x,y", "", "NULL", None, '"q"', "{", " lead", "back\\slash", "nullx"],
        ),
        ("postgresql", "list<list<int64>>", "{{1,2},{3,4}}", [[1, 2], [3, 4]]),
        ("postgresql", "list<bool>", "{t,f,NULL}", [True, False, None]),
        ("postgresql", "list<float64>", "{Infinity,1.5}", [float("inf"), 1.5]),
        ("postgresql", "list<decimal128(5, 2)>", "{1.50}", [Decimal("1.50")]),
        ("postgresql", "list<date32>", '{2020-01-01,"2020-02-29"}', [dt.date(2020, 1, 1), dt.date(2020, 2, 29)]),
        ("postgresql", "list<timestamp[ms]>", '{"2020-01-01 01:02:03.5"}', [dt.datetime(2020, 1, 1, 1, 2, 3, 500000)]),
        ("postgresql", "list<binary>", r'{"\\x61ff"}', [b"a\xff"]),
        ("postgresql", "list<duration[s]>", "{26:00:00}", [hours(26)]),
        ("postgresql", "list<struct<a: int64>>", r'{"{\"a\": 1}"}', [{"a": 1}]),
        ("duckdb", "list<int64>", "[1, NULL, 2]", [1, None, 2]),
        (
            "duckdb",
            "list<string>",
            r"""[a, b c, 'it\'s', 'x,y', '', 'NULL', NULL, '"q"', '[', ' lead', 1, 'back\\slash']""",
            ["a", "b c", "it's", "x,y", "", "NULL", None, '"q"', "[", " lead", "1", "back\\slash"],
        ),
        ("duckdb", "list<list<int64>>", "[[1], [], NULL]", [[1], [], None]),
        ("duckdb", "list<bool>", "[true, false]", [True, False]),
        ("duckdb", "list<dictionary<bool>>", "[true, NULL]", [True, None]),
        ("postgresql", "list<dictionary<bool>>", "{t,f}", [True, False]),
        ("duckdb", "list<timestamp[ms]>", "['2020-01-01 01:02:03.5']", [dt.datetime(2020, 1, 1, 1, 2, 3, 500000)]),
        ("duckdb", "list<duration[s]>", "['26:00:00']", [hours(26)]),
    ],
)
def test_lists_are_read_as_databases_print_them(style: str, kind: str, text: str, meant: list[Any]) -> None:
    assert values(kind, [text], lists=style, binary="hex", time_format="interval") == [meant]


@each_case(
    ("style", "kind", "texts"),
    [
        (
            "postgresql",
            "list<int64>",
            ["{1", "1}", "{1,}", "{,1}", "{1}{2}", "[0:1]={1,2}", "{{1}}", "{x}", "[1]", "1", "{1}x"],
        ),
        ("postgresql", "list<string>", ['{"a}', '{"a"b}', '{a"b"}', "{a\\b}", "a,b", "NULL"]),
        ("postgresql", "list<list<int64>>", ["{1}", "{{1}", "{{1}}}"]),
        ("postgresql", "list<bool>", ["{1}", "{yes}"]),
        ("postgresql", "list<string>", [r'{"a\nb"}', r'{"\a"}']),
        ("duckdb", "list<string>", ["[it's]", "['a'b]", "[a]]", "[a, ]", r"['a,\nb']", "['a']", "['a b', None]"]),
        ("duckdb", "list<int64>", ["['1', '2']"]),
        ("duckdb", "list<struct<a: int64>>", ["[{'a': 1}]"]),
    ],
)
def test_lists_that_are_not_as_they_print_them_are_refused(style: str, kind: str, texts: list[str]) -> None:
    assert refused(kind, texts, lists=style) == len(texts)


def test_numbers_that_are_nearly_integers_are_refused() -> None:
    texts = ["8.999999999999999e0", "4.5035996273704963e15", "1.00000000000000001e0", "1e-99", "999999999999999.9e0"]
    assert refused("int64", texts) == len(texts)
    assert values("int64", ["4.503599627370496e15", "1.000000000000000000e+00"]) == [4503599627370496, 1]


def test_durations_with_a_unit_are_numbers() -> None:
    options = {"time_format": "%H:%M", "duration_unit": "ms"}
    table = read("t,d\n8:05,1500\n", columns_of(t="time32[s]", d="duration[ms]"), **options)
    assert table.to_pylist() == [{"t": dt.time(8, 5), "d": dt.timedelta(seconds=1.5)}]
