"""What a plan says of a run on a cluster."""

from __future__ import annotations

from msgspec.structs import replace

from lakehouse_cli.config.cluster_options import CLUSTERS
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.project.planning import Planner
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import size_text

_SHOWN = 3


def takes_bundle(planner: Planner) -> bool:
    """Whether the project is computed by a cluster, to which code is sent by the recipes of its tables."""
    return planner.spec.executor in CLUSTERS


def with_bundle_note(planner: Planner, plan: Plan, *, always: bool) -> Plan:
    """A plan with a note on the code that is sent to each worker of a cluster.

    Args:
        planner: Of the project.
        plan: What is to be done.
        always: Whether also where that is little.
    """
    if not takes_bundle(planner) or not plan.runs:
        return plan
    from lakehouse_cli.executors.clusters.bundle import LARGE, TOO_LARGE
    from lakehouse_cli.runner.cluster_setup import ClusterNeeds, files_of

    graph, folder = planner.code.graph, planner.spec.folder.resolve()
    needs = ClusterNeeds.of(plan, graph, {})
    planner.code.read(graph.tables[each.name] for each in plan.runs)
    files = files_of(folder, planner.code.snapshot, needs)
    size = sum(map(len, files.values()))
    if not (always or size > LARGE):
        return plan
    biggest = sorted(files.items(), key=lambda each: (-len(each[1]), each[0]))[:_SHOWN]
    named = ", ".join(f"`{path}` {size_text(len(content))}" for path, content in biggest)
    sent = f"{plural(len(files), 'file')} of {size_text(size)}: {named}"
    note = f"each worker is sent {sent}"
    if size > TOO_LARGE:
        note = f"each worker would be sent {sent}; a run refuses more than {size_text(TOO_LARGE)}"
    return replace(plan, notes=(*plan.notes, note))
