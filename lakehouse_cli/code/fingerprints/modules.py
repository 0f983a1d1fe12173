"""The modules a project's code can reach: whose each is, its source, and what importing it imports."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import Literal

from lakehouse_cli.code.cached_methods import cached_method
from lakehouse_cli.code.fingerprints.exports import exported
from lakehouse_cli.code.fingerprints.module_code import ModuleCode
from lakehouse_cli.code.fingerprints.packages import Found, find_package, list_distributions
from lakehouse_cli.code.module_search import find_module, installed_search, is_standard
from lakehouse_cli.code.source import SourceError, SourceReader

Provenance = Literal["own", "standard", "package"]

NOT_INSTALLED = "not installed"
_COMPILED = (".so", ".pyd", ".pyc")


class Modules:
    """Finds modules, each once.

    Args:
        folder: The project's folder.
        reader: Reads modules.
        own_package: Top-level name of an installed package whose code counts as the project's; None for none.
    """

    def __init__(self, folder: Path, reader: SourceReader, own_package: str | None = None) -> None:
        self.folder = folder
        self.snapshot = reader.snapshot
        self._reader = reader
        self._own_package = own_package
        self._codes: dict[str, ModuleCode | None] = {}

    def origin(self, module: str) -> Provenance:
        """Whose a module is; that of its top-level package."""
        return self._origin_of_top(module.partition(".")[0])

    @cached_method
    def _origin_of_top(self, top: str) -> Provenance:
        if is_standard(top, self.folder):
            return "standard"
        if top == "lakehouse_cli":  # in a module that declares tables; also where it is installed to be edited
            return "package"
        if find_module(top, self.folder, installed=False) is not None or top == self._own_package:
            return "own"
        if self.compiled(top):
            return "package"
        found = self._package(top)
        if found is None:
            # A folder without `__init__.py` yields to anything that is installed under its name.
            return "own" if top.isidentifier() and (self.folder / top).is_dir() else "package"
        # Code of no distribution (on PYTHONPATH, or installed to be edited) has no version that would show edits.
        source = found.file is None or found.file.suffix == ".py"
        return "own" if found.version is None and source else "package"

    @cached_method
    def _package(self, top: str) -> Found | None:
        return find_package(top, self._search, self._distributions) if top.isidentifier() else None

    @cached_method
    def _distributions(self, folder: str) -> list[tuple[str, str]]:
        return list_distributions(folder)

    @cached_property
    def _search(self) -> list[str]:
        return installed_search()

    @cached_method
    def version(self, top: str) -> str:
        """What identifies an installed package: its version, or a hash of its only file."""
        if compiled := self.compiled(top):
            return digest(b"".join(path.read_bytes() for path in compiled))
        found = self._package(top)
        if found is not None and found.version is not None:
            return found.version
        return NOT_INSTALLED if found is None or found.file is None else digest(self.snapshot.read(found.file))

    @cached_method
    def file(self, module: str) -> Path | None:
        """The source of one of the project's own modules; None for a folder without any, and for what is missing."""
        top = module.partition(".")[0]
        beside = find_module(top, self.folder, installed=False) is not None or (self.folder / top).is_dir()
        return find_module(module, self.folder, installed=not beside)

    def code(self, module: str) -> ModuleCode | None:
        """The code of one of the project's own modules; None where it has none.

        Raises:
            SourceError: It cannot be read or parsed.
        """
        if module in self._codes:
            return self._codes[module]
        code = None
        file = self.file(module)
        if file is not None:
            inside = file.is_relative_to(self.folder)
            tail = "/__init__.py" if file.name == "__init__.py" else ".py"
            label = file.relative_to(self.folder).as_posix() if inside else module.replace(".", "/") + tail
            code = ModuleCode(self._reader.module(module), label)
        self._codes[module] = code
        if code is not None and code.stars:
            for name in [name for name in code.plain_imports if self._is_shadowed(code, name)]:
                del code.plain_imports[name]
        return code

    @property
    def codes(self) -> Collection[ModuleCode | None]:
        """What was looked at of the project's modules so far."""
        return self._codes.values()

    def imported(self, module: str) -> list[ModuleCode]:
        """The project's modules that importing one imports, parent packages and itself among them, as they are run.

        Raises:
            SourceError: One of them cannot be read or parsed.
        """
        found: dict[str, ModuleCode] = {}
        seen: set[str] = set()
        waiting: list[tuple[str, bool]] = [(module, False)]
        while waiting:
            name, done = waiting.pop()
            if not name or (not done and (name in seen or self.origin(name) != "own")):
                continue
            seen.add(name)
            code = self.code(name)
            if done and code is not None:
                found[name] = code
            elif not done:
                waiting.append((name, True))
                waiting += [(other, False) for other in reversed(self.imports(code) if code is not None else ())]
                waiting.append((name.rpartition(".")[0], False))
        return list(found.values())

    @cached_method
    def imports(self, code: ModuleCode) -> dict[str, int]:
        """What importing one of the project's modules asks for, each with the first place.

        That is more than its import statements name: ``from package import *`` imports what `__all__` has of modules.
        """
        found = dict(code.imported)
        for star in code.stars:
            for module in self._submodules_of_star(star.module) if star.module in found else ():
                found.setdefault(module, star.position)
        return found

    def _submodules_of_star(self, package: str) -> list[str]:
        code = self.code(package) if self.origin(package) == "own" else None
        if code is None or not code.is_package:
            return []
        names = self.exported(code)
        if names is not None:
            return [f"{package}.{name}" for name in names if self.is_module(f"{package}.{name}", code)]
        beside = sorted({path.stem for path in code.file.parent.iterdir() if path.is_dir() or path.suffix == ".py"})
        return [f"{package}.{name}" for name in beside if name.isidentifier() and self._is_readable(package, name)]

    @cached_method
    def exported(self, code: ModuleCode) -> tuple[str, ...] | None:
        """The names in a module's ``__all__``; none without one, None where that cannot be determined."""
        return exported(code)

    def _is_readable(self, package: str, name: str) -> bool:
        """Whether a module that may be imported, or not, can be read; one that cannot is no problem of the project."""
        try:
            return name[:2] != "__" and self.code(f"{package}.{name}") is not None
        except SourceError:
            return False

    def is_module(self, name: str, parent: ModuleCode | None) -> bool:
        """Whether there is a module or package of a name, given the one that it would be in."""
        if parent is not None and not parent.is_package:
            return False
        if self.file(name) is not None or self.compiled(name):
            return True
        return (self.folder / name.replace(".", "/")).is_dir()

    def star_has_module(self, package: str, name: str) -> bool:
        """Whether importing all names of one of the project's packages may bind a name to a module in it."""
        code = self.code(package)
        if code is None or not self.is_module(f"{package}.{name}", code):
            return False
        names = self.exported(code)
        return not names or name in names  # without a list, whatever was imported before

    @cached_method
    def compiled(self, module: str) -> list[Path]:
        """Compiled files beside the project's own that may be imported under that name, before any source."""
        return _compiled_in(module.replace(".", "/"), self.folder)

    def is_somewhere(self, top: str) -> bool:
        """Whether a folder of the project has a module or package of that name."""
        return any(top in (path.stem, path.parent.name) for _, path, _ in self.everywhere())

    def everywhere(self) -> Iterator[tuple[str, Path, str]]:
        """Every Python file of the project's folder: its path to show, itself, and the module it may be."""
        for folder, folders, files in os.walk(self.folder):
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and name not in ("__pycache__", "node_modules", "site-packages")
                and not Path(folder, name, "pyvenv.cfg").exists()
            )
            for name in sorted(files):
                if name.endswith(".py"):
                    path = Path(folder, name)
                    shown = path.relative_to(self.folder).as_posix()
                    yield shown, path, shown[:-3].removesuffix("/__init__").replace("/", ".")

    def _is_shadowed(self, code: ModuleCode, name: str) -> bool:
        """Whether a name that is imported may also come from a module of which all names are imported."""
        waiting, seen = [star.module for star in code.stars], {code.name}
        while waiting:
            module = waiting.pop()
            other = self.code(module) if module not in seen and self.origin(module) == "own" else None
            seen.add(module)
            if other is not None:
                if name in other.entries:
                    return True
                origin, path = code.plain_imports[name]
                if self.star_has_module(module, name) and ".".join((origin, *path)) != f"{module}.{name}":
                    return True
                waiting += [star.module for star in other.stars]
        return False


def is_module_in(top: str, folder: Path) -> bool:
    """Whether a folder has a module or package of a name, with a source or compiled."""
    return find_module(top, folder, installed=False) is not None or bool(_compiled_in(top, folder))


def _compiled_in(place: str, folder: Path) -> list[Path]:
    names = (place, f"{place}/__init__") if place.replace("/", "").isidentifier() else ()
    beside = (path for name in names for path in folder.glob(f"{name}.*"))
    return sorted(path for path in beside if path.suffix in _COMPILED)


def digest(data: bytes) -> str:
    """Twelve hexadecimal digits that distinguish the bytes of files."""
    from _blake2 import blake2b  # hashlib's, without the OpenSSL that it loads first

    return blake2b(data, digest_size=6).hexdigest()
