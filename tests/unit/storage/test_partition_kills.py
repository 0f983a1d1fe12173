"""Processes that are killed while they store partitions lose nothing, and leave nothing twice."""

from pathlib import Path

import pytest

from tests.unit.storage.partition_kills import KINDS, kill

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_killed_runs_lose_nothing(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    root = str(tmp_path / "lake")
    if kind == "postgresql":
        server = request.getfixturevalue("postgresql_server")
        root = server.url(server.new_database())
    kill(kind, root, 2, hash(str(tmp_path)))
