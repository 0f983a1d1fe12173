"""A query over stored tables, which changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from lakehouse_cli.config.params import lost_digits
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, DataError, UsageError
from lakehouse_cli.model import ProjectSpec, SqlQuery, Table, UnsetValue
from lakehouse_cli.plan.project_params import is_mixed, mixed_list
from lakehouse_cli.plan.queries import QueryCode, QueryComputation
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.sql import tokens
from lakehouse_cli.transforms import SharedTable

if TYPE_CHECKING:
    import pyarrow as pa


def query_tables(text: str, spec: ProjectSpec, code: QueryCode, read: Callable[[str], pa.Table]) -> pa.Table:
    """Run a query, one SELECT, over stored tables; it takes the params of the project that it names.

    Returns:
        The result, of types that can be declared.

    Raises:
        UsageError: The query is wrong, or names no table.
        TransformError: It failed.
        DataError: Values of the result have no type that can be declared.
        LakehouseError: A table cannot be read.
    """
    tables = spec.tables
    try:
        table = code.with_reading(Table("", query=SqlQuery(text, file="query"), reproducible=False))
    finally:
        code.close()
    reading = table.query.reading if table.query is not None else None
    if reading is not None and reading.params:
        table = replace(table, params={name: _param(name, spec) for name in reading.params})
    if reading is not None and reading.problem is None and reading.tables is None:  # the parser cannot say
        words = {token.strip('"') for token in tokens(text)}
        table = replace(table, inputs=tuple(name for name in tables if name in words))
    matched = QueryComputation(table, code).inputs(tables)
    if matched.inputs is None or matched.problems:
        first = matched.problems[0]
        raise UsageError(first.message, hint=first.hint or "correct the query", location=first.location)
    for each in matched.inputs:
        if serializer := tables[each.table].serializer:
            message = f"`{each.table}` is stored as {serializer}, and a query reads tables"
            raise UsageError(message, hint=f"`lakehouse show {each.table}` describes it")
    inputs = [(each, SharedTable(read(each.table))) for each in matched.inputs]
    result = QueryComputation(table, now=datetime.now(UTC)).run(inputs)
    try:
        return enforce(result, None).table
    except ContractError as error:
        raise DataError(error.message, error.violations, hint=error.hint or "cast it in the query") from error


def _param(name: str, spec: ProjectSpec) -> Any:
    """The value of a param that the query names."""
    param = spec.params.get(name)
    if param is None:
        hint = did_you_mean(name, spec.params) or "write the value in the query, or declare it under `params:`"
        raise UsageError(f"the query has a param `${name}`, which the project has not", hint=hint)
    if param.is_private or isinstance(param.value, UnsetValue):
        raise UsageError(f"param `{name}` is filled in from a variable, and is not shown", hint="leave it out")
    if param.loses_digits:
        raise lost_digits(name)
    if is_mixed(param.value):
        raise mixed_list(name)
    return param.value
