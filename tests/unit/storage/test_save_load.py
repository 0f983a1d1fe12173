"""Storages that have only `save` and `load`: the suite, and what does not come back as it was saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli import AssetStorage
from lakehouse_cli.errors import OvertakenError, StorageError
from lakehouse_cli.testing.save_load import SaveLoadConformance
from lakehouse_cli.testing.storage import ORIGIN, column, data_of, planned, storage_of, table


class Files:
    """In one file each; of no base."""

    ending = ""

    def place(self, path: tuple[str, ...]) -> Path:
        spec: Any = vars(self)["spec"]
        place = Path(spec.root, *path[:-1], f"{path[-1]}{self.ending}")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


class ArrowFiles(AssetStorage, Files):  # type: ignore[misc]
    """Keeps every type."""

    ending = ".arrow"

    def save(self, obj: pa.Table, path: tuple[str, ...], resources: None) -> None:
        with pa.OSFile(str(self.place(path)), "wb") as file, pa.ipc.new_file(file, obj.schema) as writer:
            writer.write_table(obj)

    def load(self, python_type: type, path: tuple[str, ...], resources: None) -> pa.Table | None:
        assert python_type is pa.Table
        if not self.place(path).exists():
            return None
        with pa.OSFile(str(self.place(path))) as file:
            return pa.ipc.open_file(file).read_all()


class Pickles(Files):
    """As pandas has it; the annotation is none."""

    ending = ".pkl"

    def save(self, obj, path, _resources):  # type: ignore[no-untyped-def]
        obj.to_pickle(self.place(path))

    def load(self, python_type, path, _resources):  # type: ignore[no-untyped-def]
        assert python_type is pd.DataFrame
        return pd.read_pickle(self.place(path))


@pytest.mark.slow
class TestArrowFiles(SaveLoadConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Any:
        return storage_of(ArrowFiles, str(tmp_path / "files"), project_folder=tmp_path)

    def put(self, storage: Any, declared: Any, data: pa.Table) -> None:
        storage._kept.save(data, tuple(declared.path.split("/")), None)

    def get(self, storage: Any, declared: Any) -> bytes | None:
        place: Path = storage._kept.place(tuple(declared.path.split("/")))
        return place.read_bytes() if place.exists() else None


class TestPickles(TestArrowFiles):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Any:
        return storage_of(Pickles, str(tmp_path / "files"), project_folder=tmp_path)

    def put(self, storage: Any, declared: Any, data: pa.Table) -> None:
        super().put(storage, declared, data.to_pandas(types_mapper=pd.ArrowDtype))


class Texts(Files):
    """As CSV, of which each reader makes what it likes."""

    ending = ".csv"

    def save(self, frame: pl.DataFrame, path: tuple[str, ...], resources: None) -> None:
        assert isinstance(frame, pl.DataFrame)
        frame.to_pandas().to_csv(self.place(path), index=False)

    def load(self, python_type: type, path: tuple[str, ...], resources: None) -> pl.DataFrame:
        return pl.from_pandas(pd.read_csv(self.place(path)))


@pytest.fixture
def texts(tmp_path: Path) -> Any:
    return storage_of(Texts, str(tmp_path / "files"), project_folder=tmp_path)


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (((1, "a"), (2, "007"), (3, "")), "column `text` of row 3 was saved as `''` and comes back as `null`"),
        (((1, "7"), (2, "007")), "column `text` of row 1 was saved as `'7'` and comes back as `7` (`text` is declared"),
        (((2**53 + 1, "a"), (None, "b")), "column `id` of row 1 was saved as `9007199254740993` and comes back as"),
    ],
)
def test_value_that_does_not_come_back_is_named(texts: Any, rows: Any, what: str) -> None:
    declared = table()
    texts.publish(declared, data_of(declared, (5, "before")), ORIGIN)
    with pytest.raises(StorageError) as caught:
        texts.publish(declared, data_of(declared, *rows), ORIGIN)
    assert what in caught.value.message
    assert "keep it exactly" in (caught.value.hint or "")
    with pytest.raises(StorageError, match="may be incomplete"):
        texts.scan(declared, declared.columns).table()
    texts.publish(declared, data_of(declared, (6, "after")), planned(texts, declared))
    assert texts.scan(declared, declared.columns).table()["id"].to_pylist() == [6]


def test_first_of_far_rows_is_found(texts: Any) -> None:
    declared = table()
    data = data_of(declared, *((i, "NA" if i in (7_654, 9_000) else "x") for i in range(10_000)))
    with pytest.raises(StorageError, match="column `text` of row 7655 was saved as `'NA'` and comes back as `null`"):
        texts.publish(declared, data, ORIGIN)


def test_rows_that_others_saved_meanwhile_are_not_replaced(texts: Any) -> None:
    declared = table()
    origin = planned(texts, declared)
    texts._kept.save(pl.DataFrame({"id": [1], "text": ["theirs"]}), ("table",), None)
    with pytest.raises(OvertakenError):
        texts.publish(declared, data_of(declared, (2, "ours")), origin)
    assert texts.content(declared, ()) is not None
    assert texts.read_manifest(declared) is None


def test_content_is_as_it_was_stored_whatever_is_declared_now(texts: Any) -> None:
    declared, others = table(), table("table", column("id", "float64"))
    manifest = texts.publish(declared, data_of(declared, (1, "a"), (2, "b")), ORIGIN)
    assert texts.content(others, ()).content_hash == manifest.content_hash
    texts._kept.save(pl.DataFrame({"id": [1, 3], "text": ["a", "b"]}), ("table",), None)
    assert texts.content(others, ()).content_hash != manifest.content_hash


def test_columns_beyond_the_declared_count_where_they_are_kept(texts: Any) -> None:
    only = table("table", column("id", "int64"))
    keeping = replace(only, contract=replace(only.contract, extra_columns="keep"))
    texts.publish(keeping, pa.table({"id": [1], "more": ["x"]}), ORIGIN)
    assert texts.scan(keeping, keeping.columns).table().column_names == ["id", "more"]
    hashes = {texts.content(keeping, ()).content_hash}
    for more in ("y", "z"):
        texts._kept.save(pl.DataFrame({"id": [1], "more": [more]}), ("table",), None)
        hashes.add(texts.content(keeping, ()).content_hash)
    assert len(hashes) == 3
    assert texts.scan(only, only.columns).table().column_names == ["id"]
