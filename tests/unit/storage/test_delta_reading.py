"""Delta tables of other programs: partitions, deleted rows, mapped columns, old timestamps, damaged files."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.delta.partitioned import DeltaStorage
from lakehouse_cli.testing.storage import ORIGIN, column, data_of, table
from tests.unit.storage.test_delta import deletion_vector

pytestmark = pytest.mark.slow

Rows = list[dict[str, Any]]
MAPPED = {"delta.columnMapping.mode": "name", "delta.minReaderVersion": "2", "delta.minWriterVersion": "5"}
FAR, NEAR, FIRST = datetime(9999, 12, 31), datetime(2024, 6, 1, 12), datetime(1, 1, 1)


class Lake:
    """A table whose log is written by hand."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = root / "table"
        self.log = self.place / "_delta_log"

    def write(self, data: pa.Table, **how: Any) -> None:
        deltalake.write_deltalake(self.place, data, **how)

    def commit(self, version: int, *actions: Mapping[str, Any]) -> None:
        self.log.mkdir(parents=True, exist_ok=True)
        (self.log / f"{version:020}.json").write_text("".join(f"{json.dumps(action)}\n" for action in actions))

    def actions(self, version: int = 0) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.log / f"{version:020}.json").read_text().splitlines()]

    def change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change every action of the first version."""
        actions = self.actions()
        for action in actions:
            change(action)
        self.commit(0, *actions)

    def delete_second_rows(self) -> None:
        """Give each file a deletion vector."""
        protocol = {"minReaderVersion": 3, "minWriterVersion": 7}
        features = ["deletionVectors", *(["columnMapping"] if "columnMapping" in str(self.actions()) else [])]
        actions: list[dict[str, Any]] = [
            {"protocol": {**protocol, "readerFeatures": features, "writerFeatures": features}}
        ]
        for add in [action["add"] for action in self.actions() if "add" in action]:
            removed = {"path": add["path"], "dataChange": True, "deletionTimestamp": 1, "size": add["size"]}
            actions += [{"remove": removed}, {"add": {**add, "deletionVector": deletion_vector(1)}}]
        self.commit(1, *actions)

    def as_int96(self) -> None:
        """Write each data file anew, as Spark does by default."""
        for path in self.place.rglob("*.parquet"):
            data = pq.read_table(path, partitioning=None)
            pq.write_table(data, path, use_deprecated_int96_timestamps=True, store_schema=False)
        sizes = {path.name: path.stat().st_size for path in self.place.rglob("*.parquet")}

        def resize(action: dict[str, Any]) -> None:
            if "add" in action:
                action["add"]["size"] = sizes[Path(action["add"]["path"]).name]

        self.change(resize)

    def read(self, **types: str) -> Rows:
        declared = table("table", *(column(name, text) for name, text in types.items()), kind="source")
        storage = DeltaStorage(StorageSpec("default", str(self.root), "lake", "", type="delta"))
        rows: Rows = storage.scan(declared, declared.columns if types else None).table().to_pylist()
        return rows


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def by_id(rows: Rows) -> Rows:
    return sorted(rows, key=lambda row: int(row["id"]))


@pytest.mark.parametrize("deleted", [False, True], ids=["", "deletion vectors"])
@pytest.mark.parametrize("mapped", [False, True], ids=["", "mapped"])
@pytest.mark.parametrize("values", [["", None, "a b"], [b"", None, b"\x00a\xff"]], ids=["text", "bytes"])
def test_empty_partition_is_null(lake: Lake, values: list[Any], mapped: bool, deleted: bool) -> None:
    data = pa.table({"part": [value for value in values for _ in "ab"], "id": range(6)})
    lake.write(data, partition_by="part", configuration=MAPPED if mapped else None)
    if deleted:
        lake.delete_second_rows()
    ids = [0, 2, 4] if deleted else range(6)
    reported = [{"part": values[at // 2] or None, "id": at} for at in ids]
    assert by_id(lake.read(part="string" if "a b" in values else "binary", id="int64")) == reported
    assert by_id(lake.read()) == reported


@pytest.mark.parametrize("text", ["-1.50", "-0.05", "0.00", "9.99"])
def test_decimal_partition_of_any_sign(lake: Lake, text: str) -> None:
    lake.write(pa.table({"part": pa.array([Decimal("1.50")], pa.decimal128(10, 2)), "id": [1]}), partition_by="part")
    lake.change(lambda action: action.get("add", {}).update(partitionValues={"part": text}))
    assert lake.read(part="decimal128(10, 2)", id="int64") == [{"part": Decimal(text), "id": 1}]


@pytest.mark.parametrize("name", ["a b", "a%20b", "a#b", "a?b", "fünf 表", "a+b&c=d"])
def test_partition_folder_of_any_name(lake: Lake, name: str) -> None:
    lake.write(pa.table({"part": [name], "id": [1]}), partition_by="part")
    assert lake.read(part="string", id="int64") == [{"part": name, "id": 1}]


@pytest.mark.parametrize("in_sidecar", [False, True], ids=["json", "sidecar"])
def test_second_kind_of_checkpoint_is_read(lake: Lake, in_sidecar: bool) -> None:
    lake.write(pa.table({"id": [1, 2], "text": ["a", "b"]}))
    lake.write(pa.table({"id": [3], "text": ["c"]}), mode="append")
    first = lake.actions()
    features = {"readerFeatures": ["v2Checkpoint"], "writerFeatures": ["v2Checkpoint"]}
    adds = [action for at in (0, 1) for action in lake.actions(at) if "add" in action]
    kept: list[dict[str, Any]] = [
        {"checkpointMetadata": {"version": 1}},
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        next(action for action in first if "metaData" in action),
    ]
    if in_sidecar:
        sidecar = lake.log / "_sidecars" / f"{uuid.uuid4()}.parquet"
        sidecar.parent.mkdir()
        fields = ("path", "partitionValues", "size", "modificationTime", "dataChange", "stats")
        rows = [{"add": {name: action["add"][name] for name in fields}} for action in adds]
        text = pa.string()
        kinds = [text, pa.map_(text, text), pa.int64(), pa.int64(), pa.bool_(), text]
        schema = pa.schema([("add", pa.struct(list(zip(fields, kinds, strict=True))))])
        for row in rows:
            row["add"]["partitionValues"] = list(row["add"]["partitionValues"].items())
        pq.write_table(pa.Table.from_pylist(rows, schema), sidecar)
        size = {"sizeInBytes": sidecar.stat().st_size, "modificationTime": 1}
        kept.append({"sidecar": {"path": sidecar.name, **size}})
    else:
        kept += adds
    (lake.log / f"{1:020}.checkpoint.{uuid.uuid4()}.json").write_text("".join(f"{json.dumps(a)}\n" for a in kept))
    for at in (0, 1):
        (lake.log / f"{at:020}.json").unlink()
    assert by_id(lake.read(id="int64", text="string")) == [
        {"id": at, "text": text} for at, text in [(1, "a"), (2, "b"), (3, "c")]
    ]


@pytest.mark.parametrize("deleted", [False, True], ids=["", "deletion vectors"])
@pytest.mark.parametrize("mapped", [False, True], ids=["", "mapped"])
def test_int96_of_any_year(lake: Lake, mapped: bool, deleted: bool) -> None:
    moments = pa.array([FAR, NEAR, FIRST], pa.timestamp("us", "UTC"))
    nested = pa.StructArray.from_arrays([moments], ["t"])
    listed = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), moments)
    data = pa.table({"id": [0, 1, 2], "t": moments, "s": nested, "l": listed})
    lake.write(data, configuration=MAPPED if mapped else None)
    lake.as_int96()
    if deleted:
        lake.delete_second_rows()
    zone = "timestamp[us, tz=UTC]"
    reported = [
        {"id": at, "t": value, "s": {"t": value}, "l": [value]}
        for at, value in enumerate(each.replace(tzinfo=UTC) for each in (FAR, NEAR, FIRST))
        if at != 1 or not deleted
    ]
    assert lake.read(id="int64", t=zone, s=f"struct<t: {zone}>", l=f"list<{zone}>") == reported
    assert lake.read() == reported
    if not deleted:
        with pytest.raises(DataError, match="2 values that are outside the range") as caught:
            lake.read(t="timestamp[ns, tz=UTC]")
        assert "9999-12-31" in caught.value.violations[0].examples[0].value


def test_deleted_rows_leave_the_others_in_order(lake: Lake) -> None:
    lake.write(pa.table({"id": range(300_000)}))
    lake.delete_second_rows()
    assert [row["id"] for row in lake.read(id="int64")] == [0, *range(2, 300_000)]


@pytest.mark.parametrize("mode", ["name", "id"])
def test_mapped_columns_of_every_depth(lake: Lake, mode: str) -> None:
    rows = [
        {"id": 0, "s": {"text": "a", "l": [{"q": "x"}]}},
        {"id": 1, "s": None},
        {"id": 2, "s": {"text": None, "l": []}},
    ]
    lake.write(pa.Table.from_pylist(rows), configuration=MAPPED)
    if mode == "id":
        lake.change(
            lambda action: (
                action.get("metaData", {}).get("configuration", {}).update({"delta.columnMapping.mode": mode})
            )
        )
    assert lake.read(id="int64", s="struct<text: string, l: list<struct<q: string>>>") == rows

    def rename(action: dict[str, Any]) -> None:
        if "metaData" in action:
            text = action["metaData"]["schemaString"]
            action["metaData"]["schemaString"] = text.replace('"name":"text"', '"name":"words"')

    lake.change(rename)
    assert lake.read(s="struct<words: string, l: list<struct<q: string>>>")[0]["s"]["words"] == "a"


def test_columns_that_came_later_are_null(lake: Lake) -> None:
    lake.write(pa.table({"id": pa.array([0], pa.int32()), "s": [{"a": 1}]}))
    lake.write(
        pa.table({"id": pa.array([1], pa.int32()), "s": [{"a": 2, "b": "x"}], "new": [1.5]}),
        mode="append",
        schema_mode="merge",
    )
    assert by_id(lake.read(id="int64", s="struct<a: int64, b: string>", new="float64")) == [
        {"id": 0, "s": {"a": 1, "b": None}, "new": None},
        {"id": 1, "s": {"a": 2, "b": "x"}, "new": 1.5},
    ]


def test_widened_type_is_read(lake: Lake) -> None:
    lake.write(pa.table({"id": pa.array([1, 2], pa.int32())}))
    schema = next(action["metaData"] for action in lake.actions() if "metaData" in action)
    features = {"readerFeatures": ["typeWidening"], "writerFeatures": ["typeWidening"]}
    wider = {**schema, "schemaString": schema["schemaString"].replace('"integer"', '"long"')}
    pq.write_table(pa.table({"id": [2**40]}), lake.place / "later.parquet")
    add = next(action["add"] for action in lake.actions() if "add" in action)
    later = {**add, "path": "later.parquet", "size": (lake.place / "later.parquet").stat().st_size}
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
    lake.commit(1, {"protocol": protocol}, {"metaData": wider}, {"add": later})
    assert by_id(lake.read(id="int64")) == [{"id": 1}, {"id": 2}, {"id": 2**40}]


def test_unknown_feature_is_named(lake: Lake) -> None:
    lake.write(pa.table({"id": [1]}))
    features = {"readerFeatures": ["variantShredding-preview"], "writerFeatures": ["variantShredding-preview"]}
    lake.commit(1, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})
    with pytest.raises(
        StorageError, match="lake/table has features of Delta Lake that are not read: variantShredding-preview"
    ):
        lake.read(id="int64")


def test_empty_table_has_its_columns(lake: Lake) -> None:
    schema = pa.schema([("id", pa.int64()), ("part", pa.string())])
    deltalake.DeltaTable.create(lake.place, schema=schema, partition_by=["part"])
    assert lake.read(id="int64", part="string") == []


def test_damaged_page_is_refused(lake: Lake) -> None:
    storage = DeltaStorage(StorageSpec("default", str(lake.root), "lake", "", type="delta"))
    declared = table()
    storage.publish(declared, data_of(declared, *((at, f"text {at}") for at in range(1000))), ORIGIN)
    (path,) = lake.place.glob("*.parquet")
    flip(path)
    with pytest.raises(
        StorageError, match=f"`lake/table/{path.name}` is not a Parquet file, or is damaged: "
    ) as caught:
        storage.scan(declared, declared.columns).table()
    assert "checksum" in caught.value.message
    assert caught.value.hint == "restore the file, or the table to a version that does without it"


def flip(path: Path) -> None:
    """Change one byte in the middle of a column's first page."""
    chunk = pq.read_metadata(path).row_group(0).column(0)
    content = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start + chunk.total_compressed_size // 2] ^= 0x10
    path.write_bytes(content)


