"""What is said of partitions: each thing once, with the partitions that it holds of, and ways out that work."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from lakehouse_cli import Project
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.unit import unit_of
from lakehouse_cli.storage.partition_capability import claim
from tests.cli.test_partitions import MONTH, TRANSFORMS, planned, put, run
from tests.conftest import Cli, Invoked, ProjectFolder

DAYS = [f"2024-01-{day:02}" for day in range(1, 28)]
TABLES = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], gone: drop, inputs: [raw], columns: {id: int64}}
tidy: {partitions: [day], function: daily, inputs: {raw: daily}, columns: {id: int64}}
"""


@pytest.fixture
def days(folder: ProjectFolder) -> ProjectFolder:
    """Days in two tables by day, of which the first drops those whose file is gone."""
    folder.declare(TABLES, TRANSFORMS, top=MONTH)
    for day in DAYS[:4]:
        put(folder, day, 1, 2)
    return folder


def next_step(text: str, pattern: str) -> list[str]:
    """The arguments of a command that a hint gives."""
    found = re.search(f"`lakehouse ({pattern}[^`]*)`", text)
    assert found is not None, text
    return found[1].split()


def test_day_that_another_input_has_waits_once_it_is_dropped(days: ProjectFolder, cli: Cli) -> None:
    """Whatever happened before: after the run that drops it, and after others, all is as if it had never been there."""
    days.edit("lakehouse.yaml", "inputs: [raw]", "inputs: {raw: raw, other: other}")
    days.edit("lakehouse.yaml", "tidy: {", "tidy: {gone: drop, ")
    days.add(
        "lakehouse.yaml",
        '  other: {kind: source, path: "other/{day:%Y-%m-%d}", columns: {id: int64}}\n'
        "  monthly: {partitions: [month], gone: drop, inputs: [tidy], columns: {n: int64}}\n",
    )
    days.edit("transforms.py", "def daily(raw: pa.Table)", "def daily(raw: pa.Table, other=None)")
    days.edit("transforms.py", "def monthly(daily: pa.Table)", "def monthly(tidy: pa.Table)")
    days.edit("transforms.py", "[daily.num_rows]", "[tidy.num_rows]")
    for day in DAYS[:4]:
        days.write(f"data/other/{day}.csv", "id\n1\n")
    run(cli)
    (days.path / "data/raw/sales_2024-01-03.csv").unlink()
    dropped = {"daily": {"2024-01-03": "dropped"}, "tidy": {"2024-01-03": "dropped"}}
    assert run(cli) == {**dropped, "monthly": {"2024-01": "dropped"}}
    waits = {name: dict.fromkeys(each, "waiting") for name, each in dropped.items()}
    assert run(cli) == {**waits, "monthly": {"2024-01": "waiting"}}
    assert "`raw` has no 2024-01-03" in cli("plan").out
    (days.path / "data/other/2024-01-03.csv").unlink()
    assert run(cli) == {"daily": {}, "tidy": {}, "monthly": {"2024-01": "materialized"}}


@pytest.mark.parametrize("way", ["keep", "drop", "clean"])
def test_source_that_is_gone_is_named_with_ways_out(days: ProjectFolder, cli: Cli, way: str) -> None:
    run(cli)
    (days.path / "data/raw/sales_2024-01-03.csv").unlink()
    failed = cli("run")
    assert failed.code == 1
    assert "`tidy/day=2024-01-03` is stored, and its source `daily` has no 2024-01-03 any more" in failed.err
    assert "○  tidy   blocked  day=2024-01-03: its source `daily` has no 2024-01-03 any more\n" in cli("plan").out
    assert "`gone: keep` in table `tidy` keeps such partitions, `gone: drop` removes them" in failed.err
    if way == "clean":
        assert cli(*next_step(failed.err, "clean tidy"), "--yes").code == 0
    else:
        days.edit("lakehouse.yaml", "tidy: {", f"tidy: {{gone: {way}, ")
        run(cli)
    assert planned(cli) == {}
    stored = [each for each in days.files() if each.startswith("tidy/day=2024-01-03")]
    assert bool(stored) == (way == "keep")


