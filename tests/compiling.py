"""pytest's plugin that keeps what is compiled, also where PYTHONDONTWRITEBYTECODE is set.

pytest rewrites the assertions of the tests, and of every package that has a plugin, Hypothesis and lakehouse among
them: each process of the suite would do it anew. While tests run nothing is written: projects have modules, too.
"""

from __future__ import annotations

import compileall
import gc
import sys
from pathlib import Path

import pytest

_BEFORE, sys.dont_write_bytecode = sys.dont_write_bytecode, False


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the package once: each command of a test would compile all of it anew."""
    if not hasattr(session.config, "workerinput"):
        compileall.compile_dir(Path(__file__).parents[1] / "lakehouse_cli", quiet=2)


def pytest_collection_finish() -> None:
    """The tests are no garbage: each collection of all generations would go through thousands of them."""
    sys.dont_write_bytecode = _BEFORE
    gc.collect()
    gc.freeze()
