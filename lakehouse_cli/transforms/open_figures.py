"""The figures that pyplot has open: of each call of a transform its own, as all of a process share one list of them."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping, Sequence, ValuesView
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# Keeps the list; its figures are those of `matplotlib.pyplot`.
_REGISTRY = "matplotlib._pylab_helpers"
_lock = threading.Lock()


class _Call(threading.local):
    """The figures of the call that a thread is in."""

    figures: OrderedDict[Any, Any] | None = None


_call = _Call()


class figures_of_one_call:  # noqa: N801  # used as a function is; a class, as it is entered for every call
    """Begin a call in this thread without open figures, and close those that it leaves open; others stay open."""

    def __enter__(self) -> None:
        _tell_calls_apart()
        self._before, _call.figures = _call.figures, OrderedDict()

    def __exit__(self, *_: object) -> None:
        try:
            if _call.figures:
                sys.modules[_REGISTRY].Gcf.destroy_all()
        finally:
            _call.figures = self._before


def _tell_calls_apart() -> None:
    """Replace the list, or have it replaced as pyplot is loaded, which any call may do by a library that it uses."""
    with _lock:
        if (registry := sys.modules.get(_REGISTRY)) is not None:
            _replace_list(registry)
        elif not any(isinstance(each, _Finder) for each in sys.meta_path):
            sys.meta_path.insert(0, _Finder())


def _replace_list(registry: ModuleType) -> None:
    # Without `Gcf` while it is being loaded.
    gcf = getattr(registry, "Gcf", None)
    if gcf is not None and not isinstance(gcf.figs, _Figures):
        gcf.figs = _Figures(gcf.figs)


class _Finder(MetaPathFinder):
    """Finds the module that keeps the list, and replaces the list before any other module has it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module that keeps the list; None for all others."""
        if fullname != _REGISTRY:
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and (loader := found.loader) is not None:
            execute = loader.exec_module

            def execute_and_replace(module: ModuleType) -> None:
                execute(module)
                _replace_list(module)

            loader.exec_module = execute_and_replace  # type: ignore[method-assign]
        return found


class _Figures(MutableMapping[Any, Any]):
    """Figures by their numbers, oldest first: in a thread that calls a transform those of the call, else all others.

    Args:
        others: Those of no call.
    """

    def __init__(self, others: OrderedDict[Any, Any]) -> None:
        self._others = others

    @property
    def _own(self) -> OrderedDict[Any, Any]:
        return self._others if _call.figures is None else _call.figures

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
