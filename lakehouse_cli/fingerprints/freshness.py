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
# Packages whose functions give new objects, or what cannot be changed; and those of which some functions do.
_PACKAGES = frozenset(("copy", "datetime", "json", "pandas", "pathlib", "polars", "pyarrow"))
_FUNCTIONS = {
    "collections": frozenset(("Counter", "OrderedDict", "defaultdict", "deque")),
    "numpy": frozenset(("arange", "array", "empty", "full", "linspace", "ones", "zeros")),
}


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
    if any(keyword.arg in ("copy", None) for keyword in node.keywords):
        return False
    called = node.func
    path: tuple[str, ...] = ()
    while isinstance(called, ast.Attribute):
        path, called = (called.attr, *path), called.value
    if not isinstance(called, ast.Name):
        return False
    origin = imports.get(called.id)
    if origin is None:
        return not path and called.id in _MAKING
    package, path = origin[0].partition(".")[0], (*origin[1], *path)
    return package in _PACKAGES or (len(path) == 1 and path[0] in _FUNCTIONS.get(package, ()))
