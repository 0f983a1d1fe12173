"""Whether code may change objects that others hold, as far as its text says; an estimate on the safe side."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from lakehouse_cli.code.fingerprints.module_code import Piece
from lakehouse_cli.code.fingerprints.references import ANYWHERE, Import
from lakehouse_cli.code.fingerprints.resolution import Resolver

# Methods of the built-in types that change what they are called on, and such as change nothing; those of loggers too.
_METHODS = frozenset(name for kind in (list, dict, set, deque, OrderedDict, Counter, str, bytes) for name in dir(kind))
_LOGGING = frozenset(("debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "success"))
_READING = frozenset(name for kind in (tuple, frozenset, str, bytes, Mapping) for name in dir(kind)) | {"copy"}
MUTATING = frozenset(name for name in _METHODS - _READING if not name.startswith("_"))
_PURE = _LOGGING | frozenset(name for name in _READING & _METHODS if not name.startswith("_"))
# Built-in functions that leave alone what they are given.
HARMLESS = frozenset(dir(builtins)) - {
    *("setattr", "delattr", "exec", "eval", "compile", "globals", "locals", "vars", "__import__", "__build_class__"),
    *("map", "filter", "next", "aiter", "anext", "iter", "open", "input", "breakpoint"),
}
_WRITERS = frozenset(("setattr", "delattr", "__setattr__", "__delattr__"))
_EXECUTING = frozenset(("exec", "eval", "globals", "__import__"))
_CHANGING_ARGUMENTS = frozenset(
    (
        *("heapify", "heappop", "heappush", "heappushpop", "heapreplace", "insort", "shuffle"),
        *("setitem", "delitem", "iadd", "iconcat", "ior"),
    )
)
# Functions of packages that change what all code sees, and those that may give what the package keeps.
_CONFIGURING = re.compile(r"set(?!diff|xor)|register|seed|patch|install|filterwarnings|simplefilter|basicConfig")
_HANDING_OUT = re.compile(r"get(?!pass|size|cwd|default)|current|.*context$")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LITERALS = (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Set, ast.Tuple, ast.BinOp, ast.Compare)


class Doing(NamedTuple):
    """What code may do when it runs.

    Attributes:
        alters: Whether it may change objects of the project that it is given or finds by a name.
        configures: Whether it may change what all code sees: options of packages, the names of any module.
        calls: Whether it may call code of the project.
    """

    alters: bool
    configures: bool
    calls: bool


def doing(piece: Piece, resolver: Resolver, *, eager: bool) -> Doing:
    """What a statement may do when its module is imported, or also when what it defines is called."""
    walk = _Walk(piece, resolver)
    for node in _evaluated((*(test for test, _ in piece.guards), piece.statement), eager=eager):
        walk.look_at(node)
    return Doing(walk.alters, walk.configures, walk.calls)


def _evaluated(nodes: Iterable[ast.AST], *, eager: bool) -> Iterator[ast.AST]:
    """What is evaluated of some nodes, the bodies of functions only where they are called."""
    waiting = [(node, eager) for node in nodes]
    while waiting:
        node, later = waiting.pop()
        yield node
        children: Iterable[ast.AST] = ast.iter_child_nodes(node)
        if later and isinstance(node, _FUNCTIONS):
            defaults = (each for each in (*node.args.defaults, *node.args.kw_defaults) if each is not None)
            children = (*getattr(node, "decorator_list", ()), *defaults)
        # A function without a name that is called, or handed to something that may call it, counts as called.
        waiting += [
            (child, later and not (isinstance(node, ast.Call) and isinstance(child, ast.Lambda))) for child in children
        ]


class _Walk:
    def __init__(self, piece: Piece, resolver: Resolver) -> None:
        self._piece = piece
        self._code = piece.code
        self._resolver = resolver
        self._imports = dict(piece.code.plain_imports)
        for node in ast.walk(piece.statement) if piece.code.has_inner_imports else ():
            if isinstance(node, ast.Import | ast.ImportFrom):
                self._imports.update({name: origin for name, origin, _ in piece.code.import_targets(node)})
        self.alters = self.configures = self.calls = False

    def look_at(self, node: ast.AST) -> None:
        """Note what evaluating a node does, apart from what is in it."""
        if isinstance(node, ast.Call):
            self._call(node.func, node.args)
        elif isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            self._write(node)
        elif isinstance(node, ast.AugAssign | ast.Global | ast.Nonlocal):
            self.alters = True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for decorator in node.decorator_list:
                self._call(decorator, [])
            # A class learns of those that are derived from it, and a metaclass makes them.
            self.calls |= isinstance(node, ast.ClassDef) and bool(node.bases or node.keywords)
        if isinstance(node, ast.Attribute) and node.attr in ANYWHERE:
            self.configures = True
        if isinstance(node, ast.Attribute | ast.Name):
            origin = self._outside(node)
            self.configures |= origin is not None and self._resolver.hands_out_modules(origin)

    def _outside(self, node: ast.expr) -> Import | None:
        """What an expression stands for, if it is a name, with attributes, of what is not the project's."""
        base, path = _chain(node)
        if not isinstance(base, ast.Name):
            return None
        origin = self._imports.get(base.id)
        if origin is None:
            origins = [each for entry in self._code.entries.get(base.id, ()) for each in entry.all_origins]
            origin = next((each for each in origins if self._resolver.origin(each[0]) != "own"), None)
        if origin is None or self._resolver.origin(origin[0]) == "own":
            return None
        return origin[0], (*origin[1], *path)

    def _write(self, written: ast.expr) -> None:
        """Note that an attribute or item is bound, or an attribute of an object by its name."""
        base, path = _chain(written)
        # An attribute of a class, function or module is not put into what that holds, but into itself.
        known = isinstance(base, ast.Name) and (base.id in self._code.entries or base.id in self._imports)
        self.configures |= known and any(path)
        while isinstance(base, ast.Call):  # `decimal.getcontext().prec = 5`
            base, _ = _chain(base.func)
        self.configures |= self._outside(base) is not None
        self.alters = True

    def _call(self, func: ast.expr, arguments: list[ast.expr]) -> None:
        base, path = _chain(func)
        called = path[-1] if path else getattr(base, "id", "")
        if called in _WRITERS and arguments:
            self._write(arguments[0])
            written, _ = _chain(arguments[0])
            # Of a function or module this is no object that it holds, but itself.
            self.configures |= not isinstance(written, ast.Name) or written.id in self._code.entries
        self.alters |= called in _CHANGING_ARGUMENTS
        if isinstance(base, ast.Name):
            self._call_name(base.id, path, self._outside(func))
        elif isinstance(base, ast.Call):
            origin = self._outside(base.func)
            if origin is None:
                self.calls = True
                self.alters |= bool(path) and called not in _PURE
            elif _HANDING_OUT.match(origin[1][-1] if origin[1] else ""):
                self.configures |= called not in _PURE
        elif not isinstance(base, _LITERALS):
            self.calls = True
            self.alters |= called not in _PURE

    def _call_name(self, name: str, path: tuple[str, ...], outside: Import | None) -> None:
        if outside is not None:
            names = outside[1]
            self.configures |= bool(names) and bool(_CONFIGURING.match(names[-1]) or names[-1] in MUTATING)
        elif name in self._code.entries or self._code.stars or name in self._imports:
            self.calls = True
            if not (path and path[-1] in _PURE):
                self.alters |= not self._is_definition(name, path)
        elif path:
            self.calls = True
            self.alters |= path[-1] not in _PURE
        elif hasattr(builtins, name):
            self.configures |= name in _EXECUTING
            self.alters |= name not in HARMLESS

    def _is_definition(self, name: str, path: tuple[str, ...]) -> bool:
        """Whether calling a name, or an attribute of it, calls functions and classes as they are defined."""
        module, first = self._imports.get(name) or (self._code.name, (name,))
        landing = self._resolver.follow(module, (*first, *path), outside=name in self._imports)
        found = [(bound, rest) for owner, own, rest in landing.names for bound in self._resolver.bindings((owner, own))]
        return bool(found) and all(
            (len(rest) < 2 and isinstance(bound.statement, ast.ClassDef))
            or (not rest and isinstance(bound.statement, ast.FunctionDef | ast.AsyncFunctionDef))
            for bound, rest in found
        )


def _chain(node: ast.expr) -> tuple[ast.expr, tuple[str, ...]]:
    """What an expression begins with, and the attributes taken from it; an item counts as one without a name."""
    path: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        path.append(node.attr if isinstance(node, ast.Attribute) else "")
        node = node.value
    return node, tuple(reversed(path))
