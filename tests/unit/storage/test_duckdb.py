"""DuckDB files: the conformance suite, and what only they have."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, LakehouseError, StorageError
from lakehouse_cli.model import Column, Contract, StorageSpec, parse_column_type
from lakehouse_cli.storage.relational import duckdb_files
from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.duckdb_session import DuckDBSession
from lakehouse_cli.storage.relational.session import Relation
from lakehouse_cli.testing.storage import ORIGIN, data_of, table
from tests.unit.storage.suites import DatabaseFileConformance

pytestmark = pytest.mark.slow

# A name that is no table is not to be taken for a variable.
PLAIN = {"python_enable_replacements": False}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "lake.duckdb"


@pytest.fixture
def storage(file: Path) -> DuckDBStorage:
    return DuckDBStorage(StorageSpec("lake", str(file), "folder/lake.duckdb", format="", type="duckdb"))


class TestDuckDB(DatabaseFileConformance):
    session = DuckDBSession
    missing_table = duckdb.CatalogException

    def connect(self, path: str) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(path, config=PLAIN)


def test_files_are_made_for_an_older_version(storage: DuckDBStorage, file: Path) -> None:
    older = DuckDBStorage(replace(storage.spec, connection={"storage_compatibility_version": "v1.4.0"}))
    older.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    # The number of the format, of which 1.4 reads up to 67 (https://duckdb.org/docs/stable/internals/storage).
    assert int.from_bytes(file.read_bytes()[12:20], "little") == 67
    storage.publish(table(), data_of(table(), (2, "b")), ORIGIN)
    older.publish(table(), data_of(table(), (3, "c")), ORIGIN)
    assert int.from_bytes(file.read_bytes()[12:20], "little") == 67
    assert older.scan(table(), table().columns).table().num_rows == 1


def test_newer_file_is_not_written_for_an_older_version(storage: DuckDBStorage, file: Path) -> None:
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    older = DuckDBStorage(replace(storage.spec, connection={"storage_compatibility_version": "v1.4.0"}))
    with pytest.raises(
        LakehouseError, match=r"is in the format of DuckDB v2\.\d\.\d, which older ones cannot"
    ) as caught:
        older.publish(table(), data_of(table(), (2, "b")), ORIGIN)
    assert "move the file away" in (caught.value.hint or "")
    assert older.scan(table(), table().columns).table().num_rows == 1
    latest = DuckDBStorage(replace(storage.spec, connection={"storage_compatibility_version": "latest"}))
    latest.publish(table(), data_of(table(), (2, "b")), ORIGIN)


def test_a_version_that_duckdb_does_not_know_is_named(storage: DuckDBStorage) -> None:
    unknown = DuckDBStorage(replace(storage.spec, connection={"storage_compatibility_version": "v9.9.9"}))
    with pytest.raises(StorageError, match=r"v9\.9\.9") as caught:
        unknown.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    assert "storage_compatibility_version" in (caught.value.hint or "")


def test_memory_limit_is_set_and_named(storage: DuckDBStorage) -> None:
    tight, wide = (DuckDBStorage(replace(storage.spec, connection={"memory_limit": size})) for size in ("1MB", "1 GiB"))
    data = data_of(table(), *((row, "a" * row) for row in range(3_000)))
    with pytest.raises(StorageError, match="Out of Memory") as caught:
        tight.publish(table(), data, ORIGIN)
    assert "raise the storage's option `memory_limit`" in (caught.value.hint or "")
    wide.publish(table(), data, ORIGIN)
    with pytest.raises(StorageError, match="Out of Memory"):
        tight.scan(table(), table().columns).table()


_HOLDS = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_other_process_with_the_file_open_is_named(storage: DuckDBStorage, file: Path) -> None:
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    hasty = DuckDBStorage(replace(storage.spec, connection={"lock_timeout": 1}))
    argv = [sys.executable, "-c", _HOLDS, str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StorageError) as caught:
            hasty.scan(table(), table().columns).table()
        assert "lock on file" in caught.value.message
        assert "another process has the file open" in (caught.value.hint or "")
        reader = threading.Thread(target=lambda: read.append(storage.scan(table(), table().columns).table().num_rows))
        read: list[int] = []
        reader.start()
        assert other.stdin is not None
        other.stdin.close()
        reader.join()
    assert read == [1]


def opens(path: Path) -> list[int]:
    """What another client of this process reads, configured in another way, which DuckDB refuses while it is open."""
    with closing(duckdb.connect(str(path), config={"threads": 1})) as connection:
        return [row[0] for row in connection.execute('SELECT id FROM "table"').fetchall()]


def opened_files(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether for writing, of each time that a file is opened from now on."""
    opened: list[bool] = []
    original = duckdb_files._open

    def noted(path: str, *, write: bool, **others: Any) -> Any:
        opened.append(write)
        return original(path, write=write, **others)

    monkeypatch.setattr(duckdb_files, "_open", noted)
    return opened


