"""Reads statements: the text of each, equal for equal meaning, and the names that it refers to.

The text is that of `ast.dump` without docstrings, ``pass``, annotations of variables and aliases of imports. It is
written by a loop rather than by recursion, so that deeply nested code needs no room on the stack.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from lakehouse_cli.code.fingerprints.node_fields import FIXED, bound_by, counted_fields, meaning
from lakehouse_cli.code.fingerprints.references import ANYWHERE, IMPORTERS, Import, Names, Reading, Reference
from lakehouse_cli.code.source import last_name

EAGER = 1
"""Evaluated when the module is imported."""
_ANNOTATION = 2
_CALL = 4

# pandas looks such names up: df.query("amount > @LIMIT")
_MENTIONED = r"@([A-Za-z_]\w*)"
# What reads docstrings, annotations, or a function as it is written or compiled.
_TEXT_READERS = frozenset(
    (
        *("__annotations__", "get_type_hints", "get_annotations"),
        *("__doc__", "getdoc", "pydoc", "render_doc"),
        *("model_json_schema", "models_json_schema", "schema_json", "TypeAdapter"),  # of pydantic
        *("__code__", "__firstlineno__", "f_lineno", "tb_lineno", "linecache"),
        *("findsource", "getframeinfo", "getcomments", "getsource", "getsourcefile", "getsourcelines"),
    )
)
_NOTED = _TEXT_READERS | ANYWHERE


def read_statement(nodes: Sequence[ast.stmt | ast.expr], names: Names) -> Reading:
    """Read a statement, after the conditions that it stands under."""
    return _Walk(nodes, names).read()


class _Scope(Struct):
    """Where names are looked up.

    Attributes:
        kind: ``module``, ``class``, ``function``, or ``comprehension`` for one outside of functions.
        hidden: Names that are not the module's here: of a comprehension; of a class, as far as they are bound.
        prefix: What Python puts before private names in a class.
        bound: Names that the body of a class inside a function binds anywhere; None for all other scopes.
    """

    kind: str
    hidden: set[str]
    prefix: str = ""
    bound: set[str] | None = None


_Item = Any
"""Text to write, or a node with its scope and flags."""


class _Walk:
    """One walk through a statement."""

    def __init__(self, nodes: Sequence[ast.stmt | ast.expr], names: Names) -> None:
        self._names = names
        self._nodes = nodes
        found = [*map(names.globals_in, nodes)]
        self._globals = found[0] if len(found) == 1 else frozenset().union(*found)
        self._out: list[str] = []
        self._stack: list[_Item] = []
        self._references: dict[Reference, None] = {}
        self._imports: list[Import] = []
        self._asks_text = self._asks_anything = False
        self._inner: dict[str, list[Import]] = {}
        if names.has_inner_imports:
            self._find_inner_imports(nodes[-1])

    def _find_inner_imports(self, statement: ast.AST) -> None:
        for function in ast.walk(statement):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        for name, origin, _ in self._names.import_targets(node):
                            if origin not in self._inner.setdefault(name, []):
                                self._inner[name].append(origin)
        if self._inner:
            bound = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and _is_stored(node)}
            bound |= {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
            for name in self._inner.keys() & (bound | self._globals):
                self._inner[name].append(("", ()))  # so that it stands for more than one import

    def read(self) -> Reading:
        """Write all nodes, and collect what they refer to."""
        out, stack = self._out, self._stack
        scope = _Scope("module", set())
        stack += [(node, scope, EAGER) for node in reversed(self._nodes)]
        find, generic = _HANDLERS.get, _Walk._generic
        while stack:
            item = stack.pop()
            if item.__class__ is str:
                out.append(item)
                continue
            node, scope, flags = item
            find(node.__class__, generic)(self, node, scope, flags)
        return Reading(
            "".join(out), tuple(self._references), tuple(self._imports), self._asks_text, self._asks_anything
        )

    def _generic(self, node: ast.AST, scope: _Scope, flags: int) -> None:
        kind: Any = node.__class__
        text: str = kind.__name__
        children: list[Any] = []
        for field in counted_fields(kind):
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                text += f" {field}"
                children.append(value)
            elif value is None or value == []:
                continue  # versions of Python differ in which empty fields there are
            elif value.__class__ is not list:
                text += f" {field}={value!r}"
            elif said := meaning(value) if isinstance(value[0], ast.stmt) else value:
                text += f" {field}[{len(said)}]"
                children += said
        self._out.append(f"{text}(")
        self._stack += [
            (child, scope, flags) if isinstance(child, ast.AST) else f"{child!r}," for child in reversed(children)
        ]

    def _fixed(self, node: ast.AST, scope: _Scope, flags: int) -> None:
        """As `_generic`, of a kind of node that has the same fields each time, a node in each."""
        text, fields = FIXED[node.__class__]
        self._out.append(text)
        self._stack += [(child, scope, flags) for child in fields(node)]

    def _single(self, node: Any, scope: _Scope, flags: int) -> None:
        """As `_generic`, of a kind of node that has nothing but a value, if that."""
        name = node.__class__.__name__
        if node.value is None:
            self._out.append(f"{name}(")
        else:
            self._out.append(f"{name} value(")
            self._stack.append((node.value, scope, flags))

    def _empty(self, node: ast.AST, _scope: _Scope, _flags: int) -> None:
        """As `_generic`, of a kind of node without fields."""
        self._out.append(f"{node.__class__.__name__}(")

    def _refer(self, name: str, attributes: tuple[str, ...], scope: _Scope, flags: int, *, named: bool = False) -> str:
        """Note a use of a name, if it is the module's or imported; its text."""
        own = ".".join((name, *attributes)) if attributes else name
        mangled = scope.prefix + name if scope.prefix and name[:2] == "__" and name[-2:] != "__" else name
        if name in scope.hidden:
            return f"{own},"
        if scope.kind == "function" or (scope.bound is not None and name not in scope.bound):
            inner = self._inner.get(name)
            if inner is not None:
                for origin in inner:
                    if origin[0]:
                        self._note_origin(origin)
                        self._references[Reference(name, attributes, origin, bool(flags & EAGER), named)] = None
                if len(inner) == 1:
                    return _text_of(inner[0], attributes)
            if mangled not in self._globals:
                return f"{own},"
        name = mangled
        plain = self._names.plain_imports.get(name)
        if plain is not None:
            self._note_origin(plain)
        self._references[Reference(name, attributes, plain, bool(flags & EAGER), named)] = None
        return f"{own}," if plain is None else _text_of(plain, attributes)

    def _note(self, name: str) -> None:
        """Note a name, attribute or text that stands for more than what is bound to it."""
        self._asks_text |= name in _TEXT_READERS
        self._asks_anything |= name in ANYWHERE

    def _note_origin(self, origin: Import) -> None:
        module, path = origin
        if module in _NOTED:
            self._note(module)
        if path and path[-1] in _NOTED:
            self._note(path[-1])

    def _name(self, node: ast.Name, scope: _Scope, flags: int) -> None:
        if node.id in _NOTED:
            self._note(node.id)
        if not _is_stored(node):
            self._out.append(self._refer(node.id, (), scope, flags))
            return
        self._out.append(f"{node.id};")
        if scope.kind == "function" and node.id in self._globals:
            self._references[Reference(node.id, (), None, bool(flags & EAGER))] = None

    def _attribute(self, node: ast.Attribute, scope: _Scope, flags: int) -> None:
        inner = node.value
        if isinstance(inner, ast.Name) and node.attr not in _NOTED:  # as most
            self._out.append(self._refer(inner.id, (node.attr,), scope, flags))
            return
        attributes = [node.attr]
        while isinstance(inner, ast.Attribute):
            attributes.insert(0, inner.attr)
            inner = inner.value
        for noted in filter(_NOTED.__contains__, attributes):
            self._note(noted)
        if isinstance(inner, ast.Name):
            self._out.append(self._refer(inner.id, tuple(attributes), scope, flags))
        else:
            self._out.append(f"Attribute({'.'.join(attributes)},")
            self._stack += [")", (inner, scope, flags)]

    def _constant(self, node: ast.Constant, scope: _Scope, flags: int) -> None:
        value = node.value
        if isinstance(value, str):
            if flags & _ANNOTATION:
                if scope.kind == "function":  # of what is quoted there nobody knows where its names belong
                    scope = _Scope("module", set())
                try:
                    self._stack.append((ast.parse(value.strip(), mode="eval").body, scope, flags))
                except (SyntaxError, ValueError, RecursionError, MemoryError):
                    self._out.append(f"{value!r},")
                return
            if "__doc__" in value or value in _NOTED:  # "{0.__doc__}".format(daily), getattr(daily, "__code__")
                self._note("__doc__" if "__doc__" in value else value)
            for name in re.findall(_MENTIONED, value) if "@" in value else ():
                if name in self._names.entries or self._names.stars:
                    origin = self._names.plain_imports.get(name)
                    self._references[Reference(name, (), origin, bool(flags & EAGER))] = None
            # repr() depends on what a version of Unicode calls printable.
            self._out.append(f"s{len(value)}:{value},")
        else:
            # Of a long number Python refuses to write the digits.
            self._out.append(f"i{value:x}," if value.__class__ is int else f"{value!r},")

    def _call(self, node: ast.Call, scope: _Scope, flags: int) -> None:
        self._out.append("Call(")
        inner = flags & ~_ANNOTATION | _CALL
        func = node.func
        stack = self._stack
        stack.append(")")
        for keyword in reversed(node.keywords):
            stack += [(keyword.value, scope, inner), f"{keyword.arg or '**'}="]
        stack += [(argument, scope, inner) for argument in reversed(node.args)]
        if last_name(func) in IMPORTERS and self._imports_by_name(node, scope, flags):
            return
        stack.append((func, scope, inner))

    def _imports_by_name(self, node: ast.Call, scope: _Scope, flags: int) -> bool:
        """``import_module("helpers")`` leads to that module; with a name that is computed, to any."""
        name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        if not isinstance(name, str) or len(node.args) != 1 or node.keywords or name.startswith("."):
            self._asks_anything = True
            return False
        func: ast.expr = node.func
        attributes: tuple[str, ...] = ()
        while isinstance(func, ast.Attribute):
            attributes, func = (func.attr, *attributes), func.value
        if not isinstance(func, ast.Name):
            self._asks_anything = True
            return False
        self._out.append(self._refer(func.id, attributes, scope, flags, named=True))
        self._references[Reference("", (), (name, ()), bool(flags & EAGER))] = None
        return True

    def _subscript(self, node: ast.Subscript, scope: _Scope, flags: int) -> None:
        if not flags & _ANNOTATION:
            self._fixed(node, scope, flags)
            return
        # What stands in Literal, and behind the type in Annotated, is text, not a type.
        special = last_name(node.value)
        items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        self._out.append("Subscript(")
        self._stack.append(")]" if isinstance(node.slice, ast.Tuple) else ")")
        for index, item in reversed(list(enumerate(items))):
            is_text = special == "Literal" or (special == "Annotated" and index > 0)
            self._stack.append((item, scope, flags & ~_ANNOTATION if is_text else flags))
        self._stack.append((node.value, scope, flags))

    def _lambda(self, node: ast.Lambda, scope: _Scope, flags: int) -> None:
        self._out.append("Lambda(")
        # One that is called, or handed to something that may call it, is evaluated where it stands.
        inner = flags & EAGER if flags & _CALL else 0
        self._stack += [")", (node.body, _Scope("function", set(), scope.prefix), inner), (node.args, scope, flags)]

    def _argument(self, node: ast.arg, scope: _Scope, flags: int) -> None:
        self._out.append(f"{node.arg},")
        self._annotate(node.annotation, scope, flags)

    def _arguments(self, node: ast.arguments, scope: _Scope, flags: int) -> None:
        if not node.args or node.posonlyargs or node.vararg or node.kwonlyargs or node.kwarg or node.defaults:
            self._generic(node, scope, flags)
        else:  # as of nearly all functions
            self._out.append(f"arguments args[{len(node.args)}](")
            self._stack += [(each, scope, flags) for each in reversed(node.args)]

    def _annotate(self, node: ast.expr | None, scope: _Scope, flags: int) -> None:
        if node is not None:
            mark = "postponed:" if self._names.postpones_annotations else ":"
            self._stack += [(node, scope, flags & ~_CALL | _ANNOTATION), mark]

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope, flags: int) -> None:
        self._out.append(f"{node.__class__.__name__}({node.name},")
        inner = _Scope("function", set(), scope.prefix)
        parameters = getattr(node, "type_params", [])
        outer = inner if parameters else scope  # of type parameters the annotations know, and the defaults
        stack = self._stack
        stack += ["})", *((statement, inner, 0) for statement in reversed(meaning(node.body))), "{"]
        self._annotate(node.returns, outer, flags)
        stack += [
            (node.args, outer, flags & ~_CALL),
            *((each, inner, flags) for each in reversed(parameters)),
            *((each, scope, flags) for each in reversed(node.decorator_list)),
        ]
        if parameters:  # defaults are evaluated outside
            for default in (*node.args.defaults, *node.args.kw_defaults):
                stack += [(default, scope, flags)] if default is not None else []

    def _class(self, node: ast.ClassDef, scope: _Scope, flags: int) -> None:
        self._out.append(f"ClassDef({node.name},")
        parameters = getattr(node, "type_params", [])
        prefix = f"_{node.name.lstrip('_')}"
        # Names used in a class body belong to what is around it, unless the body has bound them for certain.
        in_function = scope.kind == "function" or scope.bound is not None
        bound = set().union(*map(bound_by, node.body)) if in_function else None
        inner = _Scope("class", {each.name for each in parameters}, prefix, bound)
        outer = _Scope("function", set(), scope.prefix) if parameters else scope
        stack = self._stack
        stack.append("})")
        for statement in reversed(meaning(node.body)):
            stack += [(_Bound(statement), inner, flags), (statement, inner, flags)]
        stack.append("{")
        for keyword in reversed(node.keywords):
            stack += [(keyword.value, outer, flags), f"{keyword.arg or '**'}="]
        stack += [
            *((each, outer, flags) for each in reversed(node.bases)),
            *((each, outer, flags) for each in reversed(parameters)),
            *((each, scope, flags) for each in reversed(node.decorator_list)),
        ]

    def _bound(self, node: _Bound, scope: _Scope, _: int) -> None:
        scope.hidden |= bound_by(node.statement)

    def _assigned(self, node: ast.AnnAssign, scope: _Scope, flags: int) -> None:
        """Without its annotation, except in a class."""
        stack = self._stack
        in_class = scope.kind == "class"
        if node.value is None and not in_class:
            return
        self._out.append("AnnAssign(" if in_class else "Assign targets[1] value(")
        if in_class:
            self._annotate(node.annotation, scope, flags)
            stack += [(node.value, scope, flags), "="] if node.value is not None else []
        elif node.value is not None:
            stack.append((node.value, scope, flags))
        stack.append((node.target, scope, flags))

    def _alias(self, node: Any, scope: _Scope, flags: int) -> None:
        """``type X[T] = list[T]``, of Python 3.12."""
        inner = _Scope("function", set(), scope.prefix)
        self._out.append("TypeAlias(")
        self._stack += [")", *((each, inner, flags) for each in (node.value, *reversed(node.type_params), node.name))]

    def _comprehension(self, node: Any, scope: _Scope, flags: int) -> None:
        if scope.kind != "function":
            targets = {n.id for each in node.generators for n in ast.walk(each.target) if isinstance(n, ast.Name)}
            inner = _Scope("comprehension", targets | (scope.hidden if scope.kind == "comprehension" else set()))
        else:
            inner = scope
        self._out.append(f"{node.__class__.__name__}(")
        stack = self._stack
        stack.append(")")
        for each in reversed([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]):
            stack.append((each, inner, flags))
        for index, each in reversed(list(enumerate(node.generators))):
            stack += [*((test, inner, flags) for test in reversed(each.ifs)), "if "]
            stack.append((each.iter, inner if index else scope, flags))  # the first is evaluated outside
            stack += [(each.target, inner, flags), "async for " if each.is_async else "for "]

    def _declared(self, node: ast.Global | ast.Nonlocal, _scope: _Scope, _flags: int) -> None:
        self._out.append(f"{node.__class__.__name__} {','.join(sorted(node.names))};")

    def _import(self, node: ast.Import | ast.ImportFrom, scope: _Scope, flags: int) -> None:
        for name, origin, asked in self._names.import_targets(node):
            self._note_origin(origin)
            plain = scope.kind == "function" and len(self._inner.get(name, ())) == 1
            self._out.append(f"import {asked}{'' if plain else f' as {name}'};")
            if scope.kind == "function":
                self._imports.append(origin)
                if name in self._globals:
                    self._references[Reference(name)] = None
                    self._references[Reference("", (), origin)] = None
            elif scope.kind == "class":
                self._references[Reference("", (), origin, bool(flags & EAGER))] = None


