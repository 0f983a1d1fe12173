"""Tests of transforms of partitioned tables, and rehearsals: the partition is that of the test, or any."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

TABLES = """
sales: {{kind: source, path: "raw/sales_{{day:%Y-%m-%d}}", columns: {{n: int64}}}}
daily:
  partitions: [day]
  columns: {{day: date32, weekday: int64, n: int64}}
  inputs: [sales]
  tests:
    - {{name: fills the day in, {partition}given: {{sales: [{{n: 1}}]}}, expect: [{{day: {day}, weekday: 2, n: 1}}]}}
query:
  partitions: [day]
  columns: {{day: date32, n: int64}}
  sql: select $day as day, n from sales
  tests:
    - {{name: binds the day, {partition}given: {{sales: [{{n: 1}}]}}, expect: [{{day: {day}, n: 1}}]}}
running:
  partitions: [day]
  inputs: {{sales: sales, before: {{table: running, at: {{day: -1}}}}}}
  columns: {{n: int64}}
  tests:
    - {{name: goes on, {partition}given: {{sales: [{{n: 1}}], running: [{{n: 5}}]}}, expect: [{{n: 6}}]}}
"""
CODE = """
def daily(sales, day):
    return sales.assign(weekday=day.weekday())

def running(sales, before):
    return sales + before["n"].sum()
"""


def declare(folder: ProjectFolder, partition: str = "partition: {day: 2024-01-03}, ", day: str = "2024-01-03") -> None:
    folder.declare(TABLES.format(partition=partition, day=day), CODE)


def test_test_computes_its_partition(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    done = cli("test")
    assert (done.code, "3 passed" in done.out) == (0, True)


def test_expected_day_is_compared(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder, day="2024-01-04")
    assert cli("test").code == 1


def test_rows_of_other_partitions_break_the_contract(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    folder.edit("transforms.py", "sales.assign(", "sales.assign(day=datetime.date(2024, 1, 4), ")
    folder.edit("transforms.py", "def daily", "import datetime\n\ndef daily")
    done = cli("test", "daily")
    assert (done.code, "column `day` has values other than `2024-01-03`" in done.out) == (1, True)
    # Rows that are made up are of any.
    assert cli("validate", "--rehearse").code == 0


def test_dimensions_of_given_rows_are_those_of_the_partition(folder: ProjectFolder, cli: Cli) -> None:
    """As in a run; rows of neighbours, and what is given, stay as they are."""
    tables = """
    daily: {partitions: [day], inputs: [], columns: {day: date32, n: int64}}
    passed_on:
      partitions: [day]
      inputs: [daily]
      columns: {day: date32, n: int64}
      tests:
        - {name: left out, GIVEN [{n: 1}]}, expect: [{day: 2024-01-03, n: 1}]}
        - {name: another, GIVEN [{n: 1, day: 2024-01-05}]}, expect: {error: has values other than `2024-01-03`}}
    day_before:
      partitions: [day]
      inputs: {daily: {table: daily, at: {day: -1}}}
      columns: {was: date32, n: int64}
      tests:
        - {name: left out, GIVEN [{n: 1}]}, expect: [{was: null, n: 1}]}
    """.replace("GIVEN", "partition: {day: 2024-01-03}, given: {daily:")
    code = "def daily(): ...\ndef passed_on(daily): return daily\n"
    code += "def day_before(daily): return daily.rename(columns={'day': 'was'})\n"
    folder.declare(tables, code, top="dimensions: {day: {every: day, start: 2024-01-01}}\n")
    done = cli("test")
    assert (done.code, "3 passed" in done.out) == (0, True), done.out + done.err


@pytest.mark.parametrize(
    ("partition", "message", "hint"),
    [
        ("", "test `fills the day in` of table `daily` names no partition", "write `partition: {day: 2024-01-03}`"),
        ("partition: {month: 2024-01}, ", "names other dimensions than the table has", "write `partition: {day:"),
        ("partition: {day: 2024-02-30}, ", "February 2024 has 29 days", "write a day from 01 to 29"),
    ],
)
def test_partition_that_is_none_of_the_table_is_refused(
    folder: ProjectFolder, cli: Cli, partition: str, message: str, hint: str
) -> None:
    declare(folder, partition)
    done = cli("test")
    assert done.code == 3
    assert message in done.err
    assert hint in done.err


def test_partition_of_a_whole_table_is_refused(folder: ProjectFolder, cli: Cli) -> None:
    test = "{name: t, partition: {day: 2024-01-03}, given: {}, expect: []}"
    folder.declare(f"a: {{columns: {{n: int64}}, inputs: [], tests: [{test}]}}", "def a(): ...\n")
    done = cli("test")
    assert "`partition` of test `t` of table `a`, and the table has no partitions" in done.err


def test_partitions_are_rehearsed(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    done = cli("validate", "--rehearse")
    assert (done.code, "3 passed" in done.out) == (0, True)


def test_test_of_partitions_is_not_recorded(folder: ProjectFolder, cli: Cli) -> None:
    declare(folder)
    done = cli("test", "--record", "new", "daily")
    assert done.code == 2
    assert "`daily` has partitions, and its tests are not recorded yet" in done.err
