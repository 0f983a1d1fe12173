"""Several results of one function, by partition: one call for each partition stores them all."""

from __future__ import annotations

from tests.cli.test_partitions import put, run
from tests.conftest import Cli, ProjectFolder

TABLES = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
low: {function: split, output: low, partitions: [day], inputs: [raw], columns: {day: date32, id: int64}, key: [id]}
high: {function: split, output: high, partitions: [day], inputs: [raw], columns: {id: int64}}
"""
CODE = """
import pyarrow as pa
import pyarrow.compute as pc

def split(raw: pa.Table, day) -> dict[str, pa.Table]:
    with open("calls", "a") as file:
        file.write(f"{day} ")
    is_low = pc.less(raw["id"], 10)
    return {"low": raw.filter(is_low), "high": raw.filter(pc.invert(is_low))}
"""


def ids(cli: Cli, name: str) -> list[int]:
    return [each["id"] for each in cli("show", name, "-o", "json").json["rows"]]


def test_one_call_stores_all_results_of_a_partition(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(TABLES, CODE.replace('"calls"', repr(str(folder.path / "calls"))))
    put(folder, "2024-01-01", 1, 10)
    put(folder, "2024-01-02", 2, 20)
    both = {"2024-01-01": "materialized", "2024-01-02": "materialized"}
    assert run(cli) == {"low": both, "high": both}
    assert sorted(folder.read("calls").split()) == ["2024-01-01", "2024-01-02"]
    assert (ids(cli, "low"), ids(cli, "high")) == ([1, 2], [10, 20])
    assert cli("show", "low", "-o", "json").json["rows"][1] == {"day": "2024-01-02", "id": 2}
    put(folder, "2024-01-02", 3, 30)
    assert run(cli, "low") == {"low": {"2024-01-02": "materialized"}, "high": {"2024-01-02": "materialized"}}
    (folder.path / "data/high/day=2024-01-01/data.csv").unlink()
    assert run(cli) == {"low": {"2024-01-01": "materialized"}, "high": {"2024-01-01": "materialized"}}
    put(folder, "2024-01-03", 1, 40)  # of a key that another partition has, neither is stored
    assert run(cli, code=1) == {"low": {"2024-01-03": "failed"}, "high": {"2024-01-03": "skipped"}}
    assert (ids(cli, "low"), ids(cli, "high")) == ([1, 3], [10, 30])


def test_results_differ_in_partitions_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(TABLES.replace("output: high, partitions: [day],", "output: high,"), CODE)
    refused = cli("validate")
    assert refused.code == 3
    assert "`partitions` of table `high` is not that of table `low`" in refused.err