def test_a_file_in_use_is_not_opened_for_each_transaction(
    storage: DuckDBStorage, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_files, "_IDLE_S", 60.0)
    monkeypatch.setattr(duckdb_files, "_TURN_S", 60.0)
    opened = opened_files(monkeypatch)
    with storage.in_use():
        for id_ in range(5):
            storage.may_replace(table(), forced=False)
            storage.publish(table(), data_of(table(), (id_, "a")), ORIGIN)
            assert storage.scan(table(), table().columns).table().num_rows == 1
    assert opened == [True]
    assert opens(file) == [4]


def test_a_file_in_use_that_nobody_uses_is_closed(storage: DuckDBStorage, file: Path) -> None:
    with storage.in_use():
        storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
        limit = time.monotonic() + 30
        while True:
            try:
                assert opens(file) == [1]
                break
            except duckdb.ConnectionException:
                assert time.monotonic() < limit
        assert storage.scan(table(), table().columns).table().num_rows == 1


_WAITS = """
import duckdb, sys, time
while True:
    try:
        duckdb.connect(sys.argv[1]).execute("CREATE TABLE theirs AS SELECT 1 AS x")
        break
    except duckdb.IOException:
        time.sleep(0.02)
"""


@pytest.mark.slow
@pytest.mark.parametrize("readers", [0, 2])
def test_other_process_gets_its_turn_at_a_busy_file(storage: DuckDBStorage, file: Path, readers: int) -> None:
    storage.publish(table(), data_of(table(), (0, "a")), ORIGIN)
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            storage.scan(table(), table().columns).table()

    threads = [threading.Thread(target=read) for _ in range(readers)]
    with storage.in_use(), subprocess.Popen([sys.executable, "-c", _WAITS, str(file)]) as other:
        for thread in threads:
            thread.start()
        limit = time.monotonic() + 60
        try:
            while other.poll() is None:
                storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
                assert time.monotonic() < limit
        finally:
            done.set()
            other.kill()
        for thread in threads:
            thread.join()
    assert other.returncode == 0
    with closing(duckdb.connect(str(file))) as connection:
        assert connection.execute("SELECT x FROM theirs").fetchall() == [(1,)]


def test_columns_are_the_same_however_they_are_looked_up(storage: DuckDBStorage, file: Path) -> None:
    file.parent.mkdir()
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT 5::HUGEINT AS h, 'a'::ENUM('a', 'b') AS e, 1.5::DECIMAL(10, 2) AS d,"
            " {'a b': [1], 'c': {'x': 1}} AS \"s t\", MAP {'a': 1} AS m, now() AS z, TIME '12:00' AS tt, uuid() AS u"
        )
        connection.execute("CREATE VIEW v AS SELECT * FROM t")
    t, v = Relation("main", "t"), Relation("main", "V")
    with storage.session() as session:
        assert session is not None
        both = session.find([t, v])
        assert {**session.find([t]), **session.find([v])} == both
    assert [both[each].kind for each in (t, v)] == ["table", "view"]
    assert len(both[t].columns) == 8


