"""JSON Lines: what is written, what is read, and what is refused with its place."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.jsonl import read as reading
from lakehouse_cli.formats.jsonl.fast import read_fast
from lakehouse_cli.formats.jsonl.format import JsonlFormat
from lakehouse_cli.formats.jsonl.lines import Opened
from lakehouse_cli.formats.jsonl.spec import JsonlOptions
from lakehouse_cli.model import Column, parse_column_type
from tests.cases import each_case
from tests.unit.formats.csv_files import columns_of, set_block


def read(text: str | bytes, declared: list[Column] | None, name: str = "data/t.jsonl", **options: Any) -> pa.Table:
    data = text if isinstance(text, bytes) else text.encode()
    return JsonlFormat().read(lambda: io.BytesIO(data), name, declared, JsonlOptions.from_mapping(options))


def written(table: pa.Table, **options: Any) -> str:
    sink = io.BytesIO()
    JsonlFormat().write(table, sink, JsonlOptions.from_mapping(options))
    return sink.getvalue().decode()


def test_how_each_type_is_spelled() -> None:
    zurich = parse_column_type("timestamp[s, tz=Europe/Zurich]")
    table = pa.table(
        {
            "i": pa.array([2**63 - 1, None]),
            "u": pa.array([2**64 - 1, 0], pa.uint64()),
            "f": [0.1, float("nan")],
            "b": [True, None],
            "s": ['a "b"\n', ""],
            "d": pa.array([Decimal("12.30"), None], pa.decimal128(38, 2)),
            "day": [date(2020, 2, 29), None],
            "t": pa.array([datetime(2020, 1, 1, 5, 6, 7, 123456), None]),
            "z": pa.array([datetime(2020, 1, 1, tzinfo=UTC), None], pa.timestamp("s", zurich.timezone)),
            "clock": pa.array([time(5, 6, 7), None], pa.time32("s")),
            "span": pa.array([timedelta(seconds=93.5), None], pa.duration("ms")),
            "raw": pa.array([b"\xff\x00", b""]),
            "c": pa.array(["x", None]).dictionary_encode(),
            "l": pa.array([[1, None], None]),
            "o": pa.array([{"k": Decimal("1.0"), "t": datetime(2020, 1, 1)}, None]),
        }
    )
    first, second = (json.loads(line) for line in written(table).splitlines())
    assert first == {
        "i": 9223372036854775807,
        "u": 18446744073709551615,
        "f": 0.1,
        "b": True,
        "s": 'a "b"\n',
        "d": "12.30",
        "day": "2020-02-29",
        "t": "2020-01-01T05:06:07.123456",
        "z": "2020-01-01T00:00:00Z",
        "clock": "05:06:07",
        "span": "93.500",
        "raw": "/wA=",
        "c": "x",
        "l": [1, None],
        "o": {"k": "1.0", "t": "2020-01-01T00:00:00.000000"},
    }
    assert list(first) == table.column_names == list(second)
    assert second["f"] == "nan"
    assert [name for name, value in second.items() if value is None] == [
        *("i", "b", "d", "day", "t", "z", "clock", "span", "c", "l", "o")
    ]


def test_null_and_a_name_that_is_missing_are_both_null() -> None:
    table = read('{"a": 1, "b": null}\n{"b": "x"}\n{}\n', columns_of(a="int64", b="string"))
    assert table.to_pydict() == {"a": [1, None, None], "b": [None, "x", None]}


def test_a_name_that_every_line_lacks_is_an_error() -> None:
    with pytest.raises(DataError, match=r"`data/t\.jsonl` lacks column `staton`") as caught:
        read('{"station": "a", "x": 1}\n{"y": 2}\n', columns_of(staton="string"))
    assert caught.value.hint == "did you mean `station`?"
    with pytest.raises(DataError) as caught:
        read('{"a": 1}\n', columns_of(zzz="list<int64>"))
    assert caught.value.hint == "its names are `a`"


def test_nothing_at_all_is_a_table_without_rows() -> None:
    for text in ("", "\n\n", "\ufeff"):
        assert read(text, columns_of(a="int64", l="list<int64>", c="dictionary<string>")).num_rows == 0


def test_a_column_that_is_null_everywhere_is_not_missing() -> None:
    assert read('{"a": 1}\n{"a": 2, "b": null}\n', columns_of(a="int64", b="date32"))["b"].to_pylist() == [None, None]


@each_case(
    ("text", "declared", "expected"),
    [
        ('"5"', "int64", 5),
        ("-0", "int64", 0),
        ("18446744073709551615", "uint64", 2**64 - 1),
        ("1.50", "decimal128(5, 2)", Decimal("1.50")),
        ('"1e2"', "decimal128(5, 2)", Decimal("100.00")),
        (
            "0.12345678901234567890123456789012345678",
            "decimal128(38, 38)",
            Decimal("0.12345678901234567890123456789012345678"),
        ),
        ('"inf"', "float64", float("inf")),
        ("Infinity", "float64", float("inf")),
        ("5", "float64", 5.0),
        ('"2020-01-01T05:00:00+02:00"', "timestamp[s, tz=UTC]", datetime(2020, 1, 1, 3, tzinfo=UTC)),
        ('"2020-01-01 05:00:00.000"', "timestamp[s]", datetime(2020, 1, 1, 5)),
        ('"\\ud83d\\ude00"', "string", "😀"),
        ("{}", "string", "{}"),
        (
            '{"b": [1.50, 1E5, null, true], "a": {"é\\n": "\\u00fc\\""}}',
            "string",
            '{"b":[1.50,1E5,null,true],"a":{"é\\n":"ü\\""}}',
        ),
        ("[ 12345678901234567890.10 ]", "dictionary<string>", "[12345678901234567890.10]"),
        ('{"a": 1, "b": [true]}', "struct<b: list<bool>, a: int8>", {"b": [True], "a": 1}),
        ('{"a": 1}', "struct<b: list<bool>, a: int8>", {"b": None, "a": 1}),
    ],
)
def test_spellings_that_are_read(text: str, declared: str, expected: Any) -> None:
    assert read(f'{{"x": {text}}}\r\n', columns_of(x=declared))["x"].to_pylist() == [expected]


@each_case(
    ("text", "declared"),
    [
        ("1.5", "int64"),
        ("300", "int8"),
        ("-1", "uint8"),
        ("true", "int64"),
        ("1e400", "float64"),
        ("1.234", "decimal128(5, 2)"),
        ("5", "string"),
        ('{"a": [NaN]}', "string"),
        ("[{}]", "list<string>"),
        ('"true"', "bool"),
        ("1", "bool"),
        ('"2020-02-30"', "date32"),
        ('"2020-01-01T00:00:00"', "timestamp[s, tz=UTC]"),
        ('"2020-01-01T00:00:00Z"', "timestamp[s]"),
        ('"2020-01-01T00:00:00.5"', "timestamp[s]"),
        ('"?"', "binary"),
        ("[1, 2.5]", "list<int64>"),
        ('{"a": 1, "c": 2}', "struct<a: int64>"),
        ("NaN", "decimal128(5, 2)"),
    ],
)
def test_refused_values_have_line_row_and_count(text: str, declared: str) -> None:
    lines = ['{"x": null}', "", f'{{"x": {text}}}', '{"x": null}', f'{{"x": {text}}}']
    with pytest.raises(DataError) as caught:
        read("\n".join(lines), columns_of(x=declared))
    error = caught.value
    assert error.message == f"`{text}` in column `x` of `data/t.jsonl` is not {declared}, and 1 more value does not fit"
    assert str(error.location) == "data/t.jsonl:3"
    (violation,) = error.violations
    assert (violation.check, violation.count) == ("type", 2)
    assert [(e.row, e.line, e.value) for e in violation.examples] == [(2, 3, text), (4, 5, text)]


def test_every_column_is_judged_and_five_values_shown() -> None:
    text = "".join(f'{{"a": "x{i}", "b": {i}}}\n' for i in range(9_000))
    with pytest.raises(DataError, match=r"`\"x0\"` in column `a` .* and 17,871 more values do not fit") as caught:
        read(text, columns_of(a="int64", b="int8"))
    first, second = caught.value.violations
    assert (first.count, second.count) == (9_000, 8_872)
    assert [e.line for e in first.examples] == [1, 2, 3, 4, 5]
    assert [e.value for e in second.examples] == ["128", "129", "130", "131", "132"]


@each_case(
    ("line", "reported"),
    [
        (b'{"x": 1', "line 2 of `data/t.jsonl` is not JSON: "),
        (b'{"x": 1}{"x": 2}', "is not JSON: extra data at character 9"),
        (b'{"x": 01}', "is not JSON: "),
        (b'{"x": 1, "x": 2}', "cannot be read exactly: the name `x` is there twice"),
        (b'{"x": "\\ud800"}', r"cannot be read exactly: \\ud800 is half of a character"),
        (b'{"x": "\xff"}', "is not UTF-8: byte 0xff"),
        (b"[1]", "holds a list, and a row is an object"),
        (b"null", "holds null, and"),
        (b"7", "holds a number, and"),
        (b'{"x": ' + b"[" * 100_000, "is nested too deep"),
    ],
)
@each_case("declared", [columns_of(x="int64"), columns_of(x="string"), None])
def test_line_that_is_no_object_is_refused(line: bytes, reported: str, declared: list[Column] | None) -> None:
    with pytest.raises(StorageError, match=reported) as caught:
        read(b'{"x": null}\n' + line + b'\n{"x": null}\n', declared)
    assert str(caught.value.location) == "data/t.jsonl:2"


@each_case(
    ("first", "kind"),
    [("null", "null"), ("[]", "a list"), ('"x"', "a text"), ("1", "a number"), ("true", "a truth value")],
)
@each_case("rest", ["", '\n{"x":1}', "\nnull", '\n{}\n{"x":NaN}\n{"x":{"x":1}}'])
def test_first_line_that_is_no_object_is_refused(first: str, kind: str, rest: str) -> None:
    with pytest.raises(StorageError, match=f"line 1 of `data/t.jsonl` holds {kind}, and a row is an object"):
        read(first + rest, columns_of(x="int64"))


@pytest.mark.parametrize("line_end", ["\n", "\n \n\t", "\r\n", "\r\n\r"])
@pytest.mark.parametrize("block", [12, 16, 40])
def test_null_at_the_start_of_a_block_is_refused(monkeypatch: pytest.MonkeyPatch, block: int, line_end: str) -> None:
    monkeypatch.setattr("lakehouse_cli.formats.compression.BLOCK", block)
    monkeypatch.setattr("lakehouse_cli.formats.jsonl.fast.BLOCK", block)
    for before in range(1, 9):
        with pytest.raises(StorageError, match="holds null, and a row is an object"):
            read(line_end.join(['{"x":1}'] * before + ["null", '{"x":2}']), columns_of(x="int64"))


def test_file_of_one_list_has_a_hint() -> None:
    with pytest.raises(StorageError) as caught:
        read('[\n  {"x": 1}\n]\n', columns_of(x="int64"))
    assert caught.value.hint == "set `format: json` and the option `suffix: .jsonl` for a file of one array"


def test_other_encodings_and_compressions_are_refused() -> None:
    with pytest.raises(StorageError, match="is in UTF-16"):
        read('{"x": 1}'.encode("utf-16"), columns_of(x="int64"))
    packed = gzip.compress(b'{"x": 1}\n')
    assert read(packed, columns_of(x="int64"))["x"].to_pylist() == [1]
    with pytest.raises(StorageError, match="is not whole gzip data"):
        read(gzip.compress(b'{"x": 1}\n' * 9999)[:-20], columns_of(x="int64"), "t.jsonl.gz")
    assert read(packed, columns_of(x="int64"), "t.jsonl.gz")["x"].to_pylist() == [1]
    assert read(bz2.compress(b'{"x": 1}\n'), columns_of(x="int64"), compression="bz2")["x"].to_pylist() == [1]


def test_lines_longer_than_a_block_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    set_block(monkeypatch, 1 << 16)
    text = "x" * 200_000
    table = pa.table({"a": [text, "b"], "n": [1, 2]})
    assert read(written(table), columns_of(a="string", n="int64")).equals(table)


def test_undeclared_columns_lose_nothing() -> None:
    text = """{"i": 1, "f": 1, "s": "007", "l": [1, 2]}
        {"i": null, "f": 0.5, "o": {"a": true}, "u": 18446744073709551615, "d": 0.12345678901234567890}
        {"d": 7, "day": "2020-01-01"}"""
    table = read(text, None)
    assert {field.name: str(field.type) for field in table.schema} == {
        "i": "int64",
        "f": "double",
        "s": "string",
        "l": "list<item: int64>",
        "o": "struct<a: bool>",
        "u": "uint64",
        "d": str(table["d"].type),
        "day": "string",
    }
    assert table["d"].to_pylist() == [None, Decimal("0.12345678901234567890"), Decimal(7)]
    assert table["f"].to_pylist() == [1.0, 0.5, None]
    with pytest.raises(DataError, match="column `e` holds 1 value that is of more than 38 digits"):
        read('{"e": 1e400}', None)


@each_case(
    ("numbers", "kind"),
    [
        (["1" + "0" * 23], "decimal128(24, 0)"),
        (["9" * 38, "-1", "null"], "decimal128(38, 0)"),
        (["18446744073709551615", "-1"], "decimal128(20, 0)"),
        (["18446744073709551615", "1"], "uint64"),
        (["9007199254740993", "0.5"], "decimal128(17, 1)"),
        (["1152921504606846976", "0.5"], "double"),
        (["1.2345678901234567890" + "0" * 80, "2"], "decimal128(19, 18)"),
        (["1e23", "1e300"], "double"),
    ],
)
def test_undeclared_numbers_keep_every_digit(numbers: list[str], kind: str) -> None:
    column = read("".join(f'{{"a": {number}}}\n' for number in numbers), None)["a"]
    assert str(column.type) == kind
    found = [None if value is None else Decimal(value) for value in column.to_pylist()]
    exact = [None if number == "null" else Decimal(number) for number in numbers]
    assert found == ([Decimal(float(number)) for number in numbers] if kind == "double" else exact)


@pytest.mark.parametrize(
    "numbers",
    [
        ["0.10000000000000001", "2.5", "1"],
        ["9007199254740993", "0.5"],
        ["1152921504606846976", "0.5"],
        ["0.1", "2"],
        ["18446744073709551615", "-1", "null"],
    ],
)
def test_undeclared_numbers_inside_are_read_as_outside(numbers: list[str]) -> None:
    lines = [f'{{"a": {each}, "o": {{"x": {each}}}, "l": [{{"y": [{each}]}}]}}\n' for each in numbers]
    table = read("".join(lines), None)
    outside = table["a"].to_pylist()
    assert [value["x"] for value in table["o"].to_pylist()] == outside
    assert [value[0]["y"][0] for value in table["l"].to_pylist()] == outside
    assert table.schema.field("o").type.field("x").type == table.schema.field("a").type
    assert table.schema.field("l").type.value_type.field("y").type.value_type == table.schema.field("a").type


def test_undeclared_large_integers_inside_keep_every_digit() -> None:
    assert read('{"a": [100000000000000000000000, 1]}\n', None)["a"].to_pylist() == [[Decimal(10**23), Decimal(1)]]


@pytest.mark.parametrize("numbers", [["1" + "0" * 38], ["1" + "0" * 400, "0.5"], ["NaN", "0.1234567890123456789"]])
def test_undeclared_numbers_that_fit_no_type_are_refused(numbers: list[str]) -> None:
    with pytest.raises(DataError, match="column `a` holds 1 value that is"):
        read("".join(f'{{"a": {number}}}\n' for number in numbers), None)


def test_undeclared_mixed_columns_are_refused_with_line() -> None:
    with pytest.raises(DataError, match=r"column `x` holds .*text.* among integers.* in `data/t.jsonl`") as caught:
        read('{"x": 1}\n\n{"x": 2}\n{"x": "a"}\n', None)
    assert str(caught.value.location) == "data/t.jsonl:4"
    assert caught.value.hint == "declare the columns to read, with their types"


def test_the_quick_way_and_the_careful_way_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        '{"i": 1, "f": 0.1, "s": "a", "b": true, "t": "2020-01-01T00:00:00Z", "d": "1.5", "c": "x"}',
        '{"i": null, "f": "nan", "s": "", "b": false, "t": null, "d": null, "c": "y", "other": [1, {}]}',
        '{"i": -5, "f": 1e-7, "s": "\\u0000\\n", "b": null, "t": "2020-01-01T00:00:00+05:30", "d": "-0.25", "c": "x"}',
    ]
    declared = columns_of(
        t="timestamp[us, tz=UTC]",
        i="int16",
        f="float32",
        s="string",
        b="bool",
        d="decimal128(9, 3)",
        c="dictionary<string>",
    )
    for chosen in (lines[:1], lines[2:], [lines[0], lines[2]]):
        text = "\n".join(chosen).encode()
        quick = read_fast(
            Opened(lambda text=text: io.BytesIO(text), "t", None), declared, [CsvOptions()] * len(declared)
        )  # type: ignore[misc]
        assert quick is not None
        with monkeypatch.context() as patch:
            patch.setattr(reading, "read_fast", lambda *_: None)
            assert read(text, declared).equals(quick)
    assert read("\n".join(lines), declared).num_rows == 3


def test_times_outside_a_day_are_not_written() -> None:
    table = pa.table({"clock": pa.array([86_400], pa.int32()).cast(pa.time32("s"))})
    with pytest.raises(StorageError, match="column `clock`: 86400 s is not within a day"):
        written(table)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_as_durations_are_no_matter_of_the_unit(word: str) -> None:
    for options in ({}, {"duration_unit": "ms"}):
        with pytest.raises(DataError, match=f"`{word}` in column `d`") as caught:
            read(f'{{"d": {word}}}\n', columns_of(d="duration[s]"), **options)
        assert caught.value.hint == "correct the file, or declare another type"


@each_case(
    ("options", "value", "kind", "expected"),
    [
        ({"epoch_unit": "ms"}, "1700000000123", "timestamp[ms]", datetime(2023, 11, 14, 22, 13, 20, 123_000)),
        ({"epoch_unit": "s"}, "1700000000.5", "timestamp[us]", datetime(2023, 11, 14, 22, 13, 20, 500_000)),
        ({"epoch_unit": "s"}, '"1700000000"', "timestamp[s]", datetime(2023, 11, 14, 22, 13, 20)),
        ({"epoch_unit": "s"}, "[1700000000]", "list<timestamp[s]>", [datetime(2023, 11, 14, 22, 13, 20)]),
        ({"time_format": "iso8601"}, '"PT26H"', "duration[s]", timedelta(hours=26)),
        ({"time_format": "%H:%M"}, '"8:05"', "time32[s]", time(8, 5)),
        ({"binary": "hex"}, '"\\\\x6162"', "binary", b"ab"),
        ({"percent": "number", "thousands": ","}, '"1,250%"', "int64", 1250),
        ({}, "1.0", "int64", 1),
        ({}, "1e5", "int64", 100_000),
    ],
)
def test_values_are_spelled_as_the_options_say(options: dict[str, Any], value: str, kind: str, expected: Any) -> None:
    assert read(f'{{"x": {value}}}\n', columns_of(x=kind), **options)["x"].to_pylist() == [expected]


def test_epoch_timestamps_are_written_as_numbers() -> None:
    table = pa.table(
        {"x": pa.array([1, None], pa.timestamp("ms")), "l": pa.array([[2], []], pa.list_(pa.timestamp("s")))}
    )
    assert written(table, epoch_unit="ms") == '{"x":1,"l":[2000]}\n{"x":null,"l":[]}\n'


@pytest.mark.parametrize("value", ["1700000000.5", '"2023-11-14"', "true", "1e30"])
def test_epoch_numbers_that_do_not_fit_are_refused(value: str) -> None:
    with pytest.raises(DataError, match="is not timestamp"):
        read(f'{{"x": {value}}}\n', columns_of(x="timestamp[s]"), epoch_unit="s")


@pytest.mark.parametrize(
    ("value", "kind", "hint"),
    [
        ("1700000000", "timestamp[s]", "a number says no unit: set `epoch_unit: s` in the options, or ms, us, ns"),
        ('"1,250"', "int64", 'set `thousands: ","` in the options'),
        (
            '"1,234"',
            "float64",
            'set `thousands: ","` in the options; '
            "or, where 1,234 is 1.234, declare the column as string and make numbers of it in a transform",
        ),
        ('"PT2H"', "duration[s]", "set `time_format: iso8601` in the options"),
        ('"yes"', "bool", "correct the file, or declare another type"),
    ],
)
def test_hint_names_the_option_that_reads_it(value: str, kind: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        read(f'{{"x": {value}}}\n', columns_of(x=kind))
    assert caught.value.hint == hint


@pytest.mark.parametrize("text", ["01/02/2024 10:00", "NA"])
@pytest.mark.parametrize(
    ("kind", "example"),
    [("timestamp[s]", "2026-01-31T12:00:00"), ("timestamp[s, tz=UTC]", "2026-01-31T12:00:00Z")],
)
def test_hint_of_no_timestamp_does_not_change_the_zone(text: str, kind: str, example: str) -> None:
    with pytest.raises(DataError) as caught:
        read(f'{{"x": "{text}"}}\n', columns_of(x=kind))
    assert caught.value.hint == (
        f'ISO 8601 is expected, as "{example}": write it so, and null for none; or declare the column as string'
    )
    assert read(f'{{"x": "{example}"}}\n{{"x": null}}\n', columns_of(x=kind))["x"].null_count == 1
    assert read(f'{{"x": "{text}"}}\n', columns_of(x="string"))["x"].to_pylist() == [text]
