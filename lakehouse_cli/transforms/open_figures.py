"""The figures that pyplot has open: of each call of a transform its own, as all of a process share one list of them."""

from __future__ import annotations

import inspect
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping, ValuesView
from contextlib import contextmanager
from importlib import import_module
from typing import Any

# Keeps the list; its figures are those of `matplotlib.pyplot`.
_REGISTRY = "matplotlib._pylab_helpers"
_lock = threading.Lock()


@contextmanager
def figures_of_one_call(fn: Callable[..., Any]) -> Iterator[None]:
    """Begin a call without open figures, and close those that it leaves open; the ones that are open stay so.

    Args:
        fn: What is called, in this thread.
    """
    figures = _figures(fn)
    if figures is None:
        yield
        if (loaded := sys.modules.get(_REGISTRY)) is not None and not isinstance(loaded.Gcf.figs, _Figures):
            loaded.Gcf.destroy_all()  # pyplot was loaded by the call: all are of it
        return
    before = figures.of_call
    figures.of_call = OrderedDict()
    try:
        yield
    finally:
        sys.modules[_REGISTRY].Gcf.destroy_all()
        figures.of_call = before


def _figures(fn: Callable[..., Any]) -> _Figures | None:
    """The list of open figures that tells calls apart; None where the call is not known to draw."""
    code = getattr(inspect.unwrap(fn), "__code__", None)
    if _REGISTRY not in sys.modules:
        if "matplotlib" not in sys.modules and "matplotlib" not in getattr(code, "co_names", ()):
            return None
        try:
            import_module(_REGISTRY)
        except Exception:  # noqa: BLE001  # the call itself will say it
            return None
    registry = sys.modules[_REGISTRY].Gcf
    with _lock:
        if not isinstance(registry.figs, _Figures):
            registry.figs = _Figures(registry.figs)
        found: _Figures = registry.figs
    return found


class _Figures(MutableMapping[Any, Any], threading.local):
    """Figures by their numbers, oldest first: in a thread that calls a transform those of the call, else all others.

    Args:
        others: Those of no call.
    """

    def __init__(self, others: OrderedDict[Any, Any]) -> None:
        self._others = others
        self.of_call: OrderedDict[Any, Any] | None = None

    @property
    def _own(self) -> OrderedDict[Any, Any]:
        return self._others if self.of_call is None else self.of_call

    def __getitem__(self, number: Any) -> Any:
        return self._own[number]

    def __setitem__(self, number: Any, manager: Any) -> None:
        self._own[number] = manager

    def __delitem__(self, number: Any) -> None:
        del self._own[number]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own)

    def __reversed__(self) -> Iterator[Any]:
        return iter(reversed(self._own))

    def __len__(self) -> int:
        return len(self._own)

    def values(self) -> ValuesView[Any]:
        """The managers, which can be reversed."""
        return self._own.values()

    def move_to_end(self, number: Any, last: bool = True) -> None:
        """Make a figure the current one."""
        self._own.move_to_end(number, last)
