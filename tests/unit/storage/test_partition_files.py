"""Partitions in a folder of files: one index for all, what a killed run leaves, and what others put there."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import NewerVersionError, StorageError, UnclaimedError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import UNFINISHED
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.capabilities import altered_by, check_replaceable, in_use, remove_leftovers
from lakehouse_cli.storage.local import unit_files
from lakehouse_cli.storage.local.storage import FileStorage
from lakehouse_cli.storage.opening import with_parts
from lakehouse_cli.storage.partition_capability import claim, contents, drop, partitions
from lakehouse_cli.testing.storage_partitions import RECIPE, by_day, divided
from lakehouse_cli.testing.stored_tables import ORIGIN, data_of, storage_of

DECLARED = divided()
ONE, TWO, THREE = by_day(DECLARED, "2024-01-01", "2024-01-02", "2024-01-03")


class KilledError(BaseException):
    """The process is gone."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def storage(root: Path) -> AssetStorage:
    return opened(root)


def opened(root: Path) -> AssetStorage:
    return with_parts(storage_of(FileStorage, str(root), root.parent))


def index_of(root: Path, name: str = "daily") -> Path:
    return root / f".lakehouse/manifests/{name}.partitions.jsonl"


def publish(storage: AssetStorage, unit: Table, *ids: int, **origin: Any) -> Any:
    return storage.publish(unit, data_of(DECLARED, *((each, "a") for each in ids)), replace(ORIGIN, **origin))


def stored(storage: AssetStorage) -> dict[str, str]:
    """Of each partition whose data are those that the index describes, the first day first."""
    found = contents(storage, DECLARED, {})
    return {
        each.values[0]: record.content_hash
        for each, record in partitions(storage, DECLARED).items()
        if each in found and found[each].content_hash == record.content_hash
    }


