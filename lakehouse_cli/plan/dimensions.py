"""Whether the partitions of computed tables can be made of those of their inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.model import ProjectSpec, Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.dimension import EVERY, Dimension, Every, InputOptions
from lakehouse_cli.model.file_pattern import file_pattern, reads_many_files
from lakehouse_cli.model.nesting import dimensions_for, of_time, share_clocks
from lakehouse_cli.model.partition import FILE
from lakehouse_cli.model.period import nests
from lakehouse_cli.model.project import UNREAD_PATH
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.text.close_names import did_you_mean

#: What a dimension may be that is not declared: by the type of its column, and by its name.
_EVERY_OF_TYPE: dict[str, Every] = {"date32": "day", "date64": "day", "timestamp": "hour"}
_EVERY_OF_NAME: dict[str, Every] = {**{each: each for each in EVERY}, "date": "day", "dt": "day", "ds": "day"}


def dimension_problems(spec: ProjectSpec, graph: AssetGraph) -> Iterator[Problem]:
    """What is wrong with the partitions of tables in the light of their inputs.

    Args:
        spec: The project.
        graph: Its tables, as far as their inputs are known.
    """
    for name, edges in graph.inputs.items():
        table = graph.tables[name]
        if table.partitions and not table.quarantine_of:
            yield from _Mapping(table, edges, spec, graph.inputs).problems()


def _may_have_more(table: Table) -> bool:
    """Whether a table may have dimensions that only a look at its files shows, or that are written and wrong."""
    if UNREAD_PATH in table.locations:
        return True
    pattern = file_pattern(table.path) if table.kind == "source" and not table.partitions else None
    return pattern is not None and (pattern.is_folder or "=" in table.path)


def _in_zone(dimension: Dimension, zone: str) -> str:
    """What to write so that a dimension has a zone."""
    if dimension.location is not None:
        return f"`timezone: {zone}` for `{dimension.name}`"
    return f"`{dimension.name}: {{every: {dimension.every}, timezone: {zone}}}` under `dimensions:`"


class _Mapping(Struct):
    table: Table
    edges: tuple[Input, ...]
    spec: ProjectSpec
    inputs: Mapping[str, tuple[Input, ...]]

    @property
    def owner(self) -> str:
        return f"table `{self.table.name}`"

    @property
    def dimensions(self) -> Mapping[str, Dimension]:
        return self.spec.dimensions

    @property
    def others(self) -> list[tuple[Input, Table]]:
        """The inputs that are other tables."""
        return [(each, self.spec.tables[each.table]) for each in self.edges if each.table != self.table.name]

    def problems(self) -> Iterator[Problem]:
        if FILE in self.table.partitions:
            yield from self._of_files()
        else:
            yield from self._of_dimensions()
        for edge in self.edges:
            yield from self._of_input(edge, self.spec.tables.get(edge.table, self.table))

    def _of_files(self) -> Iterator[Problem]:
        place = self.table.where("partitions")
        sources = [f"`{each}`" for each in self._sources_of_files()]
        if not sources:
            message = f"{self.owner} has a partition of each file, and reads no source of many files"
            hint = (
                "read a source whose path is a pattern or a folder: `raw/sales_*`, or a table with `partitions: [file]`"
            )
            yield Problem(message, hint, place)
        elif len(sources) > 1:
            message = f"{self.owner} has a partition of each file, and reads more than one source of many files:"
            hint = "give each a table of its own with `partitions: [file]`, and read those in a table without"
            yield Problem(f"{message} {', '.join(sources)}", hint, place)

    def _sources_of_files(self) -> list[str]:
        """The sources of many files that it reads by file, itself or through tables that do so."""
        read = {each.name: each for _, each in self.others}
        names = [*read]
        for name in names:
            if read[name].partitions == (FILE,):
                more = {edge.table: self.spec.tables[edge.table] for edge in self.inputs.get(name, ())}
                names += [each for each in more if each not in read]
                read |= more
        return [name for name in names if reads_many_files(read[name]) and file_pattern(read[name].path)]

    def _of_dimensions(self) -> Iterator[Problem]:
        place, unknown = self.table.where("partitions"), False
        open_ended = any(_may_have_more(each) for _, each in self.others)
        made = [each for each in self.table.partitions if not self._is_given(each)]
        for name in made:
            holders = [each for _, each in self.others if self._has(each, name)]
            if holders or open_ended:
                continue
            unknown = True
            if of_time([name], self.dimensions) and any(self._does_not_nest(name, each) for _, each in self.others):
                continue  # which is reported of that input
            if of_time([name], self.dimensions) and any(self._undeclared_period(each) for _, each in self.others):
                continue  # likewise
            where = self.table.where(f"partitions.{self.table.partitions.index(name)}", "partitions")
            yield self._unheld(name, where or place)
        if unknown or open_ended or len(made) < 2:
            return
        if not any(all(self._has(each, name) for name in made) for _, each in self.others):
            names = " and ".join(f"`{each}`" for each in made)
            hint = "give a dimension of time a `start`, and list the values of another: `region: [eu, us]`"
            message = f"no input of {self.owner} has {names} together, so that their combinations are not known"
            yield Problem(message, hint, place)

    def _unheld(self, name: str, place: Location | None) -> Problem:
        dimension = self.dimensions.get(name)
        made = (each for other in self.spec.tables.values() if other.kind == "source" for each in other.partitions)
        known = {*(each for each, other in self.dimensions.items() if other.location is not None), *made}
        if name not in known:
            message = f"dimension `{name}` of {self.owner} is not declared, and no input has it"
            hint = did_you_mean(name, known) or "declare it under `dimensions:`, or read an input that has it"
            return Problem(message, hint, place)
        message = f"no input of {self.owner} has the dimension `{name}`"
        start = "give it a `start` under `dimensions:`" if dimension is not None and dimension.every else ""
        start = start or "list its values under `dimensions:`"
        return Problem(message, f"read an input that has it, or {start}", place)

    def _does_not_nest(self, name: str, other: Table) -> bool:
        """Whether an input has periods, and none that nest with those of a dimension of time."""
        is_of_time = of_time(other.partitions, self.dimensions)
        return bool(is_of_time) and not dimensions_for(name, other.partitions, self.dimensions)

    def _undeclared_period(self, other: Table) -> tuple[str, Every] | None:
        """A dimension of an input that is of time, by its column or its name, where nothing says so; and its periods.

        None where the input has a dimension that is known to be of time.
        """
        if of_time(other.partitions, self.dimensions):
            return None
        types = {each.source_name: each.type.id for each in other.columns or ()}
        for name in other.partitions:
            dimension = self.dimensions.get(name)
            every = _EVERY_OF_TYPE.get(types.get(name, ""))
            if every is None and (dimension is None or not dimension.values):
                every = _EVERY_OF_NAME.get(name.lower())
            if every is not None:
                return name, every
        return None

    def _is_given(self, name: str) -> bool:
        """Whether the values of a dimension are known without any input."""
        dimension = self.dimensions.get(name)
        return dimension is not None and (dimension.start is not None or dimension.values is not None)

    def _has(self, table: Table, name: str) -> bool:
        """Whether the partitions of an input say which values of a dimension there are."""
        found = dimensions_for(name, table.partitions, self.dimensions)
        every = self.dimensions[name].every if name in self.dimensions else None
        if every is None:
            return bool(found)
        return any((finer := self.dimensions[each].every) is not None and nests(finer, every) for each in found)

    def _of_input(self, edge: Input, other: Table) -> Iterator[Problem]:
        parameter = edge.parameter or ""
        options = self.table.input_options.get(parameter, InputOptions())
        what = f"input `{parameter or other.name}` of {self.owner}"
        place = self.table.where(f"inputs.{parameter}", "inputs", "function", "sql", "sql_file")
        times = of_time(self.table.partitions, self.dimensions)
        of_input = of_time(other.partitions, self.dimensions)
        for name in times:
            found = dimensions_for(name, other.partitions, self.dimensions)
            if len(found) > 1:
                message = f"{what} has the dimensions `{found[0]}` and `{found[1]}`, either of which could be `{name}`"
                yield Problem(message, f"call one of the two `{name}`, or divide the table by one of them", place)
            elif self._does_not_nest(name, other):
                yield self._apart(self.dimensions[name], self.dimensions[of_input[0]], other, place)
        unknown = self._undeclared_period(other) if times and options.within is None else None
        if unknown is not None:
            name, every = unknown
            zone = self.dimensions[times[0]].timezone
            message = f"{what} has the dimension `{name}`, of which nothing says that it is of time,"
            in_zone = "" if zone == "UTC" else f", timezone: {zone}"
            hint = f"write `{name}: {{every: {every}{in_zone}}}` under `dimensions:`"
            yield Problem(f"{message} and each `{times[0]}` would get all of its rows", hint, place)
        shared = [each for each in self.table.partitions if dimensions_for(each, other.partitions, self.dimensions)]
        for name in options.at:
            if name in times and name not in shared and not _may_have_more(other):
                message = f"`at` of {what} names `{name}`, and `{other.name}` has no such dimension"
                hint = "remove it, or choose rows by time: `within: {column: …}`"
                yield Problem(message, hint, self.table.where(f"inputs.{parameter}.at", f"inputs.{parameter}"))
        if options.missing == "skip" and not shared and not _may_have_more(other):
            message = f"`missing` of {what} says what becomes of its partitions, and it has none of these dimensions"
            yield Problem(message, "remove it", self.table.where(f"inputs.{parameter}.missing", f"inputs.{parameter}"))
        if options.within is not None:
            yield from self._within(options.within.column, what, parameter, other)

    def _apart(self, own: Dimension, its: Dimension, other: Table, place: Location | None) -> Problem:
        """That the periods of the table, and those of an input, do not nest."""
        message = f"`{own.name}` of {self.owner} and `{its.name}` of `{other.name}` do not nest"
        if share_clocks(own, its):
            hint = "divide one of the two by days: weeks begin in one month or year and end in the next"
            return Problem(message, hint, place)
        message += f": `{own.name}` is by the clocks of {own.timezone}, and `{its.name}` by those of {its.timezone}"
        ways = (_in_zone(one, zone.timezone) for one, zone in ((its, own), (own, its)))
        return Problem(message, f"give both the same timezone: {', or '.join(ways)}", place)

    def _within(self, column: str, what: str, parameter: str, other: Table) -> Iterator[Problem]:
        place = self.table.where(f"inputs.{parameter}.within", f"inputs.{parameter}")
        if other.serializer:
            yield Problem(f"`within` of {what}: `{other.name}` is no table", "remove it", place)
        elif of_time(other.partitions, self.dimensions):
            times = of_time(self.table.partitions, self.dimensions)
            neighbours = f"write `at: {{{times[0]}: [-1, 0]}}` for neighbours of the period, or " if times else ""
            hint = f"{neighbours}remove it"
            yield Problem(f"`within` of {what}: `{other.name}` is partitioned by time itself", hint, place)
        elif other.columns is not None:
            declared = {each.name: each.type for each in other.columns}
            is_unread = f"columns.{column}" in other.locations
            if column not in declared and other.extra_columns != "keep" and not is_unread:
                hint = did_you_mean(column, declared) or "name one of its columns"
                yield Problem(f"`within` of {what}: `{other.name}` has no column `{column}`", hint, place)
            elif column in declared and declared[column].id not in ("date32", "date64", "timestamp"):
                message = f"`within` of {what}: column `{column}` of `{other.name}` is {declared[column]}, and no time"
                yield Problem(message, "name a column that is a date or a timestamp", place)
