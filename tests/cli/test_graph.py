"""`lakehouse graph`: tree, mermaid, dot, JSON."""

from __future__ import annotations

import re

import pytest

from lakehouse_cli.model.reason import Reason
from lakehouse_cli.rendering.lineage import Lineage, LineageTable, dot_lines, mermaid_lines, tree_lines
from lakehouse_cli.text.terminal import Terminal, text_width
from tests.cli.test_what_is_loaded import SLOW, loaded
from tests.conftest import Cli, ProjectFolder


def table(name: str, *, kind: str = "computed", action: str = "run", selected: bool = True) -> LineageTable:
    reasons = (Reason("function_changed", f"`{name}` changed (transforms.py)"),) if action == "run" else ()
    return LineageTable(name, kind, "default", f"data/{name}.csv", selected, action, reasons)


def drawn(*edges: str, **kinds: LineageTable) -> Lineage:
    """A lineage from ``"a>b"``; tables are computed and run, unless given."""
    pairs = [tuple(edge.split(">")) for edge in edges]
    names = dict.fromkeys(name for pair in pairs for name in pair)
    tables = tuple(kinds.get(name) or table(name) for name in names)
    return Lineage("shop", "default", tables, tuple((a, b) for a, b in pairs))


def test_the_tree_of_a_project(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("graph")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "orders      read",
        "└─ totals   run   never materialized",
        "   └─ best  run   never materialized; `totals` runs",
        "3 tables: 1 to read, 2 to run",
    ]
    assert project.files() == ["orders.csv"]


def test_a_diamond_is_unfolded_once() -> None:
    shown = drawn("a>b", "a>c", "b>d", "c>d", "d>e", a=table("a", kind="source", action="read"))
    assert tree_lines(Terminal(), shown) == [
        "a           read",
        "├─ b        run      `b` changed (transforms.py)",
        "│  └─ d     run      `d` changed (transforms.py)",
        "│     └─ e  run      `e` changed (transforms.py)",
        "└─ c        run      `c` changed (transforms.py)",
        "   └─ d     (above)",
    ]


@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_the_width(width: int) -> None:
    chain = [f"table_with_a_long_name_{i}>table_with_a_long_name_{i + 1}" for i in range(60)]
    for terminal in (Terminal(width=width), Terminal(width=width, color=True)):
        lines = tree_lines(terminal, drawn(*chain))
        assert len(lines) == 61
        assert max(text_width(line) for line in lines) <= width


def test_a_chain_longer_than_pythons_stack() -> None:
    lines = tree_lines(Terminal(), drawn(*(f"t{i}>t{i + 1}" for i in range(3000))))
    assert len(lines) == 3001
    assert "3000: └─ t3000" in lines[-1]
    assert max(len(line) for line in lines) < 140


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert all(line.isascii() for line in tree_lines(Terminal(unicode=False), drawn("a>b", "b>c", "a>c")))


def test_colours_show_kind_and_action() -> None:
    shown = drawn(
        "a>b", "b>c", "x>c", "m>c",
        a=table("a", kind="source", action="read"),
        c=table("c", action="skip"),
        x=table("x", selected=False),
        m=LineageTable("m", "source", "default", "u", True, "read", (Reason("missing_source", "u does not exist"),)),
    )  # fmt: skip
    lines = tree_lines(Terminal(color=True), shown)
    colours = {match[2]: match[1] for line in lines if (match := re.search(r"\x1b\[(3\d|2)m(\w)\x1b", line))}
    assert colours == {"a": "36", "b": "33", "c": "2", "x": "2", "m": "31"}
    assert any("\x1b[32mc\x1b" in line for line in lines)


