"""Numbers of a query in a database become those of declared types exactly where Python's own arithmetic says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_cli.model import ColumnType
from lakehouse_cli.storage.relational import duckdb_conversions, postgresql_conversions
from lakehouse_cli.storage.relational.contract_sql import Conversion
from tests.servers.postgresql import PostgreSQL

FLOAT, DECIMAL, INT = ColumnType("float64"), ColumnType("decimal128", precision=10, scale=2), ColumnType("int32")
#: Floats with few digits, whole numbers about powers of two, and whatever else fits into DECIMAL(38, 12).
NUMBERS = st.one_of(
    st.decimals(min_value=-(10**25), max_value=10**25, places=12),
    st.decimals(min_value=-1000, max_value=1000, places=2),
    st.integers(-(10**8), 10**8).map(lambda n: Decimal(n) / 2**10),
    # PostgreSQL refuses greater ones as floats.
    st.integers(0, 62).flatmap(lambda bits: st.integers(-3, 3).map(lambda off: Decimal(2**bits + off))),
).map(lambda number: number.quantize(Decimal(1).scaleb(-12), context=Context(prec=60)))
LIMITS = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Ask = Callable[[Sequence[Decimal], Sequence[str]], list[tuple[Any, ...]]]


def exact(number: Decimal, declared: ColumnType) -> bool:
    """Whether a value of a declared type equals a number."""
    if declared == FLOAT:
        return Fraction(float(number)) == Fraction(number)
    if declared == DECIMAL:
        return number == number.quantize(Decimal("0.01"), context=Context(prec=60)) and abs(number) < 10**8
    return number == int(number) and -(2**31) <= number < 2**31


def judged(ask: Ask, numbers: Sequence[Decimal], conversion: Callable[[ColumnType], Conversion | None]) -> None:
    for declared in (FLOAT, DECIMAL, INT):
        found = conversion(declared)
        assert found is not None
        faults = " OR ".join(f"coalesce({fault.condition}, false)" for fault in found.faults)
        refused = ask(numbers, [f"CASE WHEN {faults} THEN 1 ELSE 0 END"])
        assert [bool(int(row[0])) for row in refused] == [not exact(number, declared) for number in numbers], declared
        kept = [number for number in numbers if exact(number, declared)]
        values = ask(kept, [f"{found.expression}"]) if kept else []
        assert [Fraction(str(row[0])) if declared != FLOAT else Fraction(float(row[0])) for row in values] == [
            Fraction(number) for number in kept
        ]


@given(numbers=st.lists(NUMBERS, min_size=20, max_size=60, unique=True))
@LIMITS
def test_duckdb(numbers: list[Decimal]) -> None:
    with duckdb.connect() as connection:

        def ask(numbers: Sequence[Decimal], wanted: Sequence[str]) -> list[tuple[Any, ...]]:
            values = ", ".join(f"({n}, {number:f}::DECIMAL(38, 12))" for n, number in enumerate(numbers))
            query = f"SELECT {', '.join(wanted)} FROM (VALUES {values}) AS v(n, x) ORDER BY n"
            return list(connection.execute(query).fetchall())

        judged(ask, numbers, lambda declared: duckdb_conversions.conversion("x", "DECIMAL(38,12)", declared))


@pytest.fixture(scope="module")
def database(postgresql_server: PostgreSQL) -> str:
    return postgresql_server.new_database()


@given(numbers=st.lists(NUMBERS, min_size=20, max_size=60, unique=True))
@LIMITS
def test_postgresql(numbers: list[Decimal], postgresql_server: PostgreSQL, database: str) -> None:
    def ask(numbers: Sequence[Decimal], wanted: Sequence[str]) -> list[tuple[Any, ...]]:
        values = ", ".join(f"({n}, {number:f}::numeric)" for n, number in enumerate(numbers))
        query = f"SELECT {', '.join(wanted)} FROM (VALUES {values}) AS v(n, x) ORDER BY n"
        return list(postgresql_server.run(query, database))

    judged(ask, numbers, lambda declared: postgresql_conversions.conversion("x", "numeric", declared))
