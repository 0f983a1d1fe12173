"""Where tables are read from and published to.

`KeyedStorage` is what a storage of one's own is built on: `Head` is what it reports of a key, `ChangedError` what it
raises where another run was first, `Cause` what an exception of its backend means. One without keys is an
`AssetStorage`, and reads by a `Scan`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse_cli.storage.base import AssetStorage, Scan
    from lakehouse_cli.storage.errors import Cause, ChangedError
    from lakehouse_cli.storage.keyed.base import KeyedStorage
    from lakehouse_cli.storage.keyed.head import Head

__all__ = ["AssetStorage", "Cause", "ChangedError", "Head", "KeyedStorage", "Scan"]

_MODULES = {
    "AssetStorage": "base",
    "Cause": "errors",
    "ChangedError": "errors",
    "Head": "keyed.head",
    "KeyedStorage": "keyed.base",
    "Scan": "base",
}


def __getattr__(name: str) -> Any:
    # Not loaded before they are asked for: the option checks of formats, which lie in here, are used by every command.
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
