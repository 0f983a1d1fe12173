"""Excel workbooks as sources: typed by the declared columns, exactly, or refused by the address of the cell."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.formats.excel.format import ExcelFormat
from lakehouse_cli.formats.excel.spec import ExcelOptions
from lakehouse_cli.model import Column, parse_column_type
from tests.cases import each_case
from tests.unit.formats.csv_files import columns_of


def saved(book: openpyxl.Workbook) -> bytes:
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def altered(data: bytes, part: str, *replacements: tuple[str, str], encoding: str = "utf-8") -> bytes:
    """A workbook with texts replaced in the parts whose name ends so."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as before, zipfile.ZipFile(sink, "w") as after:
        for entry in before.infolist():
            content = before.read(entry)
            if entry.filename.endswith(part):
                text = content.decode()
                for old, new in replacements:
                    assert old in text, text
                    text = text.replace(old, new)
                content = text.encode(encoding)
            after.writestr(entry, content)
    return sink.getvalue()


def workbook(*rows: Sequence[Any], title: str = "Sheet", **more: list[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = title
    for row in rows:
        sheet.append(row)
    for name, others in more.items():
        for row in others:
            (book[name] if name in book.sheetnames else book.create_sheet(name)).append(row)
    return saved(book)


def read(data: bytes, declared: list[Column] | None, **options: Any) -> pa.Table:
    return ExcelFormat().read(lambda: io.BytesIO(data), "data/t.xlsx", declared, ExcelOptions.from_mapping(options))


def refusal(data: bytes, declared: list[Column] | None, **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(data, declared, **options)
    return caught.value


@each_case(
    ("cell", "declared", "expected"),
    [
        (5, "int8", 5),
        (5.0, "uint16", 5),
        ("5", "int64", 5),
        (999_999_999_999_999, "int64", 999_999_999_999_999),
        (5, "float64", 5.0),
        (0.1, "float64", 0.1),
        (0.1, "decimal128(5, 2)", Decimal("0.10")),
        (-12.5, "decimal128(3, 1)", Decimal("-12.5")),
        (1e15, "decimal128(18, 2)", Decimal("1000000000000000.00")),
        (7, "decimal128(1, 0)", Decimal(7)),
        (0, "decimal128(2, 2)", Decimal("0.00")),
        (True, "bool", True),
        ("false", "bool", False),
        ("007", "string", "007"),
        (" x ", "string", " x "),
        ("x", "dictionary<string>", "x"),
        (3, "dictionary<int64>", 3),
        (datetime(2020, 2, 29), "date32", date(2020, 2, 29)),
        (date(1900, 3, 1), "date32", date(1900, 3, 1)),
        ("2020-02-29", "date32", date(2020, 2, 29)),
        (datetime(2020, 2, 29, 5, 6, 7), "timestamp[s]", datetime(2020, 2, 29, 5, 6, 7)),
        (datetime(2020, 2, 29, 5, 6, 7, 89_000), "timestamp[ns]", datetime(2020, 2, 29, 5, 6, 7, 89_000)),
        (date(9999, 12, 31), "timestamp[us]", datetime(9999, 12, 31)),
        (time(5, 6, 7), "time32[s]", time(5, 6, 7)),
        (time(23, 59, 59), "time64[ns]", time(23, 59, 59)),
        (timedelta(hours=30, seconds=1), "duration[s]", timedelta(hours=30, seconds=1)),
        (time(1, 30), "duration[ms]", timedelta(minutes=90)),
    ],
)
def test_cells_that_are_read(cell: Any, declared: str, expected: Any) -> None:
    table = read(workbook(["other", "x"], ["a", cell], ["b", None]), columns_of(x=declared))
    assert [
        str(parse_column_type(str(kind))) if "dict" not in declared else declared for kind in table.schema.types
    ] == [declared]
    assert [getattr(value, "to_pydatetime", lambda value=value: value)() for value in table["x"].to_pylist()] == [
        expected,
        None,
    ]


@pytest.mark.parametrize(
    ("cell", "declared", "shown"),
    [
        (5, "string", "5"),
        (True, "string", "True"),
        (datetime(2020, 1, 1), "string", "2020-01-01 00:00:00"),
        (5.5, "int64", "5.5"),
        (300, "int8", "300"),
        (-1, "uint8", "-1"),
        (1.5e25, "int64", "1.5e+25"),
        (True, "int64", "True"),
        (1, "bool", "1"),
        ("abc", "int64", "'abc'"),
        ("1,5", "float64", "'1,5'"),
        (0.125, "decimal128(5, 2)", "0.125"),
        (1000, "decimal128(3, 0)", "1000"),
        (1e300, "decimal128(38, 0)", "1e+300"),
        (43831, "date32", "43831"),
        (datetime(2020, 1, 1, 5), "date32", "2020-01-01 05:00:00"),
        (datetime(2020, 1, 1, 5, 0, 0, 500_000), "timestamp[s]", "2020-01-01 05:00:00.500000"),
        (date(9999, 12, 31), "timestamp[ns]", "9999-12-31 00:00:00"),
        (timedelta(hours=30), "time32[s]", "1 day, 6:00:00"),
        (5, "duration[s]", "5"),
        ("#N/A", "float64", "#N/A"),
        ("#DIV/0!", "string", "#DIV/0!"),
        ("=1+1", "int64", "=1+1 (not computed)"),
        ("=1+1", "string", "=1+1 (not computed)"),
    ],
    ids=str,
)
def test_cells_that_do_not_fit_are_named_by_address(cell: Any, declared: str, shown: str) -> None:
    data = workbook(["title"], [], ["other", "x"], ["a", None], [], ["b", cell], ["c", cell])
    error = refusal(data, columns_of(x=declared), skip_rows=2)
    assert error.message == (
        f"cell B6 of `data/t.xlsx`, in column `x`, holds {shown}, which is not {declared}, and 1 more cell does not fit"
    )
    assert str(error.location) == "data/t.xlsx:6"
    (violation,) = error.violations
    assert (violation.column, violation.check, violation.count) == ("x", "type", 2)
    assert [(e.row, e.line, e.value) for e in violation.examples] == [(2, 6, f"B6: {shown}"), (3, 7, f"B7: {shown}")]


def test_refused_cell_has_a_hint() -> None:
    hints = {}
    for cell in ("#N/A", "=1+1", 5):
        hints[cell] = refusal(workbook(["x"], [cell]), columns_of(x="string")).hint
    assert "null_values: ['#N/A']" in (hints["#N/A"] or "")
    assert "open the workbook in Excel and save it" in (hints["=1+1"] or "")
    assert "make it text in the sheet" in (hints[5] or "")


def test_number_among_durations_may_be_a_float() -> None:
    data = workbook(["x"], [1.5])
    assert "declare float64" in (refusal(data, columns_of(x="duration[s]")).hint or "")
    assert read(data, columns_of(x="float64"))["x"].to_pylist() == [1.5]


def test_errors_and_texts_may_stand_for_null() -> None:
    data = workbook(["x", "s"], ["#N/A", "-"], ["-", "a"], [1, None])
    table = read(data, columns_of(x="int64", s="string"), null_values=["#N/A", "-"])
    assert table.to_pydict() == {"x": [None, None, 1], "s": [None, "a", None]}


def test_only_declared_columns_are_read_in_their_order() -> None:
    data = workbook(["a", "bad", "b"], [1, "#REF!", "x"])
    assert read(data, columns_of(b="string", a="int64")).to_pydict() == {"b": ["x"], "a": [1]}


def test_missing_columns_are_refused() -> None:
    with pytest.raises(DataError, match="lacks column `staton`") as caught:
        read(workbook(["station"], ["a"]), columns_of(staton="string"))
    assert caught.value.hint == "did you mean `station`?"
    with pytest.raises(DataError, match="has 1 column, and 2 are declared"):
        read(workbook([1]), columns_of(a="int64", b="int64"), header=False)


def test_without_a_header_columns_are_taken_by_position() -> None:
    data = workbook(["note"], [1, "x"], [2])
    table = read(data, columns_of(a="int64", b="string"), header=False, skip_rows=1)
    assert table.to_pydict() == {"a": [1, 2], "b": ["x", None]}


@each_case(
    ("options", "cell", "declared", "expected"),
    [
        ({"thousands": ",", "currency": "$"}, "$1,234.50", "decimal128(9, 2)", Decimal("1234.50")),
        ({"percent": "fraction"}, "50%", "float64", 0.5),
        ({"percent": "fraction"}, 0.25, "float64", 0.25),
        ({"negative": "parentheses"}, "(3)", "int64", -3),
        ({"time_format": "%I:%M %p"}, "1:02 PM", "time32[s]", time(13, 2)),
        ({"time_format": "%M:%S"}, "13:04", "time32[s]", time(0, 13, 4)),
        ({"time_format": "interval"}, "1 days 02:00:00", "duration[s]", timedelta(hours=26)),
        ({"epoch_unit": "s"}, 1_700_000_000, "timestamp[s]", datetime(2023, 11, 14, 22, 13, 20)),
        ({"epoch_unit": "s"}, 1_700_000_000.5, "timestamp[ms]", datetime(2023, 11, 14, 22, 13, 20, 500_000)),
        ({"epoch_unit": "s"}, datetime(2020, 1, 1), "timestamp[s]", datetime(2020, 1, 1)),
    ],
)
def test_values_as_people_write_them(options: dict[str, Any], cell: Any, declared: str, expected: Any) -> None:
    data = workbook(["x"], [cell])
    assert read(data, [Column("x", parse_column_type(declared))], **options)["x"].to_pylist() == [expected]


def in_percent(*cells: Any, form: str = "0%") -> bytes:
    """A workbook with one column `x`, whose numbers have a format."""
    book = openpyxl.Workbook()
    for row, value in enumerate(("x", *cells), start=1):
        cell = book.active.cell(row, 1, value)
        if isinstance(value, int | float):
            cell.number_format = form
    return saved(book)


@each_case("kind", ["float64", "decimal128(9, 4)", "dictionary<float64>"])
@each_case("form", ["0%", "0.00%", '0.0 %;[Red]-0.0 %;"none"'])
def test_percents_of_two_scales_are_refused(kind: str, form: str) -> None:
    data = in_percent("50%", 0.5, 0.25, form=form)
    error = refusal(data, columns_of(x=kind), percent="number")
    assert f"cell A3 of `data/t.xlsx`, in column `x`, holds 0.5 (shown in percent), which is not {kind}" in str(error)
    assert error.violations[0].count == 2
    assert (error.hint or "").startswith("set `percent: fraction` in the options")
    assert [float(value) for value in read(data, columns_of(x=kind), percent="fraction")["x"].to_pylist()] == [
        0.5,
        0.5,
        0.25,
    ]


@pytest.mark.parametrize(
    ("cells", "form", "meant"),
    [
        ((0.5, 0.25), "0%", [0.5, 0.25]),
        (("50%", 25), "General", [50, 25]),
        (("50%", 25), '0"%"', [50, 25]),
        (("50%", 25), r"0\%", [50, 25]),
        (("50", 0.25), "0%", [50, 0.25]),
    ],
)
def test_percents_of_one_scale_are_read(cells: Sequence[Any], form: str, meant: list[float]) -> None:
    assert read(in_percent(*cells, form=form), columns_of(x="float64"), percent="number")["x"].to_pylist() == meant


def test_percent_of_a_column_is_named_there() -> None:
    column = Column("x", parse_column_type("float64"), options={"percent": "number"})
    options = FORMATS["excel"].checked({}, [("x", column.options)])
    with pytest.raises(DataError) as caught:
        ExcelFormat().read(lambda: io.BytesIO(in_percent("50%", 0.5)), "data/t.xlsx", [column], options)
    assert (caught.value.hint or "").startswith("set `percent: fraction` in the column")


@pytest.mark.parametrize(
    ("cell", "kind", "hint"),
    [
        (1_700_000_000, "timestamp[us]", "a number says no unit: set `epoch_unit: s` in the options, or ms, us, ns"),
        ("8:05 PM", "time32[s]", 'set `time_format: "%I:%M %p"` in the options'),
        ("N/A", "float64", "correct the cell, declare another type, or add what stands for null to its `null_values`"),
        (
            "1,234",
            "float64",
            'set `thousands: ","` in the options; '
            "or, where 1,234 is 1.234, declare the column as string and make numbers of it in a transform",
        ),
        ("yes", "bool", "make it TRUE or FALSE in the sheet, or declare another type"),
    ],
)
def test_hint_names_the_remedy_of_a_cell(cell: Any, kind: str, hint: str) -> None:
    assert refusal(workbook(["x"], [cell]), columns_of(x=kind)).hint == hint


def test_sheets_by_name() -> None:
    data = workbook(["x"], [1], title="First", Second=[["x"], [2]])
    assert read(data, columns_of(x="int64"))["x"].to_pylist() == [1]
    assert read(data, columns_of(x="int64"), sheet="Second")["x"].to_pylist() == [2]
    with pytest.raises(StorageError, match=r"`data/t\.xlsx` has no sheet `second`") as caught:
        read(data, columns_of(x="int64"), sheet="second")
    assert caught.value.hint == "did you mean `Second`?"


def test_a_sheet_without_rows() -> None:
    assert read(workbook(["x"]), columns_of(x="date32")).num_rows == 0
    with pytest.raises(StorageError, match=r"sheet `Sheet` of `data/t\.xlsx` is empty, it has no header"):
        read(workbook(), columns_of(x="date32"))


def test_styled_cells_without_a_value_are_empty() -> None:
    book = openpyxl.Workbook()
    book.active.append(["x"])
    book.active.append([1])
    book.active["A3"].font = openpyxl.styles.Font(bold=True)
    book.active["D9"].number_format = "0.00"
    assert read(saved(book), columns_of(x="int64"))["x"].to_pylist() == [1]


def test_formulas_are_read_as_computed_values() -> None:
    data = altered(workbook(["x"], ["=6*7"]), "sheet1.xml", ("<v />", "<v>42</v>"))
    assert read(data, columns_of(x="int64"))["x"].to_pylist() == [42]


def test_wrong_dimensions_hide_nothing() -> None:
    data = workbook(["x", "y"], [1, 2], [3, 4])
    data = altered(data, "sheet1.xml", ('<dimension ref="A1:B3"', '<dimension ref="A1"'))
    assert read(data, columns_of(y="int64", x="int64")).to_pydict() == {"y": [2, 4], "x": [1, 3]}


def test_undeclared_columns_have_the_types_of_their_cells() -> None:
    data = workbook(
        ["i", "f", "s", "d", "t", "b", "n"],
        [1, 0.5, "a", date(2020, 1, 1), datetime(2020, 1, 1, 5), True, None],
        [None, 2, "", date(2020, 1, 2), datetime(2020, 1, 1), None, None],
    )
    table = read(data, None)
    assert [str(kind) for kind in table.schema.types] == [
        *("int64", "double", "string", "date32[day]", "timestamp[us]", "bool", "string")
    ]
    assert table["f"].to_pylist() == [0.5, 2.0]
    with pytest.raises(DataError, match=r"column `x` holds text among integers in 1 row.*, such as A4: 'a'"):
        read(workbook(["x"], [1], [2], ["a"]), None)
    with pytest.raises(DataError, match=r"cell A2 of `data/t\.xlsx`, in column `x`, holds #N/A"):
        read(workbook(["x"], ["#N/A"]), None)
    with pytest.raises(StorageError, match=r"column B of sheet `Sheet` in `data/t\.xlsx` has no name"):
        read(workbook(["x", None, "z"], [1, 2, 3]), None)


@pytest.mark.parametrize("data", [b"", b"id,text\n1,a\n", workbook(["x"], [1])[:-500], b"PK\x03\x04"])
def test_file_that_is_no_workbook_is_refused(data: bytes) -> None:
    with pytest.raises(StorageError, match=r"`data/t\.xlsx` is not an Excel workbook, or is damaged: ."):
        read(data, columns_of(x="int64"))


def test_old_or_protected_workbooks_are_refused() -> None:
    with pytest.raises(StorageError, match="Excel before 2007, or is protected by a password"):
        read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, columns_of(x="int64"))


def with_shared_strings(data: bytes, strings: str) -> bytes:
    """A workbook with a table of shared strings."""
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{main}.sharedStrings+xml"/></Types>'
    sink = io.BytesIO(altered(data, "[Content_Types].xml", ("</Types>", override)))
    with zipfile.ZipFile(sink, "a") as archive:
        names = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{names}">{strings}</sst>')
    return sink.getvalue()


ESCAPED = [
    ("a_x000D_b", "a\rb"),
    ("_x000d_", "\r"),
    ("_x005F_x000D_", "_x000D_"),
    ("_x005F_x005F_x000D_", "_x005F\r"),
    ("0x005F_id", "0x005F_id"),
    ("_x0041_x0042_", "Ax0042_"),
    ("_xD83D__xDE00_", "😀"),
    ("_xD83D_", "_xD83D_"),
    ("_x00_ _x00G0_ _X000D_ _x000D", "_x00_ _x00G0_ _X000D_ _x000D"),
]


@pytest.mark.parametrize("kind", ["shared", "rich", "inline", "formula"])
def test_escapes_in_texts_are_decoded_once(kind: str) -> None:
    data = workbook(["x_x000A_y"], *([f"text {at}"] for at in range(len(ESCAPED))))
    strings = ""
    for at, (stored, _) in enumerate(ESCAPED):
        cell = f'<c r="A{at + 2}" t="inlineStr"><is><t>text {at}</t></is></c>'
        new = {
            "inline": f'<c r="A{at + 2}" t="inlineStr"><is><t>{stored}</t></is></c>',
            "formula": f'<c r="A{at + 2}" t="str"><f>B1</f><v>{stored}</v></c>',
        }.get(kind, f'<c r="A{at + 2}" t="s"><v>{at}</v></c>')
        data = altered(data, "sheet1.xml", (cell, new))
        rich = f"<r><t>{stored}</t></r><r><rPr><b/></rPr><t>!</t></r>"
        strings += f"<si>{rich if kind == 'rich' else f'<t>{stored}</t>'}</si>"
    data = with_shared_strings(data, strings)
    expected = [text + ("!" if kind == "rich" else "") for _, text in ESCAPED]
    for declared in (columns_of(**{"x\ny": "string"}), None):
        assert read(data, declared).to_pydict() == {"x\ny": expected}
    assert read(data, columns_of(**{"x\ny": "string"}), null_values=[expected[0]])["x\ny"][0].as_py() is None


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DUE = '<calcPr calcId="124519" fullCalcOnLoad="1"'


def formulas(*cells: str, calculation: str = DUE) -> bytes:
    """A workbook with the column `x` of these cells, and `y` of ones."""
    data = workbook(["x", "y"], *([7, 1] for _ in cells))
    for at, cell in enumerate(cells):
        data = altered(
            data, "sheet1.xml", (f'<c r="A{at + 2}" t="n"><v>7</v></c>', cell.replace("<c", f'<c r="A{at + 2}"'))
        )
    return altered(data, "workbook.xml", (DUE, calculation))


@each_case("calculation", [DUE, '<calcPr fullCalcOnLoad="true"'])
@each_case(
    "cell",
    [
        "<c><f>1+1</f><v>0</v></c>",
        '<c t="str"><f>1+1</f><v>0</v></c>',
        '<c t="b"><f>1+1</f><v>0</v></c>',
        "<c><f>1+1</f></c>",
        "<c><f>1+1</f><v></v></c>",
    ],
)
@each_case("declared", ["int64", "string", "bool", None])
def test_formulas_nobody_computed_are_refused(cell: str, calculation: str, declared: str | None) -> None:
    data = formulas("<c><v>0</v></c>", cell, "<c><f>6*7</f><v>42</v></c>", calculation=calculation)
    with pytest.raises(DataError, match=r"cell A[23] of `data/t\.xlsx`, in column `x`, holds ") as caught:
        read(data, columns_of(x=declared) if declared else None)
    if declared in ("int64", None):
        assert "cell A3 of `data/t.xlsx`, in column `x`, holds =1+1 (not computed)" in caught.value.message
        assert "open the workbook in Excel and save it" in (caught.value.hint or "")
    assert read(data, columns_of(y="int64"))["y"].to_pylist() == [1, 1, 1]


@pytest.mark.parametrize("calculation", ['<calcPr calcId="191029"', '<calcPr fullCalcOnLoad="0"', "<absent"])
def test_computed_zeros_are_read(calculation: str) -> None:
    data = formulas("<c><f>1-1</f><v>0</v></c>", "<c><v>0</v></c>", calculation=calculation)
    for declared in (columns_of(x="int64"), None):
        assert read(data, declared)["x"].to_pylist() == [0, 0]


@pytest.mark.parametrize("flag", ['<sheetCalcPr fullCalcOnLoad="true"/>', "<sheetCalcPr fullCalcOnLoad = '1' />"])
def test_sheet_that_asks_to_be_computed_has_no_zeros(flag: str) -> None:
    data = formulas("<c><f>1+1</f><v>0</v></c>", "<c><v>0</v></c>", calculation="<absent")
    asking = altered(data, "sheet1.xml", ("</sheetData>", f"</sheetData>{flag}"))
    with pytest.raises(DataError, match=r"cell A2 of .* holds =1\+1 \(not computed\)"):
        read(asking, columns_of(x="int64"))
    for other in ('<sheetCalcPr fullCalcOnLoad="0"/>', f"<!--{flag}-->", "<sheetCalcPr/>"):
        silent = altered(data, "sheet1.xml", ("</sheetData>", f"</sheetData>{other}"))
        assert read(silent, columns_of(x="int64"))["x"].to_pylist() == [0, 0]


def test_uncomputed_zeros_of_apache_poi_are_refused() -> None:
    zero, constant = "<c><f>1-1</f><v>0.0</v></c>", "<c><v>0.0</v></c>"
    with pytest.raises(DataError, match=r"cell A2 of .* holds =1-1 \(not computed\)"):
        read(formulas(zero, constant, "<c><v>7.0</v></c>", calculation="<absent"), columns_of(x="int64"))
    assert read(formulas(constant, calculation="<absent"), columns_of(x="int64"))["x"].to_pylist() == [0]
    # Its evaluator was used: another formula has a value as it stores them.
    evaluated = formulas(zero, "<c><f>6*7</f><v>42.0</v></c>", calculation="<absent")
    assert read(evaluated, columns_of(x="int64"))["x"].to_pylist() == [0, 42]
    with pytest.raises(DataError, match=r"cell A2 of .* holds =1-1 \(not computed\)"):
        read(formulas(zero, "<c><f>6*7</f><v>42.0</v></c>"), columns_of(x="int64"))


def test_strict_workbooks_are_named() -> None:
    data = workbook(["x"], [1])
    for part in ("workbook.xml", "sheet1.xml"):
        data = altered(data, part, (MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main"))
    with pytest.raises(StorageError, match=r"`data/t\.xlsx` is a workbook in the Strict Open XML format") as caught:
        read(data, None)
    assert caught.value.hint == "save it as an ordinary Excel workbook (.xlsx)"


def test_dates_nobody_computed_are_refused() -> None:
    book = openpyxl.Workbook()
    book.active.append(["x"])
    book.active.append([date(2020, 1, 1)])
    data = altered(saved(book), "sheet1.xml", ("<v>43831</v>", "<f>TODAY()</f><v>0</v>"))
    for kind in ("date32", "time32[s]", "duration[s]"):
        with pytest.raises(DataError, match=r"holds =TODAY\(\) \(not computed\)"):
            read(data, columns_of(x=kind))


@pytest.mark.parametrize("kind", ["array", "dataTable"])
def test_cells_of_formula_ranges_are_refused(kind: str) -> None:
    data = formulas(f'<c><f t="{kind}" ref="A2:A3">B2:B3</f><v>0</v></c>', "<c><v>0</v></c>", "<c><v>0</v></c>")
    error = refusal(data, columns_of(x="int64"))
    formula = "=B2:B3" if kind == "array" else "=TABLE()"
    (violation,) = error.violations
    assert [each.value for each in violation.examples] == [f"A{at}: {formula} (not computed)" for at in (2, 3)]


def test_names_nobody_computed_are_refused() -> None:
    data = altered(
        workbook(["x"], [1]),
        "sheet1.xml",
        ('<c r="A1" t="inlineStr"><is><t>x</t></is></c>', '<c r="A1"><f>B1</f><v>0</v></c>'),
    )
    with pytest.raises(
        StorageError, match=r"column A of sheet `Sheet` in `data/t\.xlsx` is named by =B1 \(not computed\)"
    ):
        read(data, None)


def test_formulas_in_prefixed_and_wide_xml_are_seen() -> None:
    data = formulas("<c><f>1+1</f></c>", calculation="<absent")
    prefixed = altered(
        data, "sheet1.xml", ("<f>", "<x:f>"), ("</f>", "</x:f>"), ("<worksheet", f'<worksheet xmlns:x="{MAIN}"')
    )
    declaration = ("<worksheet", '<?xml version="1.0"?><worksheet')
    wide = altered(data, "sheet1.xml", declaration, encoding="utf-16")
    for each in (prefixed, wide):
        with pytest.raises(DataError, match=r"cell A2 of .* holds =1\+1 \(not computed\)"):
            read(each, columns_of(x="int64"))


@each_case("calculation", ['<calcPr calcId="191029"', "<absent"])
@each_case("value", ["<v></v>", "<v/>"])
@each_case(("declared", "expected"), [("string", ["", "7"]), ("int64", [None, 7]), ("bool", None), (None, [None, 7])])
def test_computed_empty_texts_are_read(
    calculation: str, value: str, declared: str | None, expected: list[Any] | None
) -> None:
    second = '<c t="str"><f>B1</f><v>7</v></c>' if declared == "string" else "<c><v>7</v></c>"
    data = formulas(f'<c t="str"><f>IF(B2=5,"",B2)</f>{value}</c>', second, calculation=calculation)
    if expected is None:
        with pytest.raises(DataError, match=r"cell A3 of .* holds 7, which is not bool"):
            read(data, columns_of(x="bool"))
    else:
        assert read(data, columns_of(x=declared) if declared else None)["x"].to_pylist() == expected
    assert read(data, columns_of(y="int64"))["y"].to_pylist() == [1, 1]


def test_empty_texts_beside_texts_are_texts() -> None:
    data = formulas('<c t="str"><f>""</f><v/></c>', '<c t="str"><f>"a"</f><v>a</v></c>', calculation="<absent")
    assert read(data, None)["x"].to_pylist() == ["", "a"]
    assert read(data, columns_of(x="string"), null_values=[""])["x"].to_pylist() == [None, "a"]


@pytest.mark.parametrize(
    ("cell", "calculation"),
    [
        ('<c t="str"><f>1+1</f></c>', "<absent"),
        ("<c><f>1+1</f><v/></c>", "<absent"),
        ('<c t="str"><f>1+1</f><v/></c>', DUE),
    ],
)
def test_empty_formulas_nobody_computed_are_refused(cell: str, calculation: str) -> None:
    with pytest.raises(DataError, match=r"cell A2 of .* holds =1\+1 \(not computed\)"):
        read(formulas(cell, calculation=calculation), columns_of(x="string"))


def dates(*serials: str, is_1904: bool = False) -> bytes:
    """A workbook with the column `x` of these serial numbers as dates."""
    data = workbook(["x"], *([date(2024, 1, at + 1)] for at in range(len(serials))))
    for at, serial in enumerate(serials):
        data = altered(data, "sheet1.xml", (f"<v>{45292 + at}</v>", f"<v>{serial}</v>"))
    return altered(data, "workbook.xml", ("<workbookPr />", '<workbookPr date1904="1"/>')) if is_1904 else data


@pytest.mark.parametrize("serial", ["60", "60.5"])
@pytest.mark.parametrize("declared", ["timestamp[ms]", "date32", None])
def test_day_that_there_was_not_is_refused(serial: str, declared: str | None) -> None:
    with pytest.raises(DataError, match=r"cell A3 of .* holds 1900-02-29 \(serial number 60\)") as caught:
        read(dates("59", serial, "61"), columns_of(x=declared) if declared else None)
    assert "1900 had no 29 February" in (caught.value.hint or "")


def test_days_beside_it_are_read() -> None:
    first = [date(1900, 2, 28), date(1900, 3, 1)]
    assert read(dates("59", "61"), columns_of(x="date32"))["x"].to_pylist() == first
    assert read(dates("59.5"), columns_of(x="timestamp[s]"))["x"].to_pylist() == [datetime(1900, 2, 28, 12)]
    assert read(dates("60", is_1904=True), columns_of(x="date32"))["x"].to_pylist() == [date(1904, 3, 1)]


def test_columns_of_a_sheet_are_found_by_from() -> None:
    data = workbook([None, "v", "v", "w x"], [1, "a", "b", "-"], [2, "c", "-", "x"])
    declared = [
        Column("index", parse_column_type("int64"), from_=1),
        Column("second", parse_column_type("string"), from_=3),
        Column("w", parse_column_type("string"), from_="w x"),
    ]
    assert read(data, declared).to_pydict() == {"index": [1, 2], "second": ["b", "-"], "w": ["-", "x"]}
    by_position = [Column("w", parse_column_type("string"), from_=4), Column("n", parse_column_type("int64"), from_=1)]
    assert read(data, by_position, header=False, skip_rows=1).to_pydict() == {"w": ["-", "x"], "n": [1, 2]}
    with pytest.raises(DataError, match=r"`data/t.xlsx` lacks column 5") as caught:
        read(data, [Column("x", parse_column_type("string"), from_=5)])
    assert "`from: 5` is a position" in (caught.value.hint or "")
    for columns, hint in (([Column("v", parse_column_type("string"))], "`from: 3`"), (None, "from: 1}`")):
        with pytest.raises(StorageError) as refused:
            read(data, columns)
        assert hint in (refused.value.hint or "")


def test_null_values_of_one_column_of_a_sheet() -> None:
    data = workbook(["a", "b"], ["-", "-"], ["NA", "NA"])
    options = FORMATS["excel"].checked({"null_values": ["NA"]}, [("a", {"null_values": ["-"]})])
    columns = [Column("a", parse_column_type("string")), Column("b", parse_column_type("string"))]
    back = ExcelFormat().read(lambda: io.BytesIO(data), "t.xlsx", columns, options)
    assert back.to_pydict() == {"a": [None, "NA"], "b": ["-", None]}
