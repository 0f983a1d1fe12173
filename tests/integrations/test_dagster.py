"""A project as assets of Dagster: what it knows of each table, and what it records of runs."""

from __future__ import annotations

import keyword
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lakehouse_cli.errors import ProjectError, UsageError
from lakehouse_cli.integrations import run_process
from tests.conftest import Cli, ProjectFolder
from tests.preloaded import subprocess_module

dagster = pytest.importorskip("dagster")

from dagster._core.definitions.utils import DISALLOWED_NAMES  # noqa: E402

from lakehouse_cli.integrations.dagster import definitions  # noqa: E402
from lakehouse_cli.integrations.dagster_specs import RESERVED  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::dagster_shared.utils.warnings.BetaWarning")]

# No pandas: what is computed here is of no account.
CODE = """
import os, time
import pyarrow as pa

def totals(orders: pa.Table) -> pa.Table:
    return orders.group_by("customer").aggregate([("amount", "sum")]).rename_columns(["customer", "total"])

def best(totals: pa.Table, count) -> pa.Table:
    return totals.slice(0, count)

def report(best: pa.Table) -> pa.Table:
    return best.append_column("note", [["é"] * best.num_rows])

def other(orders: pa.Table) -> pa.Table:
    return orders
"""
TABLES = """
orders: {kind: source, columns: {customer: string, amount: int64}, description: As exported, owner: Ada, tags: [in put]}
totals:
  columns: {customer: {type: string, description: Its number}, total: {type: int64, nullable: false}}
  key: [customer]
  tags: [daily-report, sums]
  owner: ada@example.com
  description: By customer
best: {columns: {customer: string, total: int64}, params: {count: 1}, owner: "team:sales"}
report: {}
other: {}
"""


