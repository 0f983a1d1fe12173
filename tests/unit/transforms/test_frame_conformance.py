"""The frame types of the tool do what every frame type must."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from lakehouse_cli.testing.frames import FrameConformance
from lakehouse_cli.transforms import FrameType, frame_type_of


class TestPandas(FrameConformance):
    @pytest.fixture
    def frames(self) -> FrameType:
        return frame_type_of(pd.DataFrame)

    def change(self, frame: Any) -> bool:
        frame.loc[0, "id"] = 100
        return True


class TestArrow(FrameConformance):
    @pytest.fixture
    def frames(self) -> FrameType:
        return frame_type_of(pa.Table)

    def change(self, frame: Any) -> bool:
        return False


class TestPolars(FrameConformance):
    @pytest.fixture
    def frames(self) -> FrameType:
        return frame_type_of(pl.DataFrame)

    def change(self, frame: Any) -> bool:
        frame[0, "id"] = 100
        return True


class TestReader(FrameConformance):
    @pytest.fixture
    def frames(self) -> FrameType:
        return frame_type_of(pa.RecordBatchReader)

    def change(self, frame: Any) -> bool:
        return False


class TestLazy(FrameConformance):
    @pytest.fixture
    def frames(self) -> FrameType:
        return frame_type_of(pl.LazyFrame)

    def change(self, frame: Any) -> bool:
        return False


class TestRelation(FrameConformance):
    @pytest.fixture
    def frames(self) -> Iterator[FrameType]:
        found = frame_type_of(duckdb.DuckDBPyRelation)
        with found.scope():
            yield found

    def change(self, frame: Any) -> bool:
        return False


@pytest.mark.slow
class TestIbis(FrameConformance):
    @pytest.fixture
    def frames(self) -> Iterator[FrameType]:
        found = frame_type_of("ibis.Table")
        with found.scope():
            yield found

    def change(self, frame: Any) -> bool:
        return False


@pytest.mark.slow
class TestDask(FrameConformance):
    @pytest.fixture
    def frames(self) -> Iterator[FrameType]:
        found = frame_type_of("dask.dataframe.DataFrame")
        with found.scope():
            yield found

    def change(self, frame: Any) -> bool:
        frame["id"] = frame["id"] + 100
        return True
