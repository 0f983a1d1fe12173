"""Quotes, escapes and line ends of other people's CSV: read exactly, or refused with line and column."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import string
from decimal import Decimal
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats import compression
from lakehouse_cli.formats.csv import records
from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.formats.csv.options import CsvOptions
from lakehouse_cli.formats.csv.read import read_csv
from lakehouse_cli.formats.csv.write import write_csv
from lakehouse_cli.model import Column, parse_column_type
from tests.cases import each_case
from tests.unit.formats.csv_files import AB, columns_of, read, refusal, set_block, write

#: Some blocks of them.
ROWS = 20_000


def texts(data: bytes | str, **options: Any) -> list[str | None]:
    return read(data, columns_of(b="string"), **options)["b"].to_pylist()


@each_case(
    ("data", "options", "message", "line"),
    [
        ('a,b\n1,"2"3\n', {}, "`3` follows a closing quote on line 2 of `x.csv`, in column `b`", 2),
        ('a,b\r\n1,"Hi" there\r\n', {}, "`' there'` follows a closing quote on line 2 of `x.csv`, in column `b`", 2),
        ('a,b\r1,"x"y\r', {}, "`y` follows a closing quote on line 2 of `x.csv`, in column `b`", 2),
        ('a,b\n1,"x"\ry\n', {}, "`'\\ry'` follows a closing quote on line 2 of `x.csv`, in column `b`", 2),
        ('1,"x"y\n', {"header": False}, "`y` follows a closing quote on line 1 of `x.csv`, in column 2", 1),
        ('a,"b"c\n1,x\n', {}, "`c` follows a closing quote on line 1 of `x.csv`, in column 2", 1),
        ("a;b\n1;'x'y;2\n", {"quote_char": "'", "delimiter": ";"}, "`y` follows a closing quote on line 2", 2),
        ('one\ntwo\na,b\n1,"x"y\n', {"skip_rows": 2}, "`y` follows a closing quote on line 4", 4),
        ('b\n"x"y\n', {}, "`y` follows a closing quote on line 2 of `x.csv`, in column `b`", 2),
        ('a,b,c\n1,x,"2\n3,y,"4"\n', {}, '`4"` follows a closing quote on line 3 of `x.csv`, in column `c` (the', 3),
    ],
)
def test_text_after_a_closing_quote_is_refused(data: str, options: dict[str, Any], message: str, line: int) -> None:
    error = refusal(data, **options)
    assert message in error.message
    assert str(error.location) == f"x.csv:{line}"


def test_stray_quote_in_undeclared_column_is_refused() -> None:
    data = 'a,note,b\n1,"y,x\n2,z,y\n3,"w",z\n'
    error = refusal(data, AB)
    assert error.message == (
        '`w"` follows a closing quote on line 4 of `x.csv`, in column `note` (the quote opens on line 2)'
    )


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_stray_quote_far_into_a_file_is_refused(monkeypatch: pytest.MonkeyPatch, late: bool, packed: bool) -> None:
    set_block(monkeypatch, 1 << 16)
    monkeypatch.setattr(compression, "_PACKED_BLOCK", 1 << 13)
    rows = "".join(f"{n},row\n" for n in range(ROWS))
    data = ('a,b\n1,"x"\n' + rows + '7,"x"y\n' + (rows if not late else "")).encode()
    error = refusal(gzip.compress(data, 1, mtime=0) if packed else data, AB, compression="gzip" if packed else "none")
    assert str(error.location) == f"x.csv:{ROWS + 3}"
    assert "in column `b`" in error.message


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ('a,b\n1,5" pipe\n2,"bolt\n3,nut\n', 3),
        ('a,b\n1,x\n2,"bolt""\n3,nut\n', 3),
        ('a,b\n1,"x"\n2,y" z "\n3,"', 4),
        ('b\n"x"\n"', 3),
        ('a,note,b\n1,"x,2\n', 2),
    ],
)
def test_open_quote_is_refused_whatever_the_count(data: str, line: int) -> None:
    error = refusal(data)
    assert f"a quote that opens on line {line} of `x.csv` is never closed, in column `" in error.message
    assert str(error.location) == f"x.csv:{line}"


@pytest.mark.parametrize("data", ['a,b\n1,"x\n', '"a,b\n1,x\n'])
def test_row_without_end_is_refused_early(data: str) -> None:
    with mock.patch.object(records, "LONGEST_RECORD", 10_000), mock.patch.object(compression, "BLOCK", 1_000):
        error = refusal(data + "more,text\n" * 10_000)
    assert "does not end within" in error.message


def test_open_quote_is_refused_in_counting() -> None:
    with pytest.raises(StorageError, match="is never closed"):
        CsvFormat().count_rows(lambda: io.BytesIO(b'a,b\n1,5" x\n2,"y\n'), "x.csv", CsvOptions())


@pytest.mark.parametrize(
    ("encoding", "data"), [("utf-16", 'a,b\n1,"é"ü\n'), ("latin-1", 'a,b\n1,"é"ü\n'), ("utf-8-sig", 'a,b\n1,"é"ü\n')]
)
def test_quotes_are_judged_in_every_encoding(encoding: str, data: str) -> None:
    assert "`ü` follows a closing quote on line 2" in refusal(data.encode(encoding), encoding=encoding).message


def test_quotes_inside_unquoted_values_are_text() -> None:
    assert texts('a,b\n1,5" pipe\n2,x"y"\n3,z""\n4,"q ""r"""\n5, "s"\n') == ['5" pipe', 'x"y"', 'z""', 'q "r"', ' "s"']


