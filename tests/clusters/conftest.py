"""One cluster of each kind for all tests; what a test has killed is there again for the next one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clusters.servers import Cluster, DaskCluster, RayCluster
from tests.servers.postgresql import PASSWORD, USER, PostgreSQL
from tests.servers.s3 import S3Server


@pytest.fixture(scope="session")
def places(s3_server: S3Server, postgresql_server: PostgreSQL) -> dict[str, str]:
    """Variables of the bucket and the warehouse."""
    known = {"PG_PASSWORD": PASSWORD, "PG_USER": USER, "PG_PORT": str(postgresql_server.port), "LAKE_BUCKET": "lake"}
    return {**s3_server.environ, **known}


@pytest.fixture(scope="session", params=[DaskCluster, RayCluster])
def started_cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, places: dict[str, str]
) -> Iterator[Cluster]:
    """A cluster whose workers have the variables of the bucket and the warehouse."""
    cluster = request.param(tmp_path_factory.mktemp("cluster"), places)
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def cluster(started_cluster: Cluster) -> Cluster:
    """A cluster of three workers that do one piece of work at once each."""
    started_cluster.restore(3)
    return started_cluster
