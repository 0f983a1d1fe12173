"""Checks of tables by partition, in runs and on what is stored."""

from __future__ import annotations

from tests.cli.test_partitions import put, run
from tests.conftest import Cli, ProjectFolder

CHECKED = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily:
  partitions: [day]
  inputs: [raw]
  columns: {id: {type: int64, checks: [{nulls: {max: 40%}}, {max: 9, error_above: 50%}]}}
  checks: [{row_count: {max: 3}}, {sql: "select count(*) as n from this having count(*) > 3"}]
"""


def test_check_judges_partitions_as_a_run(folder: ProjectFolder, cli: Cli) -> None:
    """Of rows that are counted together, those of a partition; what fails names it, with rows of the table."""
    folder.declare(CHECKED, "import pyarrow as pa\ndef daily(raw: pa.Table) -> pa.Table:\n    return raw\n")
    put(folder, "2024-01-01", 1, 2, 3)
    put(folder, "2024-01-02", 4, 5)
    run(cli)
    assert cli("check", "daily").code == 0
    (folder.path / "data/daily/day=2024-01-02/data.csv").write_text("id\n4\n10\n11\n\n\n\n")
    done = cli("check", "daily", "-o", "json")
    assert done.code == 1
    [table] = done.json["tables"]
    found = {each["check"]: each for each in table["checks"]}
    assert {each["status"] for each in found.values()} == {"failed"}, table
    assert all(each["message"].startswith("day=2024-01-02: ") for each in found.values()), table
    assert found["row_count"]["rows"] == 3 + 6
    assert [each["row"] for each in found["max"]["examples"]] == [5, 6]
    assert cli("check", "daily", "--partition", "day=2024-01-01").code == 0
