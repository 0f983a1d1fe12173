"""Where code changes the folders in which modules are looked for: ``sys.path.insert(0, "../common")``.

Folders are those of `written_path`; whatever else is done to ``sys.path`` or a package's ``__path__`` may add any.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from lakehouse_cli.code.fingerprints.module_code import ModuleCode
from lakehouse_cli.code.fingerprints.mutation import HARMLESS
from lakehouse_cli.code.fingerprints.written_paths import written_path
from lakehouse_cli.code.source import last_name

_READING = frozenset(("copy", "count", "index"))
_READERS = HARMLESS | {"iter_modules", "walk_packages"}
_APPENDING = frozenset(("append", "extend"))


class PathEdit(Struct, frozen=True):
    """One change of the folders in which modules are looked for.

    Attributes:
        folder: What is added, real and absolute; None where that cannot be determined.
        last: Whether it is looked into after all others.
    """

    folder: Path | None
    last: bool


def path_edits(code: ModuleCode) -> list[PathEdit]:
    """The changes that a module makes, in its functions too."""
    nodes = [node for statement in code.body for node in ast.walk(statement)]
    parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
    aliases = _aliases(nodes)
    found = []
    edits: list[tuple[ast.expr | None, bool]]
    for node in nodes:
        if _is_path(node, aliases):
            edits = list(_edits(node, parents))
        elif last_name(node) == "__path__":  # where a package's own folders lead to is not followed
            edits = [(None, False) for _ in _edits(node, parents)]
        elif isinstance(node, ast.Call) and last_name(node.func) == "addsitedir":
            edits = [(argument, True) for argument in node.args[:1]]
        else:
            continue
        found += [PathEdit(_folder(added, code), last) for added, last in edits]
    return found


def _aliases(nodes: Iterable[ast.AST]) -> tuple[set[str], set[str]]:
    """The names that stand for the module `sys`, and for its path."""
    modules, paths = {"sys"}, set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if alias.name == "sys" and alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module == "sys":
            paths |= {alias.asname or alias.name for alias in node.names if alias.name == "path"}
    return modules, paths


def _is_path(node: ast.AST, aliases: tuple[set[str], set[str]]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "path" and isinstance(node.value, ast.Name) and node.value.id in aliases[0]
    return isinstance(node, ast.Name) and node.id in aliases[1]


def _edits(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[tuple[ast.expr | None, bool]]:
    """What a use of ``sys.path`` adds, None for what cannot be determined, and whether that comes last."""
    parent = parents[node]
    around = parents.get(parent)
    if isinstance(parent, ast.Attribute) and isinstance(around, ast.Call) and around.func is parent:
        if parent.attr in _READING:
            return
        added = around.args[1:] if parent.attr == "insert" else around.args
        known = parent.attr in _APPENDING | {"insert"} and len(added) == 1 and not around.keywords
        yield from _each(added[0] if known else None, parent.attr == "extend", parent.attr in _APPENDING)
    elif isinstance(parent, ast.AugAssign) and parent.target is node:
        yield from _each(parent.value, True, True)
    elif isinstance(parent, ast.Subscript) and isinstance(around, ast.Assign) and parent in around.targets:
        yield from _each(around.value, isinstance(parent.slice, ast.Slice), False)
    elif not _is_reading(node, parent):
        yield None, False


def _each(added: ast.expr | None, several: bool, last: bool) -> Iterator[tuple[ast.expr | None, bool]]:
    if not several:
        yield added, last
    elif isinstance(added, ast.List | ast.Tuple):
        yield from ((item, last) for item in added.elts)
    else:
        yield None, last


def _is_reading(node: ast.AST, parent: ast.AST) -> bool:
    if isinstance(parent, ast.Subscript):
        return isinstance(parent.ctx, ast.Load)
    if isinstance(parent, ast.Call):
        return last_name(parent.func) in _READERS
    if isinstance(parent, ast.For | ast.comprehension):
        return parent.iter is node
    return isinstance(parent, ast.Compare | ast.FormattedValue)


def _folder(added: ast.expr | None, code: ModuleCode) -> Path | None:
    here = None if code.file.is_symlink() else str(code.file)
    path = None if added is None else written_path(added, code, here)
    if path is None:
        return None
    whole = Path(os.path.realpath(path))  # a relative one is taken from the current folder, now as on a run
    return None if whole.is_file() else whole
