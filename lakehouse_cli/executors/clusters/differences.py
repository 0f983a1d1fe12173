"""What a process has otherwise than a run requires.

The text of this module is sent to workers, which may lack lakehouse and have another Python: it uses nothing but
Python's own library, of 3.8 and later.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any


def differences(module: str, wanted: Mapping[str, Any]) -> list[str]:
    """What this process has otherwise, each as a clause behind "the worker".

    Args:
        module: One of lakehouse's, which it must be able to import.
        wanted: The attributes of `Requirements`.
    """
    return [*_of_versions(module, wanted), *_of_modules(wanted["modules"]), *_of_variables(wanted)]


def _of_versions(module: str, wanted: Mapping[str, Any]) -> Iterator[str]:
    found = {"Python": (python_version(), wanted["python"])}
    try:
        import_module(module)
        found["lakehouse"] = import_module("lakehouse_cli.version").__version__, wanted["lakehouse"]
    except Exception as error:  # noqa: BLE001  # such as of the syntax of a newer Python
        yield _of_import(error)
    found.update({name: (installed_version(name), needed) for name, needed in wanted["packages"].items()})
    for name, (installed, needed) in found.items():
        if installed is None:
            yield f"has no {name}"
        elif needed not in ("", installed):
            yield f"has {name} {installed}, not {needed}"


def _of_import(error: Exception) -> str:
    missing = str(error.name) if isinstance(error, ModuleNotFoundError) else ""
    if missing == "lakehouse_cli":
        return "has no lakehouse-cli"
    if missing.startswith("lakehouse_cli."):
        return "has an older lakehouse-cli, without this executor"
    return f"has a lakehouse-cli that cannot be imported: {type(error).__name__}: {error}"


def _of_modules(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if find_spec(name) is None:
            yield f"has no module `{name}`, nor has this machine: install it, or correct the import"


def _of_variables(wanted: Mapping[str, Any]) -> Iterator[str]:
    for name in wanted["variables"]:
        if name not in os.environ:
            yield f"lacks the environment variable `{name}`"
    for name, needed in wanted["values"].items():
        if needed is not None and name not in os.environ:
            yield f"lacks the environment variable `{name}`"
        elif hash_of(os.environ.get(name), wanted["salt"]) != needed:
            yield f"has another value of the environment variable `{name}`"


def python_version() -> str:
    """Python's, as far as bytes and behaviour depend on it."""
    return ".".join(map(str, sys.version_info[:2]))


def installed_version(distribution: str) -> str | None:
    """The version of an installed distribution; None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def hash_of(value: str | None, salt: bytes) -> str | None:
    """A hash by which two values can be compared, and not found."""
    return None if value is None else blake2b(os.fsencode(value), key=salt[:64], digest_size=16).hexdigest()
