"""Delta Lake: the conformance suite, and what only versions have."""

from __future__ import annotations

import json
import resource
import struct
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, StorageError, UsageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.storage.base import AssetStorage, Provenance
from lakehouse_cli.storage.delta import log as delta_log
from lakehouse_cli.storage.delta.partitioned import DeltaStorage
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, column, data_of, planned, table

pytestmark = pytest.mark.slow


class DeltaConformance(StorageConformance):
    def place(self, storage: AssetStorage, declared: Any) -> str:
        assert isinstance(storage, DeltaStorage)
        return storage._place(declared.path)

    def settings(self, storage: AssetStorage) -> dict[str, str]:
        assert isinstance(storage, DeltaStorage)
        return storage._settings

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        place = self.place(storage, declared)
        deltalake.write_deltalake(place, data, mode="overwrite", storage_options=self.settings(storage))

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        try:
            table = deltalake.DeltaTable(self.place(storage, declared), storage_options=self.settings(storage))
        except deltalake.exceptions.TableNotFoundError:
            return None
        return repr((table.version(), table.to_pyarrow_table().to_pydict())).encode()

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        def write_table(self: pq.ParquetWriter, *_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)


class TestDeltaInAFolder(DeltaConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> DeltaStorage:
        return DeltaStorage(StorageSpec("default", str(tmp_path / "lake"), "lake", "", type="delta"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


def opened(root: Path) -> DeltaStorage:
    return DeltaStorage(StorageSpec("default", str(root), "lake", "", type="delta"))


def publish(
    storage: DeltaStorage, *rows: tuple[Any, ...], declared: Table | None = None, origin: Provenance = ORIGIN
) -> Manifest:
    declared = declared or table()
    return storage.publish(declared, data_of(declared, *rows), origin)


def delta(root: Path) -> deltalake.DeltaTable:
    return deltalake.DeltaTable(root / "table")


def test_the_manifest_is_in_the_commit_of_the_data(root: Path) -> None:
    manifest = publish(opened(root), (1, "a"))
    (entry,) = delta(root).history()
    assert Manifest.from_text(entry["lakehouse.manifest"].encode()) == manifest
    assert not (root / ".lakehouse").exists()


def test_outside_data_are_other_content_until_undone(root: Path) -> None:
    storage = opened(root)
    manifest = publish(storage, (1, "a"))
    deltalake.write_deltalake(delta(root), data_of(table(), (2, "b")), mode="append")
    content = storage.content(table(), ())
    assert content is not None
    assert content.content_hash != manifest.content_hash
    assert storage.scan(table(), table().columns).table().num_rows == 2
    again = opened(root).content(table(), ())
    assert again is not None
    assert again.content_hash == content.content_hash
    delta(root).restore(0)
    content = storage.content(table(), ())
    assert content is not None
    assert content.content_hash == manifest.content_hash
    assert storage.read_manifest(table()) is not None


def test_commits_that_change_no_data_change_no_content(root: Path) -> None:
    storage = opened(root)
    publish(storage, (0, "old"))
    manifest = publish(storage, (1, "a"))
    delta(root).alter.set_table_properties({"delta.logRetentionDuration": "interval 7 days"})
    removed = delta(root).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    assert len(removed) == 1
    assert delta(root).version() > 1
    content = storage.content(table(), ())
    assert content is not None
    assert content.content_hash == manifest.content_hash
    found = storage.read_manifest(table())
    assert found is not None
    assert found.modified_ns == content.modified_ns
    assert storage.scan(table(), None).table().to_pylist() == [{"id": 1, "text": "a"}]


def test_changed_contract_leaves_older_versions(root: Path) -> None:
    storage = opened(root)
    publish(storage, (1, "a"))
    changed = table("table", column("when", "timestamp[s]"), column("small", "uint8"), column("id", "string"))
    publish(storage, (3, 255, "x"), declared=changed)
    assert [(field.name, field.type.type) for field in delta(root).schema().fields] == [
        ("when", "timestamp_ntz"),
        ("small", "short"),
        ("id", "string"),
    ]
    assert storage.scan(changed, changed.columns).table().equals(data_of(changed, (3, 255, "x")))
    assert storage.read_version(changed, 0).equals(data_of(table(), (1, "a")))
    assert storage.read_version(changed, delta(root).version()).schema.field("small").type == pa.uint8()


@pytest.mark.parametrize(("version", "hint"), [(7, "its latest is 0"), (-1, "its latest is 0")])
def test_versions_that_are_not_there(root: Path, version: int, hint: str) -> None:
    storage = opened(root)
    publish(storage, (1, "a"))
    with pytest.raises(UsageError, match=f"`table` has no version {version}") as caught:
        storage.read_version(table(), version)
    assert caught.value.hint == hint


def test_cleaned_log_without_manifest_stays_ours(root: Path) -> None:
    storage = opened(root)
    publish(storage, (1, "a"))
    delta(root).alter.set_table_properties({"delta.appendOnly": "false"})
    delta(root).create_checkpoint()
    (root / "table" / "_delta_log" / f"{0:020}.json").unlink()
    assert storage.read_manifest(table()) is None
    storage.may_replace(table(), forced=False)
    publish(storage, (2, "b"))
    with pytest.raises(UsageError, match="version 0 of `table` is no longer in its log"):
        storage.read_version(table(), 0)


def test_commit_whose_checkpoint_finds_no_room_is_one(root: Path) -> None:
    storage = opened(root)
    publish(storage, (0, "a"))
    delta(root).alter.set_table_properties({"delta.checkpointInterval": "5"})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # What a full disk does, as the operating system does it: data and commits are smaller, the checkpoint is not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_500, hard))
    try:
        for number in range(1, 7):
            publish(storage, (number, "a"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((root / "table" / "_delta_log").glob("*.checkpoint.parquet"))
    assert delta(root).version() == 7
    assert delta(root).to_pyarrow_table()["id"].to_pylist() == [6]


def test_foreign_table_is_replaced_only_if_forced(root: Path) -> None:
    deltalake.write_deltalake(root / "table", data_of(table(), (1, "theirs")))
    storage = opened(root)
    with pytest.raises(StorageError, match="lake/table was not created by lakehouse") as caught:
        storage.may_replace(table(), forced=False)
    assert "lakehouse run --force table" in (caught.value.hint or "")
    with pytest.raises(StorageError, match="was not created by lakehouse"):
        publish(storage, (2, "ours"))
    assert delta(root).version() == 0
    assert len(list((root / "table").glob("*.parquet"))) == 1
    storage.may_replace(table(), forced=True)
    storage.publish(table(), data_of(table(), (2, "ours")), replace(ORIGIN, forced=True))
    assert storage.scan(table(), table().columns).table().to_pylist() == [{"id": 2, "text": "ours"}]
    assert storage.read_version(table(), 0).to_pylist() == [{"id": 1, "text": "theirs"}]
    publish(storage, (3, "again"))


def test_a_partitioned_table_is_read_and_not_replaced(root: Path) -> None:
    data = data_of(table(), (1, "a"), (2, "b"))
    deltalake.write_deltalake(root / "table", data, partition_by="text")
    storage = opened(root)
    read = storage.scan(table(kind="source"), table().columns).table()
    assert sorted(read.to_pylist(), key=str) == [{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]
    with pytest.raises(StorageError, match="lake/table has what computed tables have not: partitions"):
        storage.may_replace(table(), forced=True)


def test_a_table_inside_of_another_is_refused(root: Path) -> None:
    storage = opened(root)
    publish(storage, (1, "a"))
    with pytest.raises(StorageError, match="lake/table/inner is inside of a Delta table, `table`"):
        storage.may_replace(table("inner", path="table/inner"), forced=True)
    storage.may_replace(table("beside", path="tables/beside"), forced=False)


def test_second_of_two_equal_runs_changes_nothing(root: Path) -> None:
    publish(opened(root), (1, "old"))
    first, second = opened(root), opened(root)
    origins = [planned(run, table()) for run in (first, second)]
    publish(first, (1, "first"), origin=origins[0])
    with pytest.raises(StorageError, match="another run stored lake/table while this one computed it"):
        publish(second, (1, "second"), origin=origins[1])
    assert delta(root).version() == 1
    assert len(list((root / "table").glob("*.parquet"))) == 2
    publish(second, (1, "second"), origin=planned(second, table()))


def test_a_vacuum_since_the_plan_is_no_other_run(root: Path) -> None:
    storage = opened(root)
    publish(storage, (1, "old"))
    origin = planned(storage, table())
    delta(root).alter.set_table_properties({"delta.appendOnly": "false"})
    publish(storage, (1, "new"), origin=origin)
    assert storage.scan(table(), table().columns).table().column("text").to_pylist() == ["new"]


def test_table_removed_since_the_plan_is_refused(root: Path) -> None:
    storage = opened(root)
    publish(storage, (1, "old"))
    origin = planned(storage, table())
    storage.delete(table())
    with pytest.raises(StorageError, match="another run stored"):
        publish(storage, (1, "new"), origin=origin)


def test_commit_after_a_foreign_one_is_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = opened(root)
    publish(storage, (1, "old"))
    committed = delta_log.commit
    turns = iter([True])

    def commit(*arguments: Any) -> None:
        if next(turns, False):
            delta(root).alter.set_table_properties({"delta.appendOnly": "false"})
        committed(*arguments)

    monkeypatch.setattr("lakehouse_cli.storage.delta.storage.commit", commit)
    assert publish(storage, (2, "new")).modified_ns % 1_000_000 == 2
    assert storage.scan(table(), table().columns).table().to_pylist() == [{"id": 2, "text": "new"}]


def test_a_killed_writer_leaves_a_file_of_no_version(root: Path) -> None:
    storage = opened(root)
    manifest = publish(storage, (1, "a"))
    (root / "table" / "part-00000-killed-c000.zstd.parquet").write_bytes(b"PAR1 half")
    assert storage.scan(table(), table().columns).table().num_rows == 1
    assert storage.read_manifest(table()) == manifest


def test_names_that_differ_only_in_case_are_refused(root: Path) -> None:
    declared = table("table", column("a", "int64"), column("A", "int64"))
    with pytest.raises(StorageError, match="column `A` differs from `a` only in upper and lower case"):
        publish(opened(root), (1, 2), declared=declared)


def test_the_order_of_rows_survives_many_chunks(root: Path) -> None:
    declared = table("table", column("id", "int64"))
    ids = pa.array(range(600_000))
    chunked = pa.table({"id": pa.chunked_array([ids.slice(at, 7_001) for at in range(0, 600_000, 7_001)])})
    storage = opened(root)
    storage.publish(declared, chunked, ORIGIN)
    assert storage.scan(declared, declared.columns).table().column("id").combine_chunks().equals(ids)


def test_a_table_with_mapped_columns_is_read(root: Path) -> None:
    configuration = {"delta.columnMapping.mode": "name", "delta.minReaderVersion": "2", "delta.minWriterVersion": "5"}
    deltalake.write_deltalake(root / "table", data_of(table(), (1, "a")), configuration=configuration)
    storage = opened(root)
    assert storage.scan(table(kind="source"), table().columns).table().to_pylist() == [{"id": 1, "text": "a"}]
    with pytest.raises(StorageError, match="has what computed tables have not: column mapping"):
        storage.may_replace(table(), forced=True)


def test_drifted_column_is_refused(root: Path) -> None:
    deltalake.write_deltalake(root / "table", pa.table({"id": ["x"], "text": ["a"]}))
    with pytest.raises(DataError, match="column `id` of `lake/table` is stored as string, declared int64"):
        opened(root).scan(table(kind="source"), table().columns).table()


def test_invalid_delta_log_is_refused(root: Path) -> None:
    (root / "table" / "_delta_log").mkdir(parents=True)
    (root / "table" / "_delta_log" / f"{0:020}.json").write_text("{not json")
    with pytest.raises(StorageError, match="lake/table cannot be looked at: "):
        opened(root).stat(table())


Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"


def deletion_vector(row: int) -> dict[str, Any]:
    """One deleted row, inline, as Delta's protocol writes it: a magic number, then a 64-bit roaring bitmap, in Z85."""
    bitmap = struct.pack("<QIIIHHIH", 1, 0, 12346, 1, 0, 0, 16, row)
    data = struct.pack("<I", 1681511377) + bitmap
    padded = data + bytes(-len(data) % 4)
    text = ""
    for at in range(0, len(padded), 4):
        number = int.from_bytes(padded[at : at + 4], "big")
        text += "".join(Z85[number // 85**power % 85] for power in (4, 3, 2, 1, 0))
    return {"storageType": "i", "pathOrInlineDv": text, "sizeInBytes": len(data), "cardinality": 1}


def test_rows_that_a_deletion_vector_deletes_are_not_read(root: Path) -> None:
    deltalake.write_deltalake(root / "table", data_of(table(), (1, "a"), (2, "b"), (3, "c")))
    storage = opened(root)
    source = table(kind="source")
    before = storage.content(source, ())
    log = root / "table" / "_delta_log"
    lines = [json.loads(line) for line in (log / f"{0:020}.json").read_text().splitlines()]
    add = next(line["add"] for line in lines if "add" in line)
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    actions = [
        {"protocol": {**protocol, **features}},
        {"remove": {"path": add["path"], "dataChange": True, "deletionTimestamp": 1, "size": add["size"]}},
        {"add": {**add, "deletionVector": deletion_vector(1)}},
    ]
    (log / f"{1:020}.json").write_text("".join(f"{json.dumps(action)}\n" for action in actions))
    assert [row["id"] for row in storage.scan(source, source.columns).table().to_pylist()] == [1, 3]
    after = storage.content(source, ())
    assert before is not None
    assert after is not None
    assert before.content_hash != after.content_hash
    with pytest.raises(StorageError, match="has what computed tables have not: feature deletionVectors"):
        storage.may_replace(table(), forced=True)


def test_missing_and_drifted_columns_are_reported_at_once(tmp_path: Path) -> None:
    deltalake.write_deltalake(tmp_path / "table", pa.table({"id": ["1"], "other": ["x"]}))
    storage = DeltaStorage(StorageSpec("default", str(tmp_path), "data", type="delta"))
    with pytest.raises(DataError, match=r"lacks column `text`, and column `id` of .* is stored as string") as caught:
        storage.scan(table(kind="source"), table().columns).table()
    assert [violation.check for violation in caught.value.violations] == ["missing", "type"]
