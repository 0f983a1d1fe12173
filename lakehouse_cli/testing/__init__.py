"""Conformance suites that authors of storages and frame types run against their own."""

import pytest

# Of its own accord pytest tells the values of an assertion that fails only in files of tests and in plugins.
pytest.register_assert_rewrite(f"{__name__}.storage", f"{__name__}.frames")
