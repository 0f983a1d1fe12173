"""One statement of a module in canonical form: the same text for the same meaning, and the names it uses.

The canonical text leaves out what has no meaning: comments, positions, docstrings, ``pass``, annotations of local
variables, aliases of imports. It is written here rather than by `ast.dump` or `compile`, whose results differ between
versions of Python. Names are told apart by Python's own scoping rules: ``.name`` is a local one, ``$name`` a global of
the module, ``@module.name`` something imported.

The same walk notes every use of a global name, and whether the object behind it may be changed there.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

from lakehouse_cli.fingerprints.expressions import Expressions
from lakehouse_cli.fingerprints.freshness import is_fresh
from lakehouse_cli.fingerprints.names import BASE, CERTAIN, EAGER, LOOSE, RECEIVER, STORE, Import, Use
from lakehouse_cli.fingerprints.writing import ImportResolver


class Canonical(Expressions):
    """Reads the statements of one module into canonical text; made anew for each.

    Args:
        resolve_import: Tells what an import statement binds.
        imports: Names of the module that stand for one import throughout.
        with_annotations: Whether annotations of the module's variables are written.
        postponed: Whether annotations are kept as text, by ``from __future__ import annotations``.
    """

    def __init__(
        self,
        resolve_import: ImportResolver,
        imports: Mapping[str, Import],
        *,
        with_annotations: bool = False,
        postponed: bool = False,
    ) -> None:
        super().__init__(resolve_import, imports)
        self._postponed = postponed
        self._with_annotations = with_annotations

    def _expression(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # docstrings and the like
        self._out.append("Expr(")
        self._under(CERTAIN, node.value)
        self._out.append(")")

    def _assign(self, node: ast.Assign) -> None:
        self._out.append("Assign(")
        thrown = all(isinstance(target, ast.Name) and target.id == "_" for target in node.targets)
        self._under(CERTAIN if thrown else 0, node.value)
        fresh = is_fresh(node.value, self._module_imports)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._bind(target.id, fresh=fresh)
            else:
                self.visit(target)
        self._out.append(")")

    def _annotated(self, node: ast.AnnAssign) -> None:
        """Without its annotation, except in a class and where it is asked for."""
        kind = self._scope.kind
        counts = kind == "class" or (kind == "module" and self._with_annotations)
        if node.value is None and not counts:
            if isinstance(node.target, ast.Name) and self._scope.kind != "module":
                self._scope.bind(node.target.id)
            return
        self._out.append("Assign(")
        if node.value is not None:
            self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self._bind(node.target.id, fresh=node.value is not None and is_fresh(node.value, self._module_imports))
        else:
            self.visit(node.target)
        if counts:
            self._annotation(node.annotation)
        self._out.append(")")

    def _augmented(self, node: ast.AugAssign) -> None:
        self._out.append("AugAssign(")
        self.visit(node.op)
        if isinstance(node.target, ast.Name):
            self._use(node.target.id, (), CERTAIN)
            self._bind(node.target.id, fresh=True)  # what was made here stays so
        else:
            self.visit(node.target)
        self.visit(node.value)
        self._out.append(")")

    def _loop(self, node: ast.AST) -> None:
        kept = self._flags
        if kept & EAGER:
            self._flags |= LOOSE
        self._generic(node)
        self._flags = kept

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._out.append(f"{node.__class__.__name__}(")
        for decorator in node.decorator_list:
            self._under(RECEIVER, decorator)
        self._bind(node.name)
        kept = self._scope
        self._type_parameters(node)
        self._arguments(node.args)
        self._annotation(node.returns)
        self._code(node.args, node.body, makes=kept.kind == "class" and node.name in ("__init__", "__post_init__"))
        if self._scope is not kept:
            self._pop(kept)
        self._out.append(")")

    def _type_parameters(self, node: Any) -> None:
        """Those of Python 3.12, in a scope of their own, which stays open."""
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return
        scope = self._push("function")
        self._out.append("[")
        for parameter in parameters:
            scope.bind(parameter.name)
        self._each(parameters)
        self._out.append("]")

    def _type_alias(self, node: Any) -> None:
        self._out.append("TypeAlias(")
        self._bind(node.name.id)
        kept = self._scope
        self._type_parameters(node)
        self.visit(node.value)
        if self._scope is not kept:
            self._pop(kept)
        self._out.append(")")

    def _class(self, node: ast.ClassDef) -> None:
        self._out.append("ClassDef(")
        for decorator in node.decorator_list:
            self._under(RECEIVER, decorator)
        self._bind(node.name)
        kept, kept_flags = self._scope, self._flags
        self._type_parameters(node)
        self._flags |= BASE
        self._each(node.bases)
        for keyword in node.keywords:
            self._out.append(f"{keyword.arg or '**'}=")
            self.visit(keyword.value)
        self._flags = kept_flags
        around = self._scope
        uses = self._push("class").uses
        first = len(uses)
        self._block(node.body)
        for use in uses[first:]:
            if use.name[:2] == "__" and use.name[-2:] != "__":  # Python mangles such names in a class
                uses.append(Use(-1, f"_{node.name.lstrip('_')}{use.name}", use.attributes, use.flags, None))
        self._pop(around)
        if around is not kept:
            self._pop(kept)
        self._out.append(")")

    def _global(self, node: ast.Global) -> None:
        self._scope.globals.update(node.names)

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        self._out += [
            f"nonlocal {name};" for name in sorted(node.names)
        ]  # the text of a local name is the same without
        self._scope.nonlocals.update(node.names)

    def _handler(self, node: ast.ExceptHandler) -> None:
        self._out.append("except(")
        self._value(node.type)
        if node.name is not None:
            self._bind(node.name)
        self._each(node.body)
        self._out.append(")")

    def _match_name(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self._out.append(f"{node.__class__.__name__}(")
        if isinstance(node, ast.MatchAs) and node.pattern is not None:
            self.visit(node.pattern)
        if node.name is not None:
            self._bind(node.name)
        self._out.append(")")

    def _match_mapping(self, node: ast.MatchMapping) -> None:
        self._out.append("MatchMapping(")
        self._each(node.keys)
        self._each(node.patterns)
        if node.rest is not None:
            self._bind(node.rest)
        self._out.append(")")

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        scope = self._scope
        for name, origin, asked in self._resolve_import(node):
            self._note_origin(origin)
            scope.spots.append((len(self._out), name, asked))
            self._out.append(f"import {asked} as {name};")
            if scope.kind == "function":
                self.inner_imports.append(origin)
                if name in scope.globals:
                    self._module.uses += [Use(-1, name, (), self._flags | STORE, None), _leading_to(origin)]
                    continue
                scope.bound.add(name)
                scope.imports.setdefault(name, []).append(origin)
            elif scope.kind == "class":
                self._module.uses.append(_leading_to(origin))

    def _nothing(self, _: ast.Pass) -> None:
        """``pass`` means nothing."""


def _leading_to(origin: Import) -> Use:
    """A use of something imported of which it is not known what is done with it."""
    return Use(-1, "", (), 0, None).imported(origin)


Canonical.handlers = {
    **Expressions.handlers,
    ast.Expr: Canonical._expression,
    ast.Assign: Canonical._assign,
    ast.AnnAssign: Canonical._annotated,
    ast.AugAssign: Canonical._augmented,
    ast.For: Canonical._loop,
    ast.AsyncFor: Canonical._loop,
    ast.While: Canonical._loop,
    ast.With: Canonical._loop,
    ast.FunctionDef: Canonical._function,
    ast.AsyncFunctionDef: Canonical._function,
    ast.ClassDef: Canonical._class,
    ast.Global: Canonical._global,
    ast.Nonlocal: Canonical._nonlocal,
    ast.ExceptHandler: Canonical._handler,
    ast.MatchAs: Canonical._match_name,
    ast.MatchStar: Canonical._match_name,
    ast.MatchMapping: Canonical._match_mapping,
    ast.Import: Canonical._import,
    ast.ImportFrom: Canonical._import,
    ast.Pass: Canonical._nothing,
}
if hasattr(ast, "TypeAlias"):
    Canonical.handlers[ast.TypeAlias] = Canonical._type_alias