def test_period_outside_of_a_dimension_is_gone(folder: ProjectFolder, cli: Cli) -> None:
    top = "dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-03}}\n"
    folder.declare(
        "daily: {partitions: [day], columns: {n: int64}}", "def daily(day):\n    return {'n': [1]}\n", top=top
    )
    folder.write(
        "transforms.py", "import pyarrow as pa\n\ndef daily(day) -> pa.Table:\n    return pa.table({'n': [1]})\n"
    )
    run(cli)
    folder.edit("lakehouse.yaml", "start: 2024-01-01", "start: 2024-01-02")
    assert "day=2024-01-01: dimension `day` does not have 2024-01-01 any more" in cli("plan").out


def test_partitions_that_fail_for_one_cause_are_one_message(days: ProjectFolder, cli: Cli) -> None:
    for day in DAYS:
        put(days, day, 13)
    put(days, "2024-02-01", 1)
    days.write("data/raw/sales_2024-02-02.csv", "id\nx\n")
    failed = cli("run")
    assert failed.code == 1
    assert "daily (27 partitions, day=2024-01-01 to day=2024-01-27)  `daily` raised ValueError: thirteen" in failed.err
    assert failed.err.count("thirteen") == 2  # and the line of code
    assert "daily (day=2024-02-02)  " in failed.err
    lines = [line for line in failed.out.splitlines() if line.startswith("✗ daily")]
    assert len(lines) == 3
    assert lines[-1].endswith("28 partitions failed")
    assert failed.out.count("thirteen") == 1  # by the first line alone
    found = cli("run", "-o", "json").json["tables"][0]["partitions"]
    assert len([each for each in found if each["status"] == "failed"]) == 28


def test_partitions_that_would_fail_for_one_cause_are_one_message(days: ProjectFolder, cli: Cli) -> None:
    run(cli)
    for day in DAYS[:3]:
        (days.path / f"data/raw/sales_{day}.csv").unlink()
    run(cli, code=1)
    plan = cli("plan").out
    assert "3 partitions (day=2024-01-01 to day=2024-01-03): its source `daily` has no 2024-01-01 any more, and" in plan
    assert "3 of these could not be materialized; `tidy/day=2024-01-01` is stored, and its source" in plan
    assert " more\nnext" not in plan.replace("any more\nnext", "")


def test_reasons_name_the_partitions_that_they_hold_of(days: ProjectFolder, cli: Cli) -> None:
    """Params that differ from those of one partition or of others, and variables."""
    days.edit("lakehouse.yaml", "daily: {", "daily: {params: {rate: 1}, ")
    days.edit("transforms.py", "def daily(raw: pa.Table)", "def daily(raw: pa.Table, rate: int = 0)")
    run(cli)
    run(cli, "daily", "--param", "rate=2", "--partition", "day=2024-01-02")
    run(cli, "daily", "--param", "rate=3", "--partition", "day=2024-01-03..2024-01-04")
    reasons = cli("plan", "daily", "-o", "json", "--param", "rate=3").json["tables"][1]["reasons"]
    assert [each["message"] for each in reasons] == [
        *("day=2024-01-01: param `rate`: 1 → 3", "day=2024-01-02: param `rate`: 2 → 3"),
    ]
    reasons = cli("plan", "daily", "-o", "json", "--param", "rate=4").json["tables"][1]["reasons"]
    assert [each["message"] for each in reasons] == [
        *("day=2024-01-01: param `rate`: 1 → 4", "day=2024-01-02: param `rate`: 2 → 4"),
        "day=2024-01-03 and day=2024-01-04: param `rate`: 3 → 4",  # in place of a line that says less
    ]
    run(cli, "daily", "--param", "rate=5", "--partition", "day=2024-01-04")
    reasons = cli("plan", "daily", "-o", "json", "--param", "rate=4").json["tables"][1]["reasons"]
    assert (
        reasons[-1]["message"] == "day=2024-01-03 and day=2024-01-04: likewise, by other numbers or names (`-o json`)"
    )
    assert len(reasons) == 3


def test_partitions_wait_each_for_its_own(folder: ProjectFolder, cli: Cli) -> None:
    tables = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
