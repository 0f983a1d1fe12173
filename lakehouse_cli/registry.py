"""Names to classes, loaded when they are asked for: a lazy table with install hints, and what packages add to it.

A package names what it brings under an entry point group: ``lakehouse.storages``, ``lakehouse.formats``,
``lakehouse.serializers``, ``lakehouse.frames``, ``lakehouse.executors``, ``lakehouse.reporters``. The tool's own names
win, and are looked for first: to read the metadata of all installed packages takes longer than to load a project.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, TypeVar

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError, UsageError
from lakehouse_cli.text.close_names import did_you_mean

_Class = TypeVar("_Class")


class Entry(Struct, frozen=True):
    """Where a class is (``module:Class``), and what to install when its module cannot be imported."""

    target: str
    install: str | None = None


EXECUTORS: Mapping[str, Entry] = {
    "serial": Entry("lakehouse_cli.executors.serial:SerialExecutor"),
    "threads": Entry("lakehouse_cli.executors.threads:ThreadsExecutor"),
    "processes": Entry("lakehouse_cli.executors.processes:ProcessesExecutor"),
    "dask": Entry("lakehouse_cli.executors.dask:DaskExecutor", "pip install 'lakehouse-cli[dask]'"),
    "ray": Entry("lakehouse_cli.executors.ray:RayExecutor", "pip install 'lakehouse-cli[ray]'"),
}

#: Packages of the extras by the names they are imported by. Of those that several extras bring, any one will do.
EXTRAS: Mapping[str, str] = {
    "adbc_driver_manager": "postgresql",
    "adbc_driver_postgresql": "postgresql",
    "dagster": "dagster",
    "dask": "dask",
    "distributed": "dask",
    "deltalake": "delta",
    "duckdb": "duckdb",
    "ibis": "ibis",
    "matplotlib": "ml",
    "obstore": "s3",
    "openpyxl": "excel",
    "polars": "polars",
    "pyspark": "spark",
    "ray": "ray",
    "sklearn": "ml",
    "time_machine": "test",
}


def install_command(module: str) -> str | None:
    """How to install a module that comes with one of the extras; None for any other.

    >>> install_command("openpyxl"), install_command("seaborn")
    ("pip install 'lakehouse-cli[excel]'", None)
    """
    extra = EXTRAS.get(module)
    return None if extra is None else f"pip install 'lakehouse-cli[{extra}]'"


def load(entry: Entry) -> Any:
    """Import what an entry names.

    Raises:
        LakehouseError: Its module, or one it needs, is not installed; the hint says what to install.
    """
    module, _, name = entry.target.partition(":")
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        if entry.install is None:
            raise
        missing = (error.name or str(error)).partition(".")[0]
        raise LakehouseError(f"`{missing}` is not installed", hint=entry.install) from error


def installed(group: str) -> Mapping[str, str]:
    """Names that installed packages give to what they bring, each with its ``module:attribute``.

    Args:
        group: ``storages``, ``formats``, ``serializers``, ``frames``, ``executors`` or ``reporters``.
    """
    return _installed(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _installed(group: str, path: tuple[str, ...]) -> Mapping[str, str]:
    del path  # where packages are found
    from importlib.metadata import entry_points

    return {point.name: point.value for point in entry_points(group=f"lakehouse.{group}")}


def load_installed(group: str, name: str) -> Any:
    """What an installed package brings under a name.

    Raises:
        LakehouseError: It cannot be imported.
    """
    target = installed(group)[name]
    try:
        return load(Entry(target))
    except Exception as error:
        raise LakehouseError(
            f"`{name}` of `lakehouse.{group}` cannot be imported: {type(error).__name__}: {error}",
            hint=f"install the package of `{target.partition(':')[0]}` again, or correct its entry point",
        ) from error


def lookup(table: Mapping[str, Entry], group: str, name: str, base: type[_Class]) -> type[_Class]:
    """The class of a name, of the tool's own or of an installed package.

    Args:
        table: The tool's own.
        group: As of `installed`.
        name: What is looked for.
        base: What it must be a subclass of.

    Raises:
        UsageError: The name is not known, with close matches.
        LakehouseError: It cannot be imported, or is something else.
    """
    if name in table:
        own: type[_Class] = load(table[name])
        return own
    if name not in installed(group):
        known = [*table, *installed(group)]
        hint = did_you_mean(name, known) or (f"choose one of: {', '.join(known)}" if known else "install its package")
        raise UsageError(f"there is no {group.removesuffix('s')} `{name}`", hint=hint)
    found = load_installed(group, name)
    if not isinstance(found, type) or not issubclass(found, base):
        raise LakehouseError(
            f"`{name}` of `lakehouse.{group}` is not a subclass of `{base.__name__}`",
            hint=f"correct the entry point of its package, `{installed(group)[name]}`",
        )
    return found
