"""Options by column: what they change of one column, reading and writing, and that nothing else changes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.config.options import value_type
from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import Column, parse_column_type
from lakehouse_cli.registry import Entry, load


def column(name: str, type_: str, from_: str | int | None = None, **options: Any) -> Column:
    return Column(name, parse_column_type(type_), options=options, from_=from_)


def read(text: str, *columns: Column, kind: str = "csv", **options: Any) -> pa.Table:
    own = [(each.name, each.options) for each in columns if each.options]
    checked = FORMATS[kind].checked(options, own)
    format_ = load(Entry(FORMATS[kind].implementation))()
    table: pa.Table = format_.read(lambda: io.BytesIO(text.encode()), "x", columns or None, checked)
    return table


def write(table: pa.Table, own: Mapping[str, Mapping[str, Any]], kind: str = "csv", **options: Any) -> str:
    sink = io.BytesIO()
    load(Entry(FORMATS[kind].implementation))().write(table, sink, FORMATS[kind].checked(options, own.items()))
    return sink.getvalue().decode()


def test_null_of_one_column_is_text_in_another() -> None:
    text = "country,n,m\nNA,NA,-9\n-9,1,NA\n"
    back = read(text, column("country", "string"), column("n", "int64", null_values=["NA"]), column("m", "string"))
    assert back.to_pydict() == {"country": ["NA", "-9"], "n": [None, 1], "m": ["-9", "NA"]}


def test_null_that_is_a_number_counts_without_quotes_alone() -> None:
    back = read('a,b\n-999,-999\n"-999","-999"\n', column("a", "int64", null_values=["-999"]), column("b", "int64"))
    assert back.to_pydict() == {"a": [None, -999], "b": [-999, -999]}


def test_options_of_a_column_replace_those_of_the_table() -> None:
    back = read(
        "a,b\nNA,NA\n-,-\n", column("a", "string", null_values=["-"]), column("b", "string"), null_values=["NA"]
    )
    assert back.to_pydict() == {"a": ["NA", None], "b": [None, "-"]}


def test_each_column_is_read_by_its_own_options() -> None:
    text = "a;b;c;d;e;f\n31/12/2024;12/31/2024;1,5;1.5;Y;true\n"
    back = read(
        text,
        column("a", "date32", date_format="%d/%m/%Y"),
        column("b", "date32", date_format=["%m/%d/%Y"]),
        column("c", "float64", decimal=","),
        column("d", "float64"),
        column("e", "bool", true_values=["Y"]),
        column("f", "bool"),
        delimiter=";",
    )
    assert [str(value) for value in back.to_pylist()[0].values()] == [
        "2024-12-31",
        "2024-12-31",
        "1.5",
        "1.5",
        "True",
        "True",
    ]


def test_misfit_is_explained_by_the_options_of_its_column() -> None:
    with pytest.raises(DataError) as caught:
        read("a,b\nx,1\n-,2\n", column("a", "int64", null_values=["-"]), column("b", "int64"))
    assert caught.value.message == "`x` in column `a` of `x` is not int64"
    assert caught.value.location is not None
    assert caught.value.location.line == 2
    with pytest.raises(DataError) as caught:
        read("a\nNA\n", column("a", "int64", null_values=["-"]))
    assert caught.value.hint == 'if \'NA\' stands for null, set `null_values: ["-", "NA"]` in the column'


def test_bad_rows_are_found_in_every_pass() -> None:
    columns = column("a", "int64", null_values=["-"]), column("b", "int64")
    with pytest.raises(StorageError, match=r"line 3 of `x` has 3 values where 2 are expected"):
        read("a,b\n1,2\n1,2,3\n", *columns)
    with pytest.raises(DataError) as caught:
        read("a,b\n0x1,2\n1,1y3\n", *columns)
    assert [each.column for each in caught.value.violations] == ["a", "b"]


def test_columns_are_written_by_their_own_options() -> None:
    table = pa.table(
        {
            "a": ["x", None, "-", "", "NA"],
            "b": pa.array([1.5, None, 2.5, float("nan"), 0.0]),
            "c": [True, None, False, True, True],
            "d": pa.array([0, None, 1, 2, 3], pa.int32()).cast(pa.date32()),
        }
    )
    own = {
        "a": {"null_values": ["-"]},
        "b": {"decimal": ","},
        "c": {"true_values": ["Y"], "false_values": ["N"], "null_values": ["?"]},
        "d": {"date_format": "%d.%m.%Y", "null_values": ["NA"]},
    }
    text = write(table, own, delimiter=";", null_values=["NA"])
    assert text == (
        'a;b;c;d\nx;1,5;Y;01.01.1970\n-;NA;?;NA\n"-";2,5;N;02.01.1970\n"";nan;Y;03.01.1970\nNA;0,0;Y;04.01.1970\n'
    )
    types = {"a": "string", "b": "float64", "c": "bool", "d": "date32"}
    back = read(text, *(column(n, types[n], **own[n]) for n in types), delimiter=";", null_values=["NA"])
    assert back.to_pylist()[:3] == table.to_pylist()[:3]
    assert back.column("a").equals(table.column("a"))


def test_repeated_values_are_written_with_their_null() -> None:
    table = pa.table({"a": [1, None] * 2000, "b": [None, 1] * 2000})
    for names in (["a", "b"], ["b", "a"]):
        text = write(table.select(names), {"a": {"null_values": ["-"]}})
        back = read(text, *(column(n, "int64", **({"null_values": ["-"]} if n == "a" else {})) for n in names))
        assert back.equals(table.select(names))
        assert text.splitlines()[1:3] == (["1,", "-,1"] if names == ["a", "b"] else [",1", "1,-"])


def test_null_without_spelling_is_refused_by_column() -> None:
    table = pa.table({"a": [None, "x"], "b": [None, "y"]})
    with pytest.raises(StorageError, match="column `b` holds null, and `null_values` is empty"):
        write(table, {"b": {"null_values": []}})


def test_durations_of_json_lines_by_column() -> None:
    text = '{"a": 1500, "b": "3", "c": [2]}\n'
    columns = (
        column("a", "duration[ms]", duration_unit="ms"),
        column("b", "duration[ms]"),
        column("c", "list<duration[ms]>", duration_unit="s"),
    )
    back = read(text, *columns, kind="jsonl")
    assert [str(each) for each in back.to_pylist()[0].values()] == [
        "0:00:01.500000",
        "0:00:03",
        "[datetime.timedelta(seconds=2)]",
    ]
    own = {each.name: each.options for each in columns if each.options}
    assert write(back, own, kind="jsonl") == '{"a":"1500","b":"3.000","c":["2.000"]}\n'
    with pytest.raises(DataError, match="column `b`"):
        read('{"a": 1, "b": 3, "c": [2]}\n', *columns, kind="jsonl")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([("index", 1), ("b", None)], {"index": [0, 1], "b": [2, 4]}),
        ([("b", None), ("a1", 2), ("a2", 4)], {"b": [2, 4], "a1": [1, 3], "a2": [9, 8]}),
        ([("x", "b"), ("y", 3), ("z", "b")], {"x": [2, 4], "y": [2, 4], "z": [2, 4]}),
        ([("b", "two lines\nof a name"), ("a", 5)], {"b": [7, 6], "a": [7, 6]}),
    ],
)
def test_columns_are_found_by_from(wanted: list[tuple[str, str | int | None]], expected: dict[str, list[int]]) -> None:
    text = ',a,b,a,"two lines\nof a name"\n0,1,2,9,7\n1,3,4,8,6\n'
    assert read(text, *(column(name, "int64", from_) for name, from_ in wanted)).to_pydict() == expected


def test_one_column_may_be_read_twice() -> None:
    back = read("a\n007\n-\n", column("n", "int64", "a", null_values=["-"]), column("text", "string", 1))
    assert back.to_pydict() == {"n": [7, None], "text": ["007", "-"]}


def test_positions_of_files_without_header() -> None:
    columns = column("c", "int64", 3), column("a", "int64", 1)
    assert read("x\n1,2,3\n", *columns, header=False, skip_rows=1).to_pydict() == {"c": [3], "a": [1]}
    assert read("", *columns, header=False).num_rows == 0
    # A header of several lines has no names of its own.
    text = "Temp,Temp,Rain\n(C),(F),(mm)\n1,2,3\n"
    assert read(text, *columns, header=False, skip_rows=2).to_pydict() == {"c": [3], "a": [1]}


@pytest.mark.parametrize(
    ("from_", "message", "hint"),
    [
        (3, "`x` lacks column 3", '`from: 3` is a position; if it is a name, put it in quotes: `from: "3"`'),
        ("B", "`x` lacks column `B`", "did you mean `b`?"),
        ("a", "`x` has 2 columns named `a`", "say which of them by its position: `from: 1` or `from: 3`"),
    ],
)
def test_from_that_is_not_there_is_refused(from_: str | int, message: str, hint: str) -> None:
    header = "a,b,a\n1,2,3\n" if from_ == "a" else "a,b\n1,2\n"
    with pytest.raises((DataError, StorageError)) as caught:
        read(header, column("c", "int64", from_))
    assert caught.value.message == message
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_hint_for_missing_and_double_headers_works() -> None:
    with pytest.raises(StorageError) as caught:
        read(",a\n0,1\n")
    assert caught.value.hint == "declare the columns to read; this one by its position: `index: {type: …, from: 1}`"
    with pytest.raises(DataError, match="lacks column `index`") as missing:
        read("a,,b\n0,1,2\n", column("index", "int64"))
    assert missing.value.hint == "column 2 of the file has no name: read it with `from: 2`"
    with pytest.raises(StorageError, match="2 columns named `a`") as caught:
        read("a,a\n0,1\n")
    assert str(caught.value.hint).endswith("`from: 1` or `from: 2`")
    back = read("a,a\n0,1\n", column("first", "int64", 1), column("second", "int64", 2))
    assert back.to_pydict() == {"first": [0], "second": [1]}


def test_options_of_one_name_are_read_alike_in_all_formats() -> None:
    found: dict[str, Any] = {}
    for spec in FORMATS.values():
        for option in spec.options:
            if option.by_column:
                assert found.setdefault(option.name, value_type(option)) == value_type(option), option.name
