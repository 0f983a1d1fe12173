"""Which names the functions and classes of a module take from it, as Python's compiler resolves them.

The compiler's own answer is `symtable`, which parses the text a second time. Where a module has nothing but functions
whose names are either bound in them or the module's, its tree shows the same.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping, Set
from operator import attrgetter
from typing import Any

# What has no names and holds no nodes.
_LEAVES = frozenset((ast.Constant, ast.Pass, ast.Break, ast.Continue, type(None)))
# What has names only as expressions have them, and begins no scope; of each, what may hold such again.
_PLAIN: Mapping[type, Callable[[Any], Any]] = {
    **dict.fromkeys((ast.Attribute, ast.Expr, ast.Return, ast.Starred, ast.keyword), attrgetter("value")),
    ast.Call: attrgetter("func", "args", "keywords"),
    ast.Subscript: attrgetter("value", "slice"),
    ast.Slice: attrgetter("lower", "upper", "step"),
    ast.BinOp: attrgetter("left", "right"),
    ast.Compare: attrgetter("left", "comparators"),
    ast.UnaryOp: attrgetter("operand"),
    **dict.fromkeys((ast.BoolOp, ast.JoinedStr), attrgetter("values")),
    ast.FormattedValue: attrgetter("value", "format_spec"),
    **dict.fromkeys((ast.Tuple, ast.List, ast.Set), attrgetter("elts")),
    ast.Dict: attrgetter("keys", "values"),
    **dict.fromkeys((ast.IfExp, ast.If), attrgetter("test", "body", "orelse")),
    ast.Assign: attrgetter("targets", "value"),
    ast.AugAssign: attrgetter("target", "value"),
    ast.Raise: attrgetter("exc", "cause"),
    ast.Assert: attrgetter("test", "msg"),
    ast.For: attrgetter("target", "iter", "body", "orelse"),
    ast.While: attrgetter("test", "body", "orelse"),
    ast.With: attrgetter("items", "body"),
    ast.withitem: attrgetter("context_expr", "optional_vars"),
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
    import symtable  # not loaded where a tree says it all

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
    if function.decorator_list or getattr(function, "type_params", None):
        return None
    outside = [*arguments.defaults, *arguments.kw_defaults]
    if function.returns is not None and not _is_dotted(function.returns):
        outside.append(function.returns)
    bound: set[str] = set()
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if each is None:
            continue
        if each.arg in bound:
            return None
        bound.add(each.arg)
        if each.annotation is not None and not _is_dotted(each.annotation):
            outside.append(each.annotation)
    names = _names_in(function.body) if not outside or _names_in(outside) is not None else None
    if names is None:
        return None
    used, stored = names
    bound |= stored
    return None if not _SPECIAL.isdisjoint(bound) or not _SPECIAL.isdisjoint(used) else used - bound


def _is_dotted(node: ast.expr) -> bool:
    """Whether an expression is a name, or an attribute of one, as nearly all annotations are."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _names_in(nodes: Iterable[ast.AST | list[ast.expr | None] | None]) -> tuple[set[str], set[str]] | None:
    """The names that are used and those that are bound in nodes; None where there are scopes or other bindings."""
    used: set[str] = set()
    stored: set[str] = set()
    waiting: list[Any] = [*nodes]
    plain = _PLAIN.get
    while waiting:
        node = waiting.pop()
        kind = node.__class__
        if kind is ast.Name:
            context = node.ctx.__class__
            if context is ast.Del:
                return None
            (used if context is ast.Load else stored).add(node.id)
        elif (inside := plain(kind)) is not None:
            found = inside(node)
            if found.__class__ is tuple:
                waiting += found
            else:
                waiting.append(found)
        elif kind is list:
            waiting += node
        elif kind not in _LEAVES:
            return None
    return used, stored
