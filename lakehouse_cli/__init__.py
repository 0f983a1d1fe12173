"""Tables first: declare them, write pure functions, and let `lakehouse run` do everything between."""

from __future__ import annotations

from lakehouse_cli.version import __version__

TYPE_CHECKING = False  # as type checkers know it, without loading `typing` before Ctrl-C is seen to
if TYPE_CHECKING:
    from typing import Any

    from lakehouse_cli.declarations import Column, Target, computed_asset, computed_table, source_asset, source_table
    from lakehouse_cli.project.facade import Project
    from lakehouse_cli.project.lakehouse import Lakehouse
    from lakehouse_cli.storage.base import AssetStorage
    from lakehouse_cli.storage.keyed.base import KeyedStorage

__all__ = [
    "AssetStorage",
    "Column",
    "KeyedStorage",
    "Lakehouse",
    "Project",
    "Target",
    "__version__",
    "computed_asset",
    "computed_table",
    "source_asset",
    "source_table",
]

# The command line imports this package at every start; each of these is loaded when it is asked for.
_MODULES = {
    "AssetStorage": "storage.base",
    "Column": "declarations",
    "KeyedStorage": "storage.keyed.base",
    "Lakehouse": "project.lakehouse",
    "Project": "project.facade",
    "Target": "declarations",
    "load_ipython_extension": "cli.notebook",
    "computed_asset": "declarations",
    "computed_table": "declarations",
    "source_asset": "declarations",
    "source_table": "declarations",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"lakehouse_cli.{_MODULES[name]}"), name)
