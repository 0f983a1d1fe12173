"""Imports that fail on every run: what they lead to is neither in the project nor installed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from lakehouse_cli.code.fingerprints.module_code import ModuleCode
from lakehouse_cli.code.fingerprints.modules import NOT_INSTALLED
from lakehouse_cli.code.fingerprints.resolution import Resolver
from lakehouse_cli.code.source import place_in
from lakehouse_cli.errors import Location

# By these a module may come to be there that is not found where modules are looked for.
_PROVIDING = re.compile(
    r"\bsys\s*\.\s*modules\b|\bmeta_path\b|\bpath_hooks\b|\baddsitedir\b|\b__path__\b|\bimportlib\b"
)


def missing_imports(resolver: Resolver, module: str) -> Iterator[tuple[str, Location]]:
    """The packages without which one of the project's modules cannot be imported, and where each is asked for.

    Only imports that are certain to be executed are looked at: those at the top level of the module and of what these
    lead to. Where code changes what can be imported, none is reported.

    Raises:
        SourceError: A module cannot be read or parsed.
    """
    found: dict[str, Location] = {}
    waiting, seen = [module], {""}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        code = resolver.code(name) if resolver.origin(name) == "own" else None
        waiting.append(name.rpartition(".")[0])
        if code is None:
            continue
        if code.changes_path or _PROVIDING.search(code.text):
            return
        for asked, node in _asked(code):
            top = asked.partition(".")[0]
            if top and resolver.origin(top) == "package" and resolver.version(top) == NOT_INSTALLED:
                found.setdefault(top, place_in(code.label, code.text, node, asked))
            waiting.append(asked)
    yield from found.items()


def _asked(code: ModuleCode) -> Iterator[tuple[str, ast.stmt]]:
    """Each module that the statements of a module import for certain, and the statement."""
    for node in code.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((name, node) for name in code.asked(node))
        if isinstance(node, ast.ImportFrom):
            yield from ((origin[0] + "." + ".".join(origin[1]), node) for _, origin, _ in code.import_targets(node))
