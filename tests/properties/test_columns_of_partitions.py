"""The law of columns that are not declared: what runs have stored can be read, and is what the days hold."""

from __future__ import annotations

import shutil
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lakehouse_cli import Project
from lakehouse_cli.project.execution import run_project
from lakehouse_cli.project.run_request import RunRequest
from tests.cli.test_columns_of_partitions import CODE, KINDS

DECLARED = """
name: columns
module: transforms
tables:
  s: {{kind: source, path: "s_{{day:%Y-%m-%d}}", columns: {{kind: string}}}}
  t: {{partitions: [day], inputs: [s], gone: drop, format: {}}}
"""
TYPES = {"int": "int64", "float": "float64", "text": "string", "null": "string", "order": "int64", "none": "int64"}

# What a night brings: the kind of each day that comes or changes, and days that go.
NIGHT = st.dictionaries(st.integers(1, 4), st.sampled_from((*KINDS, *["int"] * 6, None)), min_size=1, max_size=3)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example("csv", [{1: "int", 2: "order", 3: "none"}, {1: "text", 2: "null", 3: "text"}])  # all change at once
@example("csv", [{3: "int"}, {1: "float", 2: "int", 3: "text"}])  # the only one that is stored changes
@example("parquet", [{1: "int", 2: "text"}, {2: None}, {1: "float"}])
@given(st.sampled_from(("csv", "parquet", "ipc", "jsonl")), st.lists(NIGHT, min_size=1, max_size=4))
def test_what_a_run_stores_is_read_as_one(tmp_path: Path, form: str, nights: list[dict[int, str | None]]) -> None:
    """Where days go together: else a run fails, and what was stored before it is read as it was."""
    shutil.rmtree(tmp_path)
    (tmp_path / "data").mkdir(parents=True)
    (tmp_path / "lakehouse.yaml").write_text(DECLARED.format(form))
    (tmp_path / "transforms.py").write_text(CODE)
    kinds: dict[int, str] = {}
    for night in nights:
        for day, kind in night.items():
            file = tmp_path / f"data/s_2024-01-{day:02}.csv"
            if kind is not None:
                kinds[day] = kind
                file.write_text(f"kind\n{kind}\n")
            elif kinds.keys() - {day}:  # a source without any file is missing
                kinds.pop(day, None)
                file.unlink(missing_ok=True)
        if not kinds:
            continue
        alike = len({TYPES.get(kind, kind) for kind in kinds.values()}) == 1
        is_done = run(tmp_path)
        if alike and not is_done:  # what is stored of others was to be replaced as well
            is_done = run(tmp_path, force=True)
        assert is_done == alike, kinds
        is_stored = any((tmp_path / "data/t").glob("*/data.*"))
        rows = [str(each) for each in Project.load(tmp_path).read("t")["kind"]] if is_stored else []
        if alike:
            assert sorted(rows) == sorted(kind for kind in kinds.values() if kind != "none"), kinds


def run(folder: Path, *, force: bool = False) -> bool:
    asked = RunRequest(executor="threads", workers=2, force=force)
    return run_project(Project.load(folder).planner, asked, None, None).status == "success"
