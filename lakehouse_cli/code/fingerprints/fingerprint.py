"""Fingerprints: one hash over all the code that a function reaches, and one for each part of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from msgspec.structs import replace

from lakehouse_cli.code.cached_methods import cached_method
from lakehouse_cli.code.fingerprints.effects import EffectsFinder
from lakehouse_cli.code.fingerprints.module_code import Event, ModuleCode, Piece, PlainImport, kind_of
from lakehouse_cli.code.fingerprints.modules import digest
from lakehouse_cli.code.fingerprints.outside_reads import changes_name, reads_in, reads_of
from lakehouse_cli.code.fingerprints.parts import Part, digest_of, value_of_acting
from lakehouse_cli.code.fingerprints.postponement import packages_of_plain
from lakehouse_cli.code.fingerprints.resolution import BELOW, Landing, Name, Resolver
from lakehouse_cli.code.fingerprints.unreadable_imports import UnreadableImports
from lakehouse_cli.code.fingerprints.value import (
    CURRENT_RULES,
    NOT_BOUND,
    NOT_FOLLOWED,
    ORDER,
    RULES,
    UNSEEN,
    CodeFingerprint,
    OutsideRead,
)
from lakehouse_cli.code.source import SourceError, SourceReader
from lakehouse_cli.errors import Location
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.text.close_names import did_you_mean

_AROUND = "<module>"
"""What stands for the statements of a module that may change anything, as a name in it."""
_TEXT = "<text>"
"""What stands for the whole text of a module, as a name in it."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = (ast.Try, ast.TryStar, ast.With)  # what may go on after an error, such as a name that is not yet bound
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_SEARCHING = {"duckdb", "pandasql"}  # packages that look for tables among the caller's variables


