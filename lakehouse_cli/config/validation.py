"""What a project means, judged on values: spec → problems. Where it was written does not matter.

Reading sees to what each value is by itself: the type of a column, the path of a table, the options of a format. What
two of them say of each other is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from lakehouse_cli.code.source import SourceError
from lakehouse_cli.config.cluster_options import CLUSTERS
from lakehouse_cli.config.collisions import Collisions
from lakehouse_cli.config.many_files import many_files_problems, overlap_problems
from lakehouse_cli.config.options import column_conflict, option_conflict
from lakehouse_cli.config.partitions import partition_problems
from lakehouse_cli.config.paths import length_problem, suffix_problem
from lakehouse_cli.config.problems import quoted
from lakehouse_cli.config.several_results import result_problems
from lakehouse_cli.errors import Location, Problem, StorageError
from lakehouse_cli.formats import FormatSpec, SerializerSpec, find_form
from lakehouse_cli.formats.objects.spec import PATHS
from lakehouse_cli.model import Column, ProjectSpec, StorageSpec, Table
from lakehouse_cli.model.column_type import whole_type
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.file_pattern import may_be_of_path
from lakehouse_cli.model.quarantine import quarantine_table
from lakehouse_cli.storage_types import StorageType, find_type, scheme_of
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.name_lists import any_of


class PlaceMap(Protocol):
    """Where the parts of tables are written."""

    def column_type(self, table: Table, column: str) -> Location | None:
        """The place of a column's type."""

    def unread(self, table: Table) -> Collection[str]:
        """Parts that could not be read, by dotted path (``"columns.a"``): a problem of theirs is reported already."""

    def options_place(self, table: Table, is_wrong: Callable[[Mapping[str, Any]], object]) -> Location | None:
        """The place of options that are wrong together, told apart by whether some options are."""

    def overridden(self, name: str) -> str | None:
        """What to do where an environment's storage has no place for what a source says of its file; None elsewhere."""


def validate(spec: ProjectSpec, places: PlaceMap) -> Iterator[Problem]:
    """Everything wrong with a project that can be known without data and code.

    Args:
        spec: The project.
        places: Where parts of its tables are written, beyond what they say of themselves.
    """
    validation = _Validation(spec.storages, places, spec.dimensions)
    for table in spec.tables.values():
        yield from validation.table(table)
        if table.contract.checks:
            from lakehouse_cli.config.check_validation import check_problems  # not loaded where no table has checks

            yield from check_problems(table, spec, places.unread)
        if table.quarantine is not None:
            from lakehouse_cli.config.quarantine import quarantine_problems

            yield from quarantine_problems(table, spec.tables)
            yield from validation.quarantine(quarantine_table(table))
    yield from result_problems(spec.tables.values(), places.unread)
    yield from overlap_problems(spec)
    yield from partition_problems(spec, places.unread)
    if spec.together:
        yield from together_problems(spec.tables.values())
    yield from executor_problems(spec)


def executor_problems(spec: ProjectSpec) -> Iterator[Problem]:
    """What the workers of the project's executor could not do, where they are on other machines."""
    if spec.executor in CLUSTERS:
        from lakehouse_cli.config.clusters import cluster_problems  # not loaded where all is computed here

        yield from cluster_problems(spec)


def together_problems(tables: Iterable[Table]) -> Iterator[Problem]:
    """What cannot wait for the other tables of its run, where these are published together."""
    for table in tables:
        if table.runs_in_storage:
            message = f"table {quoted(table.name)} cannot be published together with others: its query runs in the"
            message += " transaction that publishes it"
            hint = "remove `engine: storage`, or publish each by itself (without `publish: together`, `--together`)"
            yield Problem(message, hint, table.where("engine"))


def find_collisions(spec: ProjectSpec) -> Iterator[Problem]:
    """What is wrong with tables each of which is right by itself, as far as the disk decides it: two in one place."""
    collisions = Collisions()
    for table in spec.tables.values():
        with_own = (table,) if table.quarantine is None else (table, quarantine_table(table))
        for each in with_own:
            if collision := collisions.of(each, spec.storages[each.storage]):
                yield collision


