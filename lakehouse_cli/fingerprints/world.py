"""Where a dotted name leads among the modules that a project's code can reach."""

from __future__ import annotations

import builtins
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from pathlib import Path

from lakehouse_cli.fingerprints.module_code import ModuleCode, Piece, PlainImport, StarImport
from lakehouse_cli.fingerprints.modules import Modules, Origin
from lakehouse_cli.fingerprints.names import EAGER, KNOWN, Use
from lakehouse_cli.source_code import SourceReader

Name = tuple[str, str]
"""A module's dotted name, and a name it binds."""

# What leads to modules in ways that cannot be followed.
_UNKNOWN = (
    "importlib",
    "runpy",
    "pkgutil",
    "imp",
    "zipimport",
    "sys.modules",
    "sys._getframe",
    "sys.meta_path",
    "inspect.currentframe",
    "inspect.stack",
    "inspect.getmodule",
    "pydoc.locate",
    "unittest.mock.patch",
    "builtins.exec",
    "builtins.eval",
    "builtins.__import__",
    "gc.get_objects",
    "gc.get_referrers",
)
_HARMLESS_IMPORTLIB = ("importlib.metadata", "importlib.resources")
_DYNAMIC = frozenset(("globals", "exec", "eval", "vars", "locals"))
# What looks for names in the module it is called from: replacement scans, expressions given as text.
_LOOKING_AROUND = ("numexpr.evaluate", "pandas.eval", "polars.sql", "polars.SQLContext", "builtins.globals")


@dataclass(frozen=True, eq=False)
class Landing:
    """Where uses of names lead.

    Attributes:
        names: Definitions, with the attributes that remain to be taken from each.
        passed: Names of modules that only pass on what they import.
        modules: Modules of which anything may be meant.
        packages: Top-level names of other people's packages.
        unknown: Whether any module may be meant.
        all_names: Definitions, and names that pass them on.
    """

    names: frozenset[tuple[str, str, tuple[str, ...]]] = frozenset()
    passed: frozenset[Name] = frozenset()
    modules: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    unknown: bool = False
    all_names: frozenset[Name] = field(init=False)

    def __post_init__(self) -> None:
        together = self.passed.union([(module, name) for module, name, _ in self.names]) if self.names else self.passed
        object.__setattr__(self, "all_names", together)


@dataclass
class _Finding:
    names: set[tuple[str, str, tuple[str, ...]]] = field(default_factory=set)
    passed: set[Name] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    packages: set[str] = field(default_factory=set)
    unknown: bool = False
    seen: set[tuple[str, tuple[str, ...]]] = field(default_factory=set)

    def landing(self) -> Landing:
        return Landing(
            frozenset(self.names),
            frozenset(self.passed),
            frozenset(self.modules),
            frozenset(self.packages),
            self.unknown,
        )


