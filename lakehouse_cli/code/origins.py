"""Where the classes that a module names come from: through imports, aliases and re-exports, by its source alone."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from typing import TypeAlias

from lakehouse_cli.code.module_search import is_standard
from lakehouse_cli.code.source import ModuleSource, SourceError, SourceReader, imported_module, top_level

#: A class as it is written, with its module.
Definition: TypeAlias = tuple[ModuleSource, ast.ClassDef]
#: A class that is looked up: its definition, or its full name where it is the tool's or Python's own.
Found: TypeAlias = Definition | str


def dotted_name(node: ast.expr) -> str | None:
    """A name with its attributes as written, of a generic class that of the class; None for any other expression."""
    if isinstance(node, ast.Subscript):
        return dotted_name(node.value)
    if isinstance(node, ast.Attribute):
        owner = dotted_name(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


class Origins:
    """Follows the names of modules to the classes that they are.

    Args:
        code: Reads the modules.
    """

    def __init__(self, code: SourceReader) -> None:
        self._code = code

    def find(self, module: ModuleSource, name: str) -> Found | None:
        """The class that a module has by a name, which may be dotted; None where its source does not tell."""
        return self._find(module, name, set())

    def _find(self, module: ModuleSource, name: str, seen: set[tuple[str, str]]) -> Found | None:
        if (module.name, name) in seen:
            return None
        seen.add((module.name, name))
        head, _, rest = name.partition(".")
        others: list[str] = []
        for statement in top_level(module.tree.body):
            if isinstance(statement, ast.ClassDef) and statement.name == head:
                found: Found | None = _inside(module, statement, rest)
            elif (followed := _alias(statement, head)) is not None:
                found = self._find(module, _joined(followed, rest), seen)
            else:
                found = None
                for origin in _imported(statement, module, head):
                    if origin.endswith(".*"):
                        others.append(origin[:-1] + name)
                    else:
                        found = found or self._find_full(_joined(origin, rest), seen)
            if found is not None:
                return found
        if not rest and hasattr(builtins, head):
            return f"builtins.{head}"
        found_elsewhere = (self._find_full(each, seen) for each in others)
        return next((each for each in found_elsewhere if each is not None), None)

    def _find_full(self, name: str, seen: set[tuple[str, str]]) -> Found | None:
        """The class of a full name."""
        top = name.partition(".")[0]
        if top == "lakehouse_cli" or is_standard(top, self._code.folder):
            return name
        parts = name.split(".")
        for count in range(len(parts) - 1, 0, -1):
            try:
                module = self._code.module(".".join(parts[:count]))
            except SourceError:
                continue
            return self._find(module, ".".join(parts[count:]), seen)
        return None


def _joined(name: str, rest: str) -> str:
    return f"{name}.{rest}" if rest else name


def _inside(module: ModuleSource, definition: ast.ClassDef, rest: str) -> Definition | None:
    """A class, or one that is defined inside of it."""
    for name in filter(None, rest.split(".")):
        inner = (each for each in definition.body if isinstance(each, ast.ClassDef) and each.name == name)
        found = next(inner, None)
        if found is None:
            return None
        definition = found
    return module, definition


def _alias(statement: ast.stmt, name: str) -> str | None:
    """What an assignment gives a name to, where that is a name itself."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    value = getattr(statement, "value", None)
    if isinstance(value, ast.expr) and any(isinstance(each, ast.Name) and each.id == name for each in targets):
        return dotted_name(value)
    return None


def _imported(statement: ast.stmt, module: ModuleSource, name: str) -> Iterator[str]:
    """The full names of what an import binds to a name; ``module.*`` where it may be one of all."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) == name:
                yield alias.name if alias.asname else name
    elif isinstance(statement, ast.ImportFrom):
        origin = imported_module(statement, module.name, is_package=module.is_package)
        for alias in statement.names:
            if alias.name == "*" or (alias.asname or alias.name) == name:
                yield f"{origin}.{alias.name}"
