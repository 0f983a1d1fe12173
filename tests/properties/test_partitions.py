"""The law of partitions: whatever happened before, what is stored is what computing all of it from nothing gives."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from lakehouse_cli import Project
from lakehouse_cli.errors import UsageError
from lakehouse_cli.project.execution import run_project
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.runs.events import RunResult, TableResult

DECLARED = """
name: law
module: transforms
dimensions:
  month: {every: month}
  week: {every: week, timezone: Asia/Tokyo}
  moon: {every: month, timezone: Asia/Tokyo, open: partial}
defaults: {gone: drop}
tables:
  a: {kind: source, path: "a/{day:%Y-%m-%d}", columns: {x: int64}}
  b: {kind: source, path: "b/{day:%Y%m%d}", columns: {x: int64}}
  rates: {kind: source, columns: {x: int64}}
  daily: {partitions: [day], inputs: {a: a, b: {table: b, missing: skip}, rates: rates}, columns: {x: int64}}
  strict: {partitions: [day], inputs: {a: a, b: b}, columns: {x: int64}}
  second: {partitions: [day], inputs: [strict], columns: {x: int64}}
  both: {partitions: [month], inputs: [strict], columns: {x: int64}}
  recent: {partitions: [day], inputs: {daily: {table: daily, at: {day: [-1, 0]}, missing: skip}}, columns: {x: int64}}
  so_far:
    partitions: [day]
    inputs: {daily: daily, before: {table: so_far, at: {day: -1}, missing: skip}}
    columns: {x: int64}
  monthly: {partitions: [month], inputs: [daily], columns: {x: int64}}
  weekly: {partitions: [week], inputs: {a: {table: a, missing: skip}}, columns: {x: int64}}
  direct: {partitions: [month], inputs: {a: a}, columns: {x: int64}}
  early: {partitions: [moon], inputs: {a: a}, columns: {x: int64}}
  loaded: {partitions: [file], inputs: {a: a}, columns: {x: int64}}
  whole: {inputs: [daily], columns: {x: int64}}
  top: {inputs: [monthly], columns: {x: int64}}
"""
TABLES = (
    *("daily", "strict", "second", "both", "recent", "so_far", "monthly", "weekly", "direct", "early", "loaded"),
    *("whole", "top"),
)
CODE = """
import pyarrow as pa
import pyarrow.compute as pc

def _of(*tables, by=1):
    return pa.table({{"x": [by * sum(sum(table["x"].to_pylist()) for table in tables)]}})

def daily(a: pa.Table, b: pa.Table, rates: pa.Table) -> pa.Table:
    return _of(a, b, rates, by={daily})

def strict(a: pa.Table, b: pa.Table) -> pa.Table:
    return _of(a, b)

def second(strict: pa.Table) -> pa.Table:
    return _of(strict)

def both(strict: pa.Table) -> pa.Table:
    return _of(strict)

def recent(daily: pa.Table) -> pa.Table:
    return _of(daily)

def so_far(daily: pa.Table, before: pa.Table) -> pa.Table:
    return _of(daily, before)

def monthly(daily: pa.Table) -> pa.Table:
    return _of(daily, by={monthly})

def weekly(a: pa.Table) -> pa.Table:
    return _of(a)

def direct(a: pa.Table) -> pa.Table:
    return _of(a)

def early(a: pa.Table) -> pa.Table:
    return _of(a)

def loaded(a: pa.Table) -> pa.Table:
    return _of(a)

def whole(daily: pa.Table) -> pa.Table:
    return _of(daily)

def top(monthly: pa.Table) -> pa.Table:
    return _of(monthly)
