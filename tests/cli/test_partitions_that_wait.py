"""Partitions that wait, are left, or lie ahead: what becomes of those that are stored, and of what needs them."""

from __future__ import annotations

import pytest

from tests.cli.test_partitions import planned, run
from tests.conftest import Cli, ProjectFolder

CODE = """
import pyarrow as pa

def _sum(*tables):
    return pa.table({"v": [sum(sum(each["v"].to_pylist()) for each in tables)]})

def a(s: pa.Table) -> pa.Table:
    return _sum(s)

def me(a: pa.Table, me: pa.Table) -> pa.Table:
    return _sum(a, me)

def roll(a: pa.Table) -> pa.Table:
    return _sum(a)

def month(a: pa.Table) -> pa.Table:
    return _sum(a)

def tot(roll: pa.Table) -> pa.Table:
    return _sum(roll)
"""
V = "columns: {v: int64}"
SOURCE = f's: {{kind: source, path: "s_{{day:%Y-%m-%d}}", {V}}}\n'
A = f"{SOURCE}a: {{partitions: [day], inputs: [s], gone: drop, {V}}}\n"
CALENDAR = "{every: day, start: 2024-01-01, end: 2024-01-03}"


def put(folder: ProjectFolder, day: int, value: int) -> None:
    folder.write(f"data/s_2024-01-{day:02}.csv", f"v\n{value}\n")


def remove(folder: ProjectFolder, day: int) -> None:
    (folder.path / f"data/s_2024-01-{day:02}.csv").unlink()


def values(folder: ProjectFolder, table: str) -> dict[str, int]:
    """By partition, without the year and the month."""
    files = (folder.path / "data" / table).glob("*/data.csv")
    return {file.parent.name[-2:]: int(file.read_text().split()[1]) for file in sorted(files)}


def declare(folder: ProjectFolder, tables: str, day: str = CALENDAR, more: str = "") -> None:
    folder.declare(tables, CODE, top=f"dimensions:\n  day: {day}\n{more}")


@pytest.mark.parametrize("day", [CALENDAR, "{every: day}"])
def test_table_that_reads_itself_keeps_nothing_of_a_day_that_is_gone(folder: ProjectFolder, cli: Cli, day: str) -> None:
    own = "{a: a, me: {table: me, at: {day: -1}}}"
    declare(folder, f"{A}me: {{partitions: [day], gone: drop, inputs: {own}, {V}}}\n", day)
    for number in (1, 2, 3):
        put(folder, number, number)
    run(cli)
    assert values(folder, "me") == {"01": 1, "02": 3, "03": 6}
    remove(folder, 2)
    assert run(cli)["me"] == {"2024-01-02": "dropped", "2024-01-03": "dropped"}
    put(folder, 3, 33)
    assert run(cli)["me"]["2024-01-03"] == "waiting"
    assert (values(folder, "a"), values(folder, "me")) == ({"01": 1, "03": 33}, {"01": 1})
    put(folder, 2, 2)
    run(cli)
    assert values(folder, "me") == {"01": 1, "02": 3, "03": 36}


@pytest.mark.parametrize("missing", ["skip", "wait"])
@pytest.mark.parametrize("gone", ["drop", "fail", "keep"])
def test_window_on_a_day_that_is_gone(folder: ProjectFolder, cli: Cli, gone: str, missing: str) -> None:
    """What reads it among others is dropped too; without `gone: drop` it waits, and is not counted as it was."""
    window = f"{{a: {{table: a, at: {{day: [-1, 0]}}, missing: {missing}}}}}"
    declare(
        folder, f"{A}roll: {{partitions: [day], gone: {gone}, inputs: {window}, {V}}}\ntot: {{inputs: [roll], {V}}}\n"
    )
    for number in (1, 2, 3):
        put(folder, number, number)
    run(cli)
    remove(folder, 2)
    if gone == "drop":
        assert "day=2024-01-03: `a/day=2024-01-02` waits" in cli("plan").out
        assert run(cli)["roll"] == {"2024-01-02": "dropped", "2024-01-03": "dropped"}
        put(folder, 3, 33)
        assert run(cli)["roll"] == {"2024-01-02": "waiting", "2024-01-03": "waiting"}
        assert values(folder, "roll") == {"01": 1}
        assert (folder.path / "data/tot.csv").read_text() == "v\n1\n"
        return
    # Of the second, all that it is made from is gone, which `gone` says of it.
    fails = {"2024-01-02": "failed"} if gone == "fail" else {}
    code = len(fails)
    assert run(cli, code=code)["roll"] == {**fails, "2024-01-03": "waiting"}
    put(folder, 3, 33)
    done = run(cli, code=code)
    assert done["roll"] == {**fails, "2024-01-03": "waiting"}
    assert done["tot"] == ("waiting" if fails else "unchanged")
    assert fails or "`roll`: day=2024-01-03: waiting: `a/day=2024-01-02` waits" in cli("run").out


