"""`within`, which is read and refused where it is wrong, though no run does it yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse_cli.config import load_project
from lakehouse_cli.model.dimension import Within


def load(folder: Path, options: str) -> tuple[list[tuple[str, str | None]], Within | None]:
    """The problems of a project with an input by time, each with its hint, and how it was read."""
    file = folder / "lakehouse.yaml"
    tables = f"a: {{kind: source}}\n  t: {{partitions: [day], inputs: {{a: {{table: a, {options}}}}}}}"
    file.write_text(
        f"name: x\nmodule: m\ndimensions: {{day: {{every: day, start: 2024-01-01}}}}\ntables:\n  {tables}\n"
    )
    loaded = load_project(file, {})
    table = loaded.spec.tables.get("t")
    within = table.input_options["a"].within if table is not None and table.input_options else None
    return [(each.message, each.hint) for each in loaded.problems], within


@pytest.mark.parametrize(
    ("options", "around"),
    [
        ("within: {column: ts}", (0, 0)),
        ("within: {column: ts, around: [-1d, +12h]}", (-86400, 43200)),
        ("within: {column: ts, around: [0, 90m]}", (0, 5400)),
    ],
)
def test_rows_by_time_are_read(tmp_path: Path, options: str, around: tuple[int, int]) -> None:
    assert load(tmp_path, options) == ([], Within("ts", around))


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ("within: ts", "is a map of `column` and `around`, not `ts`", "write `{column: ts, around: [-1d, +1d]}`"),
        ("within: {around: [-1d, 1d]}", "`column` of `within` of `a`", "name the column that holds the time of a row"),
        ("within: {column: ts, around: 1d}", "is two spans of time, not `1d`", "write `[-1d, +1d]`"),
        ("within: {column: ts, around: [1x, 1d]}", "is two spans of time", "write `[-1d, +1d]`"),
        ("at: {day: -1}, within: {column: ts}", "has both `at` and `within`", "keep one of the two"),
    ],
)
def test_rows_by_time_that_are_wrong_are_refused(tmp_path: Path, options: str, message: str, hint: str) -> None:
    [(found, advice)], _ = load(tmp_path, options)
    assert message in found
    assert hint in str(advice)
