"""Sail, a server of Spark Connect in this process (`pip install pysail`), and Java's Spark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


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
