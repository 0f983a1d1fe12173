"""Whether the fingerprints of a module's functions may be taken later, since nothing but a value would come of them.

A plan says nothing of the code of a table that was never stored, unless there is something wrong with it or it reads
from outside. For most modules it shows at once that there is neither.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_cli.code.fingerprints.module_code import ModuleCode, PlainImport
from lakehouse_cli.code.fingerprints.outside_reads import reads_of
from lakehouse_cli.code.fingerprints.references import ANYWHERE, IMPORTERS
from lakehouse_cli.code.fingerprints.resolution import LEADING_ANYWHERE, Resolver

# What may lead to modules that are not imported at the top of a module, and may be broken.
_WORDS = (*ANYWHERE, *IMPORTERS, "exec", "eval", "import_optional_dependency")


def packages_of_plain(resolver: Resolver, imported: Sequence[ModuleCode]) -> dict[str, str] | None:
    """The versions of the packages that modules import, as parts of a fingerprint.

    Args:
        resolver: Follows their imports.
        imported: The modules that importing one imports, itself among them, all of which were read.

    Returns:
        None where a function of the module may lead to modules that were not read, or may read from outside.

    Raises:
        SourceError: Python would not compile one of them.
    """
    names = {code.name for code in imported}
    packages: dict[str, str] = {}
    for code in imported:
        if code.stars or code.is_package or code.changes_path or code.has_inner_imports or reads_of(code):
            return None
        if any(word in code.text for word in _WORDS):
            return None
        for statement in code.body[:1]:
            code.globals_in(statement)  # has the names of all looked up
        origins = [
            origin
            for entries in code.entries.values()
            for entry in entries
            if isinstance(entry, PlainImport) or entry.imports
            for origin in entry.all_origins
        ]
        for module, path in origins:
            top = module.partition(".")[0]
            if resolver.origin(module) == "own":
                if module not in names:
                    return None
            elif top in LEADING_ANYWHERE or resolver.follow(module, path, outside=True).unknown:
                return None
            elif resolver.origin(module) == "package":
                packages[f"package {top}"] = resolver.version(top)
    return packages
