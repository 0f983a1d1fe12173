"""Classes given as the `type` of storages that are declared in Python → the names by which they are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.python_nodes import Nodes, shown_value

_TYPE = "type"
#: Finds the name of a class at the top of a module; None after a problem was reported.
FindName = Callable[[type, str, Nodes, str], str | None]


def with_named_classes(key: str, value: Any, nodes: Nodes, find_name: FindName) -> Any:
    """Return the value of a project's key with ``module:Class`` in place of classes.

    Args:
        key: Of the project: ``storages``, or ``environments``, which have storages too; others stay as they are.
        value: As given; what is no map of maps stays as it is, for those who read it.
        nodes: Of the call; takes problems.
        find_name: Finds a class.
    """
    if key == "environments" and isinstance(value, Mapping):
        return {name: _of_environment(each, nodes, find_name) for name, each in value.items()}
    return _storages(value, nodes, find_name) if key == "storages" else value


def _of_environment(keys: Any, nodes: Nodes, find_name: FindName) -> Any:
    if not isinstance(keys, Mapping):
        return keys
    return {key: _storages(value, nodes, find_name) if key == "storages" else value for key, value in keys.items()}


def _storages(storages: Any, nodes: Nodes, find_name: FindName) -> Any:
    if not isinstance(storages, Mapping):
        return storages
    return {name: _of_storage(name, keys, nodes, find_name) for name, keys in storages.items()}


def _of_storage(name: Any, keys: Any, nodes: Nodes, find_name: FindName) -> Any:
    if not isinstance(keys, Mapping) or _TYPE not in keys or isinstance(keys[_TYPE], str | None):
        return keys
    return {**keys, _TYPE: _named(keys[_TYPE], f"storage {quoted(str(name))}", nodes, find_name)}


def _named(given: Any, owner: str, nodes: Nodes, find_name: FindName) -> Any:
    if not isinstance(given, type):
        message = f"`type` of {owner} is {shown_value(given)}, which is no class"
        kind = type(given)
        hint = "give it the class of a storage, or its name: `module:Class`"
        if any(callable(getattr(kind, method, None)) for method in ("save", "publish")):
            hint = f"give it the class itself, `{kind.__name__}`, and its options under `options`"
        return nodes.report(message, hint)
    name = given.__qualname__
    if "." in name:
        inside = name.replace(".<locals>", "").rpartition(".")[0]
        message = f"class `{given.__name__}` of {owner} is defined inside `{inside}`"
        return nodes.report(message, "move it to the top of the module, where a run finds it by its name")
    return find_name(given, name, nodes, owner) or nodes.broken
