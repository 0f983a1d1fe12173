"""Inputs that a plan lacks: neither selected nor stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.text.name_lists import first_named

# How many tables a refusal names.
_NAMED = 5


def _is_missing(state: TableState) -> bool:
    """Whether nothing is stored that can be read as it is declared."""
    return state.trouble is None and (not state.exists or state.other_form is not None)


def refuse_missing_inputs(
    graph: AssetGraph, selected: set[str], states: Mapping[str, TableState], defer: str | None
) -> None:
    """Refuse a plan of tables of which one needs another that is neither selected nor stored.

    Args:
        graph: All tables.
        selected: The computed tables that are selected.
        states: What is stored.
        defer: The environment in which inputs were looked for that are not there in this one.

    Raises:
        UsageError: There is one; the hint is the command to run.
    """
    left_out = {name for name, table in graph.tables.items() if table.kind == "computed"} - selected
    lacking = [
        (name, upstream)
        for name in (graph.order if left_out else ())
        if name in selected
        for upstream in graph.upstream(name)
        if upstream in left_out and _is_missing(states[upstream])
    ]
    if not lacking:
        return
    needing = list(dict.fromkeys(name for name, _ in lacking))
    missing = list(dict.fromkeys(upstream for _, upstream in lacking))
    them = "it" if len(missing) == 1 else "them"
    causes = [*_why_missing(missing, states, here="" if defer is None else " here")]
    if defer is not None and not all(states[name].other_form for name in missing):
        causes.append(f"nothing of {them} is in `{defer}`")
    shown = needing[:_NAMED]
    what = "it needs" if len(shown) == 1 else "they need"
    rest = "; put `+` before the others too" if len(needing) > len(shown) else ""
    if any(states[name].other_form for name in missing):
        rest += "; or take the change back"
    raise UsageError(
        f"{', '.join(causes)}, and {first_named(needing, _NAMED)} {'needs' if len(needing) == 1 else 'need'} {them}",
        hint=f"`lakehouse run {' '.join(f'+{name}' for name in shown)}` materializes everything {what}{rest}",
    )


def _why_missing(names: list[str], states: Mapping[str, TableState], here: str) -> Iterator[str]:
    """What is true of each of some tables of which nothing can be read, those of which the same is in one sentence."""
    never: list[str] = []
    gone: list[str] = []
    for name in names:
        state = states[name]
        if state.other_form is not None:
            yield state.other_form.message
        else:
            (gone if state.gone else never).append(name)
    if never:
        yield f"{first_named(never, _NAMED)} {'was' if len(never) == 1 else 'were'} never materialized{here}"
    if gone:
        yield f"what was stored of {first_named(gone, _NAMED)}{here} is gone"
