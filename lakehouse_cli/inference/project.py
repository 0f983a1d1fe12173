"""A project of sources that are there: all of them read, each described as it is read exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError, Problem, ProjectError
from lakehouse_cli.inference.dated_files import join_dated
from lakehouse_cli.inference.project_text import names_of, project_text, transforms_text
from lakehouse_cli.inference.sources import FoundTable, Progress, find_sources, read_source


class InferredProject(Struct, frozen=True):
    """The files of a project.

    Attributes:
        found: Its sources.
        tables: Their names in the project, in the same order.
        project_file: The text of ``lakehouse.yaml``.
        transforms: The text of ``transforms.py``.
    """

    found: Sequence[FoundTable]
    tables: Sequence[str]
    project_file: str
    transforms: str


def infer_project(name: str, folder: Path, named: Sequence[str], progress: Progress) -> InferredProject:
    """Read files and databases to their ends, and declare what is in them.

    Args:
        name: Of the project.
        folder: Where it will be.
        named: The files, and URLs of databases.
        progress: Is told of what is read.

    Raises:
        ProjectError: Some cannot be read; carries every problem found.
        LakehouseError: There is no table in any of them.
    """
    sources, problems = find_sources(named)
    found: list[FoundTable] = []
    for source in sources:
        for each in read_source(source, progress):
            if isinstance(each, Problem):
                problems.append(each)
            else:
                found.append(each)
    if not any(each.table.is_readable for each in found):
        problems += [Problem(each.table.comments[0], "cast it in a view, or leave it out") for each in found]
    if problems:
        raise ProjectError(problems)
    if not found:
        raise LakehouseError("there is no table in what was named", hint="name files with data in them")
    found = join_dated(found)
    tables = names_of(found)
    return InferredProject(found, tables, project_text(name, folder, found), transforms_text(tables))
