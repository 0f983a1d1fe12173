"""Frames of Spark in Java's Spark on this machine: `make test-spark`, of which no other target runs anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse_cli.engines.spark_session import spark_of_run
from lakehouse_cli.model import SparkSpec
from lakehouse_cli.testing.frames import FrameConformance
from lakehouse_cli.transforms import FrameType, frame_type_of

SPEC = SparkSpec(master="local[2]", config={"spark.driver.memory": "1g", "spark.sql.shuffle.partitions": "2"})


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    with spark_of_run(SPEC):
        yield


class TestSpark(FrameConformance):
    @pytest.fixture
    def frames(self) -> Iterator[FrameType]:
        found = frame_type_of("pyspark.sql.DataFrame")
        with found.scope():
            yield found

    def change(self, frame: Any) -> bool:
        return False
