"""Methods that compute each result once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import MethodType
from typing import Any, TypeVar, cast

_Method = TypeVar("_Method", bound=Callable[..., Any])


class _CachedMethod:
    """Gives each object a `functools.cache` of its own, which lives no longer than the object."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method

    def __get__(self, owner: Any, _: type) -> Callable[..., Any]:
        found = owner.__dict__[self._method.__name__] = cache(MethodType(self._method, owner))
        return found


def cached_method(method: _Method) -> _Method:
    """Have a method compute its result once for the same arguments; exceptions are not kept."""
    return cast(_Method, _CachedMethod(method))
