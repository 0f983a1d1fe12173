"""Google Cloud Storage: the conformance suite on a stand-in that holds generations and preconditions to the letter."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage import AssetStorage
from lakehouse_cli.storage.keyed.objects import GcsStorage
from lakehouse_cli.testing.storage import ORIGIN, csv_of, data_of, table
from tests.servers.gcs import GcsServer
from tests.unit.storage.suites import ObjectConformance

_roots = (f"root{number}" for number in itertools.count())


@pytest.fixture
def storage(gcs_server: GcsServer) -> GcsStorage:
    gcs_server.buckets.setdefault("lake", {})
    root = f"gs://lake/{next(_roots)}"
    return GcsStorage(
        StorageSpec("lake", root, root, type="gcs", connection={**gcs_server.options, "retry_seconds": 0})
    )


class TestCsvOnGoogle(ObjectConformance):
    wrong_credentials: ClassVar[dict[str, str]] = {"token": "not-the-token"}
    refused_with = " (AuthenticationRequired)"

    @pytest.fixture(autouse=True)
    def server(self, gcs_server: GcsServer) -> None:
        self.gcs = gcs_server

    def name(self, storage: AssetStorage, declared: Any) -> str:
        assert isinstance(storage, GcsStorage)
        return f"{storage.spec.root.removeprefix('gs://lake/')}/{declared.path}.csv"

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        self.gcs.put("lake", self.name(storage, declared), csv_of(data))


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
