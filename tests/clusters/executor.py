"""The executors of clusters through the suite of all executors; `make test-clusters` runs this file."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse_cli.executors.base import Executor
from lakehouse_cli.registry import EXECUTORS, load
from lakehouse_cli.testing.executors import ExecutorConformance
from tests.clusters.servers import Cluster


class TestOnCluster(ExecutorConformance):
    @pytest.fixture
    def executor_class(self, started_cluster: Cluster) -> type[Executor]:
        started_cluster.restore(1, slots=3)
        base: Any = load(EXECUTORS[started_cluster.executor])

        class OnCluster(base):
            def __init__(self, *args: Any, **keywords: Any) -> None:
                super().__init__(*args, options={"address": started_cluster.address}, **keywords)

        return OnCluster
