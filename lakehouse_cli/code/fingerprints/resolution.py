"""Where a dotted name leads among the modules that a project's code can reach."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable

from msgspec import Struct

from lakehouse_cli.code.cached_methods import cached_method
from lakehouse_cli.code.fingerprints.module_code import ModuleCode, Piece, PlainImport, StarImport
from lakehouse_cli.code.fingerprints.modules import Modules, Provenance
from lakehouse_cli.code.fingerprints.references import Import, Reference

Name = tuple[str, str]
"""A module's dotted name, and a name it binds."""

BELOW = ".*"
"""What follows a module's name where the modules may be meant that can be taken from it as attributes."""


class Landing(Struct, eq=False):
    """Where references lead; not changed any more once they are followed.

    Attributes:
        names: Definitions, with the attributes that remain to be taken from each.
        passed: Names of modules that only pass on what they import.
        modules: Modules of which anything may be meant; ``clean.*`` where this goes for those in it as well.
        packages: Top-level names of other people's packages.
        unbound: Names that nothing binds.
        unknown: Whether any module may be meant.
    """

    # Nearly every name leads to one thing: of ten thousand functions, empty sets of their own take ten megabytes.
    names: frozenset[tuple[str, str, tuple[str, ...]]] = frozenset()
    passed: frozenset[Name] = frozenset()
    modules: frozenset[str] = frozenset()
    packages: frozenset[str] = frozenset()
    unbound: frozenset[Name] = frozenset()
    unknown: bool = False
    _all_names: frozenset[Name] | None = None

    @property
    def all_names(self) -> frozenset[Name]:
        """Definitions, and names that pass them on."""
        if self._all_names is None:
            self._all_names = frozenset((*self.passed, *((module, name) for module, name, _ in self.names)))
        return self._all_names

    @classmethod
    def joined(cls, landings: Collection[Landing]) -> Landing:
        """All that several lead to."""
        if len(landings) == 1:
            return next(iter(landings))
        return cls(
            frozenset().union(*(landing.names for landing in landings)),
            frozenset().union(*(landing.passed for landing in landings)),
            frozenset().union(*(landing.modules for landing in landings)),
            frozenset().union(*(landing.packages for landing in landings)),
            frozenset().union(*(landing.unbound for landing in landings)),
            any(landing.unknown for landing in landings),
        )

    @classmethod
    def anything_of(cls, module: str, *, unknown: bool = False) -> Landing:
        """Anything that can be taken from a module, by whatever name."""
        return cls(modules=frozenset((module, module + BELOW)), unknown=unknown)


NOWHERE = Landing()
_Path = tuple[str, tuple[str, ...]]


# What hands out modules, or their names, whichever they are.
_MODULES = (
    "sys.modules",
    "sys._getframe",
    "inspect.currentframe",
    "inspect.stack",
    "inspect.getmodule",
    "pydoc.locate",
    "builtins.__import__",
    "gc.get_objects",
    "gc.get_referrers",
)
# What leads to modules in ways that cannot be followed.
_UNKNOWN = (
    *_MODULES,
    "importlib",
    "runpy",
    "pkgutil",
    "imp",
    "zipimport",
    "sys.meta_path",
    "pandas.compat._optional.import_optional_dependency",
    "unittest.mock.patch",
    "builtins.exec",
    "builtins.eval",
)
#: Packages that have some of these; but for pandas', which goes by a name of its own.
LEADING_ANYWHERE = frozenset(each.partition(".")[0] for each in _UNKNOWN) - {"pandas"}
_HARMLESS_IMPORTLIB = ("importlib.metadata", "importlib.resources")
_DYNAMIC = frozenset(("globals", "exec", "eval", "vars", "locals"))
# What looks for names in the module it is called from: replacement scans, expressions given as text.
_LOOKING_AROUND = ("numexpr.evaluate", "pandas.eval", "polars.sql", "polars.SQLContext", "builtins.globals")


