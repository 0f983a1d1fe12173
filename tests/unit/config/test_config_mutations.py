"""Whatever is done to a good file, loading it ends with problems that have a place, never with an exception."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_cli.config import load_project

CORPUS = Path(__file__).parents[2] / "corpus"
TEXTS = [path.read_text("utf-8") for path in sorted((CORPUS / "good").glob("*.yaml"))]
ENVIRON = {"HOME": "/home/someone", "EMPTY": "", "WORKERS": "2", "SEPARATOR": ";", "LAKE_SECRET": "s3cr3t"}
# Characters with a meaning in YAML or to the loader, more often than others.
MEANINGFUL = st.sampled_from(
    [*"{}[]<>:,-#&*!|'\"%@`?~$. \t\n0", ": ", "- ", "<<: ", "${", "!!int ", "null", "&a ", "*a", "é"]
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["delete", "insert", "any", "swap", "repeat"])):
            case "delete":
                text = text[:start] + text[start + draw(st.integers(1, 12)) :]
            case "insert":
                text = text[:start] + draw(MEANINGFUL) + text[start:]
            case "any":
                text = text[:start] + draw(st.text(st.characters(codec="utf-8"), max_size=3)) + text[start:]
            case "swap":
                lines = text.splitlines(keepends=True) or [""]
                one, two = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
                lines[one], lines[two] = lines[two], lines[one]
                text = "".join(lines)
            case _:
                text = text[:start] + text[max(start - draw(st.integers(1, 40)), 0) :]
    return text


@pytest.mark.parametrize("invisible", ["\t", "\u200b"])
def test_invisible_characters_in_values_are_visible_in_problems(tmp_path: Path, invisible: str) -> None:
    path = tmp_path / "lakehouse.yaml"
    text = (CORPUS / "good" / "checks.yaml").read_text("utf-8")
    problems = []
    for word in re.finditer(r"\w[\w.%:+-]+(?=[],}])", text):
        path.write_text(text[: word.start() + 1] + invisible + text[word.start() + 1 :], "utf-8")
        problems += load_project(path, ENVIRON).problems
    assert len(problems) > 40
    assert [problem for problem in problems if not f"{problem.message}{problem.hint}".isprintable()] == []


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=mutated())
def test_mutated_files_end_in_problems_with_places(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lakehouse.yaml"
    path.write_bytes(text.encode())
    loaded = load_project(path, ENVIRON, thorough=True)
    for problem in loaded.problems:
        place = problem.location
        assert place is not None
        assert place.file == "lakehouse.yaml"
        assert place.line is not None
        assert place.column is not None
        assert place.source is not None
        # A password is shown as stars, as many as it has characters.
        assert re.search(
            re.sub(r"(?:\\\*)+", lambda stars: f".{{{len(stars[0]) // 2}}}", re.escape(place.source)), text
        )
        assert 1 <= place.column <= len(place.source) + 1
        assert place.column - 1 + place.length <= max(len(place.source), place.column)
        assert problem.message.isprintable()
        assert problem.hint
        assert problem.hint.isprintable()
    for table in loaded.spec.tables.values():
        assert table.storage in loaded.spec.storages or loaded.problems