class _Validation(Struct):
    storages: Mapping[str, StorageSpec]
    places: PlaceMap
    dimensions: Mapping[str, Dimension] = {}
    collisions: Collisions = field(default_factory=Collisions)
    _types: dict[str, StorageType | None] = field(default_factory=dict)

    def table(self, table: Table) -> Iterator[Problem]:
        owner = f"table {quoted(table.name)}"
        if table.columns is not None and (table.key or table.order_by):
            unread = self.places.unread(table)
            for key, names in (("key", table.key), ("order_by", table.order_by)):
                yield from _name_problems(table, table.columns, owner, unread, key, names)
        storage = self.storages.get(table.storage)
        if storage is None:
            hint = did_you_mean(table.storage, self.storages) or "declare it under `storages`"
            yield Problem(f"storage `{table.storage}` of {owner} is not declared", hint, table.where("storage"))
            return
        spec = find_form(table)
        if isinstance(spec, SerializerSpec) and spec.runs_code and table.kind == "source":
            message = f"{owner} is a source stored as {spec.name}: to read one runs whatever code its bytes name"
            hint = "compute it in this project, which then knows what it stored; or save it in another format"
            yield Problem(message, hint, table.where("format"))
        if table.serializer:
            yield from _path_problems(table, owner)
        yield from many_files_problems(table, owner, self.dimensions)
        if spec is not None and table.options:
            yield from _option_problems(table, storage, spec, owner, self.places)
        if table.contract.placed:
            yield from _column_option_problems(table, spec or self._type_of(storage), owner, self.places)
            if table.contract.has_other_names:
                yield from _from_problems(table, spec, owner, self.places.overridden(table.name))
        yield from self._type_problems(table, storage, spec, owner)
        yield from self._name_problems(table, storage, owner)
        if spec is not None and table.path != table.name and (wrong := suffix_problem(table, spec)):
            yield Problem(f"path {quoted(table.path)} of {owner} {wrong[0]}", wrong[1], table.where("path"))
        known = self._type_of(storage)
        in_folder = known is not None and known.root.startswith("folder") and scheme_of(storage.root) is None
        if in_folder and (wrong := length_problem(table)):
            yield Problem(f"path {quoted(table.path)} of {owner} {wrong[0]}", wrong[1], table.where("path"))
        if collision := self.collisions.of(table, storage):
            yield collision

    def quarantine(self, table: Table) -> Iterator[Problem]:
        """What is wrong with the place and the columns of a quarantine, which the table itself does not show."""
        owner, storage = f"table {quoted(table.name)}", self.storages.get(table.storage)
        if storage is None:
            return
        known = self._type_of(storage)
        names = known.names if known is not None else None
        wrong = length_problem(table) if names is None else names.path_problem(table.path)
        if wrong is not None:
            hint = "give the table a shorter name or `path:`, or remove `quarantine`"
            why = wrong[0] if names is None else wrong[1]
            yield Problem(f"path {quoted(table.path)} of {owner} {why}", hint, table.where("quarantine"))
        if collision := self.collisions.of(table, storage):
            yield collision

    def _type_of(self, storage: StorageSpec) -> StorageType | None:
        """The type of a storage; None where it is not known, which was reported then."""
        if storage.type not in self._types:
            try:
                self._types[storage.type] = find_type(storage.type, storage.folder or Path())
            except SourceError:
                self._types[storage.type] = None
        return self._types[storage.type]

    def _type_problems(
        self, table: Table, storage: StorageSpec, spec: FormatSpec | None, owner: str
    ) -> Iterator[Problem]:
        """Whether format and storage can hold the columns."""
        storage_type = self._type_of(storage)
        if spec is not None and not spec.writable and table.kind == "computed":
            message = f"{owner} is computed, and format {spec.name} is read-only"
            hint = "choose another `format`, or make it `kind: source`"
            yield Problem(message, hint, table.where("format", "storage"))
        for what, holder in (("format", spec), ("storage type", storage_type)):
            if holder is None or holder.refusal is None:
                continue
            for column in table.columns or ():
                why = holder.refusal(column.type)
                if why is not None:
                    message = f"{what} {holder.name} cannot hold column {quoted(column.name)} of {owner}: {why}"
                    hint = "choose another type, or a storage that can hold it"
                    yield Problem(message, hint, self.places.column_type(table, column.name))
        divides = storage_type.dimension_refusal if storage_type is not None and table.kind == "computed" else None
        dimensions = [each for each in table.columns or () if each.name in table.partitions]
        for column in dimensions if divides is not None else ():
            if divides is not None and (why := divides(column.type)) is not None:
                message = (
                    f"storage type {storage.type} has no partitions by column {quoted(column.name)} of {owner}: {why}"
                )
                hint = "declare it as `string`, or as `date32` for a day, week, month or year"
                yield Problem(message, hint, self.places.column_type(table, column.name))

    def _name_problems(self, table: Table, storage: StorageSpec, owner: str) -> Iterator[Problem]:
        """Whether the database takes the names of the table and of its columns."""
        storage_type = self._type_of(storage)
        names = storage_type.names if storage_type is not None else None
        if storage_type is None or names is None:
            return
        wrong = names.path_problem(table.path) if "path" not in self.places.unread(table) else None
        if wrong is not None:
            part, why = wrong
            which = "" if part == table.path else f": {quoted(part)}"
            message = f"path {quoted(table.path)} of {owner}{which} {why}"
            yield Problem(message, "give the table another `path:`", table.where("path"))
        places = {str(column.from_ or column.name): column.location for column in table.columns or ()}
        for name, why in names.column_problems(places):
            hint = "give the column another name in the contract and in the transform"
            if table.kind == "source":
                hint = f"leave it out, or give the column another name here and in the {storage_type.name} table"
            yield Problem(f"column {quoted(name)} of {owner} {why}", hint, places[name])


