"""Delta tables by partition: commits of many, columns that divide, and what others do to them."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import ContractError, OvertakenError, StorageError, UnclaimedError
from lakehouse_cli.model import Contract, StorageSpec, Table
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.capabilities import altered_by, check_replaceable, in_use
from lakehouse_cli.storage.delta import units as delta_units
from lakehouse_cli.storage.delta.partitioned import DeltaStorage
from lakehouse_cli.storage.opening import with_parts
from lakehouse_cli.storage.partition_capability import contents, drop, partitions
from lakehouse_cli.testing.storage_partitions import by_day, divided
from lakehouse_cli.testing.stored_tables import ORIGIN, column, data_of, planned, table

pytestmark = pytest.mark.slow

DECLARED = divided()
ONE, TWO, THREE = by_day(DECLARED, "2024-01-01", "2024-01-02", "2024-01-03")
MANY = by_day(DECLARED, *(f"2023-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 26)))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def storage(root: Path) -> AssetStorage:
    return opened(root)


def opened(root: Path) -> AssetStorage:
    return with_parts(DeltaStorage(StorageSpec("default", str(root), "lake", "", type="delta")))


def publish(storage: AssetStorage, unit: Table, *ids: int, **origin: Any) -> Any:
    return storage.publish(unit, data_of(DECLARED, *((each, "a") for each in ids)), replace(ORIGIN, **origin))


def rows(root: Path, name: str = "daily") -> list[dict[str, Any]]:
    """As another program reads them."""
    read = deltalake.DeltaTable(str(root / name)).to_pyarrow_table()
    return sorted(read.to_pylist(), key=str)


def stored(storage: AssetStorage) -> list[str]:
    found = contents(storage, DECLARED, {})
    records = partitions(storage, DECLARED)
    return [e.values[0] for e, r in records.items() if e in found and found[e].content_hash == r.content_hash]


def commits(root: Path) -> int:
    return len(list((root / "daily/_delta_log").glob("*.json")))


def test_finished_partitions_are_few_commits(storage: AssetStorage, root: Path) -> None:
    for turn in (1, 2):
        before = commits(root)
        with in_use([storage]):
            for unit in MANY:
                check_replaceable(storage, unit, forced=False)
                publish(storage, unit, turn)
        assert commits(root) - before <= len(MANY) / 20
    assert [row["id"] for row in rows(root)] == [2] * len(MANY)
    again = opened(root)
    assert len(stored(again)) == len(MANY)
    assert again.read_manifest(MANY[7]) == storage.read_manifest(MANY[7])


def test_each_has_columns_for_its_values(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    assert rows(root) == [{"id": 1, "text": "a", "day": "2024-01-01"}]
    assert deltalake.DeltaTable(str(root / "daily")).metadata().partition_columns == ["day"]


def test_declared_dimensions_divide_in_their_types(storage: AssetStorage, root: Path) -> None:
    columns = (column("day", "date32"), column("region", "string"), column("n", "int64"), column("id", "int8"))
    declared = replace(table("typed", *columns), partitions=("region", "day", "n"))
    values = [("eu", "2024-01-01", "7"), ("__HIVE_DEFAULT_PARTITION__", "2024-01-02", "-1")]
    for number, value in enumerate(values):
        unit = unit_of(declared, Partition(declared.partitions, value))
        day = datetime.date(2024, 1, 1 + number)
        row = (day, None if number else "eu", int(value[2]), number)
        storage.publish(unit, data_of(declared, row, row), ORIGIN)
        assert storage.scan(unit, declared.columns).table().equals(data_of(declared, row, row))
        wrong = data_of(declared, row, (datetime.date(2030, 1, 1), *row[1:]))
        with pytest.raises(ContractError, match="column `day` has values other"):
            storage.publish(unit, wrong, ORIGIN)
    whole = storage.scan(declared, declared.columns).table()
    assert whole["region"].to_pylist() == [None, None, "eu", "eu"]
    assert whole.schema == data_of(declared).schema
    assert len(rows(root, "typed")) == 4
    unit = unit_of(declared, Partition(declared.partitions, ("eu", "2024-01-09", "7")))
    storage.publish(unit, data_of(declared), ORIGIN)
    assert storage.scan(unit, declared.columns).table().equals(data_of(declared))


def test_what_others_write_shows(storage: AssetStorage, root: Path) -> None:
    for unit in (ONE, TWO):
        publish(storage, unit, 1)
    more = pa.table({"id": [9], "text": ["x"], "day": ["2024-01-01"]})
    deltalake.write_deltalake(str(root / "daily"), more, mode="append", partition_by=["day"])
    new = pa.table({"id": [9], "text": ["x"], "day": ["2024-01-03"]})
    deltalake.write_deltalake(str(root / "daily"), new, mode="append", partition_by=["day"])
    again = opened(root)
    assert stored(again) == ["2024-01-02"]
    assert sorted(again.scan(ONE, DECLARED.columns).table()["id"].to_pylist()) == [1, 9]
    content = again.content(ONE, ())
    assert content is not None
    assert altered_by(again, ONE, content) == "outside lakehouse"
    check_replaceable(again, ONE, forced=False)
    for refuse in (lambda: check_replaceable(again, THREE, forced=False), lambda: publish(again, THREE, 3)):
        with pytest.raises(UnclaimedError, match="day=2024-01-03"):
            refuse()
    publish(again, ONE, 5)
    publish(again, THREE, 6, forced=True)
    assert [row["id"] for row in rows(root)] == [1, 5, 6]


def test_nothing_is_twice_where_others_put_files_together(storage: AssetStorage, root: Path) -> None:
    for unit in (ONE, TWO):
        publish(storage, unit, 1)
    deltalake.write_deltalake(
        str(root / "daily"), pa.table({"id": [9], "text": ["x"], "day": ["2024-01-01"]}), mode="append"
    )
    deltalake.DeltaTable(str(root / "daily")).optimize.compact()
    again = opened(root)
    publish(again, ONE, 7)
    assert [row["id"] for row in rows(root)] == [1, 7]
    assert len(stored(opened(root))) >= 1


def test_killed_run_loses_what_was_not_committed(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    run = opened(root)
    using = run.in_use()
    using.__enter__()
    for unit in (ONE, TWO):
        publish(run, unit, 7)
    after = opened(root)
    assert stored(after) == ["2024-01-01"]
    assert [row["id"] for row in rows(root)] == [1]
    for unit in (ONE, TWO):
        check_replaceable(after, unit, forced=False)
        publish(after, unit, 8)
    assert [row["id"] for row in rows(root)] == [8, 8]


def test_second_of_two_runs_is_refused(root: Path) -> None:
    first, second = opened(root), opened(root)
    for turn in range(2):
        origins = [planned(run, ONE) for run in (first, second)]
        first.publish(ONE, data_of(DECLARED, (turn, "first")), origins[0])
        with pytest.raises(OvertakenError, match="day=2024-01-01 while this one computed it"):
            second.publish(ONE, data_of(DECLARED, (turn, "second")), origins[1])
        publish(second, TWO, 2)
        assert [(row["id"], row["text"]) for row in rows(root)] == [(turn, "first"), (2, "a")]
    assert len(stored(opened(root))) == 2


def test_overtaken_partition_keeps_no_other_from_being_stored(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta_units, "_BATCH_SECONDS", 1000)
    first, second = opened(root), opened(root)
    for unit in (ONE, TWO, THREE):
        publish(second, unit, 1)
    origins = [(unit, planned(first, unit)) for unit in (ONE, TWO, THREE)]

    def run() -> None:
        with in_use([first]):
            for unit, origin in origins:
                first.publish(unit, data_of(DECLARED, (7, "first")), origin)
            publish(second, TWO, 2)

    with pytest.raises(OvertakenError, match="day=2024-01-02 while"):
        run()
    assert [(row["day"][-1], row["id"]) for row in rows(root)] == [("2", 2), ("1", 7), ("3", 7)]
    assert len(stored(opened(root))) == 3


def test_index_is_read_from_few_commits(storage: AssetStorage, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        publish(storage, MANY[number % 20], number)
    read: list[int] = []
    member = delta_units.Snapshot.commit_member

    def counted(self: Any, version: int, name: str) -> Any:
        read.append(version)
        return member(self, version, name)

    monkeypatch.setattr(delta_units.Snapshot, "commit_member", counted)
    assert len(stored(opened(root))) == 20
    assert len(read) <= 20


def test_index_survives_other_commits_and_checkpoints(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    delta = deltalake.DeltaTable(str(root / "daily"))
    delta.alter.set_table_properties({"delta.logRetentionDuration": "interval 400 days"})
    delta.create_checkpoint()
    delta.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
    assert stored(opened(root)) == ["2024-01-01"]
    assert stored(storage) == ["2024-01-01"]


def test_new_columns_are_added(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    wider = replace(DECLARED, contract=Contract((*(DECLARED.columns or ()), column("more", "float64"))))
    unit = unit_of(wider, TWO.partition)  # type: ignore[arg-type]
    storage.publish(unit, data_of(wider, (2, "b", 0.5)), ORIGIN)
    assert storage.scan(unit, wider.columns).table()["more"].to_pylist() == [0.5]
    assert [row["more"] for row in rows(root)] == [None, 0.5]
    assert stored(opened(root)) == ["2024-01-01", "2024-01-02"]


def test_other_types_of_a_column_are_refused(storage: AssetStorage, root: Path) -> None:
    for unit in (ONE, TWO):
        publish(storage, unit, 1)
    other = replace(DECLARED, contract=Contract((column("id", "string"),)))
    with pytest.raises(StorageError, match="column `id`"):
        storage.publish(unit_of(other, ONE.partition), data_of(other, ("x",)), ORIGIN)  # type: ignore[arg-type]
    assert [row["id"] for row in rows(root)] == [1, 1]


def test_dropping_is_one_commit(storage: AssetStorage, root: Path) -> None:
    for unit in (ONE, TWO, THREE):
        publish(storage, unit, 1)
    before = commits(root)
    drop(storage, [ONE, THREE])
    assert commits(root) == before + 1
    assert [row["day"] for row in rows(root)] == ["2024-01-02"]


def test_undivided_table_is_not_divided(storage: AssetStorage, root: Path) -> None:
    storage.publish(table("daily"), data_of(DECLARED, (1, "a")), ORIGIN)
    with pytest.raises(StorageError, match="into no partitions") as caught:
        check_replaceable(storage, ONE, forced=True)
    assert "remove the table" in (caught.value.hint or "")
    assert json.loads(json.dumps(rows(root))) == [{"id": 1, "text": "a"}]
