"""SQLite files: the conformance suite, and what only they have."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.model import Contract, StorageSpec
from lakehouse_cli.storage.relational.sqlite import SQLiteSession, SQLiteStorage
from lakehouse_cli.testing.storage import ORIGIN, column, data_of, table
from tests.unit.storage.suites import DatabaseFileConformance

pytestmark = pytest.mark.slow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "lake.sqlite"


@pytest.fixture
def storage(file: Path) -> SQLiteStorage:
    return SQLiteStorage(StorageSpec("lake", str(file), "folder/lake.sqlite", format="", type="sqlite"))


class TestSQLite(DatabaseFileConformance):
    session = SQLiteSession
    missing_table = sqlite3.OperationalError

    def connect(self, path: str) -> sqlite3.Connection:
        return sqlite3.connect(path)


def test_another_connection_that_is_writing_is_waited_for_and_told(storage: SQLiteStorage, file: Path) -> None:
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    hasty = SQLiteStorage(replace(storage.spec, connection={"lock_timeout": 1}))
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert hasty.scan(table(), table().columns).table().num_rows == 1
        with pytest.raises(StorageError) as caught:
            hasty.publish(table(), data_of(table(), (2, "b")), ORIGIN)
    assert "database is locked" in caught.value.message
    assert "another program is writing" in (caught.value.hint or "")


def test_values_are_what_they_are_whatever_the_column_says(storage: SQLiteStorage, file: Path) -> None:
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE t (n INTEGER, b BOOLEAN, d TEXT, k)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [(1, 1, "2026-01-31", 1), ("x", 0, None, "one")])
    names = ("n", "int64"), ("b", "bool"), ("d", "date32")
    columns = {name: column(name, type_) for name, type_ in names}
    good = table("t", columns["b"], columns["d"], kind="source")
    assert storage.scan(good, good.columns).table().to_pylist() == [
        {"b": True, "d": dt.date(2026, 1, 31)},
        {"b": False, "d": None},
    ]
    bad = table("t", columns["n"], kind="source")
    with pytest.raises(DataError) as caught:
        storage.scan(bad, bad.columns).table()
    assert "`n` is declared int64" in caught.value.message


def test_columns_of_no_contract_that_differ_only_in_case_are_refused(storage: SQLiteStorage) -> None:
    with pytest.raises(StorageError, match="column `A` differs from `a` only in upper and lower case"):
        storage.publish(replace(table(), contract=Contract()), pa.table({"a": [1], "A": [2]}), ORIGIN)
    storage.publish(replace(table(), contract=Contract()), pa.table({"ä": [1], "Ä": [2]}), ORIGIN)


def test_a_zero_keeps_its_sign(storage: SQLiteStorage, file: Path) -> None:
    zeros = table("t", column("x", "float64"), column("y", "float32"), column("z", "float64"))
    data = data_of(zeros, (-0.0, -0.0, 0.0), (0.0, None, 2.0), (2.5, 0.0, 0.0))
    storage.publish(zeros, data, ORIGIN)
    assert repr(storage.scan(zeros, zeros.columns).table().to_pylist()) == repr(data.to_pylist())
    assert repr(storage.scan(zeros, None).table().column("z").to_pylist()) == "[0.0, 2.0, 0.0]"
    with closing(sqlite3.connect(file)) as connection:
        types = connection.execute("SELECT type FROM pragma_table_info('t')").fetchall()
    assert types == [("REAL BLOB",), ("REAL BLOB",), ("REAL",)]


def test_triggers_of_a_table_stay_and_do_not_fire_when_it_is_replaced(storage: SQLiteStorage, file: Path) -> None:
    storage.publish(table("T"), data_of(table(), (1, "a")), ORIGIN)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE log (id)")
        connection.execute("CREATE TRIGGER noting AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.id); END")
    storage.publish(table("T"), data_of(table(), (2, "b")), ORIGIN)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute("SELECT * FROM log").fetchall() == []
        connection.execute("INSERT INTO t VALUES (3, 'c')")
        assert connection.execute("SELECT * FROM log").fetchall() == [(3,)]
