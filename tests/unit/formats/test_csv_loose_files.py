"""Comments, footers, blanks, long delimiters and rows of another length: read by option, else hints name it."""

from __future__ import annotations

import io
import re
from typing import Any

import pyarrow as pa
import pytest
import yaml

from lakehouse_cli.errors import LakehouseError, StorageError
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import count_rows
from tests.cases import each_case
from tests.unit.formats.csv_files import AB, columns_of, read, write


def rows(data: str, **options: Any) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in read(data, **options).to_pylist()]


def refusal(data: str, columns: Any = AB, **options: Any) -> LakehouseError:
    with pytest.raises(LakehouseError) as caught:
        read(data, columns, **options)
    return caught.value


@pytest.mark.parametrize(
    ("data", "options", "expected"),
    [
        ('# it\'s "so\na,b\n#\n1,x # y\n  # z\n2,"# w"\n#', {"comment": "#"}, [(1, "x # y"), (2, "# w")]),
        ("//x\na,b\n1,x\n/2,y\n", {"comment": "//"}, [("1", "x"), ("/2", "y")]),
        ('"a\n#",b\n1,x\n', {"comment": "#"}, [(1, "x")]),
        ("title\n# c\na,b\n1,x\n", {"comment": "#", "skip_rows": 1}, [(1, "x")]),
        ("a,b\nm,s\n1,x\n", {"skip_rows_after_header": 1}, [(1, "x")]),
        ("# c\na,b\n\n# c\n5n,1s\n# c\n1,x\n", {"skip_rows_after_header": 1, "comment": "#"}, [(1, "x")]),
        ('a,b\n"m\n""",s\nx,y\n', {"skip_rows_after_header": 2}, []),
        ("a\n\n1\n", {"skip_rows_after_header": 1}, [(1,)]),
        ("a,b\nm,s\n", {"skip_rows_after_header": 1}, []),
        ('a,b\n1,x\n\nTotal "5\n\n', {"skip_footer": 3}, [(1, "x")]),
        ("a,b\r1,x\rend", {"skip_footer": 1}, [(1, "x")]),
        ("a,b\n1\n\n2,\n3,x\n", {"missing_values": "null"}, [(1, None), (2, None), (3, "x")]),
        ("a,b\n1,x,\n2,y,z,w\n", {"extra_values": "ignore"}, [(1, "x"), (2, "y")]),
        (" a , b \n 1\t,  x \n2, \" y \" \n3, \n \n", {"trim": True}, [(1, "x"), (2, " y "), (3, None)]),
        ("a||b\n1|||x\n2||\"y||\"\n", {"delimiter": "||"}, [(1, "|x"), (2, "y||")]),
        ("a\t|b\n1\t|x\n\t|y\n", {"delimiter": "\t|"}, [(1, "x"), (None, "y")]),
        ('  a  b\n 1\t"x y"  \n\n 2 y', {"delimiter": "whitespace"}, [(1, "x y"), (2, "y")]),
        ('a,b\n1,"NA"\n2,""\n', {"quoted_nulls": True, "null_values": ["NA"]}, [(1, None), (2, "")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_options_read_what_they_say(
    monkeypatch: pytest.MonkeyPatch, data: str, options: dict[str, Any], expected: list[Any], block: int
) -> None:
    monkeypatch.setattr("lakehouse_cli.formats.compression.BLOCK", block)
    assert rows(data, **options) == expected
    assert count_rows(lambda: io.BytesIO(data.encode()), "x.csv", CsvOptions.from_mapping(options)) == len(expected)


@each_case(
    ("data", "expected"),
    [
        ("a,b\n1,x\n2\n", [(1, "x"), (2, None)]),
        ("a,b\n1,x,\n2,y,\n", [(1, "x"), (2, "y")]),
        ("a,b\n1\n2,x,y\n", [(1, None), (2, "x")]),
        ("a,b\n1,x\n\nTotal: 1 row\nat noon\n", [(1, "x")]),
        ("a,b\n# note\n1,x\n", [(1, "x")]),
        ("# note\na,b\n1,x\n", [(1, "x")]),
        (" a, b\n1, x\n", [(1, "x")]),
        ('"a" ,"b"\n"1" ,"x"\n', [(1, "x")]),
        ("a  b\n1  x\n", [(1, "x")]),
        ("a||b\n1||x\n", [(1, "x")]),
        ("a::b\n1::x\n", [(1, "x")]),
        ("a\t|b\n1\t|x\n", [(1, "x")]),
        ("a\tb\n1\tx\n", [(1, "x")]),
        ('"a","b"\n"r1",1,"x"\n"r2",2,"y"\n', [("r1", 1, "x"), ("r2", 2, "y")]),
    ],
)
def test_hint_of_a_refused_file_works(data: str, expected: list[Any]) -> None:
    hint = refusal(data).hint or ""
    named = re.findall(r"`(\w+: [^`]+)`", hint)
    options = {
        name: value or "null"
        for text in named[: 2 if " and `" in hint else 1]
        for name, value in yaml.safe_load(text).items()
    }
    if options.get("header") == "null":
        options |= {"header": False}
        found = read(data, columns_of(row="string", a="int64", b="string"), **options)
    else:
        found = read(data, AB, **options)
    assert [tuple(row.values()) for row in found.to_pylist()] == expected


def test_comments_and_blank_lines_count_in_line_numbers() -> None:
    error = refusal("# 1\n\na,b\n# 4\n1,x\n\n# 7\nz,y\n", comment="#")
    assert str(error.location) == "x.csv:8"
    error = refusal("\n a  b\n1 x\n \nz y\n", delimiter="whitespace")
    assert str(error.location) == "x.csv:5"


def test_missing_header_name_after_comments_has_its_line() -> None:
    assert str(refusal("# 1\n# 2\na,c\n1,x\n", comment="#").location) == "x.csv:3"


def test_declared_columns_widen_a_short_first_row() -> None:
    data = "1\n2,x\n\nz,y\n"
    options: dict[str, Any] = {"header": False, "missing_values": "null"}
    assert read(data.replace("z", "3"), AB, **options).to_pydict() == {"a": [1, 2, 3], "b": [None, "x", "y"]}
    assert str(refusal(data, **options).location) == "x.csv:4"


def test_comment_behind_a_number_is_named() -> None:
    error = refusal("a,b\n1 # note,x\n", comment="#")
    assert "`1 # note` in column `a`" in error.message
    assert (error.hint or "").startswith("`comment` leaves out whole lines")


def test_units_behind_the_header_are_named() -> None:
    text = "# c\na,b,c\n# c\nm,s,t\n1,2,x\n3,4,y\n"
    error = refusal(text, columns_of(a="int64", b="float64", c="string"), comment="#")
    assert str(error.location) == "x.csv:4"
    assert (error.hint or "").startswith("if the row behind the header is no data, set `skip_rows_after_header: 1`")
    assert rows(text, comment="#", skip_rows_after_header=1) == [(1, 2, "x"), (3, 4, "y")]

    error = refusal(text.replace("3", "z"), comment="#", skip_rows_after_header=1)
    assert str(error.location) == "x.csv:6"
    assert "skip_rows_after_header" not in (error.hint or "")


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"delimiter": "||"}, 'a||b\n"1"||"x"\n"2||"||y\n'),
        ({"delimiter": ":::", "trim": True}, 'a:::b\r\n "1" ::: "x" \r\n2:::"y"\r\n'),
        ({"delimiter": "\t|", "comment": "##", "trim": True}, 'a\t|b\n## c\n"1" \t|"x"\n \t##\n2\t|y\n'),
        ({"delimiter": "||", "escape_char": "\\"}, 'a||b\n"1"||"\\"x"\n2||\\|y\\||\n'),
        ({"delimiter": "whitespace", "comment": "//"}, '"a"\t"b"\r\n1\t"x"\r\n// c\r\n"2"  y\r\n'),
        ({"delimiter": "||", "missing_values": "null", "extra_values": "ignore"}, 'a||b\n"1"\n"2"||"x"||"y"\n'),
        ({"comment": "#"}, "# c\r\r\na,b\r\r\n1,x\r\r\n2,y\r\r\n"),
        ({"skip_rows": 1, "skip_footer": 1}, "title\r\r\na,b\r\r\n1,x\r\r\n2,y\r\r\nend"),
    ],
)
def test_blocks_may_end_anywhere(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], data: str) -> None:
    whole = rows(data, **options)
    assert len(whole) == 2
    for block in range(1, len(data)):
        monkeypatch.setattr("lakehouse_cli.formats.compression.BLOCK", block)
        assert rows(data, **options) == whole, block