def _path_problems(table: Table, owner: str) -> Iterator[Problem]:
    """What a file or folder that a transform writes cannot be."""
    if table.serializer == "folder" and table.kind == "source":
        message = f"{owner} is a source stored as folder, which is an archive that lakehouse makes"
        yield Problem(message, "declare a source for each file: `format: file`", table.where("format"))
    if table.serializer in PATHS and table.output:
        message = f"{owner} is one of several results, and {table.serializer} is written by a function of its own"
        yield Problem(message, "compute it by a function of its own", table.where("output"))


def _name_problems(
    table: Table, columns: Sequence[Column], owner: str, unread: Collection[str], key: str, wanted: Sequence[str]
) -> Iterator[Problem]:
    """Columns that a key of the table names, and that are not declared or have no order."""
    if "columns" in unread:
        return
    declared = {column.name: column for column in columns}
    for index, name in enumerate(wanted):
        place = table.where(f"{key}.{index}")
        if name not in declared and f"columns.{name}" not in unread:
            message = f"`{key}` of {owner} names column {quoted(name)}, which is not declared"
            yield Problem(message, did_you_mean(name, declared) or "declare it under `columns`", place)
        elif key == "order_by" and name in declared and declared[name].type.is_nested:
            message = f"`order_by` of {owner} names column {quoted(name)}, and {declared[name].type} has no order"
            yield Problem(message, "order by columns that are no lists, structs or maps", place)


def _option_problems(
    table: Table, storage: StorageSpec, spec: FormatSpec, owner: str, places: PlaceMap
) -> Iterator[Problem]:
    """Options that contradict each other, unless those of the storage alone do."""
    if conflict := option_conflict(table.options, spec):
        inherited = storage.options if table.format == storage.format else {}
        if not option_conflict(inherited, spec):
            where = places.options_place(table, lambda options: option_conflict(options, spec))
            yield Problem(f"{owner}: {conflict[0]}", conflict[1], where)
        return
    checked = spec.checked(table.options)
    if table.kind == "computed":
        try:
            checked.check_written()
        except StorageError as error:
            yield Problem(f"{owner}: {error.message}", error.hint, table.where("options", "storage"))
    for column in table.columns or ():
        if not column.options and (conflict := column_conflict(checked, column)):
            place = f"column {quoted(column.name)} of {owner}"
            where = places.options_place(table, partial(_conflict_with, column, spec))
            yield Problem(f"{place}: {conflict[0]}", conflict[1], where or column.location)


