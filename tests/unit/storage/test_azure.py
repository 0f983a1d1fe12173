"""Azure Blob Storage: the conformance suite on Azurite."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.keyed.objects import AzureStorage
from lakehouse_cli.testing.storage import StorageConformance, data_of, planned, table
from tests.servers.azure import AzureServer

pytestmark = pytest.mark.slow

_roots = (f"root{number}" for number in itertools.count())


def spec(server: AzureServer, root: str, **options: Any) -> StorageSpec:
    connection = {**server.options, "retry_seconds": 1, **options}
    return StorageSpec("lake", root, root, type="azure", connection=connection)


@pytest.fixture
def storage(azure_server: AzureServer) -> AzureStorage:
    azure_server.make_container("lake")
    return AzureStorage(spec(azure_server, f"az://lake/{next(_roots)}"))


def behind(storage: AzureStorage) -> Any:
    """The container as another program sees it."""
    from obstore.store import AzureStore

    options = {k: v for k, v in storage.spec.connection.items() if k not in ("allow_http", "retry_seconds")}
    prefix = storage.spec.root.partition("//")[2].partition("/")[2]
    return AzureStore(storage.bucket, prefix=prefix, client_options={"allow_http": True}, **options)


class TestCsvOnAzure(StorageConformance):
    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        import obstore

        assert isinstance(storage, AzureStorage)
        rows = [",".join(data.column_names), *(",".join(map(str, row.values())) for row in data.to_pylist())]
        obstore.put(behind(storage), f"{declared.path}.csv", "\n".join(rows).encode())

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        import obstore

        assert isinstance(storage, AzureStorage)
        try:
            return bytes(obstore.get(behind(storage), f"{declared.path}.csv").bytes())
        except FileNotFoundError:
            return None

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        def write(self: CsvFormat, data: pa.Table, sink: Any, options: Any) -> None:
            sink.write(b"id,te")
            raise KeyboardInterrupt

        monkeypatch.setattr(CsvFormat, "write", write)


def test_two_runs_on_one_server(storage: AzureStorage) -> None:
    first, second = AzureStorage(storage.spec), AzureStorage(storage.spec)
    for turn in range(2):
        origins = [planned(run, table()) for run in (first, second)]
        first.publish(table(), data_of(table(), (turn, "first")), origins[0])
        with pytest.raises(StorageError, match=r"another run stored az://lake/\S+/table\.csv"):
            second.publish(table(), data_of(table(), (turn, "second")), origins[1])


def test_no_such_container(azure_server: AzureServer) -> None:
    storage = AzureStorage(spec(azure_server, "az://nonesuch/x"))
    for use in (storage.stat, storage.read_manifest, lambda t: list(storage.list())):
        with pytest.raises(StorageError) as caught:
            use(table())
        assert caught.value.message.endswith("there is no container `nonesuch`")


def test_a_wrong_key(storage: AzureStorage, azure_server: AzureServer) -> None:
    wrong = AzureStorage(spec(azure_server, storage.spec.root, account_key="bm90IHRoZSBrZXk="))
    with pytest.raises(StorageError) as caught:
        wrong.read_manifest(table())
    assert "credentials" in caught.value.message + (caught.value.hint or "")
    assert "bm90" not in str(caught.value)
