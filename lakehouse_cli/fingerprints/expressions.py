"""Expressions in canonical form."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from lakehouse_cli.code_depth import parsing
from lakehouse_cli.fingerprints.names import (
    ARGUMENT,
    ATTRIBUTE_WRITERS,
    CALLEE,
    CERTAIN,
    DEEP,
    EAGER,
    KNOWN,
    MENTIONED,
    NOTED,
    PURE,
    RECEIVER,
    RESULT,
    WRITTEN,
    Use,
    bound_by,
    constant_text,
)
from lakehouse_cli.fingerprints.writing import Writer


class Expressions(Writer):
    """Writes expressions as canonical text."""

    def _block(self, statements: list[ast.stmt]) -> None:
        """The body of a function or class."""
        self._out.append("{")
        first = statements[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            self.docs.append(first.value.value)
        for statement in statements:
            self.visit(statement)
            if self._scope.kind == "class":
                self._scope.definite |= bound_by(statement)
        self._out.append("}")

    def _name(self, node: ast.Name) -> None:
        if node.ctx.__class__ is ast.Load:
            if node.id in NOTED:
                self._note_name(node.id)
            self._use(node.id)
        else:
            self._bind(node.id)

    def _attribute(self, node: ast.Attribute, flags: int = 0) -> Use | None:
        attributes = []
        inner: ast.expr = node
        while isinstance(inner, ast.Attribute):
            name = inner.attr
            attributes.append(name)
            if name in NOTED:
                self._note_name(name)
            inner = inner.value
        if node.ctx.__class__ is not ast.Load:
            flags |= CERTAIN | WRITTEN
        attributes.reverse()
        if isinstance(inner, ast.Name):
            return self._use(inner.id, tuple(attributes), flags)
        self._out.append(f"Attribute({'.'.join(attributes)},")
        changed = flags & (CERTAIN | RECEIVER) and attributes[-1] not in PURE
        self._under(flags & (CERTAIN | RECEIVER) | (RESULT if changed else 0), inner)
        self._out.append(")")
        return None

    def _subscript(self, node: ast.Subscript) -> None:
        self._out.append("Subscript(")
        if node.ctx.__class__ is not ast.Load:
            self._under(CERTAIN | RESULT, node.value)
        else:
            self._under(DEEP if self._flags & (CERTAIN | RESULT) else 0, node.value)
        if self._in_annotation:
            self._annotation_items(node)
        else:
            self.visit(node.slice)
        self._out.append(")")

    def _constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, str):
            if self._in_annotation and self._quoted(value):
                return
            if value in NOTED:  # getattr(daily, "__doc__")
                self._note_name(value)
            elif "__doc__" in value:  # "{0.__doc__}".format(daily)
                self._note_name("__doc__")
            if "@" in value:
                self._scope.uses += [Use(-1, name, (), self._flags, None) for name in MENTIONED.findall(value)]
        self._out.append(constant_text(value))

    def _annotation(self, node: ast.expr | None) -> None:
        if node is None:
            return
        self._in_annotation = True
        self._out.append("postponed:" if self._postponed else ":")
        self.visit(node)
        self._in_annotation = False

    def _quoted(self, text: str) -> bool:
        try:
            with parsing():
                parsed = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return False
        self.visit(parsed)
        return True

    def _annotation_items(self, node: ast.Subscript) -> None:
        special = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        several = isinstance(node.slice, ast.Tuple)
        self._out.append("Tuple(" if several else "")
        for index, item in enumerate(node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]):
            # What stands in Literal, and behind the type in Annotated, is text, not a type.
            self._in_annotation = not (special == "Literal" or (special == "Annotated" and index > 0))
            self.visit(item)
        self._in_annotation = True
        self._out.append(")" if several else "")

    def _call(self, node: ast.Call) -> None:
        out = self._out
        out.append("Call(")
        func = node.func
        callee: Use | None = None
        if isinstance(func, ast.Name):
            callee = self._use(func.id, (), CALLEE)
        elif isinstance(func, ast.Attribute):
            callee = self._attribute(func, RECEIVER | CALLEE)
        else:
            self._under(ARGUMENT, func)
        called = (callee.attributes or (callee.name,))[-1] if callee is not None else ""
        if callee is not None and called in ("import_module", "__import__"):
            self._import_by_name(node, callee)
        kept = self._flags, self._callee, self._in_annotation
        self._in_annotation = False
        arguments = node.args
        if called in ATTRIBUTE_WRITERS and arguments:  # as the statement that does so
            self._callee = None
            self._under(CERTAIN | WRITTEN | RESULT, arguments[0])
            arguments = arguments[1:]
        self._flags |= ARGUMENT
        self._callee = callee
        self._each(arguments)
        for keyword in node.keywords:
            out.append(f"{keyword.arg or '**'}=")
            self.visit(keyword.value)
        self._flags, self._callee, self._in_annotation = kept
        out.append(")")

    def _import_by_name(self, node: ast.Call, callee: Use) -> None:
        """``import_module("helpers")`` leads to that module; with a name that is computed, to any."""
        name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        if isinstance(name, str) and len(node.args) == 1 and not node.keywords and not name.startswith("."):
            callee.flags |= KNOWN
            self._scope.uses.append(Use(-1, "", (), self._flags, None).imported((name, ())))
        else:
            self.asks_unknown = True

    def _lambda(self, node: ast.Lambda) -> None:
        self._out.append("Lambda(")
        self._arguments(node.args)
        # One that is called, or handed to something that may call it, is evaluated where it stands.
        self._code(node.args, node.body, self._flags & EAGER if self._flags & (ARGUMENT | CERTAIN) else 0)
        self._out.append(")")

    def _code(
        self, arguments: ast.arguments, body: list[ast.stmt] | ast.expr, flags: int = 0, *, makes: bool = False
    ) -> None:
        kept = self._scope, self._flags, self._callee, self._in_annotation
        scope = self._push("function")
        if makes and (arguments.posonlyargs or arguments.args):
            scope.making = (*arguments.posonlyargs, *arguments.args)[0].arg
        self._flags, self._callee, self._in_annotation = flags, None, False
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            scope.bind(argument.arg)
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                scope.bind(rest.arg)
        if isinstance(body, list):
            self._block(body)
        else:
            self.visit(body)
        self._pop(kept[0])
        _, self._flags, self._callee, self._in_annotation = kept

    def _arguments(self, arguments: ast.arguments) -> None:
        out = self._out
        out.append("(")
        groups: tuple[tuple[str, Sequence[ast.arg | None]], ...] = (
            ("/", arguments.posonlyargs),
            ("", arguments.args),
            ("*", [arguments.vararg]),
            ("=", arguments.kwonlyargs),
            ("**", [arguments.kwarg]),
        )
        for mark, each in groups:
            for argument in each:
                if argument is not None:
                    out.append(f"{mark}{argument.arg},")
                    self._annotation(argument.annotation)
        for default in arguments.defaults:
            self.visit(default)
        out.append(";")
        for optional in arguments.kw_defaults:
            self._value(optional)
        out.append(")")

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        self._out.append(f"{node.__class__.__name__}(")
        first = node.generators[0].iter
        self.visit(first)  # evaluated outside
        kept = self._scope
        self._push("comprehension")
        for generator in node.generators:
            self._out.append("async for " if generator.is_async else "for ")
            self.visit(generator.target)
            if generator.iter is not first:
                self.visit(generator.iter)
            for test in generator.ifs:
                self._out.append("if ")
                self.visit(test)
        self._each([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._pop(kept)
        self._out.append(")")

    def _walrus(self, node: ast.NamedExpr) -> None:
        self._out.append("NamedExpr(")
        self.visit(node.value)
        scope = self._scope
        while scope.kind == "comprehension" and scope.outer is not None:
            scope = scope.outer  # it binds around its comprehension
        self._bind(node.target.id, scope)
        self._out.append(")")

    def _joined(self, node: ast.JoinedStr) -> None:
        """Versions of Python cut the fixed text of f-strings into different parts, some of them empty."""
        self._out.append("JoinedStr(")
        text = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                text += str(part.value)
                continue
            if text:
                self._constant(ast.Constant(text))
            text = ""
            self.visit(part)
        if text:
            self._constant(ast.Constant(text))
        self._out.append(")")

    def _formatted(self, node: ast.FormattedValue) -> None:
        self._out.append(f"Formatted({node.conversion},")
        self.visit(node.value)
        if isinstance(node.format_spec, ast.JoinedStr) and node.format_spec.values:
            self.visit(node.format_spec)
        self._out.append(")")


Expressions.handlers = {
    ast.Name: Expressions._name,
    ast.Attribute: Expressions._attribute,
    ast.Subscript: Expressions._subscript,
    ast.Constant: Expressions._constant,
    ast.Call: Expressions._call,
    ast.Lambda: Expressions._lambda,
    ast.ListComp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.DictComp: Expressions._comprehension,
    ast.NamedExpr: Expressions._walrus,
    ast.JoinedStr: Expressions._joined,
    ast.FormattedValue: Expressions._formatted,
}