def test_open_month_is_not_stored_while_a_day_of_it_waits(folder: ProjectFolder, cli: Cli) -> None:
    """A file of one input is there before that of the other: there is no month until both are."""
    tables = f"""{SOURCE}other: {{kind: source, path: "other_{{day:%Y-%m-%d}}", {V}}}
a: {{partitions: [day], gone: drop, inputs: {{s: s, w: other}}, {V}}}
month: {{partitions: [month], gone: drop, inputs: [a], {V}}}
"""
    declare(folder, tables, "{every: day}", "  month: {every: month, open: partial}\n")
    folder.edit("transforms.py", "def a(s: pa.Table)", "def a(s: pa.Table, w: pa.Table)")
    put(folder, 1, 1)
    folder.write("data/other_2024-01-01.csv", "v\n1\n")
    noon = ("--as-of", "2024-01-03T12:00Z")
    assert run(cli, *noon)["month"] == {"2024-01": "materialized"}
    put(folder, 2, 2)
    assert run(cli, *noon)["month"] == {"2024-01": "dropped"}
    assert run(cli, *noon)["month"] == {"2024-01": "waiting"}
    folder.write("data/other_2024-01-02.csv", "v\n1\n")
    run(cli, *noon)
    assert values(folder, "month") == {"01": 3}
    # That of a day that has not ended changes nothing yet, as with a `start`.
    put(folder, 3, 3)
    done = run(cli, *noon)
    assert done["a"] == {"2024-01-03": "waiting"}
    assert done["month"] == {"2024-01": "materialized"}
    assert values(folder, "month") == {"01": 3}


@pytest.mark.parametrize(
    ("asked", "expected", "after"),
    [
        (
            ("--max-partitions", "1", "--newest-first"),
            {"2024-01-01": "materialized", **dict.fromkeys(("2024-01-02", "2024-01-03", "2024-01-04"), "waiting")},
            {"01": 1, "02": 2, "03": 5, "04": 11},
        ),
        (("--partition", "day=2024-01-04"), {"2024-01-04": "waiting"}, {"02": 2, "03": 5, "04": 11}),
    ],
)
def test_partition_waits_for_one_before_it_that_is_not_made(
    folder: ProjectFolder, cli: Cli, asked: tuple[str, ...], expected: dict[str, str], after: dict[str, int]
) -> None:
    """A table that reads itself is made in its order, in as many runs as it takes."""
    own = "{a: s, me: {table: me, at: {day: [-3, -1]}, missing: skip}}"
    declare(folder, f"{SOURCE}me: {{partitions: [day], inputs: {own}, {V}}}\n", "{every: day}")
    for number in (2, 3, 4):
        put(folder, number, number)
    run(cli)
    put(folder, 1, 1)
    assert run(cli, *asked)["me"] == expected
    assert values(folder, "me") | {"04": 9} == after | {"04": 9}
    for _ in range(4):
        run(cli, "--max-partitions", "1", "--newest-first")
    assert values(folder, "me") == {"01": 1, "02": 3, "03": 7, "04": 15}
    assert not planned(cli)


def test_neighbour_that_is_not_chosen_is_neither_gone_nor_left_out(folder: ProjectFolder, cli: Cli) -> None:
    window = "{a: {table: a, at: {day: [-1, 0]}, missing: skip}}"
    before = "{a: {table: a, at: {day: -1}}}"
    tables = (
        f"roll: {{partitions: [day], inputs: {window}, {V}}}\nmonth: {{partitions: [day], inputs: {before}, {V}}}\n"
    )
    declare(folder, A + tables, "{every: day}")
    for number in (1, 2, 3):
        put(folder, number, number)
    chosen = ("--partition", "day=2024-01-03")
    first = run(cli, *chosen)
    assert first["roll"] == first["month"] == {"2024-01-03": "waiting"}
    run(cli)
    assert cli("clean", "a", "--partition", "day=2024-01-02", "--yes").code == 0
    assert "`a/day=2024-01-02` is not chosen (`--partition`)" in cli("plan", *chosen).out
    again = run(cli, *chosen)  # and does not fail
    assert again["roll"] == again["month"] == {"2024-01-03": "waiting"}
    run(cli)
    assert values(folder, "roll") == {"01": 1, "02": 3, "03": 5}


