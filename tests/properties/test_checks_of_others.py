"""The law of checks that look at other tables: a run that succeeds has judged them on what is stored in the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakehouse_cli import Project
from lakehouse_cli.project.execution import run_project
from lakehouse_cli.project.run_request import RunRequest
from lakehouse_cli.runs.events import RunResult

#: In this order; the first of them are by day, as many as are drawn. One function gives `one` and `two`.
TABLES = ("first", "beside", "one", "two", "aside", "last")
BY_DAY = (0, 1, 2, 4, 5, 6)
OF = {"first": ["a"], "beside": ["a"], "one": ["first"], "two": ["first"], "aside": ["one"], "last": ["two", "aside"]}
DAYS = ("2024-01-30", "2024-01-31")
CODE = """
import pandas as pd

def ids(*tables):
    return pd.concat(tables).drop_duplicates().sort_values("id")

def first(a):
    return a

def beside(a):
    return a[a["id"] != 3]

def both(first):
    return {"one": first, "two": first[first["id"] % 2 == 1]}

def aside(one):
    return one

def last(two, aside):
    return ids(two, aside)
"""

#: By table and check, at which table it looks, and its severity.
References = dict[str, dict[str, tuple[str, str]]]
Step = tuple[Any, ...]

REFERENCES = st.fixed_dictionaries(
    {
        name: st.dictionaries(
            st.sampled_from(("upper", "lower")),
            st.tuples(
                st.sampled_from([each for each in (*TABLES, "a", "v", "w") if each != name]),
                st.sampled_from(("error", "error", "warn") if name != "aside" else ("error",)),
            ),
        )
        for name in TABLES
    }
)
IDS = st.frozensets(st.integers(0, 3), max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("a"), st.sampled_from(DAYS), IDS, st.booleans()),
        st.tuples(st.sampled_from(("v", "w")), IDS),
        st.tuples(st.just("run"), st.booleans()),
        st.just(("diff",)),
    ),
    max_size=8,
)


def declared(references: References, by_day: int) -> str:
    lines = [
        "name: law",
        "module: transforms",
        "tables:",
        '  a: {kind: source, path: "a/{day:%Y-%m-%d}", columns: {id: int64}}',
        "  v: {kind: source, columns: {id: int64}}",
        "  w: {kind: source, columns: {id: int64}}",
    ]
    for number, name in enumerate(TABLES):
        keys = ["columns: {id: int64}", f"inputs: [{', '.join(OF[name])}]"]
        keys += ["partitions: [day]"] * (number < by_day)
        keys += [f"function: both, output: {name}"] * (name in ("one", "two"))
        checks = [
            f"{{foreign_key: {{columns: id, references: {other}.id}}, severity: {severity}, name: {check}}}"
            for check, (other, severity) in references.get(name, {}).items()
        ]
        if checks:
            keys.append(f"checks: [{', '.join(checks)}]")
            keys += ["quarantine: {max: 100%}"] * (name == "aside")
        lines.append(f"  {name}: {{{', '.join(keys)}}}")
    return "\n".join(lines) + "\n"


def read(file: Path) -> set[int]:
    return {int(each.strip('"')) for each in file.read_text().split()[1:]}


def stored(folder: Path, name: str) -> set[int]:
    files = [*(folder / "data" / name).rglob("*.csv"), *(folder / "data").glob(f"{name}.csv")]
    return set().union(*map(read, files))


def computed(folder: Path) -> dict[str, set[int]]:
    """What tables come out as, of rows that are not put aside."""
    first = stored(folder, "a")
    beside = {each for each in first if each != 3}
    return {
        "first": first,
        "beside": beside,
        "one": first,
        "two": {each for each in first if each % 2},
        "aside": first,
        "last": first,
    }


def run(folder: Path, *, together: bool) -> RunResult:
    asked = RunRequest(executor="serial", together=together)
    return run_project(Project.load(folder).planner, asked, None, None)


def hold(folder: Path, ended: RunResult, references: References) -> None:
    found = {(table.name, each.name): each.status for table in ended.tables for each in table.checks or ()}
    for name, check, other, severity in ((n, c, *of) for n, checks in references.items() for c, of in checks.items()):
        missing = stored(folder, name) - stored(folder, other)
        status = found.get((name, check), "passed")
        if status != "skipped" and ended.status == "success":
            put_aside = name == "aside" and status == "warned" and not missing
            assert put_aside or bool(missing) == (status == "warned"), (name, check, status, missing)
            assert not (missing and severity == "error"), (name, check, missing)
        if status == "failed":  # what is stored, or came out and is not stored
            assert (computed(folder)[name] | stored(folder, name)) - stored(folder, other), (name, check)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(  # what both results are computed from comes out the same
    {"one": {"upper": ("w", "error")}},
    4,
    [("run", False), ("a", DAYS[0], frozenset({1}), True), ("w", frozenset({2}))],
)
@example(  # one stands failed, and only the other is judged
    {"first": {"upper": ("w", "error"), "lower": ("v", "error")}},
    6,
    [("run", False), ("w", frozenset({2})), ("run", False), ("v", frozenset({1, 2}))],
)
@example(  # all that takes it as a frame has it before the check looks at it
    {"last": {"upper": ("first", "error")}},
    0,
    [("run", False), ("a", DAYS[1], frozenset({2}), False), ("diff",)],
)
@given(REFERENCES, st.sampled_from(BY_DAY), STEPS)
def test_checks_hold_after_success(tmp_path: Path, references: References, by_day: int, happened: list[Step]) -> None:
    """And what fails is not as another table has it, whatever was stored before; `diff` told of what a run changed."""
    shutil.rmtree(tmp_path)
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "lakehouse.yaml").write_text(declared(references, by_day))
    (tmp_path / "transforms.py").write_text(CODE)
    (tmp_path / f"data/a/{DAYS[0]}.csv").write_text("id\n1\n")
    for source in "vw":
        (tmp_path / f"data/{source}.csv").write_text("id\n1\n")
    for step in (*happened, ("run", False), ("run", False)):
        match step:
            case "a", day, ids, quoted:
                rows = [f'"{each}"' if quoted else str(each) for each in sorted(ids)]
                (tmp_path / f"data/a/{day}.csv").write_text("\n".join(["id", *rows, ""]))
            case ("v" | "w") as source, ids:
                (tmp_path / f"data/{source}.csv").write_text("\n".join(["id", *map(str, sorted(ids)), ""]))
            case "run", together:
                hold(tmp_path, run(tmp_path, together=together), references)
            case ("diff",):
                compared = {each.name: each.status for each in Project.load(tmp_path).diff().tables}
                before = {name: stored(tmp_path, name) for name in TABLES}
                if run(tmp_path, together=False).status == "success":
                    changed = {name for name, ids in before.items() if stored(tmp_path, name) != ids}
                    assert changed <= {name for name, status in compared.items() if status not in ("equal", "failed")}
    ended = run(tmp_path, together=False)
    hold(tmp_path, ended, references)
    assert ended.status != "success" or {each.status for each in ended.tables} == {"unchanged"}
