"""Which names the functions and classes of a module take from it, as Python's compiler resolves them.

The compiler's own answer is `symtable`, which parses the text a second time. Where a module has nothing but functions
whose names are either bound in them or the module's, its tree shows the same.
"""

from __future__ import annotations

import ast
import symtable
import sys
from collections.abc import Iterable, Mapping, Set
from typing import Any

# What has names only as expressions have them, and begins no scope; in each, the fields that may hold such again.
_PLAIN: Mapping[type, tuple[str, ...]] = {
    **dict.fromkeys((ast.Constant, ast.Pass, ast.Break, ast.Continue), ()),
    **dict.fromkeys((ast.Attribute, ast.Expr, ast.Return, ast.Starred, ast.keyword), ("value",)),
    ast.Call: ("func", "args", "keywords"),
    ast.Subscript: ("value", "slice"),
    ast.Slice: ("lower", "upper", "step"),
    ast.BinOp: ("left", "right"),
    ast.Compare: ("left", "comparators"),
    ast.UnaryOp: ("operand",),
    **dict.fromkeys((ast.BoolOp, ast.JoinedStr), ("values",)),
    ast.FormattedValue: ("value", "format_spec"),
    **dict.fromkeys((ast.Tuple, ast.List, ast.Set), ("elts",)),
    ast.Dict: ("keys", "values"),
    **dict.fromkeys((ast.IfExp, ast.If), ("test", "body", "orelse")),
    ast.Assign: ("targets", "value"),
    ast.AugAssign: ("target", "value"),
    ast.Raise: ("exc", "cause"),
    ast.Assert: ("test", "msg"),
    ast.For: ("target", "iter", "body", "orelse"),
    ast.While: ("test", "body", "orelse"),
    ast.With: ("items", "body"),
    ast.withitem: ("context_expr", "optional_vars"),
}
# Names that mean more to the compiler: `super` uses `__class__`, `__debug__` cannot be bound.
_SPECIAL = frozenset(("super", "__class__", "__debug__"))


def names_by_line(tree: ast.Module, text: str, label: str) -> Mapping[int, Set[str]]:
    """The names that functions and classes take from the module, by the line of what is at the top level.

    Args:
        tree: Of the module.
        text: Of the module.
        label: What errors call its file.

    Raises:
        SyntaxError: The text parses, and cannot be compiled.
        RecursionError: It is nested too deep.
        MemoryError: Likewise.
    """
    found = _of_plain_module(tree)
    return _of_any_module(text, label) if found is None else found


def _of_any_module(text: str, label: str) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for child in symtable.symtable(text, label, "exec").get_children():
        names = found.setdefault(child.get_lineno(), set())
        waiting = [child]
        while waiting:
            table = waiting.pop()
            if isinstance(table, symtable.Function):
                names.update(table.get_globals())
            else:
                names.update(each.get_name() for each in table.get_symbols() if each.is_global())
            if table.has_children():
                waiting += table.get_children()
    return found


def _of_plain_module(tree: ast.Module) -> dict[int, set[str]] | None:
    """The same of a module of imports, plain statements and plain functions; None for any other."""
    if sys.version_info >= (3, 14):
        return None  # annotations are scopes there
    found: dict[int, set[str]] = {}
    waiting = [*tree.body]
    for statement in waiting:
        if isinstance(statement, ast.If) and _names_in([statement.test]) is not None:  # such as `if TYPE_CHECKING:`
            waiting += statement.body + statement.orelse
        elif isinstance(statement, ast.FunctionDef):
            names = _of_plain_function(statement)
            if names is None:
                return None
            found[statement.lineno] = names
        elif not isinstance(statement, ast.Import | ast.ImportFrom) and _names_in([statement]) is None:
            return None
    return found


def _of_plain_function(function: ast.FunctionDef) -> set[str] | None:
    """The names that a function takes from its module; None where it takes more than a look at its names to know."""
    arguments = function.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    parameters += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    outside = [*arguments.defaults, *arguments.kw_defaults, function.returns, *[each.annotation for each in parameters]]
    bound = {each.arg for each in parameters}
    twice = len(bound) < len(parameters)
    if twice or function.decorator_list or getattr(function, "type_params", None) or _names_in(outside) is None:
        return None
    names = _names_in(function.body)
    if names is None or _SPECIAL & (bound | names[0] | names[1]):
        return None
    used, stored = names
    return used - stored - bound


def _names_in(nodes: Iterable[ast.AST | None]) -> tuple[set[str], set[str]] | None:
    """The names that are used and those that are bound in nodes; None where there are scopes or other bindings."""
    used: set[str] = set()
    stored: set[str] = set()
    waiting: list[Any] = [*nodes]
    while waiting:
        node = waiting.pop()
        kind = node.__class__
        if kind is ast.Name:
            context = node.ctx.__class__
            if context is ast.Del:
                return None
            (used if context is ast.Load else stored).add(node.id)
        elif node is not None:
            fields = _PLAIN.get(kind)
            if fields is None:
                return None
            for field in fields:
                value = getattr(node, field)
                if value.__class__ is list:
                    waiting += value
                else:
                    waiting.append(value)
    return used, stored
