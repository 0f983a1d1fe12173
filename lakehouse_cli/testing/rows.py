"""Frames of a table for tests of one's own: rows in, a frame with the declared types out, and the other way round."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.config.files import project_file
from lakehouse_cli.config.problems import Problems
from lakehouse_cli.config.python_nodes import Nodes, Places, plain_value
from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.source import SourceFile
from lakehouse_cli.config.transform_tests import Rows
from lakehouse_cli.config.yaml_tree import Mapping as RowNode
from lakehouse_cli.contracts import enforce
from lakehouse_cli.contracts.hiding import hide_sensitive
from lakehouse_cli.declarations import Place
from lakehouse_cli.errors import ContractError, ProjectError, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.operations.transform_tests.values import RowReader
from lakehouse_cli.project.facade import Project
from lakehouse_cli.project.lakehouse import Lakehouse
from lakehouse_cli.rendering.reporters.problems import error_lines
from lakehouse_cli.text.terminal import Terminal
from lakehouse_cli.transforms.frames import frame_type_of, owner_of
from lakehouse_cli.transforms.shared_tables import SharedTable

_Project = Project | Lakehouse | str | os.PathLike[str] | None


def frame(
    table: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    project: _Project = None,
    frame_type: Any = None,
) -> Any:
    """Make a frame of a table, as a transform is given it.

    >>> frame("orders", [{"customer": "007", "amount": 5}])  # doctest: +SKIP

    Args:
        table: Its name.
        rows: Each a map of columns to values, as Python has them or as texts; columns left out are null.
        project: A loaded project, a `Lakehouse`, or the project file or its folder; by default that of the current
            folder or of one above.
        frame_type: As in the annotation of a transform's parameter; pandas by default.

    Raises:
        LakehouseError: There is no such table, or a value does not fit its column.
    """
    declared, folder = _table(table, project)
    caller = sys._getframe(1)
    problems = Problems()
    places = Places(folder)
    mark = places.mark(Place(caller.f_code, caller.f_lasti // 2, ""))
    nodes = Nodes(mark, places, problems)
    found = [nodes.value(plain_value(dict(row)), "a row") for row in rows]
    written = Rows(mark.location, tuple(each for each in found if isinstance(each, RowNode)))
    reader = RowReader(Reader(SourceFile(folder, mark.location.file, ""), problems), problems, f"table `{table}`")
    names = list(dict.fromkeys(name for row in written.rows for name in row.entries))
    arrays: dict[str, pa.Array] = {}
    if declared.columns is None:
        arrays = {name: reader.inferred(written, name) for name in names}
    elif reader.check_names(written, [column.name for column in declared.columns]):
        arrays = {each.name: reader.column(written, each.name, to_arrow(each.type)) for each in declared.columns}
    if wrong := problems.sorted(""):
        raise ProjectError(wrong)
    return SharedTable(pa.table(arrays)).frame(frame_type_of(frame_type))


def assert_keeps_contract(table: str, frame: Any, *, project: _Project = None) -> None:
    """Fail unless a frame keeps the contract of a table: its columns, their types, nulls, the key and the checks.

    Checks that look at other tables or at the clock are not judged, nor `row_count` but for its `max`.

    Args:
        table: Its name.
        frame: Of any type that a transform may return.
        project: As of `frame`.

    Raises:
        AssertionError: It does not; shows columns, rows and values.
        LakehouseError: There is no such table.
    """
    __tracebackhide__ = True
    declared, folder = _table(table, project)
    owner = owner_of(frame)
    if owner is None:
        raise AssertionError(f"{type(frame).__name__} is no frame that a transform may return")
    data = pa.concat_tables(list(owner.to_pieces(frame, declared.columns)))
    try:
        kept = enforce(data, declared.columns, key=declared.key, extra_columns=declared.extra_columns).table
        if declared.contract.checks:
            from lakehouse_cli.operations.transform_tests.checked_rows import CheckedRows

            CheckedRows(folder, {}, None).judge(declared, kept)
    except ContractError as error:
        hide_sensitive(error, declared.contract.sensitive, declared.key)
        raise AssertionError("\n".join(error_lines(Terminal(), error))) from None


def _table(name: str, project: _Project) -> tuple[Table, Path]:
    if isinstance(project, Lakehouse):
        project = project.project()
    if not isinstance(project, Project):
        file = project_file(project)
        project = _loaded(file, file.stat().st_mtime_ns)
    if not isinstance(name, str):
        raise UsageError(f"a table is named by a text, not by {type(name).__name__}")
    return project.table(name), project.folder.resolve()


@lru_cache(maxsize=16)
def _loaded(file: Path, edited: int) -> Project:
    del edited  # tells one text of the file from the next
    return Project.load(file, incomplete=True)
