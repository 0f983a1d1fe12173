"""The attic does what every storage must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from lakehouse_attic.storage import Attic, packed

from lakehouse_cli.testing.storage import StorageConformance, csv_of, storage_of


class TestAttic(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Attic:
        return storage_of(Attic, str(tmp_path), label="box", level=1)

    def put(self, storage: Any, declared: Any, data: pa.Table) -> None:
        storage._file(f"{declared.path}.csv").write_bytes(packed(csv_of(data)))

    def get(self, storage: Any, declared: Any) -> bytes | None:
        file = storage._file(f"{declared.path}.csv")
        return file.read_bytes() if file.exists() else None
