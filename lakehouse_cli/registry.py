"""Names to classes, loaded when they are asked for: a lazy table with install hints."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError, did_you_mean


class Entry(Struct, frozen=True):
    """Where a class is (``module:Class``), and what to install when its module cannot be imported."""

    target: str
    install: str | None = None


EXECUTORS: Mapping[str, Entry] = {
    "serial": Entry("lakehouse_cli.executors.serial:SerialExecutor"),
    "threads": Entry("lakehouse_cli.executors.threads:ThreadsExecutor"),
    "processes": Entry("lakehouse_cli.executors.processes:ProcessesExecutor"),
}

#: Packages of the extras by the names they are imported by. Of those that several extras bring, any one will do.
EXTRAS: Mapping[str, str] = {
    "adbc_driver_manager": "postgresql",
    "adbc_driver_postgresql": "postgresql",
    "deltalake": "delta",
    "duckdb": "duckdb",
    "obstore": "s3",
    "openpyxl": "excel",
    "polars": "polars",
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


def lookup(table: Mapping[str, Entry], kind: str, name: str) -> Any:
    """The class of a name in one of the tables above.

    Raises:
        LakehouseError: The name is not known, with close matches.
    """
    if name not in table:
        hint = did_you_mean(name, table) or f"choose one of: {', '.join(table)}"
        raise LakehouseError(f"unknown {kind} `{name}`", hint=hint)
    return load(table[name])