def test_hints_name_the_option_that_reads_the_file() -> None:
    escaped = 'a,b\n1,"say \\"hi\\" now"\n'
    assert "set `escape_char: '\\'`" in str(refusal(escaped).hint)
    assert texts(escaped, escape_char="\\") == ['say "hi" now']
    never_closed = 'a,b\n1,"5\\""\n'
    assert "set `escape_char: '\\'`" in str(refusal(never_closed).hint)
    assert texts(never_closed, escape_char="\\") == ['5"']
    stray = 'a,b\n1,"Hi" there\n2,"y\n'
    assert "`quote_char: none`" in str(refusal(stray).hint)
    assert texts(stray, quote_char="none") == ['"Hi" there', '"y']


@each_case(
    ("written", "value"),
    [
        (r'"say \"hi\""', 'say "hi"'),
        (r'"C:\\dir, x"', r"C:\dir, x"),
        (r'"ends in \\"', "ends in \\"),
        ('"doubled ""too"""', 'doubled "too"'),
        (r"a\,b", "a,b"),
        ("a\\\nb", "a\nb"),
        ('"a\\\nb"', "a\nb"),
        (r"C:\\dir", r"C:\dir"),
        (r"say \"hi\"", 'say "hi"'),
        (r"C:\new", r"C:\new"),
        (r"\N", None),
        (r'"\N"', None),
        (r"\\N", r"\N"),
        (r"\Nx", r"\Nx"),
        ('""', ""),
        ("", None),
        (r'"line\nbreak\0"', "line\nbreak\0"),
    ],
)
def test_escape_char(written: str, value: str | None) -> None:
    data = f"a,b\n1,{written}\n2,last\n"
    assert texts(data, escape_char="\\") == [value, "last"]


@each_case(
    ("written", "value"),
    [
        ("a\\\tb", "a\tb"),
        ("a\\\nb", "a\nb"),
        (r"a\nb\tc\\d", "a\nb\tc\\d"),
        (r"\N", None),
        ("", ""),
        ('"quoted"', '"quoted"'),
        ('5"', '5"'),
        ("\x1fx", "\x1fx"),
        ("it\\'s", "it's"),
    ],
)
def test_escapes_without_quotes(written: str, value: str | None) -> None:
    data = f"a\tb\n1\t{written}\n2\tlast\n"
    assert texts(data, escape_char="\\", quote_char="none", delimiter="\t") == [value, "last"]


def test_line_numbers_behind_escaped_line_ends() -> None:
    data = "a\tb\n1\tx\\\ny\n2\tp\\nq\nno\tz\n"
    error = refusal(data, AB, escape_char="\\", quote_char="none", delimiter="\t")
    assert str(error.location) == "x.csv:5"


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        ("a,b\n1,x\\", {}, "the file ends with an escape character, on line 2 of `x.csv`, in column `b`"),
        ('a,b\n1,"x\\', {}, "a quote that opens on line 2 of `x.csv` is never closed, in column `b`"),
        ('a,b\n1,"C:\\dir"\n', {}, "`\\d` on line 2 of `x.csv`, in column `b`, is not an escape"),
        ("a,b\n1,C:\\dir\n", {"quote_char": "none"}, "`\\d` on line 2 of `x.csv`, in column `b`, is not an escape"),
        ("a,b\n1,\\\\srv\\share\n", {}, "on line 2 of `x.csv`, in column `b`"),
        ("a,b\n1,C:\\new\n2,\\\\srv\n", {}, "on line 3 of `x.csv`, in column `b`"),
    ],
)
def test_escapes_that_are_none_are_refused(data: str, options: dict[str, Any], message: str) -> None:
    error = refusal(data, escape_char="\\", **options)
    assert message in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            'p\n"a \\"q\\""\nD:\\\nE:\\\nnext\n',
            "\\ before a line end in `'D:\\\\\\nE:\\\\\\nnext'` on line 3 of `x.csv`",
        ),
        ("id,p\n1,x\n2,D:\\\n", "on line 3 of `x.csv`, in column `p`, may be text or escape it"),
        ("a,b\nD:\\,E:\\\nx,y\n", "on line 2 of `x.csv`, in column `a`"),
        ("id,p\r\n1,x\r\n2,D:\\\r\n", "on line 3 of `x.csv`, in column `p`"),
    ],
)
def test_line_end_behind_a_text_of_spark_is_refused(data: str, message: str) -> None:
    r"""Spark writes `D:\` without quotes; who escapes line ends would mean another value."""
    error = refusal(data, escape_char="\\")
    assert message in error.message
    assert "`quoteAll`" in str(error.hint)


