"""What importing all names of a module takes from it, as far as its ``__all__`` says."""

from __future__ import annotations

import ast

from lakehouse_cli.code.fingerprints.module_code import ModuleCode

_ALL = "__all__"
# By these `__all__` may be bound without being written there.
_DYNAMIC = frozenset(("globals", "vars", "locals", "exec", "eval", "setattr", "__dict__", "__getattr__"))


def exported(code: ModuleCode) -> tuple[str, ...] | None:
    """The names in a module's ``__all__``, in order; None where it is no list of literals throughout."""
    names: list[str] = []
    mentioned = read = 0
    for node in (node for statement in code.body for node in ast.walk(statement)):
        found = [value for _, value in ast.iter_fields(node) if isinstance(value, str)]
        if not _DYNAMIC.isdisjoint(found):
            return None
        mentioned += _ALL in found
    for statement in code.body if mentioned else ():
        listed = _listed(statement)
        if listed is not None:
            names += listed
            read += 1
    return tuple(dict.fromkeys(names)) if mentioned == read else None


def _listed(statement: ast.stmt) -> list[str] | None:
    """What a statement at the top level of a module puts into ``__all__``; None if it does no such thing."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        target = statement.target
    else:
        return None
    items: list[ast.expr] = []
    waiting = [statement.value] if isinstance(target, ast.Name) and target.id == _ALL else [None]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.BinOp) and isinstance(each.op, ast.Add):
            waiting += [each.right, each.left]
        elif isinstance(each, ast.List | ast.Tuple):
            items += each.elts
        else:
            return None
    texts = [item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    return texts if len(texts) == len(items) else None
