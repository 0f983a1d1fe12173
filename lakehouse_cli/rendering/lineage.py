"""The lineage of tables as text: a tree for terminals, mermaid and dot for documents, JSON for scripts.

Everything flows from sources to computed tables, each with the action of a run of the whole project.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msgspec import Struct, to_builtins

from lakehouse_cli.model.reason import Reason
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.text.causes import joined
from lakehouse_cli.text.terminal import Terminal, pad, printable, text_width

_DEEPEST = 20  # levels that are drawn; below, the level is a number
_REPEATED = "(above)"
_MIN_WHY = 18

# Fill and line of each class of table, light enough for black text on light and dark pages.
_COLORS = {
    "source": ("#d0ebff", "#1971c2"),
    "run": ("#fff3bf", "#e67700"),
    "skip": ("#d3f9d8", "#2f9e44"),
    "missing": ("#ffc9c9", "#c92a2a"),
    "outside": ("#f1f3f5", "#868e96"),
}
_STYLES = {"source": "cyan", "run": "yellow", "skip": "green", "missing": "red", "outside": "dim"}


class LineageTable(Struct, frozen=True):
    """One table of a lineage.

    Attributes:
        name: The table.
        kind: ``source`` or ``computed``.
        storage: Name of its storage.
        uri: Its location.
        selected: Whether it was selected; else it is an input of a selected one.
        action: That of a run of the whole project: ``run``, ``skip`` or ``read``.
        reasons: Why.
        by_partition: Whether these are of its partitions.
    """

    name: str
    kind: str
    storage: str
    uri: str
    selected: bool
    action: str
    reasons: tuple[Reason, ...] = ()
    by_partition: bool = False

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return joined([reason.message for reason in self.reasons], by_partition=self.by_partition)

    @property
    def shown_as(self) -> str:
        """Its colour's meaning: ``source``, ``missing`` (a source), ``run``, ``skip``, ``outside`` (not selected)."""
        if any(reason.code == "missing_source" for reason in self.reasons):
            return "missing"
        if self.kind == "source":
            # Read for what is selected, whether it is selected itself or not.
            return "source"
        return self.action if self.selected else "outside"


class Lineage(Struct, frozen=True):
    """Tables and the edges between them.

    Attributes:
        project: Name of the project.
        environment: Name of the environment.
        tables: Each after its inputs.
        edges: From an input to a table computed from it, in the order of `tables` and then of the inputs.
    """

    project: str
    environment: str
    tables: tuple[LineageTable, ...]
    edges: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """The document of `lakehouse graph -o json`."""
        return {
            "project": self.project,
            "environment": self.environment,
            "nodes": [
                {key: each for key, each in to_builtins(table).items() if key != "by_partition"}
                for table in self.tables
            ],
            "edges": [{"from": start, "to": end} for start, end in self.edges],
        }


def lineage(graph: AssetGraph, selected: Collection[str], plan: Plan) -> Lineage:
    """Collect the lineage of the selected tables and all they are computed from, by a plan of the whole project."""
    chosen = set(selected)
    wanted = chosen | {upstream for name in chosen for upstream in graph.upstream(name)}
    planned = {table.name: table for table in plan.tables}
    tables = []
    for name in graph.order:
        if name in wanted:
            of = planned[name]
            reasons, divided = of.reasons, bool(of.partitions)
            where = of.kind, of.storage, of.uri
            tables.append(LineageTable(name, *where, name in chosen, of.action, reasons, divided))
    edges = [(upstream, t.name) for t in tables if t.name in chosen for upstream in graph.upstream(t.name)]
    return Lineage(plan.project, plan.environment, tuple(tables), tuple(edges))


class _Branch(Struct, frozen=True):
    """One line of the tree: a table, and for each level above it whether more of that level follow."""

    table: LineageTable
    follow: tuple[bool, ...]
    depth: int
    repeated: bool


def _branches(shown: Lineage) -> Iterator[_Branch]:
    tables = {table.name: table for table in shown.tables}
    below: dict[str, list[str]] = {name: [] for name in tables}
    for start, end in shown.edges:
        below[start].append(end)
    computed = {end for _, end in shown.edges}
    seen: set[str] = set()
    # A stack of its own: a chain of tables may be longer than Python's.
    waiting: list[tuple[str, tuple[bool, ...], int]] = [(n, (), 0) for n in reversed(tables) if n not in computed]
    while waiting:
        name, follow, depth = waiting.pop()
        yield _Branch(tables[name], follow, depth, name in seen)
        if name in seen:
            continue
        seen.add(name)
        further = below[name]
        inner = [(n, (*follow[-_DEEPEST:], n != further[-1]), depth + 1) for n in further]
        waiting += reversed(inner)