class Fingerprinter:
    """Takes the fingerprints of a project's functions, reading each module and each definition once.

    Args:
        folder: The project's folder.
        reader: Reads modules; the one that the graph was built with, so that nothing is parsed twice.
    """

    def __init__(self, folder: Path, reader: SourceReader) -> None:
        self._folder = folder
        self._reader = reader

    def of(self, ref: FunctionRef) -> CodeFingerprint:
        """The fingerprint of a function and of everything that it reaches by name.

        Raises:
            SourceError: Its module, or one that this leads to, cannot be found, read or parsed; or has no such name.
        """
        return self._module(ref.module).fingerprint(ref.name)

    @cached_method
    def packages_of_plain(self, module: str) -> dict[str, str] | None:
        """The packages that a transform module imports, if the fingerprints of its functions may wait; else None.

        They may where taking them finds nothing that is to be reported, as `postponement` has it.
        """
        try:
            return self._module(module).packages_of_plain(self._reader.module(module).functions)
        except SourceError:
            return None

    def missing_imports(self, module: str) -> Mapping[str, Location]:
        """The packages without which a transform module cannot be imported, and where each is asked for.

        Raises:
            SourceError: It, or a module that this leads to, cannot be read or parsed.
        """
        from lakehouse_cli.code.fingerprints.missing_imports import missing_imports  # asked for by few commands

        return dict(missing_imports(self._resolver(None)[0], module))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all the modules that were read."""
        return tuple(module.file for module in self._reader.modules)

    @cached_method
    def _module(self, module: str) -> _TransformModule:
        top = module.partition(".")[0]
        resolver, effects = self._resolver(None)
        if resolver.origin(module) != "own":  # transforms that are installed: the code of their package counts as own
            resolver, effects = self._resolver(top)
        self._reader.module(module)  # which says what is wrong where it is not there
        return _TransformModule(module, resolver, effects)

    @cached_method
    def _resolver(self, own_package: str | None) -> tuple[Resolver, EffectsFinder]:
        resolver = Resolver(self._folder, self._reader, own_package)
        return resolver, EffectsFinder(resolver)


class _TransformModule:
    """The functions of one transform module, and what importing it imports."""

    def __init__(self, module: str, resolver: Resolver, effects: EffectsFinder) -> None:
        self._module = module
        self._resolver = resolver
        self._imported = resolver.imported(module)
        self._effects = effects
        self._acting: dict[Name, list[Piece]] = {}
        for code in self._imported:
            for name, pieces in effects.of(code).names.items():
                self._acting.setdefault(name, []).extend(pieces)
        self._statements = {code.name: part for code in self._imported if (part := self._statements_of(code))}
        self._unreadable = UnreadableImports(resolver, self._imported)

    def packages_of_plain(self, names: Iterable[str]) -> dict[str, str] | None:
        """As of `Fingerprinter`, for functions of these names."""
        code = self._resolver.code(self._module)
        if code is None or any(name not in code.entries for name in names):
            return None
        return packages_of_plain(self._resolver, self._imported)

    def fingerprint(self, name: str) -> CodeFingerprint:
        landing = self._resolver.follow(self._module, (name,), outside=True)
        code = self._resolver.code(self._module)
        if code is not None and name not in code.entries and not (landing.names or code.stars):
            hint = did_you_mean(name, code.entries)
            raise SourceError(f"function `{name}` is not in {code.label}", hint)
        packages = set(landing.packages)
        if any(self._takes_pandas(module, name) for module, name, _ in landing.names):
            packages.add("pandas")
        names: list[Name] = [*sorted(landing.passed), *sorted({target[:2] for target in landing.names})]
        if (self._module, name) in names:
            names.remove((self._module, name))
            names.insert(0, (self._module, name))
        causes = [code.label if code is not None else self._module] if landing.unknown else []
        if self._unreadable.everything:
            causes += [code.label for code in self._imported if code.changes_path]
        alone = None if landing.modules or causes else self._alone(names, packages)
        nodes = [alone] if alone is not None else self._reach(names, sorted(landing.modules), packages, causes)
        if "ibis" in packages:
            packages.add("duckdb")  # which computes what ibis describes
        parts = {node.key: node.value for node in nodes}
        unknown = landing.unknown or any(node.leads.unknown for node in nodes)
        unseen = self._unreadable.reached(sorted(packages), unknown=unknown)
        for package in sorted(packages):
            if UNSEEN + package not in unseen:
                parts[f"package {package}"] = self._resolver.version(package)
        parts |= unseen
        parts["python"] = _PYTHON
        parts[RULES] = CURRENT_RULES
        hash_ = digest_of([f"{key}={value}" for key, value in sorted(parts.items())], 16)
        if causes:
            parts[NOT_FOLLOWED] = " ".join(sorted({cause.partition(":")[0] for cause in causes}))
        unbound = frozenset().union(*[node.leads.unbound for node in nodes])
        if unbound:
            found = ((self._resolver.code(module), name) for module, name in unbound)
            parts[NOT_BOUND] = " ".join(sorted(f"{code.label}:{name}" for code, name in found if code is not None))
        return CodeFingerprint(hash_, parts, self._reads(names))

    def _reads(self, names: Iterable[Name]) -> tuple[OutsideRead, ...]:
        """What code reads from outside that names lead to, the first name's own first.

        Statements and modules count in a fingerprint that may only change what the names stand for; here they do not,
        but for those that set the environment of all, as `load_dotenv()`.
        """
        if not self._anything_reads(len(self._resolver.codes)):
            return ()
        waiting = list(dict.fromkeys(names))
        known = set(waiting)
        found: dict[OutsideRead, None] = {}
        for name in waiting:
            leads, reads = self._own_reads(name)
            found.update(dict.fromkeys(reads))
            waiting += [each for each in leads if each not in known]
            known.update(leads)
        for code in self._imported:
            for piece in self._effects.of(code).everything:
                if self._resolver.calls_outside(piece):
                    found.update(dict.fromkeys(reads_in(piece)))
        return tuple(found)

    @cached_method
    def _anything_reads(self, _: int) -> bool:
        """Whether any module reads from outside, of so many that were looked at."""
        return any(code is not None and reads_of(code) for code in self._resolver.codes)

    @cached_method
    def _own_reads(self, name: Name) -> tuple[list[Name], list[OutsideRead]]:
        """Where what binds and changes a name leads, and what that reads from outside itself."""
        code = self._resolver.code(name[0])
        acting = [*self._acting.get(name, ()), *(self._effects.of(code).everything if code is not None else ())]
        pieces = self._resolver.bindings(name)
        pieces += [piece for piece in acting if changes_name(piece.statement, name[1])]
        leads = Landing.joined([self._resolver.landing(piece) for piece in pieces]).all_names
        return sorted(leads), [read for piece in pieces for read in reads_in(piece)]

    def _alone(self, names: list[Name], packages: set[str]) -> Part | None:
        """The part of a function of this module that leads to nothing but packages, as nearly all; else None.

        Adds in place to `packages`.
        """
        if len(names) != 1 or names[0][0] != self._module or self._statements:
            return None
        part = self._name(names[0])
        searches = not _SEARCHING.isdisjoint((*packages, *part.leads.packages))
        if searches or not part.leads_outside or part.asks_text or part.in_order:
            return None
        packages |= part.leads.packages
        return part

    def _reach(self, names: list[Name], modules: list[str], packages: set[str], causes: list[str]) -> list[Part]:
        """All parts that names and modules lead to.

        Adds in place to `packages`, and to `causes` the parts for whose sake any module of the project may be meant.
        """
        found: dict[tuple[str, str], Part] = {}
        names_waiting, modules_waiting = names[::-1], list(modules)
        for node in self._statements.values():
            names_waiting[:0] = node.leads.all_names
            modules_waiting += node.leads.modules
            packages |= node.leads.packages
        nodes: list[Part] = []
        everything = False
        while True:
            for node in nodes:
                names_waiting += [name for name in node.leads.all_names if name not in found]
                modules_waiting += [module for module in node.leads.modules if (module, "") not in found]
                packages |= node.leads.packages
            nodes = []
            if names_waiting:
                name = names_waiting.pop()
                if name not in found:
                    found[name] = self._name(name)
                    nodes = [found[name], *self._run_later(name[0], found)]
            elif modules_waiting:
                module = modules_waiting.pop()
                modules_waiting += self._below(module)
                code = self._resolver.code(module) if (module, "") not in found else None
                if code is not None:
                    found[module, ""] = self._whole(code)
                    nodes = [found[module, ""], *self._run_later(module, found)]
            elif not everything and self._lead_anywhere([*found.values(), *self._statements.values()], causes):
                everything = True
                modules_waiting = [code.name for code in self._imported]
                nodes = self._everywhere(modules_waiting)
                found.update({(node.key, ""): node for node in nodes})
            elif packages & _SEARCHING and (more := {module for module, _ in found} - {m for m, n in found if not n}):
                modules_waiting = sorted(more)
            else:
                break
        # Parts of the project's modules are entered by module and name, all others by what they are called.
        reached = {module for (module, _), node in found.items() if node.key != module}
        nodes = [*found.values(), *self._statements.values()]
        if any(node.asks_text for node in nodes):
            nodes += self._texts(reached)
        return [*nodes, *self._order(nodes, everything)]

    def _lead_anywhere(self, nodes: Iterable[Part], causes: list[str]) -> bool:
        """Whether any module of the project may be meant; adds to `causes` the parts for which that is so."""
        causes += [node.key for node in nodes if node.leads.unknown]
        return bool(causes)

    @cached_method
    def _below(self, module: str) -> frozenset[str]:
        """The modules that can be taken from one that is in hand, none for what is not written so."""
        found = module.removesuffix(BELOW)
        return self._resolver.below(found, self._imported) if found != module else frozenset()

    def _texts(self, modules: set[str]) -> list[Part]:
        """The whole text of modules and of all that is imported, where something looks at code as it is written."""
        codes = {code.label: code for code in (*self._imported, *map(self._resolver.code, modules)) if code is not None}
        return [Part(f"{label}:{_TEXT}", f"text {digest_of([code.text], 6)}") for label, code in sorted(codes.items())]

    @cached_method
    def _name(self, name: Name) -> Part:
        module, bound = name
        code = self._resolver.code(module)
        if code is None:
            raise AssertionError(f"{module} binds {bound} and has no code")
        entries = code.entries.get(bound, [])
        statements = self._effects.of(code).everything
        pieces = [entry for entry in entries if isinstance(entry, Piece) and entry not in statements]
        acting = [piece for piece in self._acting.get(name, ()) if piece not in pieces]
        here: list[Event] = [piece for piece in (*pieces, *acting) if piece.code is code]
        if len(entries) != len(pieces) or code.stars:
            here += [entry for entry in entries if isinstance(entry, PlainImport)]
            here += self._resolver.stars(code, bound)
        if len(here) > 1:
            here.sort(key=lambda event: event.position)
        value = f"{kind_of(entries, bound)} {digest_of([event.text for event in here], 6)}"
        if acting:
            # Those of other modules come in the order in which the modules are run.
            others = (piece for piece in acting if piece.code is not code)
            for file, stated in groupby(others, key=lambda piece: piece.code.label):
                value += f"; {file} {digest_of((event.text for event in stated), 6)}"
            value += value_of_acting(code, entries, acting)
        in_order = bool(acting) or len(here) > 1 or any(isinstance(each.statement, _BLOCKS) for each in pieces)
        acting_from = [piece.code.name for piece in acting]
        return self._part(f"{code.label}:{bound}", value, [*here, *acting], acting_from, in_order=in_order)

    def _part(
        self, key: str, value: str, events: Iterable[Event], acting: Iterable[str] = (), *, in_order: bool = False
    ) -> Part:
        """A part of statements; arguments as of `Part`."""
        events = frozenset(events)
        pieces = [event for event in events if isinstance(event, Piece)]
        leads = Landing.joined([self._resolver.landing(piece) for piece in pieces])
        asks_text = any(piece.reading.asks_text for piece in pieces)
        return Part(key, value, leads, events, frozenset(acting), asks_text, in_order)

    @cached_method
    def _whole(self, code: ModuleCode) -> Part:
        """A module of which anything may be meant: every name it binds."""
        statements = self._effects.of(code).everything
        imports = [entry for entries in code.entries.values() for entry in entries if isinstance(entry, PlainImport)]
        events: list[Event] = [*(piece for piece in code.pieces if piece not in statements), *imports, *code.stars]
        part = self._part(code.label, f"module {digest_of(sorted(event.text for event in events), 6)}", events)
        passed = [
            self._resolver.follow(origin[0], origin[1], outside=True)
            for entries in code.entries.values()
            for entry in entries
            for origin in entry.all_origins
        ]
        passed += [self._resolver.follow(star.module, (), outside=True) for star in code.stars]
        # What is only passed on is no object in anybody's hand; where this module is, its attributes are followed.
        leads = Landing.joined([part.leads, *(replace(each, modules=_without_below(each.modules)) for each in passed)])
        changed = {(code.name, name) for name in code.entries if (code.name, name) in self._acting}
        leads = Landing(
            frozenset([name for name in leads.names if name[0] != code.name]),
            frozenset([name for name in leads.passed if name[0] != code.name]) | changed,
            leads.modules - {code.name},
            leads.packages,
            leads.unbound,
            leads.unknown,
        )
        several = any(len(entries) > 1 for entries in code.entries.values())
        blocks = any(isinstance(piece.statement, _BLOCKS) for piece in code.pieces)
        return replace(part, leads=leads, in_order=several or blocks or bool(changed))

    def _everywhere(self, modules: list[str]) -> list[Part]:
        """Files beside the project that cannot be read as modules; adds the names of those that can to `modules`."""
        found = []
        for shown, path, module in self._resolver.everywhere():
            readable = all(part.isidentifier() for part in module.split(".")) and self._resolver.file(module) == path
            if readable:
                try:
                    self._resolver.code(module)
                except SourceError:
                    readable = False
            if readable:
                modules.append(module)
            else:
                try:
                    text = digest(self._resolver.snapshot.read(path))
                except OSError:  # such as a link to nowhere, by which some editors mark a file as open
                    text = "unreadable"
                found.append(Part(shown, f"module {text}"))
        return found

    def _statements_of(self, code: ModuleCode) -> Part | None:
        """The statements of a module that may change what every function sees."""
        pieces = self._effects.of(code).everything
        if not pieces:
            return None
        value = f"statements {digest_of((piece.text for piece in pieces), 6)}"
        return self._part(f"{code.label}:{_AROUND}", value, pieces, [code.name], in_order=True)

    def _run_later(self, module: str, found: dict[tuple[str, str], Part]) -> list[Part]:
        """The same of a module that is imported by name, when a function runs, and of what it imports; enters them."""
        if module in self._run(self._module) or (module, _AROUND) in found:
            return []
        parts = []
        for code in self._resolver.imported(module):
            part = self._statements_of(code) if code not in self._imported else None
            if part is not None and (code.name, _AROUND) not in found:
                found[code.name, _AROUND] = part
                parts.append(part)
        return parts

    def _order(self, nodes: Iterable[Part], everything: bool) -> list[Part]:
        """In which order statements run, where one may see what another changes."""
        if not everything and not any(node.in_order for node in nodes):
            return []
        acting = frozenset().union(*(node.acting for node in nodes))
        events = frozenset().union(*(node.events for node in nodes))
        order = self._find_order(events, acting)
        return [Part(ORDER, order)] if order else []

    @cached_method
    def _find_order(self, events: frozenset[Event], acting: frozenset[str]) -> str:
        placed: dict[ModuleCode, set[tuple[int, str]]] = {}
        for event in events:
            at = placed.setdefault(event.code, set())
            at.add((event.position, event.text))
            for reference in event.reading.references if isinstance(event, Piece) else ():
                if reference.name in event.code.plain_imports:
                    at.update((each.position, each.text) for each in event.code.entries[reference.name])
        value = []
        for code in self._imported:
            # An import runs what a module does, where it does anything.
            imports = self._resolver.imports(code).items() if acting else ()
            runs = [(position, module) for module, position in imports if acting & self._run(module)]
            if code in placed or runs:
                texts = (text for _, text in sorted([*placed.get(code, ()), *runs]))
                value.append(f"{code.label} {digest_of(texts, 6)}")
        return "; ".join(value)

    @cached_method
    def _run(self, module: str) -> frozenset[str]:
        """The modules that importing one runs."""
        return frozenset(code.name for code in self._resolver.imported(module))

    def _takes_pandas(self, module: str, name: str) -> bool:
        """Whether a transform has a parameter that says nothing of its type, and so is given pandas."""
        code = self._resolver.code(module)
        for entry in code.entries.get(name, ()) if code is not None else ():
            statement = entry.statement if isinstance(entry, Piece) else None
            if not isinstance(statement, _FUNCTIONS):
                return True
            arguments = statement.args
            named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
            for argument in named:
                if argument is not None and argument.annotation is None:
                    return True
        return False


def _without_below(modules: Iterable[str]) -> frozenset[str]:
    return frozenset([module for module in modules if not module.endswith(BELOW)])