@pytest.mark.parametrize("data", ["a,b,c\n1,D:\\,x\n", 'a,b,c\n1,"q\\"x",D:\\\n2,y,z\n'])
def test_rows_joined_by_a_text_of_spark_name_the_way_out(data: str) -> None:
    assert "(Spark: `quoteAll`)" in str(refusal(data, escape_char="\\").hint)


def test_a_header_may_hold_escapes() -> None:
    assert read('a\\,b,"c \\"d\\""\n1,2\n', escape_char="\\").column_names == ["a,b", 'c "d"']


@each_case("end", ["\n", "\r\n", "\r", "\r\r\n"])
@each_case("last", [True, False])
def test_line_ends_in_a_file_of_one_column(end: str, last: bool) -> None:
    data = end.join(["a", "1", "2"]) + (end if last else "")
    assert read(data, columns_of(a="int64"))["a"].to_pylist() == [1, 2]
    assert CsvFormat().count_rows(lambda: io.BytesIO(data.encode()), "x.csv", CsvOptions()) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
def test_lone_cr_is_text_where_lines_end_in_lf(end: str) -> None:
    data = end.join(["b", "one\rtwo", '"three\rfour"', "five", ""])
    assert texts(data) == ["one\rtwo", "three\rfour", "five"]
    assert texts(data, header=False)[1:] == ["one\rtwo", "three\rfour", "five"]
    assert CsvFormat().count_rows(lambda: io.BytesIO(data.encode()), "x.csv", CsvOptions()) == 3


def test_blank_line_with_crcrlf_is_null() -> None:
    assert texts("b\r\r\nx\r\r\n\r\r\ny\r\r\n") == ["x", None, "y"]


def test_lines_may_end_in_lf_and_crlf() -> None:
    assert texts("a,b\r\n1,x\n2,y\r\n3,z\r\r\n4,w") == ["x", "y", "z", "w"]


def test_lf_is_refused_where_lines_end_in_cr() -> None:
    error = refusal('a,b\r1,"x\ny"\r2,p\nq\r')
    assert error.message.startswith("a line feed is in column `b` on line 3 of `x.csv`")
    assert texts('a,b\r1,"x\ny"\r2,p\r') == ["x\ny", "p"]


def test_lines_are_counted_by_the_same_rule() -> None:
    error = refusal('a,b\r\r\n1,one\rtwo\r\r\n2,"x\ry"\r\r\nno,z\r\r\n', AB)
    assert str(error.location) == "x.csv:4"


def test_hint_names_a_cr_meant_to_end_a_row() -> None:
    error = refusal("a,b\n1,x\r2,y\n3,z\n", AB)
    assert error.message.startswith("line 2 of `x.csv` has 3 values where 2 are expected")
    assert "CR" in str(error.hint)


def test_skipped_lines_end_as_others_do() -> None:
    assert texts("made\r\r\nby hand\r\r\na,b\r\r\n1,x\r\r\n", skip_rows=2) == ["x"]
    with pytest.raises(StorageError, match="has 2 lines, fewer than the 1,000,000,000"):
        texts("a,b\n1,x\n", skip_rows=10**9, header=False)


@pytest.mark.parametrize("escape", [None, "\\"])
def test_value_that_needs_quotes_is_refused_without(escape: str | None) -> None:
    table = pa.table({"b": ["x", "NA"]})
    options = CsvOptions(quote_char="none", escape_char=escape, null_values=("NA",))
    with pytest.raises(StorageError, match="column `b`: `NA` cannot be written without quotes") as caught:
        write_csv(table, io.BytesIO(), options)
    assert caught.value.hint


