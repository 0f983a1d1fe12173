"""A plan is made of values alone: from what is stored and how tables would be made now follow actions and reasons."""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from lakehouse_cli import Project
from lakehouse_cli.errors import StorageError, UnreachableError, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.manifest import Manifest, Recipe
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.plan.planning import make_plan, tables_of_interest
from lakehouse_cli.plan.selection import select
from tests.conftest import ProjectFolder

REFUSAL = StorageError("it is in the way")


class Stored:
    """A chain `source` → `first` → `second` as it is up to date, planned anew with parts of it replaced."""

    def __init__(self) -> None:
        project = Project.load()
        plan = project.plan()
        self.graph = project.graph
        self.states = {table.name: table.state for table in plan.tables if table.state is not None}
        self.recipes = {table.name: table.recipe for table in plan.tables if table.recipe is not None}

    def plan(self, *terms: str, **options: Any) -> Plan:
        chosen = select(self.graph, terms, ())
        return make_plan("declared", "default", self.graph, chosen, self.states, self.recipes, **options)

    def change(self, name: str, **changes: Any) -> None:
        self.states[name] = replace(self.states[name], **changes)

    def record(self, name: str, **changes: Any) -> None:
        manifest = self.states[name].manifest
        assert manifest is not None
        self.change(name, manifest=replace(manifest, **changes))

    def recipe(self, name: str, **changes: Any) -> None:
        self.recipes[name] = replace(self.recipes[name], **changes)


@pytest.fixture
def stored(folder: ProjectFolder) -> Stored:
    folder.declare(
        "source: {kind: source, columns: {n: int64}}\n"
        "first: {columns: {n: int64}, params: {step: 1}}\n"
        "second: {columns: {n: int64}}\n",
        "def first(source, step): return source\n\ndef second(first): return first\n",
    )
    folder.write("data/source.csv", "n\n1\n")
    assert Project.load().run(executor="serial").status == "success"
    return Stored()


def actions(plan: Plan) -> dict[str, str]:
    return {table.name: table.action for table in plan.tables}


def codes(plan: Plan, name: str) -> list[str]:
    return [reason.code for reason in next(table for table in plan.tables if table.name == name).reasons]


def test_nothing_runs_where_all_is_as_recorded(stored: Stored) -> None:
    assert actions(stored.plan()) == {"source": "read", "first": "skip", "second": "skip"}
    assert all(not table.reasons for table in stored.plan().tables)


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ({"manifest": None, "content": None, "exists": False}, "never_materialized"),
        ({"manifest": None}, "data_changed"),
        ({"content": None, "exists": False}, "missing_data"),
        ({"manifest": None, "manifest_trouble": StorageError("damaged")}, "data_changed"),
        ({"trouble": StorageError("locked")}, "data_changed"),
    ],
)
def test_stored_data_are_a_reason(stored: Stored, state: dict[str, Any], code: str) -> None:
    stored.change("first", **state)
    plan = stored.plan()
    assert actions(plan) == {"source": "read", "first": "run", "second": "run"}
    assert codes(plan, "first") == [code]
    second = plan.tables[-1]
    assert codes(plan, "second") == ["upstream_runs"]
    assert second.conditional
    assert not plan.tables[1].conditional


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        ({"code": "other"}, "function_changed"),
        ({"contract": None}, "contract_changed"),
        ({"key": ("n",)}, "contract_changed"),
        ({"extra_columns": "drop"}, "contract_changed"),
        ({"order_by": ("n",)}, "contract_changed"),
        ({"params": {"step": "2"}}, "params_changed"),
        ({"storage": "parquet"}, "storage_changed"),
        ({"inputs": ("other: source",)}, "input_changed"),
        ({"files": {"a.txt": "1"}}, "file_changed"),
        ({"variables": {"HOME": "1"}}, "variable_changed"),
        ({"output": "train"}, "function_changed"),
        ({"is_partial": True}, "partition_open"),
    ],
)
def test_each_part_of_a_recipe_is_a_reason(stored: Stored, recipe: dict[str, Any], code: str) -> None:
    assert set(Recipe.__struct_fields__) == {
        *("code", "code_parts", "contract", "key", "extra_columns", "params"),
        *("storage", "inputs", "files", "variables", "order_by", "output", "is_partial"),
    }, "a part that is new needs a case here"
    stored.recipe("first", **recipe)
    assert codes(stored.plan(), "first") == [code]
    assert codes(stored.plan("second"), "second") == [], "what is not selected does not run"


