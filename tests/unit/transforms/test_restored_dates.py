"""Dates that went through pandas are dates again, where no column is declared."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa

from lakehouse_cli.transforms.restored_dates import restore_dates
from tests.cases import each_case

DATES = pa.schema([("d", pa.date32())])
BOTH = pa.schema([("d", pa.date32()), ("t", pa.timestamp("s"))])
MIDNIGHT, NOON, EARLY = dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 2, 12), dt.datetime(1960, 1, 2)


def seconds(*values: dt.datetime | None) -> pa.Array:
    return pa.array(values, pa.timestamp("s"))


@each_case(
    ("values", "name", "inputs", "kind"),
    [
        ([MIDNIGHT, None, EARLY], "d", [DATES], "date32[day]"),
        ([MIDNIGHT], "renamed", [DATES], "date32[day]"),
        ([None], "d", [DATES], "date32[day]"),
        ([], "d", [DATES], "date32[day]"),
        ([MIDNIGHT, NOON], "d", [DATES], "timestamp[s]"),
        ([MIDNIGHT], "d", [BOTH], "date32[day]"),
        ([MIDNIGHT], "t", [BOTH], "timestamp[s]"),
        ([MIDNIGHT], "renamed", [BOTH], "timestamp[s]"),
        ([MIDNIGHT], "d", [DATES, pa.schema([("d", pa.timestamp("s"))])], "timestamp[s]"),
        ([MIDNIGHT], "d", [pa.schema([("d", pa.string())])], "timestamp[s]"),
        ([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)], "d", [DATES], "date32[day]"),
    ],
)
def test_midnights_made_of_dates_are_dates(
    values: list[dt.datetime], name: str, inputs: list[pa.Schema], kind: str
) -> None:
    column = restore_dates(pa.table({name: seconds(*values)}), inputs, None)[name]
    assert str(column.type) == kind
    assert column.cast(pa.timestamp("s")).to_pylist() == values


def test_moments_beyond_the_range_of_dates_stay() -> None:
    far = pa.array([86_400 * (1 << 33)], pa.int64()).cast(pa.timestamp("s"))
    assert restore_dates(pa.table({"d": far}), [DATES], None)["d"].type == pa.timestamp("s")
