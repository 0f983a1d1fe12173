"""Tables that are changed while they are read: data and the record of their content are of one state."""

from __future__ import annotations

import io
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.keyed.memory import MemoryStorage
from lakehouse_cli.storage.local import stat_cache
from lakehouse_cli.storage.local.stat_cache import Stamp
from lakehouse_cli.storage.local.storage import FileStorage
from lakehouse_cli.storage.many_files import ManyFilesStorage
from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.duckdb_session import DuckDBSession
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from lakehouse_cli.storage.relational.postgresql_session import PostgreSQLSession
from lakehouse_cli.storage.relational.sqlite import SQLiteSession, SQLiteStorage
from lakehouse_cli.testing.storage import column, table
from tests.servers.postgresql import PostgreSQL

SOURCE = table("s", column("a", "int64"), kind="source")


def read(storage: AssetStorage, declared: Table = SOURCE) -> tuple[list[int], str]:
    data, content = storage.scan(declared, declared.columns).table_with_content(())
    return data["a"].to_pylist(), content.content_hash


def content_of(storage: AssetStorage) -> str:
    content = storage.content(SOURCE, ())
    assert content is not None
    return content.content_hash


def during_reading(
    monkeypatch: pytest.MonkeyPatch, reader: Any, before: Callable[[], None], after: Callable[[], None], times: int
) -> None:
    """Have something happen right before and right after data are read, the first few times."""
    original, left = reader.read, [times]

    def read_in_between(*arguments: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            return original(*arguments)
        before()
        try:
            return original(*arguments)
        finally:
            after()

    monkeypatch.setattr(reader, "read", read_in_between)


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(StorageSpec("default", str(tmp_path), "data", folder=tmp_path))


def overwrite(file: Path, text: str, status: os.stat_result) -> None:
    """In place, with the same size and modification time."""
    with file.open("r+") as opened:
        opened.write(text)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("text", ["a\n2\n", "a\nx\n"], ids=["other data", "no such data"])
def test_edit_that_is_undone_while_a_file_is_read(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    file = tmp_path / "s.csv"
    file.write_text("a\n1\n")
    status = file.stat()
    before, after = (lambda: overwrite(file, text, status)), (lambda: overwrite(file, "a\n1\n", status))
    during_reading(monkeypatch, storage._format(SOURCE), before, after, 2)
    assert read(storage) == ([1], content_of(storage))


def test_edit_within_one_tick_while_a_file_is_read(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither size nor times show it."""
    file, now, of = tmp_path / "s.csv", time.time_ns(), Stamp.of
    still = staticmethod(lambda status: of(status)._replace(modified_ns=now, changed_ns=now))
    monkeypatch.setattr(Stamp, "of", still)
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 3_600_000_000_000)
    file.write_text("a\n1\n")
    status = file.stat()
    during_reading(monkeypatch, storage._format(SOURCE), lambda: overwrite(file, "a\n2\n", status), lambda: None, 1)
    assert read(storage) == ([2], content_of(storage))


def test_file_that_is_replaced_while_it_is_read(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "s.csv"
    file.write_text("a\n1\n")

    def replace_file() -> None:
        (tmp_path / "other").write_text("a\n2\n")
        (tmp_path / "other").replace(file)

    during_reading(monkeypatch, storage._format(SOURCE), replace_file, lambda: None, 1)
    assert read(storage) == ([2], content_of(storage))


@pytest.mark.parametrize("done", ["overwritten", "longer", "shorter", "a link", "gone"])
def test_small_file_that_changes_before_it_is_read(storage: FileStorage, tmp_path: Path, done: str) -> None:
    """One of many, which are read together."""
    many = replace(SOURCE, path="day_*")
    files = [tmp_path / f"day_{number}.csv" for number in range(3)]
    for number, each in enumerate(files):
        each.write_text(f"a,b\n{number},0\n")
    pieces, _ = ManyFilesStorage(storage).scan(many, many.columns).pieces_with_content(())
    assert [row for piece in pieces() for row in piece["a"].to_pylist()] == [0, 1, 2]
    if done == "a link":
        (tmp_path / "other").write_text("a,b\n9,0\n")
        files[1].unlink()
        files[1].symlink_to("other")
    elif done == "gone":
        files[1].unlink()
    else:
        text = {"overwritten": "a,b\n9,0\n", "longer": "a,b\n1,0\n2,0\n", "shorter": "a,b\n"}[done]
        overwrite(files[1], text, files[1].stat())
        os.truncate(files[1], len(text))
    with pytest.raises(StorageError, match=r"day_1\.csv"):
        list(pieces())


@pytest.mark.parametrize("folder", ["", "inner/"])
def test_file_that_goes_before_it_is_read(
    storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """The file, or the folder that it was in and that is a file now: nothing is stored any more."""
    declared = replace(SOURCE, path=f"{folder}s")
    file = tmp_path / f"{folder}s.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_text("a\n1\n")
    look = storage._hashes.of

    def look_late(path: str, stamp: Stamp) -> str:
        if file.exists():
            file.unlink()
            if folder:
                file.parent.rmdir()
                file.parent.touch()
        return look(path, stamp)

    monkeypatch.setattr(storage._hashes, "of", look_late)
    assert storage.content(declared, ()) is None


def test_file_that_never_rests(storage: FileStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s.csv"
    file.write_text("a\n1\n")

    def append() -> None:
        with file.open("a") as opened:
            opened.write("3\n")

    during_reading(monkeypatch, storage._format(SOURCE), lambda: None, append, 1000)
    with pytest.raises(StorageError) as caught:
        read(storage)
    assert caught.value.message == "data/s.csv changed while it was read"
    assert caught.value.hint == "run again when no other program writes it"


def test_values_that_do_not_fit_are_refused_at_once(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("a\nx\n")
    with pytest.raises(DataError) as caught:
        read(storage)
    assert "`x` in column `a`" in caught.value.message


def test_object_that_is_replaced_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage(StorageSpec("m", "memory://changes", "memory://changes"))

    def put(text: bytes) -> None:
        storage.put_key("s.csv", io.BytesIO(text), storage.head_key("s.csv"))

    put(b"a\n1\n")
    original, left = storage.get_key, [1]

    def get_key(key: str) -> bytes | None:
        if not left:
            return original(key)
        left.clear()
        put(b"a\n2\n")
        found = original(key)
        put(b"a\n1\n")
        return found

    monkeypatch.setattr(storage, "get_key", get_key)
    assert read(storage) == ([1], content_of(storage))
    storage.delete_key("s.csv")


@pytest.mark.parametrize("wal", [False, True])
def test_sqlite_rows_and_hash_are_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wal: bool) -> None:
    file = tmp_path / "s.db"
    with closing(sqlite3.connect(file, timeout=0)) as connection:
        connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'DELETE'}")
        connection.execute("CREATE TABLE s (a INTEGER)")
        connection.execute("INSERT INTO s VALUES (1)")
        connection.commit()
        storage = SQLiteStorage(StorageSpec("s", str(file), "s.db", format="", type="sqlite", folder=tmp_path))
        before = content_of(storage)
        original = SQLiteSession.read_pieces

        def edited_read(*arguments: Any, **keywords: Any) -> Any:
            try:
                connection.execute("UPDATE s SET a = 2")
                connection.commit()
            except sqlite3.OperationalError:  # a reader keeps it from being written
                connection.rollback()
            return original(*arguments, **keywords)

        monkeypatch.setattr(SQLiteSession, "read_pieces", edited_read)
        assert read(storage) == ([1], before)
        monkeypatch.undo()
        assert read(storage)[0] == ([2] if wal else [1])
        assert (content_of(storage) == before) is not wal


def test_duckdb_rows_and_hash_are_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "s.duckdb"
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute("CREATE TABLE s AS SELECT 1::BIGINT AS a")
    storage = DuckDBStorage(StorageSpec("s", str(file), "s.duckdb", format="", type="duckdb", folder=tmp_path))
    before = content_of(storage)
    original = DuckDBSession.digest

    def edited(self: Any, *arguments: Any) -> Any:
        digest = original(self, *arguments)
        with pytest.raises(duckdb.Error):
            duckdb.connect(str(file)).execute("UPDATE s SET a = 2")
        return digest

    monkeypatch.setattr(DuckDBSession, "digest", edited)
    assert read(storage) == ([1], before)


@pytest.mark.parametrize("statements", [["UPDATE s SET a = 2"], ["UPDATE s SET a = 2", "UPDATE s SET a = 1"]])
def test_postgresql_rows_and_hash_are_of_one_moment(
    postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    database = postgresql_server.new_database()
    postgresql_server.run("CREATE TABLE s AS SELECT 1::bigint AS a", database)
    storage = PostgreSQLStorage(StorageSpec("s", postgresql_server.url(database), "", format="", type="postgresql"))
    before = content_of(storage)
    original = PostgreSQLSession.read_pieces

    def edited_read(*arguments: Any, **keywords: Any) -> Any:
        postgresql_server.run(statements[0], database)
        yield from original(*arguments, **keywords)
        for statement in statements[1:]:
            postgresql_server.run(statement, database)

    monkeypatch.setattr(PostgreSQLSession, "read_pieces", edited_read)
    assert read(storage) == ([1], before)
    monkeypatch.undo()
    postgresql_server.run("CREATE VIEW v AS SELECT a FROM s; CREATE MATERIALIZED VIEW m AS SELECT a FROM s", database)
    for name in ("s", "v", "m"):
        data, content = storage.scan(table(name, column("a", "int64"), kind="source"), None).table_with_content(())
        assert data["a"].to_pylist() == [3 - len(statements)]
        assert len(content.content_hash) == 32


def test_postgresql_table_replaced_before_it_is_read(
    postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen before the table is locked does not decide which rows are seen."""
    database = postgresql_server.new_database()
    postgresql_server.run("CREATE TABLE s AS SELECT 1::bigint AS a", database)
    storage = PostgreSQLStorage(StorageSpec("s", postgresql_server.url(database), "", format="", type="postgresql"))
    original = PostgreSQLSession.find

    def find(*arguments: Any) -> Any:
        found = original(*arguments)
        monkeypatch.undo()
        postgresql_server.run("BEGIN; DROP TABLE s; CREATE TABLE s AS SELECT 2::bigint AS a; COMMIT", database)
        return found

    monkeypatch.setattr(PostgreSQLSession, "find", find)
    data, content = storage.scan(SOURCE, None).table_with_content(())
    assert data["a"].to_pylist() == [2]
    assert content.content_hash == content_of(storage)
