"""Google Cloud Storage: the conformance suite on a stand-in that holds generations and preconditions to the letter."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.format import CsvFormat
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.keyed.objects import GcsStorage
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, data_of, planned, table
from tests.servers.gcs import GcsServer

pytestmark = pytest.mark.slow

_roots = (f"root{number}" for number in itertools.count())


def spec(server: GcsServer, root: str, **options: Any) -> StorageSpec:
    connection = {**server.options, "retry_seconds": 0, **options}
    return StorageSpec("lake", root, root, type="gcs", connection=connection)


@pytest.fixture
def storage(gcs_server: GcsServer) -> GcsStorage:
    gcs_server.buckets.setdefault("lake", {})
    return GcsStorage(spec(gcs_server, f"gs://lake/{next(_roots)}"))


class TestCsvOnGoogle(StorageConformance):
    @pytest.fixture(autouse=True)
    def server(self, gcs_server: GcsServer) -> None:
        self.gcs = gcs_server

    def name(self, storage: AssetStorage, declared: Any) -> str:
        assert isinstance(storage, GcsStorage)
        return f"{storage.spec.root.removeprefix('gs://lake/')}/{declared.path}.csv"

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        rows = [",".join(data.column_names), *(",".join(map(str, row.values())) for row in data.to_pylist())]
        self.gcs.put("lake", self.name(storage, declared), "\n".join(rows).encode())

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        found = self.gcs.buckets["lake"].get(self.name(storage, declared))
        return None if found is None else found.data

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        def write(self: CsvFormat, data: pa.Table, sink: Any, options: Any) -> None:
            sink.write(b"id,te")
            raise KeyboardInterrupt

        monkeypatch.setattr(CsvFormat, "write", write)


def test_what_is_replaced_is_named_by_its_generation(storage: GcsStorage, gcs_server: GcsServer) -> None:
    conditions = []
    for turn in range(2):
        gcs_server.asked.clear()
        storage.content(table(), ())
        storage.publish(table(), data_of(table(), (turn, "a")), ORIGIN)
        puts = [(path, condition) for method, path, condition in gcs_server.asked if method == "PUT"]
        conditions.append([condition for path, condition in puts if path.endswith("csv")])
        assert all(condition is not None for _, condition in puts)
    assert conditions[0] == ["0"]
    assert int(conditions[1][0] or 0) > 0


def test_two_runs_on_one_server(storage: GcsStorage) -> None:
    first, second = GcsStorage(storage.spec), GcsStorage(storage.spec)
    for turn in range(2):
        origins = [planned(run, table()) for run in (first, second)]
        first.publish(table(), data_of(table(), (turn, "first")), origins[0])
        with pytest.raises(StorageError, match=r"another run stored gs://lake/\S+/table\.csv"):
            second.publish(table(), data_of(table(), (turn, "second")), origins[1])


def test_no_such_bucket(gcs_server: GcsServer) -> None:
    storage = GcsStorage(spec(gcs_server, "gs://nonesuch/x"))
    for use in (storage.stat, storage.read_manifest, lambda t: list(storage.list())):
        with pytest.raises(StorageError) as caught:
            use(table())
        assert caught.value.message.endswith("there is no bucket `nonesuch`")


def test_a_wrong_token(storage: GcsStorage, gcs_server: GcsServer) -> None:
    wrong = GcsStorage(spec(gcs_server, storage.spec.root, token="not-the-token"))
    with pytest.raises(StorageError) as caught:
        wrong.read_manifest(table())
    assert "credentials" in caught.value.message + (caught.value.hint or "")
    assert "not-the-token" not in str(caught.value)