def rewrite(lake: Lake, data: pa.Table) -> None:
    """Put other data into the only data file."""
    path = next(lake.place.rglob("*.parquet"))
    pq.write_table(data, path)
    lake.change(lambda action: action.get("add", {}).update(size=path.stat().st_size) if "add" in action else None)


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        ({"ab": 1, "c": 2}, {"Ab": 1, "c": 2}),
        ({"s": {"ab": 1, "c": 2}}, {"s": {"AB": 1, "c": 2}}),
        ({"l": [{"ab": 1, "c": 2}]}, {"l": [{"aB": 1, "c": 2}]}),
        ({"s": {"l": [{"t": {"ab": 1, "c": 2}}]}}, {"s": {"l": [{"t": {"Ab": 1, "c": 2}}]}}),
    ],
)
def test_column_in_another_case_is_refused(lake: Lake, declared: dict[str, Any], stored: dict[str, Any]) -> None:
    lake.write(pa.Table.from_pylist([declared]))
    rewrite(lake, pa.Table.from_pylist([stored]))
    with pytest.raises(StorageError, match=r"has a column `(Ab|AB|aB)` where the table has `ab`: only their case diff"):
        lake.read()
    if "c" in declared:
        assert lake.read(c="int64") == [{"c": 2}]


def test_columns_differing_in_case_are_distinguished(lake: Lake) -> None:
    lake.write(pa.table({"ab": [1], "part": ["x"]}), partition_by=["part"])
    rewrite(lake, pa.table({"Ab": [1], "ab": [2], "Part": ["y"]}))
    assert lake.read(ab="int64", part="string") == [{"ab": 2, "part": "x"}]


def test_widened_types_with_deletion_vectors_are_refused(lake: Lake) -> None:
    lake.write(pa.table({"id": pa.array([1, 2], pa.int32())}))
    lake.delete_second_rows()
    features = {"readerFeatures": ["deletionVectors", "typeWidening"]}
    features |= {"writerFeatures": features["readerFeatures"]}
    lake.commit(2, {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})
    with pytest.raises(
        StorageError, match="it has deletion vectors, which are not read beside widened types"
    ) as caught:
        lake.read(id="int64")
    assert "DROP FEATURE deletionVectors" in (caught.value.hint or "")