other: {kind: source, path: "raw/other_{day:%Y-%m-%d}", columns: {id: int64}}
both: {partitions: [day], inputs: [raw, other], columns: {id: int64}}
"""
    code = "import pyarrow as pa\n\ndef both(raw: pa.Table, other: pa.Table) -> pa.Table:\n    return raw\n"
    folder.declare(tables, code)
    for day in DAYS[:4]:
        put(folder, day, 1)
    folder.write("data/raw/other_2024-01-04.csv", "id\n1\n")
    folder.write("data/raw/other_2024-01-05.csv", "id\n1\n")
    plan = cli("plan").out
    assert "waiting: 3 partitions (day=2024-01-01 to day=2024-01-03): `other` has no 2024-01-01, and so on" in plan
    assert "waiting: day=2024-01-05: `raw` has no 2024-01-05" in plan
    out = cli("run").out
    assert (
        "`both`: 3 partitions (day=2024-01-01 to day=2024-01-03): waiting: `other` has no 2024-01-01, and so on" in out
    )


#: What people write, what the hint says, and the table and the dimensions that follow from it.
WORDS = [
    ("partition_by: day", "`partitions: [day]`, with `day: {every: day}`", "partitions: [day]"),
    ("incremental: true", "`partitions: [file]`", "partitions: [file]"),
    ("append: true", "`partitions: [file]`", "partitions: [file]"),
    ("mode: append", "`partitions: [file]`", "partitions: [file]"),
    ("incremental_strategy: append", "`partitions: [file]`", "partitions: [file]"),
    ("merge: true", "`partitions: [file]`, or `partitions: [day]`", "partitions: [day]"),
    ("unique_key: id", "`key: [day, id]`", "partitions: [day], key: [day, id]"),
    ("materialized: incremental", "`partitions: [file]`", "partitions: [file]"),
    ("kind: incremental", "write `partitions: [day]`", "partitions: [day]"),
    ("kind: view", "remove it", "tags: []"),
    ("batch_size: day", "`partitions: [day]`", "partitions: [day]"),
    (
        "event_time: ts",
        "within: {column: ts}",
        "partitions: [day], inputs: {daily: {table: events, within: {column: ts}}}",
    ),
    ("lookback: 2", "at: {day: [-2, 0]}", "partitions: [day], inputs: {daily: {table: daily, at: {day: [-2, 0]}}}"),
    ("begin: 2024-01-01", "`day: {every: day, start: 2024-01-01}`", "partitions: [day]"),
    ("forward_only: true", "`on_code_change: new`", "partitions: [day], on_code_change: new"),
    (
        "format: delta",
        "`storage: lake` in its place, and under `storages:` `lake: {type: delta, root: lake}`",
        "storage: lake",
    ),
]


def test_words_of_others_have_hints_that_work(folder: ProjectFolder, cli: Cli) -> None:
    top = """
dimensions: {day: {every: day, start: 2024-01-01}}
storages: {default: {root: data}, lake: {type: delta, root: lake}}
"""
    tables = """
