"""The cells of one sheet, as a workbook has them."""

from __future__ import annotations

import datetime as dt
import re
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import ParseError

from msgspec import Struct
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import fromstring, iterparse

from lakehouse_cli.errors import Location, StorageError
from lakehouse_cli.formats.base import Opener
from lakehouse_cli.formats.excel.formulas import Formulas
from lakehouse_cli.formats.excel.spec import ExcelOptions
from lakehouse_cli.formats.excel.workbook import PROPERTIES, WRITTEN_BY
from lakehouse_cli.formats.excel.worksheet import Cells, Refused, Worksheet, text_of
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.counts import count_text, plural

# It warns of parts of a workbook that have nothing to do with the values of cells, such as their validation.
warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\..*")
# What files of Excel before 2007 begin with, and those that are protected by a password.
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: What is shown behind a formula without a value.
NOT_COMPUTED = "(not computed)"
# What programs that compute no formulas store as their value, as openpyxl reads it from cells of each format.
_PLACEHOLDERS = (0, "0", dt.time(), dt.timedelta())
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_MAIN = f"{{{SHEET_MAIN_NS}}}"
_BLOCK = 1 << 20
_FORMULA = re.compile(rb"<(?:[^\s<>/:]+:)?f[\s/>]")
_LONGEST_TAG = 100
# What is text in the format of a number.
_LITERALS = re.compile(r'"[^"]*"|[\\_*].')
# Of the names that elements have in workbooks saved as Strict Open XML.
_STRICT = "{http://purl.oclc.org/ooxml/"


class Row(Struct, frozen=True):
    """A row.

    Attributes:
        number: Of the row in the sheet, from 1.
        values: Of its cells up to the last that is not empty; None for an empty one.
    """

    number: int
    values: list[Any]


class Sheet(Struct, frozen=True):
    """Rows of a sheet.

    Attributes:
        title: Its name.
        header: The names of the columns, None for a column without; None where there is no header.
        rows: Those that are not empty; all of a workbook that lakehouse wrote.
        in_percent: Number of the row and 0-based column of the numbers that are shown in percent, where that was asked.
    """

    title: str
    header: tuple[str | None, ...] | None
    rows: Sequence[Row]
    in_percent: frozenset[tuple[int, int]] = frozenset()

    @property
    def width(self) -> int:
        """Columns of the widest row."""
        return max((len(row.values) for row in self.rows), default=0)


def address(column: int, row: int) -> str:
    """Make the address of a cell of a 0-based column and the number of a row.

    >>> address(1, 7)
    'B7'
    """
    return f"{get_column_letter(column + 1)}{row}"


def read_sheet(open_source: Opener, name: str, options: ExcelOptions) -> Sheet:
    """Read one sheet of a workbook.

    Args:
        open_source: Opens its bytes.
        name: The file as messages show it.
        options: ``sheet``, ``skip_rows`` and ``header``; ``percent``, of columns too, asks which are in percent.

    Raises:
        StorageError: It is no workbook, or has no such sheet.
    """
    wanted, skipped = options.sheet, options.skip_rows
    formulas = Formulas()
    asks_percent = any(each.percent == "number" for each in (options, *(own for _, own in options.by_column)))
    in_percent: set[tuple[int, int]] = set()
    rows: list[Row] = []
    number = 0
    with _opened(open_source, name, wanted) as (sheet, calculation):
        percents = _Percents(sheet)
        for number, cells in Cells(sheet, is_due=calculation.is_due).rows():
            is_kept = number > skipped
            values: list[Any] = [None] * (cells[-1][0] + 1 if cells else 0)
            for at, value, style, element in cells:
                if at >= len(values):
                    values += [None] * (at + 1 - len(values))
                values[at] = unescape(value) if type(value) is str else value
                if calculation.has_formulas:
                    is_suspect = is_kept and (
                        value is None or (calculation.is_due and value in _PLACEHOLDERS) or _is_java_zero(value)
                    )
                    formulas.add(element, (number, at), value if is_kept else None, is_suspect=is_suspect)
                if asks_percent and type(value) in (int, float) and percents[style]:
                    in_percent.add((number, at))
            while values and values[-1] is None:
                values.pop()
            if is_kept:
                rows.append(Row(number, values))
        title = sheet.title
        _mark_formulas(rows, formulas, is_due=calculation.is_due)
    if number < skipped:
        raise StorageError(
            f"sheet `{title}` of `{name}` has {plural(number, 'row')}, "
            f"fewer than the {count_text(skipped)} that `skip_rows` skips",
            hint="correct `skip_rows` in its options: how many rows there are before the header",
            location=Location(name),
        )
    rows = [row for row in rows if row.values or calculation.keeps_empty_rows]
    if not options.header:
        return Sheet(title, None, rows, frozenset(in_percent))
    if not rows:
        raise StorageError(
            f"sheet `{title}` of `{name}` is empty, it has no header",
            hint="set `sheet` or `skip_rows` in its options, or `header: false`",
            location=Location(name),
        )
    header = tuple(None if value is None else str(getattr(value, "shown", value)) for value in rows[0].values)
    return Sheet(title, header, rows[1:], frozenset(in_percent))


