"""Write the files of this folder as Microsoft Excel saves them.

They imitate what Microsoft documents of its file formats: text is saved as it is shown, in the language of the system;
a workbook is Office Open XML (ECMA-376), with shared strings, styles of dates by number, and formulas beside their last
values.
"""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

FOLDER = Path(__file__).parent

# As shown: numbers of more than 11 digits are shortened, formats add signs and blanks.
ENGLISH = [
    ["Id", "Name", "Price", "Amount", "Share", "Day", "At", "Opens", "Paid", "Quota", "Note"],
    [
        "1",
        'O\'Neil, "Bob"',
        "1234.5",
        " $1,234.50 ",
        "50%",
        "2/29/2024",
        "2/29/2024 13:05",
        "8:05 AM",
        "TRUE",
        "#N/A",
        "",
    ],
    ["2", "", "", "", "", "", "", "", "", "", ""],
    [
        "-3",
        "Zoë\nline two",
        "1.23E+14",
        " $(0.01)",
        "8.13%",
        "1/2/1970",
        "12/31/1969 23:59",
        "11:59 PM",
        "FALSE",
        "#DIV/0!",
        " x",
    ],
    ["4", "007", "0.1", " $0.00 ", "0%", "12/31/9999", "1/1/2024 0:00", "12:00 AM", "TRUE", "1", "日本"],
]
GERMAN = [
    ["Nr", "Artikel", "Preis", "Betrag", "Anteil", "Tag", "Zeitpunkt", "Uhrzeit", "Bezahlt", "Quote"],
    ["1", "Öl; 5 l", "1234,5", "1.234,50 €", "50%", "29.02.2024", "29.02.2024 13:05", "08:05:00", "WAHR", "#NV"],
    ["2", "", "", "", "", "", "", "", "", ""],
    [
        "-3",
        'Kabel "rot"',
        "1,23E+14",
        "-0,01 €",
        "8,13%",
        "02.01.1970",
        "31.12.1969 23:59",
        "23:59:59",
        "FALSCH",
        "#DIV/0!",
    ],
]


def text(rows: list[list[str]], delimiter: str, end: str) -> str:
    """Rows with quotes where Excel writes them."""
    marks = {delimiter, '"', "\n"}
    cells = (['"' + cell.replace('"', '""') + '"' if marks & {*cell} else cell for cell in row] for row in rows)
    return "".join(delimiter.join(row) + end for row in cells)


latin = [[cell.replace("日本", "??") for cell in row] for row in ENGLISH]
(FOLDER / "utf8.csv").write_bytes(text(ENGLISH, ",", "\r\n").encode("utf-8-sig"))  # CSV UTF-8 (Comma delimited)
(FOLDER / "german.csv").write_bytes(text(GERMAN, ";", "\r\n").encode("cp1252"))  # CSV (Trennzeichen-getrennt)
(FOLDER / "separator.csv").write_bytes(("sep=;\r\n" + text(GERMAN, ";", "\r\n")).encode("utf-8-sig"))
(FOLDER / "unicode.txt").write_bytes(text(ENGLISH, "\t", "\r\n").encode("utf-16"))  # Unicode Text
(FOLDER / "mac.csv").write_bytes(text(latin, ",", "\r").encode("mac-roman"))  # CSV (Macintosh)


