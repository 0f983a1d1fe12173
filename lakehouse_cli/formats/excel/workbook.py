"""The parts of a workbook of one sheet (ECMA-376, Part 1), packed so that the same data make the same bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.base import Sink

#: Styles of the names of columns, on the side on which Excel has the values; those of the columns follow.
LEFT_HEADER, RIGHT_HEADER = 1, 2
#: In the properties of workbooks that lakehouse wrote and no other program saved since: rows without cells are rows.
WRITTEN_BY = "<Application>lakehouse</Application>"
PROPERTIES = "docProps/app.xml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_SPREADSHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_EXTENDED = "http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEET = "xl/worksheets/sheet1.xml"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# By the file's ending: Excel opens no file whose content is said to be of another.
_MAIN_TYPES = {
    ".xlsx": f"{_TYPES}.sheet.main+xml",
    ".xltx": f"{_TYPES}.template.main+xml",
    ".xlsm": "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    ".xltm": "application/vnd.ms-excel.template.macroEnabled.main+xml",
}
_BUILTIN_FORMATS = {"General": 0, "0": 1, "@": 49}
_FIRST_FORMAT = 164
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16
_UNIX = 3
# More needs ZIP64, which not all programs that read workbooks know.
_LARGEST_SHEET = (1 << 31) - 1


def number_formats(formats: Sequence[str]) -> tuple[list[int], dict[str, int]]:
    """Number the styles of columns.

    Args:
        formats: The number format of each column.

    Returns:
        The style of each column, and the formats by their number in the workbook.
    """
    distinct = list(dict.fromkeys(formats))
    own = [each for each in distinct if each not in _BUILTIN_FORMATS]
    numbers = {**_BUILTIN_FORMATS, **{each: _FIRST_FORMAT + at for at, each in enumerate(own)}}
    return [RIGHT_HEADER + 1 + distinct.index(each) for each in formats], {each: numbers[each] for each in distinct}


@contextmanager
def packed_sheet(sink: Sink, title: str, suffix: str, formats: dict[str, int]) -> Iterator[Sink]:
    """Write a workbook whose one sheet is what is written to the sink that is given out.

    Args:
        sink: Takes the bytes of the workbook.
        title: Of the sheet.
        suffix: The file's ending.
        formats: As `number_formats` makes them, in the order of the styles.

    Raises:
        StorageError: The sheet takes more than 2 GiB.
    """
    output = _Output(sink)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name, text in _parts(title, suffix, formats).items():
            archive.writestr(_entry(name), _HEAD + text)
        with archive.open(_entry(_SHEET), "w") as part:
            try:
                yield _Sheet(part)
            except BaseException:
                output.is_dropped = True  # else the archive is completed
                raise


class _Output:
    """A sink as `zipfile` needs one that only grows; nothing more goes there once it has failed."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.is_dropped = False

    def write(self, data: Any) -> int:
        if not self.is_dropped:
            try:
                self._sink.write(data)
            except BaseException:
                self.is_dropped = True
                raise
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Leave that to the owner of the sink."""


class _Sheet:
    """The bytes of the sheet, counted."""

    def __init__(self, part: Any) -> None:
        self._part = part
        self._size = len(_HEAD)
        part.write(_HEAD.encode())

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._size += size
        if self._size > _LARGEST_SHEET:
            raise StorageError(
                "the sheet would take more than 2 GiB, which programs cannot be relied on to read",
                hint="aggregate or divide the table, or choose another `format`, such as parquet",
            )
        self._part.write(data)
        return size


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without what differs from one machine, or moment, to another."""
    entry = zipfile.ZipInfo(name, _EARLIEST)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = _UNIX
    entry.external_attr = _REGULAR_FILE
    return entry


def _parts(title: str, suffix: str, formats: dict[str, int]) -> dict[str, str]:
    """Everything but the sheet, by name."""
    return {
        "[Content_Types].xml": (
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_MAIN_TYPES[suffix]}"/>'
            f'<Override PartName="/{PROPERTIES}" '
            'ContentType="application/vnd.openxmlformats-officedocument.extended-properties+xml"/>'
            f'<Override PartName="/{_SHEET}" ContentType="{_TYPES}.worksheet+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/></Types>'
        ),
        "_rels/.rels": _relations(("officeDocument", "xl/workbook.xml"), ("extended-properties", PROPERTIES)),
        PROPERTIES: f'<Properties xmlns="{_EXTENDED}">{WRITTEN_BY}</Properties>',
        "xl/workbook.xml": (
            f'<workbook xmlns="{_SPREADSHEET}" xmlns:r="{_OFFICE}">'
            f'<sheets><sheet name="{escape(title)}" sheetId="1" r:id="rId1"/></sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": _relations(("worksheet", "worksheets/sheet1.xml"), ("styles", "styles.xml")),
        "xl/styles.xml": _styles(formats),
    }


def _relations(*targets: tuple[str, str]) -> str:
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{relations}</Relationships>'


def _styles(formats: dict[str, int]) -> str:
    own = [
        f'<numFmt numFmtId="{number}" formatCode="{escape(text)}"/>'
        for text, number in formats.items()
        if number >= _FIRST_FORMAT
    ]
    font = '<sz val="11"/><name val="Calibri"/>'
    styles = [
        '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>',
        '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/>',
        '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1" applyAlignment="1">'
        '<alignment horizontal="right"/></xf>',
        *(
            f'<xf numFmtId="{number}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
            for number in formats.values()
        ),
    ]
    return (
        f'<styleSheet xmlns="{_SPREADSHEET}">'
        + (f'<numFmts count="{len(own)}">{"".join(own)}</numFmts>' if own else "")
        + f'<fonts count="2"><font>{font}</font><font><b/>{font}</font></fonts>'
        '<fills count="2"><fill><patternFill patternType="none"/></fill>'
        '<fill><patternFill patternType="gray125"/></fill></fills>'
        '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        f'<cellXfs count="{len(styles)}">{"".join(styles)}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )
