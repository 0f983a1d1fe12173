"""Plans on database files: rows are hashed once, and again as soon as anybody wrote to the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.local import stat_cache
from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.duckdb_session import DuckDBSession
from lakehouse_cli.storage.relational.one_file import OneFileStorage
from lakehouse_cli.storage.relational.sqlite import SQLiteSession, SQLiteStorage
from lakehouse_cli.testing.storage import ORIGIN, data_of, table

OURS, THEIRS, VIEW = table("ours"), table("theirs", kind="source"), table("view", kind="source")


@dataclass
class Lake:
    """A database file with a table of ours, one of theirs and a view, and what is hashed in it."""

    file: Path
    new_storage: Callable[[], OneFileStorage]
    connect: Callable[[], Any]
    hashed: list[str]

    def plan(self) -> dict[str, str]:
        """What a new process sees: the content of each table; `hashed` lists what it read for that."""
        self.hashed.clear()
        stat_cache.stat_cache.cache_clear()
        storage = self.new_storage()
        tables = (OURS, THEIRS, VIEW)
        storage.prefetch(tables)
        return {each.name: self._hash(storage, each) for each in tables}

    @staticmethod
    def _hash(storage: OneFileStorage, declared: Table) -> str:
        content = storage.content(declared, ())
        assert content is not None
        return content.content_hash

    def run(self, *statements: str) -> None:
        """Behind the storage's back."""
        with closing(self.connect()) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()


@pytest.fixture(params=["sqlite", "sqlite in wal mode", "duckdb"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    file, is_duckdb, hashed = tmp_path / "lake.db", request.param == "duckdb", list[str]()
    storage, session, client = (
        (DuckDBStorage, DuckDBSession, duckdb) if is_duckdb else (SQLiteStorage, SQLiteSession, sqlite3)
    )
    digest: Any = session.digest

    def noted(self: Any, relation: Any, found: Any) -> Any:
        hashed.append(relation.name)
        return digest(self, relation, found)

    monkeypatch.setattr(session, "digest", noted)
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 0)
    spec = StorageSpec("lake", str(file), "lake.db", format="", type=request.param, folder=tmp_path)
    made = Lake(file, lambda: storage(spec), lambda: client.connect(str(file)), hashed)
    if "wal" in request.param:
        made.run("PRAGMA journal_mode = WAL")
    made.new_storage().publish(OURS, data_of(OURS, (1, "a")), ORIGIN)
    made.run(
        "CREATE TABLE theirs (id INTEGER, text TEXT)",
        "INSERT INTO theirs VALUES (1, 'a')",
        "CREATE VIEW view AS SELECT * FROM theirs",
    )
    return made


def test_rows_are_hashed_once(lake: Lake) -> None:
    before = lake.plan()
    assert sorted(lake.hashed) == ["ours", "theirs", "view"]
    assert lake.plan() == before
    assert lake.hashed == ["view"]


@pytest.mark.parametrize("name", ["ours", "theirs"])
def test_what_anybody_wrote_is_seen(lake: Lake, name: str) -> None:
    before = lake.plan()
    lake.run(f"UPDATE {name} SET id = 2")
    after = lake.plan()
    assert {each for each in before if before[each] != after[each]} == {name, *(["view"] if name == "theirs" else [])}
    lake.run(f"UPDATE {name} SET id = 1")
    assert lake.plan() == before


@pytest.mark.parametrize("lake", ["sqlite", "sqlite in wal mode"], indirect=True)
def test_write_during_an_open_connection_is_seen(lake: Lake) -> None:
    before = lake.plan()
    with closing(lake.connect()) as other:
        other.execute("UPDATE ours SET id = 2")
        assert lake.plan() == before
        other.commit()
        assert lake.plan()["ours"] != before["ours"]


def test_a_file_that_was_written_just_now_is_hashed_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 60_000_000_000)
    lake.plan()
    lake.plan()
    assert sorted(lake.hashed) == ["ours", "theirs", "view"]


def test_another_file_under_the_name_is_hashed(lake: Lake) -> None:
    lake.plan()
    other = lake.file.with_suffix(".other")
    other.write_bytes(lake.file.read_bytes())
    lake.file.unlink()
    other.rename(lake.file)
    lake.plan()
    assert sorted(lake.hashed) == ["ours", "theirs", "view"]


def test_notes_that_nobody_understands_are_no_notes(lake: Lake) -> None:
    before = lake.plan()
    (lake.file.parent / ".lakehouse" / "cache" / "stat.jsonl").write_text("[")
    stat_cache.stat_cache.cache_clear()
    assert lake.plan() == before
    assert sorted(lake.hashed) == ["ours", "theirs", "view"]
