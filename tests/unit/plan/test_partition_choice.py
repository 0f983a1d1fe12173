"""What `--partition` chooses: values, ranges, dimensions that nest, and what is refused."""

from __future__ import annotations

import pytest

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model.dimension import Dimension
from lakehouse_cli.model.partition import FILE, HIVE_NULL, Partition
from lakehouse_cli.plan.partition_choice import PartitionChoice, parse_partitions
from tests.cases import each_case

DIMENSIONS = {
    "year": Dimension(name="year", every="year"),
    "month": Dimension(name="month", every="month"),
    "week": Dimension(name="week", every="week"),
    "day": Dimension(name="day", every="day"),
    "region": Dimension(name="region", values=("eu", "us", "a..b")),
    "country": Dimension(name="country"),
    "hour": Dimension(name="hour", every="hour"),
    "local": Dimension(name="local", every="day", timezone="Europe/Zurich"),
}


def parsed(*texts: str) -> PartitionChoice:
    """What the texts choose."""
    choice = parse_partitions(texts, DIMENSIONS)
    assert choice is not None
    return choice


def includes(choice: PartitionChoice, **key: str) -> bool:
    return choice.includes(Partition(tuple(key), tuple(key.values())))


@each_case(
    ("texts", "key", "included"),
    [
        (["month=2024-01"], {"month": "2024-01"}, True),
        (["month=2024-01"], {"month": "2024-02"}, False),
        (["day=2024-01-31"], {"hour": "2024-01-31T23"}, True),
        (["local=2024-01-31"], {"hour": "2024-01-31T23"}, False),  # which is the next day there
        (["local=2024-01-31"], {"hour": "2024-01-31T01"}, False),  # none of another zone is chosen
        (["month=2023-11..2024-02"], {"month": "2024-02"}, True),
        (["month=2023-11..2024-02"], {"month": "2023-10"}, False),
        (["month=2024-01", "month=2024-03"], {"month": "2024-03"}, True),
        (["month=2024-01", "month=2024-03"], {"month": "2024-02"}, False),
        (["month=2024-01", "region=eu"], {"region": "eu", "month": "2024-01"}, True),
        (["month=2024-01", "region=eu"], {"region": "us", "month": "2024-01"}, False),
        (["month=2024-01", "region=eu"], {"month": "2024-01"}, True),  # which has no region
        (["region=a..b"], {"region": "a..b"}, True),  # a value, not a range
        (["country="], {"country": ""}, True),
        (["country="], {"country": "x"}, False),
        (["country=x=y z/é"], {"country": "x=y z/é"}, True),
        (["month=2024-02"], {"day": "2024-02-29"}, True),  # its days
        (["month=2024-02"], {"day": "2024-03-01"}, False),
        (["week=2024-W01"], {"day": "2024-01-01"}, True),
        (["year=2024..2025"], {"month": "2025-12"}, True),
        (["day=2024-01-01"], {"month": "2024-01"}, False),  # more than was asked for
        (["month=2024-01"], {"week": "2024-W01"}, False),
        (["month=2024-01"], {"region": "eu"}, False),
        (["month=2024-01"], {"month": HIVE_NULL}, False),
        (["week=2024-W01"], {"day": HIVE_NULL}, False),
        (["file=raw/a=1.csv"], {FILE: "raw/a=1.csv"}, True),
        (["file=raw/a.csv"], {FILE: "raw/b.csv"}, False),
    ],
)
def test_choice_includes(texts: list[str], key: dict[str, str], included: bool) -> None:
    assert includes(parsed(*texts), **key) is included


@each_case(
    ("text", "message", "hint"),
    [
        ("mnth=2024-01", "there is no dimension `mnth`", "did you mean `month`?"),
        ("fiel=a", "there is no dimension `fiel`", "did you mean `file`?"),
        ("month", "`month` is no partition", "write a dimension, `=` and a value"),
        ("=2024", "`=2024` is no partition", "write a dimension"),
        ("month=", "`` is no month", "write it as `2024-01`"),
        ("day=2024-02-30", "February 2024 has 29 days", "write a day from 01 to 29"),
        ("month=2024", "`2024` is no month", "write it as `2024-01`"),
        ("month=2024-01..", "`2024-01..` has one end", "write both ends: `month=2024-01..2024-01`"),
        ("month=..2024-01", "`..2024-01` has one end", "write both ends"),
        ("month=2024-02..2024-01", "ends before it begins", "write `--partition month=2024-01..2024-02`"),
        ("region=eus", "`eus` is no value of dimension `region`", "did you mean `us`"),
        ("region=x", "`x` is no value of dimension `region`", "its values are eu, us, a..b"),
    ],
)
def test_choice_that_cannot_be_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parsed(text)
    assert message in raised.value.message
    assert hint in str(raised.value.hint)


def test_nothing_given_chooses_nothing() -> None:
    assert parse_partitions([], DIMENSIONS) is None
