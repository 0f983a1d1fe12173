"""The public facade: load a project, plan it, run it, read its tables."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.config.files import declared_project_file, project_file
from lakehouse_cli.declarations import DeclaredProject
from lakehouse_cli.errors import UsageError, did_you_mean
from lakehouse_cli.model import DEFAULT_ENVIRONMENT, EnvironmentSpec, Table
from lakehouse_cli.model.run_request import RunRequest
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planning import Plan
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.project.loading import ValidProject, load_valid_project
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.storage.base import AssetStorage, Stray
from lakehouse_cli.storage.capabilities import read_version
from lakehouse_cli.storage.opening import check_installed
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from lakehouse_cli.model.column_lineage import TableLineage
    from lakehouse_cli.operations.comparing import Comparison
    from lakehouse_cli.operations.copying import CopiedTable, CopyResult
    from lakehouse_cli.operations.preview import Answer, Shown
    from lakehouse_cli.runs.events import Event, Moment, RunResult
    from lakehouse_cli.runs.failed_rows import KeptRows
    from lakehouse_cli.runs.history.records import RunList, RunRecord, TableHistory


class Project:
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

    def __init__(self, project: ValidProject, environ: Mapping[str, str]) -> None:
        self.spec = project.spec
        self.environment = project.spec.environment
        self.planner = Planner(project, environ)
        self._environ = environ

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        env: str | None = None,
        environ: Mapping[str, str] | None = None,
        thorough: bool = False,
        incomplete: bool = False,
        declared: DeclaredProject | str | None = None,
    ) -> Project:
        """Load a project.

        Args:
            path: The project file or its folder; None searches the current folder and those above.
            env: Name of the environment; ``default`` is what stands at the top of the file.
            environ: Environment variables for ``${VAR}``, before those in a file ``.env``; this process's by default.
            thorough: Validate the tables in every environment, not in the chosen one alone, read all the
                code that decides their content, and look for the packages that the chosen environment needs.
            incomplete: Let variables be unset. Such a project is there to be looked at: its storages may not be.
            declared: A `Lakehouse`, or its ``module`` or ``module:name``, in place of a project file in folder `path`.

        Raises:
            ProjectError: The project is invalid; carries every problem found, with its place.
            UsageError: There is no such environment.
        """
        environ = os.environ if environ is None else environ
        wanted = env or DEFAULT_ENVIRONMENT
        file = project_file(path) if declared is None else declared_project_file(path, declared)
        found = load_valid_project(file, environ, wanted, thorough=thorough, incomplete=incomplete, declared=declared)
        if thorough:
            check_installed(found.spec)
        return cls(found, environ)

    @property
    def graph(self) -> AssetGraph:
        """The tables, and what each is computed from."""
        return self.planner.code.graph

    @property
    def name(self) -> str:
        """The project's name."""
        return self.spec.name

    @property
    def environments(self) -> Mapping[str, EnvironmentSpec]:
        """All environments by name, ``default`` first."""
        return self.spec.environments

    @property
    def folder(self) -> Path:
        """The folder of the project file."""
        return self.spec.folder

    @property
    def tables(self) -> Mapping[str, Table]:
        """All declared tables by name, in the order of the project file."""
        return self.spec.tables

    def table(self, name: str) -> Table:
        """One declared table.

        Raises:
            UsageError: There is none of that name; with close matches.
        """
        if name not in self.tables:
            hint = did_you_mean(name, self.tables) or "`lakehouse ls` lists the tables"
            raise UsageError(f"there is no table `{name}`", hint=hint)
        return self.tables[name]

    @property
    def storages(self) -> Mapping[str, AssetStorage]:
        """The storages by name.

        Raises:
            ProjectError: Packages that they need are not installed.
            LakehouseError: A class of the user's is no storage, or cannot be imported.
        """
        return self.planner.storages

    def storage(self, table: str) -> AssetStorage:
        """The storage a table lives in."""
        return self.storages[self.table(table).storage]

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
        force: bool = False,
        failed: bool = False,
        defer: str | None = None,
    ) -> Plan:
        """What `run` would do with a selection, and why. Changes nothing and runs none of the user's code.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            exclude: Terms of what to leave out.
            force: Plan to run what is up to date as well.
            failed: Only tables that failed, were skipped or were cancelled in the last run that went for them.
            defer: Name of the environment from which inputs are read that are neither selected nor here.

        Raises:
            UsageError: The selection is wrong, or needs a table that was never materialized; no such environment.
        """
        terms = RunRequest(selection=selection, exclude=tuple(exclude), force=force, failed=failed, defer=defer)
        return self.planner.plan(terms)

    def run(
        self,
        *selection: str,
        exclude: Iterable[str] = (),
        force: bool = False,
        failed: bool = False,
        defer: str | None = None,
        fail_fast: bool = False,
        executor: str | None = None,
        workers: int | None = None,
        wait: bool = False,
        on_event: Callable[[Event], None] | None = None,
        asked: Moment | None = None,
    ) -> RunResult:
        """Bring a selection of tables (every table by default) up to date, in dependency order.

        A table that fails is reported in the result, not raised; what needs it is skipped and the rest goes on.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            exclude: Terms of what to leave out.
            force: Run what is up to date as well.
            failed: Only tables that failed, were skipped or were cancelled in the last run that went for them.
            defer: Name of the environment from which inputs are read that are neither selected nor here; nothing is
                ever written there.
            fail_fast: Start nothing more once a table has failed.
            executor: ``threads``, ``serial`` or ``processes``; the project file's by default.
            workers: How many tables at once; the project file's, else the executor's choice by default.
            wait: Wait for another run of this project and environment to end, rather than raise.
            on_event: Called with everything that happens, such as a reporter's `handle`.
            asked: When the run was asked for, from which its time counts; by default now, or when `wait` is over.

        Raises:
            UsageError: The selection is wrong, or needs a table that was never materialized; there is no such executor.
            LakehouseError: Another run holds the lock.
        """
        from lakehouse_cli.project.execution import run_project

        terms = RunRequest(selection=selection, exclude=tuple(exclude), force=force, failed=failed, defer=defer)
        request = replace(terms, fail_fast=fail_fast, executor=executor, workers=workers, wait=wait)
        return run_project(self.planner, request, on_event, asked)

    def read_arrow(self, table: str) -> pa.Table:
        """A stored table with its declared types, as a `pyarrow.Table`.

        Raises:
            UsageError: There is no such table.
            MissingDataError: It was never materialized.
            DataError: What is stored is not as declared.
            StorageError: It was stored in another form, such as with other options, than is declared now.
        """
        with self.planner.connected():
            return self.stored.read(self.table(table).name)

    def read(self, table: str) -> pd.DataFrame:
        """A stored table as transforms are given it: a `pandas.DataFrame`, numpy dtypes where they are exact.

        Raises:
            UsageError: There is no such table.
            MissingDataError: It was never materialized.
            DataError: What is stored is not as declared.
        """
        from lakehouse_cli.transforms import frame_type_of

        frame: pd.DataFrame = frame_type_of(None).from_arrow(self.read_arrow(table))
        return frame

    def show(self, table: str, count: int = 10, *, version: int | None = None) -> Shown:
        """A stored table's columns, where it lives, how many rows it has, and the first of them.

        Args:
            table: Its name.
            count: How many rows.
            version: An older one, where its storage keeps versions; None for the table as it is.

        Raises:
            UsageError: There is no such table, or no such version.
            MissingDataError: It was never materialized.
            DataError: What is stored is not as declared.
        """
        declared, storage = self.table(table), self.storage(table)
        with self.planner.connected():
            data = self.read_arrow(table) if version is None else read_version(storage, declared, version)
        from lakehouse_cli.operations.preview import shown

        return shown(declared, storage.uri(declared), data, count)

    def sql(self, query: str) -> pa.Table:
        """The result of a query over the stored tables; changes nothing.

        Args:
            query: One SELECT, in DuckDB's SQL.

        Raises:
            UsageError: It is wrong, or names no table.
            TransformError: It failed.
            LakehouseError: A table that it names was never materialized, or cannot be read.
        """
        from lakehouse_cli.operations.query import query_tables
        from lakehouse_cli.plan.queries import QueryCode

        with self.planner.connected():
            return query_tables(query, self.planner.spec.tables, QueryCode(self.folder), self.read_arrow)

    def ask(self, query: str, count: int | None = None) -> Answer:
        """The result of a query over the stored tables as `lakehouse sql` shows it: its columns and first rows.

        Args:
            query: As of `sql`, which raises the same.
            count: How many rows; None for all.
        """
        from lakehouse_cli.operations.preview import answer

        return answer(self.sql(query), count)

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

    def failed_rows(self, table: str) -> KeptRows | None:
        """The rows of a table that broke its contract when it ran last, with reasons; None where none did.

        Raises:
            UsageError: There is no such table.
        """
        from lakehouse_cli.runs.failed_rows import FailedRowsStore

        name = self.table(table).name
        return FailedRowsStore(self.folder, self.planner.spec.environment, self.planner.mask).read(name)

    def runs(self, limit: int | None = None) -> RunList:
        """The runs in the history, newest first."""
        from lakehouse_cli.runs.history import reading as history

        return history.runs(self.folder, limit=limit)

    def run_record(self, run_id: str = "last") -> RunRecord:
        """One run of the history, by its id, what is enough of it, or ``last``.

        Raises:
            UsageError: There is no such run.
            LakehouseError: It cannot be read.
        """
        from lakehouse_cli.runs.history import reading as history

        return history.read(self.folder, run_id)

    def table_history(self, table: str) -> TableHistory:
        """One table over time, newest run first; also one that is no longer declared."""
        from lakehouse_cli.runs.history import reading as history

        return history.table_history(self.folder, table)

    def leftovers(self) -> tuple[Stray, ...]:
        """What failed runs left, and stored tables that are no longer declared. Removes nothing.

        Raises:
            StorageError: A storage cannot be looked at.
        """
        from lakehouse_cli.operations.clean import find_strays

        with self.planner.connected():
            return find_strays(self.storages, self.tables, self.name)

    def clean(self, leftovers: Iterable[Stray] | None = None) -> tuple[Stray, ...]:
        """Remove leftovers (all that `leftovers` finds by default), while no run goes on.

        Returns:
            Each with `keep` saying why it is still there; None for what is gone.

        Raises:
            LakehouseError: A run goes on, or a storage cannot be looked at.
        """
        from lakehouse_cli.operations.clean import clean

        found = self.leftovers if leftovers is None else lambda: leftovers
        with self.planner.connected():
            return clean(self.folder, self.environment, self.storages, found)

    @property
    def stored(self) -> StoredEnvironment:
        """The tables as they are declared and stored here."""
        return self.planner.stored

    def copy(
        self,
        *selection: str,
        to: str,
        exclude: Iterable[str] = (),
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
            sources: Copy sources as well: the columns they declare.
            force: Overwrite also what is newer there, was altered there, or has no manifest there.
            dry_run: Report what would be done, and copy nothing.
            on_table: Called with each table when it has ended.
            on_begin: Called with each table that is begun.

        Raises:
            UsageError: The selection is wrong; there is no such environment, or it is this one.
            LakehouseError: A run goes on there.
        """
        from lakehouse_cli.operations.copying import copy_tables

        chosen = self.select(*selection, exclude=exclude)
        other = self.planner.other(to)
        with self.planner.connected(), other.connected():
            return copy_tables(
                self.name,
                self.folder,
                chosen,
                self.stored,
                other.stored,
                sources=sources,
                force=force,
                dry_run=dry_run,
                mask=self.planner.mask_with(other),
                on_table=on_table,
                on_begin=on_begin,
            )

    def diff(
        self,
        *selection: str,
        against: str | None = None,
        exclude: Iterable[str] = (),
        limit: int = 5,
        on_event: Callable[[Event], None] | None = None,
    ) -> Comparison:
        """Stored tables against those of another environment; or, without one, as they would come out now, unpublished.

        Args:
            selection: Terms of the selection grammar; none selects every table.
            against: Name of the other environment; None compares what would be computed now with what is stored.
            exclude: Terms of what to leave out.
            limit: How many examples of each kind of difference to give.
            on_event: Called with what happens as tables are computed, as of `run`.

        Raises:
            UsageError: The selection is wrong, or needs what was never materialized; no such environment, or this one.
        """
        from lakehouse_cli.project.execution import diff_project

        terms = RunRequest(selection=selection, exclude=tuple(exclude))
        return diff_project(self.planner, terms, against, limit, on_event)

    def __repr__(self) -> str:
        return f"<Project {self.name!r}: {plural(len(self.tables), 'table')} in {self.folder}>"
