"""Edits: those that change a fingerprint and those that do not.

Each case in ``tests/corpus/edits`` is a module before and after an edit, ``«old→new»``; ``---`` is between two cases.
A line ``=== name.py`` begins another file. `PACKAGE` is beside all of them, ``=== name.py: «old→new»`` an edit there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.cases import each_case
from tests.unit.code.projects import PACKAGE, fingerprint

CORPUS = Path(__file__).parents[2] / "corpus" / "edits"
EDIT = re.compile("«([^→]*)→([^»]*)»")
FILE = re.compile("(?:^|\n)=== ([^:\n]+)")


def cases(kind: str) -> list[str]:
    found = []
    for file in sorted((CORPUS / kind).glob("*.txt")):
        if file.stem != "python_3_12" or sys.version_info >= (3, 12):
            found += file.read_text(encoding="utf-8").split("\n---\n")
    return found


def sides_of(case: str) -> tuple[dict[str, str], dict[str, str]]:
    code, *others = FILE.split(case)
    files = {**PACKAGE, "transforms.py": code}
    for name, text in zip(others[::2], others[1::2], strict=True):
        files[name] = text
        if text.startswith(": "):
            (edit,) = EDIT.finditer(text)
            assert PACKAGE[name].count(edit[1]) == 1
            files[name] = PACKAGE[name].replace(edit[1], edit[0])
    assert sum(len(EDIT.findall(text)) for text in files.values()) == 1
    before, after = ({name: EDIT.sub(rf"\{side}", text) for name, text in files.items()} for side in (1, 2))
    return before, after


@each_case("case", cases("matters"))
def test_edits_that_matter(tmp_path: Path, case: str) -> None:
    old, new = sides_of(case)
    before = fingerprint(tmp_path, old)
    after = fingerprint(tmp_path, {name: text for name, text in new.items() if text != old[name]})
    assert before.hash != after.hash
    assert before.parts != after.parts


@each_case("case", cases("ignored"))
def test_edits_that_do_not(tmp_path: Path, case: str) -> None:
    before, after = sides_of(case)
    assert fingerprint(tmp_path / "before", before) == fingerprint(tmp_path / "after", after)