def test_written_escapes() -> None:
    table = pa.table({"a": ['say "hi"', "C:\\new", "x,y", None, ""]})
    assert write(table, escape_char="\\").decode() == 'a\n"say \\"hi\\""\n"C:\\\\new"\n"x,y"\n\n""\n'
    assert write(table, escape_char="\\", quote_char="none").decode() == 'a\nsay "hi"\nC:\\\\new\nx\\,y\n\\N\n\n'


def test_escape_char_none_is_no_escape() -> None:
    options = CsvOptions.from_mapping({"quote_char": "none", "escape_char": "none"})
    assert options == CsvOptions(quote_char="none")


def test_hint_of_escape_char_can_be_followed() -> None:
    with pytest.raises(StorageError) as caught:
        CsvOptions.from_mapping({"escape_char": "a"})
    assert caught.value.hint == r"such as `'\'`"


@pytest.mark.slow
@pytest.mark.parametrize("option", ["delimiter", "quote_char", "escape_char", "decimal"])
@pytest.mark.parametrize(
    "others", [{}, {"quote_char": "none", "escape_char": "\\"}, {"decimal": ",", "delimiter": ";"}]
)
def test_any_special_character_is_read_back(option: str, others: dict[str, str]) -> None:
    values = {
        "int64": [-5, None],
        "float64": [1.5e-7, float("-inf")],
        "decimal128(4, 2)": [Decimal("-1.20"), None],
        "bool": [True, False],
        "string": ["a:b", ""],
        "binary": [b"\xfb\xef\xbe", None],
        "date32": [dt.date(2020, 2, 29), None],
        "timestamp[us]": [dt.datetime(2020, 1, 2, 3, 4, 5, 6), None],
        "timestamp[s, tz=Europe/Berlin]": [0, None],
        "time32[s]": [dt.time(23, 48, 35), None],
        "duration[ms]": [-1500, None],
        "list<duration[s]>": [[5, None], None],
        "struct<a: float64>": [{"a": 0.5}, None],
    }
    columns = [Column(kind, parse_column_type(kind)) for kind in values]
    table = pa.table({each.name: pa.array(values[each.name], to_arrow(each.type)) for each in columns})
    for mark in string.punctuation + "\t\x01\x1f ":
        try:
            options = CsvOptions.from_mapping({"header": False, **others, option: mark})
        except StorageError:
            continue
        sink = io.BytesIO()
        write_csv(table, sink, options)
        assert read_csv(lambda file=sink: io.BytesIO(file.getvalue()), "x.csv", columns, options).equals(table), mark


@each_case(
    ("kind", "value"),
    [
        ("int64", "5"),
        ("float32", "0.5"),
        ("decimal128(4, 1)", "1.5"),
        ("bool", "true"),
        ("date32", "2020-02-29"),
        ("timestamp[s, tz=UTC]", "2020-02-29 01:02:03Z"),
        ("time32[s]", "01:02:03"),
        ("duration[s]", "7"),
        ("list<int64>", "[1]"),
        ("dictionary<int64>", "5"),
    ],
)
def test_quoted_null_is_null_where_no_text_is_possible(kind: str, value: str) -> None:
    data = f'a,b\n"{value}","NA"\n"NA","x"\n"",""\nNA,NA\n'
    back = read(data, columns_of(a=kind, b="string"), null_values=["NA", ""])
    assert back["a"].is_null().to_pylist() == [False, True, True, True]
    assert back["b"].to_pylist() == ["NA", "x", "", None]


def test_quoted_null_that_is_a_value_is_that_value() -> None:
    columns = columns_of(a="int64", b="float64", c="list<int64>", d="int64")
    data = 'a,b,c,d\n"-1","nan","[]",5\n-1,nan,[],"NA"\n'
    back = read(data, columns, null_values=["-1", "nan", "[]", "NA"])
    assert str(back.to_pylist()[0]) == "{'a': -1, 'b': nan, 'c': [], 'd': 5}"
    assert back.to_pylist()[1] == {"a": None, "b": None, "c": None, "d": None}


def test_other_words_in_quotes_are_refused() -> None:
    error = refusal('a\n"NA"\n"n/a"\n', columns_of(a="int64"), null_values=["NA"])
    assert "`n/a` in column `a`" in error.message
    assert error.hint == 'if \'n/a\' stands for null, set `null_values: ["NA", "n/a"]` in the column'


@pytest.mark.parametrize("data", ['a,b\n1,"x" \n', 'a,b\n"1" , "y"\n', 'a,b\r\n1,"x"\t\r\n'])
def test_hint_on_blanks_behind_a_quote(data: str) -> None:
    assert (refusal(data, AB).hint or "").startswith("set `trim: true` in its options")
    assert read(data, AB, trim=True).num_rows == 1