"""
DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-03")
WEEKS = {"2024-01-30": "2024-W05", "2024-01-31": "2024-W05", "2024-02-01": "2024-W05", "2024-02-03": "2024-W05"}


@st.composite
def steps(draw: DrawFn) -> list[tuple[Any, ...]]:
    """What happens between two full runs."""
    day, value = st.sampled_from(DAYS), st.integers(0, 3)
    step: SearchStrategy[tuple[Any, ...]] = st.one_of(
        st.tuples(st.just("put"), st.sampled_from(("a", "b")), day, value),
        st.tuples(st.just("remove"), st.sampled_from(("a", "b")), day),
        st.tuples(st.just("rates"), value),
        st.tuples(st.just("edit"), st.sampled_from(("daily", "monthly")), st.integers(1, 2)),
        st.tuples(st.just("spoil"), day),
        st.tuples(st.just("run"), st.sampled_from(("", "+monthly", "daily", "so_far", "direct+"))),
        st.tuples(
            st.just("choose"), st.sampled_from(("month=2024-01", "day=2024-02-01..2024-02-28", "day=2024-01-31"))
        ),
        st.tuples(st.just("limit"), st.booleans()),
        st.tuples(st.just("as of"), st.sampled_from(("2024-01-31T14:59", "2024-01-31T15:01", "2024-02-29T23:59"))),
    )
    return draw(st.lists(step, max_size=8))


class History:
    """A project in a folder, and what ought to be stored of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, dict[str, int]] = {"a": {}, "b": {}}
        self.rates, self.by = 0, {"daily": 1, "monthly": 1}
        (folder / "lakehouse.yaml").write_text(DECLARED)
        self.write("rates", 0)
        self.put("a", DAYS[0], 1)
        self.put("b", DAYS[0], 2)
        self.edit()

    def write(self, name: str, value: int) -> None:
        file = self.folder / f"data/{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"x\n{value}\n")

    def put(self, source: str, day: str, value: int) -> None:
        self.files[source][day] = value
        self.write(f"{source}/{day if source == 'a' else day.replace('-', '')}", value)

    def edit(self) -> None:
        (self.folder / "transforms.py").write_text(CODE.format(**self.by))

    def run(self, **request: Any) -> RunResult | None:
        try:
            return run_project(Project.load(self.folder).planner, RunRequest(executor="serial", **request), None, None)
        except UsageError:  # such as partitions of which there are none
            return None

    def take(self, step: tuple[Any, ...]) -> None:
        match step:
            case "put", source, day, value:
                self.put(source, day, value)
            case "remove", source, day:
                # A source without any file is missing, and removes nothing.
                if day in self.files[source] and len(self.files[source]) > 1:
                    del self.files[source][day]
                    (self.folder / f"data/{source}/{day if source == 'a' else day.replace('-', '')}.csv").unlink()
            case "rates", value:
                self.rates = value
                self.write("rates", value)
            case "edit", name, value:
                self.by[name] = value
                self.edit()
            case "spoil", day:
                file = self.folder / f"data/daily/day={day}/data.csv"
                if file.exists():
                    file.write_text("x\n77\n")
            case "run", term:
                self.run(selection=(term,) if term else ())
            case "choose", text:
                self.run(partitions=(text,))
            case "as of", moment:
                self.run(as_of=moment)
            case "limit", newest:
                self.run(max_partitions=1, newest_first=newest)

    def expected(self) -> dict[str, Mapping[str, int]]:
        """Everything computed from nothing, without partitions."""
        a, b = self.files["a"], self.files["b"]
        days = sorted({*a, *b})
        daily = {day: self.by["daily"] * (a[day] + b.get(day, 0) + self.rates) for day in days if day in a}
        recent: dict[str, int] = {}
        so_far: dict[str, int] = {}
        for day in daily:
            before = {"2024-01-31": "2024-01-30", "2024-02-01": "2024-01-31"}.get(day, "")
            recent[day] = daily[day] + daily.get(before, 0)
            so_far[day] = daily[day] + so_far.get(before, 0)
        strict = {day: a[day] + b[day] for day in days if day in a and day in b}
        found: dict[str, Mapping[str, int]] = {
            "daily": daily,
            "strict": strict,
            "second": strict,
            "both": {month: sum(strict[d] for d in strict if d[:7] == month) for month in {d[:7] for d in strict}},
            "recent": recent,
            "so_far": so_far,
        }
        monthly = {month: sum(daily[day] for day in daily if day[:7] == month) for month in {day[:7] for day in daily}}
        found["monthly"] = {month: self.by["monthly"] * value for month, value in monthly.items()}
        found["direct"] = {month: sum(a[day] for day in a if day[:7] == month) for month in {day[:7] for day in a}}
        found["early"] = found["direct"]
        found["loaded"] = {f"a%2F{day}.csv": value for day, value in a.items()}
        found["weekly"] = {week: sum(a.values()) for week in {WEEKS[day] for day in a}}
        found["whole"] = {"": sum(daily.values())}
        late = {day[:7] for day in b if day not in a}  # they wait for `a`, and so does what needs them
        found["top"] = {"": sum(value for month, value in found["monthly"].items() if month not in late)}
        return found

    def stored(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {name: {} for name in TABLES}
        for file in sorted(each for each in (self.folder / "data").rglob("*.csv") if each.is_file()):
            name, *rest = file.relative_to(self.folder / "data").with_suffix("").parts
            if name in found:
                found[name][rest[0].partition("=")[2] if rest else ""] = int(file.read_text().split()[1])
        return found


KEYED = """
name: keys
module: transforms
tables:
  a: {kind: source, path: "a/{day:%Y-%m-%d}", columns: {x: int64}}
  daily: {partitions: [day], inputs: [a], columns: {x: int64}, key: [x], gone: drop}
"""


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from(DAYS), st.sets(st.integers(0, 4), max_size=2)), min_size=1, max_size=4))
def test_no_key_is_in_two_partitions_after_success(tmp_path: Path, nights: list[dict[str, set[int]]]) -> None:
    """And a run fails where, and only where, the files have one twice: whatever files come, change and go."""
    shutil.rmtree(tmp_path)
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "lakehouse.yaml").write_text(KEYED)
    (tmp_path / "transforms.py").write_text("def daily(a):\n    return a\n")
    for files in nights:
        for day in DAYS:
            file = tmp_path / f"data/a/{day}.csv"
            if files.get(day):
                file.write_text("x\n" + "".join(f"{x}\n" for x in sorted(files[day])))
            else:
                file.unlink(missing_ok=True)
        if not any(files.values()):
            continue
        ended = run_project(Project.load(tmp_path).planner, RunRequest(executor="serial"), None, None)
        keys = sorted(x for each in files.values() for x in each)
        assert (ended.status == "success") == (len({*keys}) == len(keys))
        if ended.status == "success":
            assert sorted(Project.load(tmp_path).read("daily")["x"].tolist()) == keys


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([("put", "a", "2024-01-31", 0), ("run", ""), ("remove", "a", "2024-01-30")])  # the neighbour is dropped
@example([("put", "a", "2024-01-31", 1), ("put", "b", "2024-01-31", 1), ("run", ""), ("remove", "a", "2024-01-31")])
@given(steps())
def test_stored_partitions_equal_a_computation_from_nothing(tmp_path: Path, happened: list[tuple[Any, ...]]) -> None:
    """Also by partition, to the byte; and a clone of it all, without what is kept beside the project, is as it is."""
    shutil.rmtree(tmp_path)
    folder = tmp_path / "lived"
    folder.mkdir(parents=True)
    history = History(folder)
    for step in happened:
        history.take(step)
    first, before = history.run(), _files(folder, {})
    ended = history.run()
    assert first is not None
    assert ended is not None
    assert _files(folder, {}) == before
    waiting = {each.name: _waiting(each) for each in ended.tables}
    # What the run dropped waits from now on, where an input still has it; all else waited before.
    assert all(waiting[each.name] <= _waiting(each, "dropped") for each in first.tables)
    stored, expected = (
        {name: {key: value for key, value in each.items() if key not in waiting[name]} for name, each in found.items()}
        for found in (history.stored(), history.expected())
    )
    assert stored == expected
    clone = tmp_path / "clone"
    shutil.copytree(folder, clone, copy_function=shutil.copy, ignore=_but_for_own(folder))
    assert _actions(clone) == _actions(folder)
    anew = tmp_path / "anew"
    shutil.copytree(folder, anew, ignore=shutil.ignore_patterns(".lakehouse", *TABLES))
    made = run_project(Project.load(anew).planner, RunRequest(executor="serial"), None, None)
    late = {each.name: _waiting(each) for each in made.tables}
    assert late | {"top": set()} == waiting | {"top": set()}  # whatever was there before
    assert _files(folder, whole := {"top": waiting["top"]}) == _files(anew, whole)  # which may be as it was made before
    assert {name for name, keys in waiting.items() if keys} <= {*TABLES} - {
        "weekly",
        "direct",
        "early",
        "loaded",
        "whole",
    }


