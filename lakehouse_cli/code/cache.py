"""What was read off the project's code, kept between runs: which functions there are, and their fingerprints.

Reading a thousand functions takes as long as all the rest of a plan. What is kept is plain JSON in the project's
`.lakehouse/cache`, belongs to the exact bytes of every Python file of the project, to this version of the tool and of
Python, and to the versions of the packages that the code reaches; where any of that differs it is not used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import xxhash
from msgspec import Struct

from lakehouse_cli.code.fingerprints import CodeFingerprint
from lakehouse_cli.code.fingerprints.packages import find_package
from lakehouse_cli.code.snapshot import CodeSnapshot
from lakehouse_cli.code.source import FunctionSource, ModuleSource
from lakehouse_cli.runs.local_state import keep, kept, with_hash
from lakehouse_cli.version import __version__

_FOLDER, _FILE = "cache", "code.json"
_FORMAT = 17
# Beyond this many files, looking at all of them would take longer than reading those that matter.
_MOST_FILES = 500
_PACKAGE = "package "


class _Module(Struct):
    """A `ModuleSource` without its tree; the file relative to the project's folder."""

    file: str
    shown: str
    functions: dict[str, FunctionSource]
    is_package: bool


class _Reading(Struct):
    """What is kept; the members of `CodeCache`, and the version of each package by its part of a fingerprint."""

    key: str
    packages: dict[str, str]
    modules: dict[str, _Module]
    fingerprints: dict[str, CodeFingerprint]
    plain: dict[str, dict[str, str]]


class CodeCache:
    """The kept reading of one project's code.

    Args:
        folder: The project's.
        files: Its YAML and Python files; the Python ones count.
        snapshot: Reads them.

    Attributes:
        key: What the reading belongs to; None where there are too many files to keep one.
        modules: What `SourceReader` would read, by name; without their trees.
        fingerprints: By the function's ``module:name``; those that were taken.
        plain: The modules whose fingerprints may wait, as of `Fingerprinter.packages_of_plain`.
    """

    def __init__(self, folder: Path, files: Iterable[str], snapshot: CodeSnapshot) -> None:
        self._folder = folder
        self._code = {file for file in files if file.endswith(".py")}
        self.key = code_key(self._code, snapshot)
        self.modules: dict[str, ModuleSource] = {}
        self.fingerprints: dict[str, CodeFingerprint] = {}
        self.plain: dict[str, dict[str, str]] = {}
        self._load()

    def _load(self) -> None:
        reading = None if self.key is None else kept(self._folder, _FOLDER, _FILE, _Reading)
        if reading is None or reading.key != self.key or not _same_packages(reading.packages):
            return
        self.fingerprints, self.plain = reading.fingerprints, reading.plain
        self.modules = {
            name: ModuleSource(name, self._folder / each.file, each.shown, each.functions, each.is_package)
            for name, each in reading.modules.items()
        }

    def keep(
        self,
        modules: Iterable[ModuleSource],
        fingerprints: Mapping[str, CodeFingerprint],
        plain: Mapping[str, dict[str, str]],
        files: Iterable[Path] = (),
    ) -> None:
        """Keep what was read, if it is not kept already; trouble in writing is no trouble for anybody.

        Args:
            modules: What the tables' functions were found in.
            fingerprints: By the function's ``module:name``; those that cannot be determined are left out.
            plain: As of `plain`.
            files: What else was read; code that is none of the project's files is not looked at the next time.
        """
        modules = list(modules)
        fingerprints = {ref: found for ref, found in fingerprints.items() if found.is_complete}
        inside = all(str(file) in self._code for file in (*files, *(module.file for module in modules)))
        known = fingerprints.keys() <= self.fingerprints.keys() and plain.keys() <= self.plain.keys()
        if self.key is None or not inside or known:
            return
        versions = [*plain.values(), *(found.parts for found in fingerprints.values())]
        packages = {name: v for each in versions for name, v in each.items() if name.startswith(_PACKAGE)}
        found = {
            module.name: _Module(
                module.file.relative_to(self._folder).as_posix(),
                module.shown,
                dict(module.functions),
                module.is_package,
            )
            for module in modules
        }
        reading = _Reading(self.key, packages, found, fingerprints, dict(plain))
        with suppress(UnicodeEncodeError):
            keep(self._folder, _FOLDER, _FILE, with_hash(reading))


def code_key(files: Iterable[str], snapshot: CodeSnapshot) -> str | None:
    """What the kept reading belongs to; None where there are too many files to look at.

    Args:
        files: Those of the project; the Python ones count.
        snapshot: Reads them.
    """
    code = sorted(file for file in files if file.endswith(".py"))
    if len(code) > _MOST_FILES:
        return None
    digest = xxhash.xxh3_128(f"{_FORMAT} {__version__} {sys.version} {sys.path}".encode())
    for name in code:
        try:
            content = snapshot.read(name)
        except OSError:
            return None
        digest.update(f"\0{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _same_packages(packages: Mapping[str, str]) -> bool:
    for name, version in packages.items():
        found = find_package(name.removeprefix(_PACKAGE), sys.path)
        if found is None or found.version != version:
            return False
    return True
