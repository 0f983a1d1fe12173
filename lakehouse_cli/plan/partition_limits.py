"""What tables cannot be by partition yet: refused when the project is loaded, so that nothing is ignored in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

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
            yield from _of_table(table)
            yield from _of_counts(table, graph, spec.dimensions)
            for edge in graph.inputs.get(table.name, ()):
                yield from _of_input(table, graph.tables[edge.table], spec.storages)


def _of_table(table: Table) -> Iterator[Problem]:
    owner = f"table `{table.name}`"
    if any(each.references == table.name for each in table.contract.checks):
        message = f"a check of {owner} looks at the table itself, and each partition is judged by itself"
        hint = "have it on a table without partitions that reads this one, or on its source, which is judged as a whole"
        yield Problem(message, hint, table.where("checks", "partitions"))


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


def _of_input(table: Table, other: Table, storages: Mapping[str, StorageSpec]) -> Iterator[Problem]:
    by_dimensions = other.kind == "source" and not other.partitions and FILE not in table.partitions
    pattern = file_pattern(other.path) if by_dimensions else None
    if pattern is not None and (pattern.is_folder or "=" in other.path):
        message = f"which partitions source `{other.name}` has, that table `{table.name}` reads, is not known"
        yield Problem(message, _naming(other, storages.get(other.storage)), other.where("path"))


def _naming(source: Table, storage: StorageSpec | None) -> str:
    """How to say which partitions a source of many files has."""
    if not source.path.endswith("/"):
        path = re.sub(r"([^/=]+)=\*(?=/|$)", r"\1={\1}", source.path)
        if path != source.path:
            return f"write `path: {quote_yaml(path)}`"
        return "write a placeholder for each into its path, such as `region={region}`"
    names = [] if storage is None else _named_by_folders(storage, source.path)
    if names:
        listed = ", ".join(map(quote_yaml, names))
        return f"write `partitions: [{listed}]` at `{source.name}`, as its folders are called"
    return "name those of its folders: `partitions: [region]` for `region=eu/`"


def _named_by_folders(storage: StorageSpec, path: str) -> list[str]:
    """The names in the first `name=value` folders of a source; none where it is not in a folder of this machine."""
    place, names = Path(storage.root, path), list[str]()
    with suppress(OSError):
        while place.is_absolute():
            folders = [
                each for each in place.iterdir() if "=" in each.name and each.name[0] not in "_." and each.is_dir()
            ]
            if not folders:
                break
            place = min(folders)
            names.append(unquote(place.name.partition("=")[0]))
    return names
