"""Excel workbooks: read, not written."""

from __future__ import annotations

from lakehouse_cli.formats.csv.values import ValueOptions
from lakehouse_cli.formats.spec import EVERY_TYPE, FormatOption, FormatSpec, first_refused
from lakehouse_cli.formats.value_options import EPOCH_UNIT, NUMBER_OPTIONS, TIME_FORMAT
from lakehouse_cli.model import ColumnType


def _refusal(column_type: ColumnType) -> str | None:
    if first_refused(column_type, lambda each: each.timezone is not None):
        return "its dates and times have no time zone"
    nested = first_refused(column_type, lambda each: each.is_nested or each.id == "binary")
    return f"a cell holds no {nested}" if nested else None


class ExcelOptions(ValueOptions, frozen=True):
    """How a workbook is read.

    Attributes:
        sheet: Its name; None for the first one.
        header: Whether the first row names the columns.
        skip_rows: Rows before the header that are not data.
        null_values: Texts, and errors, that stand for null.
    """

    sheet: str | None = None
    header: bool = True
    skip_rows: int = 0
    null_values: tuple[str, ...] = ()


EXCEL = FormatSpec(
    name="excel",
    implementation="lakehouse_cli.formats.excel.format:ExcelFormat",
    suffix=".xlsx",
    options_class=f"{__name__}:ExcelOptions",
    writable=False,
    by_position=True,
    refusal=_refusal,
    needs=("openpyxl",),
    install="pip install 'lakehouse-cli[excel]'",
    options=(
        FormatOption("sheet", None, {"type": "string", "minLength": 1}, "Its name; unset: the first one."),
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
