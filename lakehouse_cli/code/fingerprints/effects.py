"""Which statements of a module may change more than the names that they bind, when it is imported.

One rule covers most: a statement that is no import, definition or plain assignment counts for everything. Definitions
and assignments count for what they may change beside the names that they bind: a decorator may enter a function in a
table, a base class may learn of its subclasses, a function that gives a value may change another.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from msgspec import Struct, field

from lakehouse_cli.code.cached_methods import cached_method
from lakehouse_cli.code.fingerprints.module_code import Definition, Importing, ModuleCode, Piece, PlainImport
from lakehouse_cli.code.fingerprints.resolution import Name, Resolver

if TYPE_CHECKING:
    from lakehouse_cli.code.fingerprints.mutation import Doing

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_TRIES = (ast.Try, ast.TryStar)
_BINDING = (Definition, Importing, ast.Pass, ast.Global, getattr(ast, "TypeAlias", ast.Pass))
_LOGGERS = frozenset(("logging", "loguru", "structlog"))


class Effects(Struct):
    """What importing a module changes.

    Attributes:
        everything: Statements that may change what any function sees.
        names: Of each name, the statements that may change what it stands for, beside those that bind it.
    """

    everything: list[Piece] = field(default_factory=list)
    names: dict[Name, list[Piece]] = field(default_factory=dict)


class EffectsFinder:
    """Finds the effects of importing modules; each module is looked through once."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    @cached_method
    def of(self, code: ModuleCode) -> Effects:
        """The effects of the statements of a module itself."""
        found = Effects()
        for piece in code.pieces:
            if not piece.executed:
                continue
            changed = self._changed_by(piece) if _only_binds(piece.statement) else None
            if changed is None:
                found.everything.append(piece)
            for name in changed or ():
                found.names.setdefault(name, []).append(piece)
        return found

    def _changed_by(self, piece: Piece) -> set[Name] | None:
        """The names of what a definition or assignment may change; None for anything."""
        if not _evaluates(piece):
            return set()
        from lakehouse_cli.code.fingerprints.mutation import doing  # not loaded where nothing is evaluated

        itself = doing(piece, self._resolver, eager=True)
        if itself.configures:
            return None
        derived = isinstance(piece.statement, ast.ClassDef) and bool(piece.statement.bases)
        if not (itself.calls or itself.alters or derived):
            return set()
        names, reached = self._reached(piece)
        if not (itself.calls or itself.alters or any(map(_has_hooks, (piece, *reached)))):
            return set()
        found = [self._done_by(each) for each in reached]
        if any(each.configures for each in found):
            return None
        if not (itself.alters or any(each.alters for each in found)):
            return set()
        landings = [self._resolver.landing(piece, eager=True), *map(self._resolver.landing, reached)]
        if any(landing.modules or landing.unknown for landing in landings):
            return None
        state = {name for name in names if self._is_state(name)}
        # What one statement binds to several names may be one object.
        return state | {
            (name[0], other) for name in state for each in self._resolver.bindings(name) for other in each.names
        }

    def _reached(self, piece: Piece) -> tuple[set[Name], list[Piece]]:
        """The names that evaluating a statement may lead to, and the statements that bind them."""
        names = set(self._resolver.landing(piece, eager=True).all_names)
        waiting = list(names)
        pieces: dict[Piece, None] = {}
        while waiting:
            for other in self._resolver.bindings(waiting.pop()):
                if other not in pieces and other is not piece:
                    pieces[other] = None
                    more = self._resolver.landing(other).all_names - names
                    names |= more
                    waiting += more
        return names, list(pieces)

    @cached_method
    def _done_by(self, piece: Piece) -> Doing:
        from lakehouse_cli.code.fingerprints.mutation import doing

        return doing(piece, self._resolver, eager=False)

    @cached_method
    def _is_state(self, name: Name) -> bool:
        """Whether a name may stand for something that keeps what is put into it."""
        code = self._resolver.code(name[0])
        return code is not None and (
            name[1] in code.declared_globals or any(map(_keeps, code.entries.get(name[1], ())))
        )


