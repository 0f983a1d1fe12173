"""The plan of a selection: what is stored, and what is written, at this moment."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from lakehouse_cli.advice import advice_for
from lakehouse_cli.deferring import Deferral, states_with, states_with_rows
from lakehouse_cli.model import Table
from lakehouse_cli.planning import Plan, PlannedTable, make_plan, tables_of_interest
from lakehouse_cli.project_code import ProjectCode
from lakehouse_cli.recipes import recipe_of
from lakehouse_cli.secret_values import Mask, masked, masked_error, unmasked
from lakehouse_cli.selection import Selection
from lakehouse_cli.stored import StoredEnvironment
from lakehouse_cli.uses import Used, UsedContent


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
    content = UsedContent(code.folder)
    used = {name: content.of(tables[name]) for name in computed}
    recipes = {
        name: recipe_of(graph, tables[name], code.of(tables[name]), stored.specs[tables[name].storage], used[name])
        for name in computed
    }
    states = states_with(deferral, {name: looked_at.state(name) for name in names}, recipes)
    if not lenient:
        states = states_with_rows(deferral, looked_at, states, recipes)
        states = looked_at.with_refusals(states, recipes, forced=force)
    defer = None if deferral is None else deferral.environment
    plan = make_plan(
        project, stored.environment, graph, chosen, states, recipes, force=force, lenient=lenient, defer=defer
    )
    if lenient:
        return plan
    planned = (
        _with_used(each, tables[each.name], used[each.name], content, code) if each.name in recipes else each
        for each in plan.tables
    )
    return replace(plan, tables=tuple(planned))


def _with_used(
    planned: PlannedTable, table: Table, used: Used | None, content: UsedContent, code: ProjectCode
) -> PlannedTable:
    """A planned table with what its transform uses beside its inputs, and what there is to say of that."""
    advice = advice_for(table, code.of(table), planned.inputs, () if used is None else used.files)
    if used is None:
        return planned if advice is None else replace(planned, notes=(*planned.notes, advice))
    notes = (*planned.notes, *content.missing(table), *(() if advice is None else (advice,)))
    return replace(planned, notes=notes, used=used)


def notes_on(code: ProjectCode, tables: Iterable[Table]) -> tuple[str, ...]:
    """What there is to say of tables whose transforms use more than their inputs, as far as no data are needed.

    Raises:
        ProjectError: Code cannot be read, or files that tables use cannot be looked at.
    """
    content = UsedContent(code.folder)
    found: list[str] = []
    for table in tables:
        found += content.missing(table)
        files = (*content.files(table), *((table.uses and table.uses.files) or ()))
        advice = advice_for(table, code.of(table), code.graph.upstream(table.name), files)
        found += [advice] if advice is not None else []
    return tuple(found)


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
    notes = masked(planned.notes, mask)
    told = {"notes": notes, "would_fail": would_fail, "uri": mask.location(planned.uri)}
    return replace(planned, reasons=reasons, refused=refused, **told)