def test_rows_after_no_header_are_refused() -> None:
    with pytest.raises(StorageError, match="needs a header") as caught:
        CsvOptions(header=False, skip_rows_after_header=1)
    assert caught.value.hint == "count its rows in `skip_rows` instead"


def test_footer_longer_than_the_file_is_refused() -> None:
    error = refusal("a,b\n1,x\n", skip_footer=3)
    assert error.message == "`x.csv` has 2 lines, fewer than the 3 that `skip_footer` skips"


def test_missing_values_are_never_an_empty_text() -> None:
    assert rows("a,b\n1\n2,\n", missing_values="null", null_values=["NA"]) == [(1, None), (2, "")]


def test_a_footer_is_read_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_cli.formats.compression.BLOCK", 1 << 10)
    data = b"a,b\n" + b"1,x\n" * 100_000 + b"end\n" * 3
    from lakehouse_cli.formats.csv.source import CsvSource

    with CsvSource(lambda: io.BytesIO(data), "x.csv", CsvOptions(skip_footer=3)) as source:
        sizes = list(map(len, iter(source.read, b"")))
    assert max(sizes) < 3 << 10


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"comment": "#"}, 'a,b\n"# x",y # z\n'),
        ({"trim": True}, 'a,b\n" x","y\t"\n'),
        ({"delimiter": "||"}, 'a||b\n"x|"||y\n'),
        ({"delimiter": "whitespace"}, 'a b\n"x y" ""\n'),
        ({"skip_footer": 2}, "a,b\nx,y\n\n\n"),
        ({"skip_rows_after_header": 2, "skip_rows": 1}, "\na,b\na,b\na,b\nx,y\n"),
        ({"comment": "#", "quote_char": "none", "escape_char": "\\"}, "a,b\n\\#x,\n"),
    ],
)
def test_written_files_are_read_back(options: dict[str, Any], text: str) -> None:
    columns = columns_of(a="string", b="string")
    table = read(text, columns, **options)
    assert write(table, **options).decode() == text
    assert read(text, columns, **options) == table


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        (["NA"], {"quoted_nulls": True, "null_values": ["NA"]}, "the text 'NA' cannot be written"),
        ([None], {"delimiter": "whitespace"}, "column `a` holds null"),
        (["#x"], {"comment": "#", "quote_char": "none"}, "`#x` cannot be written without quotes"),
        ([" x"], {"trim": True, "quote_char": "none"}, "`' x'` cannot be written without quotes"),
    ],
)
def test_what_would_not_come_back_is_refused(values: list[Any], options: dict[str, Any], message: str) -> None:
    table = pa.table({"a": pa.array(values, pa.string()), "b": ["y"]})
    with pytest.raises(StorageError) as caught:
        write(table, **options)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("data", "types", "hint"),
    [
        ("a,b\n1,x\n2,y\nSource: foo, bar\n", {"a": "int64", "b": "string"}, "on line 4, set `skip_footer: 1`"),
        ("a,b\n1,x\n2,y\n\nTotal,3\nBy: us, you\n", {"b": "string", "a": "int64"}, "on line 5, set `skip_footer: 2`"),
        ("a\n1\n2\nTotal 3\n", {"a": "int64"}, "on line 4, set `skip_footer: 1`"),
        ("a,b\n2024-01-01,2\nTotal,all\n", {"b": "int64", "a": "date32"}, "on line 3, set `skip_footer: 1`"),
    ],
)
def test_footer_of_as_many_values_is_named(data: str, types: dict[str, str], hint: str) -> None:
    columns = columns_of(**types)
    error = refusal(data, columns)
    assert (error.hint or "").startswith(f"if no data begin {hint} in its options; else ")
    options = yaml.safe_load(re.findall("`(skip_footer: [0-9]+)`", str(error.hint))[0])
    assert 0 < read(data, columns, **options).num_rows < data.count("\n")


