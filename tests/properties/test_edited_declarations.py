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
# Those that hold the same values.
ALIKE = {"n": "int32", "m": "timestamp[s]", "t": "dictionary<string>"}
CSV = (
    *("null_values: ['1']", "delimiter: ';'", "decimal: ','", "true_values: ['false']", "date_format: '%d/%m/%Y'"),
    *("epoch_unit: s", "thousands: ','", "percent: number", "header: false", "skip_rows: 1", "encoding: utf-16"),
)
OPTIONS = {"csv": CSV, "jsonl": ("epoch_unit: ms", "compression: gzip"), "parquet": (), "sqlite": ()}


def of_any_type(value: object) -> object:
    """Numbers are equal in all types of numbers, and a day is its midnight; else values are of one kind."""
    if isinstance(value, date):
        return "moment", value.isoformat() if isinstance(value, datetime) else f"{value.isoformat()}T00:00:00"
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return "number", float(value)
    return type(value).__name__, value


@pytest.mark.parametrize("form", OPTIONS)
def test_edited_declarations(folder: ProjectFolder, cli: Cli, form: str) -> None:
    drawn = random.Random(form)
    place = (
        "type: sqlite, root: lite.db, options: {epoch_unit: s}" if form == "sqlite" else f"root: data, format: {form}"
    )
    read = edited = 0

    def declare(columns: dict[str, str], options: str) -> None:
        declared = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
        kept = f"options: {{{options}}}, " if options else ""
        storages = f"storages: {{default: {{root: other}}, s: {{{place}}}}}\n"
        folder.declare(f"stored: {{storage: s, inputs: [], {kept}columns: {{{declared}}}}}", CODE, top=storages)

    declare(COLUMNS, "")
    assert cli("run").code == 0, cli("run").err
    before = [
        {name: of_any_type(value) for name, value in row.items()}
        for row in Project.load().read_arrow("stored").to_pylist()
    ]
    for _ in range(80):
        names = drawn.sample(list(COLUMNS), drawn.randint(3, 6))
        columns = {name: COLUMNS[name] for name in names}
        first = names[0]
        columns[first] = drawn.choice((COLUMNS[first], ALIKE.get(first, COLUMNS[first]), drawn.choice(TYPES)))
        declare(columns, drawn.choice(("", drawn.choice(("", *OPTIONS[form])))))
        try:
            rows = Project.load().read_arrow("stored").to_pylist()
        except LakehouseError:
            continue
        read += 1
        edited += columns[first] != COLUMNS[first]
        found = [{name: of_any_type(value) for name, value in row.items()} for row in rows]
        assert found == [{name: row[name] for name in names} for row in before], folder.read("lakehouse.yaml")
    assert read > 3
    assert edited
    sys.modules.pop("transforms", None)
