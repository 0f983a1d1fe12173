"""What tables cannot be by partition yet: refused when the project is loaded, so that nothing is ignored in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from msgspec.structs import replace

from lakehouse_cli.config.made_dimensions import with_made_dimensions
from lakehouse_cli.errors import Problem
from lakehouse_cli.model import ProjectSpec, StorageSpec, Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.file_pattern import file_pattern
from lakehouse_cli.model.partition import FILE
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.partitioning import counted_link
from lakehouse_cli.text.yaml_text import quote_yaml


def limit_problems(graph: AssetGraph, spec: ProjectSpec) -> Iterator[Problem]:
    """The partitioned tables that ask for what is not done by partition.

    Args:
        graph: All tables.
        spec: The project.
    """
    for table in graph.tables.values():
        if table.kind == "computed" and table.partitions:
            yield from _of_table(table, graph)
            yield from _of_counts(table, graph, spec.dimensions)
            for edge in graph.inputs.get(table.name, ()):
                yield from _of_input(table, graph.tables[edge.table])


def with_folders(spec: ProjectSpec, graph: AssetGraph) -> ProjectSpec:
    """The project with `partitions` of the sources that are folders of this machine, and do not name them.

    They are the names of their `name=value` folders. Only sources that tables by partition read are looked at.
    """
    found: dict[str, Table] = {}
    for table in graph.tables.values():
        for edge in graph.inputs.get(table.name, ()) if table.kind == "computed" and table.partitions else ():
            source = spec.tables.get(edge.table)
            storage = None if source is None else spec.storages.get(source.storage)
            if source is None or storage is None or source.name in found or not _is_unknown(table, source):
                continue
            names = _named_by_folders(storage, source.path) if source.path.endswith("/") else []
            if names and FILE not in names and all(map(str.isidentifier, names)):
                found[source.name] = replace(source, partitions=tuple(names))
    return with_made_dimensions(replace(spec, tables={**spec.tables, **found})) if found else spec


def _is_unknown(table: Table, source: Table) -> bool:
    """Whether only the folders of a source say which partitions of it a table gets."""
    if source.kind != "source" or source.partitions or FILE in table.partitions:
        return False
    pattern = file_pattern(source.path)
    return pattern is not None and (pattern.is_folder or "=" in source.path)


def _of_table(table: Table, graph: AssetGraph) -> Iterator[Problem]:
    for check in table.contract.checks:
        if check.references != table.name:
            continue
        message = f"a check of table `{table.name}` looks at the table itself, and each partition is judged by itself"
        hint = "have it on a table without partitions that reads this one, or on its source, which is judged as a whole"
        wanted = check.arguments.get("references", ())
        inputs = [graph.tables[edge.table] for edge in graph.inputs.get(table.name, ())]
        named = [e.name for e in inputs if e.name != table.name and {*wanted} <= {c.name for c in e.columns or ()}]
        if named and wanted:
            others = [f"{named[0]}.{each}" for each in wanted]
            written = others[0] if len(others) == 1 else f"[{', '.join(others)}]"
            hint = f"write `references: {written}`, from which it is computed; or {hint}"
        yield Problem(message, hint, check.location or table.where("checks", "partitions"))


def _of_counts(table: Table, graph: AssetGraph, dimensions: Mapping[str, Dimension]) -> Iterator[Problem]:
    """The checks that compare how many rows each partition has with a table whose partitions do not make it up."""
    for check in table.contract.checks:
        name = check.arguments.get("equals") if check.kind == "row_count" else None
        other = graph.tables.get(name) if name is not None and name != table.name else None
        if other is not None and counted_link(table, other, dimensions) is None:
            message = (
                f"check `{check.name}` of table `{table.name}` compares the rows of each partition, and `{name}` has"
                " no partitions that make it up"
            )
            listed = ", ".join(table.partitions)
            hint = f"compare with a computed table that has `partitions: [{listed}]` or finer ones, or remove `equals`"
            yield Problem(message, hint, check.location or table.where("checks", "partitions"))


def _of_input(table: Table, other: Table) -> Iterator[Problem]:
    if _is_unknown(table, other):
        message = f"which partitions source `{other.name}` has, that table `{table.name}` reads, is not known"
        yield Problem(message, _naming(other), other.where("path"))


def _naming(source: Table) -> str:
    """How to say which partitions a source of many files has."""
    if not source.path.endswith("/"):
        path = re.sub(r"([^/=]+)=\*(?=/|$)", r"\1={\1}", source.path)
        if path != source.path:
            return f"write `path: {quote_yaml(path)}`"
        return "write a placeholder for each into its path, such as `region={region}`"
    return "name those of its folders: `partitions: [region]` for `region=eu/`"


def _named_by_folders(storage: StorageSpec, path: str) -> list[str]:
    """The names in the first `name=value` folders of a source; none where they differ, or are on no disk of ours."""
    place, names = Path(storage.root, path), list[str]()
    with suppress(OSError):
        while place.is_absolute():
            folders = [
                each for each in place.iterdir() if "=" in each.name and each.name[0] not in "_." and each.is_dir()
            ]
            if not folders:
                break
            here = {unquote(each.name.partition("=")[0]) for each in folders}
            if len(here) > 1:
                return []
            place = min(folders)
            names += here
    return names
