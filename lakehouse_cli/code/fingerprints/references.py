"""What a statement says, as values: its text, and the names that it refers to."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

Import = tuple[str, tuple[str, ...]]
"""What a name is imported from: a module, and the names to follow from there."""
Target = tuple[str, Import, str]
"""A name that an import binds, what it stands for, and the module or name as it was asked for."""

# Attributes that lead to any module: to the names of the one a function or frame is from, to classes derived elsewhere.
ANYWHERE = frozenset(("__globals__", "__subclasses__", "f_globals", "f_locals"))
# Functions that import a module by its name.
IMPORTERS = ("import_module", "__import__")


class Reference(NamedTuple):
    """A place where a name of the module is used.

    Attributes:
        name: The name; empty for what is imported there.
        attributes: Taken from it one by one, as far as they are written.
        origin: What it is imported from, where that is known.
        eager: Whether it is evaluated when the module is imported.
        named: Whether it imports a module by a name that is written there, which is a reference of its own.
    """

    name: str
    attributes: tuple[str, ...] = ()
    origin: Import | None = None
    eager: bool = False
    named: bool = False


class Reading(Struct, frozen=True):
    """What a statement says.

    Attributes:
        text: Equal for equal meaning.
        references: Its uses of names of the module, and of what it imports.
        imports: What functions in it import when they are called.
        asks_text: Whether docstrings, annotations or code as it is written may be looked at.
        asks_anything: Whether it may lead to any module.
    """

    text: str
    references: tuple[Reference, ...]
    imports: tuple[Import, ...]
    asks_text: bool
    asks_anything: bool


class Names(Protocol):
    """What the names of a module stand for."""

    entries: dict[str, Any]
    stars: list[Any]
    plain_imports: dict[str, Import]
    has_inner_imports: bool
    postpones_annotations: bool

    def import_targets(self, node: ast.Import | ast.ImportFrom) -> list[Target]:
        """Each name an import binds."""

    def globals_in(self, node: ast.stmt | ast.expr) -> frozenset[str]:
        """The names that functions and classes in a node take from the module."""
