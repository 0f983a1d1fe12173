"""Advice: which key of a table would have what its transform reads beside its inputs decide when it runs again."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from lakehouse_cli.code.fingerprints.value import OutsideRead
from lakehouse_cli.config.scalars import flow_text
from lakehouse_cli.config.uses import VARIABLE, file_problem
from lakehouse_cli.model import Table, Uses
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.used_files import escaped
from lakehouse_cli.text.counts import with_article
from lakehouse_cli.text.name_lists import first_few, first_named

# Of more variables or files, so many are named.
_NAMED = 3
_DRIVE = re.compile(r"[A-Za-z]:/")
# A list of more characters is not written out.
_LONGEST = 300


def advice_for(
    table: Table,
    reads: Sequence[OutsideRead],
    inputs: Collection[str],
    files: Collection[str],
    *,
    has_paths: bool = False,
) -> str | None:
    """One note on a table whose transform depends on what no key declares; None where there is nothing to say.

    Args:
        table: The table.
        reads: What its transform reads from outside.
        inputs: The tables that it is computed from.
        files: The files that it declares to use.
        has_paths: Whether its transform is given paths, which what it opens may be.
    """
    # An empty map says that nothing beside the inputs counts, an empty list the same of files or variables.
    if table.kind == "source" or table.version is not None or table.refresh is not None or table.uses == Uses():
        return None
    if has_paths:
        reads = [read for read in reads if read.name or read.kind not in ("file", "pattern")]
    undeclared = [read for read in reads if not _is_declared(read, table.uses or Uses(), files)]
    if undeclared:
        return f"`{table.name}` {_reads_in_words(undeclared, table.uses or Uses())}"
    if not inputs and table.uses is None and not table.partitions:  # new periods are computed as they end
        once = "`refresh: 1d` computes it each day, and `uses: {}` says that once is enough"
        return f"`{table.name}` has no inputs and is computed once: {once}"
    return None


def at_once(graph: AssetGraph, names: Sequence[str]) -> list[str]:
    """Those of some tables that may be computed at the same time as another of them."""
    above = {name: graph.ancestors(name) for name in names}
    return [
        name
        for name in names
        if any(each != name and each not in above[name] and name not in above[each] for each in names)
    ]


def shared_connection(names: Sequence[str]) -> str:
    """The note on tables whose transforms use DuckDB's module-wide connection and may do so at the same time."""
    listed = first_named(names, _NAMED)
    way = "use `duckdb.connect()` in each, or `executor: processes`"
    return f"{listed} share DuckDB's module-wide connection under `threads`: {way}"


def not_reproducible(
    table: Table, random: Sequence[str], unordered: str | None, reads: Collection[OutsideRead]
) -> str | None:
    """The note on a table that comes out otherwise each time; None where that is declared, or ruled out.

    Args:
        table: The table.
        random: What of its query gives something else each time.
        unordered: The frame type of its result, if its rows come in another order each time and nothing orders them.
        reads: Of its transform; none where its rows are stored in an order of their own.
    """
    if unordered is not None:
        return (
            f"`{table.name}` is {with_article(unordered)}, whose rows may come in another order each time: set `key` or"
            " `order_by`"
        )
    shuffling = next((read for read in reads if read.kind == "order"), None)
    if shuffling is not None:
        place = f"{shuffling.file}:{shuffling.line}"
        return (
            f"`{table.name}` calls `{shuffling.name}` ({place}), after which polars gives rows in another"
            " order each time: set `order_by`, or pass `maintain_order=True`"
        )
    if not random or not table.reproducible:
        return None
    used = first_named(random, _NAMED)
    return f"`{table.name}` uses {used}: each run gives other rows, which `reproducible: false` declares"


def _is_declared(read: OutsideRead, uses: Uses, files: Collection[str]) -> bool:
    if read.kind in ("duckdb", "order"):
        return True
    if read.kind == "variable":
        return uses.env is not None and (not read.name or not uses.env or read.name in uses.env)
    if read.kind == "network" or uses.files is None:
        return False
    if not read.name or not uses.files or read.kind == "pattern":
        return True
    name = posixpath.normpath(read.name)
    return any(each in (name, escaped(name)) or each.startswith(f"{name}/") for each in files)


def _reads_in_words(reads: Collection[OutsideRead], uses: Uses) -> str:
    """What is read, where, and what to do about it."""
    variables = [read for read in reads if read.kind == "variable"]
    files = [read for read in reads if read.kind in ("file", "pattern")]
    network = [read for read in reads if read.kind == "network"]
    found = []
    if variables:
        names = _listed(variables)
        found.append(f"reads {f'{names} from ' if names else ''}the environment ({_place(variables)})")
    if files:
        found.append(f"opens {_listed(files) or 'a file'} ({_place(files)})")
    if network:
        found.append(f"reads from the network ({_place(network)})")
    unlisted = [read for read in (*variables, *files) if read.name and _item(read) is None]
    keys = {"env": (variables, uses.env), "files": (files, uses.files)}
    ways = _ways_to_list(keys, alone=not (network or unlisted))
    if network or unlisted:
        is_file = not (ways or network or any(read.kind == "variable" for read in unlisted))
        age = "set `refresh: 1d`, or another age"
        ways.append("declare it as a source table, or set `refresh: 1d`" if is_file else age)
    return f"{' and '.join(found)}: {', and '.join(ways)}"


def _ways_to_list(keys: Mapping[str, tuple[list[OutsideRead], Sequence[str] | None]], *, alone: bool) -> list[str]:
    """How to write `uses`, as text to paste where the names are known and not too many."""
    lists: list[str] = []
    ways: list[str] = []
    new = 0
    for key, (reads, declared) in keys.items():
        items = [item for read in reads if (item := _item(read)) is not None]
        text = ", ".join(flow_text(item) for item in dict.fromkeys((*(declared or ()), *items)))
        if text and len(text) <= _LONGEST:
            lists.append(f"{key}: [{text}]")
            new += len(dict.fromkeys(items))
        elif items or (reads and not any(read.name for read in reads)):
            ways.append(f"list its {'variables' if key == 'env' else key} under `uses.{key}`")
    if new:
        verb = f"list {'it' if new == 1 else 'them'} under" if alone and not ways else "set"
        ways.insert(0, f"{verb} `uses: {{{', '.join(lists)}}}`")
        unnamed = [read for reads, _ in keys.values() for read in reads if not read.name and any(map(_item, reads))]
        if unnamed:
            places = dict.fromkeys(_place([read]) for read in unnamed)
            ways.append(f"add what is read at {first_few(list(places), _NAMED)}")
    return ways


def _item(read: OutsideRead) -> str | None:
    """What to list under `uses`; None for what is not named, or cannot be listed."""
    if read.kind == "variable":
        return read.name if re.fullmatch(VARIABLE, read.name) else None
    path = _shown(read) if read.name else ""
    item = escaped(path) if read.kind == "file" else path
    return item if item and item.isprintable() and not (_DRIVE.match(path) or file_problem(item)) else None


def _shown(read: OutsideRead) -> str:
    return read.name if read.kind == "variable" else posixpath.normpath(read.name)


def _listed(reads: Iterable[OutsideRead]) -> str:
    return first_named(list(dict.fromkeys(_shown(read) for read in reads if read.name)), _NAMED)


def _place(reads: list[OutsideRead]) -> str:
    return f"{reads[0].file}:{reads[0].line}"
