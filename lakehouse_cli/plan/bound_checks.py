"""Checks with SQL, patterns or functions, bound before there are data; what was right once is not bound again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import xxhash
from msgspec import Struct, json

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.model import FunctionRef, ProjectSpec, Table
from lakehouse_cli.model.check import Check
from lakehouse_cli.model.query import QueryProblem
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.runs.local_state import keep, kept, with_hash
from lakehouse_cli.version import __version__

# Named, not imported: it loads pyarrow and DuckDB, which a plan does not need.
_BIND = Entry("lakehouse_cli.checks.binding:bind_checks")
_FOLDER, _FILE = "cache", "checks.json"


class _Kept(Struct):
    """The checks that were found to be right, by their hash."""

    version: str
    right: frozenset[str]


def check_problems(spec: ProjectSpec, find: Callable[[FunctionRef, Table], object]) -> Iterator[Problem]:
    """What is wrong with the SQL, the patterns and the functions of checks.

    Args:
        spec: The project.
        find: Finds a function in the code; a problem where it is not there.
    """
    tables = [table for table in spec.tables.values() if table.contract.checks]
    if not tables:
        return
    for table in tables:
        yield from _function_problems(table, find)
    written = {table.name: [check for check in table.contract.checks if _is_bound(check)] for table in tables}
    keys = {_key(table, check) for table in tables for check in written[table.name]}
    before = kept(spec.folder, _FOLDER, _FILE, _Kept) if keys else None
    right = before.right if before is not None and before.version == __version__ else frozenset[str]()
    if keys <= right:
        return
    new = [table for table in tables if any(_key(table, check) not in right for check in written[table.name])]
    found = load(_BIND)([(_columns(table), written[table.name]) for table in new])
    wrong: set[str] = set()
    for table, verdicts in zip(new, found, strict=True):
        for check, verdict in zip(written[table.name], verdicts, strict=True):
            if verdict is not None:
                wrong.add(_key(table, check))
                problem, part = verdict
                what = f"check {quoted(check.name)} of table {quoted(table.name)}"
                what = f"`where` of {what}" if part == "where" else what
                yield Problem(f"{what} {problem.message}", problem.hint, _place(check, problem, part))
    keep(spec.folder, _FOLDER, _FILE, with_hash(_Kept(__version__, frozenset(keys - wrong))))


def _function_problems(table: Table, find: Callable[[FunctionRef, Table], object]) -> Iterator[Problem]:
    for check in table.contract.checks:
        if check.kind == "function" and ":" in check.arguments["function"]:
            module, _, name = check.arguments["function"].partition(":")
            found = find(FunctionRef(module, name, location=check.location), table)
            if isinstance(found, Problem):
                yield found


def _place(check: Check, problem: QueryProblem, part: str | None) -> Location | None:
    """Where in the text of a check a problem is, as far as that is known."""
    if part is None or part not in check.places:
        return check.location
    text = check.where if part == "where" else check.arguments["text"]
    return check.places[part].at(text or "", problem.line, problem.column)


def _is_bound(check: Check) -> bool:
    return check.kind in ("expression", "sql", "matches") or check.where is not None


def _columns(table: Table) -> object:
    """The declared columns; None where there may be more."""
    return None if table.extra_columns == "keep" else table.columns


def _key(table: Table, check: Check) -> str:
    columns: Iterable[tuple[str, str]] = [(each.name, str(each.type)) for each in table.columns or ()]
    return xxhash.xxh3_128_hexdigest(json.encode((check.kind, check.arguments, check.where, columns)))
