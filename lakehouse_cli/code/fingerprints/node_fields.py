"""What of a node counts for the text of a statement: its fields, the statements that mean something, what they bind."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any

_SKIPPED = frozenset(("ctx", "kind", "type_comment", "type_ignores"))
#: Of kinds of nodes with a node in each field: what their text begins with, and these nodes from the last one on.
FIXED: dict[type, tuple[str, Callable[[Any], tuple[ast.AST, ...]]]] = {
    kind: (f"{kind.__name__} {' '.join(kind._fields[:-1] if kind is ast.Subscript else kind._fields)}(", get)
    for kind, get in (
        (ast.BinOp, attrgetter("right", "op", "left")),
        (ast.UnaryOp, attrgetter("operand", "op")),
        (ast.AugAssign, attrgetter("value", "op", "target")),
        (ast.IfExp, attrgetter("orelse", "body", "test")),
        (ast.Subscript, attrgetter("slice", "value")),
    )
}


@cache
def counted_fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node that its text has."""
    return tuple([field for field in kind._fields if field not in _SKIPPED])


def meaning(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a block without docstrings and the like, and without ``pass``."""
    return [
        statement
        for statement in body
        if not (
            isinstance(statement, ast.Pass)
            or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
        )
    ]


def bound_by(statement: ast.stmt) -> set[str]:
    """The names that a simple statement or a definition binds for certain."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    targets: list[ast.expr] = []
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    return {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
