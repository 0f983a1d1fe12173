"""Tables of databases in pieces: where they are split decides neither what is read nor what is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, note, settings

from lakehouse_cli.arrow.conversion.refusal import EXAMPLES
from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import publish_pieces
from lakehouse_cli.storage.relational import sqlite
from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from lakehouse_cli.storage.relational.sqlite import SQLiteStorage
from lakehouse_cli.testing.storage import ORIGIN, column, table
from tests.properties.drawn_tables import CHANCES, Chance
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.slow

VALUES: list[list[Any]] = [
    [None],
    [0, 1, 7, -(2**63), 2**60],
    [0.0, -0.0, 1.5, 2.0, 1e300, 0.1],
    ["", "1", "f", "t", "2026-01-02", "2026-01-02 03:04:05", "x"],
    [b"", b"1", b"\xff"],
]
NUMBERS = ["int8", "int64", "float32", "float64", "bool", "decimal128(10,2)"]
TYPES = [*NUMBERS, "string", "binary", "date32", "timestamp[s]", "duration[s]"]
SQL_TYPES = ["", "INTEGER", "REAL", "TEXT", "BLOB", "BOOLEAN", "DECIMAL(10, 2)", "DURATION_S"]


def outcome(storage: AssetStorage, declared: Table) -> Any:
    """What reading in pieces gives: the table, or how many values are refused, and the first of them."""
    try:
        opened, _ = storage.scan(declared, declared.columns).pieces_with_content(())
        data = pa.concat_tables(opened())
    except DataError as error:
        first = sorted((each.row, each.value) for violation in error.violations for each in violation.examples)
        return sum(violation.count for violation in error.violations), first[:EXAMPLES]
    assert data.equals(storage.scan(declared, declared.columns).table())
    # Python has no moments that far from 1970.
    moments = (pa.types.is_timestamp, pa.types.is_duration)
    columns = [each.cast(pa.int64()) if any(of(each.type) for of in moments) else each for each in data.columns]
    return data.schema, repr([column.to_pylist() for column in columns])


def values_of(chance: Chance) -> list[Any]:
    """Values of all kinds, or one of them and nulls."""
    if chance.random() < 0.5:
        return [chance.choice(chance.choice(VALUES)) for _ in range(chance.randrange(13))]
    return chance.choices((chance.choice(chance.choice(VALUES)), None), k=chance.randrange(13))


@given(chance=CHANCES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sqlite_values_are_the_same_in_any_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chance: Chance
) -> None:
    file = tmp_path / "lake.db"
    file.unlink(missing_ok=True)
    values, kind, sql_type = values_of(chance), chance.choice(TYPES), chance.choice(SQL_TYPES)
    note((values, kind, sql_type))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"CREATE TABLE source (value {sql_type})")
        connection.executemany("INSERT INTO source VALUES (?)", [(value,) for value in values])
        connection.commit()
    unit = chance.choice((None, "s"))
    spec = StorageSpec("lake", str(file), "lake.db", "", type="sqlite", connection={"epoch_unit": unit} if unit else {})
    declared = table("source", column("value", kind), kind="source")
    found = []
    for size in (1 << 16, chance.randint(1, 4)):
        monkeypatch.setattr(sqlite, "_READ_AT_ONCE", size)
        found.append(outcome(SQLiteStorage(spec), declared))
    whole, pieces = found
    assert whole == pieces


def test_refused_value_of_sqlite_has_its_row(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "lake.db")) as connection:
        connection.execute("CREATE TABLE source (id INTEGER, day TEXT)")
        days = ((i, "2026-01-02" if i % 70_000 else "never") for i in range(1, 150_001))
        connection.executemany("INSERT INTO source VALUES (?, ?)", days)
        connection.commit()
    storage = SQLiteStorage(StorageSpec("lake", str(tmp_path / "lake.db"), "lake.db", "", type="sqlite"))
    declared = table("source", column("id", "int64"), column("day", "date32"), kind="source")
    with pytest.raises(DataError, match="`day` is declared date32 and holds 2 values that are") as caught:
        storage.scan(declared, declared.columns).pieces_with_content(())
    [violation] = caught.value.violations
    assert [example.row for example in violation.examples] == [70_000, 140_000]


def test_refused_value_of_duckdb_has_its_row(tmp_path: Path) -> None:
    with closing(duckdb.connect(str(tmp_path / "lake.db"))) as connection:
        connection.execute(
            "CREATE TABLE source AS SELECT i AS id, CASE WHEN i % 140000 = 0 THEN 'infinity'::DATE"
            " ELSE DATE '2026-01-02' END AS day FROM range(1, 300001) AS r(i)"
        )
    storage = DuckDBStorage(StorageSpec("lake", str(tmp_path / "lake.db"), "lake.db", "", type="duckdb"))
    declared = table("source", column("id", "int64"), column("day", "date32"), kind="source")
    with pytest.raises(DataError, match="`day` holds 2 values that are infinite") as caught:
        storage.scan(declared, declared.columns).pieces_with_content(())
    [violation] = caught.value.violations
    assert [(example.row, example.value) for example in violation.examples] == [
        (140_000, "infinity"),
        (280_000, "infinity"),
    ]


def test_values_of_duckdb_are_refused_in_every_way(tmp_path: Path) -> None:
    with closing(duckdb.connect(str(tmp_path / "lake.db"))) as connection:
        connection.execute("CREATE TABLE source (n HUGEINT, day DATE, span INTERVAL)")
        connection.execute("INSERT INTO source VALUES (1, '2026-01-02', INTERVAL 1 DAY), (300, NULL, INTERVAL 1 MONTH)")
        connection.execute(f"INSERT INTO source VALUES ({2**127 - 1}, 'infinity', INTERVAL '0.5 seconds')")
    storage = DuckDBStorage(StorageSpec("lake", str(tmp_path / "lake.db"), "lake.db", "", type="duckdb"))
    columns = column("n", "int8"), column("day", "string"), column("span", "duration[s]")
    declared = table("source", *columns, kind="source")
    with pytest.raises(DataError) as caught:
        storage.scan(declared, declared.columns).pieces_with_content(())
    found = [(each.column, [example.row for example in each.examples]) for each in caught.value.violations]
    assert found == [("n", [2, 3]), ("day", [3]), ("day", [1]), ("span", [2]), ("span", [3])]


@pytest.fixture
def server(postgresql_server: PostgreSQL, postgresql_database: str) -> Any:
    spec = StorageSpec("lake", postgresql_server.url(postgresql_database), "lake", "", type="postgresql")
    return lambda statement: postgresql_server.run(statement, postgresql_database), PostgreSQLStorage(spec)


def test_nan_of_postgresql_is_the_same_in_any_pieces(server: Any) -> None:
    run, storage = server
    run(
        "CREATE TABLE source AS SELECT i AS id, repeat('x', 100) AS text, (CASE WHEN i % 190000 = 0 THEN 'NaN'"
        " ELSE i / 100.0 END)::numeric(12,2) AS n FROM generate_series(1, 400000) AS r(i)"
    )
    as_floats = table("source", column("id", "int32"), column("text", "string"), column("n", "float64"), kind="source")
    opened, _ = storage.scan(as_floats, as_floats.columns).pieces_with_content(())
    pieces = list(opened())
    assert len(pieces) > 2
    data = pa.concat_tables(pieces)
    assert data.num_rows == 400_000
    assert {"1": data["n"][0].as_py(), "nan": str(data["n"][189_999].as_py())} == {"1": 0.01, "nan": "nan"}
    as_decimals = table("source", column("text", "string"), column("n", "decimal128(12, 2)"), kind="source")
    with pytest.raises(DataError) as caught:
        storage.scan(as_decimals, as_decimals.columns).pieces_with_content(())
    [violation] = caught.value.violations
    assert (violation.count, [each.row for each in violation.examples]) == (2, [190_000, 380_000])
    # The connection that was left in the middle of a table is of use again.
    assert storage.stat(as_floats) is not None


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_values_that_a_database_cannot_hold_are_counted_over_all_pieces(kind: str, tmp_path: Path, server: Any) -> None:
    bad, type_name, why = (float("nan"), "float64", "NaN") if kind == "sqlite" else ("a\0", "string", "NUL characters")
    storage: AssetStorage = server[1]
    if kind == "sqlite":
        storage = SQLiteStorage(StorageSpec("lake", str(tmp_path / "lake.db"), "lake.db", "", type="sqlite"))
    declared = table("t", column("id", "int64"), column("value", type_name))
    good: Any = 1.5 if kind == "sqlite" else "a"
    values = [bad if i in (1, 7, 8) else good for i in range(10)]
    pieces = (pa.table({"id": [i], "value": [value]}) for i, value in enumerate(values))
    with pytest.raises(StorageError, match=rf"{why}.*\(row 2, 8, 9: ") as caught:
        publish_pieces(storage, declared, pieces, lambda: ORIGIN)
    assert caught.value.location == declared.where("columns.value", "columns")
    assert storage.stat(declared) is None
