"""Hints of values that do not fit: what they say is done, and the file is read."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest
import yaml

from lakehouse_cli.errors import DataError
from tests.cases import each_case
from tests.unit.formats.csv_files import columns_of, read


def values(kind: str, texts: list[str], options: dict[str, Any]) -> pa.ChunkedArray:
    data = "a;b\n" + "".join(f'"{text}";1\n' for text in texts)
    return read(data, columns_of(a=kind), **({"delimiter": ";"} | options))["a"]


def hint_of(kind: str, texts: list[str], options: dict[str, Any]) -> str:
    """The hint of a file that is not read."""
    with pytest.raises(DataError) as caught:
        values(kind, texts, options)
    return str(caught.value.hint)


def said(hint: str) -> dict[str, Any]:
    """The options that a hint names, as texts."""
    found: dict[str, Any] = {}
    for text in re.findall(r"`([a-z_]+: [^`]+)`", hint.partition("; or")[0]):
        found |= yaml.load(text, yaml.BaseLoader)
    return found


@each_case(
    ("kind", "texts", "hint"),
    [
        ("bool", ["yes", "no", "Yes"], "set `true_values: [yes, Yes]` and `false_values: [no]` in the options"),
        ("bool", ["Y"], "set `true_values: [Y]` in the options"),
        ("bool", ["true", "0", "f", "T"], "set `true_values: [true, T]` and `false_values: [0, f]` in the options"),
        ("bool", [*["yes"] * 9, "nein"], "set `true_values: [yes]` and `false_values: [nein]` in the options"),
        (
            "bool",
            ["1", "yes", "0", "ja", "nein"],
            "set `true_values: [1, yes, ja]` and `false_values: [0, nein]` in the options",
        ),
        ("bool", ["t", "f"], "set `true_values: [t]` and `false_values: [f]` in the options"),
        ("bool", ["WAHR", "FALSCH"], "set `true_values: [WAHR]` and `false_values: [FALSCH]` in the options"),
        ("bool", ["1.0", "0.0"], 'set `true_values: ["1.0"]` and `false_values: ["0.0"]` in the options'),
        ("float64", ["1,234.5", "1,234,567.8"], 'set `thousands: ","` in the options'),
        ("float64", ["1,234"], 'set `thousands: ","` in the options; or `decimal: ","`, where 1,234 is 1.234'),
        ("int64", ["1,234"], 'set `thousands: ","` in the options'),
        ("float64", ["12,5 €"], 'set `currency: "€"` and `decimal: ","` in the options'),
        (
            "int64",
            ["1.000"],
            'set `thousands: "."` in the column; or declare `float64`, where 1.000 has a fraction of zeros',
        ),
        (
            "int64",
            ["5%", "1.000"],
            'set `percent: number` and `thousands: "."` in the column; '
            "or declare `float64` and set `percent: number` in the column, where 1.000 has a fraction of zeros",
        ),
        ("int64", ["1.234.567"], 'set `thousands: "."` in the column'),
        ("float64", ["1,5"], 'set `decimal: ","` in the options'),
        ("float64", ["1.234,5"], 'set `thousands: "."` and `decimal: ","` in the options'),
        ("decimal128(9, 2)", ["$1.50", "-$2"], 'set `currency: "$"` in the options'),
        ("decimal128(9, 2)", ["1 234 567 EUR"], 'set `currency: EUR` and `thousands: " "` in the options'),
        ("float64", ["50%"], "set `percent: number` in the options; or `percent: fraction`, where 50% is 0.5"),
        ("int64", ["50%"], "set `percent: number` in the options"),
        ("float64", ["Fr.50", "Fr. 12.50"], 'set `currency: "Fr."` in the options'),
        ("decimal128(9, 2)", ["Rs.5", "-Rs. 1,234.50"], 'set `currency: "Rs."` and `thousands: ","` in the options'),
        ("float64", ["(12.50)"], "set `negative: parentheses` in the options"),
        ("float64", ["12.50-"], "set `negative: trailing` in the options"),
        ("time32[s]", ["8:05"], 'set `time_format: "%H:%M"` in the options'),
        ("time32[s]", ["1:02 PM"], 'set `time_format: "%I:%M %p"` in the options'),
        ("time32[s]", ["0700"], 'set `time_format: "%H%M"` in the options'),
        ("duration[s]", ["26:00:00"], 'set `time_format: "%H:%M:%S"` in the options'),
        ("duration[s]", ["1 days 02:00:00"], "set `time_format: interval` in the options"),
        ("duration[s]", ["PT2H"], "set `time_format: iso8601` in the options"),
        ("timestamp[ms]", ["1700000000"], "a number says no unit: set `epoch_unit: s` in the options, or ms, us, ns"),
        (
            "timestamp[us]",
            ["1700000000123.5"],
            "a number says no unit: set `epoch_unit: ms` in the options, or s, us, ns",
        ),
        ("list<int64>", ["{1,NULL}"], "set `lists: postgresql` in the options"),
        ("list<string>", ["[a, NULL]"], "set `lists: duckdb` in the options"),
        ("binary", ["\\x6162"], "set `binary: hex` in the options"),
    ],
)
def test_hint_names_the_options_that_read_it(kind: str, texts: list[str], hint: str) -> None:
    assert hint_of(kind, texts, {}) == hint
    assert values(kind, texts, said(hint)).null_count == 0


@each_case(
    ("kind", "texts", "options", "formats"),
    [
        ("date32", ["31/01/2024", "2024.02.03"], {}, 'date_format: ["%d/%m/%Y", "%Y.%m.%d"]'),
        ("date32", ["31/01/2024", "1 Feb 2024", "5/6/2024"], {}, 'date_format: ["%d/%m/%Y", "%d %b %Y"]'),
        ("date32", ["2024-02-03"], {"date_format": "%d/%m/%Y"}, 'date_format: ["%d/%m/%Y", "%Y-%m-%d"]'),
        ("date32", ["31/01/24"], {"date_format": "%d/%m/%Y"}, 'date_format: ["%d/%m/%Y", "%d/%m/%y"]'),
        ("timestamp[s]", ["31/01/2024 10:00", "31/01/2024"], {}, 'timestamp_format: ["%d/%m/%Y %H:%M", "%d/%m/%Y"]'),
        (
            "timestamp[s]",
            ["2024-01-31T10:00:00"],
            {"timestamp_format": "%d/%m/%Y %H:%M"},
            'timestamp_format: ["%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S"]',
        ),
        ("time32[s]", ["8:05", "1:02 PM"], {}, 'time_format: ["%H:%M", "%I:%M %p"]'),
        ("time32[s]", ["1:02:03"], {"time_format": "%M:%S"}, 'time_format: ["%M:%S", "%H:%M:%S"]'),
        ("duration[s]", ["PT2H", "26:00:00"], {}, 'time_format: [iso8601, "%H:%M:%S"]'),
    ],
)
def test_hint_names_formats_that_read_values_together(
    kind: str, texts: list[str], options: dict[str, Any], formats: str
) -> None:
    hint = hint_of(kind, texts, options)
    assert hint == f"set `{formats}` in the options"
    assert values(kind, texts, said(hint)).null_count == 0


@each_case(
    ("kind", "text", "options", "reason", "other"),
    [
        ("date32", "2024-02-29 00:00:00", {}, "it has a time of day", "timestamp[s]"),
        ("date32", "2024-02-29T00:00:00.000", {}, "it has a time of day", "timestamp[s]"),
        ("date32", "2024-02-29 10:00:00.5", {}, "it has a time of day", "timestamp[ms]"),
        ("date32", "2024-02-29T00:00:00Z", {}, "it has a time of day", "timestamp[s, tz=UTC]"),
        ("date32", "5881580-07-12", {}, "it is too far for date32", "timestamp[s]"),
        ("timestamp[us]", f"{2**63 - 1}", {"epoch_unit": "ms"}, "it is too far for timestamp[us]", "timestamp[ms]"),
        ("timestamp[ns]", "9223372037", {"epoch_unit": "s"}, "it is too far for timestamp[ns]", "timestamp[s]"),
        ("timestamp[ns]", "2300-01-01", {}, "it is too far for timestamp[ns]", "timestamp[s]"),
        (
            "timestamp[ns]",
            "01/01/2500",
            {"timestamp_format": "%d/%m/%Y"},
            "it is too far for timestamp[ns]",
            "timestamp[s]",
        ),
        (
            "timestamp[s]",
            "1/2/2024 10:00:00.5",
            {"timestamp_format": "%d/%m/%Y %H:%M:%S.%f"},
            "it has fractions of a second",
            "timestamp[ms]",
        ),
        ("time32[s]", "10:30.5", {"time_format": "%M:%S.%f"}, "it has fractions of a second", "time32[ms]"),
        ("duration[s]", "90.5", {"time_format": "%S.%f"}, "it has fractions of a second", "duration[ms]"),
        ("duration[ns]", "9999999:00", {"time_format": "%H:%M"}, "it is too far for duration[ns]", "duration[s]"),
        ("duration[ns]", "9999999999999", {}, "it is too far for duration[ns]", "duration[s]"),
    ],
)
def test_hint_names_the_type_that_reads_it(
    kind: str, text: str, options: dict[str, Any], reason: str, other: str
) -> None:
    assert hint_of(kind, [text], options) == f"{reason}: declare `{other}`"
    assert values(other, [text], options).null_count == 0


@each_case(
    ("kind", "text", "options", "hint"),
    [
        (
            "timestamp[s, tz=Europe/Paris]",
            "20240102030405",
            {},
            'set `timestamp_format: "%Y%m%d%H%M%S"` in the options, which reads clocks of Europe/Paris',
        ),
        (
            "timestamp[s]",
            "2024010203",
            {},
            'set `timestamp_format: "%Y%m%d%H"` in the options; or, if it counts from 1970, `epoch_unit: s`',
        ),
        ("timestamp[us]", "2024-01-01 00:00:00 CET", {}, "`CET` says no offset from UTC"),
        ("timestamp[us, tz=UTC]", "2024-01-01 00:00:00 CET", {}, "`CET` says no offset from UTC"),
        ("timestamp[us, tz=UTC]", "x", {}, "ISO 8601 is expected"),
        ("timestamp[us, tz=UTC]", "1,5", {}, "ISO 8601 is expected"),
        ("timestamp[us, tz=UTC]", "13/01/2024 03:04", {}, 'set `timestamp_format: "%d/%m/%Y %H:%M"` in the options'),
        *(
            ("timestamp[us]", text, {"epoch_unit": "ms"}, "a number is expected, as `epoch_unit` is set")
            for text in ("2024-01-01", "2024-01-01 00:00:00", "x")
        ),
        *(
            (kind, "NaT", {}, """if 'NaT' stands for null, set `null_values: ["", "NaT"]` in the column""")
            for kind in ("duration[s]", "timestamp[s]", "date32")
        ),
        *(
            ("duration[s]", text, options, "months and years are no fixed time: declare the column as string")
            for text in ("1 mon", "1 year 2 mons", "P1M", "P1Y2M3D")
            for options in ({}, {"time_format": "interval"})
        ),
    ],
)
def test_hint_says_why_it_is_not_read(kind: str, text: str, options: dict[str, Any], hint: str) -> None:
    found = hint_of(kind, [text], options)
    assert found.startswith(hint)
    assert "it has a time zone" not in found


def test_utc_is_no_wall_clock_time() -> None:
    text = "2026-01-31 12:00:00 UTC"
    assert hint_of("timestamp[s]", [text], {}) == "it has a time zone: declare `timestamp[s, tz=UTC]`"


@each_case(
    ("kind", "texts", "options"),
    [
        ("float64", ["$1", "€2"], {}),
        ("int64", ["1.5"], {}),
        ("float64", ["1,23,4"], {}),
        ("time32[s]", ["noon"], {}),
        ("int8", ["1,000"], {}),
        # What is set gets no other meaning.
        ("int64", ["50%"], {"percent": "fraction"}),
        ("float64", ["€5"], {"currency": "$"}),
        ("float64", ["5-"], {"negative": "parentheses"}),
        ("int64", ["1.234"], {"thousands": ","}),
        # Formats that may be others are not named together.
        ("date32", ["01/02/2024", "2024.02.03"], {}),
        ("date32", ["03/14/2020"], {"date_format": "%d/%m/%Y"}),
        ("date32", ["31/01/2024", "01/31/2024"], {}),
        ("date32", ["31/01/2024", "soon"], {}),
    ],
)
def test_no_option_is_named_that_would_not_read_it(kind: str, texts: list[str], options: dict[str, Any]) -> None:
    assert "set `" not in hint_of(kind, texts, options)


@pytest.mark.parametrize("kind", ["struct<a: int64>", "map<string, int64>"])
@pytest.mark.parametrize("text", ["{a=1}", "{'a': 1}"])
def test_structs_that_are_no_json_are_text(text: str, kind: str) -> None:
    assert hint_of(kind, [text], {}).endswith("or declare the column as string")


def test_unknown_words_of_a_boolean_column_are_named() -> None:
    assert hint_of("bool", ["open", "shut", "true"], {}) == (
        "say with `true_values: […]` and `false_values: […]` in the options "
        "which of `true`, `open`, `shut` are true and false"
    )


@each_case(
    ("kind", "text", "format_"),
    [
        ("date32", "20240102", "%Y%m%d"),
        ("timestamp[us]", "20240102", "%Y%m%d"),
        ("timestamp[us]", "20240102030405", "%Y%m%d%H%M%S"),
        ("timestamp[us]", "202401020304", "%Y%m%d%H%M"),
        ("timestamp[us]", "20240102030405.5", "%Y%m%d%H%M%S.%f"),
        ("timestamp[us]", "20240102T030405", "%Y%m%dT%H%M%S"),
        ("timestamp[us, tz=UTC]", "20240102T030405Z", "%Y%m%dT%H%M%S%z"),
        ("timestamp[us, tz=Europe/Paris]", "2024-01-01 00:00:00 +0100 CET", "%Y-%m-%d %H:%M:%S %z CET"),
        ("timestamp[us, tz=UTC]", "Mon, 01 Jan 2024 00:00:00 GMT", "%a, %d %b %Y %H:%M:%S GMT"),
    ],
)
def test_hint_names_the_format_of_moments(kind: str, text: str, format_: str) -> None:
    option = "date_format" if kind == "date32" else "timestamp_format"
    hint = hint_of(kind, [text], {})
    assert hint.startswith(f'set `{option}: "{format_}"` in the options')
    assert values(kind, [text], said(hint)).null_count == 0


@pytest.mark.parametrize("kind", ["timestamp[us]", "timestamp[us, tz=Europe/Paris]"])
def test_greenwich_time_is_declared_in_utc(kind: str) -> None:
    hint = hint_of(kind, ["2024-01-01 00:00:00 GMT"], {})
    assert hint == (
        "it has a time zone: declare `timestamp[us, tz=UTC]`, "
        'and set `timestamp_format: "%Y-%m-%d %H:%M:%S GMT"` in the column'
    )
    assert values("timestamp[us, tz=UTC]", ["2024-01-01 00:00:00 GMT"], said(hint)).null_count == 0


def test_times_beyond_a_day_are_called_durations() -> None:
    hint = hint_of("time32[s]", ["8:05:00", "26:00:00"], {})
    assert hint == 'declare duration[s], which may be longer than a day, and set `time_format: "%H:%M:%S"`'
    assert values("duration[s]", ["8:05:00", "26:00:00"], said(hint)).null_count == 0


@pytest.mark.parametrize(
    ("text", "format_", "seconds"),
    [
        ("75:30", "%M:%S", 4530),
        ("25.10", "%H.%M", 90_600),
        ("2510", "%H%M", 90_600),
        ("90", "%M", 5400),
        ("90", "%S", 90),
        ("25:00:00", ["%M:%S", "%H:%M:%S"], 90_000),
    ],
)
def test_hint_keeps_the_format_of_what_is_no_time_of_day(text: str, format_: Any, seconds: int) -> None:
    options = {"time_format": format_, "delimiter": ";"}
    hint = hint_of("time32[s]", [text], options)
    assert hint == (
        "it is no time of day by the `time_format` that is set: declare `duration[s]`, which reads it by the same"
    )
    values = read(f'a;b\n"{text}";1\n', columns_of(a="duration[s]"), **options)["a"]
    assert values.cast("int64").to_pylist() == [seconds]


@pytest.mark.parametrize(
    ("kind", "text", "format_"),
    [
        ("time32[s]", "13:04", "%S"),
        ("time32[s]", "13:04", "%M:%S.%f"),
        ("duration[s]", "13:04", "%S"),
        ("duration[s]", "13:04", "%M:%S.%f"),
        ("duration[s]", "75:30", "%M.%S"),
    ],
)
def test_minutes_are_not_named_as_hours(kind: str, text: str, format_: str) -> None:
    hint = hint_of(kind, [text], {"time_format": format_})
    assert "%H" not in hint
    assert "interval" not in hint


@pytest.mark.parametrize(("text", "point"), [("1.000", "."), ("1,000", ",")])
def test_both_readings_of_zeros_behind_a_mark_work(text: str, point: str) -> None:
    hint = hint_of("int64", [text], {"decimal": point})
    assert f"; or declare `float64`, where {text} has a fraction of zeros" in hint
    # In the column, what is set takes the place of the table's decimal point.
    for kind, options, value in (("int64", said(hint), 1000), ("float64", {"decimal": point}, 1.0)):
        found = read(f'a;b\n"{text}";1\n', columns_of(a=kind), delimiter=";", **options)
        assert found["a"].to_pylist() == [value]


@pytest.mark.parametrize(
    ("texts", "hint"),
    [
        (["true ", "false"], "set `trim: true` in its options"),
        (["no\t", "true"], "set `trim: true` in its options, and set `false_values: [no]` in the options"),
        (['"true "', "true"], "set `trim: true` in its options"),
    ],
)
def test_blanks_around_booleans_are_trimmed(texts: list[str], hint: str) -> None:
    data = "a;b\n" + "".join(f"{text};1\n" for text in texts)
    options: dict[str, Any] = {"delimiter": ";"}
    with pytest.raises(DataError) as caught:
        read(data, columns_of(a="bool"), **options)
    assert caught.value.hint == hint
    options |= said(hint) | {"trim": True}
    if '"' not in data:
        assert read(data, columns_of(a="bool"), **options).num_rows == len(texts)
        return
    with pytest.raises(DataError) as caught:
        read(data, columns_of(a="bool"), **options)
    assert caught.value.hint == 'set `true_values: [true, "true "]` in the options'
    assert read(data, columns_of(a="bool"), **options, **said(caught.value.hint))["a"].to_pylist() == [True, True]


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("time32[s]", 'declare duration[s], which may be longer than a day, and set `time_format: "%H:%M"`'),
        ("duration[s]", 'set `time_format: "%H:%M"` in the options'),
    ],
)
def test_both_readings_of_two_numbers_are_named(kind: str, hint: str) -> None:
    other = '; or `time_format: "%M:%S"`, where 1:30 is minutes and seconds'
    assert hint_of(kind, ["75:30"], {}) == hint + other
    for format_, seconds in (("%H:%M", 271_800), ("%M:%S", 4530)):
        found = read("a\n75:30\n", columns_of(a="duration[s]"), time_format=format_)
        assert found["a"].cast("int64").to_pylist() == [seconds]