def unescape(text: str) -> str:
    r"""Decode the escapes of characters that XML lacks in a text of a workbook (ECMA-376, ST_Xstring).

    >>> unescape("a_x000D_b_x005F_x000D_")
    'a\rb_x000D_'
    """
    if "_x" not in text:
        return text
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)
    try:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text  # half of a character is none


def _is_java_zero(value: Any) -> bool:
    """Whether a value is 0 spelled `0.0`, as Apache POI stores it where it computed nothing; Excel stores `0`."""
    return type(value) is float and value == 0


class _Percents(dict[int, bool]):
    """Whether numbers of a style are shown in percent, by the style."""

    def __init__(self, sheet: Worksheet) -> None:
        super().__init__()
        self._sheet = sheet

    def __missing__(self, style: int) -> bool:
        self[style] = "%" in _LITERALS.sub("", self._sheet.number_format(style))
        return self[style]


class Calculation(Struct, frozen=True):
    """What a workbook says of formulas, and of rows without values.

    Attributes:
        has_formulas: Whether there are any.
        is_due: Whether the workbook or the sheet asks for them to be computed when it is opened.
        keeps_empty_rows: Whether rows without values are rows.
    """

    has_formulas: bool
    is_due: bool
    keeps_empty_rows: bool


class _Reader(ExcelReader):  # type: ignore[misc]
    """Opens a workbook as openpyxl does, with texts as they are stored: it removes each ``x005F_`` from them."""

    def read_strings(self) -> None:
        """Read the shared strings, their escapes left in."""
        part = self.package.find(SHARED_STRINGS)
        if part is None:
            return
        with self.archive.open(part.PartName[1:]) as source:
            for _, node in iterparse(source):
                if node.tag == f"{{{SHEET_MAIN_NS}}}si":
                    self.shared_strings.append(text_of(node))
                    node.clear()

    def read_worksheets(self) -> None:
        """Find the sheets that have rows."""
        for sheet, part in self.parser.find_sheets():
            if part.target in self.valid_files and "chartsheet" not in part.Type:
                self.wb._sheets.append(Worksheet(self.wb, sheet.name, part.target, self.shared_strings))

    def calculation(self, sheet: Any) -> Calculation:
        """Look for formulas in the XML: openpyxl's own attribute is true also where nothing is said."""
        has_formulas = may_ask = False
        before = b""
        # Bytes are looked at first, which takes a hundredth of the time; what is no UTF-8 has zeros in it.
        with self.archive.open(sheet._worksheet_path) as source:
            while block := source.read(_BLOCK):
                data, is_wide = before + block, b"\0" in block
                has_formulas = has_formulas or is_wide or _FORMULA.search(data) is not None
                may_ask = may_ask or is_wide or b"sheetCalcPr" in data
                before = block[-_LONGEST_TAG:]
        is_due = _asks_to_compute(self._root.find(f"{_MAIN}calcPr"))
        return Calculation(has_formulas, is_due or (may_ask and self._is_due(sheet)), self.keeps_empty_rows)

    def _is_due(self, sheet: Any) -> bool:
        """Whether a sheet itself asks for its formulas to be computed."""
        with self.archive.open(sheet._worksheet_path) as source:
            for _, node in iterparse(source):
                if node.tag == f"{_MAIN}sheetCalcPr":
                    return _asks_to_compute(node)
                if node.tag == f"{_MAIN}row":
                    node.clear()
        return False

    @property
    def is_strict(self) -> bool:
        """Whether it is saved as Strict Open XML, which openpyxl sees no sheets in."""
        return str(self._root.tag).startswith(_STRICT)

    @property
    def keeps_empty_rows(self) -> bool:
        """Whether rows without values are rows: lakehouse wrote it, and no other program saved it since."""
        parts = self.archive.namelist()
        return PROPERTIES in parts and WRITTEN_BY.encode() in self.archive.read(PROPERTIES)

    @property
    def _root(self) -> Any:
        return fromstring(self.archive.read(self.parser.workbook_part_name))


