"""Versions of installed packages by the name they are imported by, without importing them.

`importlib.metadata` knows, but takes longer to load than a plan of a thousand tables may: its
``packages_distributions()`` reads every installed file list. Here the folder that holds the package is listed, and of
the distributions in it only those are looked into that may be the one
(https://packaging.python.org/en/latest/specifications/recording-installed-packages/).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from pathlib import Path

from msgspec import Struct

_INFO = re.compile(r"(?P<name>.+?)(?:-(?P<version>\d[^-]*)(?:-py[\d.]+)?)?\.(?:dist|egg)-info")
_MARKS = re.compile(r"[-_.]+")


class Found(Struct, frozen=True):
    """A package or module that is not the project's.

    Attributes:
        version: Of the distributions it belongs to; None where it belongs to none.
        file: Its source or binary, where it is one file or has an ``__init__``.
    """

    version: str | None
    file: Path | None


def list_distributions(folder: str) -> list[tuple[str, str]]:
    """The distributions in a folder: the normalized name of each, and its folder or file of metadata, sorted."""
    try:
        with os.scandir(folder) as entries:  # takes a tenth of the time of paths
            names = [entry.name for entry in entries if entry.name.endswith("-info")]
    except OSError:
        return []
    found = ((match["name"], name) for name in names if (match := _INFO.fullmatch(name)))
    return sorted((_normal(name), info) for name, info in found)


def find_package(
    top: str, search: Sequence[str], listed: Callable[[str], list[tuple[str, str]]] = list_distributions
) -> Found | None:
    """Look for a top-level package or module where installed ones are; None if it is not there.

    Args:
        top: The name it is imported by.
        search: Folders, as `sys.path` has them.
        listed: Does what `list_distributions` does, for callers that look for many.
    """
    spec = _spec(top, search)
    if spec is None:
        return None
    file, folders = _places(spec)
    versions = sorted({version for folder in folders for version in _versions(top, folder, listed)})
    return Found("; ".join(versions) or None, file)


def find_distributions(top: str, search: Sequence[str]) -> dict[str, str]:
    """The distributions that hold a top-level package or module, with their versions; none where it is in none.

    The arguments are those of `find_package`.
    """
    spec = _spec(top, search)
    if spec is None:
        return {}
    found: dict[str, str] = {}
    for folder in _places(spec)[1]:
        for info in _holding(top, list_distributions(folder), folder):
            name, version = _said(folder, info, "Name"), _version(folder, info)
            if name and version:
                found[name] = version
    return found


def _places(spec: ModuleSpec) -> tuple[Path | None, list[str]]:
    """The file of a package or module, where it has one, and the folders that hold it."""
    file = Path(spec.origin) if spec.origin and spec.has_location else None
    if file is None:
        folders = [str(Path(place).parent) for place in spec.submodule_search_locations or ()]
    else:
        folders = [str(file.parent.parent if spec.submodule_search_locations is not None else file.parent)]
    return file, folders


def _spec(top: str, search: Sequence[str]) -> ModuleSpec | None:
    spec = PathFinder.find_spec(top, list(search))
    if spec is not None and spec.origin is not None:
        return spec
    for finder in sys.meta_path:  # packages installed to be edited have finders of their own
        if finder in (BuiltinImporter, FrozenImporter, PathFinder) or not hasattr(finder, "find_spec"):
            continue
        found = finder.find_spec(top, None)
        if found is not None:
            return found
    return spec


def _versions(top: str, folder: str, listed: Callable[[str], list[tuple[str, str]]]) -> list[str]:
    """Versions of the distributions in a folder that hold `top`; several where they share a namespace."""
    return [version for info in _holding(top, listed(folder), folder) if (version := _version(folder, info))]


def _holding(top: str, infos: Sequence[tuple[str, str]], folder: str) -> list[str]:
    """The distributions in a folder, of those listed, that hold `top`."""
    wanted = _normal(top)
    likely = [info for name, info in infos if name == wanted]
    found = [info for info in likely if _holds(Path(folder, info), top)]
    return found or [info for _, info in infos if _holds(Path(folder, info), top)]


def comes_from_index(top: str, found: Found) -> bool:
    """Whether a distribution of the very name of a package holds it, and was not installed from a folder or a URL."""
    if found.file is None:
        return False
    folder = found.file.parent.parent if found.file.name.startswith("__init__.") else found.file.parent
    own = [info for name, info in list_distributions(str(folder)) if name == _normal(top)]
    # https://packaging.python.org/en/latest/specifications/direct-url/
    return bool(own) and not any((folder / info / "direct_url.json").exists() for info in own)


def _normal(name: str) -> str:
    return _MARKS.sub("_", name).lower()


def _holds(info: Path, top: str) -> bool:
    """Whether a distribution's list of files has the package."""
    listed = False
    for name in ("RECORD", "installed-files.txt", "SOURCES.txt", "top_level.txt"):
        try:
            content = (info / name).read_bytes()
        except OSError:
            continue
        listed = True
        if re.search(rb"^(?:\.\./)?%s(?:[/.,]|\s*$)" % re.escape(top.encode()), content, re.MULTILINE):
            return True
    # Without any list, as some systems' packagers leave them, the name has to do.
    return not listed and _normal(info.name).startswith(_normal(top) + "_")


def _version(folder: str, info: str) -> str | None:
    match = _INFO.fullmatch(info)
    if match is not None and match["version"]:
        return match["version"]
    return _said(folder, info, "Version")


def _said(folder: str, info: str, key: str) -> str | None:
    """What the metadata of a distribution say under a key."""
    for name in ("METADATA", "PKG-INFO"):
        try:
            text = Path(folder, info, name).read_text("utf-8", "replace")
        except OSError:
            continue
        found = re.search(rf"^{key}: *(\S+)", text, re.MULTILINE)
        if found is not None:
            return found[1]
    return None
