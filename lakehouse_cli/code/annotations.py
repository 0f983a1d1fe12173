"""Annotations as written: the types that they name, by the imports of their module."""

from __future__ import annotations

import ast
import builtins
import sys
import typing
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from lakehouse_cli.model.frame_names import (
    BATCH,
    ITERATORS,
    OPTIONAL,
    READER,
    UnsupportedType,
    is_dotted,
    is_supported,
    names_in_text,
    unsupported_name,
)

_TRANSPARENT = frozenset(("typing.Optional", "typing.Annotated", "typing_extensions.Annotated"))
_FOR_TYPE_CHECKERS = frozenset(("TYPE_CHECKING", "typing.TYPE_CHECKING"))
_BUILTINS = frozenset(dir(builtins))
# By these a module may bind names that are written nowhere.
_BINDERS = frozenset(("globals", "locals", "vars", "exec", "eval", "setattr"))
_TARGETS = frozenset(("lakehouse_cli.Target", "lakehouse_cli.declarations.Target"))
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Statements whose bodies are not among those at the module's top.
_NOT_AT_TOP = (ast.For, ast.While, ast.Match, ast.TryStar)


class NamedTypes:
    """Resolves annotations of one module; what it cannot follow is no type.

    Args:
        statements: Those at the module's top, inside ``if`` and ``try`` too.
        module: Its name.
    """

    def __init__(self, statements: Sequence[ast.stmt], module: str) -> None:
        self._names: dict[str, str | None] = {}
        self._module = module
        # Types that the module defines itself, by full name, that are certainly no frame types.
        self._own: set[str] = set()
        # Names of classes and aliases that the module defines.
        self._defined: set[str] = set()
        # Names that are bound for type checkers, and whether for them alone.
        self._is_for_checkers: dict[str, bool] = {}
        # Names that hold None where their import fails: `except ImportError: pl = None`.
        self._optional: set[str] = set()
        self._knows_builtins = True
        self._known: dict[tuple[str, bool], UnsupportedType | None] = {}
        self._statements = statements
        # Before Python 3.14, annotations are evaluated where they stand unless the module says otherwise.
        self._postpones = sys.version_info >= (3, 14) or any(map(_postpones, self._statements))
        walked: set[ast.stmt] = set()
        for_checkers: set[ast.AST] = set()
        for statement in self._statements:
            self._checked = statement in for_checkers
            if isinstance(statement, ast.If) and ast.unparse(statement.test) in _FOR_TYPE_CHECKERS:
                for_checkers.update(node for inner in statement.body for node in ast.walk(inner))
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    top = alias.name.partition(".")[0]
                    self._bind(alias.asname or top, alias.name if alias.asname else top)
            elif isinstance(statement, ast.ImportFrom):
                self._bind_imported(statement)
            elif isinstance(statement, _FUNCTIONS):
                self._bind(statement.name, None)
            elif (defined := self._definition(statement)) is not None:
                self._bind(*defined)
                self._defined.add(defined[0])
            elif statement not in walked:
                walked.update(self._bind_assigned(statement))
        self._checked = False
        for name in self._optional - self._names.keys():
            self._bind(name, None)

    def _bind_assigned(self, statement: ast.stmt) -> Iterable[ast.stmt]:
        """Bind the names that a statement and those inside of it assign; return them all."""
        walked: list[ast.stmt] = []
        set_to_none: set[ast.AST] = set()
        for node in ast.walk(statement):
            if isinstance(node, ast.stmt):
                walked.append(node)
                if isinstance(node, _NOT_AT_TOP):
                    for name in _names_bound(node):
                        self._bind(name, None)
                set_to_none.update(_set_to_none(node))
            elif isinstance(node, ast.Name) and node in set_to_none:
                self._optional.add(node.id)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._bind(node.id, None)
        return walked

    def _bind_imported(self, statement: ast.ImportFrom) -> None:
        for alias in statement.names:
            if alias.name == "*" and statement.module == "typing" and not statement.level:
                for name in typing.__all__:
                    self._bind(name, f"typing.{name}")
                continue
            self._knows_builtins &= alias.name != "*"
            origin = None if statement.level else f"{statement.module}.{alias.name}"
            self._bind(alias.asname or alias.name, origin)

    def _definition(self, statement: ast.stmt) -> tuple[str, str | None] | None:
        """The name that a class or an assignment gives to a type, and the type as far as it is known; else None."""
        if isinstance(statement, ast.ClassDef):
            bases = [self._dotted(base) for base in statement.bases]
            is_plain = not statement.decorator_list and not statement.keywords and not self._checked
            is_other = is_plain and all(base in _BUILTINS or base in self._own for base in bases)
            return statement.name, self._own_name(statement.name) if is_other else None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            return None
        if self._checked or not isinstance(target, ast.Name):
            return None
        if isinstance(value, ast.Call):
            called = self._dotted(value.func)
            # Of a TypeVar, its bound alone counts.
            bound = [each.value for each in value.keywords if each.arg in {"bound", None}]
            if called == "typing.NewType" or (called == "typing.TypeVar" and not bound):
                return target.id, self._own_name(target.id)
            if called != "typing.TypeVar":
                return None
            value = bound[0]
        if not isinstance(value, ast.Name | ast.Attribute | ast.Subscript):
            return None
        found = self._alternatives(value)
        origin = found[0] if found and len(found) == 1 else None
        return target.id, None if origin and "__" in origin else origin

    def _own_name(self, name: str) -> str:
        self._own.add(full := f"{self._module.partition('.')[0]}.{name}")
        return full

    def _bind(self, name: str, origin: str | None) -> None:
        # Bound twice, to different things: nobody knows which.
        self._names[name] = origin if self._names.get(name, origin) == origin else None
        self._is_for_checkers[name] = self._checked and self._is_for_checkers.get(name, True)

    def is_target(self, annotation: ast.expr | None) -> bool:
        """Whether an annotation names `lakehouse_cli.Target`."""
        if annotation is None or not self._has_ours:
            return False
        return any(name in _TARGETS for name in self._alternatives(annotation) or ())

    @cached_property
    def _has_ours(self) -> bool:
        return any(origin is not None and origin.startswith("lakehouse_cli") for origin in self._names.values())

    def unsupported(self, annotation: ast.expr | None, *, returned: bool) -> UnsupportedType | None:
        """Return the first type that an annotation allows where none of them can be a frame type; None elsewhere."""
        if annotation is None:
            return None
        written = _written(annotation)
        if written is None:
            return self._unsupported(annotation, returned=returned)
        # Thousands of parameters have the same few types.
        if (written, returned) not in self._known:
            self._known[written, returned] = self._unsupported(annotation, returned=returned)
        return self._known[written, returned]

    def _unsupported(self, annotation: ast.expr, *, returned: bool) -> UnsupportedType | None:
        text = annotation.value if isinstance(annotation, ast.Constant) else None
        if isinstance(text, str) and not _is_syntax(text):
            is_known = any(is_supported(each, returned=returned) for each in names_in_text(text))
            return None if is_known else UnsupportedType(text, "syntax")
        found = self._alternatives(annotation)
        if found == []:
            return UnsupportedType("None")
        name = unsupported_name(found or (), self._own, returned=returned)
        if name is not None and self._bound is None and not self._defined.isdisjoint(_names_in(annotation)):
            return None  # it may be bound anew
        if name is None or name in OPTIONAL:
            lost = self._lost(annotation, returned=returned)
            if lost is not None and lost.why != "unbound":
                named = (each for each in found or () if each and each.startswith(lost.name))
                return UnsupportedType(next(named, lost.name), lost.why)
            if lost is not None:
                return lost
        if name is None:
            return None
        return UnsupportedType(name, "kind" if is_dotted(name) else "value")

    def _lost(self, annotation: ast.expr, *, returned: bool) -> UnsupportedType | None:
        """The first name for which an annotation cannot be evaluated, unless its text alone names a frame type."""
        is_text = isinstance(annotation, ast.Constant)
        heads = _names_in(annotation)
        if not self._optional & heads and all(
            not self._is_for_checkers.get(each, each not in _BUILTINS) for each in heads
        ):
            return None
        text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
        names = names_in_text(str(text)) if is_text or self._postpones else []
        if any(is_supported(each, returned=returned) for each in names):
            return None
        bound = self._bound
        if bound is None:
            return None
        for each in sorted(heads):
            if each not in bound and each not in _BUILTINS:
                return UnsupportedType(each, "unbound")
            if self._is_for_checkers.get(each):
                return UnsupportedType(self._names[each] or each, "typing")
            if each in self._optional and (origin := self._names[each]):
                return UnsupportedType(origin, "package")
        return None

    @cached_property
    def _bound(self) -> set[str] | None:
        """All names that the module binds anywhere; None where it may bind others."""
        if not self._knows_builtins:
            return None
        found = set(self._names)
        for node in (node for statement in self._statements for node in ast.walk(statement)):
            if isinstance(node, ast.Global) or (isinstance(node, ast.Attribute) and node.attr == "__dict__"):
                return None
            if isinstance(node, ast.Name):
                if node.id in _BINDERS:
                    return None
                if isinstance(node.ctx, ast.Store):
                    found.add(node.id)
        for statement in self._statements:
            found.update(_names_bound(statement))
        return found

    def _alternatives(self, node: ast.expr) -> list[str | None] | None:
        if (value := self._value(node)) is not None:
            return [value]
        if isinstance(node, ast.Constant):
            return self._of_text(node.value) if isinstance(node.value, str) else []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = [self._alternatives(side) for side in (node.left, node.right)]
            return None if None in sides else [name for side in sides if side is not None for name in side]
        if isinstance(node, ast.Subscript):
            name = self._dotted(node.value)
            if name == "typing.Union":
                items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                parts = [self._alternatives(item) for item in items]
                return None if None in parts else [each for part in parts if part is not None for each in part]
            inner = node.slice
            if isinstance(inner, ast.Tuple) and inner.elts:  # `tuple[()]` has none
                inner = inner.elts[0]
            if name in _TRANSPARENT:
                return self._alternatives(inner)
            return [READER if name in ITERATORS and self._alternatives(inner) == [BATCH] else name]
        return [self._dotted(node)]

    def _value(self, node: ast.expr) -> str | None:
        """The text of what is certainly no type: a number, a display, a class that is called."""
        if isinstance(node, ast.Call):
            called = self._dotted(node.func)
            is_class = called is not None and (is_supported(called, returned=True) or called in _BUILTINS - {"type"})
            return f"{called}(…)" if is_class else None
        is_number = isinstance(node, ast.Constant) and not isinstance(node.value, str | None)
        return ast.unparse(node) if is_number or isinstance(node, ast.List | ast.Tuple | ast.Dict | ast.Set) else None

    def _of_text(self, text: str) -> list[str | None] | None:
        parsed = _parsed(text)
        return None if parsed is None else self._alternatives(parsed)

    def _dotted(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Attribute):
            owner = self._dotted(node.value)
            return None if owner is None else f"{owner}.{node.attr}"
        if not isinstance(node, ast.Name):
            return None
        if node.id in self._names:
            return self._names[node.id]
        is_type = isinstance(getattr(builtins, node.id, None), type)
        return node.id if is_type and self._knows_builtins else None


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    """The names of a statement's imports, definitions, handlers of exceptions, patterns and type parameters."""
    for node in ast.walk(statement):
        names = (getattr(node, field, None) for field in ("asname", "name", "rest"))
        yield from (each.partition(".")[0] for each in names if isinstance(each, str))


def _names_in(annotation: ast.expr) -> set[str]:
    """The names that an annotation has, be it a text or not."""
    text = annotation.value if isinstance(annotation, ast.Constant) else None
    parsed = _parsed(text) if isinstance(text, str) else annotation
    return {node.id for node in ast.walk(parsed) if isinstance(node, ast.Name)} if parsed is not None else set()


def _written(node: ast.expr) -> str | None:
    """A dotted name as it is written; None for any other expression."""
    if isinstance(node, ast.Attribute):
        owner = _written(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def _postpones(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.ImportFrom) or statement.module != "__future__":
        return False
    return any(alias.name == "annotations" for alias in statement.names)


def _set_to_none(statement: ast.stmt) -> Iterable[ast.expr]:
    """What a statement sets to None."""
    if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Constant):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return targets if statement.value.value is None else ()
    return ()


def _is_syntax(text: str) -> bool:
    """Whether a text is an expression of Python, or may be one."""
    try:
        ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return True
    return True


def _parsed(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
