"""Paths as code writes them: constants and ``__file__``, and what `os.path` and `pathlib` make of these."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Callable

from lakehouse_cli.code.fingerprints.module_code import ModuleCode, Piece
from lakehouse_cli.code.source import last_name

# What leaves a path the same.
_SAME = frozenset(("Path", "PurePath", "str", "fspath", "abspath", "realpath", "normpath"))
_SAME_METHODS = frozenset(("resolve", "absolute", "as_posix"))


def written_path(node: ast.expr, code: ModuleCode, here: str | None, depth: int = 20) -> str | None:
    """The path, or other text, that an expression gives; None where that cannot be determined.

    Args:
        node: The expression.
        code: The module that it is in.
        here: What ``__file__`` is; None where that is not known.
        depth: How many levels of the expression are looked at.
    """

    def inner(part: ast.expr) -> str | None:
        return written_path(part, code, here, depth - 1)

    if not depth:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        value = _constant(node.id, code)
        return here if node.id == "__file__" else inner(value) if value is not None else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        return _joined(inner(node.left), inner(node.right))
    if isinstance(node, ast.Attribute) and node.attr == "parent":
        return _parent(inner(node.value), 1)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "parents":
        level = node.slice.value if isinstance(node.slice, ast.Constant) else None
        return _parent(inner(node.value.value), level + 1) if isinstance(level, int) and level >= 0 else None
    return _called(node, inner) if isinstance(node, ast.Call) and not node.keywords else None


def _called(node: ast.Call, inner: Callable[[ast.expr], str | None]) -> str | None:
    name, args = last_name(node.func), node.args
    if isinstance(node.func, ast.Attribute):
        if name in _SAME_METHODS and not args:
            return inner(node.func.value)
        if name == "joinpath":
            return _joined(inner(node.func.value), *map(inner, args))
        if name == "with_name" and len(args) == 1:
            return _joined(_parent(inner(node.func.value), 1), inner(args[0]))
    if name == "dirname" and len(args) == 1:
        return _parent(inner(args[0]), 1)
    return _joined(*map(inner, args)) if args and (name in _SAME or name == "join") else None


def _joined(*parts: str | None) -> str | None:
    known = [part for part in parts if part is not None]
    return posixpath.join(*known) if len(known) == len(parts) else None


def _parent(path: str | None, levels: int) -> str | None:
    for _ in range(levels):
        if path is None or path in ("", ".") or ".." in path.split("/"):
            return None
        path = posixpath.dirname(path)
    return path


def _constant(name: str, code: ModuleCode) -> ast.expr | None:
    """What a name of the module stands for, if it is bound once and by an assignment."""
    entries = code.entries.get(name, [])
    statement = entries[0].statement if len(entries) == 1 and isinstance(entries[0], Piece) else None
    if isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
        return statement.value
    return statement.value if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) else None
