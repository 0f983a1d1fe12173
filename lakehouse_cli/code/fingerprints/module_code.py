"""A module as the pieces it is made of: which statements give each name its meaning.

A piece is a statement at the top level of a module, one inside a top-level ``if`` together with the conditions it
stands under, or a ``try``, ``for``, ``while``, ``with`` or ``match`` as a whole. What stands under
``if __name__ == "__main__"`` is no piece, since importing the module does not run it.
"""

from __future__ import annotations

import ast
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeGuard

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.code.fingerprints.references import Import, Reading, Target
from lakehouse_cli.code.fingerprints.scopes import names_by_line
from lakehouse_cli.code.fingerprints.statement_text import read_statement
from lakehouse_cli.code.fingerprints.value import OutsideRead
from lakehouse_cli.code.source import ModuleSource, imported_module, last_name, refused_by_python

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Importing = ast.Import | ast.ImportFrom
# Each `elif` stands under all the conditions before it; a longer chain ends in one piece, or they are read too often.
_MOST_GUARDS = 50


class Piece(Struct, eq=False):
    """A statement and the conditions it stands under.

    Attributes:
        code: The module it is in.
        position: Its place among the module's pieces.
        statement: As parsed.
        guards: Tests of the ``if`` around it, and whether they hold there.
        executed: Whether importing the module may run it.
        imports: Of each name that it binds by an import: what is imported.
        names: All names that it binds.
    """

    code: ModuleCode
    position: int
    statement: ast.stmt
    guards: tuple[tuple[ast.expr, bool], ...]
    executed: bool
    imports: dict[str, list[Import]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    _reading: Reading | None = None

    @property
    def reading(self) -> Reading:
        """What it says, after the conditions that it stands under."""
        if self._reading is None:
            nodes: list[ast.stmt | ast.expr] = [*(test for test, _ in self.guards), self.statement]
            reading = read_statement(nodes, self.code)
            if self.guards:
                holds = "".join(" if" if holds else " if not" for _, holds in self.guards)
                reading = replace(reading, text=reading.text + holds)
            self._reading = reading
        return self._reading

    @property
    def text(self) -> str:
        """Its text, equal for equal meaning."""
        return self.reading.text

    def origins(self, name: str) -> list[Import]:
        """What it imports under a name."""
        return self.imports.get(name, [])

    @property
    def all_origins(self) -> list[Import]:
        """What it imports, under any name."""
        return [origin for origins in self.imports.values() for origin in origins]


class PlainImport(Struct, eq=False):
    """A name that a top-level import binds, unconditionally or for annotations only."""

    code: ModuleCode
    position: int
    origin: Import

    def origins(self, _: str) -> list[Import]:
        """What it imports."""
        return [self.origin]

    @property
    def all_origins(self) -> list[Import]:
        """What it imports."""
        return [self.origin]

    @property
    def text(self) -> str:
        """Its text, equal for equal meaning."""
        return f"import {'.'.join((self.origin[0], *self.origin[1]))}"


class StarImport(Struct, eq=False):
    """An import of all names of a module."""

    code: ModuleCode
    position: int
    module: str

    @property
    def text(self) -> str:
        """Its text, equal for equal meaning."""
        return f"import {self.module}.*"


Event = Piece | PlainImport | StarImport
"""What gives a name its meaning, or changes it."""


class ModuleCode:
    """The pieces of one module.

    Attributes:
        name: Dotted.
        label: The file as messages and fingerprints name it.
        file: Its absolute path.
        changes_path: Whether it may change the folders in which modules are looked for.
        has_inner_imports: Whether there may be imports inside functions.
        body: Its statements as parsed.
        pieces: In order.
        entries: Of each name: what binds it, in order.
        plain_imports: Names that stand for one import throughout.
        stars: Imports of all names of a module.
        imported: Modules that importing this one imports, as they are asked for, each with the first place.
        declared_globals: Names that functions may bind.
        text: All of it as written.
        postpones_annotations: Whether it says ``from __future__ import annotations``.
        outside_reads: What `outside_reads.reads_of` found in it; None until it is asked for.
    """

    def __init__(self, source: ModuleSource, label: str) -> None:
        self.name = source.name
        self.label = label
        self.file = source.file
        self.changes_path = source.changes_path
        self.has_inner_imports = source.has_inner_imports
        self.is_package = source.is_package
        self.pieces: list[Piece] = []
        self.entries: dict[str, list[Piece | PlainImport]] = {}
        self.stars: list[StarImport] = []
        self.imported: dict[str, int] = {}
        self.text = source.text
        self.postpones_annotations = False
        self.outside_reads: tuple[OutsideRead, ...] | None = None
        self.declared_globals: set[str] = set()
        self._positions = 0
        self._tree = source.tree
        body = self.body = source.tree.body
        for statement in body:
            if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                self.postpones_annotations |= any(alias.name == "annotations" for alias in statement.names)
            self._add(statement, (), True)
        if source.has_inner_imports:
            for node in (node for piece in self.pieces if piece.executed for node in ast.walk(piece.statement)):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    self._note_imported(node)
        if source.has_globals:
            self._add_globals()
        self.plain_imports = {
            name: entries[0].origin
            for name, entries in self.entries.items()
            if isinstance(entries[0], PlainImport)
            and all(isinstance(entry, PlainImport) and entry.origin == entries[0].origin for entry in entries)
        }

    def _add(self, statement: ast.stmt, guards: tuple[tuple[ast.expr, bool], ...], executed: bool) -> None:
        if isinstance(statement, Definition):
            piece = self._piece(statement, guards, executed)
            piece.names = {statement.name}
            self.entries.setdefault(statement.name, []).append(piece)
        elif isinstance(statement, Importing):
            self._add_import(statement, guards, executed)
        elif _is_conditional(statement, guards):
            self._add_branches(statement, guards, executed)
        elif not _does_nothing(statement):
            piece = self._piece(statement, guards, executed)
            names, imports = _bound(statement)
            for node in imports:
                self._note_imported(node)
                if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
                    self.stars.append(StarImport(self, piece.position, self._base(node)))
                for name, origin, _ in self.import_targets(node):
                    piece.imports.setdefault(name, []).append(origin)
                    names.add(name)
            piece.names = names
            for name in names:
                self.entries.setdefault(name, []).append(piece)

    def _add_globals(self) -> None:
        """Count functions for what binds a name, where nothing else does, or nothing but an import."""
        declared = [
            (name, piece)
            for piece in self.pieces
            for node in ast.walk(piece.statement)
            if isinstance(node, ast.Global)
            for name in node.names
        ]
        self.declared_globals = {name for name, _ in declared}
        bound = {name for name, entries in self.entries.items() if any(isinstance(entry, Piece) for entry in entries)}
        for name, piece in dict.fromkeys(declared):
            if name not in bound:
                self.entries.setdefault(name, []).append(piece)

    def _piece(self, statement: ast.stmt, guards: tuple[tuple[ast.expr, bool], ...], executed: bool) -> Piece:
        piece = Piece(self, self._positions, statement, guards, executed)
        self._positions += 1
        self.pieces.append(piece)
        return piece

    def _add_import(
        self, statement: ast.Import | ast.ImportFrom, guards: tuple[tuple[ast.expr, bool], ...], executed: bool
    ) -> None:
        if executed:
            self._note_imported(statement)
        if isinstance(statement, ast.ImportFrom) and statement.names[0].name == "*":
            self.stars.append(StarImport(self, self._positions, self._base(statement)))
            self._positions += 1
        targets = self.import_targets(statement)
        piece = self._piece(statement, guards, executed) if guards and targets else None
        for name, origin, _ in targets:
            if piece is None:
                self.entries.setdefault(name, []).append(PlainImport(self, self._positions, origin))
                self._positions += 1
            else:
                piece.imports.setdefault(name, []).append(origin)
                self.entries.setdefault(name, []).append(piece)

    def _add_branches(self, node: ast.If, guards: tuple[tuple[ast.expr, bool], ...], executed: bool) -> None:
        if is_main_test(node.test):
            branches = [(node.orelse, guards, executed)]
        elif is_typing_test(node.test):
            branches = [(node.body, guards, False), (node.orelse, guards, executed)]
        else:
            branches = [
                (node.body, (*guards, (node.test, True)), executed),
                (node.orelse, (*guards, (node.test, False)), executed),
            ]
        for body, under, runs in branches:
            for statement in body:
                self._add(statement, under, runs)

    @cached_property
    def _scopes(self) -> tuple[list[int], list[frozenset[str]]]:
        """Of functions and classes at the top level: their lines, and the names that each takes from the module."""
        try:
            found = names_by_line(self._tree, self.text, self.label)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise refused_by_python(error, self.label, self.text) from error
        lines = sorted(found)
        return lines, [frozenset(found[line]) for line in lines]

    def globals_in(self, node: ast.stmt | ast.expr) -> frozenset[str]:
        """The names that functions and classes in a statement or expression take from the module."""
        lines, names = self._scopes
        first = first_line(node)
        begin, end = bisect_left(lines, first), bisect_right(lines, node.end_lineno or first)
        return names[begin] if end == begin + 1 else frozenset().union(*names[begin:end])

    def _note_imported(self, node: ast.Import | ast.ImportFrom) -> None:
        for module in self.asked(node):
            self.imported.setdefault(module, self._positions)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name != "*":  # which may be a module
                    self.imported.setdefault(f"{self._base(node)}.{alias.name}", self._positions)

    def asked(self, node: ast.Import | ast.ImportFrom) -> list[str]:
        """The modules that an import names, absolutely."""
        return [alias.name for alias in node.names] if isinstance(node, ast.Import) else [self._base(node)]

    def import_targets(self, node: ast.Import | ast.ImportFrom) -> list[Target]:
        """Each name an import binds, what it stands for, and the module or name as it was asked for."""
        if isinstance(node, ast.Import):
            return [
                (alias.asname, (alias.name, ()), alias.name)
                if alias.asname
                else (alias.name.partition(".")[0], (alias.name.partition(".")[0], ()), alias.name)
                for alias in node.names
            ]
        base = self._base(node)
        return [
            (alias.asname or alias.name, (base, (alias.name,)), f"{base}.{alias.name}")
            for alias in node.names
            if alias.name != "*" and base != "__future__"
        ]

    def _base(self, node: ast.ImportFrom) -> str:
        return imported_module(node, self.name, is_package=self.is_package)


def first_line(node: ast.stmt | ast.expr) -> int:
    """The line in which a statement or expression begins, with its decorators."""
    decorators = getattr(node, "decorator_list", None)
    return min(node.lineno, *(each.lineno for each in decorators)) if decorators else node.lineno


def kind_of(entries: Sequence[Piece | PlainImport], name: str) -> str:
    """What a name is by the statements that bind it: ``function``, ``class``, ``constant``, ``loop`` or ``import``."""
    kinds = set()
    for piece in entries:
        if not isinstance(piece, Piece):
            continue
        if isinstance(piece.statement, Definition) and piece.statement.name == name:
            kinds.add("class" if isinstance(piece.statement, ast.ClassDef) else "function")
            continue
        nodes = list(_in_module_scope(piece.statement))
        looped = [node.target for node in nodes if isinstance(node, ast.For | ast.AsyncFor)]
        loops = {inner for target in looped for inner in ast.walk(target)}
        for node in nodes:
            if isinstance(node, Definition) and node.name == name:
                kinds.add("class" if isinstance(node, ast.ClassDef) else "function")
            elif isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load):
                kinds.add("loop" if node in loops else "constant")
    for kind in ("function", "class", "constant", "loop"):
        if kind in kinds:
            return kind
    bound = any(isinstance(entry, Piece) and not entry.origins(name) for entry in entries)
    return "constant" if bound else "import"


