"""What a query hands through comes out equal to the last bit, or is refused; common values are never refused."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, note, settings

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, TransformError
from lakehouse_cli.model import Column, ColumnType, Contract, SqlQuery, Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.storage_types.duckdb import refusal
from lakehouse_cli.transforms import SharedTable
from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.call import run_query
from tests.properties.drawn_tables import CHANCES, Chance, build, column_type, common, first_that, plain, values

LAW = settings(
    max_examples=60,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
COUNTED = "i"


with QueryAnalysis() as analysis:
    QUERY = SqlQuery("select * from t", reading=analysis.read(["select * from t"])[0])


def through(data: pa.Table, kinds: dict[str, ColumnType]) -> pa.Table:
    """All of `t` by a query, as it would be published."""
    columns = tuple(Column(name, kind) for name, kind in kinds.items())
    table = Table("result", contract=Contract(columns), query=QUERY)
    return enforce(run_query(table, [(Input("t", "t"), SharedTable(data))]), columns).table


def table_of(values: list[Any], kind: ColumnType) -> pa.Table:
    """Rows in an order of their own, which what is stored comes in."""
    array = build(values, kind)
    schema = pa.schema([(COUNTED, pa.int64()), ("a column", to_arrow(kind))])
    table = pa.Table.from_arrays([pa.array(range(len(values)), pa.int64()), array], schema=schema)
    note(table)
    return table


@LAW
@given(CHANCES)
def test_values_are_unchanged_or_refused(chance: Chance) -> None:
    kind = column_type(chance)
    given_table = table_of(values(chance, kind, 5), kind)
    declared = {COUNTED: ColumnType("int64"), "a column": kind}
    try:
        back = through(given_table, declared)
    except (TransformError, ContractError) as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "a column" in refused
        return
    back.validate(full=True)
    assert back.schema == given_table.schema
    after = pa.concat_arrays(back["a column"].chunks) if back.num_rows else given_table["a column"].combine_chunks()
    assert plain(after, kind) == plain(given_table["a column"].combine_chunks(), kind)


@settings(LAW, max_examples=20)
@given(CHANCES)
def test_common_values_are_never_refused(chance: Chance) -> None:
    """Three columns at once: a query of one takes as long."""
    kinds = {
        f"column {at}": first_that(lambda kind: refusal(kind) is None, lambda: column_type(chance)) for at in range(3)
    }
    rows = chance.randrange(6)
    arrays = {name: build([common(chance, kind) for _ in range(rows)], kind) for name, kind in kinds.items()}
    given_table = pa.table({COUNTED: pa.array(range(rows), pa.int64()), **arrays})
    note(given_table)
    back = through(given_table, {COUNTED: ColumnType("int64"), **kinds})
    for name, kind in kinds.items():
        assert plain(back[name].combine_chunks(), kind) == plain(given_table[name].combine_chunks(), kind), name