@pytest.mark.parametrize("gone", ["drop", "fail"])
@pytest.mark.parametrize("open_periods", ["wait", "partial"])
def test_periods_after_an_earlier_moment_are_left_alone(
    folder: ProjectFolder, cli: Cli, gone: str, open_periods: str
) -> None:
    day = f"{{every: day, start: 2024-01-01, end: 2024-01-10, timezone: Asia/Tokyo, open: {open_periods}}}"
    month = f"  month: {{every: month, start: 2024-01, end: 2024-01, timezone: Asia/Tokyo, open: {open_periods}}}\n"
    tables = f"""p: {{partitions: [day], inputs: [], gone: {gone}, {V}}}
month: {{partitions: [month], inputs: {{a: p}}, gone: {gone}, {V}}}
"""
    declare(folder, tables, day, month)
    folder.add("transforms.py", 'def p(day):\n    return pa.table({"v": [day.day]}).to_pandas()\n')
    run(cli, "--as-of", "2024-02-02")
    stored = values(folder, "p"), values(folder, "month")
    assert stored == ({f"{each:02}": each for each in range(1, 11)}, {"01": 55})
    done = run(cli, "--as-of", "2024-01-05T00:00Z")
    assert {*done["p"].values()} <= {"materialized", "unchanged"}
    assert {*done["p"]} == ({"2024-01-05"} if open_periods == "partial" else set())
    assert (values(folder, "p"), values(folder, "month")) == stored
    # What the dimension does not have any more is gone all the same.
    folder.edit("lakehouse.yaml", "end: 2024-01-10", "end: 2024-01-08")
    done = run(cli, "--as-of", "2024-01-05T00:00Z", code=int(gone == "fail"))
    status = "dropped" if gone == "drop" else "failed"
    assert {day for day, each in done["p"].items() if each == status} == {"2024-01-09", "2024-01-10"}


def test_what_needs_all_partitions_waits_for_days_left_two_tables_up(folder: ProjectFolder, cli: Cli) -> None:
    folder.write(
        "lakehouse.yaml",
        "name: left\nmodule: t\ndimensions: {day: {every: day}, month: {every: month}}\ntables:\n"
        "  s: {kind: source, path: 's_{day:%Y-%m-%d}', columns: {v: int64}}\n"
        "  daily: {inputs: [s], partitions: [day], columns: {v: int64}}\n"
        "  monthly: {inputs: [daily], partitions: [month], columns: {v: int64}}\n"
        "  summary: {inputs: [monthly], columns: {v: int64}}\n",
    )
    folder.write(
        "t.py", "def daily(s): return s\ndef monthly(daily): return daily\ndef summary(monthly): return monthly\n"
    )
    for day in ("2024-01-01", "2024-01-02", "2024-02-01"):
        folder.write(f"data/s_{day}.csv", "v\n1\n")
    for expected in (None, None, "v\n1\n1\n1\n"):
        assert cli("run", "--max-partitions", "1", "--newest-first").code == 0
        stored = folder.path / "data/summary.csv"
        assert (stored.read_text() if stored.exists() else None) == expected


@pytest.mark.parametrize(
    ("dimension", "left_out", "others"),
    [
        ("hour: {every: hour, start: 2024-03-31T00, end: 2024-03-31T04, timezone: Europe/Zurich}", "2024-03-31T02", 4),
        ("day: {every: day, start: 2011-12-28, end: 2012-01-01, timezone: Pacific/Apia}", "2011-12-30", 4),
    ],
)
def test_period_that_clocks_left_out_is_none(
    folder: ProjectFolder, cli: Cli, dimension: str, left_out: str, others: int
) -> None:
    """What follows it reads the one before it, and a file of it is misnamed."""
    name = dimension.partition(":")[0]
    declared = f"""
    made: {{partitions: [{name}], columns: {{v: int64}}}}
    me: {{partitions: [{name}], inputs: {{a: made, me: {{table: me, at: {{{name}: -1}}}}}}, columns: {{v: int64}}}}
    """
    code = CODE + "\ndef made():\n    return pa.table({'v': [1]})\n"
    folder.declare(declared, code, top=f"dimensions:\n  {dimension}\n")
    assert {table: len(each) for table, each in run(cli).items()} == {"made": others, "me": others}
    assert [*values(folder, "me").values()] == [1, 2, 3, 4]
    assert left_out not in cli("plan").out
    source = f'    s: {{kind: source, path: "s_{{{name}}}", columns: {{v: int64}}}}\n'
    folder.declare(f"{source}    a: {{partitions: [{name}], inputs: [s]}}\n", CODE, top=f"dimensions:\n  {dimension}\n")
    folder.write(f"data/s_{left_out}.csv", "v\n1\n")
    zone = dimension.rpartition(" ")[2].rstrip("}")
    assert f"`{left_out}` is no {name}: the clocks of {zone} leave it out" in cli("plan").out
