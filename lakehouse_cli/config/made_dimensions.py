"""Dimensions that no project declares: those of the placeholders of sources, and of their folders."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from lakehouse_cli.model import ProjectSpec, Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.file_pattern import Placeholder, file_pattern, pattern_problem
from lakehouse_cli.model.nesting import of_time
from lakehouse_cli.model.partition import FILE


def placeholders_of(table: Table) -> Mapping[str, Placeholder]:
    """The placeholders in the path of a source, by name; none of what is no sound pattern."""
    if table.kind != "source":
        return {}
    pattern = file_pattern(table.path)
    if pattern is None or not pattern.placeholders or pattern_problem(table.path) is not None:
        return {}
    return {each.name: each for each in pattern.placeholders}


def with_made_dimensions(spec: ProjectSpec) -> ProjectSpec:
    """The project with the dimensions that its tables name or make, and it does not declare."""
    dimensions = dict(spec.dimensions)
    for table in spec.tables.values():
        for name, each in placeholders_of(table).items():
            known = dimensions.get(name)
            if known is None or (known.location is None and known.every is None and each.every is not None):
                dimensions[name] = Dimension(name=name, every=each.every)
    for table in spec.tables.values():
        for name in table.partitions:
            if name != FILE:
                dimensions.setdefault(name, Dimension(name=name))
    sources = {
        name: replace(table, periods={each: dimensions[each] for each in of_time(table.partitions, dimensions)})
        for name, table in spec.tables.items()
        if table.kind == "source" and table.partitions
    }
    if not sources and len(dimensions) == len(spec.dimensions):
        return spec
    return replace(spec, dimensions=dimensions, tables={**spec.tables, **sources})
