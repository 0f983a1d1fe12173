"""Importing a project's own modules, as if its project were the only one in the process.

A notebook or a test may use several projects, each with a ``transforms`` module beside its project file. One project
at a time is *active*: its folder comes next to the standard library on ``sys.path`` and its modules are in
``sys.modules``; those of the others wait aside.
"""

from __future__ import annotations

import importlib
import linecache
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import decode_source, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from msgspec import Struct, field

from lakehouse_cli.code.snapshot import file_key
from lakehouse_cli.executors.forks import forks_end_here
from lakehouse_cli.text.regular_files import read_regular

_PACKAGE = str(Path(__file__).resolve().parent.parent)
_INSTALLED = tuple(sorted({sys.prefix, sys.base_prefix}))
_LOCK = threading.RLock()
_importing = threading.local()


class _ProjectModules(Struct):
    """The modules of one project folder.

    Attributes:
        aside: By name, while another project is active.
        displaced: Modules of others that stand in the way of this project's, while it is active.
        pinned: The bytes that its files are taken to have, by `file_key`; None where they are read as they are.
        hidden: Modules of a run, of which the caller has others of the same names; until the next run.
        shown: The files whose lines tracebacks show as they are pinned.
    """

    aside: dict[str, ModuleType] = field(default_factory=dict)
    displaced: dict[str, ModuleType] = field(default_factory=dict)
    pinned: dict[str, bytes] | None = None
    hidden: dict[str, ModuleType] = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)

    def text(self, file: str) -> bytes:
        """The bytes of a file."""
        if self.pinned is None:
            return read_regular(file)
        key = file_key(file)
        if key not in self.pinned:
            self.pinned[key] = read_regular(file)
        return self.pinned[key]

    def is_own(self, file: str, folder: Path) -> bool:
        """Whether a source file is the project's: in its folder, or one that its code was read from."""
        if self.pinned is not None and file in self.pinned:
            return not file.startswith(f"{_PACKAGE}/")  # which is read for what its names stand for
        return is_own_file(file, folder)


_projects: dict[Path, _ProjectModules] = {}
_active: Path | None = None
_path: list[str] = []  # as it was left when a project was last made active


class _FromSource(SourceFileLoader):
    """Loads a module from its text and never from bytecode.

    Python finds stale bytecode by whole seconds and size: an edit of one character within a second would be computed
    with the code of before it, though the fingerprint is that of the text.
    """

    project: _ProjectModules
    text: bytes = b""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        self.text = self.project.text(path)
        self.show_lines()
        return self.source_to_code(self.text, path)

    def show_lines(self) -> None:
        """Have tracebacks show the lines that were loaded, whatever the file has by then."""
        if self.project.pinned is not None:
            with suppress(SyntaxError, UnicodeDecodeError):
                lines = decode_source(self.text).splitlines(keepends=True)
                linecache.cache[self.path] = len(self.text), None, lines, self.path
                self.project.shown.add(self.path)


