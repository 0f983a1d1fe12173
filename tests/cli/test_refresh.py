"""`refresh`: a table is due when it is as old as the key allows, and nothing downstream runs for it alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.test_incremental import reasons, statuses
from tests.conftest import Cli, ProjectFolder


@pytest.fixture
def rates(folder: ProjectFolder, cli: Cli) -> ProjectFolder:
    """A table with an age, one computed from it, both materialized."""
    folder.write(
        "lakehouse.yaml",
        """
        name: rates
        module: transforms
        tables:
          prices: {columns: {rate: int64}, refresh: 6h}
          best: {inputs: [prices]}
        """,
    )
    folder.write(
        "transforms.py",
        """
        import pandas as pd


        def prices():
            return pd.DataFrame({"rate": [1]})


        def best(prices):
            return prices
        """,
    )
    assert cli("run").code == 0
    return folder


def age(folder: ProjectFolder, started_at: str | timedelta, root: str = "data") -> None:
    """Have the manifest of `prices` say that it was computed then, or so long ago."""
    path = f"{root}/.lakehouse/manifests/prices.json"
    if isinstance(started_at, timedelta):
        started_at = (datetime.now(UTC) - started_at).isoformat(timespec="milliseconds")
    folder.write(path, json.dumps({**json.loads(folder.read(path)), "started_at": started_at}))


def test_younger_table_is_up_to_date(rates: ProjectFolder, cli: Cli) -> None:
    assert reasons(cli) == {}
    age(rates, timedelta(hours=5, minutes=50))
    assert reasons(cli) == {}
    assert cli("plan", "--exit-code").code == 0


def test_older_table_is_due_and_says_so(rates: ProjectFolder, cli: Cli) -> None:
    age(rates, timedelta(hours=7, minutes=50))
    reported = "refresh due: materialized 7 h ago, `refresh: 6h`"
    assert reasons(cli) == {"prices": [("refresh_due", reported)], "best": [("upstream_runs", "`prices` runs")]}
    assert reported in cli("plan").out
    assert cli("plan", "--exit-code").code == 4
    # The result is the same: nothing downstream runs, and the table is new all the same.
    assert statuses(cli) == {"prices": "materialized", "best": "unchanged"}
    assert reasons(cli) == {}


@pytest.mark.parametrize(
    ("refresh", "old", "reported"),
    [
        ("30s", timedelta(seconds=31), "31 s"),
        ("30m", timedelta(minutes=30, seconds=5), "30 min"),
        ("1h", timedelta(minutes=119), "1 h"),
        ("1d", timedelta(days=1, minutes=1), "1 day"),
        ("2w", timedelta(days=20), "20 days"),
    ],
)
def test_units_of_age(rates: ProjectFolder, cli: Cli, refresh: str, old: timedelta, reported: str) -> None:
    rates.edit("lakehouse.yaml", "refresh: 6h", f"refresh: {refresh}")
    assert reasons(cli) == {}
    age(rates, old)
    assert reasons(cli)["prices"][0][1] == f"refresh due: materialized {reported} ago, `refresh: {refresh}`"


def test_always_is_due_at_once(rates: ProjectFolder, cli: Cli) -> None:
    rates.edit("lakehouse.yaml", "refresh: 6h", "refresh: always")
    for _ in range(2):
        assert reasons(cli)["prices"] == [("refresh_due", "refresh due: `refresh: always`")]
        assert statuses(cli) == {"prices": "materialized", "best": "unchanged"}


def test_time_in_the_future_is_due(rates: ProjectFolder, cli: Cli) -> None:
    age(rates, timedelta(days=-400))
    ((code, message),) = reasons(cli)["prices"]
    assert code == "refresh_due"
    assert message.startswith("refresh due: materialized at 20")
    assert message.endswith(", which is in the future, `refresh: 6h`")
    assert statuses(cli)["prices"] == "materialized"
    assert reasons(cli) == {}


def test_age_at_another_moment(rates: ProjectFolder, cli: Cli) -> None:
    """What was computed after it is not of the future, and not due; what is older then than it may be is due."""
    now = datetime.now(UTC)
    assert reasons(cli, "--as-of", f"{now - timedelta(days=3):%Y-%m-%dT%H:%MZ}") == {}
    found = reasons(cli, "--as-of", f"{now + timedelta(days=3, minutes=2):%Y-%m-%dT%H:%MZ}")
    assert found["prices"] == [("refresh_due", "refresh due: materialized 3 days ago, `refresh: 6h`")]


@pytest.mark.parametrize("reported", ["", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_time_that_is_none_is_due(rates: ProjectFolder, cli: Cli, reported: str) -> None:
    age(rates, reported)
    message = "refresh due: its manifest does not say when it was materialized, `refresh: 6h`"
    assert reasons(cli)["prices"] == [("refresh_due", message)]


def test_key_does_not_change_what_is_stored(rates: ProjectFolder, cli: Cli) -> None:
    rates.edit("lakehouse.yaml", ", refresh: 6h", "")
    assert reasons(cli) == {}
    age(rates, timedelta(days=1000))
    assert reasons(cli) == {}


def test_copy_is_as_old_as_the_table(rates: ProjectFolder, cli: Cli) -> None:
    rates.edit("lakehouse.yaml", "tables:\n", "environments: {dev: {storages: {default: {root: dev}}}}\ntables:\n")
    age(rates, timedelta(hours=7))
    assert cli("copy", "--from", "default", "--to", "dev").code == 0
    assert reasons(cli, "-e", "dev")["prices"] == [
        ("refresh_due", "refresh due: materialized 7 h ago, `refresh: 6h`"),
    ]


def test_deferred_input_is_read_whatever_its_age(rates: ProjectFolder, cli: Cli) -> None:
    rates.edit("lakehouse.yaml", "tables:\n", "environments: {dev: {storages: {default: {root: dev}}}}\ntables:\n")
    age(rates, timedelta(hours=7))
    ran = cli("run", "best", "-e", "dev", "--defer", "default", "-o", "json")
    assert [t["status"] for t in ran.json["tables"]] == ["materialized"]


def test_failed_refresh_is_due_still(rates: ProjectFolder, cli: Cli) -> None:
    age(rates, timedelta(hours=7))
    rates.edit("transforms.py", '{"rate": [1]}', '{"rate": ["x"]}')
    assert cli("run").code == 1
    rates.edit("transforms.py", '{"rate": ["x"]}', '{"rate": [1]}')
    assert [code for code, _ in reasons(cli, "prices")["prices"]] == ["refresh_due"]
    assert cli("run", "--failed").code == 0
    assert reasons(cli) == {}


def test_diff_computes_what_is_due(rates: ProjectFolder, cli: Cli) -> None:
    age(rates, timedelta(hours=7))
    (prices, _) = cli("diff", "-o", "json").json["tables"]
    assert (prices["status"], prices["notes"]) == ("equal", [])
