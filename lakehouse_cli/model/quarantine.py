"""The quarantine of a table: the rows of its result that broke checks, as a table beside it."""

from __future__ import annotations

import json

from msgspec.structs import replace

from lakehouse_cli.model.check import Check
from lakehouse_cli.model.column_type import parse_column_type
from lakehouse_cli.model.contract import Column, Contract
from lakehouse_cli.model.project import Table

SUFFIX = "__quarantine"
#: What a row of a quarantine has beside its values: the checks that it broke, the run, its number in the result from 1.
REASON_COLUMNS = {"_checks": "string", "_run_id": "string", "_row": "int64"}
#: The one that is another for each run, whatever the rows.
RUN_COLUMN = "_run_id"


def quarantine_table(table: Table) -> Table:
    """The table that keeps the rows which break the checks of another, with what it declares for it."""
    columns = None
    if table.columns is not None:
        own = tuple(replace(each, nullable=True, checks=()) for each in table.columns)
        columns = own + tuple(
            Column(name, parse_column_type(kind), location=table.location) for name, kind in REASON_COLUMNS.items()
        )
    return replace(
        table,
        name=f"{table.name}{SUFFIX}",
        path=f"{table.path}{SUFFIX}",
        contract=Contract(columns, (), table.extra_columns),
        order_by=(),
        description=f"Rows of `{table.name}` that broke its checks.",
        quarantine=None,
        quarantine_of=table.name,
    )


def judges_for_quarantine(table: Table, check: Check) -> bool:
    """Whether rows that break a check can be put aside: it judges each row, and keeps the table from being published.

    A check that looks for values in the table itself is judged on the rows that are left.
    """
    return check.is_of_rows and check.blocks and check.references != table.name


def puts_rows_aside(table: Table) -> bool:
    """Whether rows of a table can be put aside at all, as defaults for all tables leave it open."""
    can = table.kind == "computed" and not table.serializer and not table.output and not table.runs_in_storage
    return can and any(judges_for_quarantine(table, each) for each in table.contract.checks)


def quarantine_rules(table: Table) -> str:
    """All that decides which rows are put aside, but for code and other tables, as text."""
    rules = [
        (check.judged_as(), check.severity, check.warn_above, check.error_above)
        for check in table.contract.checks
        if judges_for_quarantine(table, check)
    ]
    return json.dumps(rules)
