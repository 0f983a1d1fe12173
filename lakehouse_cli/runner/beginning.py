"""The events with which a run begins: what it goes through, and how long that takes."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from lakehouse_cli.model import Table
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.runner.schedule import expected_durations, expected_end
from lakehouse_cli.runs.events import RunEstimated, RunStarted


def run_started(plan: Plan, tables: Mapping[str, Table], run_id: str) -> RunStarted:
    """Make the event with which the run of a plan begins.

    Args:
        plan: The plan, by table.
        tables: All tables.
        run_id: The run's id.
    """
    names = tuple(table.name for table in plan.tables if table.kind == "computed" or table.is_validated)
    computed = [table for table in plan.tables if table.kind == "computed"]
    never = [
        not table.up_to_date
        and "never_materialized" in {reason.code for reason in table.reasons}
        and all(unit.state is None or not unit.state.exists for unit in table.partitions)
        for table in computed
    ]
    return RunStarted(
        run_id,
        plan.project,
        plan.environment,
        names,
        plan.notes,
        tuple(name for name in names if tables[name].serializer) or UNSET,
        plan.params or UNSET,
        UNSET if plan.as_of is None else plan.as_of.isoformat(),
        True if len(never) > 1 and all(never) else UNSET,
        plan.left or UNSET,
    )


def run_estimated(plan: Plan, durations: Mapping[str, float], workers: int) -> RunEstimated | None:
    """Estimate how long a run takes; None where none of its tables has a history.

    Args:
        plan: The plan; by partition where tables have them.
        durations: Seconds each table took before.
        workers: How many are computed at once.
    """
    if plan.cost is not None:
        return None if plan.cost.seconds is None else RunEstimated(plan.cost.seconds, {})
    expected = expected_durations(plan.due, durations)
    return RunEstimated(round(expected_end(plan.due, expected, workers), 3), expected) if expected else None
