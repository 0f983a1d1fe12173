"""The results of a test: the transform called on the given rows, and the contracts of what it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow.ordering import order_problem, sort_rows
from lakehouse_cli.code.importing import pinned
from lakehouse_cli.contracts import check, enforce
from lakehouse_cli.contracts.hiding import hide_sensitive
from lakehouse_cli.engines.spark_session import spark_of_run
from lakehouse_cli.errors import CORRECT_DATA, ContractError, DataError, Interrupted, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.dimension import Dimension, Every
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.period import SAMPLES
from lakehouse_cli.operations.transform_tests.checked_rows import CheckedRows
from lakehouse_cli.operations.transform_tests.clock import frozen_clock
from lakehouse_cli.plan.computations import runnable_computation
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.runner.contract import explained
from lakehouse_cli.runner.dimension_columns import DimensionColumns
from lakehouse_cli.runner.interrupts import Interrupts
from lakehouse_cli.transforms import SharedTable, load_transform
from lakehouse_cli.transforms.several_results import call_for_results


@contextmanager
def transforms_of(code: ProjectCode) -> Iterator[Callable[..., dict[str, pa.Table]]]:
    """Have the transforms of a project called as its code was read; gives `compute` for its folder."""
    folder = code.folder.resolve()
    with Interrupts(_interrupt).heeded(), pinned(folder, code.snapshot.files), spark_of_run(code.spec.spark, folder):

        def compute(
            members: Sequence[Table],
            inputs: Sequence[Input],
            given: Mapping[str, pa.Table],
            now: datetime | None = None,
            checks: CheckedRows | None = None,
        ) -> dict[str, pa.Table]:
            members = [in_partition(each, code.spec.dimensions) for each in members]
            every = {name: each.every for name, each in code.spec.dimensions.items()}
            given = {
                name: _of_partition(data, code.spec.tables[name], members[0], inputs, every)
                for name, data in given.items()
            }
            return _compute(members, inputs, given, now, folder, checks, code.spec.dimensions)

        yield compute


def _of_partition(
    data: pa.Table,
    of: Table,
    unit: Table,
    inputs: Sequence[Input],
    every: Mapping[str, Every | None],
) -> pa.Table:
    """The given rows of an input, with the values of columns that they leave out and the partition decides.

    Args:
        data: As they are given; columns that they leave out are null.
        of: The input.
        unit: What is computed.
        inputs: Which input goes into which parameter.
        every: The periods of dimensions; None for those of texts.
    """
    if unit.partition is None:
        return data
    options = (unit.input_options.get(each.parameter or "") for each in inputs if each.table == of.name)
    near = {name for each in options if each is not None for name in each.at}
    shared = tuple(name for name in unit.partition.dimensions if name in of.partitions and name not in near)
    row = DimensionColumns(replace(of, partition=unit.partition.only(shared)), every).row
    for name in row.column_names:
        if data[name].null_count == data.num_rows:
            values = row[name].take(pa.repeat(pa.scalar(0), data.num_rows))
            data = data.set_column(data.column_names.index(name), name, values)
    return data


def in_partition(table: Table, dimensions: Mapping[str, Dimension]) -> Table:
    """A table as one of its partitions is computed: that which it has, else any; as it is where it has none."""
    if not table.partitions:
        return table
    values = tuple(sample_value(name, dimensions) for name in table.partitions)
    table = replace(table, partition=table.partition or Partition(table.partitions, values))
    return replace(table, params=table.sample_params)


def sample_value(name: str, dimensions: Mapping[str, Dimension]) -> str:
    """A value that a dimension may have."""
    dimension = dimensions.get(name)
    if dimension is None or dimension.every is None:
        return ((dimension and dimension.values) or ("a",))[0]
    return dimension.start or SAMPLES[dimension.every]


def _interrupt() -> NoReturn:
    """End at Ctrl-C: Python's own exception would be taken for one that the transform raised."""
    raise Interrupted


def _compute(
    members: Sequence[Table],
    inputs: Sequence[Input],
    given: Mapping[str, pa.Table],
    now: datetime | None,
    folder: Path,
    checks: CheckedRows | None,
    dimensions: Mapping[str, Dimension],
) -> dict[str, pa.Table]:
    """Compute the tables of one call, each with its contract enforced.

    Args:
        members: The tables.
        inputs: Which input goes into which parameter.
        given: The data of the inputs.
        now: What clocks show; None for the time it is.
        folder: The project's.
        checks: Judges the checks of the results; None where neither these are judged nor of which partition rows are.
        dimensions: Those of the project, by name.

    Raises:
        LakehouseError: The transform failed, or a result breaks its contract.
    """
    first = members[0]
    shared = {name: SharedTable(data) for name, data in given.items()}
    arguments = [(each, shared[each.table]) for each in inputs]
    if first.function is not None:
        # Its module is imported by the clock that there is.
        load_transform(first.function, folder, of_table=first.returns_table)
        with frozen_clock(now):
            if first.output:
                results = call_for_results(first.function, folder, members, arguments, uses_duckdb=False)
            else:
                # What it yields is computed as it is asked for.
                results = {first.name: _whole(runnable_computation(first, folder).run(arguments))}
    else:
        computation = runnable_computation(first, folder, now=now or datetime.now(UTC))
        results = {first.name: computation.run(arguments)}
    tables = {each.name: each for each in members}
    every = {name: each.every for name, each in dimensions.items()}
    found = {}
    for name, each in results.items():
        filled = DimensionColumns(tables[name], every)
        found[name] = enforced(_whole(filled.filled(each)), tables[name], folder, checks)
        if checks is not None:
            with filled.judging() as check:
                check(found[name])
    return found


def _whole(result: pa.Table | Iterator[pa.Table]) -> pa.Table:
    return result if isinstance(result, pa.Table) else pa.concat_tables(list(result))


def enforced(result: pa.Table, table: Table, folder: Path, checks: CheckedRows | None = None) -> pa.Table:
    """A result that keeps its contract, in the order of its rows.

    Args:
        result: What was computed.
        table: With its contract.
        folder: The project's.
        checks: Judges its checks; None where these are not judged.

    Raises:
        ContractError: It does not.
        TransformError: It has no columns to order by.
    """
    if table.serializer:
        return result
    try:
        kept = enforce(result, table.columns, key=table.key, extra_columns=table.extra_columns).table
    except ContractError as error:
        raise explained(error, table, folder, result.schema) from None
    if (problem := order_problem(kept.schema, table.order_by)) is not None:
        index, message, hint = problem
        raise TransformError(message, hint=hint, location=table.where(f"order_by.{index}"))
    kept = sort_rows(kept, table.row_order) if table.row_order else kept
    if checks is not None:
        try:
            checks.judge(table, kept)
        except ContractError as error:
            raise explained(error, table, folder, None) from None
    return kept


def check_given(data: pa.Table, table: Table, checks: CheckedRows) -> None:
    """Refuse given rows that break the contract of their table.

    Raises:
        DataError: They do.
    """
    found = check(data, table.columns, key=table.key)
    if found.violations:
        first = found.violations[0]
        error = DataError(first.message)
        found.describe(error, {})
    else:
        try:
            checks.judge(table, data)
        except ContractError as broken:
            error = DataError(broken.message)
            error.violations, error.failed = broken.violations, broken.failed
        else:
            return
    hide_sensitive(error, table.contract.sensitive, table.key)
    error.message, error.hint = f"given rows of `{table.name}`: {error.message}", CORRECT_DATA
    raise error