class World(Modules):
    """Follows names between modules; arguments as of `Modules`."""

    def __init__(self, folder: Path, reader: SourceReader, own_package: str | None = None) -> None:
        super().__init__(folder, reader, own_package)
        self._landings: dict[tuple[str, tuple[str, ...], bool], Landing] = {}
        self._of_pieces: dict[Piece, Landing] = {}
        self._of_uses: dict[Hashable, Landing] = {}

    def landing(self, piece: Piece) -> Landing:
        """Where all uses of names in a piece lead."""
        known = self._of_pieces.get(piece)
        if known is not None:
            return known
        finding = _Finding()
        for landing in {self.follow_use(piece, use) for use in piece.uses}:
            finding.names |= landing.names
            finding.passed |= landing.passed
            finding.modules |= landing.modules
            finding.packages |= landing.packages
            finding.unknown |= landing.unknown
        for module, _ in piece.canonical.inner_imports:
            if self.origin(module) == "package":
                finding.packages.add(module.partition(".")[0])
        if piece.canonical.asks_globals:
            finding.modules.add(piece.code.name)
        finding.unknown |= piece.canonical.asks_unknown
        self._of_pieces[piece] = finding.landing()
        return self._of_pieces[piece]

    def follow_use(self, piece: Piece, use: Use) -> Landing:
        """Where one use of a name in a piece leads."""
        key = (use.origin or piece.code.name, use.name, use.attributes, use.flags & (KNOWN | EAGER), piece.code.name)
        known = self._of_uses.get(key)
        if known is None:
            known = self._of_uses[key] = self._follow_use(piece, use)
        return known

    def _follow_use(self, piece: Piece, use: Use) -> Landing:
        module, path = use.origin or (piece.code.name, (use.name,))
        path = (*path, *use.attributes)
        if use.origin is None and use.name not in piece.code.entries:
            looked_up = self._builtin(piece, use)
            if looked_up is not None:
                return looked_up
        outside = use.origin is not None and self.origin(module) != "own"
        if outside and use.flags & KNOWN:
            return Landing()  # the module imported by name is a use of its own
        landing = self.follow(module, path, outside=use.origin is not None)
        if outside and _is_below(".".join((module, *path)), _LOOKING_AROUND):
            return replace(landing, modules=landing.modules | {piece.code.name})
        return landing

    def _builtin(self, piece: Piece, use: Use) -> Landing | None:
        """Built-in functions by which any name may be meant."""
        name = use.name
        if name in ("exec", "eval") or (name == "__import__" and not use.flags & KNOWN):
            return Landing(modules=frozenset((piece.code.name,)), unknown=True)
        if name == "globals" or (name in ("vars", "locals") and use.flags & EAGER):
            return Landing(modules=frozenset((piece.code.name,)))
        return None

    def follow(self, module: str, path: tuple[str, ...], *, outside: bool) -> Landing:
        """Where a name of a module leads, with the attributes taken from it.

        Args:
            module: Dotted name.
            path: The name, and attributes; empty for the module itself.
            outside: Whether it is another module that asks; then a name that is not bound is not a built-in one.
        """
        key = (module, path, outside)
        known = self._landings.get(key)
        if known is None:
            finding = _Finding()
            self._follow(module, path, finding, outside)
            known = self._landings[key] = finding.landing()
        return known

    def _follow(self, module: str, path: tuple[str, ...], finding: _Finding, outside: bool) -> None:
        if (module, path) in finding.seen:
            return
        finding.seen.add((module, path))
        origin = self.origin(module)
        if origin == "own" and any(path.suffix != ".pyc" for path in self.compiled(module)):
            finding.packages.add(module)  # compiled code, which Python takes before a source of that name
        if origin != "own":
            self._follow_outside(module, path, origin, finding)
        elif not path:
            finding.modules.add(module)
        else:
            code = self.code(module)
            if code is None and self.file(module) is None and not (self.folder / module.replace(".", "/")).is_dir():
                finding.packages.add(module)  # one that is missing
            else:
                self._follow_own(module, code, path, finding, outside)

    def _follow_outside(self, module: str, path: tuple[str, ...], origin: Origin, finding: _Finding) -> None:
        dotted = ".".join((module, *path))
        if origin == "package":
            top = module.partition(".")[0]
            finding.packages.add(top)
            # A module that is not found where it should be may be on a path that the code itself adds.
            finding.unknown |= self._package(top) is None and self.is_somewhere(top)
        finding.unknown |= _is_below(dotted, _UNKNOWN) and not _is_below(dotted, _HARMLESS_IMPORTLIB)

    def _follow_own(
        self, module: str, code: ModuleCode | None, path: tuple[str, ...], finding: _Finding, outside: bool
    ) -> None:
        head, rest = path[0], path[1:]
        entries = code.entries.get(head, []) if code is not None else []
        if entries:
            if all(isinstance(entry, PlainImport) for entry in entries):
                finding.passed.add((module, head))
            else:
                finding.names.add((module, head, rest))
        # `from . import impl` gets the submodule; any other import hides one of that name.
        origins = [origin for entry in entries for origin in entry.origins(head) if origin != (module, (head,))]
        for origin in origins:
            self._follow(origin[0], (*origin[1], *rest), finding, True)
        from_star = code is not None and self._follow_stars(code, path, finding)
        submodule = f"{module}.{head}"
        if not origins and self._is_module(submodule, code):
            self._follow(submodule, rest, finding, True)
        elif code is not None and not entries and not from_star:
            if "__getattr__" in code.entries and outside:
                finding.names.add((module, "__getattr__", ()))
            if outside:
                finding.modules.add(module)

    def _is_module(self, name: str, parent: ModuleCode | None) -> bool:
        if parent is not None and not parent.is_package:
            return False
        if self.file(name) is not None or self.compiled(name):
            return True
        return (self.folder / name.replace(".", "/")).is_dir()

    def _follow_stars(self, code: ModuleCode, path: tuple[str, ...], finding: _Finding) -> bool:
        """Follow a name into the modules of which all names are imported; whether it may come from there."""
        found = False
        for star in self.stars(code, path[0]):
            if self.origin(star.module) != "own":
                self._follow(star.module, path, finding, True)
                found |= not _is_builtin(path[0])
                continue
            finding.modules.add(star.module)
            finding.passed.add((code.name, path[0]))
            other = self.code(star.module)
            if other is not None and (path[0] in other.entries or other.stars):
                self._follow(star.module, path, finding, True)
            found = True
        return found

    def stars(self, code: ModuleCode, name: str) -> list[StarImport]:
        """The imports of all names of a module that may bind `name` in `code`."""
        if not code.stars:
            return []
        known = name in code.entries or _is_builtin(name)
        return [star for star in code.stars if not known or self._may_bind(star.module, name, {code.name})]

    def names_of_star(self, module: str) -> frozenset[Name]:
        """What importing all names of a module may bind, as names of the project's modules that have them."""
        found: set[Name] = set()
        waiting, seen = [module], set()
        while waiting:
            name = waiting.pop()
            code = self.code(name) if name not in seen and self.origin(name) == "own" else None
            seen.add(name)
            if code is not None:
                found |= {
                    landed for bound in code.entries for landed in self.follow(name, (bound,), outside=True).all_names
                }
                waiting += [star.module for star in code.stars]
        return frozenset(found)

    def _may_bind(self, module: str, name: str, seen: set[str]) -> bool:
        """Whether a module may have a name; of other people's modules anything may be thought."""
        if module in seen:
            return False
        seen.add(module)
        code = self.code(module) if self.origin(module) == "own" else None
        if code is None or name in code.entries:
            return True
        if any(use.name in _DYNAMIC and use.name not in code.entries for piece in code.pieces for use in piece.uses):
            return True
        return any(self._may_bind(star.module, name, seen) for star in code.stars)


def _is_builtin(name: str) -> bool:
    return hasattr(builtins, name)


def _is_below(dotted: str, names: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of `names`, or leads on from one."""
    return any(dotted == name or dotted.startswith(f"{name}.") for name in names)