def test_mermaid(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("graph", "--format", "mermaid")
    assert ran.out.splitlines()[:6] == [
        "flowchart LR",
        '    t_orders[("orders")]:::source',
        '    t_totals["totals"]:::run',
        '    t_best["best"]:::run',
        "    t_orders --> t_totals",
        "    t_totals --> t_best",
    ]
    assert "    classDef source fill:" in ran.out


def test_names_that_are_words_of_the_languages_are_safe() -> None:
    shown = drawn("graph>end", "end>subgraph", "subgraph>x")
    assert "    t_graph --> t_end" in mermaid_lines(shown)
    assert '    "graph" -> "end";' in dot_lines(shown)
    odd = Lineage('a"b\\', "default", (LineageTable('q"\\', "computed", "s", "u", True, "run"),), ())
    assert dot_lines(odd)[0] == 'digraph "a\\"b\\\\" {'
    assert '"q\\"\\\\" [' in dot_lines(odd)[3]
    assert '["q#34;\\"]' in mermaid_lines(odd)[1]


def test_dot(project: ProjectFolder, cli: Cli) -> None:
    lines = cli("graph", "--format", "dot").out.splitlines()
    assert lines[0] == 'digraph "small" {'
    assert lines[-1] == "}"
    assert '    "orders" -> "totals";' in lines
    assert any(line.startswith('    "orders" [') and "shape=cylinder" in line for line in lines)
    fills = {line.split('"')[1]: re.search(r'fillcolor="(\S+)"', line) for line in lines if "fillcolor" in line}
    colours = {name: match[1] for name, match in fills.items() if match}
    assert colours["orders"] != colours["totals"] == colours["best"]


def test_json(project: ProjectFolder, cli: Cli) -> None:
    document = cli("graph", "-o", "json", "--format", "dot").json
    assert document["project"] == "small"
    assert document["edges"] == [{"from": "orders", "to": "totals"}, {"from": "totals", "to": "best"}]
    assert [node["name"] for node in document["nodes"]] == ["orders", "totals", "best"]
    assert document["nodes"][1] == {
        "name": "totals",
        "kind": "computed",
        "storage": "default",
        "uri": "data/totals.csv",
        "selected": True,
        "action": "run",
        "reasons": [{"code": "never_materialized", "message": "never materialized"}],
    }


def test_selection_is_shown_with_its_upstream(project: ProjectFolder, cli: Cli) -> None:
    # Neither is stored: `lakehouse run best` would be refused, its lineage is not.
    document = cli("graph", "best", "-o", "json").json
    assert [(node["name"], node["selected"]) for node in document["nodes"]] == [("totals", False), ("best", True)]
    assert document["edges"] == [{"from": "totals", "to": "best"}]
    assert "not selected" in cli("graph", "best").out


def test_a_source_keeps_its_state_where_it_is_not_selected(project: ProjectFolder, cli: Cli) -> None:
    assert 't_orders[("orders")]:::source' in cli("graph", "totals+", "--format", "mermaid").out
    assert "1 to read, 2 to run" in cli("graph", "totals+").out
    (project.path / "data/orders.csv").unlink()
    assert 't_orders[("orders")]:::missing' in cli("graph", "totals+", "--format", "mermaid").out


def test_a_selection_that_matches_nothing_says_so(project: ProjectFolder, cli: Cli) -> None:
    ran = cli("graph", "state:failed")
    assert (ran.code, ran.out, ran.err) == (0, "0 tables\n", "`state:failed` matches no table\n")
    assert cli("graph", "tag:none").code == 2
    assert cli("graph", "totls").code == 2
    assert cli("graph", "--format", "png").code == 2


def test_missing_source_is_reported(project: ProjectFolder, cli: Cli) -> None:
    (project.path / "data/orders.csv").unlink()
    assert "missing  data/orders.csv does not exist" in cli("graph").out
    assert ":::missing" in cli("graph", "--format", "mermaid").out


@pytest.mark.parametrize("argv", [["graph"], ["graph", "--format", "dot"], ["graph", "-o", "json"]], ids=" ".join)
def test_nothing_slow_is_loaded(project: ProjectFolder, argv: list[str]) -> None:
    assert loaded(*argv) & SLOW == set()