class _OwnModules:
    """Finds modules as Python does, and has the active project's read from their text."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        project = None if _active is None else _projects[_active]
        if project is None or _active is None:
            return spec
        if project.pinned:
            spec = _pinned_spec(name, sys.path if path is None else path, spec, project.pinned, _active)
        loader = spec.loader if spec is not None else None
        if spec is not None and type(loader) is SourceFileLoader and project.is_own(loader.path, _active):
            spec.loader = _FromSource(loader.name, loader.path)
            spec.loader.project = project
            spec.cached = None
        return spec


def _pinned_spec(
    name: str, path: Sequence[str], found: ModuleSpec | None, pinned: Mapping[str, bytes], folder: Path
) -> ModuleSpec | None:
    """Where a module was when its project's files were pinned; where it is found now if it was nowhere then.

    Args:
        name: Dotted.
        path: The folders to look in.
        found: What is found in them now.
        pinned: The files of the project.
        folder: Of the project.
    """
    tail = name.rpartition(".")[2]
    for entry in path:
        base = f"{entry}/{tail}"
        origin = "" if found is None else found.origin or ""
        is_source = origin.endswith(".py") and is_own_file(origin, folder)
        if origin.startswith((f"{base}.", f"{base}/")) and not is_source:
            return found  # of the project's, what is compiled comes before a source
        if not is_own_file(f"{base}.py", folder):
            continue
        for file, inside in ((f"{base}/__init__.py", [base]), (f"{base}.py", None)):
            if file_key(file) in pinned:
                loader = SourceFileLoader(name, file)
                return spec_from_file_location(name, file, loader=loader, submodule_search_locations=inside)
    return found


def import_own(name: str, folder: Path) -> ModuleType:
    """Import a module, looking in `folder` first; anew where one of the project's files has changed.

    Args:
        name: Dotted.
        folder: Absolute, resolved.

    Raises:
        Exception: Whatever the module raises.
    """
    with _LOCK:
        activate(folder)
        project = _projects[folder]
        if project.pinned is None:
            _forget_changed(project)
        known = sys.modules.get(name)
        if known is not None:
            return known
        _importing.depth = getattr(_importing, "depth", 0) + 1
        try:
            with forks_end_here():
                return importlib.import_module(name)
        finally:
            _importing.depth -= 1


def is_importing() -> bool:
    """Whether it is an own module that asks, while it is imported."""
    return getattr(_importing, "depth", 0) > 0


def pin(folder: Path, files: dict[str, bytes]) -> Mapping[str, ModuleType]:
    """Take a project's files to have certain bytes, whatever is done to them, until `unpin`.

    Args:
        folder: Absolute, resolved.
        files: Their bytes, by `file_key`; those of others that are imported are read once and added.

    Returns:
        Modules of the project that somebody else imported. Nobody knows from which bytes, so they are put aside.
    """
    with _LOCK:
        activate(folder)
        project = _projects[folder]
        project.pinned = files
        foreign = {}
        has_installed = any(_is_installed(file) and not file.startswith(f"{_PACKAGE}/") for file in files)
        for name, module in list(sys.modules.items()) if has_installed else _not_installed():
            if name != "__main__" and project.is_own(_file_of(module), folder) and _loader_of(module) is None:
                foreign[name] = sys.modules.pop(name)
        sys.modules.update(project.hidden)
        project.hidden.clear()
        for loader in _forget_changed(project):
            loader.show_lines()
        return foreign


def unpin(folder: Path, foreign: Mapping[str, ModuleType]) -> None:
    """Take a project's files as they are again, and give back what `pin` put aside."""
    with _LOCK:
        project = _projects[folder]
        project.pinned = None
        modules = sys.modules if folder == _active else project.aside
        for name, module in foreign.items():
            if name in modules:
                project.hidden[name] = modules[name]
            modules[name] = module
        for file in project.shown:
            linecache.cache.pop(file, None)
        project.shown.clear()


@contextmanager
def pinned(folder: Path, files: dict[str, bytes]) -> Iterator[None]:
    """A block in which a project's files are taken to have certain bytes; see `pin`."""
    foreign = pin(folder, files)
    try:
        yield
    finally:
        unpin(folder, foreign)


def was_edited(folder: Path, since_ns: int) -> bool:
    """Whether a file of a project that is pinned was written since a moment, or is not what it was."""
    for file, text in list((_projects[folder].pinned or {}).items()):
        try:
            if Path(file).stat().st_ctime_ns >= since_ns or read_regular(file) != text:
                return True
        except OSError:
            return True
    return False


def forget(folder: Path) -> None:
    """Have a project's modules imported anew when they are next asked for."""
    with _LOCK:
        if folder in _projects:
            activate(folder)  # those of another project that is active may have the same names
            _projects[folder].hidden.clear()
            for module in _loaded(_projects[folder]):
                sys.modules.pop(module, None)


def anything_imported() -> bool:
    """Whether code was imported that is not the tool's own."""
    return _active is not None


def activate(folder: Path) -> None:
    """Make a project's modules the ones that ``import`` finds."""
    global _active, _path
    if folder == _active and sys.path == _path:
        return
    with _LOCK:
        if _active is not None and _active != folder:
            _deactivate(_active)
        if folder not in _projects:
            _projects[folder] = _ProjectModules()
        project = _projects[folder]
        if folder != _active:
            for name in _own_names(folder):
                _displace(name, folder, project)
            sys.modules.update(project.aside)
            project.aside.clear()
        if _OwnModules not in sys.meta_path:
            sys.meta_path.insert(sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0, _OwnModules)
        sys.path[:] = _on_path(folder)
        importlib.invalidate_caches()
        _active, _path = folder, sys.path.copy()


