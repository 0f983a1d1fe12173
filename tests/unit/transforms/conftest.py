"""What the tests of queries share: one analysis and one connection for the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.connection import private_connection


@pytest.fixture(scope="module")
def analysis() -> Iterator[QueryAnalysis]:
    with QueryAnalysis() as opened:
        yield opened


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with private_connection(spills=False, threads=1) as opened:
        yield opened
