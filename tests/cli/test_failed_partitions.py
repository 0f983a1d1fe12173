"""What `--failed` and `state:failed` remember of partitions, and what a later run says of those that are stored."""

from __future__ import annotations

import pytest

from tests.cli.test_partitions import MONTH, TABLES, TRANSFORMS, put, run
from tests.conftest import Cli, ProjectFolder

GOOD, BAD, NEXT = "2024-01-30", "2024-01-31", "2024-02-01"


@pytest.fixture
def failed(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    """Two days of which the second failed, and is mended."""
    folder.declare(TABLES, TRANSFORMS, top=MONTH)
    put(folder, GOOD, 1)
    put(folder, BAD, 13)
    run(cli, code=1)
    put(folder, BAD, 3)
    return folder


def names(cli: Cli) -> set[str]:
    return {table["name"] for table in cli("ls", "state:failed", "-o", "json").json["tables"]}


def test_run_of_other_partitions_forgets_no_failed_one(failed: ProjectFolder, cli: Cli) -> None:
    assert names(cli) == {"daily", "monthly", "summary"}
    assert run(cli, "--partition", f"day={GOOD}") == {"daily": {}}
    assert names(cli) == {"daily", "monthly", "summary"}
    put(failed, NEXT, 5)
    assert run(cli, "--max-partitions", "1", "--newest-first", "--as-of", "2024-03-15") == {
        "daily": {NEXT: "materialized", BAD: "waiting"},
        "monthly": {"2024-02": "materialized", "2024-01": "waiting"},
        "summary": "waiting",
    }
    assert names(cli) == {"daily", "monthly", "summary"}
    put(failed, NEXT, 6)
    assert run(cli, "--failed", "--partition", f"day={GOOD}", "daily") == {"daily": {}}
    assert run(cli, "--failed") == {
        "daily": {BAD: "materialized"},
        "monthly": {"2024-01": "materialized"},
        "summary": "materialized",
    }
    assert names(cli) == set()
    assert "nothing to do" in cli("run", "--failed").out


def test_run_of_some_partitions_forgets_those_that_it_finished(failed: ProjectFolder, cli: Cli) -> None:
    put(failed, NEXT, 13)
    run(cli, "daily", code=1)
    put(failed, GOOD, 13)
    run(cli, "daily", "--partition", f"day={GOOD}", code=1)
    put(failed, GOOD, 1)  # as it is stored
    put(failed, NEXT, 5)
    assert run(cli, "daily", "--partition", f"day={GOOD}") == {"daily": {}}
    assert run(cli, "daily", "--failed") == {"daily": {NEXT: "materialized"}}
    assert names(cli) == {"monthly", "summary"}


def test_partition_left_by_a_run_is_remembered_with_the_run_that_failed_at_it_gone(
    failed: ProjectFolder, cli: Cli
) -> None:
    (file,) = (failed.path / ".lakehouse/runs").glob("*.jsonl")
    run(cli, "daily", "--partition", f"day={GOOD}")
    file.unlink()
    put(failed, NEXT, 5)
    assert run(cli, "daily", "--failed") == {"daily": {BAD: "materialized"}}


def test_run_that_died_is_taken_up_after_a_run_of_some_partitions(failed: ProjectFolder, cli: Cli) -> None:
    (file,) = (failed.path / ".lakehouse/runs").glob("*.jsonl")
    file.write_text(file.read_text().splitlines(keepends=True)[0])
    put(failed, GOOD, 4)
    assert run(cli, "--partition", f"day={GOOD}") == {"daily": {GOOD: "materialized"}}
    assert run(cli, "--failed", "daily") == {"daily": {BAD: "materialized"}}


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
