"""Every hint of the corpus of bad project files is followed: each file has a corrected one, which is valid.

A file of ``tests/corpus/corrected`` is that of the same name in ``tests/corpus/bad``, changed by what the hints say.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path

import pytest

from lakehouse_cli.config import load_project
from lakehouse_cli.errors import Problem
from tests.conftest import Invoked, ProjectFolder
from tests.unit.config.test_config_corpus import BAD, CORPUS, ENVIRON

#: Hints that propose what to write; others give an example, or say what to do.
PROPOSAL = re.compile(r"did you mean|write (?:`|it like)|use ")
#: What stands for something of the user's.
PLACEHOLDER = re.compile(r"…|\bname:|\$\{(?:NAME)?|- $")
#: Files of which a hint names another place than the problem's.
ELSEWHERE = {
    "alias_bomb": "`use fewer aliases of aliases`: they are in the lines below, too",
    "key_without_colon": "the key is in the line above",
}


def corrected(path: Path) -> Path:
    """The corrected file, or the one in a folder, of a bad one."""
    return CORPUS / "corrected" / path.relative_to(CORPUS / "bad")


def corpus_lines(path: Path) -> list[str]:
    """The lines of a file without what it says of the problems; they are at the top."""
    return [line for line in path.read_text("utf-8").splitlines() if not line.startswith(("# expect:", "# schema:"))]


def changes(bad: Path) -> Iterator[tuple[set[int], str]]:
    """What was changed in a bad file: 1-based numbers of its lines, and the text in their place."""
    before, after = corpus_lines(bad), corpus_lines(corrected(bad))
    header = len(bad.read_text("utf-8").splitlines()) - len(before)
    for change, start, end, new_start, new_end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if change != "equal":
            yield set(range(header + start + 1, header + end + 1)), "\n".join(after[new_start:new_end])


def proposed(hint: str) -> list[str]:
    """What a hint proposes to write, any of it."""
    if not PROPOSAL.match(hint):
        return []
    return [word for word in re.findall(r"`([^`]+)`", hint) if not PLACEHOLDER.search(word)]


@cache
def problems(path: Path) -> list[tuple[Path, int, Problem]]:
    """The problems of a bad file, each with its file and line."""
    found = []
    for problem in load_project(path, ENVIRON, thorough=True).problems:
        place = problem.location
        assert place is not None
        assert place.line is not None
        found.append((path.parent / place.file, place.line, problem))
    return found


def corpus_id(path: Path) -> str:
    return path.parent.name if path.name == "lakehouse.yaml" else path.stem


@pytest.mark.parametrize("path", BAD, ids=corpus_id)
def test_corrected_file_has_what_hints_propose(path: Path) -> None:
    for file, line, problem in problems(path):
        words = proposed(problem.hint or "")
        texts = [text for lines, text in changes(file) if line in lines] or [text for _, text in changes(file)]
        assert not words or any(word in text for word in words for text in texts), problem


@pytest.mark.parametrize("path", [path for path in BAD if corpus_id(path) not in ELSEWHERE], ids=corpus_id)
def test_corrected_file_changes_lines_with_problems(path: Path) -> None:
    for file in {file for file, _, _ in problems(path)}:
        at = {line for other, line, _ in problems(path) if other == file}
        for lines, text in changes(file):
            assert not lines or lines & at, text


def functions(path: Path) -> str:
    """A module with the transforms of a corrected project, as its tables call them."""
    spec = load_project(path, ENVIRON).spec
    lines = []
    for table in spec.tables.values() if spec else ():
        inputs = table.inputs or ()
        names = [*(inputs if isinstance(inputs, dict) else (f"p{at}" for at in range(len(inputs)))), *table.params]
        name = table.function.name if table.function else table.name
        lines.append(f"def {name}({', '.join(names)}): ...\n")
    return "".join(lines)


@pytest.mark.parametrize("path", BAD, ids=corpus_id)
def test_corrected_file_is_valid(
    path: Path, folder: ProjectFolder, cli: Callable[..., Invoked], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    if path.name == "lakehouse.yaml":
        shutil.copytree(corrected(path).parent, folder.path, dirs_exist_ok=True)
    else:
        shutil.copy(corrected(path), folder.path / "lakehouse.yaml")
        folder.write("a.yaml", "tables: {}")  # which some include
    module = functions(folder.path / "lakehouse.yaml")
    for each in ("transforms", "a_b"):
        folder.write(f"{each}.py", module)
    assert cli("validate").err == ""
