"""Where tables are read from and published to.

`KeyedStorage` is what a storage of one's own is built on: `Head` is what it tells of a key, `ChangedError` what it
raises where another run was first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakehouse_cli.storage.base import AssetStorage, ChangedError
    from lakehouse_cli.storage.keyed import Head, KeyedStorage

__all__ = ["AssetStorage", "ChangedError", "Head", "KeyedStorage"]


def __getattr__(name: str) -> Any:
    # Not loaded before they are asked for: the option checks of formats, which lie in here, are used by every command.
    if name in ("AssetStorage", "ChangedError"):
        from lakehouse_cli.storage import base

        return getattr(base, name)
    if name in __all__:
        from lakehouse_cli.storage import keyed

        return getattr(keyed, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
