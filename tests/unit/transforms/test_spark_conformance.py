"""Frames of Spark do what every frame type must, through Spark Connect against Sail, which needs no Java."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.engines.spark_session import spark_of_run
from lakehouse_cli.model import SparkSpec
from lakehouse_cli.testing.frames import FrameConformance
from lakehouse_cli.transforms import FrameType, frame_type_of
from tests.servers.spark import sail

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    with sail() as url, spark_of_run(SparkSpec(remote=url)):
        yield


class TestSparkConnect(FrameConformance):
    @pytest.fixture
    def frames(self) -> Iterator[FrameType]:
        found = frame_type_of("pyspark.sql.DataFrame")
        with found.scope():
            yield found

    def change(self, frame: Any) -> bool:
        return False

    def test_floats_are_told_apart(self, frames: FrameType) -> None:
        """NaN is no null, and zero keeps its sign, in lists too."""
        values = [float("nan"), None, -0.0, 0.0]
        data = pa.table({"x": pa.array(values, pa.float64()), "xs": pa.array([values] * 4, pa.list_(pa.float64()))})
        assert str(frames.to_arrow(frames.from_arrow(data), None).to_pylist()) == str(data.to_pylist())