@pytest.fixture(autouse=True)
def _preloaded_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a run is started as a process is tested in `test_run_process`."""
    monkeypatch.setattr(run_process, "subprocess", subprocess_module())


@pytest.fixture
def shop(folder: ProjectFolder) -> ProjectFolder:
    folder.declare(TABLES, CODE)
    folder.write("data/orders.csv", "customer,amount\n007,5\n008,2\n007,1\n")
    return folder


@pytest.fixture
def instance() -> Iterator[Any]:
    with dagster.DagsterInstance.ephemeral() as found:
        yield found


class Recorded:
    """What Dagster recorded of a run."""

    def __init__(self, instance: Any, *tables: str, **how: Any) -> None:
        assets = definitions(**how).assets
        selection = [dagster.AssetKey(name) for name in tables] if tables else None
        self.result = dagster.materialize(assets, instance=instance, selection=selection, raise_on_error=False)
        events = self.result.get_asset_materialization_events()
        self.assets = {event.asset_key.to_user_string(): event.materialization for event in events}
        self.names = list(self.assets)

    def metadata(self, key: str) -> list[Any]:
        """The values of a key of the metadata, in order of the materializations."""
        return [each.metadata[key].value for each in self.assets.values()]

    def tags(self, table: str) -> tuple[str, str]:
        """Versions of code and data."""
        tags = self.assets[table].tags
        return tags["dagster/code_version"], tags["dagster/data_version"]

    @property
    def failure(self) -> str:
        """Why the run failed."""
        [event] = (event for event in self.result.all_events if event.is_step_failure)
        return event.step_failure_data.user_failure_data.description


def specs(**how: Any) -> dict[str, Any]:
    return {spec.key.to_user_string(): spec for spec in definitions(**how).resolve_all_asset_specs()}


def test_what_dagster_knows_of_tables(shop: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "transforms", raising=False)
    shop.add("lakehouse.yaml", "description: What the shop sells\n")
    found = specs()
    assert {name: [dep.asset_key.to_user_string() for dep in spec.deps] for name, spec in found.items()} == {
        "orders": [],
        "totals": ["orders"],
        "best": ["totals"],
        "report": ["best"],
        "other": ["orders"],
    }
    assert "transforms" not in sys.modules
    orders, totals, best = found["orders"], found["totals"], found["best"]
    columns = totals.metadata["dagster/column_schema"].columns
    assert [(each.name, each.type, each.description) for each in columns] == [
        ("customer", "string", "Its number"),
        ("total", "int64", None),
    ]
    assert [(each.constraints.nullable, each.constraints.unique) for each in columns] == [(False, True), (False, False)]
    assert [each.name for each in orders.metadata["dagster/column_schema"].columns] == ["customer", "amount"]
    # The project's description does not stand in for that of a table.
    assert (totals.description, orders.description, best.description) == ("By customer", "As exported", None)
    assert (totals.group_name, orders.group_name, best.group_name) == ("daily_report", "in_put", "default")
    assert (list(totals.owners), list(best.owners), list(orders.owners)) == (["ada@example.com"], ["team:sales"], [])
    assert (orders.metadata["owner"], orders.metadata["tags"]) == ("Ada", "in put")
    assert {"daily-report", "sums"} <= totals.tags.keys()
    assert (totals.kinds, orders.kinds) == ({"python", "csv"}, {"csv"})
    assert (totals.skippable, orders.skippable) == (True, False)
    # What makes a table be out of date is another version of its code; what does not is none.
    before = {name: spec.code_version for name, spec in found.items()}
    assert before["orders"] is None
    shop.edit("transforms.py", "slice(0, count)", "slice(1, count)")
    shop.edit("lakehouse.yaml", "By customer", "Of each customer")
    assert _changed(before) == {"best"}
    shop.edit("lakehouse.yaml", "amount: int64", "amount: int32")
    assert _changed(before) == {"best", "totals", "other"}


def _changed(before: dict[str, str | None]) -> set[str]:
    return {name for name, spec in specs().items() if spec.code_version != before[name]}


def test_runs_are_recorded_as_they_were(shop: ProjectFolder, instance: Any) -> None:
    first = Recorded(instance, "totals", "best", "report")
    assert first.result.success
    assert first.names == ["totals", "best", "report"]
    assert first.metadata("lakehouse/status") == ["materialized"] * 3
    assert first.metadata("dagster/row_count") == [2, 1, 1]
    stored = first.assets["report"].metadata["dagster/column_schema"].value.columns
    assert [(each.name, each.type) for each in stored] == [
        ("customer", "string"),
        ("total", "int64"),
        ("note", "string"),
    ]
    assert shop.files() == ["best.csv", "orders.csv", "report.csv", "totals.csv"]  # `other` was not selected

    shop.edit("transforms.py", "slice(0, count)", "slice(0, count + 0)")
    again = Recorded(instance, "best", "report")
    assert again.names == ["best", "report"]
    assert again.metadata("lakehouse/status") == ["materialized", "unchanged"]
    # The code is another one, and nothing that Dagster knows to be computed from the table is out of date.
    assert again.tags("best")[0] != first.tags("best")[0]
    assert [again.tags(name)[1] for name in again.names] == [first.tags(name)[1] for name in again.names]
    assert again.metadata("dagster/row_count") == [1, 1]
    assert again.assets["report"].metadata["dagster/column_schema"].value.columns == stored
    key = "dagster/input_data_version/"
    assert again.assets["report"].tags[f"{key}best"] == again.tags("best")[1]
    assert again.assets["best"].tags[f"{key}totals"] == first.tags("totals")[1]


def test_failures_are_raised_at_the_end_in_our_words(shop: ProjectFolder, instance: Any) -> None:
    shop.edit("transforms.py", "return totals.slice(0, count)", 'raise ValueError("no such day")')
    shop.edit("transforms.py", "return orders\n", 'return orders.drop_columns(["amount"])\n')
    shop.edit("lakehouse.yaml", "other: {}", "other: {columns: {customer: string, amount: int64}}")
    run = Recorded(instance)
    assert not run.result.success
    assert run.names == ["totals"]
    for words in ("ValueError: no such day", "transforms.py:8", "`amount`", "lakehouse.yaml:13:", "next: "):
        assert words in run.failure
    assert "Traceback" not in run.failure
    (shop.path / "data/orders.csv").unlink()
    run = Recorded(instance, "totals")
    assert (run.names, run.result.success) == ([], False)
    assert "data/orders.csv" in run.failure
    # What went wrong since Dagster loaded the definitions.
    assets = definitions().assets
    shop.edit("lakehouse.yaml", "kind: source", "kind: sauce")
    result = dagster.materialize(assets, instance=instance, raise_on_error=False)
    [event] = (event for event in result.all_events if event.is_step_failure)
    assert "did you mean `source`?" in event.step_failure_data.user_failure_data.description


def test_a_terminated_run_leaves_nothing_half_written(shop: ProjectFolder, cli: Cli) -> None:
    shop.edit("transforms.py", "return best.", "while True: time.sleep(0.02)\n    return best.")
    [asset] = (each for each in definitions().assets if isinstance(each, dagster.AssetsDefinition))
    with dagster.build_asset_context() as context:
        run = asset(context)
        seen = [next(run), next(run), next(run)]  # as they are stored
        assert {each.asset_key.to_user_string() for each in seen} == {"totals", "best", "other"}
        with pytest.raises(dagster.DagsterExecutionInterruptedError):
            run.throw(dagster.DagsterExecutionInterruptedError)
    assert shop.files() == ["best.csv", "orders.csv", "other.csv", "totals.csv"]
    assert "nothing to clean" in cli("clean").out
    assert cli("runs", "show", "last", "-o", "json").json["status"] == "cancelled"
    assert cli("run", "best", "-q").code == 0


def test_results_of_one_call_are_recorded_where_one_is_selected(folder: ProjectFolder, instance: Any) -> None:
    folder.declare(
        "{even: {function: split, output: even}, odd: {function: split, output: odd}}",
        """
        import pyarrow as pa

        def split():
            return {"even": pa.table({"x": [2]}), "odd": pa.table({"x": [1]})}
        """,
    )
    run = Recorded(instance, "odd")
    assert (run.result.success, sorted(run.names)) == (True, ["even", "odd"])
    assert run.metadata("dagster/row_count") == [1, 1]
    assert run.assets["even"].tags["dagster/data_version"] != run.tags("odd")[1]
    assert folder.files() == ["even.csv", "odd.csv"]
    folder.edit("transforms.py", "[2]", "[2]}), 'more': pa.table({'x': []")
    failed = Recorded(instance, "odd")
    assert (failed.names, failed.result.success) == ([], False)
    assert "which is the result of no table" in failed.failure


def test_reserved_names_are_mapped(folder: ProjectFolder, instance: Any) -> None:
    assert set(keyword.kwlist) | RESERVED == DISALLOWED_NAMES
    names = sorted(DISALLOWED_NAMES)
    inputs = zip(names, ["_src", *names], strict=False)
    tables = "\n".join(f"{name!r}: {{function: copied, inputs: [{before!r}]}}" for name, before in inputs)
    folder.declare(
        f"_src: {{kind: source}}\ninput_: {{kind: source}}\n{tables}", "def copied(frame):\n    return frame\n"
    )
    folder.write("data/_src.csv", "a\n1\n")
    found = specs()
    assert {"config_", "class_", "input_", "input__"} <= found.keys()
    assert [dep.asset_key.to_user_string() for dep in found["None_"].deps] == ["False_"]
    run = Recorded(instance, "False_", "None_")
    assert run.names == ["False_", "None_"]
    assert folder.files() == ["False.csv", "None.csv", "_src.csv"]


def test_two_environments_and_sources_of_other_assets(shop: ProjectFolder, instance: Any) -> None:
    shop.add("lakehouse.yaml", "environments: {dev: {storages: {default: {root: dev}}}}\n")

    @dagster.asset
    def exported() -> None:
        shop.write("dev/orders.csv", "customer,amount\n009,1\n")

    hourly = dagster.AutomationCondition.on_cron("@hourly")

    def automated(spec: Any) -> Any:
        return spec.replace_attributes(automation_condition=hourly)

    both = dagster.Definitions.merge(
        dagster.Definitions(dagster.map_asset_specs(automated, definitions("lakehouse.yaml").assets)),
        definitions(env="dev", key_prefix="dev", sources={"orders": "exported"}),
        dagster.Definitions([exported]),
    )
    found = {spec.key.to_user_string(): spec.automation_condition for spec in both.resolve_all_asset_specs()}
    assert (found["totals"], found["dev/totals"]) == (hourly, None)
    job = both.resolve_implicit_global_asset_job_def()
    keys = [dagster.AssetKey("exported"), dagster.AssetKey(["dev", "totals"])]
    run = job.execute_in_process(instance=instance, asset_selection=keys)
    assert [each.asset_key for each in run.get_asset_materialization_events()] == keys
    assert shop.read("dev/totals.csv") == "customer,total\n009,1\n"
    assert not (shop.path / "data/totals.csv").exists()
    with pytest.raises(UsageError, match="did you mean `orders`"):
        definitions(sources={"order": "exported"})
    with pytest.raises(UsageError, match="`best` is not a source"):
        definitions(sources={"best": "exported"})
    with pytest.raises(UsageError, match="there is no environment `prod`"):
        definitions(env="prod")


def test_projects_declared_in_python(folder: ProjectFolder, instance: Any) -> None:
    folder.write(
        "tables.py",
        """
        import pyarrow as pa
        from lakehouse_cli import Lakehouse, computed_table

        @computed_table
        def numbers() -> pa.Table:
            return pa.table({"a": [1]})

        lakehouse = Lakehouse([numbers], execution={"executor": "processes", "workers": 1})
        """,
    )
    run = Recorded(instance, path=folder.path, module="tables")
    assert (run.names, run.result.success) == (["numbers"], True)
    folder.edit("tables.py", "computed_table\n", "computed_table(key=1)\n")
    with pytest.raises(ProjectError, match=r"tables\.py:"):
        definitions(module="tables")


CHECKED = """
orders: {kind: source, columns: {customer: string, amount: {type: int64, checks: [{max: 4, severity: warn}]}}}
totals:
  columns: {customer: {type: string, sensitive: true, matches: "00[0-9]"}, total: {type: int64, max: 5}}
  checks:
    - {row_count: {min: 1}}
    - {expression: "total > 2", name: "more than 2", severity: warn}
    - {foreign_key: {columns: customer, references: other.customer}}
