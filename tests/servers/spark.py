"""Sail, a server of Spark Connect in this process (`pip install pysail`), and Java's Spark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree, ignore_patterns

import pyarrow.parquet as pq
import pytest

from tests.conftest import Cli

_EXAMPLE = Path(__file__).parents[2] / "examples/multi_type_lakehouse"


@contextmanager
def sail() -> Iterator[str]:
    """Start the server; its URL. Tests are skipped where it is not installed."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: run `make servers`")
    pytest.importorskip("pysail", reason="pysail is not installed: run `make servers`")
    os.environ.setdefault("RUST_LOG", "error")
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    try:
        yield f"sc://{host}:{port}"
    finally:
        server.stop()


def highs_by_pandas_and_differences_by_spark(
    folder: Path, monkeypatch: pytest.MonkeyPatch, cli: Cli, *options: str
) -> None:
    """Run the example of several types, whose differences are by Spark what they are by polars."""
    copy = copytree(
        _EXAMPLE, folder / "example", ignore=ignore_patterns(".lakehouse", "daily_*", "spark", "__pycache__")
    )
    monkeypatch.chdir(copy)
    done = cli("-m", "with_spark", *options, "run")
    assert (done.code, done.err) == (0, "")
    name = "daily_temperature_high_diffs_table"
    assert cli("run", name, "daily_temperature_highs_table").code == 0
    by_spark = pq.read_table(copy / f"data/spark/{name}.parquet").to_pylist()
    by_polars = cli("show", name, "-n", "100", "-o", "json").json["rows"]
    assert [(str(row["valid_date"]), row["day_high_diff"]) for row in by_spark] == [
        tuple(row.values()) for row in by_polars
    ]
    assert len(by_spark) == 91
