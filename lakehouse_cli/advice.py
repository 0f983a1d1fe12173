"""Advice: which key of a table would have what its transform reads beside its inputs decide when it runs again."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable

from lakehouse_cli.errors import first_few
from lakehouse_cli.fingerprints import CodeFingerprint
from lakehouse_cli.fingerprints.value import OutsideRead
from lakehouse_cli.model import Table, Uses
from lakehouse_cli.used_files import is_pattern

# Of more variables or files, so many are named.
_NAMED = 3
_OUTSIDE = re.compile(r"[/~]|[A-Za-z]:|(?:.*/)?\.\.(?:/|$)")


def advice_for(
    table: Table, code: CodeFingerprint | None, inputs: Collection[str], files: Collection[str]
) -> str | None:
    """One note on a table whose transform depends on what no key declares; None where there is nothing to say.

    Args:
        table: The table.
        code: Of its transform; None where a version stands for it, and for a source.
        inputs: The tables that it is computed from.
        files: The files that it declares to use.
    """
    # An empty map says that nothing beside the inputs counts, an empty list the same of files or variables.
    if table.kind == "source" or table.version is not None or table.refresh is not None or table.uses == Uses():
        return None
    reads = code.reads if code is not None else ()
    undeclared = [read for read in reads if not _is_declared(read, table.uses or Uses(), files)]
    if undeclared:
        return f"`{table.name}` {_told(undeclared)}"
    if not inputs and table.uses is None:
        once = "`refresh: 1d` computes it each day, and `uses: {}` says that once is enough"
        return f"`{table.name}` has no inputs and is computed once: {once}"
    return None


def _is_declared(read: OutsideRead, uses: Uses, files: Collection[str]) -> bool:
    if read.kind == "variable":
        return uses.env is not None and (not read.name or not uses.env or read.name in uses.env)
    if read.kind == "network" or uses.files is None:
        return False
    if not read.name or not uses.files or is_pattern(read.name):
        return True
    name = posixpath.normpath(read.name)
    return any(each == name or each.startswith(f"{name}/") for each in files)


def _told(reads: Iterable[OutsideRead]) -> str:
    """What is read, where, and what to do about it."""
    by_kind: dict[str, list[OutsideRead]] = {}
    for read in reads:
        outside = read.kind == "file" and _OUTSIDE.match(read.name)
        by_kind.setdefault("elsewhere" if outside else read.kind, []).append(read)
    told, keys, ways = [], [], []
    for kind, what, any_of_it, key in (
        ("variable", "reads {} from the environment", "reads the environment", "env"),
        ("file", "opens {}", "opens a file", "files"),
    ):
        if found := by_kind.get(kind):
            names = _names(found)
            told.append(f"{what.format(_listed(names)) if names else any_of_it} ({_place(found)})")
            keys.append(
                f"{key}: [{', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''}]"
                if names
                else f"{key}: […]"
            )
    if keys:
        ways.append(f"list {'it' if len(keys) == 1 else 'them'} under `uses: {{{', '.join(keys)}}}`")
    if found := by_kind.get("elsewhere"):
        told.append(f"opens {_listed(_names(found))} ({_place(found)})")
        ways.append("declare it as a source table, or set `refresh: 1d`")
    if found := by_kind.get("network"):
        told.append(f"reads from the network ({_place(found)})")
        ways.append("set `refresh: 1d`, or another age")
    return f"{' and '.join(told)}: {'; '.join(ways)}"


def _names(reads: Iterable[OutsideRead]) -> list[str]:
    names = (posixpath.normpath(read.name) if read.kind == "file" else read.name for read in reads if read.name)
    return list(dict.fromkeys(names))


def _listed(names: list[str]) -> str:
    return first_few([f"`{name}`" for name in names], _NAMED)


def _place(reads: list[OutsideRead]) -> str:
    return f"{reads[0].file}:{reads[0].line}"
