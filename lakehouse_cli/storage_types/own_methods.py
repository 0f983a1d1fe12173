"""Methods of a storage's class, as far as its source shows that no run can use them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from lakehouse_cli.code.annotations import NamedTypes
from lakehouse_cli.code.origins import Definition
from lakehouse_cli.code.source import ModuleSource, SourceError, top_level
from lakehouse_cli.model.frame_names import POLARS, UNORDERED, unsupported
from lakehouse_cli.registry import installed

#: What to annotate the first parameter of `save` with.
SAVED_TYPES = "annotate it with pandas.DataFrame, pyarrow.Table or polars.DataFrame"
# What a storage is asked by; other methods are the user's own.
_METHODS = frozenset(
    (
        *("save", "load", "uri", "stat", "content", "scan", "publish", "read_manifest", "delete", "list"),
        *("head_key", "get_key", "put_key", "delete_key", "keys", "opener", "explain"),
        *("may_replace", "publish_pieces", "rehearse", "count_rows"),
    )
)


def check_methods(line: Sequence[Definition]) -> None:
    """Refuse methods that are `async`, and a `save` that takes what no table is.

    Args:
        line: The class and those it descends from, nearest first.

    Raises:
        SourceError: With the place of the method.
    """
    methods: dict[str, tuple[ModuleSource, ast.ClassDef, ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for module, definition in line:
        for method in _methods(definition):
            methods.setdefault(method.name, (module, definition, method))
    waiting = [each for name, each in methods.items() if name in _METHODS and isinstance(each[2], ast.AsyncFunctionDef)]
    if waiting:
        named = " and ".join(f"`{method.name}` ({module.shown}:{method.lineno})" for module, _, method in waiting)
        message = f"`async def` of {line[0][1].name}: {named}"
        raise SourceError(message, "write it with plain `def`, and `asyncio.run(…)` inside of it")
    if "load" not in methods or "save" not in methods or methods.keys() & {"scan", "publish"}:
        return
    module, definition, save = methods["save"]
    plain = [*save.args.posonlyargs, *save.args.args]
    is_static = any(isinstance(each, ast.Name) and each.id == "staticmethod" for each in save.decorator_list)
    first = next(iter(plain if is_static else plain[1:]), None)
    why = None if first is None else _why_not(first, NamedTypes(list(top_level(module.tree.body)), module.name))
    if first is not None and why is not None:
        where = f"parameter `{first.arg}` of `save` of {definition.name}"
        raise SourceError(f"{where}: {why} ({module.shown}:{save.lineno})", SAVED_TYPES)


def _methods(definition: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            yield statement


def _why_not(parameter: ast.arg, types: NamedTypes) -> str | None:
    """Why no table can be saved as the type that a parameter is annotated with; None where one can, or may."""
    found = types.unsupported(parameter.annotation, returned=False)
    if found is None or found.why not in ("kind", "value") or found.name == POLARS:
        return None
    if found.name in UNORDERED:
        return f"rows of {found.name} have no order"
    if found.name.partition(".")[0] in {each.partition(".")[0] for each in installed("frames")}:
        return None
    return unsupported(found.name, returned=False)[0]
