"""Fingerprints: one hash over all the code that a function reaches, and one for each part of it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from msgspec.structs import replace

from lakehouse_cli.code_depth import walking
from lakehouse_cli.errors import Location, did_you_mean
from lakehouse_cli.fingerprints.effects import Effects
from lakehouse_cli.fingerprints.landing import BELOW, Landing, Name
from lakehouse_cli.fingerprints.missing import missing_imports
from lakehouse_cli.fingerprints.module_code import Event, ModuleCode, Piece, PlainImport, kind_of
from lakehouse_cli.fingerprints.modules import digest
from lakehouse_cli.fingerprints.objects import ANYTHING
from lakehouse_cli.fingerprints.outside_reads import changes_name, reads_in
from lakehouse_cli.fingerprints.parts import Part, digest_of, value_of_acting
from lakehouse_cli.fingerprints.unseen import Unseen
from lakehouse_cli.fingerprints.value import (
    CLASSES,
    DOCSTRINGS,
    NOT_BOUND,
    NOT_FOLLOWED,
    UNSEEN,
    CodeFingerprint,
    OutsideRead,
)
from lakehouse_cli.fingerprints.world import World
from lakehouse_cli.model import FunctionRef
from lakehouse_cli.source_code import SourceError, SourceReader

_AROUND = "<module>"
"""What stands for the statements of a module that may change anything, as a name in it."""
_ANNOTATIONS = "<annotations>"
"""What stands for the annotations of a module's variables, as a name in it."""
_TEXT = "<text>"
"""What stands for the whole text of a module, as a name in it."""
_SEARCHING = {"duckdb", "pandasql"}  # packages that look for tables among the variables of whoever calls them


