"""The executor of Dask through the suite of all executors; `make test-clusters` runs this file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse_cli.executors.base import Executor
from lakehouse_cli.executors.dask import DaskExecutor
from lakehouse_cli.testing.executors import ExecutorConformance
from tests.clusters.servers import DaskCluster, dask_cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as running:
        yield running


class TestDask(ExecutorConformance):
    @pytest.fixture
    def executor_class(self, cluster: DaskCluster) -> type[Executor]:
        class OnCluster(DaskExecutor):
            def __init__(self, *args: Any, **keywords: Any) -> None:
                super().__init__(*args, options={"address": cluster.address}, **keywords)

        return OnCluster