def _but_for_own(folder: Path) -> Callable[[str, list[str]], list[str]]:
    """Leave out what lakehouse keeps beside the project, as no clone has it."""
    return lambda place, names: [".lakehouse"] if Path(place) == folder and ".lakehouse" in names else []


def _actions(folder: Path) -> dict[str, str]:
    """What a plan would do to tables, where that is anything."""
    planned = {each.name: each.action for each in Project.load(folder).plan().tables}
    return {name: action for name, action in planned.items() if action not in ("read", "skip")}


def _files(folder: Path, late: Mapping[str, set[str]]) -> dict[str, bytes]:
    """What is stored of tables that are computed, to the byte, but for partitions that wait for others."""
    found: dict[str, bytes] = {}
    for file in (each for each in folder.glob("data/**/*.csv") if each.is_file()):
        name, *rest = file.relative_to(folder / "data").with_suffix("").parts
        if name in TABLES and (rest[0].partition("=")[2] if rest else "") not in late.get(name, ()):
            found[file.relative_to(folder).as_posix()] = file.read_bytes()
    return found


def _waiting(table: TableResult, *statuses: str) -> set[str]:
    """The partitions of a table that wait for others, and may be as they were made before; itself as an empty text.

    Args:
        table: Its result.
        statuses: What else counts as waiting.
    """
    counted = {"waiting", *statuses}
    if table.status in counted and not table.partitions:
        return {""}
    return {"/".join(each.key.values()) for each in table.partitions or () if each.status in counted}
