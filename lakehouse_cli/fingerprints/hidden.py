"""Installed packages that a module of the project hides by its name, from the transforms and from other packages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from lakehouse_cli.fingerprints.packages import comes_from_index, find_package
from lakehouse_cli.regular_files import read_regular
from lakehouse_cli.source_code import installed_search

# What lakehouse imports, and what that imports.
_NEEDED = frozenset(
    (
        *("pandas", "numpy", "pyarrow", "dateutil", "pytz", "six", "tzdata", "polars", "yaml", "msgspec", "xxhash"),
        *("typer", "click", "rich", "pygments", "markdown_it", "mdurl", "shellingham", "typing_extensions"),
        *("openpyxl", "et_xmlfile", "deltalake", "arro3", "deprecated", "wrapt", "obstore", "duckdb"),
        *("adbc_driver_manager", "adbc_driver_postgresql", "importlib_resources"),
    )
)


def hidden_packages(folder: Path, code: Collection[str]) -> Iterator[tuple[str, str]]:
    """The installed packages that modules beside the project file hide, each with what hides it.

    A package counts that lakehouse needs, or that the project's code imports and that was installed from an index: one
    that was installed from a folder may be the project itself.

    Args:
        folder: The project's.
        code: Its Python files.
    """
    search = installed_search()
    for entry in sorted(folder.iterdir()):
        name, is_package = entry.stem, (entry / "__init__.py").is_file()
        if not name.isidentifier() or not (is_package or (entry.suffix == ".py" and entry.is_file())):
            continue
        found = find_package(name, search)
        if found is None or found.version is None or (found.file is not None and found.file.is_relative_to(entry)):
            continue
        if name in _NEEDED or (comes_from_index(name, found) and _is_imported(name, code)):
            yield name, f"{entry.name}/" if is_package else entry.name


def _is_imported(name: str, files: Iterable[str]) -> bool:
    asks = re.compile(rb"^\s*(?:import|from)\s+%s\b" % name.encode(), re.MULTILINE)
    for file in files:
        try:
            if asks.search(read_regular(file)):
                return True
        except OSError:
            continue
    return False
