"""Edits: those that change a fingerprint and those that do not.

Each case in ``tests/corpus/edits`` is a module before and after an edit, ``«old→new»``; ``---`` is between two cases.
A line ``=== name.py`` begins another file. `PACKAGE` is beside all of them, ``=== name.py: «old→new»`` an edit there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from lakehouse_cli.code.fingerprints import CodeFingerprint
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


def before_and_after(folder: Path, case: str) -> tuple[CodeFingerprint, CodeFingerprint]:
    code, *others = FILE.split(case)
    files = {**PACKAGE, "transforms.py": code}
    for name, text in zip(others[::2], others[1::2], strict=True):
        files[name] = text
        if text.startswith(": "):
            (edit,) = EDIT.finditer(text)
            assert PACKAGE[name].count(edit[1]) == 1
            files[name] = PACKAGE[name].replace(edit[1], edit[0])
    assert sum(len(EDIT.findall(text)) for text in files.values()) == 1
    sides = [{name: EDIT.sub(rf"\{side}", text) for name, text in files.items()} for side in (1, 2)]
    return fingerprint(folder / "before", sides[0]), fingerprint(folder / "after", sides[1])


@pytest.mark.parametrize("case", cases("matters"))
def test_edits_that_matter(tmp_path: Path, case: str) -> None:
    before, after = before_and_after(tmp_path, case)
    assert before.hash != after.hash
    assert before.parts != after.parts


@pytest.mark.parametrize("case", cases("ignored"))
def test_edits_that_do_not(tmp_path: Path, case: str) -> None:
    before, after = before_and_after(tmp_path, case)
    assert before == after
