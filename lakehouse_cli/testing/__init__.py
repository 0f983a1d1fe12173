"""What tests need: frames of tables, their contracts, and conformance suites for authors of storages and the like."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lakehouse_cli.testing.rows import assert_keeps_contract, frame

__all__ = ["assert_keeps_contract", "frame"]

# Of its own accord pytest shows the values of an assertion that fails only in files of tests and in plugins.
pytest.register_assert_rewrite(
    *(f"{__name__}.{suite}" for suite in ("storage", "storage_pieces", "frames", "executors"))
)


# pytest imports this package for the plugin in it, in suites that have nothing to do with tables.
def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lakehouse_cli.testing import rows

    return getattr(rows, name)
