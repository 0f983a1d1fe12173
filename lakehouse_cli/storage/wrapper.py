"""A storage that does what another one does, in all that storages can do.

A wrapper overrides what it does differently; whatever is added to `AssetStorage` or to the capabilities is forwarded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import CAPABILITIES, PublishesTogether

_Capability = TypeVar("_Capability")


def _methods(of: type) -> dict[str, Callable[..., Any]]:
    return {name: each for name, each in vars(of).items() if not name.startswith("_") and callable(each)}


def _forward(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: WrapperStorage, *arguments: Any, **keywords: Any) -> Any:
        return self.forward(name, *arguments, **keywords)

    method.__name__ = name
    method.__doc__ = original.__doc__
    return method


#: Every public method of a storage and of the capabilities, by name.
FORWARDED = {name: each for of in (AssetStorage, *CAPABILITIES) for name, each in _methods(of).items()}
_Forwarding: Any = type("_Forwarding", (AssetStorage,), {name: _forward(name, FORWARDED[name]) for name in FORWARDED})

#: Every public attribute of a storage that is not a method.
_ATTRIBUTES = [name for name in AssetStorage.__annotations__ if not name.startswith("_")]


class WrapperStorage(_Forwarding):  # type: ignore[misc]  # its methods are made above
    """Forwards every method to the storage within; a base for those that do something differently.

    Attributes:
        inner: The storage within.
    """

    def __init__(self, inner: AssetStorage) -> None:
        self.inner = inner
        for name in _ATTRIBUTES:
            setattr(self, name, getattr(inner, name))

    def forward(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        """Call a method of the storage within; to override for what is to hold for all of them."""
        return getattr(self.inner, method)(*arguments, **keywords)

    def capability(self, protocol: type[_Capability]) -> _Capability | None:
        """Return the wrapper itself for what the storage within can do; one that publishes differently, one by one."""
        if protocol is PublishesTogether and type(self).publish_pieces is not _Forwarding.publish_pieces:
            return None
        return None if self.inner.capability(protocol) is None else cast("_Capability", self)


def innermost(storage: AssetStorage) -> AssetStorage:
    """Return the storage within all wrappers, for what its class says of itself."""
    while isinstance(storage, WrapperStorage):
        storage = storage.inner
    return storage
