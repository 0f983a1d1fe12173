"""What a use of a name, or a statement, may change, as far as its kind tells."""

from __future__ import annotations

import ast
import re

from lakehouse_cli.fingerprints.module_code import Piece
from lakehouse_cli.fingerprints.names import ARGUMENT, CERTAIN, LOOSE, MUTATING, RECEIVER, RESULT, WRITTEN, Use

_CONFIGURING = re.compile(r"set(?!diff|xor)|register|seed|patch|install|filterwarnings|simplefilter|basicConfig")
# What keeps its state for all who ask: `decimal.getcontext`, `logging.getLogger`, `pandas.option_context`.
_HANDING_OUT = re.compile(r"get(?!pass|size|cwd|default)|current|.*context$")
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
    if not use.flags & RECEIVER or not path:
        return False
    return bool(_CONFIGURING.match(path[-1]) or (len(path) > 1 and path[-1] in MUTATING))  # `os.environ.setdefault`


def hands_out(use: Use) -> bool:
    """Whether a call of other people's code may give what that code keeps, rather than something new."""
    path = (*(use.origin[1] if use.origin else ()), *use.attributes)
    return bool(path and _HANDING_OUT.match(path[-1]))


def aliased_by(statement: ast.stmt) -> set[tuple[str, ...]]:
    """What a statement gives another name to, or one after the other: names with the attributes taken from them."""
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        waiting = [statement.value]
    elif isinstance(statement, ast.For | ast.AsyncFor):
        waiting = [statement.iter]
    else:
        return set()
    found: set[tuple[str, ...]] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name | ast.Attribute):
            found.add(tuple(ast.unparse(node).split(".")))
        elif isinstance(node, ast.Tuple | ast.List | ast.Set):
            waiting += node.elts
        elif isinstance(node, ast.IfExp):
            waiting += [node.body, node.orelse]
        elif isinstance(node, ast.BoolOp):
            waiting += node.values
        elif isinstance(node, ast.NamedExpr | ast.Starred):
            waiting.append(node.value)
    return found


def stores_into(statement: ast.stmt) -> list[str]:
    """The names whose attributes or items a statement binds to something that may be changed elsewhere."""
    if not isinstance(statement, ast.Assign) or is_fixed_value(statement.value):
        return []
    found = []
    for target in statement.targets:
        inner: ast.expr = target
        while isinstance(inner, ast.Attribute | ast.Subscript):
            inner = inner.value
        if inner is not target and isinstance(inner, ast.Name):
            found.append(inner.id)
    return found


def keeps_state(statement: ast.stmt) -> bool:
    """Whether a definition keeps something between its uses: defaults, a cache, attributes of the class."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = (*statement.args.defaults, *statement.args.kw_defaults)
        return bool(statement.decorator_list) or any(
            node is not None and not is_fixed_value(node) and not isinstance(node, ast.Name) for node in defaults
        )
    if not isinstance(statement, ast.ClassDef):
        return False
    for node in statement.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and not is_fixed_value(node.value):
            return True
        if isinstance(node, ast.FunctionDef) and node.name == "__new__":
            return True
    return any(
        isinstance(node, ast.Attribute)
        and not isinstance(node.ctx, ast.Load)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
        for node in ast.walk(statement)
    )


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
