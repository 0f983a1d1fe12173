"""Folders that are replaced by links after they were looked at: nothing is written or removed behind these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import ObstructedError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.base import Stray
from lakehouse_cli.storage.local.folders import LinkedFolderError, open_folder
from lakehouse_cli.storage.local.publishing import ASIDE_SUFFIX
from lakehouse_cli.storage.local.storage import FileStorage
from lakehouse_cli.testing.storage import ORIGIN, data_of, table

ROWS = (1, "a")


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(StorageSpec("default", tmp_path / "data", "data"))


@pytest.fixture
def stored(storage: FileStorage) -> Table:
    """A table that is stored and was looked at."""
    declared = table(path="sub/x")
    storage.publish(declared, data_of(declared, ROWS), ORIGIN)
    storage.content(declared, ())
    return declared


def swap(folder: Path) -> dict[str, bytes]:
    """Put a link to a copy of a folder in its place; returns what is in the copy."""
    other = folder.parent.parent / "precious"
    folder.rename(other)
    folder.symlink_to(other)
    return {path.name: path.read_bytes() for path in other.iterdir()}


def publish(storage: FileStorage, declared: Table) -> None:
    storage.publish(declared, data_of(declared, (2, "b")), ORIGIN)


def publish_in_another_format(storage: FileStorage, declared: Table) -> None:
    publish(storage, replace(declared, format="parquet"))


@pytest.mark.parametrize("change", [publish, publish_in_another_format, FileStorage.delete])
def test_nothing_is_changed_behind_a_new_link(
    storage: FileStorage, stored: Table, tmp_path: Path, change: Callable[[FileStorage, Table], None]
) -> None:
    before = swap(tmp_path / "data/sub")
    with pytest.raises(ObstructedError, match="data/sub became a link after"):
        change(storage, stored)
    assert {path.name: path.read_bytes() for path in (tmp_path / "precious").iterdir()} == before


def test_folder_replaced_in_a_run_is_opened_anew(storage: FileStorage, stored: Table, tmp_path: Path) -> None:
    with storage.in_use():
        publish(storage, stored)
        before = (tmp_path / "data/sub/x.csv").read_bytes()
        (tmp_path / "data/sub").rename(tmp_path / "moved")
        (tmp_path / "data/sub").mkdir()
        storage.publish(stored, data_of(stored, (3, "c")), ORIGIN)
        assert (tmp_path / "data/sub/x.csv").read_bytes() != before
        kept = swap(tmp_path / "data/sub")
        with pytest.raises(ObstructedError, match="data/sub became a link after"):
            publish(storage, stored)
    assert [path.name for path in (tmp_path / "moved").iterdir()] == ["x.csv"]
    assert (tmp_path / "moved/x.csv").read_bytes() == before
    assert {path.name: path.read_bytes() for path in (tmp_path / "precious").iterdir()} == kept


@pytest.mark.parametrize("above", ["data/a", "data/.lakehouse"])
def test_link_above_a_folder_in_a_run_is_refused(storage: FileStorage, tmp_path: Path, above: str) -> None:
    declared = table(path="a/b/x")
    with storage.in_use():
        publish(storage, declared)
        (tmp_path / above).rename(tmp_path / "moved")
        (tmp_path / above).symlink_to(tmp_path / "moved")  # what is behind it is what it was
        with pytest.raises(ObstructedError, match=f"{above} became a link after"):
            publish(storage, declared)


def test_a_run_keeps_few_folders_open_and_none_after_it(storage: FileStorage, tmp_path: Path) -> None:
    def opened() -> int:
        return sum(each.resolve().is_relative_to(tmp_path) for each in Path("/proc/self/fd").iterdir())

    with storage.in_use():
        for n in range(30):
            publish(storage, table(path=f"of{n}/x"))
        assert 0 < opened() <= 16
    assert opened() == 0


def test_leftovers_behind_a_new_link_stay(storage: FileStorage, stored: Table, tmp_path: Path) -> None:
    (tmp_path / f"data/sub/.x.csv.1-1{ASIDE_SUFFIX}").write_text("half")
    before = swap(tmp_path / "data/sub")
    storage.remove_leftovers([stored])
    assert {path.name: path.read_bytes() for path in (tmp_path / "precious").iterdir()} == before


def test_link_named_like_a_leftover_stays(storage: FileStorage, stored: Table, tmp_path: Path) -> None:
    (tmp_path / "data/sub/precious.txt").write_text("kept")
    link = tmp_path / f"data/sub/.x.csv.1-1{ASIDE_SUFFIX}"
    link.symlink_to("precious.txt")
    storage.remove_leftovers([stored])
    assert link.read_text() == "kept"


@pytest.mark.parametrize("kind", ["unfinished", "undeclared"])
def test_strays_behind_a_new_link_stay(storage: FileStorage, stored: Table, tmp_path: Path, kind: str) -> None:
    (tmp_path / f"data/sub/.x.csv.1-1{ASIDE_SUFFIX}").write_text("half")
    found: list[Stray] = [stray for stray in storage.strays([], frozenset()) if stray.kind == kind]
    before = swap(tmp_path / "data/sub")
    assert [storage.remove_stray(stray) for stray in found] == ["it changed since it was listed"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "precious").iterdir()} == before


@pytest.mark.parametrize("folder", ["data/sub", "data/.lakehouse/manifests/sub"])
def test_folder_moved_during_a_write_is_refused(
    storage: FileStorage, stored: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    csv = storage._format(stored)
    write = csv.write
    kept: dict[str, bytes] = {}

    def moving(*arguments: Any) -> None:
        write(*arguments)
        (tmp_path / folder).rename(tmp_path / "moved")
        kept.update({path.name: path.read_bytes() for path in (tmp_path / "moved").iterdir() if path.name[0] != "."})
        (tmp_path / folder).mkdir()

    monkeypatch.setattr(csv, "write", moving)
    with pytest.raises(ObstructedError, match=f"{folder} was replaced after"):
        publish(storage, stored)
    assert {path.name: path.read_bytes() for path in (tmp_path / "moved").iterdir()} == kept
    assert list((tmp_path / folder).iterdir()) == []


def test_links_are_known_anew_to_each_plan(storage: FileStorage, stored: Table, tmp_path: Path) -> None:
    (tmp_path / "data/sub").rename(tmp_path / "data/moved")
    (tmp_path / "data/sub").symlink_to("moved")
    storage.prefetch([stored])
    publish(storage, stored)
    assert (tmp_path / "data/moved/x.csv").read_text() != ""
    assert (tmp_path / "data/sub").is_symlink()


def test_folders_are_opened_without_links(tmp_path: Path) -> None:
    with open_folder(str(tmp_path / "root"), "a/b", make=True) as made:
        assert made.made == {str(tmp_path), str(tmp_path / "root"), str(tmp_path / "root/a")}
    (tmp_path / "link").symlink_to("root")
    (tmp_path / "root/dangling").symlink_to("nowhere")
    for root, path in (("link", ""), ("root", "dangling"), ("root", "dangling/b")):
        with pytest.raises(LinkedFolderError), open_folder(str(tmp_path / root), path, make=True):
            pass
    (tmp_path / "root/file").write_text("")
    with pytest.raises(NotADirectoryError, match="file"), open_folder(str(tmp_path / "root"), "file/b", make=True):
        pass


def test_errors_of_opened_folders_name_whole_paths(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, open_folder(str(tmp_path), "a/b"):
        pass
    assert caught.value.filename == str(tmp_path / "a")
