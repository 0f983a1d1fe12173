"""Two runs at once on one database: who comes second is told, and what the first stored stays."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse_cli.errors import OvertakenError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.relational.base import RelationalStorage
from lakehouse_cli.testing.storage import ORIGIN, data_of, table
from tests.servers.postgresql import PostgreSQL

Opened = Callable[[], RelationalStorage]


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens one database as every run does."""
    root = str(tmp_path / "lake.db")
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        root = server.url(server.new_database())

    def open_() -> RelationalStorage:
        storage = open_storage(StorageSpec("lake", root, "lake", format="", type=request.param))
        assert isinstance(storage, RelationalStorage)
        return storage

    return open_


def publish(storage: RelationalStorage, text: str) -> None:
    storage.publish(table(), data_of(table(), (1, text)), ORIGIN)


def texts(storage: RelationalStorage) -> list[str]:
    return list(storage.scan(table(), table().columns).table().column("text").to_pylist())


def look(storage: RelationalStorage, *, planning: bool) -> None:
    if planning:
        storage.prefetch([table()])
    storage.content(table(), ())


@pytest.mark.parametrize("planning", [True, False])
@pytest.mark.parametrize("before", ["old", None])
def test_of_two_runs_that_saw_the_same_the_second_is_told_and_changes_nothing(
    opened: Opened, before: str | None, planning: bool
) -> None:
    first, second = opened(), opened()
    if before is not None:
        publish(opened(), before)
    for run in (first, second):
        look(run, planning=planning)
    publish(first, "first")
    with pytest.raises(OvertakenError, match="another run stored lake/table while this one computed it"):
        publish(second, "second")
    assert texts(second) == ["first"]
    look(second, planning=planning)
    publish(second, "second")
    publish(second, "again")
    assert texts(first) == ["again"]


def test_what_was_seen_goes_along_into_the_processes_of_a_run(opened: Opened) -> None:
    run = opened()
    look(run, planning=True)
    elsewhere = pickle.loads(pickle.dumps(run))
    publish(opened(), "first")
    with pytest.raises(OvertakenError):
        publish(elsewhere, "second")


def test_two_runs_that_store_the_same_do_not_quarrel(opened: Opened) -> None:
    first, second = opened(), opened()
    for run in (first, second):
        look(run, planning=False)
    publish(first, "same")
    publish(second, "same")
    assert texts(first) == ["same"]


def test_what_another_run_removed_may_be_stored(opened: Opened) -> None:
    run = opened()
    publish(run, "old")
    look(run, planning=False)
    opened().delete(table())
    publish(run, "new")
    assert texts(run) == ["new"]