@pytest.mark.parametrize("change", [{"content_hash": "other"}, {"reading": 'csv [["n","int32"]]'}])
def test_input_read_otherwise_is_a_reason(stored: Stored, change: dict[str, Any]) -> None:
    content = stored.states["source"].content
    assert content is not None
    stored.change("source", content=content._replace(**change))
    assert codes(stored.plan(), "first") == ["input_changed"]
    assert actions(stored.plan("second")) == {"second": "skip"}, "only what `first` is now counts"


def test_force_is_a_reason_beside_others(stored: Stored) -> None:
    stored.recipe("first", code="other")
    plan = stored.plan(force=True)
    assert codes(plan, "first") == ["function_changed", "forced"]
    assert codes(plan, "second") == ["upstream_runs", "forced"]
    assert not plan.tables[-1].conditional, "what is forced runs whatever its inputs become"


def test_refusal_counts_where_a_table_is_due(stored: Stored) -> None:
    stored.change("first", refused=REFUSAL)
    assert stored.plan().tables[1].refused is None
    stored.recipe("first", code="other")
    first, second = stored.plan().tables[1:]
    assert first.refused is REFUSAL
    assert first.would_fail is not None
    assert second.would_fail == first.would_fail


def test_table_of_another_project_is_replaced_by_force_alone(stored: Stored) -> None:
    stored.record("first", project="theirs")
    assert stored.plan().tables[1].refused is None, "it is up to date"
    stored.recipe("first", code="other")
    assert "belongs to project `theirs`" in str(stored.plan().tables[1].refused)
    assert stored.plan(force=True).tables[1].refused is None


def test_input_never_stored_is_an_error_of_its_own(stored: Stored) -> None:
    stored.change("first", manifest=None, content=None, exists=False)
    with pytest.raises(UsageError, match="`first`"):
        stored.plan("second")
    assert actions(stored.plan("second", lenient=True))["second"] == "run"


def test_deferred_inputs_and_servers_out_of_reach_are_listed(stored: Stored) -> None:
    stored.change("source", environment="prod")
    plan = stored.plan()
    assert [(each.name, each.environment) for each in plan.deferred] == [("source", "prod")]
    assert plan.notes
    trouble = UnreachableError("no answer", reason="none")
    stored.change("source", trouble=trouble)
    plan = stored.plan(force=True)
    assert plan.out_of_reach == {"source": trouble}
    assert [table.would_fail for table in plan.tables] == ["`source` cannot be read: no answer"] * 3


def test_manifest_of_another_table_is_none(stored: Stored) -> None:
    manifest = stored.states["first"].manifest
    assert isinstance(manifest, Manifest)
    stored.record("first", table="elsewhere")
    assert codes(stored.plan(), "first") == ["never_materialized"]


def calls_for(folder: ProjectFolder, count: int) -> int:
    """How many Python functions are called, and generators resumed, to plan a chain of so many tables."""
    names = [f"t{index}" for index in range(count)]
    folder.declare(
        "t: {kind: source, columns: {n: int64}}\n" + "".join(f"{name}: {{columns: {{n: int64}}}}\n" for name in names),
        "".join(f"def {name}({before}): return {before}\n" for before, name in zip(["t", *names], names, strict=False)),
    )
    folder.write("data/t.csv", "n\n1\n")
    stored = Stored()
    calls = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        plan = stored.plan()
    finally:
        sys.setprofile(None)
    assert len(plan.runs) == count
    return calls


def test_work_grows_in_line_with_the_tables(folder: ProjectFolder) -> None:
    assert calls_for(folder, 120) < 5 * calls_for(folder, 30)


class _Compared(str):
    """A name that counts how often it is compared with another."""

    __slots__ = ()
    __hash__ = str.__hash__
    count = 0

    def __eq__(self, other: object) -> bool:
        _Compared.count += 1
        return str.__eq__(self, other)


def test_finding_the_tables_of_a_plan_compares_no_table_with_all_others() -> None:
    names = [_Compared(f"t{index}") for index in range(300)]
    inputs = {name: (Input(before, before),) for before, name in pairwise(names)}
    tables = {name: Table(name=name, kind="computed" if name in inputs else "source") for name in names}
    graph = AssetGraph(tables, inputs, tuple(names))
    chosen = select(graph, (), ())
    _Compared.count = 0
    assert tables_of_interest(graph, chosen) == tuple(names)
    assert _Compared.count < 10 * len(names)
