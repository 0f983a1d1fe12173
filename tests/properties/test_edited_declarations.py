"""The law of edited declarations: what is stored is read as the values that were stored, or refused."""

from __future__ import annotations

import random
import sys
from datetime import date, datetime
from decimal import Decimal

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import LakehouseError
from tests.conftest import Cli, ProjectFolder

CODE = """
import datetime as dt
import pyarrow as pa

def stored() -> pa.Table:
    return pa.table({
        "n": [1, 0], "f": [1.5, 1000.25], "t": ["1", "t"], "b": [True, False], "d": [dt.date(2024, 3, 4)] * 2,
        "m": pa.array([dt.datetime(2024, 3, 4, 5, 6, 7)] * 2, pa.timestamp("us")),
    })
"""
COLUMNS = {"n": "int64", "f": "float64", "t": "string", "b": "bool", "d": "date32", "m": "timestamp[us]"}
TYPES = (*COLUMNS.values(), "int32", "decimal128(12, 2)", "timestamp[s]", "timestamp[us, tz=Asia/Tokyo]")
CSV = (
    *("null_values: ['1']", "delimiter: ';'", "decimal: ','", "true_values: ['false']", "date_format: '%d/%m/%Y'"),
    *("epoch_unit: s", "thousands: ','", "percent: number", "header: false", "skip_rows: 1", "encoding: utf-16"),
)
OPTIONS = {"csv": CSV, "jsonl": ("epoch_unit: ms", "compression: gzip"), "parquet": (), "sqlite": ()}


def as_text(value: object) -> object:
    """Numbers as numbers; moments and days as their text."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ").removesuffix(" 00:00:00")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):  # of a moment, in the digits that a database keeps
        return value.removesuffix(".000000")
    return (type(value) is bool, float(value)) if isinstance(value, int | float | Decimal) else value


@pytest.mark.parametrize("form", OPTIONS)
def test_edited_declarations(folder: ProjectFolder, cli: Cli, form: str) -> None:
    drawn = random.Random(form)
    place = (
        "type: sqlite, root: lite.db, options: {epoch_unit: s}" if form == "sqlite" else f"root: data, format: {form}"
    )
    read = 0

    def declare(columns: dict[str, str], options: str) -> None:
        declared = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
        kept = f"options: {{{options}}}, " if options else ""
        storages = f"storages: {{default: {{root: other}}, s: {{{place}}}}}\n"
        folder.declare(f"stored: {{storage: s, inputs: [], {kept}columns: {{{declared}}}}}", CODE, top=storages)

    declare(COLUMNS, "")
    assert cli("run").code == 0, cli("run").err
    before = [
        {name: as_text(value) for name, value in row.items()} for row in Project.load().read_arrow("stored").to_pylist()
    ]
    for _ in range(80):
        names = drawn.sample(list(COLUMNS), drawn.randint(3, 6))
        columns = {name: COLUMNS[name] for name in names}
        columns[names[0]] = drawn.choice((columns[names[0]], drawn.choice(TYPES)))
        declare(columns, drawn.choice(("", "", *OPTIONS[form])))
        try:
            rows = Project.load().read_arrow("stored").to_pylist()
        except LakehouseError:
            continue
        read += 1
        found = [{name: as_text(value) for name, value in row.items()} for row in rows]
        assert found == [{name: row[name] for name in names} for row in before], folder.read("lakehouse.yaml")
    assert read > 3
    sys.modules.pop("transforms", None)
