"""The dimensions that each table takes as params: those of its own that its function, or query, has a parameter for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from lakehouse_cli.code.source import SourceReader
from lakehouse_cli.errors import Problem
from lakehouse_cli.model import ProjectSpec, Table
from lakehouse_cli.plan.project_params import wanted_names


def take_dimensions(spec: ProjectSpec, source: SourceReader) -> tuple[ProjectSpec, list[Problem]]:
    """Note which of its dimensions each computed table takes.

    Args:
        spec: The project, with what is found in its queries.
        source: Reads its modules.

    Returns:
        The project, and a problem for each dimension that has the name of something else which could be meant.
    """
    if not any(table.partitions for table in spec.tables.values()):
        return spec, []
    tables: dict[str, Table] = {}
    problems: list[Problem] = []
    for name, table in spec.tables.items():
        if table.kind == "computed" and table.partitions:
            wanted = wanted_names(table, source)
            taken = [each for each in table.partitions if each in wanted]
            problems += _ambiguous(table, spec, taken)
            if taken:
                every = {each: spec.dimensions[each].every if each in spec.dimensions else None for each in taken}
                table = replace(table, dimension_params=every)
        tables[name] = table
    return replace(spec, tables=tables), problems


def _ambiguous(table: Table, spec: ProjectSpec, taken: Sequence[str]) -> Iterator[Problem]:
    for name in table.partitions:
        what = f"dimension `{name}` of table `{table.name}`"
        if name in table.params:
            place = table.where(f"params.{name}", "params")
            yield Problem(f"{what} and one of its params have one name", "rename or remove the param", place)
        elif name in taken and name in spec.params:
            hint = "rename one of the two: the parameter of that name gets the dimension's value"
            yield Problem(f"{what} has the name of a param of the project", hint, spec.params[name].location)
        elif name in taken and name in spec.tables:
            hint = "rename one of the two, or write `inputs` as a map of parameter to table"
            yield Problem(f"{what} has the name of a table", hint, table.where("partitions"))
