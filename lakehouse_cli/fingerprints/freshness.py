"""Whether an expression makes an object that nobody else has."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from lakehouse_cli.fingerprints.names import Import

_LITERALS = (
    *(ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Set, ast.Tuple),
    *(ast.DictComp, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.Compare),
)
_MAKING = frozenset(
    (
        *("bool", "bytearray", "bytes", "dict", "float", "frozenset", "int", "len", "list"),
        *("object", "range", "set", "sorted", "str", "tuple"),
    )
)
# Packages whose functions give new objects; what they keep for all to change goes by other names.
_PACKAGES = frozenset(("collections", "copy", "datetime", "json", "numpy", "pandas", "pathlib", "polars", "pyarrow"))


def is_fresh(node: ast.expr, imports: Mapping[str, Import]) -> bool:
    """Whether an expression surely makes a new object, or gives one that cannot be changed in place.

    Args:
        node: The expression.
        imports: Names of the module that stand for one import throughout.
    """
    if isinstance(node, _LITERALS):
        return True
    if isinstance(node, ast.BinOp):
        return is_fresh(node.left, imports) and is_fresh(node.right, imports)
    if isinstance(node, ast.IfExp):
        return is_fresh(node.body, imports) and is_fresh(node.orelse, imports)
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    while isinstance(called, ast.Attribute):
        called = called.value
    if not isinstance(called, ast.Name):
        return False
    if called is node.func and called.id in _MAKING and called.id not in imports:
        return True
    origin = imports.get(called.id)
    return origin is not None and origin[0].partition(".")[0] in _PACKAGES