class _Bound(Struct):
    """Stands behind a statement of a class, for the names that it has bound."""

    statement: ast.stmt


def _is_stored(node: ast.Name) -> bool:
    return node.ctx.__class__ is not ast.Load


def _text_of(origin: Import, attributes: tuple[str, ...]) -> str:
    return f"@{'.'.join((origin[0], *origin[1], *attributes))},"


_HANDLERS: dict[type, Callable[[_Walk, Any, _Scope, int], None]] = {
    **dict.fromkeys((ast.BinOp, ast.UnaryOp, ast.AugAssign, ast.IfExp), _Walk._fixed),
    **dict.fromkeys((ast.Return, ast.Expr, ast.Starred, ast.Await, ast.Yield), _Walk._single),
    **dict.fromkeys((ast.Add, ast.Sub, ast.Mult, ast.Div, ast.BitAnd, ast.BitOr, ast.Invert, ast.Not), _Walk._empty),
    ast.Name: _Walk._name,
    ast.Attribute: _Walk._attribute,
    ast.Constant: _Walk._constant,
    ast.Call: _Walk._call,
    ast.Subscript: _Walk._subscript,
    ast.Lambda: _Walk._lambda,
    ast.arg: _Walk._argument,
    ast.arguments: _Walk._arguments,
    ast.FunctionDef: _Walk._function,
    ast.AsyncFunctionDef: _Walk._function,
    ast.ClassDef: _Walk._class,
    _Bound: _Walk._bound,
    ast.AnnAssign: _Walk._assigned,
    ast.ListComp: _Walk._comprehension,
    ast.SetComp: _Walk._comprehension,
    ast.GeneratorExp: _Walk._comprehension,
    ast.DictComp: _Walk._comprehension,
    ast.Global: _Walk._declared,
    ast.Nonlocal: _Walk._declared,
    ast.Import: _Walk._import,
    ast.ImportFrom: _Walk._import,
}
if hasattr(ast, "TypeAlias"):
    _HANDLERS[ast.TypeAlias] = _Walk._alias