@pytest.mark.parametrize(
    "data", ["a,b\n1,x\nTotal,y\n3,z\n", "a,b\n1,x\n2,y\nNA,z\n", "a,b\nTotal,y\n", "a,b\n1,x\n2.5,y\n"]
)
def test_value_that_is_no_footer_gets_no_skip_footer(data: str) -> None:
    assert "skip_footer" not in str(refusal(data).hint)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ("x,,y\na,b,c\n1,z,3\n", 1),
        ("Report\n\nx,,\nb,a\nz,1\n", 3),
        ("# x\nTitle\na,b\n1,z\n", 2),
    ],
)
def test_header_further_down_is_found(data: str, lines: int) -> None:
    options: dict[str, Any] = {"comment": "#"}
    assert refusal(data, **options).hint == f"its header is further down: set `skip_rows: {lines}` in its options"
    assert read(data, AB, **options, skip_rows=lines).to_pydict() == {"a": [1], "b": ["z"]}


@pytest.mark.parametrize("data", ["#a,b\n1,z\n2,z\n", "# x\n# a,b\n1,z\n# y\n2,z\n"])
def test_header_behind_a_comment_is_named(data: str) -> None:
    assert refusal(data, comment="#").hint == (
        "its header is left out as a comment: set `header: false` in its options, "
        "and give the columns their positions, `from: 1` for `a` and `from: 2` for `b`"
    )
    assert read(data, AB, comment="#", header=False).to_pydict() == {"a": [1, 2], "b": ["z", "z"]}


def test_columns_that_no_line_has_get_no_other_header() -> None:
    assert "further down" not in str(refusal("x,,y\na,c\n1,2\n").hint)


def test_first_row_that_is_short_wants_declared_columns() -> None:
    options: dict[str, Any] = {"header": False, "missing_values": "null"}
    error = refusal("1\n2,x\n", None, **options)
    assert error.hint == "declare its columns, as many as its longest row has values: the first row has fewer"
    assert read("1\n2,x\n", AB, **options).to_pydict() == {"a": [1, 2], "b": [None, "x"]}
