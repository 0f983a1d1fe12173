"""SQLite files: the conformance suite, and what only they have."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.relational import sqlite
from lakehouse_cli.storage.relational.sqlite import SQLiteSession, SQLiteStorage
from lakehouse_cli.testing.storage import StorageConformance


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "lake.sqlite"


@pytest.fixture
def storage(file: Path) -> SQLiteStorage:
    return SQLiteStorage(StorageSpec("lake", str(file), "folder/lake.sqlite", format="", type="sqlite"))


class TestSQLite(StorageConformance):
    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        assert isinstance(storage, SQLiteStorage)
        Path(storage.spec.root).parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(storage.spec.root)) as connection, connection:
            connection.execute(f'CREATE TABLE "{declared.path}" (id INTEGER, text TEXT)')
            rows = list(zip(*data.to_pydict().values(), strict=True))
            connection.executemany(f'INSERT INTO "{declared.path}" VALUES (?, ?)', rows)

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, SQLiteStorage)
        if not Path(storage.spec.root).exists():
            return None
        with closing(sqlite3.connect(storage.spec.root)) as connection:
            try:
                return repr(connection.execute(f'SELECT * FROM "{declared.path}"').fetchall()).encode()
            except sqlite3.OperationalError:
                return None

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        write = SQLiteSession.write

        def dies(self: SQLiteSession, *args: Any) -> Any:
            write(self, *args)
            raise KeyboardInterrupt

        monkeypatch.setattr(sqlite.SQLiteSession, "write", dies)
