"""Excel workbooks: the sheet that is read, or written."""

from __future__ import annotations

import re

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.values import ValueOptions
from lakehouse_cli.formats.spec import EVERY_TYPE, FormatOption, FormatSpec, first_refused
from lakehouse_cli.formats.value_options import EPOCH_UNIT, NUMBER_OPTIONS, TIME_FORMAT
from lakehouse_cli.model import ColumnType

# What Excel takes for the name of a sheet.
_TITLE = re.compile(r"(?!')[^\x00-\x1f\[\]:*?/\\]{1,31}(?<!')")


def _refusal(column_type: ColumnType) -> str | None:
    if first_refused(column_type, lambda each: each.timezone is not None):
        return "its dates and times have no time zone"
    nested = first_refused(column_type, lambda each: each.is_nested or each.id == "binary")
    return f"a cell holds no {nested}" if nested else None


class ExcelOptions(ValueOptions, frozen=True):
    """How a workbook is read and written.

    Attributes:
        sheet: Its name; None for the first one, and for `Sheet1` where it is written.
        header: Whether the first row names the columns.
        skip_rows: Rows before the header that are not data.
        null_values: Texts, and errors, that stand for null.
        suffix: The file's ending, which says what kind of workbook it is.
    """

    sheet: str | None = None
    header: bool = True
    skip_rows: int = 0
    null_values: tuple[str, ...] = ()
    suffix: str = ".xlsx"

    def check_written(self) -> None:
        """Refuse options that say what Excel does not take, or what would not be read back.

        Raises:
            StorageError: Naming them, and what to do.
        """
        if not self.header:
            raise StorageError(
                "option `header` of format excel is false, and a sheet is written with the names of its columns",
                hint="remove `header` from the options",
            )
        if self.sheet is not None and (not _TITLE.fullmatch(self.sheet) or self.sheet.lower() == "history"):
            raise StorageError(
                f"option `sheet` of format excel is `{self.sheet}`, which Excel does not take as a name",
                hint=r"at most 31 characters, without [ ] : * ? / \ and no ' at its ends; not History",
            )


EXCEL = FormatSpec(
    name="excel",
    implementation="lakehouse_cli.formats.excel.format:ExcelFormat",
    suffix=".xlsx",
    options_class=f"{__name__}:ExcelOptions",
    by_position=True,
    refusal=_refusal,
    needs=("openpyxl",),
    install="pip install 'lakehouse-cli[excel]'",
    options=(
        FormatOption(
            "sheet",
            None,
            {"type": "string", "minLength": 1},
            "Its name; unset: the first one, and Sheet1 where it is written.",
        ),
        FormatOption("header", True, {"type": "boolean"}, "Whether the first row names the columns; else by position."),
        FormatOption("skip_rows", 0, {"type": "integer", "minimum": 0}, "Rows before the header that are not data."),
        FormatOption(
            "null_values",
            [],
            {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "Texts, and errors such as `#N/A`, that stand for null beside empty cells.",
            by_column=EVERY_TYPE,
        ),
        *NUMBER_OPTIONS,
        TIME_FORMAT,
        EPOCH_UNIT,
        FormatOption(
            "suffix", ".xlsx", {"type": "string", "pattern": r"^\.(?:xlsx|xlsm|xltx|xltm)$"}, "The file's ending."
        ),
    ),
)
