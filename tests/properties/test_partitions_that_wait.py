"""The law of partitions that wait: what is stored is what a run from nothing stores, whatever was stored before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakehouse_cli import Project
from lakehouse_cli.errors import UsageError
from lakehouse_cli.project.execution import run_project
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.runs.events import RunResult

DECLARED = """
name: law
module: transforms
dimensions:
  day: {{every: day, {calendar}}}
  month: {{every: month, open: partial}}
defaults: {{gone: drop}}
tables:
  a: {{kind: source, path: "a/{{day:%Y-%m-%d}}", columns: {{x: int64}}}}
  b: {{kind: source, path: "b/{{day:%Y-%m-%d}}", columns: {{x: int64}}}}
  tidy: {{partitions: [day], inputs: {{a: a, b: {{table: b, missing: {missing[0]}}}}}, columns: {{x: int64}}}}
  near:
    partitions: [day]
    inputs: {{tidy: {{table: tidy, at: {{day: {at}}}, missing: {missing[1]}}}}}
    columns: {{x: int64}}
  chain:
    partitions: [day]
    inputs: {{tidy: tidy, before: {{table: chain, at: {{day: -1}}, missing: {missing[2]}}}}}
    columns: {{x: int64}}
  monthly: {{partitions: [month], inputs: {{chain: {{table: chain, missing: {missing[3]}}}}}, columns: {{x: int64}}}}
  beside:
    partitions: [day]
    inputs: {{near: near, monthly: {{table: monthly, missing: {missing[4]}}}}}
    columns: {{x: int64}}
  whole: {{inputs: [near], columns: {{x: int64}}}}
"""
TABLES = ("tidy", "near", "chain", "monthly", "beside", "whole")
CODE = """
import pyarrow as pa

def _of(*tables):
    return pa.table({"x": [sum(sum(table["x"].to_pylist()) for table in tables)]})

def tidy(a: pa.Table, b: pa.Table) -> pa.Table:
    return _of(a, b)

def near(tidy: pa.Table) -> pa.Table:
    return _of(tidy)

def chain(tidy: pa.Table, before: pa.Table) -> pa.Table:
    return _of(tidy, before)

def monthly(chain: pa.Table) -> pa.Table:
    return _of(chain)

def beside(near: pa.Table, monthly: pa.Table) -> pa.Table:
    return _of(near, monthly)

def whole(near: pa.Table) -> pa.Table:
    return _of(near)
