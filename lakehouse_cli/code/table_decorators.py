"""Decorators that declare tables, which are no part of the functions under them.

A decorated function is what it is without the decorator, and so is its fingerprint: what the decorator says is the
table's declaration, each part of which has its own say in a plan.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator

_PACKAGE, _DECORATORS = "lakehouse_cli", frozenset(("computed_table", "computed_asset"))


def undeclared(tree: ast.Module) -> ast.Module:
    """Remove the decorators that declare tables and assets from the functions at the top of a module, in place.

    Only where it is plain that they are: by a name that is bound once, by an import at the top of the module. What
    `import *` binds of this package is written out, as all that reads the module follows names.
    """
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == _PACKAGE and not statement.level:
            every = sys.modules[_PACKAGE].__all__
            names_of = ([each] if each.name != "*" else map(ast.alias, every) for each in statement.names)
            statement.names = [ast.copy_location(each, statement) for of in names_of for each in of]
    names, modules = _imported(tree)
    if not names and not modules:
        return tree
    bound = Counter(_bound(tree))
    names = {name for name in names if bound[name] == 1}
    modules = {name for name in modules if bound[name] == 1}
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = statement.decorator_list
            statement.decorator_list = [each for each in decorators if not _declares(each, names, modules)]
    return tree


def _imported(tree: ast.Module) -> tuple[set[str], set[str]]:
    """The names that stand for the decorator, and those that stand for the package."""
    names: set[str] = set()
    modules: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == _PACKAGE and not statement.level:
            names |= {alias.asname or alias.name for alias in statement.names if alias.name in _DECORATORS}
        elif isinstance(statement, ast.Import):
            modules |= {alias.asname or alias.name for alias in statement.names if alias.name == _PACKAGE}
    return names, modules


def _bound(tree: ast.Module) -> Iterator[str]:
    """The names that the statements at the top of a module bind, as often as they do."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name  # what is in it binds names of its own
        elif not isinstance(statement, ast.Assign) or not all(isinstance(each, ast.Name) for each in statement.targets):
            yield from _bound_in(statement)
        else:
            yield from (each.id for each in statement.targets if isinstance(each, ast.Name))


def _bound_in(statement: ast.stmt) -> Iterator[str]:
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def _declares(decorator: ast.expr, names: set[str], modules: set[str]) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    if isinstance(called, ast.Name):
        return called.id in names
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.attr in _DECORATORS:
        return called.value.id in modules
    return False