_LIBRARY = os.path.dirname(os.__file__)
_STANDARD = frozenset({_LIBRARY, f"{_LIBRARY}/lib-dynload"})
_NO_PROJECTS = (f"{_PACKAGE}/", f"{_LIBRARY}/")
_installed: dict[str, ModuleType] = {}  # by name, as they were found in `sys.modules`


def _on_path(folder: Path) -> list[str]:
    """``sys.path`` with a project's folder before all but the standard library.

    A ``calendar.py`` of the project's must not be what pandas gets for the standard one.
    """
    own = str(folder)
    standard = [entry for entry in sys.path if entry in _STANDARD]
    return [*standard, own, *(entry for entry in sys.path if entry not in _STANDARD and entry != own)]


def is_own_file(file: str, folder: Path) -> bool:
    """Whether a source file is the project's: under its folder, and neither installed there nor this tool's."""
    if not file.startswith(f"{folder}/") or _is_installed(file):
        return False
    # A project may hold its virtual environment, and may lie within a prefix as wide as /usr or /.
    return not any(file.startswith(f"{prefix}/") and not str(folder).startswith(prefix) for prefix in _INSTALLED)


def _is_installed(file: str) -> bool:
    """Whether a file is no project's, wherever that lies: of a package, of the standard library or of this tool."""
    return file.startswith(_NO_PROJECTS) or "/site-packages/" in file or "/dist-packages/" in file


def _not_installed() -> list[tuple[str, ModuleType]]:
    """The loaded modules that may be a project's; to look at all takes longer than a run of two small tables."""
    found = []
    for name, module in list(sys.modules.items()):
        if _installed.get(name) is module:
            continue
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and _is_installed(file) and _loader_of(module) is None:
            _installed[name] = module
        else:
            found.append((name, module))
    return found


def _file_of(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return file
    with suppress(Exception):  # a namespace package has folders only; anything may pose as a module
        return f"{next(iter(module.__path__))}/"
    return ""


def _own_names(folder: Path) -> list[str]:
    with suppress(OSError):
        return [entry.stem for entry in folder.iterdir() if entry.suffix == ".py" or entry.is_dir()]
    return []


def _displace(name: str, folder: Path, project: _ProjectModules) -> None:
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        return
    file = _file_of(module)
    if not file or is_own_file(file, folder) or name in sys.stdlib_module_names:
        return
    if "/site-packages/" in file or file.startswith(f"{_PACKAGE}/"):
        return
    for full in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        project.displaced[full] = sys.modules.pop(full)


def _deactivate(folder: Path) -> None:
    project = _projects[folder]
    for name, module in _not_installed():
        if name != "__main__" and is_own_file(_file_of(module), folder):
            project.aside[name] = sys.modules.pop(name)
    for name, module in project.displaced.items():
        sys.modules.setdefault(name, module)
    project.displaced.clear()
    with suppress(ValueError):
        sys.path.remove(str(folder))


def _loader_of(module: ModuleType) -> _FromSource | None:
    """What loaded a module, if it was loaded from its text."""
    loader = vars(module).get("__loader__") if isinstance(module, ModuleType) else None
    return loader if isinstance(loader, _FromSource) else None


def _forget_changed(project: _ProjectModules) -> list[_FromSource]:
    """Drop the project's modules if a file of theirs has changed; `from` imports want them dropped together.

    Returns:
        What loaded those that stay.
    """
    own = _loaded(project)
    if any(_has_changed(loader) for loader in own.values()):
        for name in own:
            sys.modules.pop(name, None)
        own = {}
    importlib.invalidate_caches()
    return list(own.values())


def _loaded(project: _ProjectModules) -> dict[str, _FromSource]:
    """What loaded the project's modules from their text, by their names."""
    loaders = {name: _loader_of(module) for name, module in _not_installed()}
    return {name: loader for name, loader in loaders.items() if loader is not None and loader.project is project}


def _has_changed(loader: _FromSource) -> bool:
    try:
        return loader.project.text(loader.path) != loader.text
    except OSError:
        return True
