"""What importing a module changes beyond the names it binds: ``LIMITS["a"] = 1``, ``TABLE.update(…)``, ``setup()``.

Whoever uses a name depends on the statements that change the object behind it, wherever they are. This is an estimate
on the safe side: a statement that may change a name counts as one that does. Values that cannot be changed in place
(numbers, texts, tuples of them) are told apart, as are calls that are known to change nothing.
"""

from __future__ import annotations

import ast
from bisect import bisect_left
from collections.abc import Collection, Iterable

from lakehouse_cli.fingerprints.changes import (
    changes_modules,
    configures,
    is_literal,
    is_taken_from,
    may_act,
)
from lakehouse_cli.fingerprints.landing import BELOW, Name
from lakehouse_cli.fingerprints.module_code import Event, ModuleCode, Piece, PlainImport, StarImport
from lakehouse_cli.fingerprints.names import (
    ARGUMENT,
    BASE,
    CALLEE,
    CERTAIN,
    CHANGING,
    EAGER,
    HARMLESS,
    LOOSE,
    PURE,
    RECEIVER,
    RESULT,
    STORE,
    TELLING,
    WRITTEN,
    Use,
)
from lakehouse_cli.fingerprints.objects import ANYTHING, Objects, is_logger
from lakehouse_cli.fingerprints.world import World

_CHANGING_ARGUMENTS = frozenset(
    (
        *("heapify", "heappop", "heappush", "heappushpop", "heapreplace", "insort", "shuffle"),
        *("setitem", "delitem", "iadd", "iconcat", "ior"),
    )
)
# Attributes by which the names of a module are bound without being written there.
_WRITING_NAMES = frozenset(("__dict__", "__setattr__", "__delattr__"))
_FOLLOWED = CALLEE | RECEIVER | ARGUMENT | BASE | CERTAIN


