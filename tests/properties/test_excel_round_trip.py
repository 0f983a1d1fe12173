"""Workbooks that are written: what a sheet holds comes back as it was, and all else is refused, with column and row."""

from __future__ import annotations

import io
import itertools
import math
import re
from decimal import Decimal
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import assume, given

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.excel.format import ExcelFormat
from lakehouse_cli.formats.excel.spec import EXCEL, ExcelOptions
from lakehouse_cli.model import Column, ColumnType
from tests.properties.drawn_tables import (
    CHANCES,
    LAW,
    PER_SECOND,
    Chance,
    Made,
    build,
    first_that,
    flat_type,
    note,
    plain,
    text,
    to_arrow,
    unique_texts,
    value,
)

DAYS = {"first": -25_567, "last": 2_932_896, "most": 2_958_465}  # of 1900-01-01 and of 9999-12-31 since 1970


def is_held(value: Any, kind: ColumnType) -> bool:
    """What docs/formats.md says of one value; a moment is its count."""
    if kind.id == "dictionary":
        return is_held(value, kind.item)
    if value is None or kind.id == "bool":
        return True
    if kind.is_integer:
        return abs(value) < 10**15
    if kind.is_float:
        return value == 0 or (math.isfinite(value) and abs(value) >= 2.2250738585072014e-308)
    if kind.id == "decimal128":
        return len("".join(map(str, value.as_tuple().digits)).strip("0")) <= 15
    if kind.id == "string":
        return "\0" not in value and len(value.encode("utf-16-le")) <= 2 * 32_767
    if kind.id == "date32":
        return DAYS["first"] <= value <= DAYS["last"]
    day, rest = divmod(value, 86_400 * PER_SECOND[kind.unit or "s"])
    is_near = {
        "timestamp": DAYS["first"] <= day <= DAYS["last"],
        "duration": 0 <= day <= DAYS["most"],
    }.get(kind.id, True)
    return is_near and rest * 1000 % PER_SECOND[kind.unit or "s"] == 0


def ordinary(chance: Chance, kind: ColumnType) -> Any:
    """A value that a sheet holds, or null."""
    if chance.random() < 0.2:
        return None
    kind = kind.item if kind.id == "dictionary" else kind
    if kind.id in ("timestamp", "duration", "time32", "time64"):
        per_second = PER_SECOND[kind.unit or "s"]
        first, last = {"timestamp": (DAYS["first"], DAYS["last"]), "duration": (0, DAYS["most"])}.get(kind.id, (0, 0))
        step, end = max(per_second // 1000, 1), 2**63 - 1  # of which counts of nanoseconds reach to 2262
        low = max(first * 86_400 * per_second, -end)
        return chance.randint(-(-low // step), min((last + 1) * 86_400 * per_second - 1, end) // step) * step
    if kind.id == "date32":
        last = DAYS["first"] + 70 if chance.random() < 0.3 else DAYS["last"]  # about the day that there was not
        return chance.randint(DAYS["first"], last)
    if kind.id == "decimal128":
        digits = chance.randint(0, 10 ** min(kind.precision or 1, 15) - 1)
        zeros = chance.randint(0, max((kind.precision or 1) - len(str(digits)), 0))
        return Decimal(f"{chance.choice((1, -1)) * digits * 10**zeros}E-{kind.scale}")
    return first_that(lambda found: is_held(found, kind), lambda: value(chance, kind))


def is_of_sheets(kind: ColumnType) -> bool:
    return EXCEL.refusal is not None and EXCEL.refusal(kind) is None


def tables(chance: Chance, of: Any) -> tuple[Made, list[list[Any]]]:
    kinds = [first_that(is_of_sheets, lambda: flat_type(chance)) for _ in range(chance.randint(1, 4))]
    names = unique_texts(chance, len(kinds))
    assume(not any("\0" in name for name in names))
    rows = [[of(chance, kind) for kind in kinds] for _ in range(chance.randrange(7))]
    columns = [Column(name, kind) for name, kind in zip(names, kinds, strict=True)]
    arrays = [build([row[at] for row in rows], kind) for at, kind in enumerate(kinds)]
    made = pa.Table.from_arrays(arrays, schema=pa.schema([(each.name, to_arrow(each.type)) for each in columns]))
    note(made)
    return (made, columns), rows


def written(*pieces: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    ExcelFormat().write_pieces(iter(pieces), sink, ExcelOptions.from_mapping(options))
    return sink.getvalue()


def values_of(table: pa.Table, column: Column) -> list[Any]:
    none = pa.nulls(0, to_arrow(column.type))
    return plain(pa.concat_arrays([none, *table[column.name].chunks]), column.type)


@LAW
@given(CHANCES)
def test_what_a_sheet_holds_comes_back(chance: Chance) -> None:
    (table, columns), _ = tables(chance, ordinary)
    options: dict[str, Any] = {"sheet": chance.choice((None, "Report")), "skip_rows": chance.choice((0, 0, 2))}
    stored = written(table, **options)
    back = ExcelFormat().read(lambda: io.BytesIO(stored), "x", columns, ExcelOptions.from_mapping(options))
    back.validate(full=True)
    assert back.schema == table.schema
    assert back.num_rows == table.num_rows
    for column in columns:
        assert values_of(back, column) == values_of(table, column), column
    # Whatever the pieces and their chunks, the same bytes.
    cuts = [0, *sorted(chance.randint(0, table.num_rows) for _ in range(2)), table.num_rows]
    assert written(*(table.slice(start, end - start) for start, end in itertools.pairwise(cuts)), **options) == stored


@LAW
@given(CHANCES)
def test_what_a_sheet_does_not_hold_is_refused(chance: Chance) -> None:
    """And nothing else; the place is that of a value that it does not hold."""
    (table, columns), rows = tables(
        chance, lambda chance, kind: (value if chance.random() < 0.2 else ordinary)(chance, kind)
    )
    unheld = {
        (column.name, number)
        for number, row in enumerate(rows, 1)
        for column, each in zip(columns, row, strict=True)
        if not is_held(each, column.type)
    }
    if not unheld:
        written(table)
        return
    with pytest.raises(StorageError) as caught:
        written(table)
    found = re.match(r"column `(.*)`, row ([0-9]+): Excel cannot hold ", caught.value.message, re.DOTALL)
    assert found is not None
    assert (found[1], int(found[2])) in unheld


def test_texts_are_texts_to_other_programs() -> None:
    """Also those that XML, or Excel, takes for something else: formulas, escapes, blanks at the ends."""
    chance = Chance(7)
    texts = [first_that(lambda each: is_held(each, ColumnType("string")), lambda: text(chance)) for _ in range(300)]
    texts += ["_x000D_", "_x005F_x000D_", "a_x0041_x0042_", "=1+1", " x ", "\r\n", "]]>", "<&>\"'", "\ufffe"]
    stored = written(pa.table({"t": texts}))
    columns = [Column("t", ColumnType("string"))]
    back = ExcelFormat().read(lambda: io.BytesIO(stored), "x", columns, ExcelOptions.from_mapping({}))
    assert back["t"].to_pylist() == texts
    seen = [row[0].value for row in openpyxl.load_workbook(io.BytesIO(stored)).active.iter_rows(min_row=2)]
    # openpyxl reads an empty text as none, and decodes no escapes.
    same = [at for at, each in enumerate(texts) if each and "_x" not in each and each.isprintable()]
    assert [seen[at] for at in same] == [texts[at] for at in same]
