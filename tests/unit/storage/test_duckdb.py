"""DuckDB files: the conformance suite, and what only they have."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.relational import duckdb_session
from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.duckdb_session import DuckDBSession
from lakehouse_cli.testing.storage import StorageConformance


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "lake.duckdb"


@pytest.fixture
def storage(file: Path) -> DuckDBStorage:
    return DuckDBStorage(StorageSpec("lake", str(file), "folder/lake.duckdb", format="", type="duckdb"))


class TestDuckDB(StorageConformance):
    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        assert isinstance(storage, DuckDBStorage)
        Path(storage.spec.root).parent.mkdir(exist_ok=True)
        with closing(duckdb.connect(storage.spec.root)) as connection:
            connection.execute(f'CREATE TABLE "{declared.path}" (id INTEGER, text TEXT)')
            rows = list(zip(*data.to_pydict().values(), strict=True))
            connection.executemany(f'INSERT INTO "{declared.path}" VALUES (?, ?)', rows)

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, DuckDBStorage)
        if not Path(storage.spec.root).exists():
            return None
        with closing(duckdb.connect(storage.spec.root)) as connection:
            try:
                return repr(connection.execute(f'SELECT * FROM "{declared.path}"').fetchall()).encode()
            except duckdb.CatalogException:
                return None

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        write = DuckDBSession.write

        def dies(self: DuckDBSession, *args: Any) -> Any:
            write(self, *args)
            raise KeyboardInterrupt

        monkeypatch.setattr(duckdb_session.DuckDBSession, "write", dies)
