"""A loaded project as it is declared, stored and recorded; nothing here changes anything of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import EnvironmentSpec, Table
from lakehouse_cli.model.file_pattern import reads_many_files
from lakehouse_cli.model.manifest import FileRecord
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.reasons import of_another_run
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.project.loading import ValidProject
from lakehouse_cli.project.notebook import project_page
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.project.table import ProjectTable
from lakehouse_cli.storage.base import AssetStorage, Stray
from lakehouse_cli.storage.capabilities import local_files, read_version
from lakehouse_cli.text.close_names import did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse_cli.errors import FailedRow
    from lakehouse_cli.operations.objects import ShownObject
    from lakehouse_cli.operations.preview import Answer, Shown
    from lakehouse_cli.project.stored_objects import StoredObjects
    from lakehouse_cli.runs.failed_rows import KeptRows
    from lakehouse_cli.runs.history.records import RunList, RunRecord, TableHistory


class StoredProject:
    """A loaded and valid project, to be looked at: the base of `Project`.

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
            hint = did_you_mean(str(name), self.tables) or "`lakehouse ls` lists the tables"
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

    @property
    def stored(self) -> StoredEnvironment:
        """The tables as they are declared and stored here."""
        return self.planner.stored

    def read_arrow(self, table: str, partition: Mapping[str, Any] | None = None) -> pa.Table:
        """A stored table with its declared types, as a `pyarrow.Table`.

        Args:
            table: Its name.
            partition: Some of its partitions, as of `read`.

        Raises:
            UsageError: There is no such table, or no such partition.
            MissingDataError: It was never materialized.
            DataError: What is stored is not as declared.
            StorageError: It was stored in another form, such as with other options, than is declared now.
        """
        if serializer := self.table(table).serializer:
            raise UsageError(f"`{table}` is stored as {serializer} and no table", hint="`Project.read` loads it")
        from lakehouse_cli.project.chosen_partitions import partition_texts

        texts = partition_texts(partition or {}, self.spec.dimensions)
        with self.planner.connected():
            return self._stored_by(table, texts).read(table)

    def _stored_by(self, table: str, partitions: Sequence[str]) -> StoredEnvironment:
        """The tables as they are stored, of one only some partitions, as of `--partition`; none for all."""
        from lakehouse_cli.plan.partition_choice import parse_partitions
        from lakehouse_cli.project.chosen_partitions import narrowed

        choice = parse_partitions(partitions, self.spec.dimensions)
        return self.stored if choice is None else narrowed(self.stored, [table], choice)

    def read(self, table: str, partition: Mapping[str, Any] | None = None) -> Any:
        """A stored table as a `pandas.DataFrame`, numpy dtypes where they are exact; what is no table as it was.

        Partitions of what is no table are a dict, whose keys are what parameters named as the dimensions get; where
        `partition` names each dimension, it is the object of that partition.

        Of a file or folder it is a path: of the file of this machine that it is stored in, else of a copy, which goes
        as the process ends.

        Args:
            table: Its name.
            partition: By dimension, of which partitions to read: ``{"month": "2024-01"}``, a range such as
                ``"2024-01..2024-06"``, or a date or time in the period; None for all.

        Raises:
            UsageError: There is no such table, or no such partition.
            MissingDataError: It was never materialized.
            DataError: What is stored is not as declared.
            StorageError: It is a pickle that no run of this project stored.
        """
        from lakehouse_cli.transforms import frame_type_of

        declared = self.table(table)
        if declared.serializer:
            return self._objects.read(declared, partition or {})
        return frame_type_of(None).from_arrow(self.read_arrow(table, partition))

    @property
    def _objects(self) -> StoredObjects:
        from lakehouse_cli.project.stored_objects import StoredObjects  # of such assets alone

        return StoredObjects(self.planner, self._stored_by)

    def export(self, name: str, path: str | os.PathLike[str], *, partitions: Sequence[str] = ()) -> int:
        """Write the bytes of an asset that is no table to a file that is not there yet; returns how many.

        Args:
            name: The asset.
            path: Of the file.
            partitions: Of an asset by partition, which one, as `--partition` takes it.

        Raises:
            UsageError: There is no such asset, it is a table, several partitions are chosen, or the file is there.
            MissingDataError: It was never materialized.
            LakehouseError: The file cannot be written.
        """
        return self._objects.export(self._no_table(name), Path(path), partitions)

    @contextmanager
    def stored_bytes(self, name: str, *, partitions: Sequence[str] = ()) -> Iterator[Iterator[memoryview]]:
        """The bytes of an asset that is no table as they are stored, part by part; a folder's are its archive.

        Args:
            name: The asset.
            partitions: As of `export`.

        Raises:
            UsageError: There is no such asset, it is a table, or several partitions are chosen.
            MissingDataError: It was never materialized.
        """
        declared = self._no_table(name)
        with self.planner.connected():
            yield self._objects.parts(declared, partitions)

    def _no_table(self, name: str) -> Table:
        declared = self.table(name)
        if not declared.serializer:
            hint = f"`lakehouse show {name}` shows it, and {self.storage(name).uri(declared)} is its data"
            raise UsageError(f"`{name}` is a table, and assets that are not tables are written to files", hint=hint)
        return declared

    def local_copy(self, name: str, *, partitions: Sequence[str] = ()) -> str:
        """The file of this machine that an asset is stored in; of a folder, or one that is stored elsewhere, a copy.

        Copies are in the project's local state, one of each asset, which the next call replaces.

        Args:
            name: The asset.
            partitions: As of `export`.

        Raises:
            UsageError: There is no such asset, it is a table that is stored elsewhere, or it has several partitions.
            MissingDataError: It was never materialized.
        """
        declared, storage = self.table(name), self.storage(name)
        if reads_many_files(declared):
            hint = f"`lakehouse show {name} --files` names them"
            raise UsageError(f"`{name}` is many files, {storage.uri(declared)}", hint=hint)
        if declared.serializer:
            return self._objects.local_copy(declared, partitions)
        found = next(filter(os.path.isfile, () if declared.is_many_units else local_files(storage, declared)), None)
        if found is None:
            self.read_arrow(name)
            hint = f"`lakehouse show {name}` shows its rows"
            raise UsageError(f"{storage.uri(declared)} is no file of this machine", hint=hint)
        return found

    def show(
        self, table: str, count: int = 10, *, version: int | None = None, partitions: Sequence[str] = ()
    ) -> Shown | ShownObject:
        """A stored table's columns, where it lives, how many rows it has, and the first of them.

        Of an asset that is no table: its type, size, when and from what it was made.

        Args:
            table: Its name.
            count: How many rows.
            version: An older one, where its storage keeps versions; None for the table as it is.
            partitions: Which of its partitions, as `--partition` takes them; none for all.

        Raises:
            UsageError: There is no such table, version or partition, or the number is negative.
            MissingDataError: It was never materialized.
            DataError: What is stored is not as declared.
        """
        declared, storage = self.table(table), self.storage(table)
        with self.planner.connected():
            if declared.serializer and version is None:
                return self._objects.describe(declared, partitions)
            stored = self._stored_by(table, partitions)
            declared = stored.tables[table]
            there = declared.selected or ()
            if declared.partitions and not there:
                from lakehouse_cli.project.chosen_partitions import stored_partitions

                there = stored_partitions(storage, declared)
            data = stored.read(table) if version is None else read_version(storage, declared, version)
            notes = () if version is not None else self._notes(declared)
        from lakehouse_cli.operations.preview import shown

        return replace(shown(declared, storage.uri(declared), data, count, there), notes=notes)

    def _notes(self, table: Table) -> tuple[str, ...]:
        """What there is to say of a quarantine: that its rows are those of another run than stored its table."""
        if not table.quarantine_of:
            return ()
        states = self.stored.snapshot((table.name, table.quarantine_of)).states
        return tuple(reason.message for reason in of_another_run(table, states))

    def stored_partitions(self, *selection: str, partitions: Iterable[str]) -> tuple[Stray, ...]:
        """Stored partitions of computed tables, which `clean` removes where they are given to it. Removes nothing.

        Args:
            selection: Terms of the selection grammar.
            partitions: Which partitions, as `--partition` takes them.

        Raises:
            UsageError: The selection is wrong, or there are no such partitions.
            StorageError: A storage cannot be looked at.
        """
        from lakehouse_cli.operations.clean import find_partitions
        from lakehouse_cli.plan.partition_choice import parse_partitions
        from lakehouse_cli.project.chosen_partitions import narrowed_selection

        chosen = self.planner.select(selection, (), None)
        choice = parse_partitions(partitions, self.planner.spec.dimensions)
        computed = tuple(name for name in chosen.names if self.tables[name].kind == "computed")
        if choice is None:
            return ()
        with self.planner.connected():
            stored, chosen = narrowed_selection(self.stored, replace(chosen, names=computed), choice)
            tables = [(self.tables[name], stored.tables[name].selected or ()) for name in chosen.names]
            return tuple(
                each for table, found in tables for each in find_partitions(self.storages[table.storage], table, found)
            )

    def files(self, source: str) -> tuple[FileRecord, ...]:
        """The files of a source of many, in order of name.

        Raises:
            UsageError: There is no such table, or it is not one of many files.
            MissingDataError: No file matches.
            StorageError: They cannot be looked at.
        """
        table, storage = self.table(source), self.storage(source)
        if not reads_many_files(table):
            hint = f"`lakehouse show {source}` shows it, and {storage.uri(table)} is its data"
            raise UsageError(f"`{source}` is not a source of many files", hint=hint)
        with self.planner.connected():
            found = storage.content(table, ())
            return storage.scan(table, table.columns).pieces_with_content(())[1].files if found is None else found.files

    def sql(self, query: str) -> pa.Table:
        """The result of a query over the stored tables; changes nothing.

        Args:
            query: One SELECT, in DuckDB's SQL; `$name` is a param of the project.

        Raises:
            UsageError: It is wrong, or names no table, or a param that there is not.
            TransformError: It failed.
            LakehouseError: A table that it names was never materialized, or cannot be read.
        """
        from lakehouse_cli.operations.query import query_tables
        from lakehouse_cli.plan.queries import QueryCode

        with self.planner.connected():
            return query_tables(query, self.planner.spec, QueryCode(self.folder), self.read_arrow)

    def ask(self, query: str, count: int | None = None) -> Answer:
        """The result of a query over the stored tables as `lakehouse sql` shows it: its columns and first rows.

        Args:
            query: As of `sql`, which raises the same.
            count: How many rows; None for all.
        """
        from lakehouse_cli.operations.preview import answer

        return answer(self.sql(query), count)

    def failed_rows(self, table: str, partitions: Sequence[str] = (), *, one: bool = False) -> tuple[KeptRows, ...]:
        """The rows of a table that broke its contract when it ran last, with reasons, by partition.

        Args:
            table: Its name.
            partitions: Of a partitioned table, which, as `--partition` takes it; all of which rows are kept.
            one: Whether they may be of one partition alone.

        Raises:
            UsageError: There is no such table, or rows of several partitions are kept and one is asked for.
        """
        from lakehouse_cli.project.failed_partitions import partitions_with_rows
        from lakehouse_cli.project.stored_violations import StoredViolations
        from lakehouse_cli.runs.failed_rows import FailedRowsStore

        declared, spec = self.table(table), self.planner.spec
        store = FailedRowsStore(self.folder, spec.environment, self.planner.mask)
        is_divided = declared.partitions and declared.kind == "computed"
        names = [declared.name, *(store.partitions(declared.name) if is_divided else ())]
        kept = {name: each for name in names if (each := store.read(name)) is not None}
        kept = StoredViolations(lambda: self.storages[declared.storage], declared, self.planner.mask).beside(kept)
        names = names[:1]
        if is_divided:
            units = [name for name in kept if name != declared.name]
            names = partitions_with_rows(declared, units, partitions, spec.dimensions, one=one)
        found, hidden = tuple(kept[name] for name in names if name in kept), declared.contract.sensitive
        if not hidden:
            return found
        from lakehouse_cli.contracts.hiding import hide_kept

        return tuple(replace(each, failed=hide_kept(each.failed, hidden)) for each in found)

    def all_failed_rows(self, table: str, kept: KeptRows) -> Iterator[FailedRow]:
        """All rows of a table that broke its contract, in order, however many; see `failed_rows`.

        Args:
            table: Its name.
            kept: What is kept of it; its `file` has all of them.
        """
        from lakehouse_cli.violating_rows.reading import read_rows

        written = kept.failed.written
        if kept.file is None or written is None:
            return iter(kept.failed.rows)
        return read_rows(written, Path(kept.file), self.table(table).contract.sensitive)

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

    def __getitem__(self, table: str) -> ProjectTable:
        """One table, to be read, shown, planned and run.

        Raises:
            KeyError: There is none of that name; with close matches.
        """
        try:
            return ProjectTable(self, self.table(table))
        except UsageError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.tables)

    def _repr_html_(self) -> str:
        from lakehouse_cli.text.page import to_html

        return to_html(project_page(self))
