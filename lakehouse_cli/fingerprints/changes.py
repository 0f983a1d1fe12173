"""What a use of a name, or a statement, may change, as far as its kind tells."""

from __future__ import annotations

import ast
import re

from lakehouse_cli.fingerprints.module_code import Piece
from lakehouse_cli.fingerprints.names import ARGUMENT, CERTAIN, LOOSE, MUTATING, RECEIVER, RESULT, WRITTEN, Use

_CONFIGURING = re.compile(r"set_|register|seed$|patch|install_")
# Harmless functions whose result has, or is, something of what they are given.
_TAKING_OUT = frozenset(
    ("dict", "enumerate", "list", "max", "min", "reversed", "set", "sorted", "tuple", "type", "zip")
)


def may_act(piece: Piece) -> bool:
    """Whether a statement may evaluate anything that changes something, by its kind and by what it stands under."""
    statement = piece.statement
    if any(isinstance(node, ast.Call) for test, _ in piece.guards for node in ast.walk(test)):
        return True
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        arguments = statement.args
        return bool(statement.decorator_list or arguments.defaults or any(arguments.kw_defaults))
    return not isinstance(statement, ast.Import | ast.ImportFrom)


def configures(use: Use) -> bool:
    """Whether a use of other people's code may change what that code does from then on."""
    if use.flags & (CERTAIN | WRITTEN) and use.callee is None:
        return True
    path = (*(use.origin[1] if use.origin else ()), *use.attributes)
    if use.flags & CERTAIN and not path:
        return True  # the package itself is handed to something
    return bool(use.flags & RECEIVER and path and _CONFIGURING.match(path[-1]))


def is_taken_from(use: Use) -> bool:
    """Whether what a harmless function takes out of an object is changed: ``getattr(LIMITS, "a").b = 1``."""
    if not use.flags & RESULT or use.callee is None:
        return False
    stored = use.flags & CERTAIN and not use.flags & RECEIVER
    return use.callee.name == "getattr" or bool(stored and use.callee.name in _TAKING_OUT)


def changes_modules(use: Use, handed_over: bool) -> bool:
    """Whether a use of what hands out modules may change one, or put another in its place."""
    if use.flags & RECEIVER and use.attributes and use.attributes[-1] not in MUTATING:
        return bool(use.flags & (RESULT | LOOSE | ARGUMENT) and handed_over)
    return bool(handed_over or use.flags & LOOSE)


def is_fixed_value(node: ast.expr | None) -> bool:
    """Whether an expression gives a value that cannot be changed in place."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        return True
    if isinstance(node, ast.UnaryOp):
        return is_fixed_value(node.operand)
    if isinstance(node, ast.BinOp):
        return is_fixed_value(node.left) and is_fixed_value(node.right)
    return isinstance(node, ast.Tuple) and all(is_fixed_value(item) for item in node.elts)


def is_literal(statement: ast.stmt) -> bool:
    """Whether a statement gives a name a value of a built-in type."""
    kinds = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp, ast.Constant, ast.Tuple)
    return isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, kinds)
