"""DuckDB files: the conformance suite, and what only they have."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.relational import duckdb_session
from lakehouse_cli.storage.relational.duckdb import DuckDBStorage
from lakehouse_cli.storage.relational.duckdb_session import DuckDBSession
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, data_of, table

# A name that is no table is not to be taken for a variable.
PLAIN = {"python_enable_replacements": False}


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
        with closing(duckdb.connect(storage.spec.root, config=PLAIN)) as connection:
            connection.execute(f'CREATE TABLE "{declared.path}" (id INTEGER, text TEXT)')
            rows = list(zip(*data.to_pydict().values(), strict=True))
            connection.executemany(f'INSERT INTO "{declared.path}" VALUES (?, ?)', rows)

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, DuckDBStorage)
        if not Path(storage.spec.root).exists():
            return None
        with closing(duckdb.connect(storage.spec.root, config=PLAIN)) as connection:
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


_HOLDS = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_another_process_that_has_the_file_open_is_waited_for_and_named(storage: DuckDBStorage, file: Path) -> None:
    storage.publish(table(), data_of(table(), (1, "a")), ORIGIN)
    hasty = DuckDBStorage(replace(storage.spec, connection={"lock_timeout": 1}))
    argv = [sys.executable, "-c", _HOLDS, str(file)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StorageError) as caught:
            hasty.read(table(), table().columns)
        assert "lock on file" in caught.value.message
        assert "another process has the file open" in (caught.value.hint or "")
        reader = threading.Thread(target=lambda: read.append(storage.read(table(), table().columns).num_rows))
        read: list[int] = []
        reader.start()
        assert other.stdin is not None
        other.stdin.close()
        reader.join()
    assert read == [1]


def test_what_arrow_has_no_type_for(storage: DuckDBStorage, file: Path) -> None:
    file.parent.mkdir()
    with closing(duckdb.connect(str(file))) as connection:
        connection.execute("CREATE TABLE t AS SELECT 5::HUGEINT AS h, 'a'::ENUM('a', 'b') AS e, INTERVAL 2 SECOND AS i")
        connection.execute("CREATE TABLE months AS SELECT INTERVAL 1 MONTH AS i")
        connection.execute("CREATE TABLE maps AS SELECT MAP {'a': 1} AS m")
        connection.execute("CREATE TABLE far AS SELECT 'infinity'::TIMESTAMP AS x")
    source = replace(table("t", kind="source"), columns=None)
    read = storage.read(source, None)
    assert [str(kind) for kind in read.schema.types][::2] == ["string", "duration[us]"]
    assert read.to_pylist() == [{"h": "5", "e": "a", "i": dt.timedelta(seconds=2)}]
    for name, told in (
        ("months", "an interval with months"),
        ("maps", "no column can be declared"),
        ("far", "infinite"),
    ):
        with pytest.raises((StorageError, DataError), match=told):
            storage.read(replace(source, path=name), None)