def tree_lines(terminal: Terminal, shown: Lineage) -> list[str]:
    """Draw the lineage as a tree, sources first; a table that comes a second time is only named."""
    rows = []
    for branch in _branches(shown):
        prefix = _prefix(terminal, branch)
        rows.append((prefix, branch, text_width(prefix) + text_width(branch.table.name)))
    widest = max((width for _, _, width in rows), default=0)
    states = max((len(_state(branch)) for _, branch, _ in rows), default=0)
    if terminal.width is not None:
        least = _MIN_WHY if any(branch.table.reasons for _, branch, _ in rows) else 0
        widest = min(widest, max(terminal.width - states - least - 4, 12))
    lines = []
    for prefix, branch, _ in rows:
        style = _STYLES[branch.table.shown_as]
        name = terminal.cut(branch.table.name, max(widest - text_width(prefix), 4))
        space = " " * max(widest - text_width(prefix) - text_width(name), 0)
        drawn = "dim" if branch.repeated else style
        start = f"{terminal.style(prefix, 'dim')}{terminal.style(name, drawn)}{space}"
        state = terminal.style(pad(_state(branch), states), "dim" if branch.repeated else style)
        line = f"{start}  {state}"
        why = "" if branch.repeated else printable(branch.table.why)
        room = None if terminal.width is None else terminal.width - text_width(line) - 2
        if why and (room is None or room > 7):
            line += "  " + terminal.style(terminal.cut(why, room), "dim")
        lines.append(line.rstrip() if not terminal.color else line)
    return lines


def _state(branch: _Branch) -> str:
    if branch.repeated:
        return _REPEATED
    shown = branch.table.shown_as
    return {"source": "read", "outside": "not selected"}.get(shown, shown)


def _prefix(terminal: Terminal, branch: _Branch) -> str:
    if branch.depth == 0:
        return ""
    bar, fork, end = ("│  ", "├─ ", "└─ ") if terminal.unicode else ("|  ", "|- ", "`- ")
    levels = _DEEPEST if terminal.width is None else min(_DEEPEST, max(terminal.width // 6, 2))
    own = fork if branch.follow[-1] else end
    if branch.depth > levels:
        return f"{branch.depth}: {own}"
    return "".join(bar if more else "   " for more in branch.follow[:-1]) + own


def mermaid_lines(shown: Lineage) -> list[str]:
    """The lineage as a mermaid flowchart, which GitHub and others draw in a fenced block."""
    lines = ["flowchart LR"]
    for table in shown.tables:
        # Not the bare name: `end` or `graph` would be mermaid's own words.
        left, right = ("[(", ")]") if table.kind == "source" else ("[", "]")
        lines.append(f'    t_{table.name}{left}"{_entities(table.name)}"{right}:::{table.shown_as}')
    lines += [f"    t_{start} --> t_{end}" for start, end in shown.edges]
    for name in _classes(shown):
        fill, line = _COLORS[name]
        dashed = ",stroke-dasharray:4 3" if name == "outside" else ""
        lines.append(f"    classDef {name} fill:{fill},stroke:{line},color:#000{dashed}")
    return lines


def dot_lines(shown: Lineage) -> list[str]:
    """The lineage in Graphviz's language: `lakehouse graph --format dot | dot -Tsvg`."""
    lines = [
        f"digraph {_quoted(shown.project)} {{",
        "    rankdir=LR;",
        '    node [shape=box, style="rounded,filled", fontname="Helvetica"];',
    ]
    for table in shown.tables:
        fill, line = _COLORS[table.shown_as]
        shape = ', shape=cylinder, style="filled"' if table.kind == "source" else ""
        if table.shown_as == "outside":
            shape += ', style="filled,dashed"'
        why = table.why or table.action
        lines.append(
            f'    {_quoted(table.name)} [fillcolor="{fill}", color="{line}"{shape}, tooltip={_quoted(printable(why))}];'
        )
    lines += [f"    {_quoted(start)} -> {_quoted(end)};" for start, end in shown.edges]
    return [*lines, "}"]


def _classes(shown: Lineage) -> Sequence[str]:
    used = {table.shown_as for table in shown.tables}
    return [name for name in _COLORS if name in used]


def _entities(text: str) -> str:
    """A label's text as mermaid takes it between quotes."""
    return "".join(f"#{ord(c)};" if c in '"#<>&' else c for c in text)


def _quoted(text: str) -> str:
    """A text as dot takes it between quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
