"""`lakehouse diff` where the contract is not the one that tables were stored with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Cli, Invoked, ProjectFolder

STORAGES = {
    "csv": "{root: data}",
    "parquet": "{root: data, format: parquet}",
    "sqlite": "{type: sqlite, root: data.db}",
}
PROJECT = """
name: small
module: transforms
storages: {default: STORAGE, raw: {root: raw}}
environments:
  dev: {storages: {default: DEV}}
tables:
  src: {kind: source, storage: raw, columns: {c: string, v: int64}}
  totals: {columns: {COLUMNS}, key: c}
"""
TRANSFORMS = """
def totals(src):
    return src.groupby("c", as_index=False).agg(AGG).drop(columns="unused", errors="ignore")
"""


@pytest.fixture(params=STORAGES)
def declare(
    request: pytest.FixtureRequest, folder: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Writes the project with other columns and what computes them; first it is stored as `total: int64`."""
    for name in ("LAKEHOUSE_ENV", "LAKEHOUSE_DEFER", "LAKEHOUSE_AGAINST"):
        monkeypatch.delenv(name, raising=False)
    storage = STORAGES[request.param]
    text = PROJECT.replace("STORAGE", storage).replace("DEV", storage.replace("data", "dev"))

    def write(columns: str, aggregates: str) -> None:
        folder.write("lakehouse.yaml", text.replace("COLUMNS", columns))
        folder.write("transforms.py", TRANSFORMS.replace("AGG", aggregates))

    folder.write("raw/src.csv", "c,v\na,1\nb,2\n")
    write("c: string, total: int64", 'total=("v", "sum")')
    assert cli("run").code == 0
    return write


def reported(done: Invoked) -> dict[str, Any]:
    """The table `totals` of the document."""
    assert done.code == 1, done.err
    (table,) = (each for each in done.json["tables"] if each["name"] == "totals")
    assert table["status"] == "different", table["error"]
    assert isinstance(table, dict)
    return table


CHANGES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "added": (
        "c: string, total: int64, n: int64",
        'total=("v", "sum"), n=("v", "size")',
        {"added": [{"name": "n", "type": "int64"}], "removed": [], "changed": []},
    ),
    "renamed": (
        "c: string, sum: int64",
        'sum=("v", "sum")',
        {"added": [{"name": "sum", "type": "int64"}], "removed": [{"name": "total", "type": "int64"}], "changed": []},
    ),
    "dropped": (
        "c: string",
        'unused=("v", "sum")',
        {"added": [], "removed": [{"name": "total", "type": "int64"}], "changed": []},
    ),
    "retyped": (
        "c: string, total: float64",
        'total=("v", "sum")',
        {"added": [], "removed": [], "changed": [{"name": "total", "before": "int64", "after": "float64"}]},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_columns_that_would_come_out_now(declare: Callable[[str, str], None], cli: Cli, change: str) -> None:
    columns, aggregates, schema = CHANGES[change]
    declare(columns, aggregates)
    table = reported(cli("diff", "-o", "json"))
    assert table["schema"] == schema
    assert table["key"] == ["c"]
    assert (table["added"], table["removed"], table["changed"]) == (0, 0, 0), "what both have is the same"
    assert table["rows"] == {"before": 2, "after": 2}


@pytest.mark.parametrize("change", CHANGES)
def test_environments_with_the_contract_changed_between(
    declare: Callable[[str, str], None], cli: Cli, change: str
) -> None:
    columns, aggregates, schema = CHANGES[change]
    declare(columns, aggregates)
    assert cli("run", "-e", "dev").code == 0
    table = reported(cli("diff", "totals", "-e", "dev", "--against", "default", "-o", "json"))
    assert table["schema"] == schema
    assert (table["added"], table["removed"], table["changed"]) == (0, 0, 0)


def test_values_of_another_type(declare: Callable[[str, str], None], cli: Cli) -> None:
    """They are compared where one type holds both exactly, else reported as not compared."""
    declare("c: string, total: float64", 'total=("v", lambda v: v.sum() / 2)')
    table = reported(cli("diff", "-o", "json"))
    assert table["changed_columns"] == {"total": 2}
    assert table["examples"]["changed"][1] == {"key": {"c": "b"}, "columns": {"total": {"before": 2.0, "after": 1.0}}}
    declare("c: string, total: string", 'total=("v", lambda v: str(v.sum()))')
    table = reported(cli("diff", "-o", "json"))
    assert table["changed"] == 0
    assert table["notes"] == ["values of `total` were not compared: it is int64 and string"]
    assert "~  total   int64 → string" in cli("diff").out


def test_outside_data_is_read_as_declared(folder: ProjectFolder, cli: Cli) -> None:
    """Or, where they are not that, by their manifest."""
    text = PROJECT.replace("STORAGE", STORAGES["csv"]).replace("DEV", "{root: dev}")
    folder.write("raw/src.csv", "c,v\na,1\nb,2\n")
    folder.write("transforms.py", TRANSFORMS.replace("AGG", 'total=("v", "sum")'))
    folder.write("lakehouse.yaml", text.replace("COLUMNS", "c: string, total: int64"))
    assert cli("run").code == 0
    folder.write("lakehouse.yaml", text.replace("COLUMNS", "c: string, total: int64, n: int64"))
    folder.write("transforms.py", TRANSFORMS.replace("AGG", 'total=("v", "sum"), n=("v", "size")'))
    folder.write("data/totals.csv", "c,total\na,1\nb,3\n")
    assert reported(cli("diff", "-o", "json"))["schema"]["added"] == [{"name": "n", "type": "int64"}]
    folder.write("data/totals.csv", "c,total,n\na,1,1\nb,2,7\n")
    table = reported(cli("diff", "-o", "json"))
    assert table["schema"]["added"] == []
    assert table["changed_columns"] == {"n": 1}
