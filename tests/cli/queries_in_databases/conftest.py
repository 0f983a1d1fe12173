"""Fixtures of the tests of queries that run in their database."""

from __future__ import annotations

import pytest

from tests.cli.queries_in_databases.projects import Database, made
from tests.conftest import ProjectFolder


@pytest.fixture(params=["postgresql", "duckdb", "sqlite"])
def database(request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    return made(request.param, request, folder)


@pytest.fixture
def server(request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    return made("postgresql", request, folder)


@pytest.fixture
def lake(request: pytest.FixtureRequest, folder: ProjectFolder) -> Database:
    return made("duckdb", request, folder)