def test_layout(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    placed = replace(DECLARED, name="months", path="out/{region}/m_{month:%Y%m}", partitions=("region", "month"))
    publish(storage, unit_of(placed, Partition(("region", "month"), ("a/b", "2024-01"))), 1)
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert found == [
        ".lakehouse/manifests/daily.partitions.jsonl",
        ".lakehouse/manifests/out/{region}/m_{month:%Y%m}.partitions.jsonl",
        "daily/day=2024-01-01/data.csv",
        "out/a%2Fb/m_202401.csv",
    ]
    assert storage.uri(DECLARED).endswith("/lake/daily/")
    assert storage.uri(placed).endswith("/lake/out/{region}/m_{month:%Y%m}.csv")


def test_values_that_are_too_long_for_names(storage: AssetStorage, root: Path) -> None:
    values = ["ü" * 60, "ü" * 60 + "!", "x" * 300]
    placed = replace(DECLARED, name="placed", path="out/m_{day}")
    for declared in (DECLARED, placed):
        for number, unit in enumerate(by_day(declared, *values)):
            publish(storage, unit, number)
        assert sorted(each.values[0] for each in partitions(storage, declared)) == sorted(values)
        for number, unit in enumerate(by_day(declared, *values)):
            assert storage.scan(unit, DECLARED.columns).table()["id"].to_pylist() == [number]
    assert len(list((root / "daily").iterdir())) == 3


def test_killed_between_manifest_and_data(storage: AssetStorage, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = publish(storage, ONE, 1)

    def dies(*_: Any, **__: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", dies)
        patched.setattr(unit_files.UnitFiles, "_take_back", lambda *_: None)
        for unit in (ONE, TWO):
            with pytest.raises(KilledError):
                publish(storage, unit, 7, run_id="killed")
    again = opened(root)
    assert stored(again) == {}
    assert again.read_manifest(ONE).run_id == "killed"  # type: ignore[union-attr]
    assert again.scan(ONE, DECLARED.columns).table()["id"].to_pylist() == [1]
    content = again.content(ONE, ())
    assert content is not None
    assert content.content_hash == before.content_hash
    assert altered_by(again, ONE, content) == "by the interrupted run killed"
    for unit in (ONE, TWO):
        check_replaceable(again, unit, forced=False)
        publish(again, unit, 8)
    assert len(stored(again)) == 2


def test_what_cannot_be_put_in_place_changes_nothing(
    storage: AssetStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(storage, ONE, 1)
    before = stored(storage)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        for unit in (ONE, TWO):
            with pytest.raises(StorageError, match="no space left"):
                publish(storage, unit, 7)
    assert stored(storage) == before
    assert list(partitions(opened(root), DECLARED)) == [ONE.partition]
    assert sorted(path.name for path in (root / "daily/day=2024-01-01").iterdir()) == ["data.csv"]


def test_interrupted_behind_the_data_they_stay_ours(
    storage: AssetStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = os.replace

    def interrupted(*arguments: Any, **keywords: Any) -> None:
        put(*arguments, **keywords)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            publish(storage, ONE, 7)
    again = opened(root)
    check_replaceable(again, ONE, forced=False)
    assert list(stored(again)) == ["2024-01-01"]


@pytest.mark.parametrize("torn", [b'["partition",["2024-01-02"],"abc', b"\0\0\0\0", b'["partition",["2024', b"]\n[\n"])
def test_torn_lines_say_nothing(storage: AssetStorage, root: Path, torn: bytes) -> None:
    publish(storage, ONE, 1)
    with index_of(root).open("ab") as file:
        file.write(torn)
    assert list(stored(storage)) == ["2024-01-01"]
    assert list(stored(opened(root))) == ["2024-01-01"]
    publish(storage, THREE, 3)
    for each in (storage, opened(root)):
        assert list(stored(each)) == ["2024-01-01", "2024-01-03"]


@pytest.mark.parametrize("kind", ["recipe", "shared"])
def test_partitions_whose_recipe_is_lost_are_not_believed(storage: AssetStorage, root: Path, kind: str) -> None:
    publish(storage, ONE, 1, recipe=RECIPE)
    publish(storage, TWO, 2, run_id="other", recipe=replace(RECIPE, code="other"))
    lines = index_of(root).read_bytes().splitlines(keepends=True)
    first = next(at for at, line in enumerate(lines) if line.startswith(f'["{kind}"'.encode()))
    index_of(root).write_bytes(b"".join([*lines[:first], lines[first].replace(b"]", b"}"), *lines[first + 1 :]]))
    again = opened(root)
    assert list(stored(again)) == ["2024-01-02"]
    publish(again, ONE, 1, recipe=RECIPE)
    assert list(stored(opened(root))) == ["2024-01-01", "2024-01-02"]


def test_every_cut_of_an_index_is_believed_as_far_as_it_goes(storage: AssetStorage, root: Path) -> None:
    for number, unit in enumerate((ONE, TWO, ONE)):
        publish(storage, unit, number, run_id=f"run{number}")
    whole = index_of(root).read_bytes()
    for end in range(len(whole)):
        index_of(root).write_bytes(whole[:end])
        assert set(stored(opened(root))) <= {"2024-01-01", "2024-01-02"}
    index_of(root).write_bytes(whole[:-1])
    assert list(stored(opened(root))) == ["2024-01-02"]


def test_others_files_are_not_replaced_unasked(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    folder = root / "daily/day=2024-01-02"
    folder.mkdir()
    (folder / "data.csv").write_text("mine\n")
    with in_use([storage]):
        claim(storage, [TWO, THREE], "run", "now")
        with pytest.raises(UnclaimedError, match=r"day=2024-01-02/data\.csv"):
            check_replaceable(storage, TWO, forced=False)
    assert (folder / "data.csv").read_text() == "mine\n"


def test_claims_of_a_killed_run_make_its_data_ours(
    storage: AssetStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim(storage, [ONE, TWO], "killed", "2024-01-01T00:00:00.000+00:00")
    publish(storage, ONE, 1)
    lines = index_of(root).read_bytes().splitlines(keepends=True)
    index_of(root).write_bytes(b"".join(lines[:-1]))  # a power failure takes back what was not waited for
    again = opened(root)
    manifest = again.read_manifest(ONE)
    assert manifest is not None
    assert (manifest.content_hash, manifest.run_id) == (UNFINISHED, "killed")
    assert partitions(again, DECLARED) == {}
    check_replaceable(again, ONE, forced=False)
    publish(again, ONE, 1)
    assert list(stored(again)) == ["2024-01-01"]


def test_claims_that_are_not_needed_are_taken_back(storage: AssetStorage, root: Path) -> None:
    with in_use([storage]):
        claim(storage, [ONE, TWO], "run", "now")
        publish(storage, ONE, 1)
    assert opened(root).read_manifest(TWO) is None
    assert list(stored(opened(root))) == ["2024-01-01"]


def test_in_use_waits_once(storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    units = by_day(DECLARED, *(f"2024-01-{day:02}" for day in range(1, 21)))
    with in_use([storage]):
        claim(storage, units, "run", "now")
        begun = len(waited)
        for unit in units:
            publish(storage, unit, 1)
        assert (begun, len(waited)) == (1, 1)
    assert len(waited) > 20


def test_index_is_written_anew_where_it_is_mostly_outdated(storage: AssetStorage, root: Path) -> None:
    publish(storage, TWO, 2)
    claimed = by_day(DECLARED, *(f"2023-{month:02}-{day:02}" for month in range(1, 13) for day in range(1, 29)))
    for _ in range(3):
        with in_use([storage]):
            claim(storage, claimed, "run", "now")
    expected = publish(storage, ONE, 1)
    assert len(index_of(root).read_bytes().splitlines()) < 1000
    for each in (storage, opened(root)):
        assert list(stored(each)) == ["2024-01-01", "2024-01-02"]
        assert each.read_manifest(ONE) == expected


def test_many_writers_append_to_one_index(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse_cli.storage.partition_index._FEW", 5)
    days = [f"2024-01-{day:02}" for day in range(1, 29)]

    def work(number: int) -> None:
        mine = opened(root)
        with in_use([mine]):
            for unit in by_day(DECLARED, *days[number::4]):
                for turn in range(3):
                    publish(mine, unit, turn, run_id=f"run{number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert list(stored(opened(root))) == days


def test_file_of_the_same_number_is_another_one(storage: AssetStorage, root: Path) -> None:
    """The system gives the number of a file that was removed to the next one that is made."""
    publish(storage, ONE, 1)
    other = opened(root.parent / "other")
    for unit in (TWO, THREE):
        publish(other, unit, 1)
    assert len(partitions(storage, DECLARED)) == 1
    index_of(root).write_bytes(index_of(root.parent / "other").read_bytes())
    assert list(partitions(storage, DECLARED)) == [TWO.partition, THREE.partition]


def test_newer_index_is_left_alone(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    text = index_of(root).read_text()
    index_of(root).write_text('["format",99]\n' + text)
    again = opened(root)
    for use in (lambda: partitions(again, DECLARED), lambda: publish(again, TWO, 2), lambda: again.read_manifest(ONE)):
        with pytest.raises(NewerVersionError, match="a newer version of lakehouse wrote it"):
            use()


def test_link_in_the_place_of_the_index_is_refused(storage: AssetStorage, root: Path, tmp_path: Path) -> None:
    publish(storage, ONE, 1)
    other = tmp_path / "other"
    index_of(root).rename(other)
    index_of(root).symlink_to(other)
    before = other.read_bytes()
    with pytest.raises(StorageError):
        publish(storage, TWO, 2)
    assert other.read_bytes() == before


def test_dropping_removes_empty_folders(storage: AssetStorage, root: Path) -> None:
    for unit in (ONE, TWO):
        publish(storage, unit, 1)
    (root / "daily/day=2024-01-02/note.txt").write_text("mine")
    drop(storage, [ONE, TWO])
    assert sorted(path.relative_to(root).as_posix() for path in (root / "daily").rglob("*")) == [
        "daily/day=2024-01-02",
        "daily/day=2024-01-02/note.txt",
    ]


def test_other_format_takes_the_place_of_the_former(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    unit = unit_of(replace(DECLARED, format="parquet"), ONE.partition)  # type: ignore[arg-type]
    publish(storage, unit, 2)
    assert [path.name for path in (root / "daily/day=2024-01-01").iterdir()] == ["data.parquet"]


def test_leftovers_beside_units_are_removed(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 1)
    left = root / "daily/day=2024-01-01/.data.csv.1-1.lakehouse-tmp"
    left.write_text("half")
    remove_leftovers(storage, [ONE, TWO])
    assert not left.exists()


def test_readers_see_whole_partitions(storage: AssetStorage, root: Path) -> None:
    publish(storage, ONE, 0, 0)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            publish(storage, ONE, number, number)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reader = opened(root)
        for _ in range(20):
            ids = reader.scan(ONE, DECLARED.columns).table()["id"].to_pylist()
            assert len(set(ids)) == 1
            assert len(ids) == 2
    finally:
        stop.set()
        writer.join()