best: {columns: {customer: string, total: int64}, params: {count: 1}}
report: {}
other: {columns: {customer: string, amount: int64}}
"""


def evaluations(result: Any) -> dict[str, Any]:
    found = result.get_asset_check_evaluations()
    return {f"{each.asset_key.to_user_string()}.{each.check_name}": each for each in found}


def test_checks_are_asset_checks(shop: ProjectFolder, cli: Cli, instance: Any) -> None:
    shop.declare(CHECKED, CODE)
    shop.write("data/orders.csv", "customer,amount\n007,5\n008,2\n00x,1\n")
    specs = {each.name: each for asset in definitions().assets for each in getattr(asset, "check_specs", ())}
    assert {name: spec.blocking for name, spec in specs.items()} == {
        "amount_max": False,
        "customer_matches": True,
        "total_max": True,
        "row_count": True,
        "more_than_2": False,
        "foreign_key": True,
    }
    failed = evaluations(Recorded(instance, "totals").result)
    assert {name: each.passed for name, each in failed.items()} == {
        "totals.customer_matches": False,
        "totals.total_max": True,
        "totals.row_count": True,
        "totals.more_than_2": False,
    }  # and no `foreign_key`: `other` has no data
    bad, warned = failed["totals.customer_matches"], failed["totals.more_than_2"]
    assert (bad.severity.name, warned.severity.name) == ("ERROR", "WARN")
    metadata = {name.partition("/")[2]: each.value for name, each in bad.metadata.items()}
    assert (metadata["status"], metadata["count"], metadata["rows"], metadata["value"]) == ("failed", 1, 3, "1/3")
    assert metadata["examples"] == "row 3: ***"
    # Dagster shows a line break as a space.
    assert warned.metadata["lakehouse/examples"].value == "row 2: 2, row 3: 1"
    assert "00x" not in str([each.metadata for each in failed.values()]) + str(bad.description)

    shop.write("data/orders.csv", "customer,amount\n007,5\n008,2\n")
    run = Recorded(instance)
    assert run.result.success
    passed = evaluations(run.result)
    assert passed["totals.foreign_key"].passed
    assert passed["totals.customer_matches"].passed
    assert not passed["totals.more_than_2"].passed
    # Checks alone judge what is stored, and compute nothing.
    shop.write("data/totals.csv", "customer,total\n007,9\n")
    before = shop.read("data/totals.csv")
    keys = [dagster.AssetCheckKey(dagster.AssetKey(table), name) for table, name in CHOSEN]
    chosen = dagster.AssetSelection.checks(*keys)
    alone = dagster.materialize(definitions().assets, instance=instance, selection=chosen, raise_on_error=False)
    found = {name: (each.passed, each.severity.name) for name, each in evaluations(alone).items()}
    assert found == {"totals.total_max": (False, "ERROR"), "orders.amount_max": (False, "WARN")}
    assert shop.read("data/totals.csv") == before
    assert len(cli("runs", "-o", "json").json["runs"]) == 2


CHOSEN = [("totals", "total_max"), ("orders", "amount_max")]


def test_quarantines_are_assets_of_the_same_step(folder: ProjectFolder, instance: Any) -> None:
    tables = "{a: {columns: {x: {type: int64, max: 1}}, quarantine: true}, a_x: {}, b: {inputs: [a__quarantine]}}"
    code = """
    import pandas as pd

    def a():
        return pd.DataFrame({"x": [1, 2]})

    def a_x():
        return pd.DataFrame({"x": [1]})

    def b(frame):
        return frame[["x"]]
    """
    folder.declare(tables.replace("a_x: {}", "a_x_max: {function: a_x}"), code)
    [asset] = definitions().assets
    assert [key.name for key in asset.check_keys] == ["x_max_2"]  # `a_x_max` is an asset
    assert {"a", "a__quarantine", "b"} <= {key.to_user_string() for key in asset.keys}
    run = Recorded(instance)
    assert run.result.success
    assert {name: run.assets[name].metadata["dagster/row_count"].value for name in ("a", "a__quarantine", "b")} == {
        "a": 1,
        "a__quarantine": 1,
        "b": 1,
    }
    [check] = evaluations(run.result).values()
    assert (check.passed, check.severity.name, check.metadata["lakehouse/quarantined"].value) == (False, "WARN", 1)


def test_params_are_given_to_every_run(shop: ProjectFolder, instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Recorded(instance, "totals", "best").result.success
    assert len(shop.read("data/best.csv").splitlines()) == 2
    assert Recorded(instance, "best", params={"count": 2}).result.success
    assert len(shop.read("data/best.csv").splitlines()) == 3
    with pytest.raises(UsageError, match="there is no param `cnt`"):
        definitions(params={"cnt": 1})
    monkeypatch.setenv("COUNT", "1")
    shop.edit("lakehouse.yaml", "{count: 1}", "{count: '${COUNT}'}")
    with pytest.raises(UsageError, match="param `count` is filled in from a variable"):
        definitions(params={"count": "2"})
