"""PostgreSQL on a throwaway server: the conformance suite, and what only it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.relational.postgresql import PostgreSQLStorage
from lakehouse_cli.storage.relational.postgresql_session import PostgreSQLSession
from lakehouse_cli.storage.relational.session import quote
from lakehouse_cli.testing.storage import StorageConformance
from tests.servers.postgresql import PostgreSQL


@pytest.fixture
def database(postgresql_server: PostgreSQL) -> Iterator[str]:
    name = postgresql_server.new_database()
    yield name
    postgresql_server.run(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def storage(postgresql_server: PostgreSQL, database: str) -> PostgreSQLStorage:
    root = postgresql_server.url(database)
    shown = root.replace(root.partition("://")[2].partition("@")[0], "${PGUSER}:${PGPASSWORD}")
    return PostgreSQLStorage(StorageSpec("warehouse", root, shown, format="", type="postgresql"))


class TestPostgreSQL(StorageConformance):
    @pytest.fixture(autouse=True)
    def _server(self, postgresql_server: PostgreSQL, database: str) -> None:
        self.server, self.name = postgresql_server, database

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        values = ", ".join(f"({id_}, '{text}')" for id_, text in zip(*data.to_pydict().values(), strict=True))
        self.server.run(f"CREATE TABLE {quote(declared.path)} (id bigint, text text)", self.name)
        self.server.run(f"INSERT INTO {quote(declared.path)} VALUES {values}", self.name)

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        if not self.server.run(f"SELECT 1 FROM pg_class WHERE relname = '{declared.path}'", self.name):
            return None
        return repr(self.server.run(f"SELECT * FROM {quote(declared.path)}", self.name)).encode()

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        write = PostgreSQLSession.write

        def dies(self: PostgreSQLSession, *args: Any) -> Any:
            write(self, *args)
            raise KeyboardInterrupt

        monkeypatch.setattr(PostgreSQLSession, "write", dies)
