"""Rows of a span of time alone: what a storage leaves out is no row of it, and it does leave out others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import deltalake
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.runner.within import rows_within
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.testing.storage import ORIGIN, column, table
from lakehouse_cli.transforms import SharedTable
from tests.servers.postgresql import PostgreSQL

KINDS = {
    "day": "date32",
    "s": "timestamp[s]",
    "ms": "timestamp[ms]",
    "us": "timestamp[us]",
    "ns": "timestamp[ns]",
    "at": "timestamp[us, tz=UTC]",
    "far": "timestamp[ns, tz=Asia/Tokyo]",
}
FIRST = datetime(2024, 1, 1)
COUNT = 800


def moments(random: Random) -> list[datetime | None]:
    """In order, with nulls, and a few that are far from all others."""
    found: list[datetime | None] = [FIRST + timedelta(minutes=47 * at, seconds=random.random()) for at in range(COUNT)]
    found[0], found[-1] = datetime(1700, 2, 28), datetime(2250, 1, 1)
    return [None if random.random() < 0.1 else each and each.replace(microsecond=0) for each in found]


def data(random: Random) -> pa.Table:
    columns: dict[str, Any] = {
        "id": pa.array(range(COUNT)),
        "x": pa.array([None, float("nan"), 1.5, -0.0] * (COUNT // 4)),
    }
    for name, kind in KINDS.items():
        values = pa.array(moments(random), pa.timestamp("s"))
        zone = kind.partition("tz=")[2].rstrip("]")
        unit = kind.partition("[")[2].partition(",")[0].rstrip("]")
        target = pa.date32() if kind == "date32" else pa.timestamp(unit, zone or None)
        columns[name] = values.cast(target, safe=False)
    return pa.table(columns)


def spans(random: Random, name: str) -> list[TimeSpan]:
    """Some in the middle of all values, at their ends, beyond, and at the ends of all times."""
    found = []
    for _ in range(6):
        begin = FIRST + timedelta(hours=random.uniform(-60, 680))
        end = begin + timedelta(hours=random.choice([1, 24, 200]))
        zone = timedelta(hours=random.choice([-11, 0, 14]))
        found.append(TimeSpan(name, begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC), begin + zone, end + zone))
    for begin, end in ((datetime.min, FIRST), (FIRST, datetime.max), (datetime(1600, 1, 1), datetime(1601, 1, 1))):
        found.append(TimeSpan(name, begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC), begin, end))
    return found


def check(storage: AssetStorage, declared: Any, *names: str, least: float = 0.5) -> None:
    """Compare what is read of spans of each column with what is filtered.

    Args:
        storage: Where it is.
        declared: The table.
        names: Columns of which rows are left out.
        least: How many of the rows are left out of spans of these, in all.
    """
    random = Random(7)
    whole = scan(storage, declared, declared.columns)
    pieces, record = whole.pieces_with_content(())
    everything = pa.concat_tables(pieces())
    assert everything.num_rows == COUNT
    for name in KINDS:
        if name not in everything.column_names:
            continue
        read = 0
        drawn = spans(random, name)
        for span in drawn:
            opened, found = scan(storage, declared, declared.columns).pieces_within((record,), span)
            some = pa.concat_tables(opened())
            assert found == record
            assert some.schema == everything.schema
            expected, got = (rows_within(SharedTable(each), span, "x").arrow() for each in (everything, some))
            assert got.drop(["x"]).equals(expected.drop(["x"])), (name, span)
            assert str(got["x"].to_pylist()) == str(expected["x"].to_pylist())  # as NaN is equal to nothing
            read += some.num_rows
        if name in names:
            assert read < (1 - least) * COUNT * len(drawn), name


COLUMNS = {"id": "int64", "x": "float64", **KINDS}


def declared_as(columns: dict[str, str] = COLUMNS, **how: Any) -> Table:
    return replace(table("table", *(column(*each) for each in columns.items())), **how)


def storage_of(kind: str, root: object, **how: Any) -> AssetStorage:
    return open_storage(StorageSpec("lake", str(root), str(root), type=kind, **how))


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_row_groups_of_files_are_left_out(tmp_path: Path, form: str) -> None:
    storage = storage_of("files", tmp_path)
    options = {"row_group_rows": 20} if form == "parquet" else {}
    declared = declared_as(format=form, options=options)
    storage.publish(declared, data(Random(1)), ORIGIN)
    check(storage, declared, *(KINDS if form == "parquet" else ()))


def test_row_groups_of_other_writers_are_left_out(tmp_path: Path) -> None:
    """Statistics that are missing, and times as Spark of old writes them, say nothing."""
    storage, drawn = storage_of("files", tmp_path), data(Random(2)).drop(["far"])
    declared = declared_as(
        {name: kind for name, kind in COLUMNS.items() if name != "far"}, kind="source", format="parquet"
    )
    pq.write_table(drawn, tmp_path / "table.parquet", row_group_size=80, write_statistics=["day"], store_schema=False)
    check(storage, declared, "day")
    old = {name: kind.replace("ns", "us").replace("ms", "us").replace("[s", "[us") for name, kind in COLUMNS.items()}
    drawn = data(Random(3)).cast(
        pa.schema([(each.name, to_arrow(each.type)) for each in declared_as(old).columns or ()])
    )
    pq.write_table(drawn, tmp_path / "table.parquet", row_group_size=80, use_deprecated_int96_timestamps=True)
    check(storage, declared_as(old, kind="source", format="parquet"), "day")


@pytest.mark.parametrize("divided", [None, "part", "day", "us"])
def test_files_of_delta_tables_are_left_out(tmp_path: Path, divided: str | None) -> None:
    names = ("id", "x", "day", "us", "at")
    drawn = data(Random(4)).select(names)
    if divided == "us":  # a partition for each moment would be a file for each row
        drawn = drawn.set_column(3, "us", pc.floor_temporal(drawn["us"], 20, "day"))
    if divided == "day":
        drawn = drawn.set_column(2, "day", pc.floor_temporal(drawn["day"], 20, "day").cast(pa.date32()))
    drawn = drawn.append_column("part", pa.array([str(at % 3) for at in range(COUNT)]))
    for start in range(0, COUNT, COUNT // 10) if divided in (None, "part") else [0]:
        some = drawn.slice(start, COUNT // 10 if divided in (None, "part") else COUNT)
        deltalake.write_deltalake(tmp_path / "table", some, mode="append", partition_by=divided)
    declared = declared_as({name: COLUMNS[name] for name in names}, kind="source", format="")
    left_out = {None: ("day", "us", "at"), "part": ("day", "us", "at"), "day": ("day",), "us": ("us",)}
    check(storage_of("delta", tmp_path, format=""), declared, *left_out[divided])


@pytest.mark.slow
def test_rows_of_a_duckdb_table_are_left_out(tmp_path: Path) -> None:
    storage, declared = storage_of("duckdb", tmp_path / "lake.db", format=""), declared_as(format="")
    storage.publish(declared, data(Random(5)), ORIGIN)
    check(storage, declared, *KINDS)
    with closing(duckdb.connect(tmp_path / "lake.db")) as connection:
        connection.execute("INSERT INTO \"table\" (day, us, \"at\") VALUES ('infinity', 'infinity', '-infinity')")
        connection.execute("INSERT INTO \"table\" (s) VALUES ('290000-01-01')")
    opened, _ = scan(storage, declared, declared.columns).pieces_within((), spans(Random(1), "us")[0])
    assert all(piece.num_rows < COUNT for piece in opened())


def test_rows_of_a_sqlite_table_are_left_out(tmp_path: Path) -> None:
    storage, declared = storage_of("sqlite", tmp_path / "lake.db", format=""), declared_as(format="")
    without_nan = data(Random(6)).set_column(1, "x", pa.array([None, 2.5, 1.5, -0.0] * (COUNT // 4)))
    storage.publish(declared, without_nan, ORIGIN)
    check(storage, declared, *KINDS, least=0.4)
    with closing(sqlite3.connect(tmp_path / "lake.db")) as connection:
        connection.execute("CREATE TABLE other (id INTEGER, us TEXT)")
        texts = ["2024-01-05", "2024-01-05 10:00", "2024-01-05T23:59:59.5", "2020-01-01", None]
        connection.executemany("INSERT INTO other VALUES (?, ?)", enumerate(texts))
        connection.commit()
    others = replace(declared_as({"id": "int64", "us": "timestamp[us]"}, kind="source", format=""), path="other")
    begin, end = datetime(2024, 1, 5), datetime(2024, 1, 6)
    span = TimeSpan("us", begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC), begin, end)
    opened, _ = scan(storage, others, others.columns).pieces_within((), span)
    some = rows_within(SharedTable(pa.concat_tables(opened())), span, "x").arrow()
    assert some["id"].to_pylist() == [0, 1, 2]


def test_rows_of_a_postgresql_table_are_left_out(postgresql_server: PostgreSQL, postgresql_database: str) -> None:
    url = postgresql_server.url(postgresql_database)
    storage, declared = storage_of("postgresql", url, format=""), declared_as(format="")
    storage.publish(declared, data(Random(8)), ORIGIN)
    check(storage, declared, *KINDS)
    postgresql_server.run(f"ALTER DATABASE {postgresql_database} SET TimeZone TO 'Pacific/Kiritimati'")
    storage = storage_of("postgresql", url, format="")
    check(storage, declared, *KINDS)
