"""A project that is declared in Python → the nodes that the same YAML would give."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Any

from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.python_nodes import Nodes, Places, plain_key, plain_value, shown_value
from lakehouse_cli.config.python_storages import with_named_classes
from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.yaml_tree import Broken, Mapping, Node, Scalar
from lakehouse_cli.declarations import COMPUTES, DeclaredProject, DeclaredTable, TableDecorator, declared_by
from lakehouse_cli.errors import Location

# The words of Dagster's Lakehouse, which this tool carries on, for keys of ours.
_FORMER = {"input_assets": "inputs", "input_deps": "inputs", "storage_key": "storage"}
_INPUTS = ("inputs", "input_assets", "input_deps")
#: What is said by the declaring functions themselves.
_OWN = ("kind", "name")


class PythonProject:
    """The nodes of one project that is declared in Python.

    Args:
        declared: The project.
        folder: Its folder, resolved.
        problems: Takes what is found.

    Attributes:
        reader: Reads its nodes.
        root: Its keys but its tables.
        tables: A map of each table by itself, in their order; inputs that are not listed come last.
    """

    def __init__(self, declared: DeclaredProject, folder: Path, problems: Problems) -> None:
        self._problems = problems
        self._places = Places(folder)
        self._folder = folder
        mark = self._places.mark(declared.place)
        self._own = Nodes(mark, self._places, problems)
        self.location = mark.location
        self.reader = Reader(self._places.source(declared.place.file), problems)
        entries: dict[str, tuple[Scalar, Node]] = {}
        for key, value in declared.keys.items():
            if key == "tables":
                self._own.report("a `Lakehouse` has no `tables`", "give it its tables as `assets=[…]`")
            elif value is not None:
                plain = with_named_classes(key, value, self._own, self._found)
                entries[key] = self._own.key(key), self._own.value(plain, f"`{key}`")
        self.root = self._own.mapping(entries)
        self.tables = [self._table(table) for table in self._all(declared.assets)]
        self.tables = [each for each in self.tables if each.entries]

    def set_default(self, key: str, value: str) -> None:
        """Set a key that is not set."""
        self.root.entries.setdefault(key, (self._own.key(key), self._own.value(value, "")))

    def over(self, reader: Reader, root: Mapping) -> Mapping:
        """The keys of a project file, which is read by `reader`, and those of this; what both say is reported."""
        for name in self.root.entries:
            if name in root.entries:
                first = reader.at(root.entries[name][0])
                self._own.report(f"`{name}` is declared twice, first at {first}", "remove one of the two")
        return root.having({**self.root.entries, **root.entries})

    def _all(self, assets: Any) -> list[DeclaredTable]:
        """The tables that are given, each once, and those that they have as inputs."""
        if not isinstance(assets, list):
            hint = "give it a list of tables: `assets=[orders, totals]`"
            self._own.report(f"`assets` is {shown_value(assets)}", hint)
            return []
        found: dict[int, DeclaredTable] = {}
        waiting = [*assets]
        for asset in waiting:
            table = self._declared(asset)
            if table is None:
                message = f"{shown_value(asset)} in `assets` is no table"
                hint = "declare it by `source_table` or `computed_table`"
                if "<locals>" in getattr(asset, "__qualname__", ""):
                    hint = f"{hint}, above its other decorators"
                self._own.report(message, hint)
            elif id(table) not in found:
                found[id(table)] = table
                waiting += [each for each in (*_inputs(table), *self._named(table)) if self._declared(each) is not None]
        return _with_results_in_order(list(found.values()))

    def _named(self, table: DeclaredTable) -> Iterator[Any]:
        """The tables of its module that the parameters of a table's function are named after."""
        *_, function = _unwrapped(table.function) if table.function is not None else (None,)
        code, names = getattr(function, "__code__", None), getattr(function, "__globals__", {})
        if code is None or any(table.keys.get(key) is not None for key in _INPUTS):
            return
        for parameter in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            declared = self._declared(names.get(parameter))
            if declared is not None and declared.name == parameter:
                yield declared

    @staticmethod
    def _declared(asset: Any) -> DeclaredTable | None:
        """The declaration that something is or carries; None for what is no table."""
        if isinstance(asset, DeclaredTable):
            return asset
        if isinstance(asset, TableDecorator):
            return asset.table
        carried = declared_by(asset)
        return carried[-1] if carried else None

    def _table(self, table: DeclaredTable) -> Mapping:
        """A map of the table's name to its keys; empty after a problem that leaves it without either."""
        nodes = Nodes(self._places.mark(table.place), self._places, self._problems)
        name = table.name
        function = table.decorated or (name if table.kind == "source" and callable(name) else None)
        if function is not None:
            self._decorated(table, function, nodes)
            return nodes.mapping({})
        if not isinstance(name, str) or (name == "<lambda>" and table.kind == "computed"):
            self._nameless(table, nodes)
            return nodes.mapping({})
        owner = f"table {quoted(name)}"
        entries = {"kind": (nodes.key("kind"), nodes.value(table.kind, ""))}
        spelled: dict[str, str] = {}
        for given, value in table.keys.items():
            if value is None or given == "name":
                continue
            key = _FORMER.get(given, plain_key(given))
            if key in entries:
                message = f"`{given}` of {owner} says what `{spelled.get(key, key)}` says"
                message = message if key not in _OWN else f"`{key}` of {owner} is said by the function that declares it"
                nodes.report(message, "remove it" if key in _OWN else "keep one of the two")
                continue
            spelled[key] = given
            entries[key] = nodes.key(key), self._value(nodes, key, value, f"`{key}` of {owner}")
        if table.function is not None:
            if any(key in entries for key in COMPUTES):
                said = next(key for key in COMPUTES if key in entries)
                nodes.report(f"{owner} has both a function and `{said}`", "keep one of the two")
            elif (ref := self._ref(table, nodes, owner)) is not None:
                entries["function"] = nodes.key("function"), nodes.value(ref, "")
            else:
                entries["function"] = nodes.key("function"), nodes.broken
        elif table.kind == "computed" and not any(key in entries for key in COMPUTES):
            hint = 'decorate a function, or give it `sql=`: `computed_table("name", sql="select …")`'
            nodes.report(f"nothing computes {owner}", hint)
            return nodes.mapping({})
        return nodes.mapping({name: (nodes.key(name), nodes.mapping(entries))})

    @staticmethod
    def _decorated(table: DeclaredTable, function: Any, nodes: Nodes) -> None:
        named = getattr(function, "__name__", "name")
        if table.kind == "computed":
            given = table.keys.get("name") if table.function is None else table.function
            message = (
                f"`computed_table` decorates {shown_value(function)}, and is given {shown_value(given)} before keywords"
            )
            keyword = f'name="{given}"' if isinstance(given, str) else "inputs=[…]"
            nodes.report(message, f"a decorator takes keywords alone, such as `{keyword}`")
            return
        call = f'{named} = source_table("{named}", …)'
        hint = f"declare it by a call, `{call}`; what a function computes by `computed_table`"
        nodes.report(f"a source decorates {shown_value(function)}, and is computed by none", hint)

    def _nameless(self, table: DeclaredTable, nodes: Nodes) -> None:
        given = table.keys.get("name")
        if given is not None and not isinstance(given, str):
            nodes.report(f"the name of a table is {shown_value(given)}", "name it by a text")
        elif table.kind == "source" and not isinstance(self._path(nodes, table.keys.get("path"), "`path`"), Broken):
            nodes.report("a source table has no name", "give it one, or a `path` to take it from")
        elif table.kind == "source":
            return  # for want of a path
        elif table.function is None:
            nodes.report("`computed_table` decorates no function", "put it above a `def`, or give it `sql=` and a name")
        else:
            self._ref(table, nodes, "a table")

    def _value(self, nodes: Nodes, key: str, value: Any, what: str) -> Node:
        if key == "columns":
            return nodes.columns(value, what)
        if key == "path":
            return self._path(nodes, value, what)
        if key == "inputs":
            return self._inputs(nodes, value, what)
        return nodes.value(plain_value(self._with_names(value)) if key == "tests" else value, what)

    @staticmethod
    def _path(nodes: Nodes, value: Any, what: str) -> Node:
        """A path, or the parts of one."""
        if not isinstance(value, tuple | list):
            return nodes.value(value, what)
        hint = 'write its parts as texts, such as `path=("raw", "orders")`'
        if not value:
            return nodes.report(f"{what} has no parts", hint)
        if wrong := [part for part in value if not isinstance(part, str)]:
            return nodes.report(f"{what} has {shown_value(wrong[0])}, which is no text", hint)
        return nodes.value("/".join(value), what)

    def _with_names(self, value: Any) -> Any:
        """What tests hold, with tables by their names."""
        if isinstance(value, AnyMapping):
            tables = ((self._declared(key), key, item) for key, item in value.items())
            return {key if table is None else table.name: self._with_names(item) for table, key, item in tables}
        return [self._with_names(item) for item in value] if isinstance(value, list | tuple) else value

    def _inputs(self, nodes: Nodes, value: Any, what: str) -> Node:
        """Tables, and names of such, as names."""

        def named(item: Any) -> Any:
            table = self._declared(item)
            return item if table is None else table.name

        if isinstance(value, set | frozenset):
            return nodes.report(f"{what} is a set, which has no order", "write a list, or a map of parameter to table")
        is_map = isinstance(value, AnyMapping)
        if not is_map and not isinstance(value, list | tuple):
            if isinstance(value, str):
                return nodes.value(value, what)
            shown = shown_value(value) if self._declared(value) is None else "a single table"
            return nodes.report(f"{what} is {shown}", "write a list, or a map of parameter to table")
        items = list(value.values()) if is_map else list(value)
        tables = [_table_of(item) if is_map else item for item in items]
        if wrong := [table for table in tables if not isinstance(named(table), str)]:
            message = f"{what} has {shown_value(wrong[0])}, which is no table"
            return nodes.report(message, "name a table, or give the table")
        names = [
            named(table) if table is item else {**item, "table": named(table)}
            for item, table in zip(items, tables, strict=True)
        ]
        return nodes.value(dict(zip(value, names, strict=True)) if is_map else names, what)

    def _ref(self, table: DeclaredTable, nodes: Nodes, owner: str) -> str | None:
        """The name by which a run finds a table's function; None after a problem was reported."""
        function = table.function
        carried = declared_by(function)
        if isinstance(function, DeclaredTable) and function.function is not None:
            function = function.function
        name = getattr(function, "__qualname__", None)
        if len(carried) > 1 and table is carried[-1]:
            message = f"function `{name}` is declared as a table twice, first at {self._place(carried[0])}"
            hint = "keep one decorator; `computed_table(function, name=…)` makes a second table of it"
            nodes.report(message, hint)
            return None
        if isinstance(function, type) or not callable(function) or not isinstance(name, str):
            nodes.report(f"{shown_value(function)} is no function", "declare it by a `def` at the top of a module")
            return None
        if "<lambda>" in name:
            message = f"{owner} is computed by a lambda, which has no name to find it by"
            nodes.report(message, "write it as a `def` at the top of the module")
            return None
        if "<locals>" in name or "." in name:
            inside = name.replace(".<locals>", "").rpartition(".")[0]
            message = f"function `{name.rpartition('.')[2]}` of {owner} is defined inside `{inside}`"
            hint = "move it to the top of the module, where a run finds it by its name"
            if "<locals>" in name:
                hint = f"{hint}; if `{inside}` is a decorator, have it use `functools.wraps`"
            nodes.report(message, hint)
            return None
        return self._found(function, name, nodes, owner, table.place.module)

    def _place(self, table: DeclaredTable) -> Location:
        return self._places.mark(table.place).location

    def _found(self, defined: Any, name: str, nodes: Nodes, owner: str, declared_in: str = "") -> str | None:
        """The name by which a function or class at the top of a module is found there, or where it is declared."""
        what = "class" if isinstance(defined, type) else "function"
        module = getattr(defined, "__module__", None)
        if isinstance(module, str) and module.partition(".")[0] in sys.stdlib_module_names:
            message = f"{what} `{name}` of {owner} is one of Python's own, of module `{module}`"
            nodes.report(message, f"write a {what} of the project that makes use of it")
            return None
        holder = sys.modules.get(module) if isinstance(module, str) else None
        bound = getattr(holder, name, None)
        # A module that is still being imported, or run as a script, may not have bound it yet.
        if bound is not None and not any(each is defined for each in _unwrapped(bound)):
            # What wraps a function has its name, and may be at the top of a module by another.
            places = (module, declared_in) if hasattr(defined, "__wrapped__") else ()
            found = ((place, key) for place in places for key in _names_of(defined, sys.modules.get(place or "")))
            module, name = next(found, (None, name))
            if module is None:
                message = f"`{name}` in module `{defined.__module__}` is no longer the {what} of {owner}"
                hint = "give one of the two another name"
                if any(each is bound for each in _unwrapped(defined)):
                    message = f"{what} `{name}` of {owner} is wrapped, and has no name at the top of the module"
                    hint = "decorate the `def` with what wraps it, or give it a name there: `name = wrapper(function)`"
                nodes.report(message, hint)
                return None
            holder = sys.modules[module]
        if module == "__main__" or holder is None:
            module = self._script(holder, defined)
        if module is None:
            message = f"{what} `{name}` of {owner} is in no module, where a run could find it"
            nodes.report(message, "move it to a file of the project")
            return None
        return f"{module}:{name}"

    def _script(self, main: types.ModuleType | None, defined: Any) -> str | None:
        """The name under which what is run as a script can be imported."""
        spec = getattr(main, "__spec__", None)
        if spec is not None and spec.name.rpartition(".")[2] != "__main__":
            return str(spec.name)
        code = getattr(defined, "__code__", None)
        file = Path(code.co_filename if code is not None else getattr(main, "__file__", None) or "").resolve()
        if file.suffix != ".py" or not file.is_relative_to(self._folder):
            return None
        parts = file.relative_to(self._folder).with_suffix("").parts
        return ".".join(parts) if all(part.isidentifier() for part in parts) else None


