"""What a name stands for: a value that cannot be changed, a variable, a definition; and what else goes by that name."""

from __future__ import annotations

import ast

from lakehouse_cli.fingerprints.changes import aliased_by, hands_out, is_fixed_value, keeps_state, stores_into
from lakehouse_cli.fingerprints.landing import Name
from lakehouse_cli.fingerprints.module_code import Definition, Piece, PlainImport
from lakehouse_cli.fingerprints.names import BASE, CALLEE, EAGER, LOGGERS, RECEIVER, STORE
from lakehouse_cli.fingerprints.world import World

ANYTHING = ("", "")
"""Stands for what every function sees: an option of a package, the environment."""


class Objects:
    """Tells of the objects behind names; each is looked at once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._fixed: dict[Name, bool] = {}
        self._kept: dict[Name, bool] = {}
        self._stored: dict[str, dict[str, list[Piece]]] = {}

    def bindings(self, name: Name) -> list[Piece]:
        """The statements that bind a name, imports apart."""
        code = self._world.code(name[0]) if name != ANYTHING else None
        return [entry for entry in (code.entries.get(name[1], ()) if code else ()) if isinstance(entry, Piece)]

    def is_fixed(self, name: Name) -> bool:
        """Whether a name can only stand for values that cannot be changed in place."""
        known = self._fixed.get(name)
        if known is None:
            code = self._world.code(name[0])
            entries = code.entries.get(name[1], []) if code is not None else []
            known = bool(entries) and all(
                not isinstance(entry, PlainImport)
                and isinstance(entry.statement, ast.Assign | ast.AnnAssign)
                and is_fixed_value(entry.statement.value)
                and not any(isinstance(t, ast.Tuple | ast.List) for t in getattr(entry.statement, "targets", ()))
                for entry in entries
            )
            self._fixed[name] = known
        return known

    def is_variable(self, name: Name) -> bool:
        """Whether a name may stand for something that can be changed in place."""
        return not self.is_fixed(name) and not self.is_definition(name)

    def is_definition(self, name: Name) -> bool:
        """Whether a name stands for a function or class and nothing else."""
        code = self._world.code(name[0])
        entries = code.entries.get(name[1], ()) if code is not None else ()
        return all(isinstance(entry, Piece) and self.is_plain(entry) for entry in entries)

    def is_plain(self, piece: Piece) -> bool:
        """Whether a definition is what it defines, and not what a decorator of the project's makes of it."""
        if not isinstance(piece.statement, Definition):
            return False
        if not piece.statement.decorator_list:
            return True
        decorators = [use for use in piece.uses if use.flags & EAGER and use.flags & (RECEIVER | CALLEE)]
        return not any(self._world.follow_use(piece, use).all_names for use in decorators)

    def keeps(self, name: Name) -> bool:
        """Whether a function or class keeps something between its uses: defaults, a cache, attributes of the class."""
        known = self._kept.get(name)
        if known is None:
            known = self._kept[name] = any(keeps_state(piece.statement) for piece in self.bindings(name))
        return known

    def stores(self, name: Name) -> list[Piece]:
        """Statements beside a variable that put something into it: ``app.steps = STEPS``."""
        code = self._world.code(name[0]) if self.is_variable(name) else None
        if code is None:
            return []
        if code.name not in self._stored:
            found = self._stored[code.name] = {}
            for piece in code.pieces:
                for stored in stores_into(piece.statement):
                    found.setdefault(stored, []).append(piece)
        return self._stored[code.name].get(name[1], [])

    def aliases(self, piece: Piece) -> set[Name]:
        """Definitions, and what is other people's, that go by a name that a statement binds: ``T = Table``."""
        found: set[Name] = set()
        aliased = aliased_by(piece.statement)
        for use in piece.uses:
            if not use.flags & EAGER or use.flags & STORE:
                continue
            if use.origin is not None and self._world.origin(use.origin[0]) != "own":
                if hands_out(use) if use.flags & CALLEE else (use.name, *use.attributes) in aliased:
                    found.add(ANYTHING)
            elif not use.flags & CALLEE:
                found |= self._world.follow_use(piece, use).all_names
            else:
                called = self._world.follow_use(piece, use).all_names
                found |= {name for name in called if any(map(_is_class, self.bindings(name)))}
        return found

    def has_hooks(self, piece: Piece, seen: set[Piece]) -> bool:
        """Whether a class is told of the classes derived from it."""
        if piece in seen or not isinstance(piece.statement, ast.ClassDef):
            return False
        seen.add(piece)
        body = piece.statement.body
        if any(isinstance(node, ast.FunctionDef) and node.name == "__init_subclass__" for node in body):
            return True
        for use in piece.uses:
            if use.flags & BASE:
                if use.origin is None and use.name == "type" and "type" not in piece.code.entries:
                    return True
                for name in self._world.follow_use(piece, use).all_names:
                    if any(self.has_hooks(base, seen) for base in self.bindings(name)):
                        return True
        return False


def is_logger(piece: Piece) -> bool:
    """Whether a statement binds what tells the user something, and changes nothing by it."""
    value = getattr(piece.statement, "value", None)
    made = isinstance(piece.statement, ast.Assign | ast.AnnAssign) and isinstance(value, ast.Call)
    origins = [use.origin for use in piece.uses if use.flags & CALLEE] if made else []
    return bool(origins) and all(origin is not None and origin[0] in LOGGERS for origin in origins)


def _is_class(piece: Piece) -> bool:
    return isinstance(piece.statement, ast.ClassDef)