class Fingerprinter:
    """Takes the fingerprints of a project's functions, reading each module and each definition once.

    Args:
        folder: The project's folder.
        reader: Reads modules; the one that the graph was built with, so that nothing is parsed twice.
    """

    def __init__(self, folder: Path, reader: SourceReader) -> None:
        self._folder = folder
        self._reader = reader
        self._worlds: dict[str | None, tuple[World, Effects]] = {}
        self._rooms: dict[str, _Room] = {}

    def of(self, ref: FunctionRef) -> CodeFingerprint:
        """The fingerprint of a function and of everything that it reaches by name.

        Raises:
            SourceError: Its module, or one that this leads to, cannot be found, read or parsed; or has no such name.
        """
        with walking():
            room = self._rooms.get(ref.module)
            if room is None:
                room = self._rooms[ref.module] = self._room(ref.module)
            return room.fingerprint(ref.name)

    def missing_imports(self, module: str) -> Mapping[str, Location]:
        """The packages without which a transform module cannot be imported, and where each is asked for.

        Raises:
            SourceError: It, or a module that this leads to, cannot be read or parsed.
        """
        with walking():
            return dict(missing_imports(self._world(None)[0], module))

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all the modules that were read."""
        return tuple(module.file for module in self._reader.modules)

    def _room(self, module: str) -> _Room:
        top = module.partition(".")[0]
        world, effects = self._world(None)
        if world.origin(module) != "own":  # transforms that are installed: the code of their package counts as own
            world, effects = self._world(top)
        self._reader.module(module)  # which says what is wrong where it is not there
        return _Room(module, world, effects)

    def _world(self, own_package: str | None) -> tuple[World, Effects]:
        known = self._worlds.get(own_package)
        if known is None:
            world = World(self._folder, self._reader, own_package)
            known = self._worlds[own_package] = world, Effects(world)
        return known


class _Room:
    """The functions of one transform module, and what importing it imports."""

    def __init__(self, module: str, world: World, effects: Effects) -> None:
        self._module = module
        self._world = world
        self._effects = effects
        self._imported = world.imported(module)
        self._names: dict[Name, Part] = {}
        self._modules: dict[str, Part] = {}
        self._modules_below: dict[str, frozenset[str]] = {}
        self._changing: dict[Name, list[Piece]] = {}
        self._reads_of: dict[Name, tuple[list[Name], list[OutsideRead]]] = {}
        for code in self._imported:
            for (changed, name), pieces in effects.of(code).items():
                for module in self._below(changed) if changed.endswith(BELOW) else (changed,):
                    self._changing.setdefault((module, name), []).extend(pieces)
        self._ambient = self._ambient_nodes()
        self._unseen = Unseen(world, self._imported)

    def fingerprint(self, name: str) -> CodeFingerprint:
        landing = self._world.follow(self._module, (name,), outside=True)
        code = self._world.code(self._module)
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
        if self._unseen.everything:
            causes += [code.label for code in self._imported if code.changes_path]
        nodes = self._reach(names, sorted(landing.modules), packages, causes)
        parts = {node.key: node.value for node in nodes}
        unknown = landing.unknown or any(node.leads.unknown for node in nodes)
        unseen = self._unseen.reached(sorted(packages), unknown=unknown)
        for package in sorted(packages):
            if UNSEEN + package not in unseen:
                parts[f"package {package}"] = self._world.version(package)
        parts |= unseen
        parts["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
        hash_ = digest_of((f"{key}={value}" for key, value in sorted(parts.items())), 16)
        if causes:
            parts[NOT_FOLLOWED] = " ".join(sorted({cause.partition(":")[0] for cause in causes}))
        unbound = frozenset().union(*[node.leads.unbound for node in nodes])
        if unbound:
            parts[NOT_BOUND] = " ".join(sorted(f"{code.label}:{name}" for code, name in self._codes_of(unbound)))
        return CodeFingerprint(hash_, parts, self._reads(names))

    def _reads(self, names: Iterable[Name]) -> tuple[OutsideRead, ...]:
        """What code reads from outside that names lead to, the first name's own first.

        Statements and modules count in a fingerprint that may only change what the names stand for; here they do not,
        but for those without a name of their own, as `load_dotenv()`.
        """
        waiting = list(dict.fromkeys(names))
        known = set(waiting)
        found: dict[OutsideRead, None] = {}
        for name in waiting:
            leads, reads = self._own_reads(name)
            found.update(dict.fromkeys(reads))
            waiting += [each for each in leads if each not in known]
            known.update(leads)
        statements = [piece for piece in self._changing.get(ANYTHING, ()) if isinstance(piece.statement, ast.Expr)]
        return tuple(dict.fromkeys((*found, *(read for piece in statements for read in reads_in(piece)))))

    def _own_reads(self, name: Name) -> tuple[list[Name], list[OutsideRead]]:
        """Where what binds and changes a name leads, and what that reads from outside itself."""
        known = self._reads_of.get(name)
        if known is None:
            module, bound = name
            code = self._world.code(module)
            entries = code.entries.get(bound, []) if code is not None else []
            changing = [piece for piece in self._changing.get(name, ()) if changes_name(piece.statement, bound)]
            pieces = [piece for piece in (*entries, *changing) if isinstance(piece, Piece)]
            leads = frozenset().union(*(self._world.landing(piece).all_names for piece in pieces))
            known = self._reads_of[name] = sorted(leads), [read for piece in pieces for read in reads_in(piece)]
        return known

    def _codes_of(self, names: Iterable[Name]) -> Iterator[tuple[ModuleCode, str]]:
        for module, name in names:
            code = self._world.code(module)
            if code is not None:
                yield code, name

    def _reach(self, names: list[Name], modules: list[str], packages: set[str], causes: list[str]) -> list[Part]:
        """All parts that names and modules lead to.

        Adds in place to `packages`, and to `causes` the parts for whose sake any module of the project may be meant.
        """
        found: dict[tuple[str, str], Part] = {}
        names_waiting, modules_waiting = names[::-1], list(modules)
        names_waiting[:0] = [name for node in self._ambient for name in node.leads.all_names]
        modules_waiting += [module for node in self._ambient for module in node.leads.modules]
        packages |= {package for node in self._ambient for package in node.leads.packages}
        nodes: list[Part] = []
        everything = annotations = False
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
                    nodes = [found[name]]
            elif modules_waiting:
                module = modules_waiting.pop()
                modules_waiting += self._below(module)
                code = self._world.code(module) if (module, "") not in found else None
                if code is not None:
                    found[module, ""] = self._whole(code)
                    nodes = [found[module, ""]]
            elif not annotations and any(node.asks_annotations for node in [*found.values(), *self._ambient]):
                annotations = True
                nodes = self._annotations()
                found.update({(node.key, ""): node for node in nodes})
            elif not everything and self._lead_anywhere([*found.values(), *self._ambient], causes):
                everything = True
                modules_waiting = [code.name for code in self._imported]
                nodes = [self._order_of_classes(), *self._everywhere(modules_waiting)]
                found.update({(node.key, ""): node for node in nodes})
            elif packages & _SEARCHING and (more := {module for module, _ in found} - {m for m, n in found if not n}):
                modules_waiting = sorted(more)
            else:
                break
        return self._with_texts(found)

    def _with_texts(self, found: Mapping[tuple[str, str], Part]) -> list[Part]:
        """All parts, with the source and the docstrings where something looks at these."""
        nodes = [*found.values(), *self._ambient]
        if any(node.asks_source for node in nodes):
            # Parts of the project's modules are entered by module and name, all others by what they are called.
            nodes += self._source({module for (module, _), node in found.items() if node.key != module})
        return self._with_docs(nodes)

    def _lead_anywhere(self, nodes: Iterable[Part], causes: list[str]) -> bool:
        """Whether any module of the project may be meant; adds to `causes` the parts for which that is so."""
        causes += [node.key for node in nodes if node.leads.unknown]
        return bool(causes)

    def _below(self, module: str) -> frozenset[str]:
        """The modules that can be taken from one that is in hand, none for what is not written so."""
        if not module.endswith(BELOW):
            return frozenset()
        known = self._modules_below.get(module)
        if known is None:
            known = self._world.below(module.removesuffix(BELOW), self._imported)
            self._modules_below[module] = known
        return known

    def _source(self, modules: set[str]) -> list[Part]:
        """The whole text of modules and of all that is imported, where something looks at code as it is written."""
        codes = {code.label: code for code in (*self._imported, *map(self._world.code, modules)) if code is not None}
        return [Part(f"{label}:{_TEXT}", f"text {digest_of([code.text], 6)}") for label, code in sorted(codes.items())]

    def _with_docs(self, nodes: list[Part]) -> list[Part]:
        if not any(node.asks_docs for node in nodes):
            return nodes
        texts = sorted({text for node in nodes for text in node.docs} | {code.doc for code in self._imported})
        docs = Part(DOCSTRINGS, f"text {digest_of(texts, 6)}")
        return [*nodes, docs]

    def _name(self, name: Name) -> Part:
        known = self._names.get(name)
        if known is None:
            known = self._names[name] = self._read_name(name)
        return known

    def _read_name(self, name: Name) -> Part:
        module, bound = name
        code = self._world.code(module)
        if code is None:
            raise AssertionError(f"{module} binds {bound} and has no code")
        entries = code.entries.get(bound, [])
        changing = [*self._changing.get(name, ()), *self._changing.get((module, ""), ())]
        if code not in self._imported:  # a module that is looked into for annotations only
            own = self._effects.of(code)
            changing += [*own.get(name, ()), *own.get((module, ""), ())]
        pieces = dict.fromkeys(piece for piece in (*entries, *changing) if isinstance(piece, Piece))
        here: list[Event] = [piece for piece in pieces if piece.code is code]
        here += [entry for entry in entries if isinstance(entry, PlainImport)]
        here += self._world.stars(code, bound)
        here.sort(key=lambda event: event.position)
        # Those of other modules come in the order in which the modules are run.
        elsewhere = groupby((piece for piece in pieces if piece.code is not code), key=lambda piece: piece.code.label)
        node = self._node(
            code, f"{code.label}:{bound}", kind_of(entries, bound), here, [(f, list(own)) for f, own in elsewhere]
        )
        acting = [piece for piece in pieces if piece not in entries]
        return replace(node, value=f"{node.value}{value_of_acting(code, entries, acting)}") if acting else node

    def _node(
        self,
        code: ModuleCode,
        key: str,
        kind: str,
        events: Iterable[Event],
        elsewhere: Iterable[tuple[str, Iterable[Event]]] = (),
    ) -> Part:
        """A part of statements, first those in the module `code`, then those in other files."""
        value, landings, docs = kind, [], []
        asks_docs = asks_annotations = asks_source = False
        for file, stated in (("", events), *elsewhere):
            texts = []
            for event in stated:
                texts.append(event.text)
                texts.append(self._effects.moments(event, event.code if isinstance(event, Piece) else code))
                if not isinstance(event, Piece):
                    continue
                landings.append(self._world.landing(event))
                docs += event.canonical.docs
                asks_docs |= event.canonical.asks_docs
                asks_annotations |= event.canonical.asks_annotations
                asks_source |= event.canonical.asks_source
            value += f"; {file} {digest_of(texts, 6)}" if file else f" {digest_of(texts, 6)}"
        leads = Landing.joined(landings)
        return Part(key, value, leads, tuple(docs), asks_docs, asks_annotations, asks_source)

    def _whole(self, code: ModuleCode) -> Part:
        module = code.name
        known = self._modules.get(module)
        if known is None:
            known = self._modules[module] = self._read_whole(code)
        return known

    def _read_whole(self, code: ModuleCode) -> Part:
        """A module of which anything may be meant: every name it binds, and what else it does when imported."""
        bound = [self._name((code.name, name)) for name in sorted(code.entries)]
        named = {piece for entries in code.entries.values() for piece in entries if isinstance(piece, Piece)}
        others = self._node(code, "", "", [piece for piece in code.pieces if piece not in named])
        texts = [f"{node.key} {node.value}" for node in bound]
        passed = [
            self._world.follow(origin[0], origin[1], outside=True)
            for entries in code.entries.values()
            for entry in entries
            for origin in entry.all_origins
        ]
        passed += [self._world.follow(star.module, (), outside=True) for star in code.stars]
        # What is only passed on is no object in anybody's hand; where this module is, its attributes are followed.
        passed = [replace(leads, modules=_without_below(leads.modules)) for leads in passed]
        leads = Landing.joined([*(node.leads for node in (*bound, others)), *passed])
        leads = replace(
            leads,
            names=frozenset(name for name in leads.names if name[0] != code.name),
            passed=frozenset(name for name in leads.passed if name[0] != code.name),
            modules=leads.modules - {code.name},
        )
        stars = [f"{star.text} {self._effects.moments(star, code)}" for star in code.stars]
        value = f"module {digest_of([*texts, others.value, *stars], 6)}"
        docs = tuple(text for node in (*bound, others) for text in node.docs)
        asks_docs = any(node.asks_docs for node in (*bound, others))
        asks_annotations = any(node.asks_annotations for node in (*bound, others))
        asks_source = any(node.asks_source for node in (*bound, others))
        return Part(code.label, value, leads, docs, asks_docs, asks_annotations, asks_source)

    def _order_of_classes(self) -> Part:
        """In which order classes come to be, which a class can tell of its subclasses."""
        pieces = (piece for code in self._imported for piece in code.pieces)
        classes = [f"{p.code.name}.{p.statement.name}" for p in pieces if isinstance(p.statement, ast.ClassDef)]
        return Part(CLASSES, f"order {digest_of(classes, 6)}")

    def _everywhere(self, modules: list[str]) -> list[Part]:
        """Files beside the project that cannot be read as modules; adds the names of those that can to `modules`."""
        found = []
        for shown, path, module in self._world.everywhere():
            readable = all(part.isidentifier() for part in module.split(".")) and self._world.file(module) == path
            if readable:
                try:
                    self._world.code(module)
                except SourceError:
                    readable = False
            if readable:
                modules.append(module)
            else:
                try:
                    text = digest(self._world.snapshot.read(path))
                except OSError:  # such as a link to nowhere, by which some editors mark a file as open
                    text = "unreadable"
                found.append(Part(shown, f"module {text}"))
        return found

    def _annotations(self) -> list[Part]:
        """Of each module the annotations of its variables."""
        annotated = [code for code in self._imported if code.annotations]
        return [self._node(code, f"{code.label}:{_ANNOTATIONS}", "annotations", code.annotations) for code in annotated]

    def _ambient_nodes(self) -> list[Part]:
        """Of each module the statements that may change what every function sees."""
        found: list[Part] = []
        pieces = self._changing.get(ANYTHING, [])
        for code in self._imported:
            own = [piece for piece in pieces if piece.code is code]
            if own:
                node = self._node(code, f"{code.label}:{_AROUND}", "statements", own)
                # The last to set an option wins, so that the order of those modules counts.
                found.append(replace(node, value=f"{node.value}{f' after {len(found)}' if found else ''}"))
        return found

    def _takes_pandas(self, module: str, name: str) -> bool:
        """Whether a transform has a parameter that says nothing of its type, and so is given pandas."""
        code = self._world.code(module)
        for entry in code.entries.get(name, ()) if code is not None else ():
            statement = entry.statement if isinstance(entry, Piece) else None
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                return True
            arguments = statement.args
            named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg)
            if any(argument is not None and argument.annotation is None for argument in named):
                return True
        return False


def _without_below(modules: Iterable[str]) -> frozenset[str]:
    return frozenset(module for module in modules if not module.endswith(BELOW))
