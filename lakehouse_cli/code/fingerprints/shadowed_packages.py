"""Installed packages that a module of the project hides by its name, from the transforms and from other packages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from lakehouse_cli.code.fingerprints.packages import comes_from_index, find_package
from lakehouse_cli.code.module_search import installed_search
from lakehouse_cli.code.snapshot import CodeSnapshot

# What lakehouse imports, and what that imports.
_NEEDED = frozenset(
    (
        *("pandas", "numpy", "pyarrow", "dateutil", "pytz", "six", "tzdata", "polars", "yaml", "msgspec", "xxhash"),
        *("typer", "click", "rich", "pygments", "markdown_it", "mdurl", "shellingham", "typing_extensions"),
        *("openpyxl", "et_xmlfile", "deltalake", "arro3", "deprecated", "wrapt", "obstore", "duckdb"),
        *("ibis", "sqlglot", "toolz", "parsy", "public", "pyarrow_hotfix"),
        *("adbc_driver_manager", "adbc_driver_postgresql", "importlib_resources"),
    )
)


def shadowed_packages(folder: Path, code: Collection[str], snapshot: CodeSnapshot) -> Iterator[tuple[str, str]]:
    """The installed packages that modules beside the project file hide, each with what hides it.

    A package counts that lakehouse needs, or that the project's code imports and that was installed from an index: one
    that was installed from a folder may be the project itself.
    """
    search = installed_search()
    for name, shown in sorted(_modules_beside(folder, code)):
        found = find_package(name, search)
        if found is None or found.version is None:
            continue
        if found.file is not None and found.file.is_relative_to(folder / shown):
            continue
        if name in _NEEDED or (comes_from_index(name, found) and _is_imported(name, code, snapshot)):
            yield name, shown


def _modules_beside(folder: Path, code: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The modules and packages beside the project file: the name of each, and its file or folder."""
    begin = len(str(folder)) + 1
    for file in code:
        below = file[begin:]
        name = below.removesuffix("/__init__.py")
        if name != below:
            below = f"{name}/"
        else:
            name = below.removesuffix(".py")
        if name.isidentifier():
            yield name, below


def _is_imported(name: str, files: Iterable[str], snapshot: CodeSnapshot) -> bool:
    asks = re.compile(rb"^\s*(?:import|from)\s+%s\b" % name.encode(), re.MULTILINE)
    for file in files:
        try:
            if asks.search(snapshot.read(file)):
                return True
        except OSError:
            continue
    return False
