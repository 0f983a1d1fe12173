"""What `--failed` and `state:failed` remember of partitions, and what a later run says of those that are stored."""

from __future__ import annotations

from tests.cli.test_partitions import MONTH, TABLES, TRANSFORMS, put
from tests.conftest import Cli, ProjectFolder

GOOD, BAD, NEXT = "2024-01-30", "2024-01-31", "2024-02-01"


def test_later_run_of_stored_partitions_is_no_first_run(folder: ProjectFolder, cli: Cli) -> None:
    """The table by month was never stored, as a day failed; that by day was, in part."""
    folder.declare(TABLES, TRANSFORMS, top=MONTH)
    put(folder, GOOD, 1)
    put(folder, BAD, 13)
    assert "first run" in cli("run", "daily", "monthly").out
    put(folder, GOOD, 2)
    put(folder, BAD, 3)
    later = cli("run", "daily", "monthly").out
    assert "first run" not in later
    for reason in (f"day={BAD}: never materialized", "month=2024-01: never materialized"):
        assert reason in later
    assert "first run" not in cli("runs", "show", "last").out