def _is_conditional(statement: ast.stmt, guards: Sequence[object]) -> TypeGuard[ast.If]:
    """Whether what stands in a statement is taken by itself, under its condition and the `guards` around it."""
    if not isinstance(statement, ast.If) or len(guards) >= _MOST_GUARDS:
        return False
    if any(isinstance(node, ast.NamedExpr) for node in ast.walk(statement.test)):
        return False
    # One that decides about nothing stands there for what its test does.
    return not all(_does_nothing(inner) for inner in (*statement.body, *statement.orelse))


def _does_nothing(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Pass | ast.Global)


def is_main_test(test: ast.expr) -> bool:
    """Whether it distinguishes a module that is run from one that is imported."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = (test.left, test.comparators[0])
    named = any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides)
    return named and any(isinstance(side, ast.Constant) and side.value == "__main__" for side in sides)


def is_typing_test(test: ast.expr) -> bool:
    """Whether it holds for type checkers only."""
    return last_name(test) == "TYPE_CHECKING"


def _bound(statement: ast.stmt) -> tuple[set[str], list[ast.Import | ast.ImportFrom]]:
    """The names of the module that a statement binds or unbinds, and the imports in it that do so."""
    names: set[str] = set()
    imports: list[ast.Import | ast.ImportFrom] = []
    for node in _in_module_scope(statement):
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(node)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            names.add(node.rest)
    return names, imports


def _in_module_scope(statement: ast.stmt) -> Iterator[ast.AST]:
    """What is inside a statement, without the insides of functions, classes and comprehensions' targets."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Definition):
            waiting += node.decorator_list  # a walrus there is rare but binds
        elif isinstance(node, ast.comprehension):
            waiting += [node.iter, *node.ifs]
        elif not isinstance(node, ast.Lambda | ast.Constant):
            waiting += ast.iter_child_nodes(node)
