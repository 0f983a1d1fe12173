"""The public facade: load a project, plan it, run it, read its tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lakehouse_cli.config.files import RUN_ON_IMPORT, declared_project_file, project_file
from lakehouse_cli.declarations import DeclaredProject
from lakehouse_cli.errors import ProjectError, UsageError
from lakehouse_cli.model import DEFAULT_ENVIRONMENT
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.project.loading import load_valid_project
from lakehouse_cli.project.notebook import notebook_handler
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.project.stored import StoredProject
from lakehouse_cli.storage.base import Stray
from lakehouse_cli.storage.opening import check_installed
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.redaction import masked

if TYPE_CHECKING:
    from lakehouse_cli.model.column_lineage import TableLineage
    from lakehouse_cli.operations.comparing import Comparison
    from lakehouse_cli.operations.copying import CopiedTable, CopyResult
    from lakehouse_cli.operations.transform_tests.acceptance import Accepted
    from lakehouse_cli.operations.transform_tests.recording import Recorded
    from lakehouse_cli.operations.transform_tests.rehearsal import RehearsedTable
    from lakehouse_cli.operations.transform_tests.results import TestResult, TestRun
    from lakehouse_cli.project.checking import CheckedProject
    from lakehouse_cli.runs.events import Event, Moment, RunResult


class Project(StoredProject):
    """A loaded and valid project.

    Loading needs no data, and runs none of the user's code but a module that declares tables in Python.

    >>> project = Project.load("examples/weather")  # doctest: +SKIP
    >>> project.run()["daily_highs"].status  # doctest: +SKIP
    'materialized'
    >>> project.read("daily_highs")  # a pandas.DataFrame  # doctest: +SKIP

    Attributes:
        spec: What is declared.
        environment: Name of the chosen environment.
        planner: Plans and masks; what the command line needs beyond this class.
    """

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        env: str | None = None,
        environ: Mapping[str, str] | None = None,
        thorough: bool = False,
        incomplete: bool = False,
        with_tests: bool = False,
        declared: DeclaredProject | str | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Project:
        """Load a project.

        Args:
            path: The project file or its folder; None searches the current folder and those above.
            env: Name of the environment; ``default`` is what stands at the top of the file.
            environ: Environment variables for ``${VAR}``, before those in a file ``.env``; this process's by default.
            thorough: Validate the tables in every environment, not in the chosen one alone, read all the
                code that decides their content, and look for the packages that the chosen environment needs.
            incomplete: Let variables be unset. Such a project is there to be looked at: its storages may not be.
            with_tests: Read the tests of transforms too, which `test` does where they are not.
            declared: A `Lakehouse`, or its ``module`` or ``module:name``, in place of a project file in folder `path`.
            params: Values by name over those of `params`, of tables too; each of the type that it has in the file.

        Raises:
            ProjectError: The project is invalid; carries every problem found, with its place.
            UsageError: There is no such environment or param, or its value is of another type.
        """
        environ = os.environ if environ is None else environ
        wanted = env or DEFAULT_ENVIRONMENT
        file = project_file(path) if declared is None else declared_project_file(path, declared)
        found = load_valid_project(
            file,
            environ,
            wanted,
            thorough=thorough,
            incomplete=incomplete,
            with_tests=with_tests,
            declared=declared,
            params=params or {},
        )
        if thorough:
            check_installed(found.spec)
            if found.tests:
                from lakehouse_cli.operations.transform_tests.running import read_cases  # loads Arrow

                read_cases(found.code, found.tests)
        return cls(found, environ)

    def select(self, *selection: str, exclude: Iterable[str] = (), defer: str | None = None) -> Selection:
        """Resolve a selection; without terms, every table.

        Args:
            selection: Terms of the selection grammar.
            exclude: Terms of what to leave out.
            defer: As in `plan`.

        Raises:
            UsageError: A term names no table or is no term.
        """
        return self.planner.select(selection, tuple(exclude), defer)

    def plan(
        self,
        *selection: str,
        exclude: Iterable[str] = (),
        partitions: Iterable[str] = (),
        as_of: str | None = None,
        force: bool = False,
        failed: bool = False,
        defer: str | None = None,
    ) -> Plan:
        """What `run` would do with a selection, and why. Changes nothing and runs none of the user's code.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            exclude: Terms of what to leave out.
            partitions: Which partitions, as `--partition` takes them; none for all.
            as_of: The moment that stands for now, such as ``2024-03-01T06:00Z``; None for now itself.
            force: Plan to run what is up to date as well.
            failed: Only tables that failed, were skipped or were cancelled in the last run that went for them.
            defer: Name of the environment from which inputs are read that are neither selected nor here.

        Raises:
            UsageError: The selection is wrong, or needs a table that was never materialized; no such environment.
        """
        terms = RunRequest(selection=selection, exclude=tuple(exclude), force=force, failed=failed, defer=defer)
        return self.planner.plan(replace(terms, partitions=tuple(partitions), as_of=as_of))

    def run(
        self,
        *selection: str,
        exclude: Iterable[str] = (),
        partitions: Iterable[str] = (),
        as_of: str | None = None,
        max_partitions: int | None = None,
        newest_first: bool = False,
        force: bool = False,
        failed: bool = False,
        defer: str | None = None,
        fail_fast: bool = False,
        executor: str | None = None,
        workers: int | None = None,
        together: bool = False,
        replay: Iterable[str] = (),
        wait: bool = False,
        on_event: Callable[[Event], None] | None = None,
        asked: Moment | None = None,
        raise_on_failure: bool = False,
    ) -> RunResult:
        """Bring a selection of tables (every table by default) up to date, in dependency order.

        A table that fails is reported in the result, not raised; what needs it is skipped and the rest goes on. In a
        notebook, progress is shown.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            exclude: Terms of what to leave out.
            partitions: As of `plan`.
            as_of: As of `plan`.
            max_partitions: How many partitions of a table to make at most.
            newest_first: Whether the last partitions of a table come first.
            force: Run what is up to date as well.
            failed: Only tables that failed, were skipped or were cancelled in the last run that went for them.
            defer: Name of the environment from which inputs are read that are neither selected nor here; nothing is
                ever written there.
            fail_fast: Start nothing more once a table has failed.
            executor: ``threads``, ``serial``, ``processes``, ``dask`` or ``ray``; the project file's by default.
            workers: How many tables at once; the project file's, else the executor's choice by default.
            together: Publish nothing until all of the run has passed; also where the project file says so.
            replay: Names of quarantines, such as ``daily__quarantine``: their tables run, also where they are up to
                date, and notes say how many of the rows put aside pass now; without terms, nothing else runs.
            wait: Wait for another run of this project and environment to end, rather than raise.
            on_event: Called with everything that happens, such as a reporter's `handle`.
            asked: When the run was asked for, from which its time counts; by default now, or when `wait` is over.
            raise_on_failure: Whether to raise where it did not end well: a cell of a notebook stops those below it.

        Raises:
            RunFailedError: Tables failed, or the run was interrupted, and `raise_on_failure` is set.
            UsageError: The selection is wrong, or needs a table that was never materialized; there is no such executor;
                or the script that calls this does so as it is imported, for its functions, and not as it is run alone.
            LakehouseError: Another run holds the lock.
        """
        from lakehouse_cli.project.execution import run_project

        terms = RunRequest(selection=selection, exclude=tuple(exclude), force=force, failed=failed, defer=defer)
        request = replace(terms, fail_fast=fail_fast, executor=executor, workers=workers)
        request = replace(request, together=together, replay=tuple(replay), wait=wait, partitions=tuple(partitions))
        request = replace(request, as_of=as_of, max_partitions=max_partitions, newest_first=newest_first)
        result = run_project(self.planner, request, on_event or notebook_handler(), asked)
        for error in (each.error for each in result.tables):
            if error is not None and error.message == RUN_ON_IMPORT:
                raise UsageError(error.message, hint=error.hint, location=error.location)
        if raise_on_failure and result.status != "success":
            from lakehouse_cli.rendering.pages import run_failure

            raise run_failure(result)
        return result

    def check(
        self,
        *selection: str,
        exclude: Iterable[str] = (),
        partitions: Iterable[str] = (),
        fail_fast: bool = False,
        executor: str | None = None,
        workers: int | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> CheckedProject:
        """Validate what is stored of a selection, sources included: types, nulls, keys and checks. Computes nothing.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            exclude: Terms of what to leave out.
            partitions: Which partitions, as `--partition` takes them; none for all.
            fail_fast: Start nothing more once a table has failed.
            executor: Name of the executor; None for the project's.
            workers: How many tables at once; None for the project's number, else the executor's own choice.
            on_event: Called with every event, in this thread.

        Raises:
            UsageError: The selection is wrong.
        """
        from lakehouse_cli.project.checking import check_project

        request = RunRequest(selection=selection, exclude=tuple(exclude), partitions=tuple(partitions))
        request = replace(request, fail_fast=fail_fast, executor=executor, workers=workers)
        return check_project(self.planner, request, on_event, None)

    def test(
        self,
        *selection: str,
        exclude: Iterable[str] = (),
        on_test: Callable[[TestResult], None] | None = None,
    ) -> TestRun:
        """Run the tests of transforms, which need no storage but for a selection by `state:`.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            exclude: Terms of what to leave out.
            on_test: Called with the result of each test as it has ended.

        Raises:
            ProjectError: A value of a test does not fit its column, or a name in it is wrong.
            UsageError: The selection is wrong.
        """
        from lakehouse_cli.operations.transform_tests.results import TestRun
        from lakehouse_cli.operations.transform_tests.running import read_cases, run_cases

        chosen = self.select(*selection, exclude=exclude)
        code, mask, results = self.planner.code_anew(), self.planner.mask, []
        for result in run_cases(
            code, [c for c in read_cases(code, self.planner.tests()) if c.table.name in chosen.names]
        ):
            results.append(masked(result, mask))
            if on_test is not None:
                on_test(results[-1])
        notes = dict.fromkeys(note for each in results for note in each.notes)
        return TestRun(self.name, tuple(results), (*chosen.notes, *notes))

    def record_test(self, table: str, name: str, rows: int = 5, *, update: bool = False) -> Recorded:
        """Write a test of a table into its file: first rows of the stored inputs, and what comes of them.

        Args:
            table: Name of a computed table.
            name: Of the test.
            rows: How many rows to take of each input.
            update: Record anew what a test expects that is there already, of the rows that it gives.

        Raises:
            UsageError: There is no such table, it cannot be tested, or there is a test of that name, or none to update.
            LakehouseError: An input cannot be read, or the transform failed.
        """
        from lakehouse_cli.operations.transform_tests.recording import record_test, update_test

        declared, tests, code = self.table(table), self.planner.tests(), self.planner.code_anew()
        if update:
            return update_test(code, declared, name, tests)
        with self.planner.connected():
            return record_test(code, self.stored, declared, name, rows, tests.get(table, ()))

    def rehearse(self, rows: int = 20, seed: int = 0) -> tuple[RehearsedTable, ...]:
        """Call each transform on rows made up by the contracts of its inputs, and enforce the contract of its result.

        Args:
            rows: How many to make up for each input.
            seed: Decides their values: the same ones each time.
        """
        from lakehouse_cli.operations.transform_tests.rehearsal import rehearse

        return masked(tuple(rehearse(self.planner.code_anew(), rows, seed)), self.planner.mask)

    def accept_columns(self, table: str, rows: int = 20, seed: int = 0, *, write: bool = True) -> Accepted:
        """Declare the columns that the transform of a table returns, on rows made up as in `rehearse`.

        Args:
            table: Name of a computed table.
            rows: How many to make up for each input.
            seed: Decides their values.
            write: Whether the file that declares it is changed; else it is only said how it would be.

        Raises:
            UsageError: There is no such table, it cannot be rehearsed, or something names a column that would go.
            LakehouseError: The transform failed.
        """
        from lakehouse_cli.operations.transform_tests.acceptance import accept_columns
        from lakehouse_cli.operations.transform_tests.yaml_edit import write_text

        found = accept_columns(self.planner.code_anew(), self.table(table), rows, seed)
        if not write or found.text is None:
            return found
        path = self.folder / found.file
        before = path.read_bytes()
        write_text(path, found.text)
        try:
            self.planner.other(self.environment)
        except ProjectError as error:
            write_text(path, before.decode())
            first = error.problems[0]
            message = f"what `{table}` returns does not fit the rest of the project: {first.message}"
            raise UsageError(message, hint="change that first", location=first.location) from None
        return found

    def column_lineage(self, *selection: str, exclude: Iterable[str] = ()) -> tuple[TableLineage, ...]:
        """Which columns of their inputs the columns of tables come from; needs no data.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            exclude: Terms of what to leave out.

        Returns:
            One for each table, after its inputs.

        Raises:
            UsageError: The selection is wrong.
        """
        return self.planner.code.column_lineage(self.select(*selection, exclude=exclude).names)

    def leftovers(self) -> tuple[Stray, ...]:
        """What failed runs left, and stored tables that are no longer declared. Removes nothing.

        Raises:
            StorageError: A storage cannot be looked at.
        """
        return self._leftovers()

    def _leftovers(self, locked: str | None = None) -> tuple[Stray, ...]:
        from lakehouse_cli.operations.clean import find_rows, find_strays

        with self.planner.connected():
            return (*find_strays(self.storages, self.tables, self.name), *find_rows(self.folder, locked))

    def clean(self, leftovers: Iterable[Stray] | None = None) -> tuple[Stray, ...]:
        """Remove leftovers (all that `leftovers` finds by default), while no run goes on.

        Returns:
            Each with `keep` saying why it is still there; None for what is gone.

        Raises:
            LakehouseError: A run goes on, or a storage cannot be looked at.
        """
        from lakehouse_cli.operations.clean import clean

        found = (lambda: self._leftovers(self.environment)) if leftovers is None else lambda: leftovers
        with self.planner.connected():
            return clean(self.folder, self.environment, self.storages, found)

    def copy(
        self,
        *selection: str,
        to: str,
        exclude: Iterable[str] = (),
        partitions: Iterable[str] = (),
        sources: bool = False,
        force: bool = False,
        dry_run: bool = False,
        on_table: Callable[[CopiedTable], None] | None = None,
        on_begin: Callable[[str], None] | None = None,
    ) -> CopyResult:
        """Copy stored tables of this environment and their manifests to another, while no run goes on there.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            to: Name of the other environment.
            exclude: Terms of what to leave out.
            partitions: Which partitions, as `--partition` takes them; none for all.
            sources: Copy sources as well: the columns they declare.
            force: Overwrite also what is newer there, was altered there, or has no manifest there.
            dry_run: Report what would be done, and copy nothing.
            on_table: Called with each table when it has ended.
            on_begin: Called with each table, or partition of one, that is begun.

        Raises:
            UsageError: The selection is wrong; there is no such partition or environment, or it is this one.
            LakehouseError: A run goes on there.
        """
        from lakehouse_cli.project.execution import copy_project
        from lakehouse_cli.runs.events import ignore_event

        terms = RunRequest(selection=selection, exclude=tuple(exclude), partitions=tuple(partitions), force=force)
        reports = (on_table or ignore_event, on_begin or ignore_event)
        return copy_project(self.planner, terms, to, *reports, sources=sources, dry_run=dry_run)

    def diff(
        self,
        *selection: str,
        against: str | None = None,
        exclude: Iterable[str] = (),
        partitions: Iterable[str] = (),
        limit: int = 5,
        on_event: Callable[[Event], None] | None = None,
    ) -> Comparison:
        """Stored tables against those of another environment; or, without one, as they would come out now, unpublished.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            against: Name of the other environment; None compares what would be computed now with what is stored.
            exclude: Terms of what to leave out.
            partitions: Which partitions, as `--partition` takes them; none for all.
            limit: How many examples of each kind of difference to give.
            on_event: Called with what happens as tables are computed, as of `run`.

        Raises:
            UsageError: The selection is wrong, or needs what was never materialized; no such environment, or this one.
        """
        from lakehouse_cli.project.execution import diff_project

        terms = RunRequest(selection=selection, exclude=tuple(exclude), partitions=tuple(partitions))
        return diff_project(self.planner, terms, against, limit, on_event)

    def __repr__(self) -> str:
        return f"<Project {self.name!r}: {plural(len(self.tables), 'table')} in {self.folder}>"