def test_what_arrow_has_no_type_for(storage: DuckDBStorage, file: Path) -> None:
    file.parent.mkdir()
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute("CREATE TABLE t AS SELECT 5::HUGEINT AS h, 'a'::ENUM('a', 'b') AS e, INTERVAL 2 SECOND AS i")
        connection.execute("CREATE TABLE months AS SELECT INTERVAL 1 MONTH AS i")
        connection.execute("CREATE TABLE maps AS SELECT MAP {0.5::DOUBLE: 1} AS m")
        connection.execute("CREATE TABLE far AS SELECT 'infinity'::TIMESTAMP AS x")
    source = replace(table("t", kind="source"), contract=Contract())
    read = storage.scan(source, None).table()
    assert [str(kind) for kind in read.schema.types][::2] == ["string", "duration[us]"]
    assert read.to_pylist() == [{"h": "5", "e": "a", "i": dt.timedelta(seconds=2)}]
    for name, reported in (
        ("months", "`i` holds intervals with months in 1 row; cast it to VARCHAR in a view"),
        ("maps", "no column can be declared"),
        ("far", "infinite"),
    ):
        with pytest.raises((StorageError, DataError), match=reported):
            storage.scan(replace(source, path=name), None).table()


BENT = {
    "TIME '24:00'": "no time of a day",
    "TIME_NS '24:00'": "no time of a day",
    "'infinity'::DATE": "infinite",
    "'-infinity'::TIMESTAMPTZ": "infinite",
    "'infinity'::TIMESTAMP_NS": "infinite",
    "170141183460469231731687303715884105727::HUGEINT": "too large",
    "(-170141183460469231731687303715884105728)::HUGEINT": "too large",
    "340282366920938463463374607431768211455::UHUGEINT": "UHUGEINT inside of",
    "5::BIGNUM": "BIGNUM inside of",
    "TIMETZ '12:00:00+05'": "TIME WITH TIME ZONE inside of",
    "'101'::BIT": "BIT inside of",
    "INTERVAL 1 MONTH": "INTERVAL inside of",
    "union_value(num := 2)": r"UNION\(num INTEGER\) inside of",
}


@pytest.mark.parametrize("value", BENT)
def test_values_that_arrow_bends_are_refused_inside(storage: DuckDBStorage, file: Path, value: str) -> None:
    file.parent.mkdir()
    nested = [f"[NULL, {value}]", f"{{'a': {value}}}", f"[{{'a': [{value}]}}]", f"[NULL, {value}]::{{type}}[2]"]
    with closing(duckdb.connect(str(file))) as connection:
        kind = connection.execute(f"SELECT typeof({value})").fetchone()[0]  # type: ignore[index]
        for number, expression in enumerate(nested):
            made = f"CASE WHEN i = 2 THEN {expression.replace('{type}', kind)} END"
            connection.execute(f"CREATE TABLE t{number} AS SELECT i, {made} AS v FROM range(4) AS r(i)")
    for number, _ in enumerate(nested):
        with pytest.raises(DataError, match=BENT[value]) as caught:
            storage.scan(replace(table(f"t{number}", kind="source"), contract=Contract()), None).table()
        (found,) = caught.value.violations
        assert (found.column, found.count, [example.row for example in found.examples]) == ("v", 1, [3])
        assert "view" in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("value", ["union_value(n := 2)", "MAP {'a': {'b': union_value(n := 2)}}"])
@pytest.mark.parametrize("declared", ["string", "int64", "struct<b: int64>", None])
def test_unions_are_refused(storage: DuckDBStorage, file: Path, value: str, declared: str | None) -> None:
    file.parent.mkdir()
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute(f"CREATE TABLE t AS SELECT {value} AS v")
    columns = () if declared is None else (Column("v", parse_column_type(declared)),)
    with pytest.raises(DataError, match=r"UNION\(n INTEGER\)"):
        storage.scan(replace(table("t", kind="source"), contract=Contract(columns or None)), None).table()


def test_what_arrow_bends_is_text_or_exact_where_it_can_be(storage: DuckDBStorage, file: Path) -> None:
    file.parent.mkdir()
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT TIMETZ '12:00:00+05' AS z, '101'::BIT AS b, (2::UHUGEINT << 126) AS u,"
            " [5::HUGEINT] AS h, NULL::BIT[] AS n, {'BIT': 1} AS s, [uuid()] AS i"
        )
    (row,) = storage.scan(replace(table("t", kind="source"), contract=Contract()), None).table().to_pylist()
    assert {name: row[name] for name in "zbuhns"} == {
        "z": "12:00:00+05",
        "b": "101",
        "u": str(2**127),
        "h": [5],
        "n": None,
        "s": {"BIT": 1},
    }
    assert len(row["i"][0]) == 36
