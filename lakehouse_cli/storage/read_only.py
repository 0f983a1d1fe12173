"""A storage of another environment, which is only read."""

from __future__ import annotations

from typing import Any

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.wrapper import WrapperStorage

_CHANGING = frozenset(
    (
        "publish",
        "publish_pieces",
        "publish_together",
        "publish_query",
        "storing_anew",
        "keep_checks",
        "keep_digests",
        "drop_digests",
        "delete",
        "drop",
        "claim",
        "may_replace",
        "remove_leftovers",
    )
)


class ReadOnlyStorage(WrapperStorage):
    """Reads everything of a storage and changes nothing.

    Args:
        inner: The storage.
        environment: Whose it is, for messages.
    """

    def __init__(self, inner: AssetStorage, environment: str) -> None:
        super().__init__(inner)
        self._environment = environment

    def forward(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Refuse what would change anything."""
        if method == "remove_stray":
            return f"environment `{self._environment}` is read-only"
        if method in _CHANGING:
            table = arguments[0] if isinstance(arguments[0], Table) else next(iter(arguments[0]))
            message = f"`{table.name}` is read from environment `{self._environment}`, where nothing is changed"
            raise StorageError(message)
        return super().forward(method, *arguments, **keywords)
