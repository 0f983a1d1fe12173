"""Partitions in databases: rows of one table, replaced in one transaction, and what others do to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import OvertakenError, StorageError, UnclaimedError
from lakehouse_cli.model import Contract, StorageSpec, Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.storage.capabilities import check_replaceable
from lakehouse_cli.storage.opening import with_parts
from lakehouse_cli.storage.partition_capability import contents, drop, partitions
from lakehouse_cli.storage.partitioned import PartitionedStorage
from lakehouse_cli.storage.relational.base import RelationalStorage
from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from lakehouse_cli.storage.relational.sqlite import SQLiteStorage
from lakehouse_cli.testing.storage_partitions import by_day, divided
from lakehouse_cli.testing.stored_tables import ORIGIN, column, data_of, planned, table

DECLARED = divided()
ONE, TWO, THREE = by_day(DECLARED, "2024-01-01", "2024-01-02", "2024-01-03")


@pytest.fixture(params=["sqlite", *(pytest.param(each, marks=pytest.mark.slow) for each in ("duckdb", "postgresql"))])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RelationalStorage]:
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        name = server.new_database()
        root = server.url(name)
        yield PostgreSQLStorage(StorageSpec("w", root, "postgresql://w", format="", type="postgresql"))
        server.run(f'DROP DATABASE "{name}" WITH (FORCE)')
        return
    kind = SQLiteStorage if request.param == "sqlite" else DuckDBStorage
    root = str(tmp_path / f"w.{request.param}")
    yield kind(StorageSpec("w", root, root, format="", type=request.param, folder=tmp_path))


@pytest.fixture
def parted(storage: RelationalStorage) -> PartitionedStorage:
    found = with_parts(storage)
    assert isinstance(found, PartitionedStorage)
    return found


def publish(storage: Any, unit: Table, *ids: int, **origin: Any) -> Any:
    return storage.publish(unit, data_of(DECLARED, *((each, "a") for each in ids)), replace(ORIGIN, **origin))


def sql(storage: RelationalStorage, statement: str) -> list[tuple[Any, ...]]:
    """As another program would run it."""
    with storage.session(write=True) as session:
        assert session is not None
        if statement.startswith("SELECT"):
            return session.rows(statement)
        session.do(statement)
        return []


def stored(storage: Any) -> list[str]:
    records, found = partitions(storage, DECLARED), contents(storage, DECLARED, {})
    return [e.values[0] for e, r in records.items() if e in found and found[e].content_hash == r.content_hash]


def test_each_row_says_of_which_partition_it_is(storage: RelationalStorage) -> None:
    for unit in (TWO, ONE, TWO):
        publish(storage, unit, 1)
    rows = sql(storage, "SELECT id, day, lakehouse_partition FROM daily ORDER BY 2")
    assert rows == [(1, "2024-01-01", "day=2024-01-01"), (1, "2024-01-02", "day=2024-01-02")]
    declared = replace(table("typed", column("day", "date32")), partitions=("day",))
    sql(storage, "SELECT 1")
    unit = unit_of(declared, Partition(("day",), ("2024-01-01",)))
    storage.publish(unit, data_of(declared), ORIGIN)
    assert len(sql(storage, "SELECT * FROM typed")) == 0
    assert storage.scan(unit, declared.columns).table().column_names == ["day"]


def test_what_others_change_shows_of_its_partition_alone(storage: RelationalStorage, parted: Any) -> None:
    for unit in (ONE, TWO, THREE):
        publish(storage, unit, 1, 2)
    assert stored(parted) == ["2024-01-01", "2024-01-02", "2024-01-03"]
    sql(storage, "UPDATE daily SET id = 9 WHERE day = '2024-01-02' AND id = 1")
    sql(storage, "DELETE FROM daily WHERE day = '2024-01-03'")
    assert stored(parted) == ["2024-01-01"]
    content = storage.content(TWO, ())
    assert content is not None
    assert content.content_hash == contents(parted, DECLARED, {})[TWO.partition].content_hash  # type: ignore[index]
    for unit in (TWO, THREE):
        check_replaceable(storage, unit, forced=False)
        publish(storage, unit, 4)
    assert len(stored(parted)) == 3
    sql(storage, "DROP TABLE daily")
    assert stored(parted) == []
    publish(storage, ONE, 1)
    assert stored(parted) == ["2024-01-01"]


def test_dropped_table_may_be_divided_otherwise(storage: RelationalStorage) -> None:
    """Nothing that was recorded of its partitions counts for the one that is made in its place."""
    publish(storage, ONE, 1)
    by_months = replace(DECLARED, partitions=("month",))
    months = [unit_of(by_months, Partition(("month",), (each,))) for each in ("2024-01", "2024-02")]
    sql(storage, "DROP TABLE daily")
    for unit in months:
        check_replaceable(storage, unit, forced=False)
        publish(storage, unit, 2)
    assert [each.values for each in partitions(storage, by_months)] == [("2024-01",), ("2024-02",)]
    assert stored(storage) == []
    drop(storage, months)
    publish(storage, ONE, 1)


def test_others_tables_are_not_replaced_unasked(storage: RelationalStorage) -> None:
    sql(storage, "CREATE TABLE daily (id integer, text varchar(9))")
    for refuse in (lambda: check_replaceable(storage, ONE, forced=False), lambda: publish(storage, ONE, 1)):
        with pytest.raises(UnclaimedError, match="daily"):
            refuse()
    publish(storage, ONE, 1, forced=True)
    assert stored(with_parts(storage)) == ["2024-01-01"]
    sql(storage, "CREATE VIEW v AS SELECT 1 AS id")
    with pytest.raises(StorageError, match="is a view"):
        check_replaceable(storage, replace(ONE, base_path="v"), forced=True)


def test_columns_are_added_and_not_changed(storage: RelationalStorage, parted: Any) -> None:
    for unit in (ONE, TWO):
        publish(storage, unit, 1)
    wider = replace(DECLARED, contract=Contract((*(DECLARED.columns or ()), column("more", "float64"))))
    unit = unit_of(wider, TWO.partition)  # type: ignore[arg-type]
    storage.publish(unit, data_of(wider, (2, "b", 0.5)), ORIGIN)
    assert storage.scan(unit, wider.columns).table()["more"].to_pylist() == [0.5]
    assert stored(parted) == ["2024-01-01", "2024-01-02"]
    other = replace(DECLARED, contract=Contract((column("id", "string"),)))
    unit = unit_of(other, ONE.partition)  # type: ignore[arg-type]
    before = sql(storage, "SELECT id, text FROM daily ORDER BY id")
    with pytest.raises(StorageError, match=r"column `id` is .* there, and would be"):
        storage.publish(unit, data_of(other, ("x",)), ORIGIN)
    assert sql(storage, "SELECT id, text FROM daily ORDER BY id") == before
    drop(storage, [TWO])
    storage.publish(unit, data_of(other, ("0123",)), ORIGIN)
    assert storage.scan(unit, other.columns).table()["id"].to_pylist() == ["0123"]


def test_second_of_two_runs_is_refused(storage: RelationalStorage) -> None:
    other = type(storage)(storage.spec)
    origins = [planned(run, ONE) for run in (storage, other)]
    storage.publish(ONE, data_of(DECLARED, (1, "first")), origins[0])
    with pytest.raises(OvertakenError, match="day=2024-01-01 while this one computed it"):
        other.publish(ONE, data_of(DECLARED, (2, "second")), origins[1])
    assert sql(storage, "SELECT text FROM daily") == [("first",)]


def test_writer_that_fails_leaves_everything_as_it_was(
    storage: RelationalStorage, parted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(storage, ONE, 1)

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("lakehouse_cli.storage.relational.unit_rows.keep_unit", dies)
        for unit in (ONE, TWO):
            with pytest.raises(KeyboardInterrupt):
                publish(storage, unit, 7)
    assert stored(parted) == ["2024-01-01"]
    assert sql(storage, "SELECT id FROM daily") == [(1,)]


def test_dropping_the_last_leaves_no_table(storage: RelationalStorage, parted: Any) -> None:
    for unit in (ONE, TWO):
        publish(storage, unit, 1)
    drop(parted, [ONE])
    assert sql(storage, "SELECT day FROM daily") == [("2024-01-02",)]
    drop(parted, [ONE, TWO])
    assert stored(parted) == []
    storage.publish(table("daily"), data_of(DECLARED, (5, "x")), ORIGIN)
    assert storage.scan(table("daily"), DECLARED.columns).table()["id"].to_pylist() == [5]
