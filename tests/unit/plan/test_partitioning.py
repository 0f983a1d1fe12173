"""Which partitions a table has, and what each gets of its inputs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from lakehouse_cli.errors import Location
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Dimension, InputOptions
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.plan.domains import Domain, domain_of
from lakehouse_cli.plan.partitioning import LinkIndex, expected, link_of

DIMENSIONS = {each: Dimension(name=each, every=each) for each in ("day", "month", "week", "hour")}
NOW = datetime(2024, 3, 5, 12, tzinfo=UTC)


def parts(dimensions: str, *values: str) -> list[Partition]:
    names = tuple(dimensions.split())
    return [Partition(names, tuple(each.split())) for each in values]


def index(dimensions: str, available: list[Partition], **options: Any) -> LinkIndex:
    table = Table(name="t", partitions=tuple(dimensions.split()), input_options={"raw": InputOptions(**options)})
    others = available[0].dimensions if available else table.partitions
    link = link_of(table, Table(name="raw", partitions=others), others, "raw", DIMENSIONS)
    assert link is not None
    return LinkIndex(link, available)


def chosen(found: LinkIndex, *values: str) -> list[str]:
    return [" ".join(each.values) for each in found.choose(values).members]


def keys(dimensions: str, links: list[LinkIndex], **domains: Domain) -> list[str]:
    names = dimensions.split()
    return [" ".join(each) for each in expected(names, [domains.get(name, Domain()) for name in names], links)]


def domain(**options: Any) -> Domain:
    place = Location("lakehouse.yaml", 1, 1)
    return domain_of(Dimension(name="d", location=place, **options), NOW)


class TestExpected:
    def test_table_has_the_days_of_its_input(self):
        assert keys("day", [index("day", parts("day", "2024-01-02", "2024-01-01"))]) == ["2024-01-01", "2024-01-02"]

    def test_table_by_month_has_the_months_of_days(self):
        days = parts("day", "2024-01-31", "2024-02-01", "2024-02-29")
        assert keys("month", [index("month", days)]) == ["2024-01", "2024-02"]

    def test_period_that_one_of_two_inputs_lacks_counts(self):
        links = [index("day", parts("day", "2024-01-01")), index("day", parts("day", "2024-01-02"))]
        assert keys("day", links) == ["2024-01-01", "2024-01-02"]
        assert links[1].choose(("2024-01-01",)).lacks == "2024-01-01"

    def test_combinations_are_those_of_an_input_that_has_them(self):
        both = index("region month", parts("region month", "eu 2024-01", "us 2024-02"))
        months = index("region month", parts("month", "2024-01", "2024-02", "2024-03"))
        assert keys("region month", [months, both]) == ["eu 2024-01", "us 2024-02"]

    def test_dimensions_without_a_common_input_are_combined(self):
        links = [index("region month", parts("region", "eu", "us")), index("region month", parts("month", "2024-01"))]
        assert keys("region month", links) == ["eu 2024-01", "us 2024-01"]

    def test_start_makes_all_periods_that_have_ended(self):
        found = domain(every="month", start="2023-12")
        assert keys("month", [index("month", parts("month", "2024-01"))], month=found) == [
            "2023-12",
            "2024-01",
            "2024-02",
        ]

    def test_start_leaves_out_what_is_before_it(self):
        found = domain(every="month", start="2024-01", end="2024-01")
        assert keys("month", [index("month", parts("month", "2023-01", "2024-02"))], month=found) == ["2024-01"]

    def test_open_period_counts_where_it_is_partial(self):
        found = domain(every="month", start="2024-02", open="partial")
        assert found.listed == ("2024-02", "2024-03")
        assert found.is_open("2024-03")
        assert not found.is_open("2024-02")

    def test_period_ends_by_the_clocks_of_its_zone(self):
        late = datetime(2024, 2, 29, 23, 30, tzinfo=UTC)
        place = Location("lakehouse.yaml", 1, 1)
        zurich = domain_of(Dimension(name="m", every="month", timezone="Europe/Zurich", location=place), late)
        assert (zurich.current, domain_of(Dimension(name="m", every="month", location=place), late).current) == (
            "2024-03",
            "2024-02",
        )

    def test_dimension_that_files_make_has_no_open_periods(self):
        assert not domain_of(Dimension(name="m", every="month"), NOW).is_open("2030-01")

    def test_listed_values_leave_out_others(self):
        found = domain(values=("eu", "us"))
        assert keys("region", [index("region", parts("region", "eu", "asia"))], region=found) == ["eu", "us"]

    def test_nothing_is_made_of_a_dimension_that_nothing_has(self):
        assert keys("region month", [index("region month", parts("month", "2024-01"))]) == []


class TestChoose:
    def test_month_gets_its_days_in_order(self):
        days = parts("day", "2024-02-02", "2024-01-31", "2024-02-01")
        assert chosen(index("month", days), "2024-02") == ["2024-02-01", "2024-02-02"]

    def test_day_gets_the_month_it_lies_in(self):
        found = index("day", parts("month", "2024-01", "2024-02"))
        assert chosen(found, "2024-02-29") == ["2024-02"]
        assert not found.link.makes_partitions

    def test_week_gets_days_across_the_year(self):
        days = parts("day", "2024-12-29", "2024-12-30", "2025-01-05", "2025-01-06")
        assert chosen(index("week", days), "2025-W01") == ["2024-12-30", "2025-01-05"]

    def test_dimension_of_the_input_alone_is_taken_whole(self):
        found = index("month", parts("region month", "us 2024-01", "eu 2024-01", "eu 2024-02"))
        assert chosen(found, "2024-01") == ["eu 2024-01", "us 2024-01"]

    def test_one_partition_is_called_by_its_name(self):
        found = index("day", parts("day", "2024-01-01"))
        assert found.named(found.choose(("2024-01-01",))).name == "raw/day=2024-01-01"

    def test_window_leaves_out_what_is_before_the_first(self):
        found = index("month", parts("month", "2024-01", "2024-02", "2024-03"), at={"month": (-6, 0)})
        assert chosen(found, "2024-02") == ["2024-01", "2024-02"]
        assert found.choose(("2024-02",)).lacks is None

    def test_first_period_has_nothing_before_it(self):
        found = index("month", parts("month", "2024-01"), at={"month": (-1, -1)}).choose(("2024-01",))
        assert (found.members, found.lacks) == ((), None)

    def test_gap_in_a_window_lacks(self):
        found = index("month", parts("month", "2024-01", "2024-03"), at={"month": (-1, -1)})
        assert found.choose(("2024-03",)).lacks == "2024-02"

    def test_gap_in_a_window_is_skipped_where_it_may_be_missing(self):
        months = parts("month", "2024-01", "2024-03")
        found = index("month", months, at={"month": (-2, -1)}, missing="skip")
        assert (chosen(found, "2024-03"), found.choose(("2024-03",)).lacks) == (["2024-01"], None)

    def test_first_period_is_that_of_each_region(self):
        found = index("region month", parts("region month", "eu 2024-01", "us 2024-02"), at={"month": (-1, -1)})
        assert found.choose(("us", "2024-02")).lacks is None
        assert found.choose(("eu", "2024-03")).lacks == "eu, 2024-02"

    @pytest.mark.parametrize(("missing", "lacks"), [("wait", "2024-01-02"), ("skip", None)])
    def test_period_that_an_input_lacks_waits_unless_skipped(self, missing: str, lacks: str | None):
        found = index("day", parts("day", "2024-01-01"), missing=missing).choose(("2024-01-02",))
        assert (found.members, found.lacks) == ((), lacks)

    def test_window_of_months_on_days_gets_all_their_days(self):
        days = parts("day", "2024-01-01", "2024-01-31", "2024-02-01")
        assert chosen(index("month", days, at={"month": (-1, -1)}), "2024-02") == ["2024-01-01", "2024-01-31"]