@pytest.mark.parametrize(
    ("data", "options", "row"),
    [
        ('a,b\n4,"C:\\\\d",x\n', {"quote_char": "none", "escape_char": "\\"}, '4,"C:\\\\d",x'),
        ('a,b\n1,"x\ny"\n4,"C:\\"d",x\n', {"escape_char": "\\"}, '4,"C:\\"d",x'),
        ("a,b\r\n1,x\ry,z\r\n", {}, "'1,x\\ry,z'"),
        ("\ufeffa,b\n1,\\N,\\N", {"escape_char": "\\"}, "1,\\N,\\N"),
        ("a,b\n" + "1,x\n" * 30_000 + f"{'y' * 3000},2,3\n", {}, "y" * 59 + "…"),
    ],
)
def test_ragged_row_is_shown_as_in_the_file(data: str, options: dict[str, Any], row: str) -> None:
    assert refusal(data, AB, **options).message.endswith(f"3 values where 2 are expected: {row}")


@pytest.mark.parametrize(
    ("data", "place"),
    [('1,"x"y\n', "column `b`"), ('1,"x\n', "column `b`"), ('1,2,"x"y\n', "column 3"), ('"1"1,x\n', "column `a`")],
)
def test_fault_without_header_names_the_declared_column(data: str, place: str) -> None:
    assert place in refusal(data, AB, header=False).message


@pytest.mark.parametrize("line_terminator", ["\n", "\r\n"])
def test_escaped_line_ends_are_read_back(line_terminator: str) -> None:
    table = pa.table({"a": ["x\r", "\r\ny", "z\n"], "b": ["\r", "\r\n", "\n\r"]})
    options = CsvOptions.from_mapping({"quote_char": "none", "escape_char": "\\", "line_terminator": line_terminator})
    sink = io.BytesIO()
    write_csv(table, sink, options)
    assert read_csv(lambda: io.BytesIO(sink.getvalue()), "x.csv", columns_of(a="string", b="string"), options) == table


def test_escape_before_crlf_takes_what_ends_the_first_line() -> None:
    options = {"quote_char": "none", "escape_char": "\\"}
    assert texts("b\r\nx\\\r\ny\r\n", **options) == ["x\r\ny"]
    assert texts("b\nx\\\r\ny\n", **options) == ["x\r", "y"]


def test_returns_at_the_end_of_a_file_end_its_last_line() -> None:
    assert texts("b\nx\r\r\r") == ["x"]
    assert texts("b\rx\r\r") == ["x", None]


@pytest.mark.parametrize("rows", [1, 1000])
@pytest.mark.parametrize("header", [True, False])
def test_byte_order_marks_in_texts_are_read_back(rows: int, header: bool) -> None:
    """U+FEFF may begin a file as a mark; elsewhere it is text."""
    table = pa.table({"a": ["x"] * rows, "b": ["\ufeff\ufeffy"] * rows})
    first = table.select(["b", "a"])
    unquoted = {"quote_char": "none", "header": header}
    for options in ({"header": header}, unquoted, {**unquoted, "escape_char": "\\"}):
        back = read(write(table, **options).decode(), columns_of(a="string", b="string"), **options)
        assert back == table, options
        if "quote_char" not in options or header:
            assert read(write(first, **options).decode(), columns_of(b="string", a="string"), **options) == first
            continue
        with pytest.raises(StorageError, match=r"column `b`: .* cannot be written without quotes") as caught:
            write(first, **options)
        assert caught.value.hint == "remove `quote_char: none` from the options"


@pytest.mark.parametrize("parts", [1, 3])
def test_byte_order_marks_in_rows_are_text(parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["\ufeffx", "y", "\ufeff\ufeff", "\ufeff1"] * 50
    set_block(monkeypatch, 40 if parts > 1 else 1 << 20)
    for mark in ("", "\ufeff"):
        assert texts(f"{mark}b\n" + "".join(f"{row}\n" for row in rows)) == rows
        ragged = refusal(f"{mark}b\n" + "".join(f"{row}\n" for row in rows) + "1,2\n", columns_of(b="string"))
        assert "2 values where 1 is expected" in ragged.message
    back = read("a,b\n\ufeff1,x\n2,y\n", columns_of(a="string", b="string"))
    assert back["a"].to_pylist() == ["\ufeff1", "2"]
    assert "\\ufeff1" in ascii(refusal("a\n\ufeff1\n", columns_of(a="int64")).violations[0].examples[0])