class Resolver(Modules):
    """Follows names between modules; arguments as of `Modules`."""

    def bindings(self, name: Name) -> list[Piece]:
        """The statements that bind a name, imports apart."""
        code = self.code(name[0])
        return [entry for entry in (code.entries.get(name[1], ()) if code else ()) if isinstance(entry, Piece)]

    @cached_method
    def landing(self, piece: Piece, *, eager: bool = False) -> Landing:
        """Where all names lead that a piece refers to, or those that it refers to when its module is imported."""
        reading = piece.reading
        landings = {self._follow_reference(piece.code, each) for each in reading.references if each.eager or not eager}
        imported = (module for module, _ in reading.imports if self.origin(module) == "package")
        packages = frozenset([module.partition(".")[0] for module in imported])
        if packages or reading.asks_anything:
            landings.add(Landing(packages=packages, unknown=reading.asks_anything))
        return Landing.joined(landings)

    @cached_method
    def _follow_reference(self, code: ModuleCode, reference: Reference) -> Landing:
        module, path = reference.origin or (code.name, (reference.name,))
        path = (*path, *reference.attributes)
        if reference.origin is None and reference.name not in code.entries:
            looked_up = self._builtin(code, reference)
            if looked_up is not None:
                return looked_up
        outside = reference.origin is not None and self.origin(module) != "own"
        if outside and reference.named:
            return NOWHERE
        landing = self.follow(module, path, outside=reference.origin is not None)
        if outside and _is_below(".".join((module, *path)), _LOOKING_AROUND):
            return Landing.joined((landing, Landing.anything_of(code.name)))
        return landing

    def hands_out_modules(self, origin: Import) -> bool:
        """Whether something of other people's code leads to any of the project's modules as objects."""
        return _is_below(".".join((origin[0], *origin[1])), _MODULES)

    def calls_outside(self, piece: Piece) -> bool:
        """Whether a statement is nothing but a call of other people's code."""
        value = piece.statement.value if isinstance(piece.statement, ast.Expr) else None
        func = value.func if isinstance(value, ast.Call) else None
        while isinstance(func, ast.Attribute):
            func = func.value
        origin = piece.code.plain_imports.get(func.id) if isinstance(func, ast.Name) else None
        return origin is not None and self.origin(origin[0]) != "own"

    def _builtin(self, code: ModuleCode, reference: Reference) -> Landing | None:
        """Built-in functions by which any name may be meant."""
        name = reference.name
        if name in ("exec", "eval") or (name == "__import__" and not reference.named):
            return Landing.anything_of(code.name, unknown=True)
        if name == "globals" or (name in ("vars", "locals") and reference.eager):
            return Landing.anything_of(code.name)
        return None

    @cached_method
    def follow(self, module: str, path: tuple[str, ...], *, outside: bool) -> Landing:
        """Where a name of a module leads, with the attributes taken from it.

        Args:
            module: Dotted name.
            path: The name, and attributes; empty for the module itself.
            outside: Whether it is another module that asks; then a name that is not bound is not a built-in one.
        """
        found = Landing()
        self._follow(module, path, found, set(), outside)
        return found

    def _follow(self, module: str, path: tuple[str, ...], found: Landing, seen: set[_Path], outside: bool) -> None:
        if (module, path) in seen:
            return
        seen.add((module, path))
        origin = self.origin(module)
        if origin == "own" and any(path.suffix != ".pyc" for path in self.compiled(module)):
            found.packages |= {module}  # compiled code, which Python takes before a source of that name
        if origin != "own":
            self._follow_outside(module, path, origin, found)
        elif not path:
            found.modules |= {module, module + BELOW}
        else:
            code = self.code(module)
            if code is None and self.file(module) is None and not (self.folder / module.replace(".", "/")).is_dir():
                found.packages |= {module}  # one that is missing
            else:
                self._follow_own(code, (module, path), found, seen, outside)

    def _follow_outside(self, module: str, path: tuple[str, ...], origin: Provenance, found: Landing) -> None:
        dotted = ".".join((module, *path))
        if origin == "package":
            top = module.partition(".")[0]
            found.packages |= {top}
            # A module that is not found where it should be may be on a path that the code itself adds.
            found.unknown |= self._package(top) is None and self.is_somewhere(top)
        found.unknown |= _is_below(dotted, _UNKNOWN) and not _is_below(dotted, _HARMLESS_IMPORTLIB)

    def _follow_own(
        self, code: ModuleCode | None, whole: _Path, found: Landing, seen: set[_Path], outside: bool
    ) -> None:
        module, path = whole
        head, rest = path[0], path[1:]
        entries = code.entries.get(head, []) if code is not None else []
        if entries:
            if all(isinstance(entry, PlainImport) for entry in entries):
                found.passed |= {(module, head)}
            else:
                found.names |= {(module, head, rest)}
        # `from . import impl` gets the submodule; any other import hides one of that name.
        origins = [origin for entry in entries for origin in entry.origins(head) if origin != (module, (head,))]
        for origin in origins:
            self._follow(origin[0], (*origin[1], *rest), found, seen, True)
        from_star = code is not None and bool(code.stars) and self._follow_stars(code, path, found, seen)
        if not origins and (code is None or code.is_package) and self.is_module(f"{module}.{head}", code):
            self._follow(f"{module}.{head}", rest, found, seen, True)
        elif code is not None and not entries and not from_star:
            if "__getattr__" in code.entries and outside:
                found.names |= {(module, "__getattr__", ())}
            elif outside or not _is_builtin(head):
                found.unbound |= {(module, head)}
            if outside:
                found.modules |= {module}

    def _follow_stars(self, code: ModuleCode, path: tuple[str, ...], found: Landing, seen: set[_Path]) -> bool:
        """Follow a name into the modules of which all names are imported; whether it may come from there."""
        comes = False
        for star in self.stars(code, path[0]):
            if self.origin(star.module) != "own":
                self._follow(star.module, path, found, seen, True)
                comes |= not _is_builtin(path[0])
                continue
            found.modules |= {star.module}
            found.passed |= {(code.name, path[0])}
            other, here = self.code(star.module), (star.module, path[0])
            if other is not None and (path[0] in other.entries or other.stars or self.star_has_module(*here)):
                self._follow(star.module, path, found, seen, True)
            comes = True
        return comes

    def stars(self, code: ModuleCode, name: str) -> list[StarImport]:
        """The imports of all names of a module that may bind `name` in `code`."""
        if not code.stars:
            return []
        known = name in code.entries or _is_builtin(name)
        return [star for star in code.stars if not known or self._may_bind(star.module, name, {code.name})]

    def below(self, module: str, imported: Iterable[ModuleCode]) -> frozenset[str]:
        """The modules among those that are imported which can be taken from one as attributes, step by step."""
        found: set[str] = set()
        waiting, seen = [module], set()
        while waiting:
            name = waiting.pop()
            if name in seen or self.origin(name) != "own":
                continue
            seen.add(name)
            found |= {code.name for code in imported if code.name.startswith(f"{name}.")}
            code = self.code(name)
            if code is not None:
                taken = [
                    origin for entries in code.entries.values() for entry in entries for origin in entry.all_origins
                ]
                landings = [self.follow(origin[0], origin[1], outside=True) for origin in taken]
                waiting += [m.removesuffix(BELOW) for landing in landings for m in landing.modules if m.endswith(BELOW)]
                waiting += [star.module for star in code.stars]
        return frozenset(found)

    def _may_bind(self, module: str, name: str, seen: set[str]) -> bool:
        """Whether a module may have a name; of other people's modules anything may be thought."""
        if module in seen:
            return False
        seen.add(module)
        code = self.code(module) if self.origin(module) == "own" else None
        if code is None or name in code.entries or self.star_has_module(module, name):
            return True
        references = (each for piece in code.pieces for each in piece.reading.references)
        if any(each.name in _DYNAMIC and each.name not in code.entries for each in references):
            return True
        return any(self._may_bind(star.module, name, seen) for star in code.stars)


def _is_builtin(name: str) -> bool:
    return hasattr(builtins, name)


def _is_below(dotted: str, names: tuple[str, ...]) -> bool:
    """Whether a dotted name is one of `names`, or leads on from one."""
    return any(dotted == name or dotted.startswith(f"{name}.") for name in names)
