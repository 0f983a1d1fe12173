"""Where Python modules are found: beside the project file first, then where installed packages are."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

PROJECT_FILE = "lakehouse.yaml"
#: What to do where something else is in the place of a module.
PUT_MODULE = "put the module in its place"


def in_the_way(name: str, folder: Path) -> str | None:
    """What is where a module of the project would be and is no file, as the project shows it; None for nothing."""
    path = Path(*name.split(".")).with_suffix(".py")
    return path.as_posix() if os.path.lexists(folder / path) and not (folder / path).is_file() else None


def find_module(name: str, folder: Path, *, installed: bool = True) -> Path | None:
    """The source file of a dotted module name, or None; parent packages are searched, not imported."""
    if not name or not all(part.isidentifier() for part in name.split(".")):
        return None
    beside = folder.joinpath(*name.split("."))
    # A package hides a module of its name.
    for candidate in (beside / "__init__.py", beside.with_name(f"{beside.name}.py")):
        if candidate.is_file():
            return candidate
    if not installed:
        return None
    search: list[str] | None = installed_search()
    origin: str | None = None
    for depth in range(name.count(".") + 1):
        spec = PathFinder.find_spec(".".join(name.split(".")[: depth + 1]), search)
        if spec is None:
            return None
        origin = spec.origin
        search = list(spec.submodule_search_locations or [])
    return Path(origin) if origin is not None and origin.endswith(".py") else None


def is_standard(top: str, folder: Path) -> bool:
    """Whether a top-level name is the standard library's, which comes before the project's folder on a run's path."""
    if top in sys.builtin_module_names or top not in sys.stdlib_module_names:
        return top in sys.builtin_module_names
    if find_module(top, folder, installed=False) is None:
        return True
    return PathFinder.find_spec(top, installed_search()) is not None  # some exist on other systems only


def installed_search() -> list[str]:
    """Where packages are looked for that are not the project's."""
    # A run in this process leaves its project's folder on the path; another project is no installed package.
    return [entry for entry in sys.path if not Path(entry, PROJECT_FILE).exists()]
