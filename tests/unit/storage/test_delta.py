"""Delta Lake: the conformance suite, and what only versions have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.model import StorageSpec
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.delta import DeltaStorage
from lakehouse_cli.testing.storage import StorageConformance


class DeltaConformance(StorageConformance):
    options: dict[str, str] = {}

    def place(self, storage: AssetStorage, declared: Any) -> str:
        assert isinstance(storage, DeltaStorage)
        return storage._place(declared.path)

    def settings(self, storage: AssetStorage) -> dict[str, str]:
        assert isinstance(storage, DeltaStorage)
        return storage._settings

    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        place = self.place(storage, declared)
        deltalake.write_deltalake(place, data, mode="overwrite", storage_options=self.settings(storage))

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        try:
            table = deltalake.DeltaTable(self.place(storage, declared), storage_options=self.settings(storage))
        except deltalake.exceptions.TableNotFoundError:
            return None
        return repr((table.version(), table.to_pyarrow_table().to_pydict())).encode()

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        def write_table(self: pq.ParquetWriter, *_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)


class TestDeltaInAFolder(DeltaConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> DeltaStorage:
        return DeltaStorage(StorageSpec("default", str(tmp_path / "lake"), "lake", "", type="delta"))
