"""Methods of a storage's class, as far as its source shows that no run can use them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from lakehouse_cli.code.annotations import NamedTypes
from lakehouse_cli.code.origins import Definition
from lakehouse_cli.code.source import ModuleSource, SourceError, top_level
from lakehouse_cli.model.frame_names import POLARS, UNORDERED, unsupported
from lakehouse_cli.registry import installed

#: What to annotate the first parameter of `save` with.
SAVED_TYPES = "annotate it with pandas.DataFrame, pyarrow.Table or polars.DataFrame"
#: What to do with a class that is no storage.
MAKE_STORAGE = "make it a subclass of `lakehouse_cli.AssetStorage` or `KeyedStorage`, or give it `save` and `load`"

# What each method of a kind of storage is called with. Methods of other names are the user's own.
_SAVE_LOAD = {"save": "obj, path, resources", "load": "python_type, path, resources"}
_ASSET = {
    "uri": "table",
    "stat": "table",
    "content": "table, known",
    "scan": "table, columns",
    "publish": "table, data, origin",
    "read_manifest": "table",
    "delete": "table",
    "list": "",
}
_KEYED = {"head_key": "key", "get_key": "key", "put_key": "key, data, seen", "delete_key": "key", "keys": "prefix"}
_OPTIONAL = {
    "opener": "key, seen",
    "explain": "error, table",
    "publish_pieces": "table, pieces, origin",
    "rehearse": "table, pieces",
    "count_rows": "table",
    "may_replace": "table, *, forced",
}
# Bases from which a class has no methods of a storage.
_BARE = frozenset(("builtins.object", "abc.ABC", "typing.Protocol", "typing.Generic"))

_Function = ast.FunctionDef | ast.AsyncFunctionDef


class _Method(NamedTuple):
    module: ModuleSource
    owner: ast.ClassDef
    code: _Function


def check_methods(line: Sequence[Definition], bases: Collection[str]) -> None:
    """Refuse a class that lacks methods, and methods that are `async`, take other arguments, or save what is no table.

    Args:
        line: The class and those it descends from, nearest first.
        bases: Full names of bases that are the tool's or Python's own.

    Raises:
        SourceError: With the place of the class or method.
    """
    found: dict[str, _Method | None] = {}
    for module, definition in line:
        for name, method in _names_of(module, definition):
            found.setdefault(name, method)
    calls = _calls_of(line, found.keys(), bases)
    methods = [(each, calls[name]) for name, each in found.items() if each is not None and name in calls]
    waiting = [each for each, _ in methods if isinstance(each.code, ast.AsyncFunctionDef)]
    if waiting:
        named = " and ".join(f"`{each.code.name}` ({each.module.shown}:{each.code.lineno})" for each in waiting)
        message = f"`async def` of {line[0][1].name}: {named}"
        raise SourceError(message, "write it with plain `def`, and `asyncio.run(…)` inside of it")
    for method, arguments in methods:
        _check_parameters(method, arguments)
        if calls is _SAVE_LOAD and method.code.name == "save":
            _check_saved_type(method)


def lacking_message(lacking: Collection[str], names: Collection[str]) -> tuple[str, str]:
    """What to say of a storage's class that lacks methods, and what to do.

    Args:
        lacking: The methods.
        names: What it has.
    """
    renamed = "scan" in lacking and "read" in names
    hint = "let `read` become `scan`" if renamed else "define what its base class leaves open"
    return f"lacks `{'`, `'.join(sorted(lacking))}`", hint


def _calls_of(line: Sequence[Definition], names: Collection[str], bases: Collection[str]) -> Mapping[str, str]:
    """What is called of a class, and with which arguments.

    Raises:
        SourceError: It lacks something of that, as far as its source has all.
    """
    module, definition = line[0]
    at = f"({module.shown}:{definition.lineno})"
    ours = {name.rpartition(".")[2] for name in bases if name.startswith("lakehouse_cli.")}
    is_asset = ours == {"AssetStorage"} and not {"scan", "publish"} & {*names}
    if not ours or is_asset:
        pair = [name for name in _SAVE_LOAD if name in names]
        if len(pair) == 2:
            return _SAVE_LOAD
        if pair and _is_whole(line, bases):
            (missing,) = _SAVE_LOAD.keys() - {*pair}
            message = f"class {definition.name} has `{pair[0]}`, and no `{missing}` {at}"
            raise SourceError(message, f"define `{_signature(missing, _SAVE_LOAD[missing])}`")
        if not ours and _is_whole(line, bases):
            raise SourceError(f"class {definition.name} is no storage {at}", MAKE_STORAGE)
    needed = _KEYED if "KeyedStorage" in ours else _ASSET if ours == {"AssetStorage"} else {}
    lacking = needed.keys() - {*names}
    if lacking and _is_whole(line, bases):
        what, hint = lacking_message(lacking, names)
        raise SourceError(f"class {definition.name} {what} {at}", hint)
    return {**_ASSET, **(_KEYED if ours != {"AssetStorage"} else {}), **_OPTIONAL} if ours else {}


def _is_whole(line: Sequence[Definition], bases: Collection[str]) -> bool:
    """Whether the source of classes shows all that they have: no decorator, metaclass or statement adds to them."""
    if any(not name.startswith("lakehouse_cli.") and name not in _BARE for name in bases):
        return False
    for module, definition in line:
        if definition.decorator_list or any(each.arg != "metaclass" for each in definition.keywords):
            return False
        metaclasses = {ast.unparse(each.value).rpartition(".")[2] for each in definition.keywords}
        if metaclasses - {"ABCMeta"} or any(isinstance(each, ast.For | ast.While) for each in definition.body):
            return False
        if any(_changes(statement, definition.name) for statement in top_level(module.tree.body)):
            return False
    return True


def _changes(statement: ast.stmt, name: str) -> bool:
    """Whether a statement of a module may change what it has by a name: ``Files.load = …``, ``setattr(Files, …)``."""
    parts: list[ast.AST] = [*statement.targets] if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.Expr | ast.For | ast.While):
        parts = [statement]
    return any(isinstance(each, ast.Name) and each.id == name for part in parts for each in ast.walk(part))


def _names_of(module: ModuleSource, definition: ast.ClassDef) -> Iterator[tuple[str, _Method | None]]:
    """What a class defines; None for what is no plain method, such as a function under another name."""
    for statement in top_level(definition.body):
        if isinstance(statement, _Function):
            decorators = {ast.unparse(each).rpartition(".")[2] for each in statement.decorator_list}
            known = decorators <= {"staticmethod", "override"}
            yield statement.name, _Method(module, definition, statement) if known else None
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if isinstance(target, ast.Name) and statement.value is not None:
                    yield target.id, None


def _signature(name: str, arguments: str) -> str:
    return f"def {name}({', '.join(filter(None, ('self', arguments)))})"


def _check_parameters(method: _Method, arguments: str) -> None:
    """Refuse a method that cannot be called with its arguments.

    Raises:
        SourceError: It takes fewer, or needs more.
    """
    from inspect import Parameter, Signature  # slow to load

    taken = method.code.args
    plain = [*taken.posonlyargs, *taken.args]
    optional = {each.arg for each in plain[len(plain) - len(taken.defaults) :]}
    optional |= {each.arg for each, value in zip(taken.kwonlyargs, taken.kw_defaults, strict=True) if value is not None}
    kinds = [
        (Parameter.POSITIONAL_ONLY, taken.posonlyargs),
        (Parameter.POSITIONAL_OR_KEYWORD, taken.args),
        (Parameter.VAR_POSITIONAL, [taken.vararg] if taken.vararg else []),
        (Parameter.KEYWORD_ONLY, taken.kwonlyargs),
        (Parameter.VAR_KEYWORD, [taken.kwarg] if taken.kwarg else []),
    ]
    parameters = [
        Parameter(each.arg, kind, default=None if each.arg in optional else Parameter.empty)
        for kind, group in kinds
        for each in group
    ]
    positional, _, keyword = arguments.partition("*, ")
    values = ([] if _is_static(method) else ["self"]) + [each for each in positional.split(", ") if each]
    try:
        Signature(parameters).bind(*values, **({keyword: True} if keyword else {}))
    except TypeError:
        name, where = method.code.name, f"{method.module.shown}:{method.code.lineno}"
        called = f"{name}({arguments.replace('*, forced', 'forced=…')})"
        message = f"`{name}` of {method.owner.name} cannot be called as `{called}` ({where})"
        raise SourceError(message, f"write `{_signature(name, arguments)}`") from None


def _is_static(method: _Method) -> bool:
    return any(ast.unparse(each) == "staticmethod" for each in method.code.decorator_list)


def _check_saved_type(save: _Method) -> None:
    """Refuse a `save` whose first parameter is annotated with what no table can be saved as.

    Raises:
        SourceError: It is.
    """
    first = [*save.code.args.posonlyargs, *save.code.args.args][0 if _is_static(save) else 1 :][:1]
    types = NamedTypes(list(top_level(save.module.tree.body)), save.module.name)
    why = _why_not(first[0], types) if first else None
    if why is not None:
        where = f"parameter `{first[0].arg}` of `save` of {save.owner.name}"
        raise SourceError(f"{where}: {why} ({save.module.shown}:{save.code.lineno})", SAVED_TYPES)


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
