"""What tables cannot be by partition yet: refused when the project is loaded, so that nothing is ignored in silence."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse_cli.errors import Problem
from lakehouse_cli.model import Table
from lakehouse_cli.model.file_pattern import file_pattern
from lakehouse_cli.model.partition import FILE
from lakehouse_cli.plan.graph import AssetGraph


def limit_problems(graph: AssetGraph) -> Iterator[Problem]:
    """The partitioned tables that ask for what is not done by partition.

    Args:
        graph: All tables.
    """
    for table in graph.tables.values():
        if table.kind == "computed" and table.partitions:
            yield from _of_table(table)
            yield from _of_counts(table, graph)
            for edge in graph.inputs.get(table.name, ()):
                yield from _of_input(table, graph.tables[edge.table])


def _of_table(table: Table) -> Iterator[Problem]:
    owner = f"table `{table.name}`"
    for parameter, options in table.input_options.items() if table.runs_in_storage else ():
        if options.within is not None:
            message = f"`within` of input `{parameter}` of {owner}, whose query its database runs, cannot be had yet"
            hint = "compare its times with the partition in the query, by `$day`; or remove `engine: storage`"
            yield Problem(message, hint, table.where(f"inputs.{parameter}.within", f"inputs.{parameter}", "inputs"))
    if any(each.references == table.name for each in table.contract.checks):
        message = f"a check of {owner} looks at the table itself, and each partition is judged by itself"
        yield Problem(message, "remove the check, or `partitions`", table.where("checks", "partitions"))


def _of_counts(table: Table, graph: AssetGraph) -> Iterator[Problem]:
    """The checks that compare how many rows each partition has with a table that has other partitions."""
    for check in table.contract.checks:
        name = check.arguments.get("equals") if check.kind == "row_count" else None
        other = graph.tables.get(name) if name is not None and name != table.name else None
        if other is not None and (other.kind != "computed" or other.partitions != table.partitions):
            message = (
                f"check `{check.name}` of table `{table.name}` compares the rows of each partition, and `{name}` has"
                " not the same partitions"
            )
            hint = f"compare with a table that has `partitions: [{', '.join(table.partitions)}]`, or remove `equals`"
            yield Problem(message, hint, check.location or table.where("checks", "partitions"))


def _of_input(table: Table, other: Table) -> Iterator[Problem]:
    by_dimensions = other.kind == "source" and not other.partitions and FILE not in table.partitions
    pattern = file_pattern(other.path) if by_dimensions else None
    if pattern is not None and (pattern.is_folder or "=" in other.path):
        message = f"which partitions source `{other.name}` has, that table `{table.name}` reads, is not known"
        hint = "name those of its folders: `partitions: [region]` for `region=eu/`"
        yield Problem(message, hint, other.where("path"))
