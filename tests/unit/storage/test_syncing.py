"""What is on disk when a run has ended, however it did: files, manifests, and which of them are in folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from lakehouse_cli import Project
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.local.publishing import ASIDE_SUFFIX
from lakehouse_cli.storage.local.storage import FileStorage
from lakehouse_cli.testing.storage import ORIGIN, data_of, table
from tests.conftest import Cli, ProjectFolder, sync

MANIFESTS = ".lakehouse/manifests"


class Synced:
    """The files and folders that were synced, each with what was in it then; those aside by the name they get."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.seen: dict[str, bytes | set[str]] = {}

    def note(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if not path.is_relative_to(self._root):
            return
        name = path.relative_to(self._root).as_posix()
        if name.endswith(ASIDE_SUFFIX):
            folder, _, aside = f"/{name}".rpartition("/")
            name = f"{folder}/{aside[1:].rpartition('.')[0].rpartition('.')[0]}".lstrip("/")
        self.seen[name] = _now(path)

    def missing(self) -> list[str]:
        """What is not on disk as it is now."""
        found = []
        for path in (self._root, *self._root.rglob("*")):
            name = path.relative_to(self._root).as_posix()
            if self.seen.get(name) != _now(path):
                found.append(name)
        return sorted(found)


def _now(path: Path) -> bytes | set[str]:
    return {each.name for each in path.iterdir()} if path.is_dir() else path.read_bytes()


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Synced:
    found = Synced(tmp_path / "data")

    def fsync(descriptor: int) -> None:
        found.note(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(StorageSpec("default", tmp_path / "data", "data"))


def test_a_table_published_alone_is_on_disk(storage: FileStorage, synced: Synced) -> None:
    declared = table(path="new/deep/table")
    storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
    assert synced.missing() == []
    assert "." in synced.seen
    storage.publish(declared, data_of(declared, (2, "b")), ORIGIN)
    assert synced.missing() == []
    storage.publish(replace(declared, format="parquet"), data_of(declared, (2, "b")), ORIGIN)
    assert synced.missing() == []
    storage.delete(replace(declared, format="parquet"))
    assert synced.missing() == []


def test_tables_in_use_are_on_disk_at_the_end(storage: FileStorage, synced: Synced) -> None:
    with storage.in_use():
        for n in range(20):
            declared = table(path=f"of{n % 3}/table{n}")
            storage.publish(declared, data_of(declared, (n, "a")), ORIGIN)
        assert f"{MANIFESTS}/of0/table0.json" not in synced.seen
        assert "of0/table0.csv" in synced.seen
    assert synced.missing() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_was_published_before_an_error_is_on_disk(
    storage: FileStorage, synced: Synced, error: type[BaseException]
) -> None:
    def published_and_failed() -> None:
        with storage.in_use():
            storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
            raise error

    with pytest.raises(error):
        published_and_failed()
    assert synced.missing() == []


@pytest.mark.parametrize("storage_type", ["files", "delta"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_run_leaves_its_tables_on_disk(
    project: ProjectFolder, synced: Synced, monkeypatch: pytest.MonkeyPatch, fails: bool, storage_type: str
) -> None:
    monkeypatch.setattr(synced, "_root", project.path / "lake")
    text = project.read("lakehouse.yaml").replace(
        "module:", f"storages: {{lake: {{type: {storage_type}, root: lake/deep}}}}\nmodule:"
    )
    for name in ("totals", "best"):
        text = text.replace(f"  {name}:\n", f"  {name}:\n    storage: lake\n")
    project.write("lakehouse.yaml", text)
    if fails:
        project.edit("transforms.py", "    return totals", "    raise ValueError\n    return totals")
    result = Project.load(project.path).run(executor="threads")
    assert result.status == ("failed" if fails else "success")
    assert synced.missing() == []


def test_an_interrupted_run_leaves_its_tables_on_disk(
    project: ProjectFolder, cli: Cli, synced: Synced, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synced, "_root", project.path / "data")
    project.edit(
        "transforms.py",
        "    return totals",
        "    import os, signal\n    os.kill(os.getpid(), signal.SIGTERM)\n    return totals",
    )
    assert cli("run", "--executor", "serial").code != 0
    assert (project.path / "data/totals.csv").exists()
    assert [name for name in synced.missing() if name != "orders.csv"] == []


def test_copy_and_clean_leave_their_changes_on_disk(
    project: ProjectFolder, cli: Cli, synced: Synced, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = project.read("lakehouse.yaml")
    project.write("lakehouse.yaml", text + "environments: {dev: {storages: {default: {root: dev}}}}\n")
    assert cli("run").code == 0
    monkeypatch.setattr(synced, "_root", project.path / "dev")
    assert cli("copy", "--to", "dev").code == 0
    assert synced.missing() == []
    text = project.read("lakehouse.yaml")
    project.write("lakehouse.yaml", text.replace("  best:\n", "  finest:\n    function: best\n"))
    assert cli("clean", "--env", "dev", "--yes").code == 0
    assert not (project.path / "dev/best.csv").exists()
    assert synced.missing() == []


def test_a_storage_without_tables_syncs_nothing(storage: AssetStorage, synced: Synced) -> None:
    with storage.in_use():
        pass
    assert synced.seen == {}