def _asks_to_compute(properties: Any) -> bool:
    return properties is not None and properties.get("fullCalcOnLoad", "0").strip() in ("1", "true")


@contextmanager
def _opened(open_source: Opener, name: str, wanted: str | None) -> Iterator[tuple[Any, Calculation]]:
    """The sheet, and what is said of its formulas."""
    with open_source() as source:
        if source.read(len(_OLE)) == _OLE:
            raise StorageError(
                f"`{name}` is a workbook of Excel before 2007, or is protected by a password",
                hint="save it as .xlsx, without a password",
                location=Location(name),
            )
        source.seek(0)
        try:
            reader = _Reader(source, read_only=True, data_only=True)
            try:
                reader.read()
                if reader.is_strict:
                    raise StorageError(
                        f"`{name}` is a workbook in the Strict Open XML format, which cannot be read",
                        hint="save it as an ordinary Excel workbook (.xlsx)",
                        location=Location(name),
                    )
                sheet = _sheet(reader.wb, name, wanted)
                yield sheet, reader.calculation(sheet)
            finally:
                reader.archive.close()
        except (
            zipfile.BadZipFile,
            InvalidFileException,
            KeyError,
            ValueError,
            TypeError,
            ParseError,
            EOFError,
        ) as error:
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            raise StorageError(
                f"`{name}` is not an Excel workbook, or is damaged: {reason}",
                hint="open it in Excel and save it again as .xlsx",
                location=Location(name),
            ) from error


def _sheet(workbook: Any, name: str, wanted: str | None) -> Any:
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    if wanted is None and sheets:
        return workbook.worksheets[0]
    if wanted not in sheets:
        hint = did_you_mean(wanted or "", sheets) or f"its sheets are {', '.join(f'`{title}`' for title in sheets)}"
        raise StorageError(f"`{name}` has no sheet `{wanted}`", hint=hint, location=Location(name))
    return sheets[wanted]


def _mark_formulas(rows: Sequence[Row], formulas: Formulas, *, is_due: bool) -> None:
    """Distinguish formulas that no program has computed yet from cells that are empty, or zero."""
    by_number = {row.number: row.values for row in rows}

    def is_computed(number: int, at: int) -> bool:
        values = by_number[number]
        return not is_due and formulas.has_evaluated and at < len(values) and _is_java_zero(values[at])

    for (number, at), text in formulas.without_value().items():
        if not is_computed(number, at):
            values = by_number[number]
            values.extend([None] * (at + 1 - len(values)))
            values[at] = Refused(f"{text} {NOT_COMPUTED}")
