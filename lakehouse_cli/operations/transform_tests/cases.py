"""Tests as they are run: their rows as Arrow, their table with the params of the test; or what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.transform_tests import Expectation, TransformTest
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.model import Table, UnsetValue
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.partition import HIVE_NULL, Partition
from lakehouse_cli.model.period import PeriodError, period_number
from lakehouse_cli.operations.transform_tests.computing import sample_value
from lakehouse_cli.operations.transform_tests.rows import RowSource, row_source
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.registry import install_command
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.name_lists import first_named


class Expected(Struct, frozen=True):
    """What is expected of one table.

    Attributes:
        rows: The rows; None where something else is expected.
        columns: Those of the rows that are compared, as far as their types are declared.
        names: The columns that are compared.
        count: How many rows.
    """

    rows: RowSource | None = None
    columns: Mapping[str, pa.Array] = {}
    names: tuple[str, ...] = ()
    count: int | None = None


class Case(Struct, frozen=True):
    """A test as it is run.

    Attributes:
        test: As it is written.
        table: The table that it stands in, with the params of the test.
        members: All tables that the same call computes, in the order of the project.
        inputs: Which table goes into which parameter.
        given: The data of each input, and of tables that checks look at.
        expected: What is expected, by table; empty where an error is.
        error: What the message of the error must match; None where none is expected.
        problems: Takes what is found as values are read of which only the result shows the type.
    """

    test: TransformTest
    table: Table
    members: tuple[Table, ...]
    inputs: tuple[Input, ...]
    given: Mapping[str, pa.Table]
    expected: Mapping[str, Expected]
    error: str | None
    problems: Problems


class CaseReader:
    """Makes cases of tests, and finds what is wrong with these.

    Args:
        code: The project's.

    Attributes:
        problems: What was found.
    """

    def __init__(self, code: ProjectCode) -> None:
        self.problems = Problems()
        self._code = code
        self._tables = code.spec.tables
        self._dimensions = code.spec.dimensions
        self._folder: Path = code.folder

    def cases(self, tests: Mapping[str, Iterable[TransformTest]]) -> Iterator[Case]:
        """The cases of all tests that are right, in the order of the project."""
        for name, of_table in tests.items():
            table = self._tables.get(name)
            for test in of_table if table is not None else ():
                if table is not None and (case := self._case(table, test)) is not None:
                    yield case

    def _case(self, table: Table, test: TransformTest) -> Case | None:
        if (refused := self._refusal(table, test)) is not None:
            self.problems.add(refused)
            return None
        params = {**table.params, **test.params}
        for name, value in params.items():
            if isinstance(value, UnsetValue):
                message = f"param `{name}` in test {quoted(test.name)} of table {quoted(table.name)} has no value"
                needed = ", ".join(f"`{each}`" for each in value.variables)
                hint = f"give it one in the test: `params: {{{name}: …}}`, or set {needed}"
                self.problems.report(message, hint, test.location)
                return None
        locations = {**table.locations, **{k: v for k, v in test.places.items() if k.startswith("params")}}
        partition = self._partition(table, test)
        if table.partitions and partition is None:
            return None
        table = replace(table, params=params, partition=partition, locations=locations)
        siblings = [self._tables[name] for name in self._code.graph.siblings(table.name)]
        members = tuple(
            table if each.name == table.name else replace(each, params=params, partition=partition) for each in siblings
        )
        inputs = self._inputs(table, test)
        if inputs is None:
            return None
        looked_at = [name for each in siblings for name in self._code.graph.references(each.name)]
        given = self._given(test, inputs, looked_at, f"test {quoted(test.name)} of table {quoted(table.name)}")
        found = self._expected(test, table, members)
        if given is None or found is None:
            return None
        return Case(test, table, members, inputs, given, *found, self.problems)

    def _partition(self, table: Table, test: TransformTest) -> Partition | None:
        """The partition that a test computes; None where the table has none, or after a problem was reported."""
        given, place = test.partition, test.places.get("partition") or test.location
        owner = f"test {quoted(test.name)} of table {quoted(table.name)}"
        if not table.partitions:
            if given is not None:
                message = f"`partition` of {owner}, and the table has no partitions"
                self.problems.report(message, "remove it", place)
            return None
        written = ", ".join(f"{name}: {self._sample(name)}" for name in table.partitions)
        if given is None or given.keys() != {*table.partitions}:
            wrong = "names no partition" if given is None else "names other dimensions than the table has"
            self.problems.report(f"{owner} {wrong}", f"write `partition: {{{written}}}`", place)
            return None
        for name, value in given.items():
            every = self._dimensions[name].every if name in self._dimensions else None
            try:
                _ = every is None or value == HIVE_NULL or period_number(value, every)
            except PeriodError as error:
                where = test.places.get(f"partition.{name}", place)
                self.problems.report(f"`partition` of {owner}: {error}", error.hint, where)
                return None
        return Partition(table.partitions, tuple(given[name] for name in table.partitions))

    def _sample(self, name: str) -> str:
        return sample_value(name, self._dimensions)

    def _refusal(self, table: Table, test: TransformTest) -> Problem | None:
        """Why a table, or this test of it, cannot be tested; None where it can."""
        owner = f"test {quoted(test.name)} of table {quoted(table.name)}"
        if table.serializer:
            message = f"{owner}: its result is stored as {table.serializer}, and tests compare tables"
            return Problem(message, "test its function by pytest", test.location)
        if table.runs_in_storage:
            message = f"{owner}: its query runs in the database in which it is stored, which a test does without"
            return Problem(message, "remove the test, or `engine: storage`", test.location)
        wants_clock = test.now is not None and table.function is not None
        if wants_clock and find_spec("time_machine") is None:
            message = f"`now` of {owner} needs time-machine, which is not installed"
            return Problem(message, install_command("time_machine"), test.places.get("now"))
        return None

    def _inputs(self, table: Table, test: TransformTest) -> tuple[Input, ...] | None:
        """What its transform takes; None after a problem was reported."""
        inputs = self._code.graph.inputs.get(table.name)
        if test.params:
            computation = self._code.computation(table)
            matched = computation.inputs(self._tables) if computation is not None else None
            for problem in matched.problems if matched is not None else ():
                self.problems.add(problem)
            inputs = matched.inputs if matched is not None and not matched.problems else None
        for each in inputs or ():
            if serializer := self._tables[each.table].serializer:
                message = f"test {quoted(test.name)}: input `{each.table}` is stored as {serializer}, and is no table"
                self.problems.report(message, "test the function by pytest, which can give it any value", test.location)
                return None
        return inputs

    def _given(
        self, test: TransformTest, inputs: Sequence[Input], looked_at: Sequence[str], owner: str
    ) -> dict[str, pa.Table] | None:
        """The data of its inputs, and of the tables that checks look at where they are given."""
        names = list(dict.fromkeys(each.table for each in inputs))
        names += dict.fromkeys(name for name in looked_at if name in test.given and name not in names)
        parameters = {each.parameter: each.table for each in inputs}
        is_right = True
        for name in test.given:
            if name not in names:
                hint = did_you_mean(name, names) or f"its inputs are {first_named(names, 12) if names else 'none'}"
                if name in parameters:
                    hint = f"write `{parameters[name]}`, the table that this parameter takes"
                message = f"`given` of {owner} names {quoted(name)}, which is no input of it"
                self.problems.report(message, hint, test.places.get(f"given.{name}"))
                is_right = False
        found = {name: self._rows_of(name, test) for name in names}
        whole = {name: data for name, data in found.items() if data is not None}
        return whole if is_right and len(whole) == len(found) else None

    def _rows_of(self, name: str, test: TransformTest) -> pa.Table | None:
        """The given rows of an input; columns that they leave out are null."""
        table, rows = self._tables[name], test.given.get(name)
        what = f"`given.{name}` of test {quoted(test.name)}"
        source = None
        if rows is not None:
            source = row_source(rows, test.reader, self.problems, self._folder, what, table.contract.sensitive)
            if source is None:
                return None
        if table.columns is None:
            columns = {each: source.inferred(each) for each in source.names} if source is not None else {}
            return pa.table(columns)
        if source is not None and not source.check_names([each.name for each in table.columns]):
            return None
        count = source.count if source is not None else 0
        arrays = {}
        for column in table.columns:
            kind = to_arrow(column.type)
            is_given = source is not None and column.name in source.names
            arrays[column.name] = source.column(column.name, kind) if source and is_given else pa.nulls(count, kind)
        return pa.table(arrays)

    def _expected(
        self, test: TransformTest, table: Table, members: tuple[Table, ...]
    ) -> tuple[dict[str, Expected], str | None] | None:
        """What is expected of each table, and the pattern of an error; None after a problem was reported."""
        outputs = {each.output: each for each in members if each.output}
        errors = {name: each.error for name, each in test.expect.items() if each.error is not None}
        if errors:
            if "" in errors:
                return {}, errors[""]
            self._report(
                test, f"expect.{next(iter(errors))}", "an error is of the whole call", "write `expect: {error: …}`"
            )
            return None
        found: dict[str, Expected] = {}
        for name, each in test.expect.items():
            of = table if not name else outputs.get(name)
            if of is None:
                hint = did_you_mean(name, outputs) or f"its results are {first_named([*outputs], 12)}"
                if not outputs:
                    hint = "expect a list of rows, `{csv: path}`, `{rows: 3}` or `{error: regex}`"
                self._report(test, f"expect.{name}", f"there is no result {quoted(name)}", hint)
                return None
            if of.serializer:
                message = f"result {quoted(name)} is stored as {of.serializer}, and tests compare tables"
                self._report(test, f"expect.{name}", message, "leave it out")
                return None
            expected = self._rows_expected(test, of, each, f"`{f'expect.{name}' if name else 'expect'}`")
            if expected is None:
                return None
            found[of.name] = expected
        return found, None

    def _rows_expected(self, test: TransformTest, table: Table, expect: Expectation, what: str) -> Expected | None:
        if expect.rows is None:
            return Expected(count=expect.count)
        what = f"{what} of test {quoted(test.name)}"
        source = row_source(expect.rows, test.reader, self.problems, self._folder, what, table.contract.sensitive)
        if source is None:
            return None
        declared = {column.name: to_arrow(column.type) for column in table.columns or ()}
        is_open = table.columns is None or table.extra_columns == "keep"
        if not is_open and not source.check_names([*declared]):
            return None
        for name in test.ignore:
            if not is_open and name not in declared:
                hint = did_you_mean(name, declared) or f"its columns are {first_named([*declared], 12)}"
                self._report(test, "ignore", f"table {quoted(table.name)} has no column {quoted(name)}", hint)
                return None
        names = tuple(name for name in source.names if name not in test.ignore)
        if source.count and not names:
            self._report(test, "expect", "no column is compared", "name a column in its rows, or write `{rows: 3}`")
            return None
        columns = {name: source.column(name, declared[name]) for name in names if name in declared}
        return Expected(source, columns, names)

    def _report(self, test: TransformTest, place: str, message: str, hint: str | None) -> None:
        where: Location | None = test.places.get(place) or test.places.get("expect") or test.location
        self.problems.report(f"test {quoted(test.name)}: {message}", hint, where)
