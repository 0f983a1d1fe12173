"""Writing canonical text: nodes in general, and the scopes in which their names are looked up."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from lakehouse_cli.fingerprints.names import (
    ANNOTATION_READERS,
    ANYWHERE,
    DOC_READERS,
    EAGER,
    LOOSE,
    NOTED,
    SOURCE_READERS,
    STORE,
    Import,
    Scope,
    Use,
    constant_text,
)

ImportResolver = Callable[[ast.Import | ast.ImportFrom], list[tuple[str, Import, str]]]
"""Of an import statement: each name bound, what it stands for, and the module or name as it was asked for."""

_SKIPPED = {"ctx", "kind", "type_comment", "type_ignores", "type_params"}
_SHAPES: dict[type[ast.AST], tuple[str, tuple[tuple[str, str], ...]]] = {}


class Writer:
    """Writes nodes one by one, each kind by its handler; what all of canonical form shares.

    Attributes:
        docs: The docstrings left out of the text.
        asks_docs: Whether docstrings are looked at.
        asks_source: Whether the text of functions is looked at, or what they are compiled to.
        asks_annotations: Whether annotations of a module's variables may be looked at.
        asks_unknown: Whether it may lead to any module.
        changes: Whether a function in it may change what it is given.
        inner_imports: What functions in it import when they are called.
    """

    handlers: ClassVar[dict[type[ast.AST], Callable[[Any, Any], object]]]

    def __init__(self, resolve_import: ImportResolver, imports: Mapping[str, Import]) -> None:
        self.docs: list[str] = []
        self.inner_imports: list[Import] = []
        self.asks_docs = self.asks_source = self.asks_unknown = self.asks_annotations = self.changes = False
        self._out: list[str] = []
        self._resolve_import = resolve_import
        self._module_imports = imports
        self._module = self._scope = Scope("module", None)
        self._flags = EAGER
        self._callee: Use | None = None
        self._in_annotation = self._postponed = False

    def _note_name(self, name: str) -> None:
        """Note a name, attribute or text that stands for more than what is bound to it."""
        self.asks_docs |= name in DOC_READERS
        self.asks_source |= name in SOURCE_READERS
        self.asks_unknown |= name in ANYWHERE
        self.asks_annotations |= name in ANNOTATION_READERS

    def _note_origin(self, origin: Import) -> None:
        module, path = origin
        if module in NOTED:
            self._note_name(module)
        if path and path[-1] in NOTED:
            self._note_name(path[-1])

    def finish(self) -> tuple[str, list[Use]]:
        """The text and every use of a global name, once everything is walked through."""
        out, imports = self._out, self._module_imports
        for use in self._module.uses:
            if use.origin is None and not use.flags & STORE:
                use.origin = origin = imports.get(use.name)
                if origin is not None:
                    self._note_origin(origin)
            if use.spot >= 0:
                out[use.spot] = use.global_text
        return "".join(out), self._module.uses

    def visit(self, node: ast.AST) -> None:
        """Write one node."""
        handler = self.handlers.get(node.__class__)
        if handler is None:
            self._generic(node)
        else:
            handler(self, node)

    def _generic(self, node: ast.AST) -> None:
        out = self._out
        shape = _SHAPES.get(node.__class__) or _shape(node.__class__)
        out.append(shape[0])
        for name, token in shape[1]:
            value = getattr(node, name, None)
            if value is None or value == []:
                continue  # versions of Python differ in which empty fields there are
            out.append(token)
            if value.__class__ is list:
                for item in value:
                    self._value(item)
                out.append("]")
            else:
                self._value(value)
        out.append(")")

    def _value(self, value: Any) -> None:
        if isinstance(value, ast.AST):
            self.visit(value)
        else:
            self._out.append("~," if value is None else constant_text(value))

    def _each(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _under(self, flags: int, node: ast.AST) -> None:
        """Visit with more flags on every name."""
        kept = self._flags
        self._flags |= flags
        self.visit(node)
        self._flags = kept

    def _use(self, name: str, attributes: tuple[str, ...] = (), flags: int = 0) -> Use:
        use = Use(len(self._out), name, attributes, flags | self._flags, self._callee)
        if name in self._scope.definite:
            self._out.append(use.local_text)
        else:
            self._out.append("")  # written when it is known whose it is
            self._scope.uses.append(use)
        return use

    def _bind(self, name: str, scope: Scope | None = None, *, fresh: bool = False) -> None:
        scope = scope or self._scope
        if scope.kind in ("module", "class") and name not in scope.globals:
            self._out.append(f"{'.' if scope.kind == 'class' else '$'}{name},")
            return
        scope.bind(name, fresh=fresh)
        use = Use(len(self._out), name, (), self._flags | STORE, None)
        self._out.append("")
        (self._module if scope.kind == "class" else scope).uses.append(use)

    def _push(self, kind: str) -> Scope:
        outer = self._scope
        while outer.kind == "class" and outer.outer is not None:
            outer = outer.outer
        self._scope = Scope(kind, outer)
        return self._scope

    def _pop(self, kept: Scope) -> None:
        """Leave a scope: write its local names, hand on the others."""
        scope, self._scope = self._scope, kept
        for spot, name, asked in scope.spots:
            self._out[spot] = f"import {asked}{'' if scope.plain_import(name) else f' as {name}'};"
        if scope.kind == "class" or scope.outer is None:
            return
        passed: list[Use] = []
        imported: list[Use] = []
        changes = False
        for use in scope.uses:
            name = use.name
            if name in scope.globals:
                self._module.uses.append(use)
            elif name not in scope.bound or name in scope.nonlocals:
                passed.append(use)
            elif name in scope.imports:
                imported += self._local_import(scope, use)
            elif use.spot >= 0:
                changes = changes or scope.may_change(use)
                self._out[use.spot] = use.local_text
        self.changes |= changes
        if changes:  # a local name may be another name of a global object
            for use in (*passed, *imported):
                use.flags |= LOOSE
        self._module.uses += imported
        scope.outer.uses += passed

    def _local_import(self, scope: Scope, use: Use) -> list[Use]:
        """Write a use of a name that is imported in a function; the uses of what it may be imported from."""
        use.origin = scope.plain_import(use.name)
        if use.origin is not None:
            return [use]
        if use.spot >= 0:
            self._out[use.spot] = use.local_text
        return [use.imported(origin) for origin in scope.imports[use.name]]


def _shape(kind: type[ast.AST]) -> tuple[str, tuple[tuple[str, str], ...]]:
    fields = tuple((name, f"{name}=") for name in kind._fields if name not in _SKIPPED)
    _SHAPES[kind] = (f"{kind.__name__}(", fields)
    return _SHAPES[kind]