def _column_option_problems(
    table: Table, spec: FormatSpec | StorageType | None, owner: str, places: PlaceMap
) -> Iterator[Problem]:
    """Options of columns that format or database lacks, that the types cannot use, or that contradict the others."""
    overridden = places.overridden(table.name)
    for column in table.columns or ():
        place = f"column {quoted(column.name)} of {owner}"
        sound = True
        for name in column.options:
            wrong = _unusable(name, column, spec, table, overridden)
            if wrong is not None:
                sound = False
                yield Problem(f"`{name}` of {place}: {wrong[0]}", wrong[1], column.locations.get(name))
        if not column.options or not sound or not isinstance(spec, FormatSpec):
            continue
        if option_conflict(table.options, spec):
            continue
        if conflict := _conflict_with(column, spec, table.options):
            named = next((name for name in column.options if f"`{name}" in conflict[0]), "")
            of_table = table.where("options")
            where = places.options_place(table, partial(_conflict_with, column, spec))
            where = where if where != of_table else column.locations.get(named) or of_table
            yield Problem(f"{place}: {conflict[0]}", conflict[1], where)


def _conflict_with(column: Column, spec: FormatSpec, options: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """The conflict of options with those of a column, or with its type."""
    own = spec.of_column(options, column.options)
    return option_conflict(own, spec) or column_conflict(spec.checked(own), column)


def _unusable(
    name: str, column: Column, spec: FormatSpec | StorageType | None, table: Table, overridden: str | None
) -> tuple[str, str] | None:
    """Why a column cannot have an option, and what to do; None where it can."""
    if spec is None:  # reported where the type of storage is
        return None
    what = f"format {spec.name}" if isinstance(spec, FormatSpec) else f"storage type {spec.name}"
    option = spec.option(name)
    if option is None or not option.by_column:
        known = [each.name for each in spec.options if each.by_column]
        hint = did_you_mean(name, known) or (
            f"remove it: its columns may have {any_of(known)}" if known else "remove it"
        )
        return f"{what} has no such option for columns", overridden or hint
    if not option.fits(column.type):
        fitting = [each.name for each in spec.options if each.fits(column.type)]
        hint = (
            did_you_mean(name, fitting)
            or f"declare the column as {any_of([whole_type(each) for each in option.by_column])}, or remove it"
        )
        return f"it is for {any_of(option.by_column)}, not {column.type}", hint
    allowed = option.schema.get("enum")
    if allowed is not None and column.options[name] not in allowed:
        return f"{what} has no `{column.options[name]}`", f"write {any_of([f'`{each}`' for each in allowed])}"
    if table.kind == "computed" and isinstance(spec, StorageType):
        return "it is for sources, and this table is computed", "remove it: its values are stored in one form"
    return None


def _from_problems(table: Table, spec: FormatSpec | None, owner: str, overridden: str | None) -> Iterator[Problem]:
    """Columns whose `from` their table or its format cannot use."""
    by_position = spec is not None and spec.by_position
    of_files = [each for each in table.columns or () if not may_be_of_path(table, each)]
    positions = by_position and table.options.get("header") is False and any(each.from_ for each in of_files)
    names: dict[str | int, Column] = {}
    for column in table.columns or ():
        place = f"`from` of column {quoted(column.name)} of {owner}"
        where = column.locations.get("from", column.location)
        other = names.setdefault(column.from_ or column.name, column)
        if table.kind == "computed":
            if column.from_ is not None:
                hint = "remove it: a computed table has its columns under their own names"
                yield Problem(f"{place} is for sources, and this table is computed", hint, where)
        elif isinstance(column.from_, int) and not by_position:
            what = f"format {spec.name}" if spec is not None else f"storage `{table.storage}`"
            hint = f'name it: `from: "name in the file"`, and `from: "{column.from_}"` if that is its name'
            yield Problem(f"{place} is a position, and columns of {what} go by name", overridden or hint, where)
        elif positions and not isinstance(column.from_, int) and column in of_files:
            message = "is a name" if column.from_ else "is not set, though that of another column is"
            hint = "give each column its position in the file, such as `from: 1`"
            yield Problem(f"{place} {message}, and `header: false` leaves positions alone", hint, where)
        elif other is not column and not by_position:
            hint = f"remove one of the two: {quoted(other.name)} is read from there as well"
            yield Problem(f"{place} is that of another column", hint, where)
