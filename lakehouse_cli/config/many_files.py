"""Validation of sources of many files, and of columns that a file may lack."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from lakehouse_cli.config.partitioned_paths import path_of_partitions_problem
from lakehouse_cli.config.paths import ending_of
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.errors import Problem
from lakehouse_cli.formats import file_suffixes, find_form
from lakehouse_cli.model import ProjectSpec, StorageSpec, Table
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.file_pattern import (
    FilePattern,
    PatternError,
    file_pattern,
    pattern_problem,
    reads_many_files,
    says_year,
)
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.period import SAMPLES
from lakehouse_cli.model.quarantine import quarantine_table
from lakehouse_cli.model.unit import unit_path


def marked(storages: Mapping[str, StorageSpec], tables: Mapping[str, Table]) -> Mapping[str, StorageSpec]:
    """Mark the storages that have such sources, or tables that are stored by partition."""
    names = {table.storage for table in tables.values() if table.is_partitioned or reads_many_files(table)}
    if not names:
        return storages
    return {name: replace(spec, many_files=True) if name in names else spec for name, spec in storages.items()}


def many_files_problems(table: Table, owner: str, dimensions: Mapping[str, Dimension]) -> Iterator[Problem]:
    """What is wrong with the path of many files, with `optional` and with `file_column`."""
    pattern = file_pattern(table.path)
    optional = next((each for each in table.columns or () if each.optional), None)
    if optional is not None and table.kind != "source":
        message = f"column {quoted(optional.name)} of {owner} is optional, and a transform returns every column"
        yield Problem(message, "remove `optional`; a column may be null without it", optional.location)
    if optional is not None and table.kind == "source" and (not table.format or table.serializer):
        message = f"column {quoted(optional.name)} of {owner} is optional, and {owner} is no file"
        yield Problem(message, "remove `optional`", optional.location)
    if table.kind != "source":
        if table.path.endswith("/"):
            hint = f"name one file in it, without its ending, as `{table.path.rstrip('/')}/name`: a table is one file"
            message = f"`path` of {owner}: {quoted(table.path)} ends in `/`, as a folder does"
            yield Problem(message, hint, table.where("path"))
        elif pattern is not None and (wrong := path_of_partitions_problem(table, pattern, dimensions)) is not None:
            yield Problem(f"`path` of {owner}: {quoted(table.path)} {wrong[0]}", wrong[1], table.where("path"))
        return
    if pattern is None:
        if table.file_column:
            message = f"option `file_column` of {owner} is for sources of many files"
            yield Problem(message, "remove it, or make `path` a pattern or a folder", table.where("options"))
        return
    wrong = pattern_problem(table.path)
    if wrong is None and (not table.format or table.serializer):
        wrong = "means many files, and this is no table in files", "name one: a pattern is for sources in files"
    if wrong is not None:
        yield Problem(f"`path` of {owner}: {quoted(table.path)} {wrong[0]}", wrong[1], table.where("path"))
        return
    yield from _filled_problems(table, owner, pattern)


def _filled_problems(table: Table, owner: str, pattern: FilePattern) -> Iterator[Problem]:
    """Columns that are filled from the path, and cannot hold what it says."""
    if table.file_column in [each.name for each in pattern.placeholders]:
        message = f"option `file_column` of {owner} is {quoted(table.file_column)}, which is a placeholder of its path"
        yield Problem(message, "give one of the two another name", table.where("options"))
    formats = {each.name: each.format for each in pattern.placeholders if each.format is not None}
    for column in table.columns or ():
        what = f"column {quoted(column.name)} of {owner}"
        if column.source_name == table.file_column and column.type.id != "string":
            message = f"{what} holds the names of files, and is {column.type}"
            yield Problem(message, "declare it as `string`", column.location)
        form, kind = formats.get(str(column.source_name)), column.type
        if form is None:
            continue
        if kind.id in ("date32", "date64", "timestamp") and not says_year(form):
            message = f"{what} is {kind}, and its placeholder `{{{column.source_name}:{form}}}` has no year"
            yield Problem(message, "declare it as `string`", column.location)
        elif kind.id in ("time32", "time64") or (kind.id == "timestamp" and "tz" in str(kind)):
            message = f"{what} is {kind}, which its placeholder `{{{column.source_name}:{form}}}` cannot fill"
            yield Problem(message, "declare it as a timestamp without a zone, or as `string`", column.location)


def overlap_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """Computed tables whose files a source would take for its own."""
    sources = [
        (table, pattern)
        for table in spec.tables.values()
        if table.kind == "source" and (pattern := file_pattern(table.path)) and pattern_problem(table.path) is None
    ]
    if not sources:
        return
    computed = [table for table in spec.tables.values() if table.kind == "computed"]
    computed += [quarantine_table(table) for table in computed if table.quarantine is not None]
    for source, pattern in sources:
        form, root = find_form(source), spec.storages.get(source.storage)
        if form is None or root is None:
            continue
        endings = file_suffixes(form, source.options)
        for table in computed:
            storage = spec.storages.get(table.storage)
            stored = _stored_path(table, spec.dimensions)
            path = None if storage is None else _below(root.root, f"{storage.root}/{stored}{ending_of(table)}")
            ending = next((each for each in endings if path is not None and path.endswith(each)), None)
            if path is not None and ending is not None and _matches(pattern, path[: len(path) - len(ending)]):
                owner = f"table {quoted(source.name)}"
                message = f"`path` of {owner}: {quoted(source.path)} matches what is stored of `{table.name}`"
                hint = f"give one of the two another folder: `{source.name}` would read what the project writes"
                yield Problem(message, hint, source.where("path"))
                break


def _stored_path(table: Table, dimensions: Mapping[str, Dimension]) -> str:
    """Where a table is stored; of one by partition, where some partition of it may be."""
    if not table.partitions:
        return table.path
    periods = (dimensions[name].every if name in dimensions else None for name in table.partitions)
    values = tuple([SAMPLES[each] if each is not None else "x" for each in periods])
    try:
        return unit_path(table.path, Partition(table.partitions, values))
    except (KeyError, ValueError):  # of placeholders that it cannot have, which is a problem of its own
        return table.path


def _below(root: str, path: str) -> str | None:
    """A path relative to a root; None where it is not below it."""
    root, path = (each.split("://", 1)[-1] for each in (root, path))
    within = posixpath.relpath(posixpath.normpath(path), posixpath.normpath(root))
    return None if within.startswith("..") else within


def _matches(pattern: FilePattern, path: str) -> bool:
    try:
        return pattern.match(path) is not None
    except PatternError:
        return True
