"""Two runs at once on one database: the second is refused, and what the first stored stays."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import OvertakenError
from lakehouse_cli.model import SqlQuery, StorageSpec
from lakehouse_cli.model.stored_version import UNREADABLE, StoredVersion
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.capabilities import query_runner
from lakehouse_cli.storage.opening import open_storage
from lakehouse_cli.storage.queries import DatabaseQuery
from lakehouse_cli.storage.relational.base import RelationalStorage
from lakehouse_cli.testing.storage import ORIGIN, data_of, planned, table
from tests.servers.postgresql import PostgreSQL

Opened = Callable[[], RelationalStorage]

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "duckdb", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens one database as every run does."""
    root = str(tmp_path / "lake.db")
    if request.param == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql_server")
        root = server.url(request.getfixturevalue("postgresql_database"))

    def open_() -> RelationalStorage:
        storage = open_storage(StorageSpec("lake", root, "lake", format="", type=request.param))
        assert isinstance(storage, RelationalStorage)
        return storage

    return open_


def publish(storage: RelationalStorage, text: str, origin: Provenance = ORIGIN) -> None:
    storage.publish(table(), data_of(table(), (1, text)), origin)


def texts(storage: RelationalStorage) -> list[str]:
    return list(storage.scan(table(), table().columns).table().column("text").to_pylist())


def plan(storage: RelationalStorage, *, planning: bool) -> Provenance:
    if planning:
        storage.prefetch([table()])
    return planned(storage, table())


@pytest.mark.parametrize("planning", [True, False])
@pytest.mark.parametrize("before", ["old", None])
def test_second_of_two_equal_runs_changes_nothing(opened: Opened, before: str | None, planning: bool) -> None:
    first, second = opened(), opened()
    if before is not None:
        publish(opened(), before)
    origins = [plan(run, planning=planning) for run in (first, second)]
    publish(first, "first", origins[0])
    with pytest.raises(OvertakenError, match="another run stored lake/table while this one computed it"):
        publish(second, "second", origins[1])
    assert texts(second) == ["first"]
    origin = plan(second, planning=planning)
    publish(second, "second", origin)
    publish(second, "again", origin)
    assert texts(first) == ["again"]


def test_query_that_was_overtaken_changes_nothing(opened: Opened) -> None:
    first, second = opened(), opened()
    origins = [plan(run, planning=True) for run in (first, second)]

    def publish_query(storage: RelationalStorage, text: str, origin: Provenance) -> None:
        declared = replace(table(), query=SqlQuery(f"SELECT 1 AS id, '{text}' AS text", engine="storage"))
        query = DatabaseQuery(declared.query.bare if declared.query else "", {}, {}, True, False, datetime.now(UTC))
        query_runner(storage, declared).publish_query(declared, query, lambda records: origin)

    publish_query(first, "first", origins[0])
    with pytest.raises(OvertakenError, match="another run stored lake/table while this one computed it"):
        publish_query(second, "second", origins[1])
    assert texts(second) == ["first"]
    publish_query(second, "first", origins[1])  # the same rows


def test_expected_version_reaches_worker_processes(opened: Opened) -> None:
    origin = plan(opened(), planning=True)
    publish(opened(), "first")
    with pytest.raises(OvertakenError):
        publish(opened(), "second", pickle.loads(pickle.dumps(origin)))


@pytest.mark.parametrize("planning", [True, False])
def test_a_look_is_remembered_by_no_storage(opened: Opened, planning: bool) -> None:
    run = opened()
    plan(run, planning=planning)
    publish(opened(), "first")
    publish(run, "second")
    assert texts(run) == ["second"]


def test_unreadable_manifest_is_an_expected_version(opened: Opened) -> None:
    run = opened()
    publish(run, "old")
    origin = replace(ORIGIN, run_id="another", forced=True, expected=StoredVersion(None, UNREADABLE))
    with pytest.raises(OvertakenError):
        publish(run, "new", origin)
    with run.session(write=True) as session:
        assert session is not None
        kept = session.kept_of(run.relation(table()))
        assert kept is not None
        session.keep(run.relation(table()), "{}", kept.signature)
    publish(run, "new", origin)
    assert texts(run) == ["new"]


def test_two_runs_that_store_the_same_do_not_quarrel(opened: Opened) -> None:
    first, second = opened(), opened()
    origins = [plan(run, planning=False) for run in (first, second)]
    publish(first, "same", origins[0])
    publish(second, "same", origins[1])
    assert texts(first) == ["same"]


def test_what_another_run_removed_may_be_stored(opened: Opened) -> None:
    run = opened()
    publish(run, "old")
    origin = plan(run, planning=False)
    opened().delete(table())
    publish(run, "new", origin)
    assert texts(run) == ["new"]
