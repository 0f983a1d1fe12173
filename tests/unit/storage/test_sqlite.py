"""SQLite files: the conformance suite, and what only they have."""

from __future__ import annotations

import datetime as dt
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.model import Contract, StorageSpec, parse_column_type
from lakehouse_cli.storage.relational.sqlite import SQLiteSession, SQLiteStorage
from lakehouse_cli.storage.relational.sqlite_values import numbers_as_timestamps
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


def test_writing_connection_is_waited_for_and_reported(storage: SQLiteStorage, file: Path) -> None:
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


def test_undeclared_columns_differing_in_case_are_refused(storage: SQLiteStorage) -> None:
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


def test_triggers_stay_and_do_not_fire_on_replacing(storage: SQLiteStorage, file: Path) -> None:
    storage.publish(table("T"), data_of(table(), (1, "a")), ORIGIN)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE log (id)")
        connection.execute("CREATE TRIGGER noting AFTER INSERT ON t BEGIN INSERT INTO log VALUES (NEW.id); END")
    storage.publish(table("T"), data_of(table(), (2, "b")), ORIGIN)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute("SELECT * FROM log").fetchall() == []
        connection.execute("INSERT INTO t VALUES (3, 'c')")
        assert connection.execute("SELECT * FROM log").fetchall() == [(3,)]


def filled(file: Path, *values: object) -> None:
    """A table `t` with a column `x`, which has no type."""
    file.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")
        connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])


def read_as(storage: SQLiteStorage, type_: str) -> list[object]:
    source = table("t", column("x", type_), kind="source")
    found: list[object] = storage.scan(source, source.columns).table()["x"].to_pylist()
    return found


@pytest.mark.parametrize("values", [(12.5, None, 10, -0.01), (0.125, 1e10, None), ("12.30", None)])
def test_reals_are_the_decimals_that_sqlite_shows(
    storage: SQLiteStorage, file: Path, values: tuple[object, ...]
) -> None:
    filled(file, *values)
    assert read_as(storage, "decimal128(14, 3)") == [None if v is None else Decimal(str(v)) for v in values]


@pytest.mark.parametrize("value", [0.1 + 0.2, 1234567890123.456789, 0.0005, float("inf"), 1e300])
def test_reals_of_other_digits_are_no_decimals(storage: SQLiteStorage, file: Path, value: float) -> None:
    filled(file, 12.5, value)
    with pytest.raises(DataError) as caught:
        read_as(storage, "decimal128(38, 3)")
    assert "in the transform" not in caught.value.message
    assert [example.row for example in caught.value.violations[0].examples] == [2]


@pytest.mark.parametrize("values", [(1, None, 0), ("t", None, "f"), ("t", None, 0), ("true", None, "false")])
def test_truth_values_are_read_as_bool(storage: SQLiteStorage, file: Path, values: tuple[object, ...]) -> None:
    filled(file, *values)
    assert read_as(storage, "bool") == [True, None, False]


@pytest.mark.parametrize("value", [2, -1, 1.0, "T", "yes", b"t"])
def test_other_values_are_no_truth_values(storage: SQLiteStorage, file: Path, value: object) -> None:
    filled(file, 1, 0, 1, value)
    with pytest.raises(DataError) as caught:
        read_as(storage, "bool")
    assert [example.row for example in caught.value.violations[0].examples] == [4]


MOMENT = dt.datetime(2023, 11, 14, 22, 13, 20)


@pytest.mark.parametrize(
    ("unit", "value", "type_", "expected"),
    [
        ("s", 1_700_000_000, "timestamp[s]", MOMENT),
        ("s", 1_700_000_000, "timestamp[us, tz=UTC]", MOMENT.replace(tzinfo=dt.UTC)),
        ("s", 1_700_000_000.25, "timestamp[ms]", MOMENT.replace(microsecond=250_000)),
        ("s", 1_700_000_000.123456, "timestamp[us]", MOMENT.replace(microsecond=123_456)),
        ("s", -1, "timestamp[s]", dt.datetime(1969, 12, 31, 23, 59, 59)),
        ("ms", 1_700_000_000_000, "timestamp[s]", MOMENT),
        ("us", 1_700_000_000_000_001, "timestamp[us]", MOMENT.replace(microsecond=1)),
        ("julian", 2_460_263.425925926, "timestamp[ms]", MOMENT),
        ("julian", 2_440_588, "timestamp[us]", dt.datetime(1970, 1, 1, 12)),
        ("s", "2023-11-14 22:13:20", "timestamp[s]", MOMENT),
    ],
)
def test_numbers_are_timestamps_by_epoch_unit(
    storage: SQLiteStorage, file: Path, unit: str, value: object, type_: str, expected: dt.datetime
) -> None:
    filled(file, value, None, "1970-01-02T00:00:00Z" if "tz" in type_ else "1970-01-02")
    storage = SQLiteStorage(replace(storage.spec, connection={"epoch_unit": unit}))
    first = dt.datetime(1970, 1, 2, tzinfo=expected.tzinfo)
    assert read_as(storage, type_) == [expected, None, first]


@pytest.mark.parametrize(
    ("unit", "value", "type_"),
    [
        ("s", 0.5, "timestamp[s]"),
        ("ms", 1, "timestamp[s]"),
        ("s", 2**62, "timestamp[us]"),
        ("s", float("inf"), "timestamp[s]"),
        ("julian", 2_460_263.4259259, "timestamp[s]"),
        ("julian", -1, "timestamp[ms]"),
        ("julian", 5_373_485, "timestamp[ms]"),
    ],
)
def test_numbers_that_are_no_such_timestamp_are_refused(
    storage: SQLiteStorage, file: Path, unit: str, value: object, type_: str
) -> None:
    filled(file, 0 if unit != "julian" else 2_440_587.5, value)
    storage = SQLiteStorage(replace(storage.spec, connection={"epoch_unit": unit}))
    with pytest.raises(DataError, match="not exact as timestamp") as caught:
        read_as(storage, type_)
    assert [example.row for example in caught.value.violations[0].examples] == [2]


def test_numbers_are_no_timestamps_without_epoch_unit(storage: SQLiteStorage, file: Path) -> None:
    filled(file, 1_700_000_000)
    with pytest.raises(DataError, match=r"`x` holds numbers where .* in 1 row; .* `epoch_unit: s`"):
        read_as(storage, "timestamp[s]")


@settings(max_examples=300, derandomize=True, database=None)
@given(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)))
def test_julian_days_are_those_of_sqlite(moment: dt.datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    with closing(sqlite3.connect(":memory:")) as connection:
        ((day, shown),) = connection.execute(
            "SELECT julianday(?1), strftime('%Y-%m-%d %H:%M:%f', julianday(?1))", (moment.isoformat(" "),)
        )
    found = numbers_as_timestamps([day], parse_column_type("timestamp[us]"), "julian")
    assert found.to_pylist() == [dt.datetime.fromisoformat(shown)]
