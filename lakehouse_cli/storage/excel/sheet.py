"""The cells of one sheet, as a workbook has them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from msgspec import Struct
from openpyxl import load_workbook
from openpyxl.cell.read_only import EmptyCell
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from lakehouse_cli.errors import Location, StorageError, did_you_mean

# It warns of parts of a workbook that have nothing to do with the values of cells, such as their validation.
warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\..*")
# What files of Excel before 2007 begin with, and those that are protected by a password.
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class Refused(Struct, frozen=True):
    """A cell whose value cannot be told: an error of Excel's, or a formula that was never computed."""

    shown: str


class Row(Struct, frozen=True):
    """A row that is not empty.

    Attributes:
        number: Of the row in the sheet, from 1.
        values: Of its cells up to the last that is not empty; None for an empty one.
    """

    number: int
    values: Sequence[Any]


class Sheet(Struct, frozen=True):
    """Rows of a sheet.

    Attributes:
        title: Its name.
        header: The names of the columns, None for a column without; None where there is no header.
        rows: Those that are not empty.
    """

    title: str
    header: tuple[str | None, ...] | None
    rows: Sequence[Row]

    @property
    def width(self) -> int:
        """Columns of the widest row."""
        return max((len(row.values) for row in self.rows), default=0)


def address(column: int, row: int) -> str:
    """The address of a cell, from a 0-based column and the number of a row.

    >>> address(1, 7)
    'B7'
    """
    return f"{get_column_letter(column + 1)}{row}"


def read_sheet(open_source: Callable[[], BinaryIO], name: str, options: Mapping[str, Any]) -> Sheet:
    """Read one sheet of a workbook.

    Args:
        open_source: Opens its bytes; called again where it has formulas without a value.
        name: The file as messages show it.
        options: ``sheet``, ``skip_rows`` and ``header``.

    Raises:
        StorageError: It is no workbook, or has no such sheet.
    """
    wanted, skipped = options.get("sheet"), options.get("skip_rows", 0)
    suspects: list[tuple[int, int]] = []
    rows: list[Row] = []
    number = 0
    with _opened(open_source, name, wanted, computed=True) as sheet:
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            if number <= skipped:
                continue
            values = []
            for at, cell in enumerate(cells):
                values.append(Refused(str(cell.value)) if cell.data_type == "e" else cell.value)
                if cell.value is None and not isinstance(cell, EmptyCell):
                    suspects.append((number, at))
            while values and values[-1] is None:
                values.pop()
            rows.append(Row(number, values))
        title = sheet.title
    if number < skipped:
        raise StorageError(
            f"sheet `{title}` of `{name}` has {number:,} rows, fewer than the {skipped:,} that `skip_rows` skips",
            hint="correct `skip_rows` in its options: how many rows there are before the header",
            location=Location(name),
        )
    if suspects:
        rows = _with_formulas(open_source, name, wanted, rows, suspects)
    rows = [row for row in rows if row.values]
    if not options.get("header", True):
        return Sheet(title, None, rows)
    if not rows:
        raise StorageError(
            f"sheet `{title}` of `{name}` is empty, it has no header",
            hint="set `sheet` or `skip_rows` in its options, or `header: false`",
            location=Location(name),
        )
    header = tuple(None if value is None else str(getattr(value, "shown", value)) for value in rows[0].values)
    return Sheet(title, header, rows[1:])


@contextmanager
def _opened(open_source: Callable[[], BinaryIO], name: str, wanted: str | None, *, computed: bool) -> Iterator[Any]:
    with open_source() as source:
        if source.read(len(_OLE)) == _OLE:
            raise StorageError(
                f"`{name}` is a workbook of Excel before 2007, or is protected by a password",
                hint="save it as .xlsx, without a password",
                location=Location(name),
            )
        source.seek(0)
        try:
            workbook = load_workbook(source, read_only=True, data_only=computed)
            try:
                sheet = _sheet(workbook, name, wanted)
                # Some programs write wrong ones, beyond which cells would not be seen.
                sheet.reset_dimensions()
                yield sheet
            finally:
                workbook.close()
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


def _with_formulas(
    open_source: Callable[[], BinaryIO],
    name: str,
    wanted: str | None,
    rows: Sequence[Row],
    suspects: Sequence[tuple[int, int]],
) -> list[Row]:
    """The rows, with formulas that no program has computed yet told from cells that are empty."""
    places: dict[int, list[int]] = {}
    for number, at in suspects:
        places.setdefault(number, []).append(at)
    by_number = {row.number: row for row in rows}
    with _opened(open_source, name, wanted, computed=False) as sheet:
        for number, cells in enumerate(sheet.iter_rows(), start=1):
            formulas = [at for at in places.get(number, ()) if cells[at].data_type == "f"]
            if formulas:
                values = list(by_number[number].values)
                values.extend([None] * (max(formulas) + 1 - len(values)))
                for at in formulas:
                    values[at] = Refused(f"{cells[at].value} (not computed)")
                by_number[number] = Row(number, values)
    return list(by_number.values())
