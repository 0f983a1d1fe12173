"""Tables that are results of one function: whether they fit together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from lakehouse_cli.config.problems import quoted
from lakehouse_cli.errors import Problem
from lakehouse_cli.model import Table

# What decides the one call that computes them all.
_OF_THE_CALL = (
    *("inputs", "input_options", "partitions", "gone", "on_code_change", "params"),
    *("version", "uses", "refresh", "retries", "retry_delay", "timeout", "resources"),
)


def result_problems(tables: Iterable[Table], unread: Callable[[Table], Collection[str]]) -> Iterator[Problem]:
    """What is wrong with the tables of functions that give several results.

    Args:
        tables: All tables.
        unread: Parts of a table that could not be read, which was reported.
    """
    functions: dict[tuple[str, str], list[Table]] = {}
    for table in tables:
        if table.function is not None:
            functions.setdefault((table.function.module, table.function.name), []).append(table)
    for (_, name), results in functions.items():
        if any(table.output for table in results):
            yield from _of_function(name, [table for table in results if table.output or "output" not in unread(table)])
        for table in results:
            if not table.output and "publish" in table.locations and "output" not in unread(table):
                message = f"`publish` of table {quoted(table.name)} is for functions with several results"
                yield Problem(message, "remove it, or add `output:`", table.where("publish"))


def _of_function(name: str, results: list[Table]) -> Iterator[Problem]:
    first = next(table for table in results if table.output)
    named: dict[str, Table] = {}
    each = next((table for table in results if table.publish == "each"), None)
    for table in results:
        owner = f"table {quoted(table.name)}"
        if not table.output:
            message = f"function `{name}` gives several results, and {owner} does not say which"
            yield Problem(message, "add `output:`", table.where("function"))
            continue
        other = named.setdefault(table.output, table)
        if other is not table:
            message = f"`output` of {owner} is that of table {quoted(other.name)}"
            yield Problem(message, "name another result, or remove one of the two tables", table.where("output"))
        if each is not None and table.publish != "each":
            message = (
                f"table {quoted(each.name)} says `publish: each`, and {owner}, which `{name}` computes too, does not"
            )
            hint = "add `publish: each` to all tables of the function, or to none"
            yield Problem(message, hint, table.where("publish", "output"))
        for key in _OF_THE_CALL:
            if getattr(table, key) != getattr(first, key):
                key = "inputs" if key == "input_options" else key
                message = (
                    f"`{key}` of {owner} is not that of table {quoted(first.name)}, and `{name}` computes both at once"
                )
                yield Problem(message, "declare the same for both", table.where(key, "output"))
