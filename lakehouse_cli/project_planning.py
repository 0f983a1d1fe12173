"""The plan of a selection: what is stored, and what is written, at this moment."""

from __future__ import annotations

from msgspec.structs import replace

from lakehouse_cli.deferring import Deferral, states_with, states_with_rows
from lakehouse_cli.planning import Plan, PlannedTable, make_plan, tables_of_interest
from lakehouse_cli.project_code import ProjectCode
from lakehouse_cli.recipes import recipe_of
from lakehouse_cli.secret_values import Mask, masked, masked_error, unmasked
from lakehouse_cli.selection import Selection
from lakehouse_cli.stored import StoredEnvironment


def plan_selection(
    project: str,
    stored: StoredEnvironment,
    code: ProjectCode,
    chosen: Selection,
    *,
    force: bool = False,
    lenient: bool = False,
    deferral: Deferral | None = None,
) -> Plan:
    """Plan the tables of a selection. Changes nothing and runs none of the user's code.

    Args:
        project: Its name.
        stored: The tables as they are declared and stored in the environment.
        code: Of their transforms.
        chosen: The tables.
        force: Plan to run what is up to date as well.
        lenient: Whether it is only asked which tables would run: inputs may lack, and nothing is told with the names.
        deferral: Where inputs are read from that are neither selected nor here.

    Raises:
        UsageError: The selection needs a table that was never materialized.
        ProjectError: Code that decides the content of tables cannot be read.
    """
    tables, graph = stored.tables, stored.graph
    names = tables_of_interest(graph, chosen)
    looked_at = stored.looked_at()
    looked_at.look(names)
    computed = [name for name in chosen.names if tables[name].kind == "computed"]
    code.read(tables[name] for name in computed)
    recipes = {
        name: recipe_of(graph, tables[name], code.of(tables[name]), stored.specs[tables[name].storage])
        for name in computed
    }
    states = states_with(deferral, {name: looked_at.state(name) for name in names}, recipes)
    if not lenient:
        states = states_with_rows(deferral, looked_at, states, recipes)
        states = looked_at.with_refusals(states, recipes, forced=force)
    defer = None if deferral is None else deferral.environment
    return make_plan(
        project, stored.environment, graph, chosen, states, recipes, force=force, lenient=lenient, defer=defer
    )


def names_in_state(state: str, plan: Plan) -> set[str]:
    """The tables of a lenient plan that ``state:new`` or ``state:modified`` selects."""
    if state == "new":
        return {t.name for t in plan.runs if t.state is not None and t.state.manifest is None}
    return {t.name for t in plan.runs if not t.conditional}


def masked_plan(plan: Plan, mask: Mask) -> Plan:
    """A plan without the values of variables."""
    if mask is unmasked:
        return plan
    return replace(
        plan,
        tables=tuple(_masked(table, mask) for table in plan.tables),
        notes=masked(plan.notes, mask),
        out_of_reach={name: masked_error(error, mask) for name, error in plan.out_of_reach.items()},
    )


def _masked(planned: PlannedTable, mask: Mask) -> PlannedTable:
    refused = None if planned.refused is None else masked_error(planned.refused, mask)
    reasons, would_fail = masked(planned.reasons, mask), masked(planned.would_fail, mask)
    notes, uri = masked(planned.notes, mask), mask.location(planned.uri)
    return replace(planned, uri=uri, reasons=reasons, would_fail=would_fail, refused=refused, notes=notes)
