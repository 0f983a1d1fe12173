"""Patterns of files."""

from __future__ import annotations

import glob
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_cli.model.file_pattern import FilePattern, PatternError, is_pattern, pattern_problem
from tests.cases import each_case

NAMES = st.text("ab_.1", min_size=1, max_size=3).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
PATTERNS = st.lists(st.text("ab_.*?", min_size=1, max_size=4).filter(lambda n: n.strip(".")), min_size=1, max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(paths=st.sets(PATHS, max_size=6), parts=PATTERNS)
def test_marks_match_as_in_a_shell(paths: set[str], parts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    pattern = re.sub(r"\*+", "*", "/".join(parts))  # `**` is another thing
    root = tmp_path_factory.mktemp("files")
    written = set()
    for path in sorted(paths):
        file = root / path
        if not any(parent.is_file() for parent in file.parents if parent != root) and not file.is_dir():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            written.add(path)
    expected = {each for each in glob.glob(pattern, root_dir=root) if Path(root, each).is_file()}  # noqa: PTH207
    found = {each for each in written if FilePattern(pattern).match(each) is not None}
    assert found == expected
    assert all(each.startswith(FilePattern(pattern).folder) for each in found)


@given(st.lists(st.text("ab-1é ", min_size=1, max_size=4), min_size=3, max_size=3))
def test_placeholders_give_back_what_stands_there(values: list[str]) -> None:
    a, b, c = values
    assert FilePattern("x/{a}/{b}.{c}").match(f"x/{a}/{b}.{c}") == {"a": a, "b": b, "c": c}


def test_placeholder_twice_must_agree() -> None:
    assert FilePattern("{d:%Y}/{d:%Y}").match("2024/2024") == {"d": "2024"}
    with pytest.raises(PatternError, match=r"`\{d\}` is '2024' and '2025' there"):
        FilePattern("{d:%Y}/{d:%Y}").match("2024/2025")


@pytest.mark.parametrize(("path", "pattern"), [("a/b", False), ("a*", True), ("a/", True), ("{x}", True), ("a{", True)])
def test_what_is_a_pattern(path: str, pattern: bool) -> None:
    assert is_pattern(path) == pattern


def test_any_depth() -> None:
    assert [FilePattern("r/**/x").match(each) for each in ("r/x", "r/a/b/x", "r/a/.b/x")] == [{}, {}, None]
    assert [FilePattern("r/**").match(each) for each in ("r/x", "r/a/b", "r/.a/b")] == [{}, {}, None]
    assert FilePattern("r/{x}_*").depth == 0
    assert FilePattern("r/**/x").depth is None
    assert pattern_problem("r/**/{day:%Y-%m-%d}") is None


@each_case(
    ("pattern", "path", "values"),
    [
        ("{a}_{m:%Y-%m}", "north_east_2024-01", {"a": "north_east", "m": "2024-01"}),
        ("{a}{m:%Y%m}", "eu202401", {"a": "eu", "m": "202401"}),
        ("{y:%Y}{m:%m}", "202401", {"y": "2024", "m": "01"}),
        ("{m:%Y-%m}_*", "2024-01_a_b", {"m": "2024-01"}),
        ("{d:%d%b%Y}", "01Jan2024", {"d": "01Jan2024"}),
        ("{a}_{b}", "x_y", {"a": "x", "b": "y"}),
        ("**/{a}", "b/c/x", {"a": "x"}),
        ("{a}_{b}", "x_", "`{b}` is empty there"),
        ("{a}_{m:%Y}", "_2024", "`{a}` is empty there"),
        ("{a}_{b}", "x_y_z", "`{a}` may be 'x' and 'x_y' there"),
        ("*_{a}", "x_y_z", "`{a}` may be 'z' and 'y_z' there"),
        ("**/{a}/**", "b/c/x", "`{a}` may be 'c' and 'b' there"),
        ("{a}_{m:%Y-%m}", "north_east_2024-1", "'east_2024-1' is not as `{m:%Y-%m}` says"),
    ],
)
def test_value_is_the_only_one_that_fits(pattern: str, path: str, values: dict[str, str] | str) -> None:
    if isinstance(values, dict):
        assert FilePattern(pattern).match(path) == values
        return
    with pytest.raises(PatternError) as raised:
        FilePattern(pattern).match(path)
    assert str(raised.value) == values


@pytest.mark.parametrize("path", ["{a}{b}", "{a}*", "*{a}", "{a}**"])
def test_marks_side_by_side_are_refused(path: str) -> None:
    assert "of which nothing says where the one ends" in str(pattern_problem(path))
    assert pattern_problem("{a}{m:%Y-%m}?") is None
