"""Imports that lead to code which is not there to be read, so that its changes cannot be seen."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from lakehouse_cli.code.fingerprints.module_code import ModuleCode, is_main_test, is_typing_test
from lakehouse_cli.code.fingerprints.modules import NOT_INSTALLED, is_module_in
from lakehouse_cli.code.fingerprints.resolution import Resolver
from lakehouse_cli.code.fingerprints.value import UNSEEN
from lakehouse_cli.code.source import last_name

if TYPE_CHECKING:
    from lakehouse_cli.code.fingerprints.search_path import PathEdit

_CATCHING = ("ImportError", "ModuleNotFoundError", "Exception", "BaseException")
_PATH = "sys.path"


class UnreadableImports(Struct):
    """What cannot be determined of the imports of one transform module.

    Attributes:
        parts: For every function of it: the module, and why; or ``sys.path``, and the file that changes it.
        everything: Whether imports may lead to any module of the project.
        changing_path: The file that adds folders outside the project, or such as cannot be determined; None for none.
    """

    resolver: Resolver
    imported: list[ModuleCode]
    parts: dict[str, str] = field(default_factory=dict)
    everything: bool = False
    changing_path: str | None = None
    _inside: set[Path] = field(default_factory=set)
    _outside: set[Path] = field(default_factory=set)
    _required: frozenset[str] | None = None

    def __post_init__(self) -> None:
        anywhere = first = False
        own = Path(os.path.realpath(self.resolver.folder))
        for code in self.imported:
            for edit in _path_edits(code):
                if edit.folder == own:
                    continue
                if edit.folder is not None and edit.folder.is_relative_to(own):
                    self._inside.add(edit.folder)
                    self.everything = True
                    continue
                self.changing_path = code.label
                if edit.folder is not None:
                    self._outside.add(edit.folder)
                elif edit.last:
                    anywhere = True
                else:
                    first = True
        if first and self.changing_path is not None:
            self.parts[UNSEEN + _PATH] = self.changing_path
        if self._inside or self._outside or anywhere:
            self._look_at_imports(anywhere)

    def _look_at_imports(self, anywhere: bool) -> None:
        asked = {module.partition(".")[0] for code in self.imported for module in code.imported}
        for top in sorted(asked - set(sys.builtin_module_names) - {""}):
            missing = self._is_missing(top)
            if self._is_in(top, self._outside, missing):
                self.parts[UNSEEN + top] = "outside"
            elif self._is_in(top, self._inside, missing):
                if not self.resolver.is_somewhere(top):
                    self.parts[UNSEEN + top] = "outside"
            elif missing and anywhere:
                self.parts[UNSEEN + top] = "not found"

    def reached(self, packages: Iterable[str], *, unknown: bool) -> dict[str, str]:
        """What cannot be determined of a function, as parts of its fingerprint.

        Args:
            packages: Names that it reaches of what is not the project's.
            unknown: Whether it may lead to any module.
        """
        found = dict(self.parts)
        for name in packages:
            if UNSEEN + name in found or not self._is_missing(name) or self._is_in(name, self._inside, True):
                continue
            if self.changing_path is not None or name in self.required:
                found[UNSEEN + name] = "not found"
        if unknown and self.changing_path is not None:
            found[UNSEEN + _PATH] = self.changing_path
        return found

    @property
    def required(self) -> frozenset[str]:
        """Modules whose import fails if they are not there, and the packages that they are in."""
        if self._required is None:
            names = {name for code in self.imported for node in _needed(code.body) for name in code.asked(node)}
            self._required = frozenset(names | {name.partition(".")[0] for name in names})
        return self._required

    def _is_missing(self, name: str) -> bool:
        return (self.resolver.origin(name) == "package" or "." in name) and self.resolver.version(name) == NOT_INSTALLED

    def _is_in(self, top: str, folders: Iterable[Path], missing: bool) -> bool:
        return any(is_module_in(top, folder) or (missing and (folder / top).is_dir()) for folder in folders)


def _path_edits(code: ModuleCode) -> Sequence[PathEdit]:
    if not code.changes_path:
        return ()
    from lakehouse_cli.code.fingerprints.search_path import path_edits  # seldom needed

    return path_edits(code)


def _needed(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that are executed and not prepared to fail."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If):
            # What is imported on a condition may be missing where that does not hold.
            kept = node.orelse if is_main_test(node.test) or is_typing_test(node.test) else []
            yield from _needed(kept)
        elif isinstance(node, ast.Try | ast.TryStar):
            caught = any(_catches(handler.type) for handler in node.handlers)
            inside = [*([] if caught else node.body), *node.orelse, *node.finalbody]
            yield from _needed([*inside, *(inner for handler in node.handlers for inner in handler.body)])
        elif isinstance(node, ast.With) and any(_suppresses(item.context_expr) for item in node.items):
            continue
        elif not isinstance(node, ast.expr):
            yield from _needed(ast.iter_child_nodes(node))


def _catches(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_catches(item) for item in kind.elts)
    return kind is None or last_name(kind) in _CATCHING


def _suppresses(context: ast.expr) -> bool:
    return isinstance(context, ast.Call) and any(_catches(argument) for argument in context.args)
