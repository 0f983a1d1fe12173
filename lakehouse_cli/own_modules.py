"""Importing a project's own modules, as if its project were the only one in the process.

A notebook or a test may use several projects, each with a ``transforms`` module beside its project file. One project
at a time is *active*: its folder comes next to the standard library on ``sys.path`` and its modules are in
``sys.modules``; those of the others wait aside.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from msgspec import Struct, field

_PACKAGE = str(Path(__file__).resolve().parent)
_INSTALLED = tuple(sorted({sys.prefix, sys.base_prefix}))
_LOCK = threading.RLock()


class _Room(Struct):
    """The modules of one project folder.

    Attributes:
        aside: By name, while another project is active.
        displaced: Modules of others that stand in the way of this project's, while it is active.
        before: Names that were in ``sys.modules`` when it was first activated.
        stamps: Of its module files as they were imported: name → (file, modification time, size).
        scanned: How many modules there were when they were last looked through for its own.
    """

    aside: dict[str, ModuleType] = field(default_factory=dict)
    displaced: dict[str, ModuleType] = field(default_factory=dict)
    before: frozenset[str] = frozenset()
    stamps: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    scanned: int = 0


_rooms: dict[Path, _Room] = {}
_active: Path | None = None


class _FromSource(SourceFileLoader):
    """Loads a module from its text and never from bytecode.

    Python tells stale bytecode by whole seconds and size: an edit of one character within a second would be computed
    with the code of before it, though the fingerprint is that of the text.
    """

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class _OwnModules:
    """Finds modules as Python does, and has the active project's read from their text."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        loader = spec.loader if spec is not None else None
        if spec is None or _active is None or type(loader) is not SourceFileLoader:
            return spec
        if is_own_file(loader.path, _active):
            spec.loader = _FromSource(loader.name, loader.path)
            spec.cached = None
        return spec


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
        room = _rooms[folder]
        _forget_changed(room)
        known = sys.modules.get(name)
        module = known if known is not None else importlib.import_module(name)
        _stamp(room, folder, name)
        return module


def forget(folder: Path) -> None:
    """Have a project's modules imported anew when they are next asked for."""
    with _LOCK:
        if folder in _rooms:
            activate(folder)  # those of another project that is active may have the same names
            _forget(_rooms[folder])


def anything_imported() -> bool:
    """Whether code was imported that is not the tool's own."""
    return _active is not None


def activate(folder: Path) -> None:
    """Make a project's modules the ones that ``import`` finds."""
    global _active
    if folder == _active and sys.path == _on_path(folder):
        return
    with _LOCK:
        if _active is not None and _active != folder:
            _deactivate(_active)
        if folder not in _rooms:
            _rooms[folder] = _Room(before=frozenset(sys.modules))
        room = _rooms[folder]
        if folder != _active:
            for name in _own_names(folder):
                _displace(name, folder, room)
            sys.modules.update(room.aside)
            room.aside.clear()
        if _OwnModules not in sys.meta_path:
            sys.meta_path.insert(sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0, _OwnModules)
        sys.path[:] = _on_path(folder)
        importlib.invalidate_caches()
        _active = folder


_LIBRARY = os.path.dirname(os.__file__)
_STANDARD = frozenset({_LIBRARY, f"{_LIBRARY}/lib-dynload"})


def _on_path(folder: Path) -> list[str]:
    """``sys.path`` with a project's folder before all but the standard library.

    A ``calendar.py`` of the project's must not be what pandas gets for the standard one.
    """
    own = str(folder)
    standard = [entry for entry in sys.path if entry in _STANDARD]
    return [*standard, own, *(entry for entry in sys.path if entry not in _STANDARD and entry != own)]


def is_own_file(file: str, folder: Path) -> bool:
    """Whether a source file is the project's: under its folder, and neither installed there nor this tool's."""
    if not file.startswith(f"{folder}/") or file.startswith(f"{_PACKAGE}/"):
        return False
    if "/site-packages/" in file or "/dist-packages/" in file:
        return False
    # A project may hold its virtual environment, and may lie within a prefix as wide as /usr or /.
    return not any(file.startswith(f"{prefix}/") and not str(folder).startswith(prefix) for prefix in _INSTALLED)


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


def _displace(name: str, folder: Path, room: _Room) -> None:
    module = sys.modules.get(name)
    if module is None or name == "__main__":
        return
    file = _file_of(module)
    if not file or is_own_file(file, folder) or name in sys.stdlib_module_names:
        return
    if "/site-packages/" in file or file.startswith(f"{_PACKAGE}/"):
        return
    for full in [known for known in sys.modules if known == name or known.startswith(f"{name}.")]:
        room.displaced[full] = sys.modules.pop(full)


def _deactivate(folder: Path) -> None:
    room = _rooms[folder]
    for name, module in list(sys.modules.items()):
        if name != "__main__" and is_own_file(_file_of(module), folder):
            room.aside[name] = sys.modules.pop(name)
    for name, module in room.displaced.items():
        sys.modules.setdefault(name, module)
    room.displaced.clear()
    with suppress(ValueError):
        sys.path.remove(str(folder))


def _stamp(room: _Room, folder: Path, name: str) -> None:
    if len(sys.modules) == room.scanned and name in room.stamps:
        return
    room.scanned = len(sys.modules)
    for known, module in list(sys.modules.items()):
        if (known in room.before and known != name) or known in room.stamps:
            continue
        file = _file_of(module)
        if is_own_file(file, folder):
            with suppress(OSError):
                status = Path(file).stat()
                room.stamps[known] = (file, status.st_mtime_ns, status.st_size)


def _forget_changed(room: _Room) -> None:
    """Drop the project's modules if a file of theirs has changed; `from` imports want them dropped together."""
    if any(_has_changed(*stamp) for stamp in room.stamps.values()):
        _forget(room)


def _forget(room: _Room) -> None:
    for name in room.stamps:
        sys.modules.pop(name, None)
    room.stamps.clear()
    importlib.invalidate_caches()


def _has_changed(file: str, modified: int, size: int) -> bool:
    try:
        status = Path(file).stat()
    except OSError:
        return True
    return (status.st_mtime_ns, status.st_size) != (modified, size)