def _only_binds(statement: ast.stmt) -> bool:
    """Whether a statement is an import, a definition or a plain assignment, or nothing but such in a block."""
    waiting: list[ast.stmt] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _BINDING):
            continue
        if isinstance(node, ast.If):
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.With):
            waiting += node.body
        elif isinstance(node, _TRIES):
            handled = (inner for handler in node.handlers for inner in handler.body)
            waiting += [*node.body, *handled, *node.orelse, *node.finalbody]
        elif isinstance(node, ast.Assign):
            names = (inner for each in node.targets for inner in getattr(each, "elts", [each]))
            if not all(isinstance(name, ast.Name) for name in names):
                return False
        elif isinstance(node, ast.AnnAssign):
            if not isinstance(node.target, ast.Name):
                return False
        elif isinstance(node, ast.Expr):
            if not isinstance(node.value, ast.Constant):
                return False
        else:
            return False
    return True


def _evaluates(piece: Piece) -> bool:
    """Whether a definition or assignment may evaluate anything that changes something, by its kind."""
    statement = piece.statement
    if any(isinstance(node, ast.Call) for test, _ in piece.guards for node in ast.walk(test)):
        return True
    if isinstance(statement, _FUNCTIONS):
        arguments = statement.args
        return bool(statement.decorator_list or arguments.defaults or any(arguments.kw_defaults))
    return not isinstance(statement, Importing)


def _has_hooks(piece: Piece) -> bool:
    """Whether a class learns of the classes derived from it, or is made by one of the project's."""
    statement = piece.statement
    if not isinstance(statement, ast.ClassDef):
        return False
    hooks = any(isinstance(node, ast.FunctionDef) and node.name == "__init_subclass__" for node in statement.body)
    return hooks or bool(statement.keywords) or any(getattr(base, "id", "") == "type" for base in statement.bases)


def _keeps(entry: Piece | PlainImport) -> bool:
    """Whether what a statement binds may keep something: all but functions, plain classes and fixed values."""
    if isinstance(entry, PlainImport):
        return False
    statement = entry.statement
    if isinstance(statement, _FUNCTIONS):
        return bool(statement.decorator_list) or _keeps_default(statement)
    if isinstance(statement, ast.ClassDef):
        values = (node.value for node in statement.body if isinstance(node, ast.Assign | ast.AnnAssign))
        if any(value is not None and not _is_fixed(value) for value in values):
            return True
        return any(
            (isinstance(node, ast.FunctionDef) and node.name == "__new__")
            or (isinstance(node, ast.Attribute) and _is_stored_in_class(node))
            for node in ast.walk(statement)
        )
    if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
        return True
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    fixed = _is_fixed(statement.value) and all(isinstance(target, ast.Name) for target in targets)
    return not (fixed or _is_logger(entry, statement.value))


def _keeps_default(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function may change a default: one that can be changed, and is not only looked at by its entries."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    optional = [*arguments.defaults, *arguments.kw_defaults]  # of the last of the parameters, each
    found = {
        argument.arg
        for argument, default in zip(named[len(named) - len(optional) :], optional, strict=True)
        if default is not None and not isinstance(default, ast.Name) and not _is_fixed(default)
    }
    nodes = list(ast.walk(function)) if found else []
    looked = [n.value for n in nodes if isinstance(n, ast.Attribute) and n.attr in ("get", "items", "keys", "values")]
    return any(isinstance(node, ast.Name) and node.id in found and node not in looked for node in nodes)


def _is_stored_in_class(node: ast.Attribute) -> bool:
    own = isinstance(node.value, ast.Name) and node.value.id == "self"
    return not isinstance(node.ctx, ast.Load) and not own


def _is_logger(piece: Piece, value: ast.expr) -> bool:
    """Whether a statement binds a logger and changes nothing by it."""
    if not isinstance(value, ast.Call):
        return False
    origins = [each.origin for each in piece.reading.references if each.eager and each.name != "__name__"]
    return bool(origins) and all(origin is not None and origin[0] in _LOGGERS for origin in origins)


def _is_fixed(node: ast.expr) -> bool:
    """Whether an expression gives a value that cannot be changed in place."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.BinOp):
            waiting += [each.left, each.right]
        elif isinstance(each, ast.UnaryOp):
            waiting.append(each.operand)
        elif isinstance(each, ast.Tuple):
            waiting += each.elts
        elif not isinstance(each, ast.Constant | ast.JoinedStr):
            return False
    return True
