"""Local folders: the conformance suite, and what only files have."""

from __future__ import annotations

import io
import json
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.model import Contract, StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import check_replaceable
from lakehouse_cli.storage.local.storage import FileStorage
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, csv_of, data_of, table


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def storage(root: Path) -> FileStorage:
    return FileStorage(StorageSpec("default", root, "data"))


class TestCsvFiles(StorageConformance):
    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        assert isinstance(storage, FileStorage)
        path = Path(storage.spec.root, f"{declared.path}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(csv_of(data))

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, FileStorage)
        path = Path(storage.spec.root, f"{declared.path}.csv")
        return path.read_bytes() if path.exists() else None


def names(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_nothing_but_table_and_manifest_is_left(storage: FileStorage, root: Path) -> None:
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    assert names(root) == [".lakehouse/manifests/table.json", "table.csv"]
    assert json.loads((root / ".lakehouse/manifests/table.json").read_text())["bytes"] == (
        (root / "table.csv").stat().st_size
    )


@pytest.mark.parametrize("where", ["file", "folder", "manifests"])
def test_links_out_of_the_root_are_refused(storage: FileStorage, root: Path, tmp_path: Path, where: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "table.csv").write_text("id,text\n1,a\n")
    declared = table(path="sub/table" if where == "folder" else "table")
    root.mkdir()
    if where == "file":
        (root / "table.csv").symlink_to(outside / "table.csv")
    elif where == "folder":
        (root / "sub").symlink_to(outside)
    else:
        (root / ".lakehouse").symlink_to(outside)
    shown = f"data/{declared.path}.csv" if where != "manifests" else "data/.lakehouse/manifests/table.json"
    with pytest.raises(StorageError, match=f"^{shown} leads out of storage `default` through a link"):
        storage.publish(declared, data_of(declared, (2, "b")), ORIGIN)
    if where != "manifests":
        with pytest.raises(StorageError, match="leads out of storage `default` through a link"):
            storage.scan(declared, declared.columns).table()
        assert (outside / "table.csv").read_text() == "id,text\n1,a\n"
    assert sorted(p.name for p in outside.iterdir()) == ["table.csv"]


def test_links_inside_the_root_are_followed(storage: FileStorage, root: Path) -> None:
    (root / "years/2026").mkdir(parents=True)
    (root / "now").symlink_to(root / "years/2026")
    declared = table(path="now/table")
    storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
    assert (root / "years/2026/table.csv").is_file()


def test_a_root_that_is_a_link_is_the_users_choice(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    storage = FileStorage(StorageSpec("default", tmp_path / "data", "data"))
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    assert (tmp_path / "disk/table.csv").is_file()


def test_modes_are_of_new_files_or_the_replaced_one(storage: FileStorage, root: Path) -> None:
    umask = os.umask(0o027)
    try:
        storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    finally:
        os.umask(umask)
    path = root / "table.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o664)
    storage.publish(table(), data_of(table(), (1, "b")), ORIGIN)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664


def test_sources_may_be_compressed_and_only_once(storage: FileStorage, root: Path) -> None:
    import bz2
    import gzip

    root.mkdir()
    declared = table(kind="source")
    (root / "table.csv.gz").write_bytes(gzip.compress(b"id,text\n1,a\n"))
    assert storage.uri(declared) == "data/table.csv.gz"
    assert storage.scan(declared, declared.columns).table().equals(data_of(declared, (1, "a")))
    (root / "table.csv.bz2").write_bytes(bz2.compress(b"id,text\n1,a\n"))
    with pytest.raises(StorageError, match=r"`table` is there twice: data/table\.csv\.gz and data/table\.csv\.bz2"):
        storage.scan(declared, declared.columns).table()
    chosen = replace(declared, options={"compression": "bz2"})
    assert storage.scan(chosen, chosen.columns).table().num_rows == 1


@pytest.mark.parametrize("compression", ["gzip", "bz2", "zstd"])
def test_results_may_be_compressed(storage: FileStorage, root: Path, compression: str) -> None:
    declared = replace(table(), options={"compression": compression})
    hashes = {storage.publish(declared, data_of(declared, (1, "a")), ORIGIN).content_hash for _ in range(2)}
    assert len(hashes) == 1
    ending = {"gzip": ".gz", "bz2": ".bz2", "zstd": ".zst"}[compression]
    assert (root / f"table.csv{ending}").is_file()
    assert storage.scan(declared, declared.columns).table().equals(data_of(declared, (1, "a")))


def test_a_folder_in_the_way(storage: FileStorage, root: Path) -> None:
    (root / "table.csv").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"data/table\.csv is a folder"):
        storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    with pytest.raises(StorageError, match=r"data/table\.csv is a folder"):
        storage.scan(table(), table().columns).table()


def test_a_file_where_a_folder_should_be(storage: FileStorage, root: Path) -> None:
    root.mkdir()
    (root / "sub").write_text("")
    declared = table(path="sub/table")
    assert storage.stat(declared) is None
    with pytest.raises(StorageError, match=r"data/sub/table\.csv cannot be written"):
        storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 64 kB: what a full disk does, as the operating system does it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_no_room_leaves_the_old_table_and_no_leftovers(storage: FileStorage, root: Path) -> None:
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    large = pa.table({"id": pa.array(range(100_000)), "text": pa.array(["x"] * 100_000)})
    with pytest.raises(StorageError) as caught:
        storage.publish(table(), large, ORIGIN)
    assert caught.value.message == "data/table.csv cannot be written: file too large"
    assert caught.value.hint is not None
    assert storage.scan(table(), table().columns).table().equals(data_of(table(), (1, "a")))
    assert names(root) == [".lakehouse/manifests/table.json", "table.csv"]


@pytest.mark.parametrize(
    ("number", "advice"), [(28, "make room on the disk"), (30, "the storage is read-only"), (13, "permissions")]
)
def test_system_errors_have_a_hint(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number), "/somewhere")

    monkeypatch.setattr(CsvFormat, "write", refuse)
    with pytest.raises(StorageError) as caught:
        storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    assert caught.value.message == f"data/table.csv cannot be written: {os.strerror(number).lower()}"
    assert advice in (caught.value.hint or "")


