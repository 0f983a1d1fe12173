"""Conformance suites that authors of storages, frame types and executors run against their own."""

import pytest

# Of its own accord pytest shows the values of an assertion that fails only in files of tests and in plugins.
pytest.register_assert_rewrite(
    *(f"{__name__}.{suite}" for suite in ("storage", "storage_pieces", "frames", "executors"))
)
