"""pytest's plugin: collects the tests of transforms from `lakehouse.yaml`, each as a test of pytest's own.

A project file is taken where it is named, as in `pytest lakehouse.yaml` or under `testpaths`, or lies in pytest's root
folder; others, such as of fixtures, are left alone. Of what it needs nothing is loaded before there is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lakehouse_cli.model import Table
    from lakehouse_cli.operations.transform_tests.cases import Case
    from lakehouse_cli.plan.project_code import ProjectCode
    from lakehouse_cli.text.terminal import Terminal

_NAME = "lakehouse.yaml"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ProjectFile | None:
    """Collect a project file."""
    if file_path.name != _NAME:
        return None
    if not parent.session.isinitpath(file_path) and file_path.parent != parent.config.rootpath:
        return None
    return ProjectFile.from_parent(parent, path=file_path)


class ProjectFile(pytest.File):
    """A project file; its tables with tests are its children."""

    def collect(self) -> Iterator[pytest.Collector]:
        """Load the project, and read its tests.

        Raises:
            CollectError: It is invalid; carries every problem.
        """
        from lakehouse_cli.errors import LakehouseError
        from lakehouse_cli.operations.transform_tests.running import read_cases
        from lakehouse_cli.project.facade import Project
        from lakehouse_cli.rendering.reporters.problems import error_lines

        try:
            project = Project.load(self.path, incomplete=True, with_tests=True)
            code = project.planner.code
            cases = read_cases(code, project.planner.tests())
        except LakehouseError as error:
            raise self.CollectError("\n".join(error_lines(_terminal(self.config), error))) from None
        by_table: dict[str, list[Case]] = {}
        for case in cases:
            by_table.setdefault(case.table.name, []).append(case)
        for name, of_table in by_table.items():
            yield TableTests.from_parent(self, name=name, code=code, cases=of_table)


class TableTests(pytest.Collector):
    """The tests of one table."""

    def __init__(self, code: ProjectCode, cases: list[Case], **how: Any) -> None:
        super().__init__(**how)
        self._code = code
        self._cases = cases

    def collect(self) -> Iterator[pytest.Item]:
        """The tests, in their order."""
        for case in self._cases:
            yield TransformItem.from_parent(self, name=case.test.name, code=self._code, case=case)


class TransformItem(pytest.Item):
    """One test of a transform."""

    def __init__(self, code: ProjectCode, case: Case, **how: Any) -> None:
        super().__init__(**how)
        self._code = code
        self._case = case

    def runtest(self) -> None:
        """Run it.

        Raises:
            AssertionError: The result is another than expected, or there is none.
        """
        from lakehouse_cli.operations.transform_tests.report import failed_lines
        from lakehouse_cli.operations.transform_tests.running import run_cases

        for result in run_cases(self._code, [self._case]):
            if result.status != "passed":
                raise AssertionError("\n".join(failed_lines(_terminal(self.config), result)))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Format what differs, and of an error the user's own frames."""
        if isinstance(excinfo.value, AssertionError) and excinfo.value.args:
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where it stands."""
        table: Table = self._case.table
        line = self._case.test.location.line
        return self.path, None if line is None else line - 1, f"{table.name} · {self.name}"


def _terminal(config: pytest.Config) -> Terminal:
    from lakehouse_cli.text.terminal import Terminal

    writer = config.get_terminal_writer()
    return Terminal(color=writer.hasmarkup, width=writer.fullwidth)