def _with_results_in_order(tables: list[DeclaredTable]) -> list[DeclaredTable]:
    """The tables, those of one function in the order of their declarations, in which it may return a tuple."""
    results: dict[Any, list[int]] = {}
    for index, table in enumerate(tables):
        if table.keys.get("output") is not None:
            named = table.keys.get("function")
            key = named if isinstance(named, str) else id(table.function)
            results.setdefault(key, []).append(index)
    ordered = list(tables)
    for places in results.values():
        declared = sorted((tables[index] for index in places), key=lambda each: (each.place.file, each.serial))
        for index, table in zip(places, declared, strict=True):
            ordered[index] = table
    return ordered


def _table_of(item: Any) -> Any:
    """The table of an input, beside which may stand what a partition gets of it, in a map as YAML has it."""
    return item["table"] if isinstance(item, AnyMapping) and "table" in item else item


def _inputs(table: DeclaredTable) -> Iterator[Any]:
    """What a table is computed from, as far as it is said."""
    for key in _INPUTS:
        value = table.keys.get(key)
        if isinstance(value, AnyMapping):
            yield from map(_table_of, value.values())
        elif isinstance(value, list | tuple):
            yield from value


def _names_of(value: Any, module: types.ModuleType | None) -> Iterator[str]:
    """The names at the top of a module that stand for a value."""
    return (name for name, bound in ({} if module is None else vars(module)).items() if bound is value)


def _unwrapped(bound: Any) -> Iterator[Any]:
    """Something, and what it wraps, as `functools.wraps` notes that."""
    seen: set[int] = set()
    while bound is not None and id(bound) not in seen:
        seen.add(id(bound))
        yield bound
        bound = getattr(bound, "__wrapped__", None)