raw: {kind: source, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
events: {kind: source, columns: {id: int64, ts: "timestamp[s]"}}
daily: {partitions: [day], inputs: [raw], columns: {id: int64}}
tidy: {WORDS, columns: {day: date32, id: int64}}
"""
    code = TRANSFORMS + "def tidy(daily: pa.Table) -> pa.Table:\n    return daily\n"

    def validated(words: str) -> Invoked:
        words = f"function: tidy, {words}" if "inputs" in words else f"function: daily, inputs: {{raw: raw}}, {words}"
        folder.declare(tables.replace("WORDS", words), code, top=top)
        return cli("validate")

    for written, hint, followed in WORDS:
        assert hint in validated(written).err
        assert validated(followed).code == 0, (written, validated(followed))


def test_format_of_a_storage_that_is_a_type_has_a_hint(days: ProjectFolder, cli: Cli) -> None:
    days.add("lakehouse.yaml", "storages: {default: {root: data, format: delta}}\n")
    assert "write `type: delta` in the place of `format`" in cli("validate").err


def test_misnamed_files_have_a_label_of_their_own(days: ProjectFolder, cli: Cli) -> None:
    for name in ("2024-02-30", "today"):
        days.write(f"data/raw/sales_{name}.csv", "id\n1\n")
    plan = cli("plan").out
    assert re.search(r"✗  raw +misnamed +2 files of source `raw` are not named as its path says: \S+2024-02-30", plan)
    assert "data/raw/sales_today.csv ('today' is not as `{day:%Y-%m-%d}` says)" in plan
    assert re.search("✗  daily +refused +`raw` cannot be read; it is not known which partitions it has", plan)
    assert "1 source with misnamed files" in plan
    days.write("data/raw/sales_2024-02-01.CSV", "id\n1\n")
    assert re.search(r"✗  raw +misnamed +1 file of source `raw` cannot be read, because of the ending", cli("plan").out)


def test_table_by_period_without_inputs_is_not_computed_once(folder: ProjectFolder, cli: Cli) -> None:
    top = "dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-02}}\n"
    code = "import pyarrow as pa\n\ndef daily(day) -> pa.Table:\n    return pa.table({'n': [1]})\n"
    folder.declare("daily: {partitions: [day], columns: {n: int64}}", code, top=top)
    assert "computed once" not in cli("plan").out


def test_column_of_a_wrong_type_is_reported_once(folder: ProjectFolder, cli: Cli) -> None:
    tables = """
events: {kind: source, columns: {ts: timestampp}}
daily: {partitions: [day], inputs: {raw: {table: events, within: {column: ts}}}, columns: {id: int64}}
"""
    folder.declare(tables, TRANSFORMS, top="dimensions: {day: {every: day, start: 2024-01-01}}\n")
    assert cli("validate").err.endswith("\n\n1 problem\n")


def test_path_that_is_wrong_is_reported_once(days: ProjectFolder, cli: Cli) -> None:
    """Not as a dimension that nothing has, either; and so are periods that do not nest."""
    days.edit("lakehouse.yaml", "raw/sales_{day", "raw/${SHOP}_{day")
    assert cli("validate").err.endswith("\n\n1 problem\n")
    tables = "raw: {kind: source, path: 'raw/{month:%Y-%m}'}\ndaily: {partitions: [week], inputs: [raw]}"
    days.declare(tables, TRANSFORMS, top="dimensions: {week: {every: week}}\n")
    found = cli("validate").err
    assert "`week` of table `daily` and `month` of `raw` do not nest" in found
    assert found.endswith("\n\n1 problem\n")


def test_run_that_was_killed_changes_no_columns(days: ProjectFolder, cli: Cli) -> None:
    """Its claim of a partition says nothing of columns."""
    project = Project.load(days.path)
    unit = unit_of(project.table("daily"), Partition(("day",), (DAYS[0],)))
    claim(project.storage("daily"), [unit], "killed", "2026-01-01T00:00:00.000+00:00")
    assert "run killed did not finish" in cli("plan").out
    daily = cli("run", "-o", "json").json["tables"][0]
    assert daily["status"] == "materialized"
    assert "column" not in str(daily)


def test_history_has_partitions_in_short(days: ProjectFolder, cli: Cli) -> None:
    for day in DAYS[1:4]:
        put(days, day, 13)
    run(cli, code=1)
    daily = cli("runs", "show", "last", "-o", "json").json["tables"][0]
    assert [each["key"]["day"] for each in daily["partitions"]] == DAYS[1:4]
    assert all("thirteen" in each["error"]["message"] for each in daily["partitions"])
    ended = daily["partitions_ended"]["materialized"]
    assert (ended["count"], ended["first"], ended["last"]) == (1, {"day": DAYS[0]}, {"day": DAYS[0]})
    shown = cli("runs", "show", "last")
    assert f"daily (3 partitions, day={DAYS[1]} to day={DAYS[3]})" in shown.out + shown.err
    put(days, DAYS[0], 5)
    put(days, DAYS[1], 5)
    assert run(cli, "--failed", code=1)["daily"] == {
        **dict.fromkeys(DAYS[2:4], "failed"),
        DAYS[1]: "materialized",
    }


def test_durations_of_partitions_are_read_from_lines_of_all_versions(days: ProjectFolder, cli: Cli) -> None:
    run(cli)
    put(days, DAYS[0], 5)
    assert cli("plan", "-o", "json").json["cost"]["seconds"] > 0
    (file,) = (days.path / ".lakehouse/runs").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["event"] == "table_finished":
            del line["result"]["partitions_ended"]  # as before lines had it
            line["result"]["partitions"] = [{"key": {"day": DAYS[0]}, "status": "materialized", "duration_s": 1000.0}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert cli("plan", "-o", "json").json["cost"]["seconds"] > 500


def test_log_names_the_partition_that_is_tried_again(days: ProjectFolder, cli: Cli) -> None:
    days.edit("lakehouse.yaml", "daily: {", "daily: {retries: 1, retry_delay: 0, ")
    put(days, DAYS[1], 13)
    done = cli("run")
    assert f"  daily (day={DAYS[1]}): attempt 1 failed: `daily` raised ValueError: thirteen; next in 0 s\n" in done.out
    events = [json.loads(line) for line in cli("run", "--log-format", "json").err.splitlines()]
    (retrying,) = [each for each in events if each["event"] == "table_retrying"]
    assert (retrying["table"], retrying["partition"]) == ("daily", f"day={DAYS[1]}")


def test_run_says_what_waits_where_others_failed(days: ProjectFolder, cli: Cli) -> None:
    days.write("data/raw/other_2024-01-02.csv", "id\n1\n")
    days.edit("lakehouse.yaml", "inputs: [raw]", "inputs: [raw, other]")
    days.edit("lakehouse.yaml", "tables:\n", "tables:\n  other: {kind: source, path: 'raw/other_{day:%Y-%m-%d}'}\n")
    days.edit("transforms.py", "def daily(raw: pa.Table)", "def daily(raw: pa.Table, other: pa.Table = None)")
    put(days, DAYS[1], 13)
    done = cli("run", "daily")
    assert done.code == 1
    assert f"note: `daily`: 3 partitions (day={DAYS[0]} to day={DAYS[3]}): waiting: `other` has no" in done.out


def test_values_that_no_list_has_are_noted(folder: ProjectFolder, cli: Cli) -> None:
    tables = """
raw: {kind: source, path: "raw/{region}_*", columns: {id: int64}}
daily: {partitions: [region], inputs: [raw], columns: {id: int64}}
"""
    folder.declare(tables, TRANSFORMS, top="dimensions: {region: [eu, us]}\n")
    for region in ("eu", "us", "asia"):
        folder.write(f"data/raw/{region}_1.csv", "id\n1\n")
    note = "`daily`: left out: `raw` has `asia`, which dimension `region` does not list"
    assert note in cli("run").out
    assert note in cli("plan").out


def test_inputs_without_the_dimension_are_noted(folder: ProjectFolder, cli: Cli) -> None:
    tables = """
events: {kind: source, columns: {id: int64, ts: "timestamp[s]"}}
prices: {kind: source, columns: {id: int64}}
daily:
  partitions: [day]
  inputs: {raw: {table: events, within: {column: ts}}, prices: prices}
  columns: {id: int64}
"""
    code = "import pyarrow as pa\n\ndef daily(raw: pa.Table, prices: pa.Table) -> pa.Table:\n    return prices\n"
    folder.declare(tables, code, top="dimensions: {day: {every: day, start: 2024-01-01, end: 2024-01-02}}\n")
    folder.write("data/events.csv", "id,ts\n1,2024-01-01 00:00:00\n")
    folder.write("data/prices.csv", "id\n1\n")
    plan = cli("plan").out
    assert "`prices` has none of its dimensions, and comes whole: a change of it makes all partitions anew" in plan
    assert "`events` has none of its dimensions, and is read by time: a change of it makes" in plan


def test_one_partition_and_its_error_are_said_once(days: ProjectFolder, cli: Cli) -> None:
    put(days, DAYS[2], 13)
    failed = [line for line in cli("run", "daily").out.splitlines() if line.startswith("✗ daily")]
    assert [line.split("  ")[-1] for line in failed] == [
        f"day={DAYS[2]}: `daily` raised ValueError: thirteen",
        "1 partition failed",
    ]
    put(days, DAYS[2], 14)
    run(cli, "daily")
    put(days, DAYS[2], 15)
    days.edit("transforms.py", "return raw", "return raw.slice(0)")
    changed = f"`daily` changed (transforms.py); `raw`: 1 file changed (`raw/sales_{DAYS[2]}.csv`)\n"
    for command in ("plan", "run"):
        assert f"  day={DAYS[2]}: {changed}" in cli(command, "daily", "--partition", f"day={DAYS[2]}").out
    run(cli)
    put(days, DAYS[2], 16)
    days.write(f"data/daily/day={DAYS[2]}/data.csv", "id\n7\n")
    [daily] = [line for line in cli("graph").out.splitlines() if " daily " in line]
    assert (daily.count(f"day={DAYS[2]}: "), daily.count("; ")) == (1, 1)


def test_type_that_delta_partitions_change_fails_them(folder: ProjectFolder, cli: Cli) -> None:
    """Each, as it ends, and not all of them when they are committed: what needs them is skipped."""
    tables = """
raw: {kind: source, storage: files, path: "raw/sales_{day:%Y-%m-%d}", columns: {id: int64}}
daily: {partitions: [day], inputs: [raw], columns: {id: int64}}
total: {inputs: [daily], storage: files, columns: {id: int64}}
"""
    code = "def daily(raw):\n    return raw.astype('int64')\n\ndef total(daily):\n    return daily\n"
    top = "storages: {default: {type: delta, root: lake}, files: {root: data}}\n"
    folder.declare(tables, code, top=top)
    put(folder, "2024-01-30", 1)
    put(folder, "2024-01-31", 2)
    run(cli)
    folder.declare(
        tables.replace("columns: {id: int64}}\n", "columns: {id: string}}\n").replace("{id: string", "{id: int64", 1),
        code.replace("int64", "str"),
        top=top,
    )
    assert run(cli, code=1) == {"daily": dict.fromkeys(("2024-01-30", "2024-01-31"), "failed"), "total": "skipped"}
    failed = cli("run", "--workers", "1").err
    assert "column `id` of lake/daily is int64, and would be string" in failed
    assert (
        "`lakehouse run --force --together daily` stores all of its partitions anew, at once; or keep the type"
        in failed
    )
    assert cli("runs", "-o", "json").json["runs"][0]["status"] == "failed"
    shutil.rmtree("lake")
    assert run(cli)["total"] == "materialized"


def test_reasons_in_rows_of_a_log_are_short(folder: ProjectFolder, cli: Cli) -> None:
    """Where values are long, too; plans, and documents, have all of them."""
    tables = """
raw: {kind: source, path: raw/, partitions: [region, day], columns: {id: int64}}
daily: {partitions: [region, day], inputs: [raw], columns: {id: int64}}
"""
    folder.declare(tables, "def daily(raw):\n    return raw\n")
    for add in ("1", "1\n2"):
        for number in range(4):
            folder.write(f"data/raw/region={'r' * 80}{number}/day=2024-01-30/p.csv", f"id\n{add}\n")
        done = cli("run")
    [row] = [line for line in done.out.splitlines() if line.startswith("✓ daily")]
    assert "4 partitions (region=rrr" in row
    assert row.endswith("…")
    assert len(row) < 300


def test_window_beyond_the_first_partition_is_told(folder: ProjectFolder, cli: Cli) -> None:
    """Where no partition gets rows of an input; not where some do, nor of the first one alone."""
    table = "t: {partitions: [day], function: daily, inputs: {raw: {table: raw, at: {day: %s}}}}"

    def declare(at: str) -> None:
        folder.declare(f"{TABLES.splitlines()[1]}\n{table % at}", TRANSFORMS, top=MONTH)

    note = "no partition gets rows of `raw` (day %s), which has no such neighbours yet"
    put(folder, DAYS[0], 1)
    declare("-5")
    assert "no partition gets" not in cli("plan").out
    put(folder, DAYS[1], 1)
    for at, shown in (("-5", "-5..-5"), ("[-5, -3]", "-5..-3"), ("[-2, -1]", None)):
        declare(at)
        out = cli("plan").out
        assert ("no partition gets" in out, shown is None or note % shown in out) == (shown is not None, True), out
    assert cli("run").code == 0
    assert "no partition gets" not in cli("plan").out


def test_partition_that_there_is_not_is_answered_by_those_that_are(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare(TABLES, TRANSFORMS, top=MONTH)
    put(folder, DAYS[0], 1)
    assert f"there is day={DAYS[0]} alone" in cli("plan", "--partition", "day=2023-01-01").err
    run(cli)
    assert f"there is day={DAYS[0]} alone" in cli("show", "daily", "--partition", "day=2023-01-01").err
    put(folder, DAYS[1], 1)
    assert f"there are day={DAYS[0]} to day={DAYS[1]}" in cli("plan", "--partition", "day=2023-01-01").err
    folder.edit("lakehouse.yaml", "{day:%Y-%m-%d}", "{month:%Y-%m-%dT%H}")
    assert "`{month:%Y-%m-%dT%H}` of table `raw` is an hour by its format" in cli("validate").err
