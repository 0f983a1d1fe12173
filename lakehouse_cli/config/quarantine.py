"""The key `quarantine`, and what is wrong with it beside the rest of a table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from lakehouse_cli.config.check_arguments import Threshold
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.reading import INVALID, Invalid, JsonSchema, Key, Reader, keys_schema, read_keys
from lakehouse_cli.config.value_types import Flag
from lakehouse_cli.config.yaml_tree import Mapping, Node, Scalar
from lakehouse_cli.errors import Problem
from lakehouse_cli.model import Table
from lakehouse_cli.model.partition_keys import across_partitions
from lakehouse_cli.model.quarantine import REASON_COLUMNS, SUFFIX, judges_for_quarantine, puts_rows_aside

_ANY = "100%"
_KEYS = {
    "max": Key(
        Threshold(),
        "How many rows of a result may be put aside, or what share of it; beyond it nothing is published.",
        examples=("1%",),
    )
}


class Quarantine:
    """`true`, or a map with `max`; the limit as it is written, None for no quarantine."""

    def read(self, reader: Reader, node: Node, what: str) -> str | Invalid | None:
        """The limit."""
        if isinstance(node, Scalar):
            value = Flag().read(reader, node, what) if node.text in ("true", "false") else None
            if value is None or isinstance(value, Invalid):
                return reader.mismatch(node, what, "`true`, or a map with `max`", "write `quarantine: {max: 1%}`")
            return _ANY if value else None
        if not isinstance(node, Mapping):
            return reader.mismatch(node, what, "`true`, or a map with `max`", "write `quarantine: {max: 1%}`")
        values, invalid = read_keys(reader, node, _KEYS, what)
        found: Any = values.get("max", _ANY)
        return INVALID if invalid else str(found)

    def schema(self) -> JsonSchema:
        """JSON Schema of what is accepted."""
        return {
            "anyOf": [{"type": "boolean"}, keys_schema(_KEYS, "Publish the rows that pass; keep the others aside.")]
        }


def quarantine_problems(table: Table, names: Collection[str]) -> Iterator[Problem]:
    """What is wrong with the quarantine of a table.

    Args:
        table: With one.
        names: Of all tables.
    """
    owner, place = f"table {quoted(table.name)}", table.where("quarantine")
    if table.output:
        message = f"`quarantine` of {owner}, which is one of several results of a function"
        yield Problem(message, "remove it, or compute the table by a function of its own", place)
    elif table.runs_in_storage:
        message = f"`quarantine` of {owner}, which its database computes"
        yield Problem(message, "remove it, or have DuckDB run the query: `engine: duckdb`", place)
    elif not puts_rows_aside(table) and (own := [e for e in table.contract.checks if e.references == table.name]):
        if not table.partitions:  # else it is refused itself
            message = (
                f"`quarantine` of {owner}, whose check {quoted(own[0].name)} looks at the table itself: it is judged"
            )
            message += " on the rows that are left, and puts none aside"
            hint = "have it look for the values in a table that this one is computed from, or remove `quarantine`"
            yield Problem(message, hint, place)
    elif not puts_rows_aside(table):
        message = f"`quarantine` of {owner}, which has no check of rows that keeps it from being published"
        yield Problem(message, 'add one, such as `{expression: "high >= low"}`, or remove `quarantine`', place)
    across = {each.name for each in across_partitions(table)}
    for check in table.contract.checks:
        if check.name in across and judges_for_quarantine(table, check):
            named = ", ".join([*table.partitions, *(each for each in check.columns if each not in table.partitions)])
            message = f"check {quoted(check.name)} of {owner} is of all its partitions, and rows are put aside of each"
            hint = f"write `unique: [{named}]` with declared columns; or make it the table's `key`, or a warning"
            yield Problem(message, hint, check.location or place)
    name = f"{table.name}{SUFFIX}"
    if name in names:
        message = f"{quoted(name)} is the quarantine of {owner}, and a table of this name is declared"
        yield Problem(message, "rename that table, or remove `quarantine`", place)
    for column in table.columns or ():
        if column.name in REASON_COLUMNS:
            message = f"column {quoted(column.name)} of {owner} is one that its quarantine adds"
            yield Problem(message, "give the column another name, or remove `quarantine`", column.location)