"""
DAYS = ("2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02")
# The last day has not ended.
MOMENTS = ("2024-02-01T12:00Z", "2024-02-02T12:00Z")
CALENDAR = "start: 2024-01-30, end: 2024-02-04"
WAIT, SKIP = ("wait",) * 5, ("skip",) * 5

Step = tuple[Any, ...]

DECLARATIONS = st.fixed_dictionaries(
    {
        "calendar": st.sampled_from((CALENDAR, "open: wait", f"{CALENDAR}, open: partial", "start: 2024-01-31")),
        "at": st.sampled_from(("[-1, 0]", "[-2, -1]", "[0, 1]", "-1")),
        "missing": st.tuples(*[st.sampled_from(("wait", "skip"))] * 5),
    }
)
FILE = (st.sampled_from(("a", "b")), st.sampled_from(DAYS))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), *FILE, st.integers(0, 9)),
        st.tuples(st.just("remove"), *FILE),
        st.just(("run",)),
        st.tuples(st.just("limit"), st.booleans()),
        st.tuples(
            st.just("choose"), st.sampled_from(("day=2024-01-31", "month=2024-02", "day=2024-01-31..2024-02-02"))
        ),
        st.tuples(st.just("select"), st.sampled_from(("tidy", "near", "+chain", "monthly+"))),
    ),
    max_size=7,
)


def lived(folder: Path, moment: str, **request: Any) -> RunResult | None:
    try:
        asked = RunRequest(executor="serial", as_of=moment, **request)
        return run_project(Project.load(folder).planner, asked, None, None)
    except UsageError:  # such as partitions of which there are none
        return None


def take(folder: Path, step: Step, moment: str) -> None:
    match step:
        case "put", source, day, value:
            (folder / f"data/{source}/{day}.csv").write_text(f"x\n{value}\n")
        case "remove", source, day:
            file = folder / f"data/{source}/{day}.csv"
            if file.exists() and len([*file.parent.glob("*.csv")]) > 1:  # a source without any file is missing
                file.unlink()
        case ("run",):
            lived(folder, moment)
        case "limit", newest:
            lived(folder, moment, max_partitions=1, newest_first=newest)
        case "choose", partition:
            lived(folder, moment, partitions=(partition,))
        case "select", term:
            lived(folder, moment, selection=(term,))


def stored(folder: Path) -> dict[str, str]:
    files = [each for name in TABLES[:-1] for each in (folder / "data" / name).glob("*/data.csv")]
    return {file.relative_to(folder / "data").as_posix(): file.read_text() for file in files}


def stands(result: RunResult | None) -> dict[str, set[str]]:
    """The partitions that wait, by table."""
    assert result is not None
    return {
        table.name: {"/".join(each.key.values()) for each in table.partitions or () if each.status == "waiting"}
        for table in result.tables
    }


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"calendar": CALENDAR, "at": "-1", "missing": WAIT}, [("run",), ("remove", "a", DAYS[1])])
@example({"calendar": CALENDAR, "at": "[-1, 0]", "missing": SKIP}, [("run",), ("remove", "a", DAYS[1])])
@example({"calendar": CALENDAR, "at": "[-1, 0]", "missing": WAIT}, [("remove", "a", DAYS[2]), ("run",)])
@example(
    {"calendar": "open: wait", "at": "[-1, 0]", "missing": SKIP},
    [("remove", "a", DAYS[3]), ("remove", "b", DAYS[3]), ("run",), ("run",), ("put", "a", DAYS[3], 5)],
)
@example(
    {"calendar": "open: wait", "at": "[-1, 0]", "missing": SKIP},
    [("remove", "a", DAYS[0]), ("run",), ("put", "a", DAYS[0], 5), ("limit", True)],
)
@given(DECLARATIONS, STEPS)
def test_what_waits_is_not_stored(tmp_path: Path, declared: dict[str, Any], happened: list[Step]) -> None:
    """Periods of a calendar, windows, a table on itself, months that have not ended: and a clone plans likewise."""
    shutil.rmtree(tmp_path)
    folder = tmp_path / "lived"
    (folder / "data/a").mkdir(parents=True)
    (folder / "data/b").mkdir()
    (folder / "lakehouse.yaml").write_text(DECLARED.format(**declared))
    (folder / "transforms.py").write_text(CODE)
    for number, day in enumerate(DAYS, 1):
        take(folder, ("put", "a", day, number), "")
        take(folder, ("put", "b", day, number * 10), "")
    for place, step in enumerate(happened):
        take(folder, step, MOMENTS[place * 2 > len(happened)])
    lived(folder, MOMENTS[1])
    before = stored(folder)
    waits = stands(lived(folder, MOMENTS[1]))
    assert stored(folder) == before
    anew = tmp_path / "anew"
    shutil.copytree(folder, anew, ignore=shutil.ignore_patterns(".lakehouse", *TABLES, "whole.csv"))
    assert stands(lived(anew, MOMENTS[1])) == waits
    assert stored(anew) == before
    whole = [each / "data/whole.csv" for each in (folder, anew)]
    if whole[1].exists():  # one that reads no partition any more stays as it was made
        assert whole[0].read_text() == whole[1].read_text()
    clone = tmp_path / "clone"
    shutil.copytree(
        folder,
        clone,
        copy_function=shutil.copy,
        ignore=lambda place, _: {".lakehouse"} if Path(place) == folder else set(),
    )
    planned = [Project.load(each).plan(as_of=MOMENTS[1]) for each in (clone, folder)]
    assert [each.action for each in planned[0].tables] == [each.action for each in planned[1].tables]