class Effects:
    """Finds the effects of importing modules; each module is looked through once."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._objects = Objects(world)
        self._of_modules: dict[str, dict[Name, list[Piece]]] = {}
        self._direct: dict[tuple[Piece, bool], frozenset[Name]] = {}
        self._reached: dict[tuple[Piece, bool], tuple[Piece, ...]] = {}
        self._needed_first: dict[Piece, frozenset[Name]] = {}
        self._of_names: dict[tuple[str, Name], list[int]] = {}
        self._imported_effects: dict[str, frozenset[Name]] = {}

    def of(self, code: ModuleCode) -> dict[Name, list[Piece]]:
        """The statements of a module that change something when it is imported, by what they change.

        A module's name with an empty one stands for all its names, `ANYTHING` for everything.
        """
        known = self._of_modules.get(code.name)
        if known is None:
            known = self._of_modules[code.name] = {}
            for piece in code.pieces:
                if piece.executed and may_act(piece):
                    for name in self._effects(piece):
                        known.setdefault(name, []).append(piece)
        return known

    def moments(self, event: Event, code: ModuleCode) -> str:
        """Which of several bindings and changes of the names it needs come before a statement of a module, as text.

        Where a name gets its value in several steps, it matters after which of them it is used, or is taken from the
        module that has it.
        """
        if isinstance(event, PlainImport):
            counts = self._moments_of_import(event, code)
        elif isinstance(event, StarImport):
            names = self._world.names_of_star(event.module)
            counts = self._moments(names, names, event.position, code)
        else:
            counts = self._moments_of_piece(event) if may_act(event) else set()
            for name in {use.name for use in event.uses if use.origin is not None and use.origin[1]}:
                for entry in code.entries.get(name, ()):
                    if isinstance(entry, PlainImport):
                        counts |= self._moments_of_import(entry, code)
        return " ".join(sorted(counts))

    def _moments_of_piece(self, piece: Piece) -> set[str]:
        direct = self._names_of(piece, eager=True)
        return self._moments(self._needed(piece), direct, piece.position, piece.code)

    def _moments_of_import(self, taken: PlainImport, code: ModuleCode) -> set[str]:
        module, path = taken.origin
        names = self._world.follow(module, path, outside=True).all_names if path else frozenset()
        needed = set(names).union(*(self._needed(piece) for name in names for piece in self._objects.bindings(name)))
        return self._moments(needed, names, taken.position, code)

    def _moments(self, names: Collection[Name], direct: Collection[Name], position: int, code: ModuleCode) -> set[str]:
        counts = set()
        for name in names:
            positions = self._positions(code, name)
            before = bisect_left(positions, position)
            # What binds a name of another module is not among these. One that is not yet bound is an error, which a
            # `try` may turn into a value.
            if len(positions) > (name[0] == code.name) or (positions and not before and name in direct):
                counts.add(f"{'.'.join(name)}:{before}")
        return counts

    def _positions(self, code: ModuleCode, name: Name) -> list[int]:
        """Where in a module a name of it or of another is bound or changed, imports that do it included; ascending."""
        known = self._of_names.get((code.name, name))
        if known is None:
            known = self._of_names[code.name, name] = sorted(self._find_positions(code, name))
        return known

    def _find_positions(self, code: ModuleCode, name: Name) -> set[int]:
        positions = {piece.position for piece in self.of(code).get(name, ())}
        if name[0] == code.name:
            positions |= {entry.position for entry in code.entries.get(name[1], ())}
            positions |= {star.position for star in self._world.stars(code, name[1])}
        for module, position in self._world.imports(code).items():
            if module not in self._imported_effects:
                changed = [set(self.of(other)) for other in self._world.imported(module) if other is not code]
                self._imported_effects[module] = frozenset().union(*changed)
            if name in self._imported_effects[module]:
                positions.add(position)
        return positions

    def _effects(self, piece: Piece) -> set[Name]:
        found = set(self._changed_by(piece, eager=True))
        if any(use.flags & EAGER and use.flags & _FOLLOWED for use in piece.uses):
            reached = self.reached(piece)
            for called in reached:
                found |= self._changed_by(called, eager=False)
            if any(called.canonical.changes for called in reached):
                # By whatever local name: as an argument, a default, `self`, or out of what another function returns.
                found |= self._objects_of(piece, eager=True).union(*(self._objects_of(r, eager=False) for r in reached))
        waiting = list(found)
        while waiting:  # what is changed under one name may have another
            for other in self._sources(waiting.pop()) - found:
                found.add(other)
                waiting.append(other)
        return found

    def reached(self, piece: Piece, *, eager: bool = True) -> tuple[Piece, ...]:
        """The pieces that evaluating a statement at import may lead to, or also calling what it defines."""
        known = self._reached.get((piece, eager))
        if known is None:
            seen: dict[Piece, None] = {}
            waiting = self._pieces_of(piece, eager=eager)
            while waiting:
                other = waiting.pop()
                if other not in seen and other is not piece:
                    seen[other] = None
                    waiting += self._pieces_of(other, eager=False)
            known = self._reached[piece, eager] = tuple(seen)
        return known

    def _pieces_of(self, piece: Piece, *, eager: bool) -> list[Piece]:
        """The pieces of the names a piece uses."""
        return [found for name in self._names_of(piece, eager=eager) for found in self._objects.bindings(name)]

    def _names_of(self, piece: Piece, *, eager: bool) -> frozenset[Name]:
        if not eager:
            return self._world.landing(piece).all_names
        known = self._needed_first.get(piece)
        if known is None:
            found: set[Name] = set()
            for use in piece.uses:
                if use.flags & EAGER:
                    found |= self._world.follow_use(piece, use).all_names
            known = self._needed_first[piece] = frozenset(found)
        return known

    def _needed(self, piece: Piece) -> set[Name]:
        found = set(self._names_of(piece, eager=True))
        for other in self.reached(piece):
            found |= self._names_of(other, eager=False)
        if any(use.flags & EAGER and use.flags & CALLEE for use in piece.uses):
            found.add(ANYTHING)
        return found

    def _changed_by(self, piece: Piece, *, eager: bool) -> frozenset[Name]:
        """What a piece itself may change: when it is imported, or also when what it defines is called."""
        key = (piece, eager)
        known = self._direct.get(key)
        if known is None:
            found: set[Name] = set()
            for use in piece.uses:
                if not eager or use.flags & EAGER:
                    found |= self._changed_through(piece, use)
            if piece.canonical.asks_unknown:
                found.add(ANYTHING)
            known = self._direct[key] = frozenset(found)
        return known

    def _changed_through(self, piece: Piece, use: Use) -> set[Name]:
        flags = use.flags
        code = piece.code
        if use.origin is None and use.name not in code.entries and not self._world.stars(code, use.name):
            if use.name in ("exec", "eval"):
                return {(code.name, ""), ANYTHING}
            asks = use.name == "globals" or (use.name in ("vars", "locals") and flags & EAGER)
            return {(code.name, "")} if asks else set()
        if flags & STORE:
            return {(code.name, use.name)}
        writes_names = any(name in _WRITING_NAMES for name in (*(use.origin[1] if use.origin else ()), *use.attributes))
        if not (flags & CHANGING or writes_names or (flags & CALLEE and flags & EAGER)):
            return set()
        # `print(LIMITS)` changes nothing, `print(LIMITS.pop())` does, and `getattr(LIMITS, "a").b = 1`.
        if self._is_harmless(code, use.callee) and not (flags & CALLEE and use.attributes) and not is_taken_from(use):
            return set()
        handed_over = bool(flags & (CERTAIN | RECEIVER | BASE)) or self._changes_arguments(use)
        if use.origin is not None and self._world.origin(use.origin[0]) != "own":
            changes = configures(use) or (self._world.hands_out_modules(use) and changes_modules(use, handed_over))
            return {ANYTHING} if changes else set()
        if flags & ARGUMENT and not handed_over:
            return set()
        landing = self._world.follow_use(piece, use)
        found = {(module, name) for module, name, rest in landing.names if self._may_change((module, name), rest, use)}
        if flags & WRITTEN or writes_names or not flags & CALLEE:
            found |= {(module, "") for module in landing.modules}
        if flags & CALLEE and flags & (RESULT | LOOSE):
            found |= self._held_by(landing.all_names) | {
                name for name in landing.all_names if self._objects.keeps(name)
            }
        elif flags & CALLEE and flags & ARGUMENT:
            held = self._held_by(landing.all_names)
            # What is handed on may be a module, whose names are bound anew.
            alters = flags & CERTAIN or self._alters(piece, use.callee)
            found |= {name for name in held if alters or name == ANYTHING or (name[0] + BELOW, "") in held}
        return found

    def _alters(self, piece: Piece, callee: Use | None) -> bool:
        """Whether one of the project's functions, or what it calls, changes objects in place that it is given."""
        names = self._world.follow_use(piece, callee).all_names if callee is not None else ()
        called = [bound for name in names for bound in self._objects.bindings(name)]
        return any(each.canonical.changes for bound in called for each in (bound, *self.reached(bound, eager=False)))

    def _held_by(self, names: Iterable[Name]) -> set[Name]:
        """Variables and modules that calling functions may lead to, and so hand out."""
        found: set[Name] = set()
        for name in names:
            for piece in self._objects.bindings(name):
                for other in (piece, *self.reached(piece, eager=False)):
                    found |= self._objects_of(other, eager=False)
        return found

    def _objects_of(self, piece: Piece, *, eager: bool) -> set[Name]:
        """What a piece uses and could change: variables, definitions that keep something, and whole modules."""
        if eager:
            landings = [self._world.follow_use(piece, use) for use in piece.uses if use.flags & EAGER]
        else:
            landings = [self._world.landing(piece)]
        names = {name for landing in landings for name in landing.all_names}
        found = {name for name in names if self._objects.is_variable(name) or self._objects.keeps(name)}
        found |= {(module, "") for landing in landings for module in landing.modules}
        if any(self._world.hands_out_modules(use) and (use.flags & EAGER or not eager) for use in piece.uses):
            found.add(ANYTHING)
        return found

    def _is_harmless(self, code: ModuleCode, callee: Use | None) -> bool:
        if callee is None or callee.origin is not None or callee.attributes:
            return False
        return callee.name in HARMLESS and callee.name not in code.entries

    def _changes_arguments(self, use: Use) -> bool:
        """Whether what a use is handed to may change it: the project's own code, or something that cannot be known."""
        callee = use.callee
        if callee is None or use.flags & ~(ARGUMENT | EAGER | CALLEE) & CHANGING:
            return True
        if callee.origin is not None and self._world.origin(callee.origin[0]) != "own":
            return (callee.attributes or callee.origin[1] or ("",))[-1] in _CHANGING_ARGUMENTS
        return True

    def _may_change(self, name: Name, rest: tuple[str, ...], use: Use) -> bool:
        """Whether a use that leads to a definition may change it."""
        flags = use.flags
        if flags & WRITTEN:
            return True
        if flags & CALLEE and not rest:
            # Being called changes nothing of a function, whose body is looked at by itself; `add = NAMES.append` may.
            return self._objects.is_variable(name)
        pieces = self._objects.bindings(name)
        if flags & BASE:
            return any(self._objects.has_hooks(piece, set()) for piece in pieces)
        if self._objects.is_fixed(name) or (rest and rest[-1] in TELLING and all(map(is_logger, pieces))):
            return False
        if flags & CERTAIN:
            return True
        if flags & RECEIVER and rest:
            if all(isinstance(piece.statement, ast.ClassDef) for piece in pieces):
                return any(piece.canonical.changes for piece in pieces)
            return not (rest[-1] in PURE and all(is_literal(piece.statement) for piece in pieces))
        return not self._objects.is_definition(name)

    def _sources(self, changed: Name) -> set[Name]:
        """Names whose objects a name may stand for, or hold: what its value is made of, and what functions return."""
        found: set[Name] = set()
        for piece in self._objects.bindings(changed):
            if not self._objects.is_plain(piece) or isinstance(piece.statement, ast.ClassDef):
                found |= self._objects_of(piece, eager=True) | self._objects.aliases(piece)
                found |= {(changed[0], name) for name in piece.names - {changed[1]}}  # `STEPS, register = make()`
                if any(use.flags & EAGER and use.flags & (CALLEE | RECEIVER) for use in piece.uses):
                    for other in self.reached(piece):
                        found |= self._objects_of(other, eager=False)
        for piece in self._objects.stores(changed):
            found |= self._objects_of(piece, eager=True)
        return found
