"""Annotations as written: the types that they name, by the imports of their module."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable

from lakehouse_cli.model.frame_names import unsupported_name

_TRANSPARENT = frozenset(("typing.Optional", "typing.Annotated", "typing_extensions.Annotated"))


class NamedTypes:
    """Resolves annotations of one module; what it cannot follow is no type.

    Args:
        statements: Those at the module's top, inside ``if`` and ``try`` too.
    """

    def __init__(self, statements: Iterable[ast.stmt]) -> None:
        self._names: dict[str, str | None] = {}
        self._knows_builtins = True
        walked: set[ast.stmt] = set()
        for statement in statements:
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    top = alias.name.partition(".")[0]
                    self._bind(alias.asname or top, alias.name if alias.asname else top)
            elif isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    self._knows_builtins &= alias.name != "*"
                    origin = None if statement.level else f"{statement.module}.{alias.name}"
                    self._bind(alias.asname or alias.name, origin)
            elif isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                self._bind(statement.name, None)
            elif statement not in walked:
                for node in ast.walk(statement):
                    if isinstance(node, ast.stmt):
                        walked.add(node)
                    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                        self._bind(node.id, None)

    def _bind(self, name: str, origin: str | None) -> None:
        # Bound twice, to different things: nobody knows which.
        self._names[name] = origin if self._names.get(name, origin) == origin else None

    def unsupported(self, annotation: ast.expr | None, *, returned: bool) -> str | None:
        """Return the first type that an annotation allows where none of them can be a frame type; None elsewhere."""
        found = None if annotation is None else self._alternatives(annotation)
        return unsupported_name(found or (), returned=returned)

    def _alternatives(self, node: ast.expr) -> list[str | None] | None:
        if isinstance(node, ast.Constant):
            if node.value is None:
                return []
            return self._of_text(node.value) if isinstance(node.value, str) else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            sides = [self._alternatives(side) for side in (node.left, node.right)]
            return None if None in sides else [name for side in sides if side is not None for name in side]
        if isinstance(node, ast.Subscript):
            name = self._dotted(node.value)
            if name == "typing.Union":
                items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                parts = [self._alternatives(item) for item in items]
                return None if None in parts else [each for part in parts if part is not None for each in part]
            if name in _TRANSPARENT:
                inner = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
                return self._alternatives(inner)
            return [name]
        return [self._dotted(node)]

    def _of_text(self, text: str) -> list[str | None] | None:
        try:
            return self._alternatives(ast.parse(text.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def _dotted(self, node: ast.expr) -> str | None:
        if isinstance(node, ast.Attribute):
            owner = self._dotted(node.value)
            return None if owner is None else f"{owner}.{node.attr}"
        if not isinstance(node, ast.Name):
            return None
        if node.id in self._names:
            return self._names[node.id]
        is_type = isinstance(getattr(builtins, node.id, None), type)
        return node.id if is_type and self._knows_builtins else None
