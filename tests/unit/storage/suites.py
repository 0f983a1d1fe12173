"""What the conformance suites of storages of one kind share: ways behind their backs, and tests of that kind."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.keyed.objects import ObjectStorage
from lakehouse_cli.storage.relational.one_file import OneFileStorage
from lakehouse_cli.storage.relational.session import Session
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, csv_of, data_of, planned, table


class DatabaseConformance(StorageConformance):
    """The suite on a database, whose writer dies before its transaction ends."""

    session: ClassVar[type[Session]]

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        write = self.session.write

        def dies(*arguments: Any) -> Any:
            write(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(self.session, "write", dies)


class DatabaseFileConformance(DatabaseConformance):
    """The suite on a database file, which its own client opens behind the storage's back."""

    missing_table: ClassVar[type[Exception]]

    def connect(self, path: str) -> Any:
        raise NotImplementedError

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        assert isinstance(storage, OneFileStorage)
        Path(storage.spec.root).parent.mkdir(exist_ok=True)
        with closing(self.connect(storage.spec.root)) as connection:
            connection.execute(f'CREATE TABLE "{declared.path}" (id INTEGER, text TEXT)')
            rows = list(zip(*data.to_pydict().values(), strict=True))
            connection.executemany(f'INSERT INTO "{declared.path}" VALUES (?, ?)', rows)
            connection.commit()

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, OneFileStorage)
        if not Path(storage.spec.root).exists():
            return None
        with closing(self.connect(storage.spec.root)) as connection, suppress(self.missing_table):
            return repr(connection.execute(f'SELECT * FROM "{declared.path}"').fetchall()).encode()
        return None


def behind(storage: AssetStorage) -> Any:
    """A bucket as another program sees it."""
    import obstore.store

    assert isinstance(storage, ObjectStorage)
    options = {k: v for k, v in storage.spec.connection.items() if k not in ("allow_http", "retry_seconds")}
    prefix = storage.spec.root.partition("//")[2].partition("/")[2]
    store = getattr(obstore.store, storage.store_class)
    return store(storage.bucket, prefix=prefix, client_options={"allow_http": True}, **options)


class ObjectConformance(StorageConformance):
    """The suite on a server of objects, and what servers refuse."""

    wrong_credentials: ClassVar[dict[str, str]]
    refused_with: ClassVar[str]

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        behind(storage).put(f"{declared.path}.csv", csv_of(data))

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, ObjectStorage)
        return storage.get_key(f"{declared.path}.{storage.spec.format}")

    def test_second_of_two_runs_is_refused(self, storage: ObjectStorage) -> None:
        first, second = type(storage)(storage.spec), type(storage)(storage.spec)
        for turn in range(2):
            origins = [planned(run, table()) for run in (first, second)]
            first.publish(table(), data_of(table(), (turn, "first")), origins[0])
            manifest = first.read_manifest(table())
            shown = rf"another run stored {storage.spec.root}/table\.\w+ while this one computed it"
            with pytest.raises(StorageError, match=shown):
                second.publish(table(), data_of(table(), (turn, "second")), origins[1])
            read = storage.scan(table(), table().columns).table()
            assert read.column("text").to_pylist() == ["first"]
            assert storage.read_manifest(table()) == manifest

    def test_missing_container_is_named(self, storage: ObjectStorage) -> None:
        root = storage.spec.root.replace("lake", "nonesuch")
        for refused in refusals(type(storage)(replace(storage.spec, root=root, root_text=root))):
            assert refused.message.endswith(f"there is no {storage.container} `nonesuch`")
            assert refused.hint == "make it, or correct the root of storage `lake`"

    def test_wrong_credentials_are_refused_and_not_shown(self, storage: ObjectStorage) -> None:
        connection = {**storage.spec.connection, **self.wrong_credentials}
        for refused in refusals(type(storage)(replace(storage.spec, connection=connection))):
            assert refused.message.endswith(self.refused_with), refused.message
            assert "look at the credentials of storage `lake`" in (refused.hint or "")
            for secret in (*self.wrong_credentials.values(), "127.0.0.1"):
                assert secret not in str(refused)
            assert refused.__cause__ is not None


def refusals(storage: ObjectStorage) -> list[StorageError]:
    """What a server answers to every use of a storage."""
    found = []
    for use in (
        lambda: storage.stat(table()),
        lambda: storage.read_manifest(table()),
        lambda: storage.publish(table(), data_of(table(), (1, "a")), ORIGIN),
        lambda: list(storage.list()),
    ):
        with pytest.raises(StorageError) as caught:
            use()
        found.append(caught.value)
    return found
