"""What the annex brings does what lakehouse relies on."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest
from lakehouse_annex.crate import CrateFormat
from lakehouse_annex.executor import LoggedExecutor
from lakehouse_annex.frames import RowsFrame
from lakehouse_annex.labels import Labels
from lakehouse_annex.spec import CRATE

from lakehouse_cli.executors.base import Executor
from lakehouse_cli.formats.objects.base import Serializer
from lakehouse_cli.testing.executors import ExecutorConformance
from lakehouse_cli.testing.frames import FrameConformance
from lakehouse_cli.testing.serializers import SerializerConformance
from lakehouse_cli.transforms import FrameType


class TestRows(FrameConformance):
    @pytest.fixture
    def frames(self) -> FrameType:
        return RowsFrame()

    def change(self, frame: Any) -> bool:
        frame[0]["id"] = 100
        return True


class TestLogged(ExecutorConformance):
    @pytest.fixture
    def executor_class(
        self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> type[Executor]:
        monkeypatch.chdir(tmp_path_factory.mktemp("log"))
        return LoggedExecutor


class TestLabels(SerializerConformance):
    values = (set(), {"b", "a"})
    refused = (["a"], {1})

    @pytest.fixture
    def serializer(self) -> Serializer:
        return Labels()


def test_crates_come_back() -> None:
    data = pa.table({"n": [1, None], "t": ["", "x"]})
    sink = io.BytesIO()
    CrateFormat().write(data, sink, CRATE.checked({"level": 9}))
    assert CrateFormat().read(lambda: io.BytesIO(sink.getvalue()), "x.crate", None, CRATE.checked({})).equals(data)