# Cells of the workbook: attributes and content; none where Excel writes none.
STRINGS = [
    "<t>Orders of the week</t>",
    *(f"<t>{name}</t>" for name in ["Id", "Name", "Price", "Share", "Day", "At", "Opens", "Took", "Paid", "Twice"]),
    '<t>O\'Neil, "Bob"</t>',
    '<r><t>Zo</t></r><r><rPr><b/><sz val="11"/></rPr><t xml:space="preserve">ë </t></r><r><t>bold</t></r>',
    '<t xml:space="preserve"> two_x000D_\nlines </t>',
    '<t>007</t><phoneticPr fontId="1"/>',
]
# By the index of a style: 10 is 0.00%, 14 a date, 22 a date with time, 20 a time, 46 a span.
NUMBER_FORMATS = [0, 10, 14, 22, 20, 46]
TEXT, SHARE, DAY, AT, TIME, SPAN = 't="s"', 's="1"', 's="2"', 's="3"', 's="4"', 's="5"'
ROWS = {
    1: [(TEXT, "<v>0</v>")],
    3: [(TEXT, f"<v>{at}</v>") for at in range(1, 11)],
    4: [
        ("", "<v>1</v>"),
        (TEXT, "<v>11</v>"),
        ("", "<v>0.1</v>"),
        (SHARE, "<v>0.5</v>"),
        (DAY, "<v>45351</v>"),
        (AT, "<v>45351.545208333337</v>"),
        (TIME, "<v>0.33680555555555558</v>"),
        (SPAN, "<v>1.0833333333333333</v>"),
        ('t="b"', "<v>1</v>"),
        ("", "<f>A4*2</f><v>2</v>"),
    ],
    5: [
        ("", "<v>-2</v>"),
        (TEXT, "<v>12</v>"),
        ("", "<v>0.30000000000000004</v>"),
        (SHARE, "<v>8.1250000000000003E-2</v>"),
        (DAY, "<v>25569</v>"),
        (AT, "<v>25568.999988425927</v>"),
        (TIME, "<v>0.99998842592592596</v>"),
        (SPAN, "<v>4.1875</v>"),
        ('t="b"', "<v>0</v>"),
        ('t="e"', "<f>A5/0</f><v>#DIV/0!</v>"),
    ],
    6: [
        ("", "<v>3</v>"),
        (TEXT, "<v>13</v>"),
        ("", "<v>123456789012345</v>"),
        (SHARE, ""),
        (DAY, ""),
        None,
        None,
        None,
        None,
        ('t="str"', '<f>IF(A6=3,"",A6*2)</f><v></v>'),
    ],
    7: [
        ("", "<v>4</v>"),
        (TEXT, "<v>14</v>"),
        ("", "<v>1E+300</v>"),
        None,
        (DAY, "<v>2958465</v>"),
        (AT, "<v>45292</v>"),
        (TIME, "<v>0</v>"),
        (SPAN, "<v>0</v>"),
        None,
        ("", "<f>A7*2</f><v>8</v>"),
    ],
}


def sheet_rows() -> str:
    """The rows of the sheet."""
    text = ""
    for number, cells in ROWS.items():
        placed = ((f"{column}{number}", *cell) for column, cell in zip("ABCDEFGHIJ", cells, strict=False) if cell)
        inner = "".join(f'<c r="{place}" {attributes}>{content}</c>' for place, attributes, content in placed)
        text += f'<row r="{number}" spans="1:10">{inner}</row>'
    return text


HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-"
#: The parts of the workbook that the others are related to, with the end of their types.
RELATED = {
    "worksheets/sheet1": "worksheet",
    "styles": "styles",
    "sharedStrings": "sharedStrings",
}
types = {"workbook": "sheet.main", **RELATED}.items()
PARTS = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    f'<Default Extension="rels" ContentType="{TYPE}package.relationships+xml"/>'
    + "".join(
        f'<Override PartName="/xl/{part}.xml" ContentType="{TYPE}officedocument.spreadsheetml.{kind}+xml"/>'
        for part, kind in types
    )
    + "</Types>",
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
    + "".join(
        f'<Relationship Id="rId{at}" Type="{OFFICE}/{kind}" Target="{part}.xml"/>'
        for at, (part, kind) in enumerate(RELATED.items(), 1)
    )
    + "</Relationships>",
    "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><workbookPr defaultThemeVersion="166925"/>'
    '<sheets><sheet name="Orders 2024" sheetId="1" r:id="rId1"/></sheets><calcPr calcId="191029"/></workbook>',
    "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><fonts><font/><font/></fonts>'
    "<fills><fill><patternFill/></fill></fills><borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs><cellXfs>"
    + "".join(f'<xf numFmtId="{number}" xfId="0" applyNumberFormat="1"/>' for number in NUMBER_FORMATS)
    + '</cellXfs><cellStyles><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>',
    "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">{"".join(f"<si>{string}</si>" for string in STRINGS)}</sst>',
    "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><dimension ref="A1:J7"/>'
    f"<sheetData>{sheet_rows()}</sheetData></worksheet>",
}
with ZipFile(FOLDER / "workbook.xlsx", "w", ZIP_DEFLATED) as book:
    for name, part in PARTS.items():
        book.writestr(ZipInfo(name), HEAD + part)
