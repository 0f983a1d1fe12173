"""What a run would do, and why: graph + selection + what is stored → `Plan`. Pure; looks at nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lakehouse_cli.errors import UsageError
from lakehouse_cli.graph import AssetGraph
from lakehouse_cli.model.reason import Reason
from lakehouse_cli.selection import Selection

Action = Literal["run", "skip", "read"]


@dataclass(frozen=True, slots=True)
class TableState:
    """What is known of a table's stored data before a run.

    Attributes:
        uri: Where it is, or would be.
        exists: Whether something is stored there.
        trouble: Why it cannot be looked at, None where it can.
    """

    uri: str
    exists: bool
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One table of a plan: what would be done, and each reason for it."""

    name: str
    kind: str
    storage: str
    uri: str
    inputs: tuple[str, ...]
    action: Action
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it happens; tables in the order they would be materialized.

    Attributes:
        project: Name of the project.
        environment: Name of the environment.
        tables: The selected tables, and the sources that are read for them.
        notes: What the selection has to tell.
    """

    project: str
    environment: str
    tables: tuple[PlannedTable, ...]
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> tuple[PlannedTable, ...]:
        """The tables that would be materialized."""
        return tuple(table for table in self.tables if table.action == "run")

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse plan -o json`."""
        return {
            "project": self.project,
            "environment": self.environment,
            "tables": [
                {
                    "name": table.name,
                    "kind": table.kind,
                    "storage": table.storage,
                    "uri": table.uri,
                    "inputs": list(table.inputs),
                    "action": table.action,
                    "reasons": [{"code": reason.code, "message": reason.message} for reason in table.reasons],
                }
                for table in self.tables
            ],
        }


def tables_of_interest(graph: AssetGraph, selection: Selection) -> tuple[str, ...]:
    """The tables whose state a plan of the selection depends on: the selected ones and their direct inputs."""
    wanted = set(selection.names)
    for name in selection.names:
        wanted.update(graph.upstream(name))
    return tuple(name for name in graph.order if name in wanted)


def make_plan(
    project: str,
    environment: str,
    graph: AssetGraph,
    selection: Selection,
    states: Mapping[str, TableState],
    *,
    force: bool = False,
) -> Plan:
    """Plan the selected tables.

    Args:
        project: Its name.
        environment: Its name.
        graph: All tables.
        selection: What to materialize.
        states: Of every table in `tables_of_interest`.
        force: Whether the user asked to run what is up to date.

    Raises:
        UsageError: A selected table needs one that is neither selected nor stored; the hint is the command to run.
    """
    selected = {name for name in selection.names if graph.tables[name].kind == "computed"}
    _refuse_missing_inputs(graph, selected, states)
    planned = []
    for name in tables_of_interest(graph, selection):
        table = graph.tables[name]
        if table.kind == "source":
            action: Action = "read"
            reasons = _source_reasons(states[name])
        elif name in selected:
            action = "run"
            reasons = _run_reasons(graph, name, selected, states[name], force)
        else:
            continue
        planned.append(
            PlannedTable(name, table.kind, table.storage, states[name].uri, graph.upstream(name), action, reasons)
        )
    return Plan(project, environment, tuple(planned), selection.notes)


def _source_reasons(state: TableState) -> tuple[Reason, ...]:
    if state.trouble is not None:
        return (Reason("missing_source", state.trouble),)
    if not state.exists:
        return (Reason("missing_source", f"{state.uri} does not exist"),)
    return ()


def _run_reasons(
    graph: AssetGraph, name: str, selected: set[str], state: TableState, force: bool
) -> tuple[Reason, ...]:
    reasons = []
    if not state.exists:
        reasons.append(Reason("never_materialized", "never materialized"))
    running = [upstream for upstream in graph.upstream(name) if upstream in selected]
    if running:
        reasons.append(Reason("upstream_runs", f"{_listed(running)} {'runs' if len(running) == 1 else 'run'}"))
    if force or not reasons:
        message = "asked for with --force" if force else "selected; what is selected runs each time"
        reasons.append(Reason("forced", message))
    return tuple(reasons)


def _listed(names: list[str], limit: int = 3) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _refuse_missing_inputs(graph: AssetGraph, selected: set[str], states: Mapping[str, TableState]) -> None:
    lacking = [
        (name, upstream)
        for name in graph.order
        if name in selected
        for upstream in graph.upstream(name)
        if upstream not in selected and graph.tables[upstream].kind == "computed" and not states[upstream].exists
    ]
    if not lacking:
        return
    name = lacking[0][0]
    missing = list(dict.fromkeys(upstream for _, upstream in lacking))
    verb = "was" if len(missing) == 1 else "were"
    raise UsageError(
        f"{_listed(missing)} {verb} never materialized, and `{name}` needs {'it' if len(missing) == 1 else 'them'}",
        hint=f"`lakehouse run +{name}` materializes everything it needs",
    )