def test_manifest_that_is_in_trouble_is_named(storage: FileStorage) -> None:
    """A name that fits `.csv` and does not fit `.json`."""
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    declared = table("n" * 251)
    with pytest.raises(StorageError) as read:
        storage.read_manifest(declared)
    with pytest.raises(StorageError) as written:
        storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
    for operation, error in (("read", read.value), ("written", written.value)):
        shown = f"data/.lakehouse/manifests/{declared.path}.json"
        assert error.message == f"{shown} cannot be {operation}: file name too long"
        assert error.hint == "give the table a shorter `path:`"


def test_only_unlocked_leftovers_are_removed(storage: FileStorage, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.mkdir()
    (root / ".table.csv.4711-0.lakehouse-tmp").write_text("half")
    (root / ".mine").write_text("kept")
    inside: list[list[str]] = []

    def write(self: CsvFormat, data: pa.Table, sink: Any, options: Any) -> None:
        # Another run begins while this one is writing.
        FileStorage(storage.spec).remove_leftovers([table()])
        inside.append(sorted(p.suffix for p in root.iterdir() if p.is_file()))
        sink.write(b"id,text\n")

    monkeypatch.setattr(CsvFormat, "write", write)
    storage.publish(table(), data_of(table()), ORIGIN)
    assert inside == [["", ".lakehouse-tmp"]]
    assert names(root) == [".lakehouse/manifests/table.json", ".mine", "table.csv"]


def test_unreadable_manifests_are_explained(storage: FileStorage, root: Path) -> None:
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    path = root / ".lakehouse/manifests/table.json"
    other = json.loads(path.read_text()) | {"inputs": {"orders": {"content_hash": "x", "rows": 1, "bytes": 1}}}
    for text in ("{", "[]", '{"format": 2}', '{"format": 1}', '{"format": 99}', json.dumps(other)):
        path.write_text(text)
        with pytest.raises(StorageError, match=r"^data/.lakehouse/manifests/table.json cannot be used: "):
            storage.read_manifest(table())


def test_a_manifest_of_other_bytes_is_not_believed(storage: FileStorage, root: Path) -> None:
    declared = replace(table(), contract=Contract())
    storage.publish(declared, pa.table({"id": pa.array(["1"])}), ORIGIN)
    (root / "table.csv").write_text("id\n2\n")
    assert storage.scan(declared, None).table().schema.field("id").type == pa.int64()


def test_the_sink_counts_and_hashes_what_passes(storage: FileStorage) -> None:
    import xxhash

    from lakehouse_cli.storage.hashing import HashingSink

    below = io.BytesIO()
    sink = HashingSink(below)
    sink.write(b"abc")
    sink.write(memoryview(b"def"))
    assert below.getvalue() == b"abcdef"
    assert sink.bytes == 6
    assert sink.hexdigest() == xxhash.xxh3_128(b"abcdef").hexdigest()


def test_a_first_table_of_which_the_end_is_cut_off_is_ours(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed when the data are in place and the manifest is not yet there as it is written last."""
    declared = table()
    put = os.replace

    def killed_after_the_data(source: str, target: str, **folders: int) -> None:
        put(source, target, **folders)
        if target.endswith(".csv"):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed_after_the_data)
    with pytest.raises(KeyboardInterrupt):
        storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
    monkeypatch.undo()
    assert storage.stat(declared) is not None
    check_replaceable(storage, declared, forced=False)
