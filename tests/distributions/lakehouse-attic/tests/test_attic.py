"""The attic does what every storage must."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from lakehouse_attic.storage import Attic, packed

from lakehouse_cli.testing.storage import StorageConformance, storage_of


class TestAttic(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Attic:
        return storage_of(Attic, str(tmp_path), label="box", level=1)

    def put(self, storage: Any, declared: Any, data: pa.Table) -> None:
        text = io.BytesIO()
        pyarrow.csv.write_csv(data, text)
        storage._file(f"{declared.path}.csv").write_bytes(packed(text.getvalue()))

    def get(self, storage: Any, declared: Any) -> bytes | None:
        file = storage._file(f"{declared.path}.csv")
        return file.read_bytes() if file.exists() else None

    def break_writing(self, storage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def compress(*_: Any) -> bytes:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(zlib, "compress", compress)
